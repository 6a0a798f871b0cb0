# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What role docker wants of a machine, evaluated by Ansible itself for each kind of machine and source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROLES = Path(__file__).parents[3] / "roles"
UPSTREAM = "https://github.com/Mirantis/cri-dockerd/releases/download/v0.4.4/cri-dockerd-0.4.4.arm64.tgz"
DEBIAN = {"family": "debian", "codename": "trixie"}
EL = {"family": "redhat", "codename": ""}
VIEW = {"image_repository": "registry.k8s.io", "minor": "1.36"}


def templar(os: dict[str, str], installed: dict[str, str], **changes: Any) -> Templar:
    """All variables of the roles, with a machine read."""
    variables: dict[str, Any] = {"inventory_dir": "/inventory", "inventory_hostname": "w1"}
    for role in ("cluster", "docker"):
        for path in (ROLES / role / "defaults/main.yml", *sorted((ROLES / role / "vars").glob("**/*.yml"))):
            variables |= DataLoader().load_from_file(str(path), trusted_as_template=True)
    state = {"os": os, "arch": "arm64", "packages": installed}
    variables |= {"__cluster_node_state": {"state": state}, "__cluster_view": VIEW}
    return Templar(DataLoader(), variables={**variables, "cluster_container_runtime": "docker", **changes})


def value(name: str, os: dict[str, str] | None = None, installed: dict[str, str] | None = None, **changes: Any) -> Any:
    return templar(os or DEBIAN, installed or {}, **changes).template(trust_as_template("{{ " + name + " }}"))


OWN = ["docker-ce", "docker-ce-cli", "containerd.io"]


@pytest.mark.parametrize(
    ("os", "changes", "packages"),
    [
        (DEBIAN, {}, ["docker.io"]),
        (DEBIAN, {"docker_source": "docker"}, OWN),
        (EL, {}, OWN),
        (DEBIAN, {"docker_version": "26.*"}, ["docker.io=26.*"]),
        (EL, {"docker_version": "29.*"}, ["docker-ce=29.*", "docker-ce-cli=29.*", "containerd.io"]),
        (DEBIAN, {"cluster_mirror": "custom"}, ["docker.io", "cri-dockerd"]),
        (DEBIAN, {"cluster_mirror": "aliyun"}, ["docker.io"]),
        (DEBIAN, {"cluster_mirror_host": "mirror:443"}, ["docker.io", "cri-dockerd"]),
        (DEBIAN, {"cluster_mirror": "custom", "docker_cri_dockerd_source": "download"}, ["docker.io"]),
        (DEBIAN, {"docker_cri_dockerd_source": "package"}, ["docker.io", "cri-dockerd"]),
    ],
)
def test_packages(os: dict[str, str], changes: dict[str, Any], packages: list[str]) -> None:
    assert value("__docker_packages", os, **changes) == packages
    assert value("__cluster_docker", os, **changes) is ("docker.io" not in packages[0])


def test_cri_dockerd_is_downloaded_unless_a_package_has_it() -> None:
    by_path = {item["path"]: item for item in value("__docker_files")}
    program = by_path["/usr/local/bin/cri-dockerd"]
    assert program["url"] == UPSTREAM
    assert program["sha256"] == value("__cluster_cri_dockerd_sha256")["arm64"]
    assert {Path(path).name for path in by_path} == {
        "daemon.json",
        "kubestead.conf",
        "cri-dockerd",
        "cri-docker.service",
        "cri-docker.socket",
    }
    for item in by_path.values():
        for folder, name in (("templates", item.get("template")), ("files", item.get("source"))):
            assert name is None or (ROLES / "docker" / folder / name).is_file()
    packaged = [item["path"] for item in value("__docker_files", cluster_mirror="custom")]
    assert packaged == ["/etc/docker/daemon.json", "/etc/systemd/system/cri-docker.service.d/kubestead.conf"]


