# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ports that nodes must reach on each other.

Source: https://kubernetes.io/docs/reference/networking/ports-and-protocols/, and flannel's VXLAN port
(https://github.com/flannel-io/flannel/blob/master/Documentation/backends.md).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

ETCD = (2379, 2380)
KUBELET = 10250
VXLAN = 8472


def tcp(port: int) -> dict[str, Any]:
    return {"port": port, "protocol": "tcp"}


def udp(port: int) -> dict[str, Any]:
    return {"port": port, "protocol": "udp"}


def node_ports(hosts: Mapping[str, Mapping[str, Any]], name: str, api_port: int) -> list[dict[str, Any]]:
    """Return the ports of one host that other nodes connect to."""
    ports = [tcp(KUBELET), udp(VXLAN)]
    if hosts[name]["control_plane"]:
        ports += [tcp(api_port), *map(tcp, ETCD)]
    return ports


def probe_targets(
    hosts: Mapping[str, Mapping[str, Any]],
    name: str,
    listening: Mapping[str, Collection[Mapping[str, Any]]],
    healthy: Collection[str],
    api_port: int,
) -> list[dict[str, Any]]:
    """Return what one host must reach: the API on control planes, and from a control plane every kubelet and etcd.

    `listening` are the ports on which this run listens, by bare machine; what else holds a port there, such as another
    run, answers no probe of this one. Something listens on healthy control planes as well. Between two members nothing
    is tried: what they need of each other works, or the cluster would not.
    """
    own = hosts[name]
    targets = []
    for other in [*listening, *(healthy if name in listening else ())]:
        host = hosts[other]
        if other == name:
            continue
        ports = [udp(VXLAN)] if other in listening else []
        if host["control_plane"]:
            ports.append(tcp(api_port))
        if own["control_plane"]:
            ports.append(tcp(KUBELET))
            ports += [tcp(port) for port in ETCD if host["control_plane"]]
        if other in listening:
            ports = [port for port in ports if port in listening[other]]
        if ports:
            targets.append({"host": other, "address": host["ip"], "ports": ports})
    return targets
