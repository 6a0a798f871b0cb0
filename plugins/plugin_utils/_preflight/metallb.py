# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules: the addresses that MetalLB gives to Services."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence

from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.cluster import used_addresses
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.context import ClusterIntent, HostReport
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.finding import (
    Finding,
    error,
    listing,
    warning,
)
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.given import shared
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.parsing import (
    AddressRange,
    networks,
    parse_range,
)
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.registry import rule


@rule("metallb-addresses")
def check_metallb_addresses(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    if not shared(cluster, hosts, "metallb_enabled", False):
        return
    ranges = shared(cluster, hosts, "metallb_addresses", ())
    if not ranges:
        expected = "at least one network or range of addresses"
        yield error("metallb_addresses", "no addresses", expected, "give Services free addresses of the nodes' network")
    used = used_addresses(cluster, hosts)
    known: list[tuple[str, AddressRange]] = []
    for index, text in enumerate(ranges):
        where = f"metallb_addresses[{index}]"
        found = parse_range(text)
        if not found:
            expected = "a network like 192.0.2.128/28 or a range like 192.0.2.100-192.0.2.120"
            yield error(where, repr(text), expected, "correct it; a single address is a network of /32 or /128")
            continue
        taken = [
            f"addresses of {setting} ({network})"
            for setting, value in (
                ("cluster_pod_subnet", cluster.pod_subnet),
                ("cluster_service_subnet", cluster.service_subnet),
            )
            for network in networks(value)
            if found.overlaps(network)
        ]
        taken += [f"addresses of {other} too" for other, one in known if one.has(found.first) or found.has(one.first)]
        taken += [f"{address}, which {owner} has" for address, owner in used.items() if found.has(address)]
        known.append((str(text), found))
        if taken:
            remedy = "leave out what is in use, or take another range"
            yield error(where, f"{text} with {listing(taken)}", "addresses that nothing else has", remedy)


@rule("metallb-network")
def check_metallb_network(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """Layer 2: who asks for an address has to be in a network with a node that answers."""
    local = [ipaddress.ip_network(address, strict=False) for host in hosts for address in host.addresses]
    if not local or not shared(cluster, hosts, "metallb_enabled", False):
        return
    for index, text in enumerate(shared(cluster, hosts, "metallb_addresses", ())):
        found = parse_range(text)
        if found and not any(found.overlaps(network) for network in local):
            yield warning(
                f"metallb_addresses[{index}]",
                f"{text}, which is in no network of a node",
                "addresses of a network that the nodes are in",
                "choose addresses of the nodes' network, unless a router sends these to it",
            )


@rule("metallb-ipvs")
def check_metallb_ipvs(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """https://metallb.io/installation/#preparation"""
    proxy = shared(cluster, hosts, "cluster_kube_proxy_configuration", {})
    strict = proxy.get("ipvs", {}).get("strictARP") if isinstance(proxy.get("ipvs", {}), Mapping) else None
    if proxy.get("mode") == "ipvs" and strict is not True and shared(cluster, hosts, "metallb_enabled", False):
        yield error(
            "cluster_kube_proxy_configuration",
            "mode ipvs without strictARP",
            "strictARP, without which every node answers for the addresses of Services",
            "set ipvs.strictARP to true, or take mode iptables or nftables",
        )
