# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pins, packages and images: what is written, without building anything."""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
import zipfile
from datetime import UTC, datetime
from subprocess import CompletedProcess
from typing import TYPE_CHECKING

import pytest

from ansible_collections.kubestead.cluster.tests.lab import artifacts, images, packages, rootfs
from ansible_collections.kubestead.cluster.tests.lab.base import LabError
from ansible_collections.kubestead.cluster.tests.lab.versions import (
    COMPONENTS,
    DEFAULT_VERSION,
    RELEASES,
    Component,
    Copy,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", COMPONENTS)
def test_go_mod_pins_the_version_of_the_table(name: str) -> None:
    component = COMPONENTS[name]
    folder = artifacts.source(component)
    assert re.search(
        rf"\b{re.escape(component.module)} {re.escape(component.version)}\b", (folder / "go.mod").read_text()
    )
    assert (folder / "go.sum").stat().st_size


def test_releases_name_components() -> None:
    assert DEFAULT_VERSION in RELEASES
    for version, release in RELEASES.items():
        assert COMPONENTS[release.kubernetes].version == f"v{version}"
        assert {release.etcd, release.coredns} <= COMPONENTS.keys()


NO_DWARF = "-gcflags=all=-dwarf=false"


def test_programs_are_named_as_the_table_says() -> None:
    component = Component("f", "m", "v1", {"one": "m/cmd/one", "two": "m/cmd/two", "three": "m"}, {"m/v.V": "1"})
    assert artifacts.commands(component) == [
        ["go", "build", NO_DWARF, "-ldflags", "-s -w -X m/v.V=1", "-o", "@OUT@/", "m/cmd/one", "m/cmd/two"],
        ["go", "build", NO_DWARF, "-ldflags", "-s -w -X m/v.V=1", "-o", "@OUT@/three", "m"],
    ]


def test_static_programs_with_tags() -> None:
    component = Component("f", "m", "v1", {"one": "m"}, cgo=True, static=True, tags=("a", "b"))
    assert artifacts.commands(component) == [
        ["go", "build", "-tags", "a,b", NO_DWARF, "-ldflags", "-s -w -extldflags -static", "-o", "@OUT@/one", "m"]
    ]
    assert artifacts.environment(component)["CGO_ENABLED"] == "1"


def test_a_copy_lacks_what_is_left_out_and_keeps_what_is_there(tmp_path: Path) -> None:
    archive = tmp_path / "module.zip"
    with zipfile.ZipFile(archive, "w") as files:
        for name in ("go.mod", "dns/list.go", "dns/one/one.go", "dns/one/internal/client.go"):
            files.writestr(f"example.org/m@v1.0.0/{name}", "theirs")
    target = tmp_path / "copy"
    (target / "dns").mkdir(parents=True)
    (target / "dns" / "list.go").write_text("ours")
    artifacts.unpack(Copy("example.org/m", "v1.0.0", "h1:x", "dns/*/*"), archive, target)
    assert {path.relative_to(target).as_posix(): path.read_text() for path in target.rglob("*") if path.is_file()} == {
        "go.mod": "theirs",
        "dns/list.go": "ours",
    }


def test_a_copy_is_what_its_checksum_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = CompletedProcess([], 0, json.dumps({"Sum": "h1:other", "Zip": "unread"}), "")
    monkeypatch.setattr(artifacts, "run", lambda *_, **__: answer)
    component = COMPONENTS["traefik"]
    with pytest.raises(LabError, match="found checksum h1:other, expected h1:"):
        artifacts.workplace(component, tmp_path)


@pytest.mark.parametrize("name", [name for name, component in COMPONENTS.items() if component.copies])
def test_go_mod_replaces_modules_by_their_copies(name: str) -> None:
    component = COMPONENTS[name]
    text = (artifacts.source(component) / "go.mod").read_text()
    assert all(f"{copy.module} => ./{folder}\n" in text for folder, copy in component.copies.items())


def test_control_file() -> None:
    package = packages.Package("kubeadm", "1.36.3-1.1", "amd64", {}, "cri-tools (>= 1.30.0)")
    assert package.filename == "kubeadm_1.36.3-1.1_amd64.deb"
    assert package.control().splitlines() == [
        "Package: kubeadm",
        "Version: 1.36.3-1.1",
        "Architecture: amd64",
        "Maintainer: kubestead lab <lab@kubestead.invalid>",
        "Section: admin",
        "Priority: optional",
        "Depends: cri-tools (>= 1.30.0)",
        "Description: kubeadm of the kubestead lab",
    ]


def test_control_file_without_dependencies() -> None:
    assert "Depends" not in packages.Package("kubectl", "1", "amd64", {}).control()


def test_release_file_vouches_for_the_indexes() -> None:
    text = packages.release({"Packages": b"abc", "Packages.gz": b""}, datetime(2026, 11, 22, 22, 0, tzinfo=UTC))
    assert "Date: Sun, 22 Nov 2026 22:00:00 GMT\n" in text
    assert f" {hashlib.sha256(b'abc').hexdigest()} 3 Packages\n" in text
    assert f" {hashlib.sha256(b'').hexdigest()} 0 Packages.gz\n" in text


def test_layer_is_the_same_for_the_same_content(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"binary")
    files = {"/usr/local/bin/program": program, "/etc/program.conf": "text\n"}
    first, second = tmp_path / "1.tar", tmp_path / "2.tar"
    images.write_layer(files, first)
    images.write_layer(dict(reversed(files.items())), second)
    assert first.read_bytes() == second.read_bytes()
    with tarfile.open(first) as archive:
        members = {member.name: (member.mode, member.size) for member in archive}
    assert members == {
        "etc": (0o755, 0),
        "usr": (0o755, 0),
        "usr/local": (0o755, 0),
        "usr/local/bin": (0o755, 0),
        "etc/program.conf": (0o644, 5),
        "usr/local/bin/program": (0o755, 6),
    }


def test_manifest_and_configuration_name_the_same_layers() -> None:
    image = images.Image("pause:1", {}, ("/pause",))
    layers = [images.Blob.of(images.LAYER, b"one"), images.Blob.of(images.LAYER, b"two")]
    configuration = images.configuration(image, layers, "arm64")
    manifest = json.loads(images.manifest(images.Blob.of(images.CONFIG, configuration), layers))
    assert [layer["digest"] for layer in manifest["layers"]] == json.loads(configuration)["rootfs"]["diff_ids"]
    assert manifest["layers"][0] == {
        "mediaType": "application/vnd.oci.image.layer.v1.tar",
        "digest": f"sha256:{hashlib.sha256(b'one').hexdigest()}",
        "size": 3,
    }
    assert manifest["config"]["digest"] == f"sha256:{hashlib.sha256(configuration).hexdigest()}"
    assert json.loads(configuration)["architecture"] == "arm64"
    assert json.loads(configuration)["config"]["Entrypoint"] == ["/pause"]


def test_a_package_s_file_is_named_without_the_epoch() -> None:
    assert packages.Package("nfs-common", "9:1", "amd64", {}).filename == "nfs-common_1_amd64.deb"
    assert packages.Package("runc", "1.4.3-1.1", "amd64", {}).filename == "runc_1.4.3-1.1_amd64.deb"


def test_sources_of_a_node_are_debian_s() -> None:
    assert rootfs.sources("trixie") == [
        "deb http://deb.debian.org/debian trixie main",
        "deb http://deb.debian.org/debian trixie-updates main",
        "deb http://deb.debian.org/debian-security trixie-security main",
    ]
