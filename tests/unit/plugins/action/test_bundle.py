# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bundle is planned whole, fetched as far as it lacks something, and left alone when nothing has changed."""

from __future__ import annotations

import hashlib
import json
import stat
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from ansible_collections.kubestead.cluster.plugins.action import bundle as action
from ansible_collections.kubestead.cluster.plugins.plugin_utils import bundle, bundle_signature
from ansible_collections.kubestead.cluster.plugins.plugin_utils.bundle import Item
from ansible_collections.kubestead.cluster.plugins.plugin_utils.bundle_images import Image, Manifest, Reference

TAGS = {"1.36": {"etcd": "3.6.8-0", "coredns": "v1.14.2", "pause": "3.10.2"}}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class World:
    """What packages and images there are, and what was fetched of them."""

    def __init__(self) -> None:
        self.version = "1"
        self.asked: list[str] = []
        self.all_asked: list[list[str]] = []
        self.fetched: list[str] = []
        self.images: list[str] = []
        self.own: Any = None
        world = self

        class Apt:
            """Has each package, and a library that it needs."""

            def __init__(self, _root: Path, system: Any, _settings: Any, docker: bool, own: Any) -> None:
                self.system = system
                self.docker = docker
                world.own = own

            def plan(self, packages: Sequence[str]) -> list[Item]:
                world.all_asked.append([*packages, "docker" if self.docker else "own"])
                world.asked = [*packages, "docker" if self.docker else "own"]
                names = [name.partition("=")[0] for name in packages]
                return [self.item(name) for name in [*names, "lib"]]

            def item(self, name: str) -> Item:
                path = f"{self.system.folder}/{name}_{world.version}_all.deb"
                return Item(path, sha256(f"{name} {world.version}".encode()), 3, "http://deb", name, world.version)

            def fetch(self, items: Sequence[Item], folder: Path) -> None:
                for item in items:
                    world.fetched.append(item.path)
                    bundle.write(folder / item.path, f"{item.name} {item.version}".encode())

            def index(self, items: Sequence[Item], folder: Path) -> dict[str, bytes]:
                names = sorted({item.path for item in items if (folder / item.path).exists()})
                return {f"{self.system.folder}/Packages": "\n".join(names).encode()}

        self.apt = Apt

    def plan(self, names: Sequence[str], _registries: Any, architectures: Sequence[str], _scratch: Path) -> list[Image]:
        self.images += names
        data = " ".join(architectures).encode()
        found = []
        for name in names:
            part = Item(f"images/blobs/{sha256(name.encode())}", sha256(name.encode()), 3, name, name, "")
            skopeo = MagicMock()
            skopeo.copy = lambda reference, folder: (folder / sha256(reference.text.encode())).write_text(
                reference.text
            )
            reference = Reference.of(name)
            documents = {f"images/manifests/{sha256(data)}.oci-manifest": data}
            found.append(Image(reference, f"sha256:{sha256(data)}", documents, [Manifest(reference, skopeo, [part])]))
        return found


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    monkeypatch.setattr(action, "Apt", made.apt)
    monkeypatch.setattr(action, "Dnf", made.apt)
    monkeypatch.setattr(action.bundle_images, "plan", made.plan)
    return made


class Hosts(dict[str, dict[str, Any]]):
    """Ansible's hostvars, of an inventory without templates."""

    def raw_get(self, name: str) -> dict[str, Any]:
        return self[name]


def signers(folder: Path) -> list[str]:
    """What the inventory says: the lines of the file beside it."""
    file = folder.parent / "bundle-signers"
    return file.read_text().splitlines() if file.exists() else []


def whole(folder: Path) -> tuple[dict[str, str], dict[str, Any]]:
    return bundle_signature.verified(folder, signers(folder))


def collect(
    folder: Path, check: bool = False, hosts: dict[str, dict[str, Any]] | None = None, **more: Any
) -> dict[str, Any]:
    loader = DataLoader()
    args = {
        "directory": str(folder),
        "signing_key": str(folder.parent / "signing" / "key"),
        "signers": signers(folder),
        "signers_file": str(folder.parent / "bundle-signers"),
        "version": "1.36.3",
        "systems": ["debian-13-amd64"],
        "packages": {"debian": ["kubelet=1.36.3-*"]},
        "settings": {"mirror": "official"},
        "image_repository": "registry.k8s.io",
        "kubeadm_tags": TAGS,
        **more,
    }
    plugin = action.ActionModule(
        task=MagicMock(args=args, async_val=0, check_mode=check, diff=True),
        connection=MagicMock(),
        play_context=MagicMock(),
        loader=loader,
        templar=Templar(loader=loader),
        shared_loader_obj=None,
    )
    result: dict[str, Any] = plugin.run(
        task_vars={"groups": {"kube_node": list(hosts or {"w1": {}})}, "hostvars": Hosts(hosts or {"w1": {}})}
    )
    return result


