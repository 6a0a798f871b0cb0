# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's variables, as the argument specifications of its roles define them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml


class Scope(NamedTuple):
    """Where a variable may be set, and when a changed value takes effect.

    ``where`` is "cluster", where all hosts of the cluster have to agree, "control planes", where these have to, or
    "host", where each may have its own.
    ``effect`` is "new cluster" (ignored once there is a cluster), "join" (for machines that join from then on) or
    "every run" (of the role's playbook).
    """

    where: str
    effect: str


NEW_CLUSTER = Scope("cluster", "new cluster")
CLUSTER = Scope("cluster", "every run")
CONTROL_PLANES = Scope("control planes", "every run")
HOST = Scope("host", "every run")
JOIN = Scope("host", "join")

#: What holds for the variables of a role, unless the variable itself is named below.
ROLE_SCOPES: Mapping[str, Scope] = {
    "bundle": CLUSTER,
    "cluster": NEW_CLUSTER,
    "containerd": HOST,
    "control_plane": CLUSTER,
    "docker": HOST,
    "helm": CLUSTER,
    "ingress": CLUSTER,
    "kube_packages": HOST,
    "load_balancer": HOST,
    "metallb": CLUSTER,
    "metrics_server": CLUSTER,
    "mirror": HOST,
    "monitoring": CLUSTER,
    "network": CLUSTER,
    "nfs_server": HOST,
    "nfs_storage": CLUSTER,
    "node": HOST,
    "preflight": CLUSTER,
    "reset": HOST,
    "smoke": CLUSTER,
    "users": CLUSTER,
    "worker": HOST,
}
VARIABLE_SCOPES: Mapping[str, Scope] = {
    "cluster_batch": CLUSTER,
    "cluster_bundle_signers": HOST,
    "cluster_container_runtime": JOIN,
    "cluster_coredns_spread": CLUSTER,
    "cluster_ignore_preflight_errors": JOIN,
    "cluster_join_configuration": JOIN,
    "cluster_kubeconfig": CLUSTER,
    "cluster_kubeconfig_proxy": CLUSTER,
    # Each machine has package sources of its own.
    "cluster_mirror": HOST,
    "cluster_mirror_ca": HOST,
    "cluster_mirror_host": HOST,
    "cluster_mirror_only": HOST,
    "cluster_mirror_overrides": HOST,
    # Control planes may differ in their architecture.
    "helm_url": HOST,
    "helm_version": HOST,
    # All control planes have to agree, or no one holds the address, or two do.
    "load_balancer_advert_interval": CONTROL_PLANES,
    "load_balancer_virtual_router_id": CONTROL_PLANES,
    # docs/network.md: a cluster keeps its network.
    "network_calico_encapsulation": NEW_CLUSTER,
    "network_flannel_backend": NEW_CLUSTER,
    "network_plugin": NEW_CLUSTER,
    "node_ip": JOIN,
    "node_name": JOIN,
    "reset_confirm": CLUSTER,
}


def scope_of(name: str) -> Scope | None:
    """Return the scope of a variable, None for one that is no role's."""
    roles = [role for role in ROLE_SCOPES if name.startswith(f"{role}_")]
    return VARIABLE_SCOPES.get(name) or (ROLE_SCOPES[max(roles, key=len)] if roles else None)


def collection_root() -> Path:
    return Path(__file__).resolve().parents[2]


@functools.cache
def argument_specs(root: Path) -> Mapping[str, Mapping[str, Any]]:
    """Every variable of every role's entry points, with its specification."""
    specs: dict[str, Mapping[str, Any]] = {}
    for path in sorted(root.glob("roles/*/meta/argument_specs.yml")):
        document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        for entry in (document.get("argument_specs") or {}).values():
            specs.update(entry.get("options") or {})
    return specs


@functools.cache
def prefixes(root: Path) -> tuple[str, ...]:
    """What a role's variables begin with: its name."""
    return tuple(f"{path.name}_" for path in sorted(root.glob("roles/*")) if path.is_dir())
