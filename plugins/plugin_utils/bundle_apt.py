# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages of a bundle for Debian and Ubuntu, by apt."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from ansible_collections.kubestead.cluster.plugins.plugin_utils.bundle import BundleError, Item, place, run
from ansible_collections.kubestead.cluster.plugins.plugin_utils.bundle_packages import System, write
from ansible_collections.kubestead.cluster.plugins.plugin_utils.sources import package_sources

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


def distribution(system: System, mirror: str, own: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the sources of a distribution's own packages, as a machine of this system has them, and their key."""
    files = []
    keyring, package = KEYRINGS[system.os["id"]]
    if own.get("key"):
        keyring = "/etc/apt/keyrings/distribution.asc"
        files.append({"path": keyring, "url": own["key"], "openpgp_fingerprints": own.get("key_fingerprints", [])})
    elif not Path(keyring).exists():
        raise BundleError(f"{keyring} is not on this machine, where the bundle is made: install package {package}")
    text = "\n".join(
        f"Types: deb\nURIs: {uri}\nSuites: {suites}\nComponents: {components}\nSigned-By: {keyring}\n"
        for uri, suites, components in (own_parts(own) if own else parts(system, mirror))
    )
    return [*files, {"path": "/etc/apt/sources.list.d/distribution.sources", "content": text}]


def parts(system: System, mirror: str) -> list[tuple[str, str, str]]:
    """Return URI, suites and components of what a distribution has."""
    places = DISTRIBUTIONS.get(mirror, DISTRIBUTIONS["official"])
    codename = system.os["codename"]
    if system.os["id"] == "debian":
        return [
            (places["debian"], f"{codename} {codename}-updates", "main"),
            (places["debian-security"], f"{codename}-security", "main"),
        ]
    place = places["ubuntu" if system.arch == "amd64" else "ubuntu-ports"]
    return [(place, f"{codename} {codename}-updates {codename}-security", "main universe")]


def own_parts(own: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return the same of what the user has named, as it stands in sources.list."""
    found = []
    for text in own["repositories"]:
        uri, suite, components = [*str(text).split(maxsplit=2), "", "", ""][:3]
        if not components:
            raise BundleError(f"bundle_distribution_sources: found {text!r}, expected URI SUITE COMPONENT")
        found.append((uri, suite, components))
    return found


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

    def __init__(
        self, root: Path, system: System, settings: Mapping[str, Any], docker: bool, own: Mapping[str, Any]
    ) -> None:
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
        files = distribution(system, str(settings["mirror"]), own)
        for item in [*files, *package_sources(system.os, {**settings, "mirror_host": ""}, docker)]:
            if item.get("state") != "absent":
                write(root, item)

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

    def index(self, items: Iterable[Item], bundle: Path) -> dict[str, bytes]:
        """Return the index of packages, by path, as apt reads it."""
        stanzas = []
        for path, item in sorted({item.path: item for item in items}.items()):
            control = run(["dpkg-deb", "--field", str(bundle / path)]).rstrip()
            file = path.rpartition("/")[2]
            stanzas.append(f"{control}\nFilename: ./{file}\nSize: {item.size}\nSHA256: {item.sha256}\n")
        packages = "\n".join(stanzas).encode()
        files = {"Packages": packages, "Packages.gz": gzip.compress(packages, mtime=0)}
        lines = ["Origin: kubestead", "Label: kubestead bundle", "SHA256:"]
        lines += [f" {hashlib.sha256(data).hexdigest()} {len(data)} {name}" for name, data in sorted(files.items())]
        files["Release"] = ("\n".join(lines) + "\n").encode()
        return {f"{self.system.folder}/{name}": data for name, data in files.items()}