def test_collected_once(world: World, tmp_path: Path) -> None:
    planned = collect(tmp_path / "b", check=True)
    assert planned["changed"]
    assert not (tmp_path / "b").exists()
    done = collect(tmp_path / "b")
    assert done["fetched"] == planned["fetched"]
    assert world.asked == ["kubelet=1.36.3-*", "chrony", "containerd", "own"]
    assert "registry.k8s.io/coredns/coredns:v1.14.2" in world.images
    sums, listing = whole(tmp_path / "b")
    assert set(done["fetched"]) < set(sums)
    assert listing["kubernetes"] == "1.36.3"
    assert listing["systems"] == ["debian-13-amd64"]
    assert {image["name"] for image in listing["images"]} == set(world.images)
    assert {item["path"] for item in listing["files"]} == set(sums) - {"bundle.json"}
    kubelet = next(item for item in listing["files"] if item["name"] == "kubelet")
    assert (kubelet["version"], kubelet["source"], kubelet["size"]) == ("1", "http://deb", len(b"kubelet 1"))
    world.fetched.clear()
    for check in (True, False):
        again = collect(tmp_path / "b", check=check)
        assert (again["changed"], again["fetched"], again["removed"]) == (False, [], [])
        assert again["diff"]["before"] == again["diff"]["after"]
    assert world.fetched == []


def test_another_version_replaces_the_first(world: World, tmp_path: Path) -> None:
    collect(tmp_path / "b")
    (tmp_path / "b/notes").write_text("of the user")
    world.version = "2"
    assert collect(tmp_path / "b", check=True)["changed"]
    done = collect(tmp_path / "b")
    assert "packages/debian-13/lib_1_all.deb" in done["removed"]
    assert not (tmp_path / "b/packages/debian-13/lib_1_all.deb").exists()
    assert (tmp_path / "b/notes").exists()
    assert "kubelet_2_all.deb" in (tmp_path / "b/packages/debian-13/Packages").read_text()
    whole(tmp_path / "b")


def test_what_was_damaged_is_mended(world: World, tmp_path: Path) -> None:
    collect(tmp_path / "b")
    (tmp_path / "b/packages/debian-13/lib_1_all.deb").write_text("x")
    (tmp_path / "b/packages/debian-13/Packages").unlink()
    done = collect(tmp_path / "b")
    assert done["fetched"] == ["packages/debian-13/lib_1_all.deb"]
    whole(tmp_path / "b")
    (tmp_path / "b/packages/debian-13/Packages").unlink()
    assert collect(tmp_path / "b", check=True)["changed"]
    assert not (tmp_path / "b/packages/debian-13/Packages").exists()
    assert collect(tmp_path / "b")["changed"]
    whole(tmp_path / "b")


def test_architectures_share_a_repository(world: World, tmp_path: Path) -> None:
    collect(tmp_path / "b", systems=["debian-12-amd64", "debian-12-arm64", "debian-12-amd64"])
    # Debian 12's own containerd is too old.
    assert world.asked[-2:] == ["containerd.io", "docker"]
    packages = (tmp_path / "b/packages/debian-12/Packages").read_text()
    assert packages.count("lib_1_all.deb") == 1
    whole(tmp_path / "b")


def test_systems_of_both_kinds(world: World, tmp_path: Path) -> None:
    packages = {"debian": ["kubelet"], "redhat": ["kubelet", "iproute-tc"]}
    own = {"rocky-9": {"repositories": ["http://m"]}}
    collect(tmp_path / "b", systems=["debian-13-amd64", "rocky-9-arm64"], packages=packages, distribution_sources=own)
    assert world.asked == ["kubelet", "iproute-tc", "chrony", "containerd.io", "docker"]
    assert world.own == own["rocky-9"]
    assert whole(tmp_path / "b")[1]["systems"] == ["debian-13-amd64", "rocky-9-arm64"]
    assert (tmp_path / "b/packages/rocky-9/Packages").exists()


def test_every_host_finds_its_packages(world: World, tmp_path: Path) -> None:
    hosts = {
        "w1": {"bundle_systems": ["debian-13-amd64"], "node_packages": ["lvm2"], "node_time_service": ""},
        "w2": {"bundle_systems": ["debian-13-amd64"], "containerd_source": "docker", "containerd_version": "2.1.*"},
        "w3": {"bundle_systems": ["debian-12-amd64"], "node_packages": ["vim"]},
        "w4": {"node_packages": ["multipath-tools"]},
    }
    done = collect(tmp_path / "b", hosts=hosts, systems=[])
    packages = {path.rpartition("/")[2].partition("_")[0] for path in done["fetched"] if "/debian-13/" in path}
    assert packages == {"kubelet", "chrony", "lvm2", "multipath-tools", "containerd", "containerd.io", "lib"}
    packages = {path.rpartition("/")[2].partition("_")[0] for path in done["fetched"] if "/debian-12/" in path}
    assert packages == {"kubelet", "chrony", "vim", "multipath-tools", "containerd.io", "lib"}
    assert ["containerd.io=2.1.*", "docker"] in [asked[-2:] for asked in world.all_asked]
    assert whole(tmp_path / "b")[1]["systems"] == ["debian-12-amd64", "debian-13-amd64"]