def test_another_version_comes_from_where_it_is_said() -> None:
    given = {"docker_cri_dockerd_url": "http://site/{arch}.tgz", "docker_cri_dockerd_sha256": {"arm64": "0" * 64}}
    program = value("__docker_cri_download", **given)[0]
    assert (program["url"], program["sha256"]) == ("http://site/arm64.tgz", "0" * 64)


def test_the_users_settings_come_last() -> None:
    document = value(
        "__docker_daemon_file.json",
        docker_registry_mirrors=["https://mirror"],
        docker_configuration={"log-opts": {"max-size": "50m"}, "debug": True},
    )
    assert document == {
        "exec-opts": ["native.cgroupdriver=systemd"],
        "live-restore": True,
        "log-driver": "json-file",
        "log-opts": {"max-size": "50m", "max-file": "5"},
        "registry-mirrors": ["https://mirror"],
        "debug": True,
    }
    assert "registry-mirrors" not in value("__docker_daemon_file.json")


def test_registries_are_containerds() -> None:
    registries = {
        "docker.io": {"mirrors": ["https://second"]},
        "r.example.com:5000": {"server": "http://r.example.com:5000"},
        "own.example.com": {"ca": "-----BEGIN CERTIFICATE-----"},
    }
    given = {"docker_registry_mirrors": ["https://first"], "containerd_registries": registries}
    document = value("__docker_daemon_file.json", **given)
    assert document["registry-mirrors"] == ["https://first", "https://second"]
    assert document["insecure-registries"] == ["r.example.com:5000"]
    certificate = "/etc/docker/certs.d/own.example.com/ca.crt"
    found = {item["path"]: item for item in value("__docker_files", **given)}
    assert value("__docker_prune")[0]["contains"] in found[certificate]["content"]
    assert not [item for item in value("__docker_files") if "certs.d" in item["path"]]


@pytest.mark.parametrize(
    ("installed", "judges"),
    [
        ({"docker.io": "26.1.5+dfsg1-9+b1"}, True),
        ({"docker.io": "20.10.24+dfsg1-1+deb12u1"}, False),
        ({"docker.io": ""}, False),
        ({}, False),
    ],
)
def test_docker_judges_its_own_file_where_it_can(installed: dict[str, str], judges: bool) -> None:
    assert ("validate" in value("__docker_daemon_file", installed=installed)) is judges


def test_dockers_own_versions_have_an_epoch() -> None:
    item = value("__docker_daemon_file", EL, installed={"docker-ce": "3:29.1.0-1.el9"})
    assert item["validate"] == "dockerd --validate --config-file %s"


@pytest.mark.parametrize(
    ("runtime", "socket"),
    [("docker", "unix:///run/cri-dockerd.sock"), ("containerd", "unix:///run/containerd/containerd.sock")],
)
def test_kubelets_socket_follows_the_runtime(runtime: str, socket: str) -> None:
    assert value("__cluster_cri_socket", cluster_container_runtime=runtime) == socket


def test_cri_dockerds_arguments() -> None:
    text = (ROLES / "docker/templates/cri-docker.service.conf.j2").read_text()
    given = {"cluster_mirror": "custom", "docker_cri_dockerd_arguments": ["--log-level", "debug"]}
    unit = templar(DEBIAN, {}, **given).template(trust_as_template(text)).replace("\\\n", "")
    _comments, section, empty, start = unit.strip().rsplit("\n", 3)
    assert (section, empty) == ("[Service]", "ExecStart=")
    pause = f"registry.k8s.io/pause:{value('__cluster_pause_version')}"
    assert start.removeprefix("ExecStart=").split() == [
        *("/usr/bin/cri-dockerd", "--container-runtime-endpoint", "fd://", "--network-plugin", "cni"),
        *("--pod-infra-container-image", pause, "--streaming-bind-addr", "127.0.0.1", "--log-level", "debug"),
    ]
