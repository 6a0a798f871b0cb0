# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images: which a node needs, which are missing, and how they are pulled."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.modules import kubeadm_images

FIXTURES = Path(__file__).parents[2] / "fixtures"
LISTED = (FIXTURES / "kubeadm/1.36.3_images.json").read_text()
# The images of a control plane of the same version, from a registry at 10.90.6.2:5000.
PRESENT = (FIXTURES / "crictl/1.36_images.json").read_text()
ALL = json.loads(LISTED)["images"]
EVERY_NODE = [
    "registry.k8s.io/kube-proxy:v1.36.3",
    "registry.k8s.io/coredns/coredns:v1.14.2",
    "registry.k8s.io/pause:3.10.2",
]
ARGUMENTS = {"version": "1.36.3", "image_repository": "registry.k8s.io"}
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def told(machine: Path, programs: Any, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The documents that kubeadm got; the unit is not there yet, and the runtime has no image."""
    documents: list[Any] = []

    def listed(argv: list[str]) -> tuple[int, str, str]:
        documents.append(json.loads(Path(argv[argv.index("--config") + 1]).read_text().removeprefix("---")))
        return 0, LISTED, ""

    monkeypatch.setattr(kubeadm_images, "LIST", str(machine / "run/kubestead/images"))
    programs.answers = {
        "kubeadm config images list": listed,
        "crictl images": (0, '{"images": []}', ""),
        "systemctl is-active": (3, "inactive\n", ""),
        "systemd-run": (0, "", ""),
    }
    return documents


def test_what_a_node_needs() -> None:
    assert kubeadm_images.wanted(ALL, True, ["flannel:1"]) == [*ALL, "flannel:1"]
    assert kubeadm_images.wanted(ALL, False, ["flannel:1"]) == [*EVERY_NODE, "flannel:1"]


def test_mirrors_may_have_other_paths() -> None:
    """Alibaba's has all in one folder, and CoreDNS without its own."""
    listed = [f"registry.aliyuncs.com/google_containers/{name}:1" for name in ("kube-apiserver", "coredns", "pause")]
    assert kubeadm_images.wanted(listed, False, []) == listed[1:]


def test_what_is_there() -> None:
    found = kubeadm_images.present(PRESENT)
    assert "10.90.6.2:5000/etcd:3.6.8-0" in found
    assert kubeadm_images.present('{"images": [{"id": "sha256:1", "repoTags": null}, {"id": "sha256:2"}]}') == set()
    assert kubeadm_images.present("{}") == set()


@pytest.mark.parametrize(
    ("image", "full"),
    [
        ("nginx:1", "docker.io/library/nginx:1"),
        ("docker.io/nginx:1", "docker.io/library/nginx:1"),
        ("docker.io/library/nginx:1", "docker.io/library/nginx:1"),
        ("traefik/whoami:1", "docker.io/traefik/whoami:1"),
        ("localhost/a:1", "localhost/a:1"),
        ("registry:5000/a:1", "registry:5000/a:1"),
        ("ghcr.io/a/b:1", "ghcr.io/a/b:1"),
    ],
)
def test_docker_names_images_short(image: str, full: str) -> None:
    assert kubeadm_images.full_name(image) == full


def test_what_docker_has_is_not_missing(machine: Path, programs: Any, told: list[Any], run_module: Run) -> None:
    there = {"images": [{"id": "sha256:1", "repoTags": [*EVERY_NODE, "nginx:1"]}]}
    programs.answers["crictl images"] = (0, json.dumps(there), "")
    result = run_module(kubeadm_images, **ARGUMENTS, images=["docker.io/library/nginx:1"])
    assert (result["changed"], result["missing"]) == (False, [])


def test_missing_ones_are_pulled_in_the_background(
    machine: Path, programs: Any, told: list[Any], run_module: Run
) -> None:
    result = run_module(kubeadm_images, **ARGUMENTS, images=["flannel:1"])
    assert (result["changed"], result["missing"]) == (True, [*EVERY_NODE, "flannel:1"])
    listing = machine / "run/kubestead/images"
    assert listing.read_text().splitlines() == result["missing"]
    assert programs.calls[-1] == (
        "systemd-run --unit=kubestead-images.service --collect --quiet "
        f"xargs --arg-file={listing} --max-args=1 crictl pull --quiet"
    )
    assert told == [
        {
            "apiVersion": "kubeadm.k8s.io/v1beta4",
            "kind": "ClusterConfiguration",
            "kubernetesVersion": "v1.36.3",
            "imageRepository": "registry.k8s.io",
        }
    ]


def test_in_the_foreground(programs: Any, told: list[Any], run_module: Run) -> None:
    run_module(kubeadm_images, **ARGUMENTS, control_plane=True, background=False)
    assert programs.calls[-1].startswith("systemd-run --unit=kubestead-images.service --collect --quiet --wait xargs ")


def test_while_a_pull_runs_no_other_is_started(programs: Any, told: list[Any], run_module: Run) -> None:
    programs.answers["systemctl is-active"] = (0, "active\n", "")
    result = run_module(kubeadm_images, **ARGUMENTS)
    assert (result["changed"], result["missing"]) == (False, EVERY_NODE)
    assert programs.calls[-1] == "systemctl is-active kubestead-images.service"


@pytest.mark.parametrize("left", [[], EVERY_NODE[2:]])
def test_the_foreground_waits_for_a_pull_that_runs(
    programs: Any, told: list[Any], run_module: Run, monkeypatch: pytest.MonkeyPatch, left: list[str]
) -> None:
    """What that one did not bring is pulled then."""
    slept: list[float] = []

    def state(_argv: list[str]) -> tuple[int, str, str]:
        return (0, "active\n", "") if len(slept) < 3 else (3, "inactive\n", "")

    def images(_argv: list[str]) -> tuple[int, str, str]:
        there = [image for image in EVERY_NODE if image not in left] if len(slept) == 3 else []
        return 0, json.dumps({"images": [{"id": "sha256:1", "repoTags": there}]}), ""

    monkeypatch.setattr(kubeadm_images.time, "sleep", slept.append)
    programs.answers.update({"systemctl is-active": state, "crictl images": images})
    result = run_module(kubeadm_images, **ARGUMENTS, background=False)
    assert (result["changed"], result["missing"]) == (bool(left), left)
    assert slept == [1.0] * 3
    assert [call for call in programs.calls if call.startswith("systemd-run")] == programs.calls[-1:] * bool(left)


def test_check_mode_waits_for_nothing(programs: Any, told: list[Any], run_module: Run) -> None:
    programs.answers["systemctl is-active"] = (0, "active\n", "")
    result = run_module(kubeadm_images, _ansible_check_mode=True, **ARGUMENTS, background=False)
    assert (result["changed"], result["missing"]) == (False, EVERY_NODE)


@pytest.mark.parametrize("control_plane", [True, False])
def test_all_are_there(programs: Any, told: list[Any], run_module: Run, control_plane: bool) -> None:
    programs.answers["kubeadm config images list"] = (
        0,
        LISTED.replace("registry.k8s.io/coredns", "registry.k8s.io"),
        "",
    )
    programs.answers["crictl images"] = (0, PRESENT.replace("10.90.6.2:5000", "registry.k8s.io"), "")
    result = run_module(kubeadm_images, **ARGUMENTS, control_plane=control_plane)
    assert (result["changed"], result["missing"]) == (False, [])
    assert programs.calls[-1] == "crictl images -o json"


def test_check_mode(machine: Path, programs: Any, told: list[Any], run_module: Run) -> None:
    result = run_module(kubeadm_images, _ansible_check_mode=True, **ARGUMENTS)
    assert (result["changed"], result["missing"]) == (True, EVERY_NODE)
    assert [call.split()[0] for call in programs.calls] == ["kubeadm", "crictl", "systemctl"]
    assert not (machine / "run/kubestead/images").exists()


@pytest.mark.parametrize("name", ["kubeadm", "crictl"])
def test_nothing_to_ask_yet(programs: Any, told: list[Any], run_module: Run, name: str) -> None:
    programs.missing.add(name)
    result = run_module(kubeadm_images, _ansible_check_mode=True, **ARGUMENTS)
    assert (result["changed"], result["missing"]) == (True, [])
    assert programs.calls == []
    failed = run_module(kubeadm_images, **ARGUMENTS)
    assert f"{name} is not installed: no program of that name in PATH" in failed["msg"]


def test_a_runtime_that_does_not_run(programs: Any, told: list[Any], run_module: Run) -> None:
    programs.answers["crictl images"] = (1, "", "connect: no such file or directory\n")
    result = run_module(kubeadm_images, **ARGUMENTS)
    assert result["msg"] == ("'crictl images -o json' failed with exit status 1: connect: no such file or directory")
