# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster as the inventory wants it: every derived value, computed once, by pure functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.kubestead.cluster.plugins.plugin_utils.inventory import (
    CONTROL_PLANE_GROUP,
    NODE_GROUP,
    mapping,
    sequence,
)
from ansible_collections.kubestead.cluster.plugins.plugin_utils.sources import image_repository, minor_version
from ansible_collections.kubestead.cluster.plugins.plugin_utils.variable_types import typed

# For a setting that can't be evaluated, which preflight reports.
ENDPOINT_PORT = 8443
API_PORT = 6443


@dataclass(frozen=True)
class Host:
    """One host of the inventory as a node of the cluster."""

    name: str
    ip: str
    node_name: str
    control_plane: bool
    worker: bool
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    taints: list[Mapping[str, str]] = field(default_factory=list)


def texts(value: object) -> dict[str, str]:
    """Return a dictionary of texts: Kubernetes knows no other values in labels and annotations."""
    return {str(key): str(item) for key, item in mapping(value).items()}


def address_of(name: str, variable: Callable[[str, str], Any], resolve: Callable[[str], str]) -> str:
    """Return the address at which nodes find a host; '' where its name is none that the controller can resolve."""
    return str(variable(name, "node_ip") or resolve(str(variable(name, "ansible_host") or name)))


def build_hosts(
    groups: Mapping[str, list[str]],
    variable: Callable[[str, str], Any],
    resolve: Callable[[str], str],
) -> dict[str, Host]:
    """Return the hosts of both groups, control planes first.

    `variable(host, name)` reads a host's variable (None where it has none), `resolve(name)` turns a DNS name into
    an address.
    """
    control_planes = list(groups.get(CONTROL_PLANE_GROUP, []))
    workers = list(groups.get(NODE_GROUP, []))
    hosts: dict[str, Host] = {}
    for name in dict.fromkeys([*control_planes, *workers]):
        hosts[name] = Host(
            name=name,
            ip=address_of(name, variable, resolve),
            node_name=str(variable(name, "node_name") or name).lower(),
            control_plane=name in control_planes,
            worker=name in workers,
            labels=texts(variable(name, "node_labels")),
            annotations=texts(variable(name, "node_annotations")),
            taints=[
                taint for taint in sequence(typed({"type": "list"}, variable(name, "node_taints"))) if mapping(taint)
            ],
        )
    return hosts


def endpoint(settings: Mapping[str, Any], hosts: Mapping[str, Host]) -> str:
    """Return the API's host:port: what the user says, else the VIP, else the only control plane."""
    if settings.get("endpoint"):
        return str(settings["endpoint"])
    if settings.get("vip"):
        return join_address(settings["vip"], settings.get("endpoint_port", ENDPOINT_PORT))
    first = next((host for host in hosts.values() if host.control_plane), None)
    return join_address(first.ip, settings.get("api_port", API_PORT)) if first else ""


def join_address(host: str, port: int) -> str:
    """Return host:port, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def hosts_block(hosts: Mapping[str, Host], vip: str, endpoint_host: str) -> str:
    """Return the lines of /etc/hosts that name every node, and the endpoint where it is a name for the VIP."""
    lines = []
    for host in hosts.values():
        names = dict.fromkeys([host.node_name, host.name])
        lines.append(f"{host.ip} {' '.join(names)}")
    if vip and endpoint_host != vip:
        lines.append(f"{vip} {endpoint_host}")
    return "\n".join(lines)


def build(settings: Mapping[str, Any], hosts: Mapping[str, Host], nfs_server: str = "") -> dict[str, Any]:
    """Return the view that the roles work with; `nfs_server` is the address of the first host of that group."""
    address = endpoint(settings, hosts)
    endpoint_host, _colon, endpoint_port = address.rpartition(":")
    endpoint_host = endpoint_host.strip("[]")
    return {
        "endpoint": address,
        "endpoint_host": endpoint_host,
        "endpoint_port": int(endpoint_port) if endpoint_port.isdigit() else 0,
        "vip": str(settings.get("vip") or ""),
        "api_port": settings.get("api_port", API_PORT),
        "nfs_server": nfs_server,
        "batch": settings.get("batch", 1),
        "minor": minor_version(settings.get("version", "")),
        "image_repository": image_repository(settings),
        "hosts": {
            name: {
                "ip": host.ip,
                "node_name": host.node_name,
                "control_plane": host.control_plane,
                "worker": host.worker,
                "labels": dict(host.labels),
                "annotations": dict(host.annotations),
                "taints": host.taints,
            }
            for name, host in hosts.items()
        },
        "control_planes": [name for name, host in hosts.items() if host.control_plane],
        "hosts_block": hosts_block(hosts, str(settings.get("vip") or ""), endpoint_host),
    }
