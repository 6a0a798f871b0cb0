# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages of a bundle: dnf in a root of its own, signatures, and the index that is made of what it fetched."""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.plugin_utils import bundle_dnf, bundle_packages, dnf_solve
from ansible_collections.kubestead.cluster.plugins.plugin_utils.bundle import BundleError, Item
from ansible_collections.kubestead.cluster.plugins.plugin_utils.bundle_dnf import Dnf
from ansible_collections.kubestead.cluster.plugins.plugin_utils.bundle_packages import SYSTEMS, System

FIXTURES = Path(__file__).parents[2] / "fixtures"
SOLVED = (FIXTURES / "dnf/4.14.0_solve.json").read_text()
INDEX = {kind: (FIXTURES / f"createrepo_c/0.17.3_{kind}.xml").read_bytes() for kind in ("primary", "filelists")}
SETTINGS: dict[str, Any] = {
    "version": "1.36.3",
    "mirror": "official",
    "mirror_overrides": {},
    "mirror_host": "10.0.0.5",
    "kubernetes_key_fingerprints": ["DE15B14486CD377B9E876E1A234654DA9A296436"],
    "docker_key_fingerprints": ["060A61C51B558A7F742B77AAC52FEB6B621E9F35"],
}
ROCKY = System.of("rocky-9-arm64")