def test_archives_of_every_architecture(world: World, tmp_path: Path) -> None:
    sums = {}
    for arch in ("amd64", "arm64"):
        (tmp_path / f"helm-v4-{arch}.tgz").write_text(arch)
        sums[arch] = sha256(arch.encode())
    url = (tmp_path / "helm-v{version}-{arch}.tgz").as_uri().replace("%7B", "{").replace("%7D", "}")
    archive = {"variable": "helm_sha256", "url": url, "version": "4", "sha256": sums}
    systems = ["debian-13-amd64", "debian-13-arm64"]
    collect(tmp_path / "b", systems=systems, archives=[archive])
    files = {path.name: path.read_text() for path in (tmp_path / "b/files").rglob("*.tgz")}
    assert files == {"helm-v4-amd64.tgz": "amd64", "helm-v4-arm64.tgz": "arm64"}
    with pytest.raises(AnsibleActionFail, match="helm_sha256: found nothing for arm64"):
        collect(tmp_path / "b", systems=systems, archives=[{**archive, "sha256": {"amd64": sums["amd64"]}}])


def test_charts_of_releases(world: World, tmp_path: Path) -> None:
    (tmp_path / "web.tgz").write_bytes(b"chart")
    entry = {"version": "1.4.2", "digest": sha256(b"chart"), "urls": ["web.tgz"]}
    (tmp_path / "index.yaml").write_text(json.dumps({"entries": {"web": [entry]}}))
    releases = [
        {"name": "a", "chart": "lab/web", "version": "1.4.2"},
        {"name": "b", "chart": "oci://r:5000/charts/cache", "version": "0.3.0+x"},
        {"name": "c", "chart": "./own"},
    ]
    charts = {"releases": releases, "repositories": [{"name": "lab", "url": tmp_path.as_uri()}]}
    planned = collect(tmp_path / "b", check=True, charts=charts)
    done = collect(tmp_path / "b", charts=charts)
    assert done["fetched"] == planned["fetched"]
    assert (tmp_path / "b/files/charts/lab/web-1.4.2.tgz").read_bytes() == b"chart"
    assert "r:5000/charts/cache:0.3.0_x" in world.images
    listing = whole(tmp_path / "b")[1]
    assert {"files/charts/lab/index.yaml", "files/charts/lab/web-1.4.2.tgz"} < {i["path"] for i in listing["files"]}
    assert not collect(tmp_path / "b", charts=charts)["changed"]
    (tmp_path / "web.tgz.prov").write_bytes(b"signature")
    for check in (True, False):
        assert collect(tmp_path / "b", check=check, charts=charts)["changed"]
    assert (tmp_path / "b/files/charts/lab/web-1.4.2.tgz.prov").read_bytes() == b"signature"
    found = next(item for item in whole(tmp_path / "b")[1]["files"] if item["path"].endswith(".prov"))
    assert (found["source"], found["name"]) == ((tmp_path / "web.tgz.prov").as_uri(), "lab/web")
    assert not collect(tmp_path / "b", charts=charts)["changed"]


