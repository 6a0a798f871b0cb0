# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules: the network between the machines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.context import ClusterIntent, HostReport
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.finding import (
    Finding,
    error,
    listing,
    warning,
)
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.registry import rule


@rule("route")
def check_routes(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    names = {host.node_ip: host.name for host in hosts}
    for host in hosts:
        routes = (host.state or {}).get("routes") or {}
        missing = [f"{names[peer]} ({peer})" if peer in names else peer for peer, there in routes.items() if not there]
        if missing:
            yield error(
                host.name,
                f"no route to {listing(missing)}",
                "a route to every node",
                "correct the machine's routes or netmask (ip route get ADDRESS), or the node_ip of the other",
            )


@rule("default-route")
def check_default_route(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    for host in hosts:
        if host.state is not None and not host.state.get("default_route"):
            yield warning(
                host.name,
                "no default route",
                "one, as connections to Service addresses need a route before kube-proxy redirects them",
                "add one (ip route add default via GATEWAY), which need not lead to the Internet",
            )


@rule("ports-blocked")
def check_blocked(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """One finding for each target and reason, however many nodes see it."""
    sources: dict[tuple[str, str], dict[tuple[str, int], list[str]]] = defaultdict(lambda: defaultdict(list))
    for host in hosts:
        for item in host.reachability:
            if not item["open"]:
                reason = str(item.get("error") or "no answer")
                port = (str(item["protocol"]).upper(), int(item["port"]))
                sources[str(item["host"]), reason][port].append(host.name)
    for (target, reason), ports in sources.items():
        alike: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for (protocol, number), names in sorted(ports.items()):
            alike[tuple(names)].append(f"{protocol} {number}")
        for names_of, texts in alike.items():
            cause = (
                "correct the routes between the machines"
                if "route" in reason
                else "open the ports between the nodes in the firewalls on and between the machines (security groups)"
            )
            yield error(
                target,
                f"{listing(texts, 12)} not to be reached from {listing(names_of)} ({reason})",
                "open ports between the nodes",
                cause,
            )