class Tools:
    """dnf, rpmkeys and createrepo_c."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []
        self.requests: list[dict[str, Any]] = []
        self.packages: dict[str, bytes] = {}
        self.unsigned: set[str] = set()
        self.folder = Path()

    def run(self, command: list[str], *_others: Any) -> str:
        self.commands.append(command)
        if command[0] == "createrepo_c":
            output = Path(command[command.index("--outputdir") + 1], "repodata")
            output.mkdir()
            for kind, data in INDEX.items():
                (output / f"ab-{kind}.xml.gz").write_bytes(gzip.compress(data))
            return ""
        if command[0] == "rpmkeys":
            if "--import" in command:
                Path(command[2]).mkdir(parents=True)
            elif Path(command[-1]).name in self.unsigned:
                raise BundleError("SIGNATURES NOT OK")
            return ""
        request = json.loads(Path(command[2]).read_text())
        self.requests.append(request)
        if "packages" in request:
            return SOLVED
        return json.dumps([self.download(sha256) for sha256 in request["fetch"]])

    def download(self, sha256: str) -> dict[str, str]:
        name = next(name for name, data in self.packages.items() if hashlib.sha256(data).hexdigest() == sha256)
        path = self.folder / name
        path.write_bytes(self.packages[name])
        return {"sha256": sha256, "path": str(path), "key": f"/keys/RPM-GPG-KEY-{name[0]}"}


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> Tools:
    made = Tools()
    monkeypatch.setattr(bundle_dnf, "run", made.run)
    monkeypatch.setattr(bundle_packages.machine_files, "fetch_url", lambda url: url.encode())
    monkeypatch.setattr(bundle_packages.machine_files, "stored_key", lambda _path, data, _fingerprints: data)
    return made


def repositories(files: list[dict[str, Any]]) -> list[str]:
    return [
        line.partition("=")[2]
        for item in files
        for line in item.get("content", "").splitlines()
        if line.startswith("baseurl=")
    ]


@pytest.mark.parametrize(
    ("name", "mirror", "base", "key"),
    [
        ("rocky-9-amd64", "official", "https://dl.rockylinux.org/pub/rocky/9/", "/pub/rocky/RPM-GPG-KEY-Rocky-9"),
        ("almalinux-10-arm64", "aliyun", "https://mirrors.aliyun.com/almalinux/10/", "/RPM-GPG-KEY-AlmaLinux-10"),
        # A site's own mirror says nothing of the distribution's packages.
        (
            "centos-10-amd64",
            "custom",
            "https://mirror.stream.centos.org/10-stream/",
            "keys/RPM-GPG-KEY-CentOS-Official",
        ),
    ],
)
def test_the_distribution_s_sources(name: str, mirror: str, base: str, key: str) -> None:
    files = bundle_dnf.distribution(System.of(name), mirror, {})
    assert repositories(files) == [f"{base}BaseOS/$basearch/os/", f"{base}AppStream/$basearch/os/"]
    assert all(key in item["url"] for item in files if "url" in item)


def test_every_system_has_a_key() -> None:
    names = {f"{name}-{version}" for (name, version), codename in SYSTEMS.items() if not codename}
    assert names == set(bundle_dnf.FINGERPRINTS)
    assert all(len(fingerprint) == 40 for fingerprint in bundle_dnf.FINGERPRINTS.values())


def test_rhel_has_what_the_user_says() -> None:
    rhel = System.of("rhel-9-amd64")
    with pytest.raises(
        BundleError, match=r"^bundle_systems: rhel-9-amd64 needs .* bundle_distribution_sources, as rhel-9"
    ):
        bundle_dnf.distribution(rhel, "official", {})
    own: dict[str, Any] = {"repositories": ["http://m.example.com/a/", "http://m.example.com/b/"]}
    files = bundle_dnf.distribution(rhel, "official", own)
    assert repositories(files) == own["repositories"]
    assert files[0]["url"].endswith("/fd431d51.txt")
    own |= {"key": "http://m.example.com/key", "key_fingerprints": ["AB"]}
    key = bundle_dnf.distribution(rhel, "official", own)[0]
    assert (key["url"], key["openpgp_fingerprints"]) == ("http://m.example.com/key", ["AB"])


def test_dnf_has_a_root_of_its_own(tmp_path: Path, tools: Tools) -> None:
    root = tmp_path / "root"
    items = Dnf(root, ROCKY, SETTINGS, True, {}).plan(["kubeadm=1.36.3-*", "haproxy", "haproxy"])
    (request,) = tools.requests
    assert request == {
        "root": str(root),
        "major": "9",
        "arch": "aarch64",
        "packages": ["haproxy", "kubeadm-1.36.3-*"],
    }
    assert tools.commands[-1][0] == "/usr/bin/python3"
    sources = {path.stem: path.read_text() for path in (root / "etc/yum.repos.d").iterdir()}
    assert set(sources) == {"appstream", "baseos", "docker", "kubernetes"}
    # From where the bundle is collected, not from the mirror that it is for.
    assert "baseurl=https://pkgs.k8s.io/core:/stable:/v1.36/rpm/\n" in sources["kubernetes"]
    assert f"gpgkey=file://{root}/etc/pki/rpm-gpg/RPM-GPG-KEY-kubernetes\n" in sources["kubernetes"]
    assert not (root / "etc/dnf").exists()
    kubeadm = next(item for item in items if item.name == "kubeadm")
    assert kubeadm.path == "packages/rocky-9/kubeadm-1.36.3-150500.1.1.x86_64.rpm"
    assert kubeadm.version == "1.36.3-150500.1.1"
    assert kubeadm.source == f"http://mirror.example.com/kubernetes/rpm/{kubeadm.path.rpartition('/')[2]}"
    assert len(kubeadm.sha256) == 64


def test_a_repository_that_tells_no_sha256() -> None:
    package = {**json.loads(SOLVED)[0], "sha256": ""}
    with pytest.raises(BundleError, match=r"^http://mirror.example.com/.*: its repository tells no SHA-256 of it$"):
        bundle_dnf.package_item("packages/rocky-9", package)


def test_a_failure_tells_the_system(tmp_path: Path, tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    dnf = Dnf(tmp_path / "root", ROCKY, SETTINGS, False, {})

    def fail(*_arguments: Any) -> str:
        raise BundleError("missing packages: x")

    monkeypatch.setattr(bundle_dnf, "run", fail)
    with pytest.raises(BundleError, match=r"^rocky-9-arm64: missing packages: x$"):
        dnf.plan(["x"])


def items(tools: Tools) -> list[Item]:
    return [
        Item(f"packages/rocky-9/{name}", hashlib.sha256(data).hexdigest(), 1, f"http://m/{name}", name[0], "1")
        for name, data in tools.packages.items()
    ]


@pytest.mark.parametrize("local", [False, True])
def test_packages_are_fetched_and_verified(tmp_path: Path, tools: Tools, local: bool) -> None:
    tools.packages = {"a-1.rpm": b"a", "a-2.rpm": b"b", "c-1.rpm": b"c"}
    dnf = Dnf(tmp_path / "root", ROCKY, SETTINGS, False, {})
    tools.folder = tmp_path / "local" if local else tmp_path / "root/cache"
    tools.folder.mkdir()
    dnf.fetch(items(tools), tmp_path / "bundle")
    assert {path.name: path.read_bytes() for path in tmp_path.glob("bundle/packages/rocky-9/*")} == tools.packages
    # A repository on this disk keeps what it has.
    assert len(list(tools.folder.iterdir())) == (3 if local else 0)
    assert sorted(command[-1] for command in tools.commands if "--import" in command) == [
        "/keys/RPM-GPG-KEY-a",
        "/keys/RPM-GPG-KEY-c",
    ]
    checked = [command for command in tools.commands if "--checksig" in command]
    assert {command[2] for command in checked} == {f"{tmp_path}/root/keys/RPM-GPG-KEY-{name}" for name in "ac"}
    assert all("_pkgverify_level signature" in command for command in checked)


def test_what_is_not_signed_is_refused_with_all_others(tmp_path: Path, tools: Tools) -> None:
    tools.packages = {"a-1.rpm": b"a", "b-1.rpm": b"b"}
    tools.unsigned = {"b-1.rpm"}
    dnf = Dnf(tmp_path / "root", ROCKY, SETTINGS, False, {})
    tools.folder = tmp_path
    expected = r"^rocky-9-arm64: b 1 \(http://m/b-1.rpm\) is not signed by the key of its repository \(RPM-GPG-KEY-b\)$"
    with pytest.raises(BundleError, match=expected):
        dnf.fetch(items(tools), tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_the_index(tmp_path: Path, tools: Tools) -> None:
    dnf = Dnf(tmp_path / "root", ROCKY, SETTINGS, False, {})
    tools.packages = {"b-1.rpm": b"b", "a-1.rpm": b"a"}
    found = dnf.index([*items(tools), *items(tools)], tmp_path / "bundle")
    assert tools.commands[-1][-1] == f"{tmp_path}/bundle/packages/rocky-9"
    top = ET.fromstring(found["packages/rocky-9/repodata/repomd.xml"])  # noqa: S314  made a moment ago
    space = {"r": "http://linux.duke.edu/metadata/repo"}
    kinds = []
    for part in top.findall("r:data", space):
        text = {child.tag.rpartition("}")[2]: child.text or "" for child in part}
        place = part.find("r:location", space)
        assert place is not None
        data = found[f"packages/rocky-9/{place.get('href')}"]
        assert (text["checksum"], text["size"]) == (hashlib.sha256(data).hexdigest(), str(len(data)))
        document = gzip.decompress(data)
        assert (text["open-checksum"], text["open-size"]) == (hashlib.sha256(document).hexdigest(), str(len(document)))
        kinds.append(part.get("type"))
    assert kinds == ["primary", "filelists"]
    assert len(found) == 3


def test_the_index_knows_no_times_of_files(tmp_path: Path, tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    dnf = Dnf(tmp_path / "root", ROCKY, SETTINGS, False, {})
    first = dnf.index([], tmp_path)
    later = INDEX["primary"].replace(b'<time file="1', b'<time file="2')
    assert later != INDEX["primary"]
    monkeypatch.setitem(INDEX, "primary", later)
    assert dnf.index([], tmp_path) == first


def test_a_python_without_dnf_says_what_to_install(tmp_path: Path) -> None:
    request = tmp_path / "request.json"
    request.write_text(json.dumps({"root": str(tmp_path), "major": "9", "arch": "x86_64", "packages": []}))
    command = [sys.executable, "-I", str(dnf_solve.__file__), str(request)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "has no dnf 4 (No module named 'dnf'): install package dnf" in done.stderr
