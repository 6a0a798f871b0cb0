# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages of a bundle: what a bare system of a distribution needs for them, told and fetched by its package manager.

The package manager works in a root of its own, so neither what this machine has installed nor its sources matter, and
no privileges are needed. Of its settings only those of the network are taken.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from ansible_collections.kubestead.cluster.plugins.module_utils._machine import files as machine_files
from ansible_collections.kubestead.cluster.plugins.module_utils._machine import openpgp
from ansible_collections.kubestead.cluster.plugins.module_utils._machine.base import MachineError
from ansible_collections.kubestead.cluster.plugins.plugin_utils.bundle import BundleError, Item, place, run
from ansible_collections.kubestead.cluster.plugins.plugin_utils.sources import package_sources, system_name

# https://wiki.debian.org/DebianReleases and https://wiki.ubuntu.com/Releases
CODENAMES = {
    ("debian", "12"): "bookworm",
    ("debian", "13"): "trixie",
    ("ubuntu", "22.04"): "jammy",
    ("ubuntu", "24.04"): "noble",
    ("ubuntu", "26.04"): "resolute",
}
# https://www.debian.org/mirror/list, http://ports.ubuntu.com/ and https://developer.aliyun.com/mirror/
DISTRIBUTIONS = {
    "official": {
        "debian": "http://deb.debian.org/debian",
        "debian-security": "http://deb.debian.org/debian-security",
        "ubuntu": "http://archive.ubuntu.com/ubuntu",
        "ubuntu-ports": "http://ports.ubuntu.com/ubuntu-ports",
    },
    "aliyun": {
        "debian": "https://mirrors.aliyun.com/debian",
        "debian-security": "https://mirrors.aliyun.com/debian-security",
        "ubuntu": "https://mirrors.aliyun.com/ubuntu",
        "ubuntu-ports": "https://mirrors.aliyun.com/ubuntu-ports",
    },
}
KEYRINGS = {
    "debian": ("/usr/share/keyrings/debian-archive-keyring.gpg", "debian-archive-keyring"),
    "ubuntu": ("/usr/share/keyrings/ubuntu-archive-keyring.gpg", "ubuntu-keyring"),
}
# How this machine reaches a network (proxies, certificates), and whether dates are believed.
_NETWORK = re.compile(r"^Acquire::(https?::|Check-).*;$", re.MULTILINE)
_URI = re.compile(r"^'([^']+)' (\S+) (\d+) SHA256:([0-9a-f]{64})$")


@dataclass(frozen=True)
class System:
    """Machines of one kind: debian-13-amd64."""

    name: str
    os: Mapping[str, str]
    arch: str

    @classmethod
    def of(cls, name: str) -> System:
        """Return the system of a name."""
        match = re.fullmatch(r"(debian|ubuntu)-([0-9.]+)-(amd64|arm64)", name)
        if match is None or match.group(1, 2) not in CODENAMES:
            known = ", ".join(f"{system}-{version}" for system, version in CODENAMES)
            raise BundleError(f"bundle_systems: found {name!r}, expected one of {known} and -amd64 or -arm64 behind it")
        system, version, arch = match.groups()
        codename = CODENAMES[system, version]
        return cls(name, {"id": system, "version_id": version, "codename": codename, "family": "debian"}, arch)

    @property
    def folder(self) -> str:
        """Where its packages are in a bundle: architectures share one repository."""
        return f"packages/{system_name(self.os)}"


def distribution(system: System, mirror: str) -> str:
    """Return the sources of a distribution's own packages, as a machine of this system has them."""
    places = DISTRIBUTIONS.get(mirror, DISTRIBUTIONS["official"])
    keyring, package = KEYRINGS[system.os["id"]]
    if not Path(keyring).exists():
        raise BundleError(f"{keyring} is not on this machine, where the bundle is made: install package {package}")
    codename = system.os["codename"]
    if system.os["id"] == "debian":
        parts = [
            (places["debian"], f"{codename} {codename}-updates", "main"),
            (places["debian-security"], f"{codename}-security", "main"),
        ]
    else:
        place = places["ubuntu" if system.arch == "amd64" else "ubuntu-ports"]
        parts = [(place, f"{codename} {codename}-updates {codename}-security", "main universe")]
    return "\n".join(
        f"Types: deb\nURIs: {uri}\nSuites: {suites}\nComponents: {components}\nSigned-By: {keyring}\n"
        for uri, suites, components in parts
    )


def parse_uris(output: str) -> list[tuple[str, str, int, str]]:
    """Return URI, file name, size and SHA-256 of each package that `apt-get --print-uris install` tells."""
    found = []
    for line in output.splitlines():
        match = _URI.match(line)
        if match is None:
            raise BundleError(f"apt-get --print-uris said {line[:160]!r}, expected a URI, a name, a size and a SHA-256")
        found.append((match.group(1), match.group(2), int(match.group(3)), match.group(4)))
    return found


