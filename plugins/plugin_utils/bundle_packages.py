# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages of a bundle: what a bare system of a distribution needs for them, told and fetched by its package manager.

The package manager works in a root of its own, so neither what this machine has installed nor its sources matter, and
no privileges are needed. Of its settings only those of the network are taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ansible_collections.kubestead.cluster.plugins.module_utils._machine import files as machine_files
from ansible_collections.kubestead.cluster.plugins.module_utils._machine.base import MachineError
from ansible_collections.kubestead.cluster.plugins.plugin_utils.bundle import BundleError, Item
from ansible_collections.kubestead.cluster.plugins.plugin_utils.sources import system_name

# https://wiki.debian.org/DebianReleases and https://wiki.ubuntu.com/Releases; Red Hat's kin has no codenames.
SYSTEMS = {
    ("debian", "12"): "bookworm",
    ("debian", "13"): "trixie",
    ("ubuntu", "22.04"): "jammy",
    ("ubuntu", "24.04"): "noble",
    ("ubuntu", "26.04"): "resolute",
    **{(name, version): "" for name in ("rhel", "rocky", "almalinux", "centos") for version in ("9", "10")},
}


@dataclass(frozen=True)
class System:
    """Machines of one kind: debian-13-amd64."""

    name: str
    os: Mapping[str, str]
    arch: str

    @classmethod
    def of(cls, name: str) -> System:
        """Return the system of a name."""
        match = re.fullmatch(r"([a-z]+)-([0-9.]+)-(amd64|arm64)", name)
        if match is None or match.group(1, 2) not in SYSTEMS:
            known = ", ".join(known_names())
            raise BundleError(f"bundle_systems: found {name!r}, expected one of {known} and -amd64 or -arm64 behind it")
        system, version, arch = match.groups()
        codename = SYSTEMS[system, version]
        family = "debian" if codename else "redhat"
        return cls(name, {"id": system, "version_id": version, "codename": codename, "family": family}, arch)

    @property
    def folder(self) -> str:
        """Where its packages are in a bundle: architectures share one repository."""
        return f"packages/{system_name(self.os)}"


class Packages(Protocol):
    """A package manager in a root of its own, for one system."""

    system: System

    def plan(self, packages: Iterable[str]) -> list[Item]:
        """Return the packages with all that they depend on."""

    def fetch(self, items: Sequence[Item], bundle: Path) -> None:
        """Download packages into the bundle, verified by their publishers' signatures."""

    def index(self, items: Iterable[Item], bundle: Path) -> dict[str, bytes]:
        """Return the index of packages that lie in the system's folder of the bundle, by path."""


def known_names() -> list[str]:
    """The systems that a bundle can be for, without their architectures."""
    return [f"{name}-{version}" for name, version in SYSTEMS]


def own_sources(system: System, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what replaces the repositories of a distribution, nothing where the user has not named any."""
    for name, source in given.items():
        if name not in known_names():
            raise BundleError(
                f"bundle_distribution_sources: found {name!r}, expected one of {', '.join(known_names())}"
            )
        if not source.get("repositories"):
            raise BundleError(f"bundle_distribution_sources: {name} has no repositories, expected a list of them")
    return dict(given.get(system_name(system.os), {}))


def write(root: Path, item: Mapping[str, Any]) -> None:
    """Write a key or a source that a machine would have, below this root."""
    path = root / str(item["path"]).lstrip("/")
    path.parent.mkdir(parents=True, exist_ok=True)
    if "url" not in item:
        content = item["content"].replace("Signed-By: /etc/", f"Signed-By: {root}/etc/")
        path.write_text(content.replace("gpgkey=file:///etc/", f"gpgkey=file://{root}/etc/"))
        return
    try:
        data = machine_files.fetch_url(item["url"])
        path.write_bytes(machine_files.stored_key(item["path"], data, item["openpgp_fingerprints"]))
    except MachineError as error:
        raise BundleError(f"the key {item['url']} is not accepted: {error}") from None
