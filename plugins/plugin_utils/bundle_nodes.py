# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the hosts of the inventory need of a bundle, each by its own variables; no host is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.kubestead.cluster.plugins.plugin_utils.bundle import BundleError
from ansible_collections.kubestead.cluster.plugins.plugin_utils.inventory import (
    CONTROL_PLANE_GROUP,
    MIRROR_GROUP,
    NFS_GROUP,
    NODE_GROUP,
    HostVariables,
)
from ansible_collections.kubestead.cluster.plugins.plugin_utils.sources import containerd_from_docker

NODES = (CONTROL_PLANE_GROUP, NODE_GROUP)
OTHERS = (MIRROR_GROUP, NFS_GROUP)


@dataclass(frozen=True)
class Node:
    """A host's choices, as roles node and containerd have them."""

    name: str
    member: bool = True
    systems: Sequence[str] = ()
    packages: Sequence[str] = ()
    runtime: str = "containerd"
    source: str = "auto"
    version: str = ""

    @classmethod
    def of(cls, name: str, member: bool, values: HostVariables) -> Node:
        """Return the choices of a host."""
        time = values.get("node_time_service")
        packages = [*values.items("node_packages"), "chrony" if time is None else time]
        node = cls(
            name,
            member,
            tuple(map(str, values.items("bundle_systems"))),
            tuple(str(package) for package in packages if package),
            values.text("cluster_container_runtime") or cls.runtime,
            values.text("containerd_source") or cls.source,
            values.text("containerd_version"),
        )
        for variable, reason in values.undefined.items():
            raise BundleError(f"{name}: {variable} can't be evaluated: {reason}")
        return node

    def has(self, system: str) -> bool:
        """Whether it may be such a machine: one that does not tell may be any."""
        return self.member and (not self.systems or system in self.systems)


def systems(given: Iterable[str], nodes: Iterable[Node]) -> list[str]:
    """Return the systems of all machines, each once."""
    return list(dict.fromkeys([*given, *(system for node in nodes for system in node.systems)]))


def check(nodes: Iterable[Node]) -> None:
    """Refuse what a bundle is not for."""
    docker = [node.name for node in nodes if node.member and node.runtime == "docker"]
    if docker:
        # Docker asks mirrors for images of docker.io only.
        raise BundleError(
            f"cluster_container_runtime: found docker on {', '.join(docker)}, expected containerd, which a bundle is "
            "for; set it to containerd for them, or give the site a package repository and a registry of its own "
            "(cluster_mirror: custom)"
        )


def packages(system: str, nodes: Iterable[Node]) -> list[str]:
    """Return what the hosts' own variables add for a system."""
    return list(dict.fromkeys(package for node in nodes if node.has(system) for package in node.packages))


def runtimes(system: str, os: Mapping[str, str], nodes: Iterable[Node]) -> dict[str, bool]:
    """Return the packages of container runtimes for a system, and whether Docker's repository has them.

    They can't be installed beside each other, so each is resolved alone.
    """
    having = [node for node in nodes if node.has(system)] or [Node("")]
    found = {}
    for node in having:
        docker = containerd_from_docker(os, node.source)
        name = "containerd.io" if docker else "containerd"
        found[f"{name}={node.version}" if node.version else name] = docker
    return found