def package_item(folder: str, uri: str, file: str, size: int, sha256: str) -> Item:
    """Return a package as a file of the bundle. Its name lacks the epoch, whose colon not all tools bear."""
    name, version, arch = unquote(file.removesuffix(".deb")).split("_")
    path = f"{folder}/{name}_{version.partition(':')[2] or version}_{arch}.deb"
    return Item(path, sha256, size, uri, name, version)


class Apt:
    """apt in a root of its own, for one system."""

    def __init__(self, root: Path, system: System, settings: Mapping[str, Any], docker: bool) -> None:
        self.root = root
        self.system = system
        for folder in (
            "etc/apt/apt.conf.d",
            "etc/apt/preferences.d",
            "etc/apt/trusted.gpg.d",
            "var/lib/apt/lists/partial",
            "var/lib/dpkg",
            "var/cache/apt/archives/partial",
        ):
            (root / folder).mkdir(parents=True)
        # A bare system: nothing counts as installed, so whatever a machine may lack is in the bundle.
        (root / "var/lib/dpkg/status").touch()
        (root / "apt.conf").write_text(self.configuration())
        sources = root / "etc/apt/sources.list.d"
        sources.mkdir()
        (sources / "distribution.sources").write_text(distribution(system, str(settings["mirror"])))
        for item in package_sources(system.os, {**settings, "mirror_host": ""}, docker):
            if item.get("state") != "absent":
                self.write(item)

    def configuration(self) -> str:
        """Return apt's settings."""
        network = _NETWORK.finditer(run(["apt-config", "dump"]))
        return "\n".join(
            [
                f'Dir "{self.root}";',
                f'Dir::State::status "{self.root}/var/lib/dpkg/status";',
                f'APT::Architecture "{self.system.arch}";',
                f'APT::Architectures {{ "{self.system.arch}"; }};',
                # As the roles install them.
                'APT::Install-Recommends "false";',
                'APT::Sandbox::User "";',
                'Acquire::Languages "none";',
                'Acquire::ForceHash "SHA256";',
                'Acquire::Retries "3";',
                *(match.group() for match in network),
                "",
            ]
        )

    def write(self, item: Mapping[str, Any]) -> None:
        """Write a key or a source that a machine would have, below this root."""
        path = self.root / str(item["path"]).lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        if "url" not in item:
            path.write_text(item["content"].replace("Signed-By: /", f"Signed-By: {self.root}/"))
            return
        try:
            data = machine_files.fetch_url(item["url"])
            openpgp.verify(data, [openpgp.normalize(text) for text in item["openpgp_fingerprints"]])
            path.write_bytes(machine_files.stored_key(item["path"], data))
        except MachineError as error:
            raise BundleError(f"the key {item['url']} is not accepted: {error}") from None

    def get(self, *arguments: str, folder: Path | None = None) -> str:
        """Run apt-get in this root."""
        return run(["apt-get", "-qq", *arguments], {"APT_CONFIG": str(self.root / "apt.conf")}, folder)

    def plan(self, packages: Iterable[str]) -> list[Item]:
        """Return the packages with all that they depend on."""
        try:
            self.get("-o", "APT::Update::Error-Mode=any", "update")
            output = self.get("--yes", "--print-uris", "install", *sorted(set(packages)))
        except BundleError as error:
            raise BundleError(f"{self.system.name}: {error}") from None
        return [package_item(self.system.folder, *found) for found in parse_uris(output)]

    def fetch(self, items: Sequence[Item], bundle: Path) -> None:
        """Download packages into the bundle. apt verifies them by the distribution's signatures."""
        folder = self.root / "fetched"
        folder.mkdir(exist_ok=True)
        self.get("download", *(f"{item.name}={item.version}" for item in items), folder=folder)
        fetched = {package_item("", "", path.name, 0, "").path[1:]: path for path in folder.glob("*.deb")}
        for item in items:
            place(fetched[item.path.rpartition("/")[2]], bundle, item)


def apt_index(folder: str, items: Iterable[Item], bundle: Path) -> dict[str, bytes]:
    """Return the index of packages that lie in one folder of the bundle, by path, as apt reads it."""
    stanzas = []
    for path, item in sorted({item.path: item for item in items}.items()):
        control = run(["dpkg-deb", "--field", str(bundle / path)]).rstrip()
        stanzas.append(f"{control}\nFilename: ./{path.rpartition('/')[2]}\nSize: {item.size}\nSHA256: {item.sha256}\n")
    packages = "\n".join(stanzas).encode()
    files = {"Packages": packages, "Packages.gz": gzip.compress(packages, mtime=0)}
    lines = ["Origin: kubestead", "Label: kubestead bundle", "SHA256:"]
    lines += [f" {hashlib.sha256(data).hexdigest()} {len(data)} {name}" for name, data in sorted(files.items())]
    files["Release"] = ("\n".join(lines) + "\n").encode()
    return {f"{folder}/{name}": data for name, data in files.items()}
