# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages of a bundle: apt in a root of its own, and the index that is made of what it fetched."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.plugin_utils import bundle_apt, bundle_packages
from ansible_collections.kubestead.cluster.plugins.plugin_utils.bundle import BundleError, Item
from ansible_collections.kubestead.cluster.plugins.plugin_utils.bundle_apt import Apt
from ansible_collections.kubestead.cluster.plugins.plugin_utils.bundle_packages import System

FIXTURES = Path(__file__).parents[2] / "fixtures"
URIS = (FIXTURES / "apt/2.6.2_print_uris.txt").read_text()
SETTINGS: dict[str, Any] = {
    "version": "1.36.3",
    "mirror": "official",
    "mirror_overrides": {},
    "mirror_host": "10.0.0.5",
    "kubernetes_key_fingerprints": ["DE15B14486CD377B9E876E1A234654DA9A296436"],
    "docker_key_fingerprints": ["9DC858229FC7DD38854AE2D88D81803C0EBFCD88"],
}
DUMP = """\
APT::Architecture "amd64";
Acquire::http::Proxy "http://proxy.example.com:3128";
Acquire::Check-Valid-Until "false";
Acquire::IndexTargets::deb::DEP-11::MetaKey "x";
Dir::Etc::SourceList "/etc/apt/other.list";
"""


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What is run; apt tells recorded packages, and keys are what they have to be."""
    found: list[list[str]] = []

    def run(command: list[str], environment: dict[str, str] | None = None, folder: Path | None = None) -> str:
        found.append(command)
        if command[0] == "apt-config":
            return DUMP
        if command[0] == "dpkg-deb":
            return f"Package: {Path(command[2]).name}\nVersion: 1\n"
        if "download" in command and folder:
            for word in command[command.index("download") + 1 :]:
                name, _equals, version = word.partition("=")
                (folder / f"{name}_{version.replace(':', '%3a')}_amd64.deb").write_bytes(name.encode())
        return URIS if "--print-uris" in command else ""

    monkeypatch.setattr(bundle_apt, "run", run)
    monkeypatch.setattr(bundle_packages.machine_files, "fetch_url", lambda url: url.encode())
    monkeypatch.setattr(bundle_packages.machine_files, "stored_key", lambda _path, data, _fingerprints: data)
    monkeypatch.setattr(bundle_apt, "KEYRINGS", {"debian": (__file__, "x"), "ubuntu": (__file__, "x")})
    return found


@pytest.mark.parametrize(
    ("name", "mirror", "lines"),
    [
        (
            "debian-13-amd64",
            "official",
            ["URIs: http://deb.debian.org/debian", "Suites: trixie trixie-updates", "Suites: trixie-security"],
        ),
        (
            "debian-12-arm64",
            "aliyun",
            ["URIs: https://mirrors.aliyun.com/debian-security", "Suites: bookworm-security"],
        ),
        # A site's own mirror says nothing of the distribution's packages.
        ("ubuntu-24.04-amd64", "custom", ["URIs: http://archive.ubuntu.com/ubuntu", "Components: main universe"]),
        ("ubuntu-24.04-arm64", "aliyun", ["URIs: https://mirrors.aliyun.com/ubuntu-ports"]),
    ],
)
def test_the_distribution_s_sources(commands: Any, name: str, mirror: str, lines: list[str]) -> None:
    (source,) = bundle_apt.distribution(System.of(name), mirror, {})
    found = source["content"].splitlines()
    assert set(lines) <= set(found)
    assert f"Signed-By: {__file__}" in found


def test_a_distribution_whose_keys_are_not_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle_apt, "KEYRINGS", {"ubuntu": ("/no/keyring.gpg", "ubuntu-keyring")})
    with pytest.raises(BundleError, match=r"^/no/keyring.gpg is not on this machine.*install package ubuntu-keyring$"):
        bundle_apt.distribution(System.of("ubuntu-24.04-amd64"), "official", {})


def test_sources_of_the_user(commands: Any) -> None:
    own = {"repositories": ["http://m.example.com/debian trixie main contrib", "http://m.example.com/own /x/ main"]}
    (source,) = bundle_apt.distribution(System.of("debian-13-amd64"), "official", own)
    assert source["content"] == (
        f"Types: deb\nURIs: http://m.example.com/debian\nSuites: trixie\nComponents: main contrib\n"
        f"Signed-By: {__file__}\n\n"
        f"Types: deb\nURIs: http://m.example.com/own\nSuites: /x/\nComponents: main\nSigned-By: {__file__}\n"
    )
    own |= {"key": "http://m.example.com/key.asc", "key_fingerprints": ["AB"]}
    key, source = bundle_apt.distribution(System.of("debian-13-amd64"), "official", own)
    assert key == {
        "path": "/etc/apt/keyrings/distribution.asc",
        "url": "http://m.example.com/key.asc",
        "openpgp_fingerprints": ["AB"],
    }
    assert "Signed-By: /etc/apt/keyrings/distribution.asc\n" in source["content"]
    with pytest.raises(BundleError, match=r"found 'http://m.example.com trixie', expected URI SUITE COMPONENT$"):
        bundle_apt.own_parts({"repositories": ["http://m.example.com trixie"]})


def test_apt_has_a_root_of_its_own(tmp_path: Path, commands: list[list[str]]) -> None:
    root = tmp_path / "root"
    apt = Apt(root, System.of("debian-12-arm64"), SETTINGS, True, {})
    settings = (root / "apt.conf").read_text()
    for line in (
        f'Dir "{root}";',
        'APT::Architecture "arm64";',
        # Of this machine's settings only those of the network.
        'Acquire::http::Proxy "http://proxy.example.com:3128";',
        'Acquire::Check-Valid-Until "false";',
    ):
        assert line in settings.splitlines()
    assert "IndexTargets" not in settings
    assert "other.list" not in settings
    assert (root / "var/lib/dpkg/status").read_text() == ""
    sources = {path.name: path.read_text() for path in (root / "etc/apt/sources.list.d").iterdir()}
    assert set(sources) == {"distribution.sources", "kubernetes.sources", "docker.sources"}
    # From where the bundle is collected, not from the mirror that it is for.
    assert "URIs: https://pkgs.k8s.io/core:/stable:/v1.36/deb/\n" in sources["kubernetes.sources"]
    assert f"Signed-By: {root}/etc/apt/keyrings/kubernetes.asc\n" in sources["kubernetes.sources"]
    assert (root / "etc/apt/keyrings/kubernetes.asc").read_text().endswith("Release.key")
    assert [item.name for item in apt.plan(["conntrack", "conntrack"])][-1] == "conntrack"
    assert commands[-1][-2:] == ["install", "conntrack"]


def test_a_key_that_is_not_accepted(tmp_path: Path, commands: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: str, _data: bytes, _fingerprints: list[str]) -> None:
        raise bundle_packages.MachineError("it holds other keys")

    monkeypatch.setattr(bundle_packages.machine_files, "stored_key", refuse)
    expected = r"^the key https://pkgs.k8s.io/.*Release.key is not accepted: it holds other keys$"
    with pytest.raises(BundleError, match=expected):
        Apt(tmp_path / "root", System.of("debian-13-amd64"), SETTINGS, False, {})


def test_recorded_packages() -> None:
    items = [bundle_apt.package_item("packages/debian-13", *found) for found in bundle_apt.parse_uris(URIS)]
    last = items[-1]
    assert (last.name, last.version) == ("conntrack", "1:1.4.8-2")
    # The colon of an epoch is not in its name.
    assert last.path == "packages/debian-13/conntrack_1.4.8-2_amd64.deb"
    assert last.source.startswith("http://deb.debian.org/debian/pool/main/c/conntrack-tools/")
    assert len(last.sha256) == 64
    assert last.size > 1000
    with pytest.raises(BundleError, match=r"said 'nonsense', expected a URI"):
        bundle_apt.parse_uris("nonsense\n")


def test_packages_are_fetched_in_one_go(tmp_path: Path, commands: list[list[str]]) -> None:
    apt = Apt(tmp_path / "root", System.of("debian-13-amd64"), SETTINGS, False, {})
    items = [
        Item(f"packages/debian-13/{file}", hashlib.sha256(name.encode()).hexdigest(), 1, "", name, version)
        for file, name, version in (("a_1.2_amd64.deb", "a", "3:1.2"), ("b_2_amd64.deb", "b", "2"))
    ]
    apt.fetch(items, tmp_path / "bundle")
    assert commands[-1] == ["apt-get", "-qq", "download", "a=3:1.2", "b=2"]
    assert (tmp_path / "bundle/packages/debian-13/a_1.2_amd64.deb").read_bytes() == b"a"


def test_the_index(tmp_path: Path, commands: Any) -> None:
    items = [Item(f"packages/debian-13/{name}_1_all.deb", "ab", 5, "", name, "1") for name in ("b", "a")]
    apt = Apt(tmp_path / "root", System.of("debian-13-amd64"), SETTINGS, False, {})
    found = apt.index([*items, items[0]], tmp_path)
    packages = found["packages/debian-13/Packages"]
    # Architectures of one system share some packages.
    assert packages.decode() == "\n".join(
        f"Package: {name}_1_all.deb\nVersion: 1\nFilename: ./{name}_1_all.deb\nSize: 5\nSHA256: ab\n" for name in "ab"
    )
    assert gzip.decompress(found["packages/debian-13/Packages.gz"]) == packages
    assert f" {hashlib.sha256(packages).hexdigest()} {len(packages)} Packages\n" in (
        found["packages/debian-13/Release"].decode()
    )
    assert apt.index(items[::-1], tmp_path) == found