def test_files_of_the_user(world: World, tmp_path: Path) -> None:
    chart = tmp_path / "chart.tgz"
    chart.write_bytes(b"chart")
    given = {"path": "charts/a.tgz", "url": chart.as_uri(), "sha256": sha256(b"chart"), "version": "1"}
    collect(tmp_path / "b", files=[given])
    assert (tmp_path / "b/files/charts/a.tgz").read_bytes() == b"chart"
    listing = whole(tmp_path / "b")[1]
    assert {"path": "files/charts/a.tgz", "source": chart.as_uri(), "size": 5}.items() <= next(
        item for item in listing["files"] if item["name"] == "charts/a.tgz"
    ).items()
    for wrong, said in (
        ({"sha256": "ab"}, "its SHA-256 is"),
        ({"path": "../a"}, r"found path '\.\./a'"),
        ({"url": (tmp_path / "no").as_uri(), "sha256": "cd"}, "can't be fetched"),
    ):
        with pytest.raises(AnsibleActionFail, match=said):
            collect(tmp_path / "b", files=[{**given, **wrong}])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"systems": []}, "bundle_systems: found none"),
        ({"systems": ["rocky-8-amd64"]}, "bundle_systems: found 'rocky-8-amd64'"),
        (
            {"hosts": {"w1": {}, "w2": {"cluster_container_runtime": "docker"}}},
            "cluster_container_runtime: found docker on w2, expected containerd",
        ),
        ({"version": "1.30.1"}, "cluster_version: found '1.30.1', expected a version of 1.36"),
    ],
)
def test_choices_that_can_not_be_collected(world: World, tmp_path: Path, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(AnsibleActionFail, match=said):
        collect(tmp_path / "b", **wrong)
    assert not (tmp_path / "b").exists()


def test_a_key_is_made_once_and_its_public_half_is_the_inventory_s(world: World, tmp_path: Path) -> None:
    planned = collect(tmp_path / "b", check=True)
    assert not (tmp_path / "signing").exists()
    assert not (tmp_path / "bundle-signers").exists()
    key = tmp_path / "signing/key"
    for line in (f"{key}: a new key", f"{tmp_path}/bundle-signers: the public half", "SHA256SUMS.sig: signed by"):
        assert line in planned["diff"]["after"]
    collect(tmp_path / "b")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
    public = " ".join(key.with_name("key.pub").read_text().split()[:2])
    assert bundle_signature.parse_signers(signers(tmp_path / "b")) == [public]
    assert not [path for path in (tmp_path / "b").rglob("*") if path.is_file() and b"PRIVATE" in path.read_bytes()]
    before = (tmp_path / "b/SHA256SUMS.sig").read_bytes()
    assert not collect(tmp_path / "b")["changed"]
    assert (tmp_path / "b/SHA256SUMS.sig").read_bytes() == before


def test_a_bundle_without_a_good_signature_is_signed_again(world: World, tmp_path: Path) -> None:
    collect(tmp_path / "b")
    signature = tmp_path / "b/SHA256SUMS.sig"
    for damage in (signature.unlink, lambda: signature.write_text("x")):
        damage()
        world.fetched.clear()
        assert collect(tmp_path / "b", check=True)["changed"]
        done = collect(tmp_path / "b")
        assert (done["changed"], done["fetched"], world.fetched) == (True, [], [])
        assert "SHA256SUMS.sig: signed by" in done["diff"]["after"]
        whole(tmp_path / "b")


def test_another_content_has_another_signature(world: World, tmp_path: Path) -> None:
    collect(tmp_path / "b")
    world.version = "2"
    before = (tmp_path / "b/SHA256SUMS.sig").read_bytes()
    collect(tmp_path / "b")
    assert (tmp_path / "b/SHA256SUMS.sig").read_bytes() != before
    whole(tmp_path / "b")


@pytest.mark.parametrize("exists", [True, False])
def test_a_key_that_the_inventory_does_not_name_signs_nothing(world: World, tmp_path: Path, exists: bool) -> None:
    """mirror.yml would refuse the bundle, after it was carried to the site."""
    other = tmp_path / "other"
    collect(other / "b")
    if exists:
        collect(tmp_path / "first/b", signing_key=str(tmp_path / "signing/key"))
    with pytest.raises(AnsibleActionFail, match=r"^bundle_signing_key: found .*, expected one of cluster_bundle_s"):
        collect(tmp_path / "b", signers=signers(other / "b"))
    assert not (tmp_path / "b").exists()
    assert (tmp_path / "signing/key").exists() == exists


def test_a_key_in_the_bundle_is_refused(world: World, tmp_path: Path) -> None:
    with pytest.raises(AnsibleActionFail, match="expected a path outside the bundle"):
        collect(tmp_path / "b", signing_key=str(tmp_path / "b/../b/key"))
    assert not (tmp_path / "b").exists()


def test_a_key_that_others_can_read_signs_nothing(world: World, tmp_path: Path) -> None:
    collect(tmp_path / "b")
    (tmp_path / "signing/key").chmod(0o644)
    (tmp_path / "b/SHA256SUMS.sig").unlink()
    with pytest.raises(AnsibleActionFail, match=r"0644 for .* are too open"):
        collect(tmp_path / "b")


def test_a_key_without_its_public_half(world: World, tmp_path: Path) -> None:
    collect(tmp_path / "b")
    (tmp_path / "signing/key.pub").unlink()
    with pytest.raises(AnsibleActionFail, match=r"key.pub: missing; make it by `ssh-keygen -y -f .*key > .*key.pub`"):
        collect(tmp_path / "b")


def test_a_key_with_a_passphrase_asks_nobody(world: World, tmp_path: Path) -> None:
    (tmp_path / "signing").mkdir()
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", str(tmp_path / "signing/key")]
    subprocess.run(command, check=True)
    with pytest.raises(AnsibleActionFail, match=r"ssh-keygen -Y sign .* ended with 255"):
        collect(tmp_path / "b")
