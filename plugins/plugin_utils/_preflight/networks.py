# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules: the subnets of pods and Services, and the pod network."""

from __future__ import annotations

import ipaddress
import itertools
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.cluster import control_planes, node_network
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.context import ClusterIntent, HostReport
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.finding import Finding, error, listing
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.given import shared, sound
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.parsing import (
    Network,
    networks,
    overlaps,
    parse_address,
    subnets,
)
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.registry import rule


def subnet_variables(cluster: ClusterIntent) -> tuple[tuple[str, str], ...]:
    return (("cluster_pod_subnet", cluster.pod_subnet), ("cluster_service_subnet", cluster.service_subnet))


@rule("subnet-syntax", fixed=True)
def check_subnet_syntax(cluster: ClusterIntent, _hosts: Sequence[HostReport]) -> Iterator[Finding]:
    for variable, text in subnet_variables(cluster):
        if not subnets(text):
            yield error(variable, repr(text), "a network like 10.244.0.0/16", f"set {variable}")
        for part in subnets(text):
            try:
                if "/" not in part:
                    raise ValueError
                ipaddress.ip_network(part)
            except ValueError:
                yield error(variable, repr(part), *subnet_remedy(part))


def subnet_remedy(part: str) -> tuple[str, str]:
    try:
        loose = ipaddress.ip_network(part, strict=False)
    except ValueError:
        return "a network like 10.244.0.0/16 or fd00:10:244::/48", "correct the network"
    if "/" not in part:
        return "a network with its prefix length", f"append the prefix length, like {part}/16"
    return "a network without host bits", f"write {loose}"


@rule("subnet-families")
def check_subnet_families(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    for variable, text in subnet_variables(cluster):
        versions = [network.version for network in networks(text)]
        if len(versions) > 2 or len(set(versions)) != len(versions):
            yield error(
                variable,
                repr(text),
                "one network, or one of IPv4 and one of IPv6",
                "leave one network of each family",
            )
    service = networks(cluster.service_subnet)
    for host in control_planes(hosts):
        address = parse_address(host.node_ip)
        if address is not None and service and address.version != service[0].version:
            yield error(
                host.name,
                f"node_ip {address} (IPv{address.version}) with cluster_service_subnet {cluster.service_subnet!r}",
                "the first service subnet in the family of the control planes' addresses",
                "put the subnet of that family first, or set node_ip to an address of the other family",
            )


@rule("subnet-overlap")
def check_subnet_overlap(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    pods, services = networks(cluster.pod_subnet), networks(cluster.service_subnet)
    for pod, service in itertools.product(pods, services):
        if overlaps(pod, service):
            yield error(
                "cluster_pod_subnet",
                f"{pod}, which overlaps cluster_service_subnet {service}",
                "networks that do not overlap",
                "move one of them, e.g. pods to 10.244.0.0/16 and services to 10.96.0.0/12",
            )
    taken: dict[Network, list[str]] = defaultdict(list)
    for host in hosts:
        network = node_network(host)
        if network is not None:
            taken[network].append(host.name)
    vip = parse_address(cluster.vip)
    if vip is not None and not any(vip in network for network in taken):
        taken[ipaddress.ip_network(vip)].append("cluster_vip")
    for variable, text in subnet_variables(cluster):
        for subnet, (network, names) in itertools.product(networks(text), taken.items()):
            if overlaps(subnet, network):
                yield error(
                    variable,
                    f"{subnet}, which overlaps the nodes' network {network} ({listing(names)})",
                    "a network that nothing else uses",
                    f"set {variable} to another private network",
                )


@rule("pod-subnet-size")
def check_pod_subnet_size(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """kube-controller-manager gives each node a /24 (IPv6: /64); kubeadm refuses a mask more than 16 bits longer."""
    for network in networks(cluster.pod_subnet):
        mask = 24 if network.version == 4 else 64
        room = 2 ** (mask - network.prefixlen) if network.prefixlen <= mask else 0
        if room < len(hosts):
            bits = (len(hosts) - 1).bit_length()
            yield error(
                "cluster_pod_subnet",
                f"{network}, which has room for {room} node{'' if room == 1 else 's'} of a /{mask} each",
                f"room for the inventory's {len(hosts)} hosts",
                f"use a network of /{mask - bits} or larger",
            )
        elif mask - network.prefixlen > 16:
            yield error(
                "cluster_pod_subnet",
                str(network),
                f"a prefix length of at least {mask - 16}, as each node gets a /{mask}",
                f"use a network of /{mask - 16} or smaller",
            )


@rule("network-family", fixed=True)
def check_network_family(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """Role network sets its networks up for one network of IPv4."""
    plugin = shared(cluster, hosts, "network_plugin", "flannel")
    found = networks(cluster.pod_subnet)
    if plugin != "none" and found and [network.version for network in found] != [4]:
        yield error(
            "cluster_pod_subnet",
            f"{cluster.pod_subnet!r} with network_plugin {plugin}",
            "one network of IPv4, which is what the collection sets up pod networks for",
            "leave one IPv4 network, or set network_plugin to none and bring a network for IPv6 yourself",
        )


@rule("network-routes")
def check_network_routes(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """https://github.com/flannel-io/flannel/blob/master/Documentation/backends.md#host-gw"""
    if shared(cluster, hosts, "network_plugin", "flannel") != "flannel":
        return
    if shared(cluster, hosts, "network_flannel_backend", "vxlan") != "host-gw":
        return
    places: dict[Network, list[str]] = defaultdict(list)
    for host in hosts:
        network = node_network(host) if host.state is not None else None
        if network is not None:
            places[network].append(host.name)
    if len(places) > 1:
        yield error(
            "network_flannel_backend",
            f"host-gw with nodes in {listing(f'{network} ({listing(names)})' for network, names in places.items())}",
            "all nodes in one network, where each is the others' gateway",
            "use the backend vxlan",
        )


@rule("network-manifests", fixed=True)
def check_network_manifests(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    manifests = sound(cluster, hosts, "network_calico_manifests")
    if shared(cluster, hosts, "network_plugin", "flannel") != "calico" or manifests is None:
        return
    name = "network_calico_manifests"
    if not manifests:
        expected = "the url and sha256 of each manifest of Calico's operator"
        remedy = "take them from a release that you have looked at, or take another network_plugin"
        yield error(name, "none with network_plugin calico", expected, remedy)
    for index, item in enumerate(manifests):
        if not re.fullmatch(r"[0-9a-f]{64}", str(item["sha256"])):
            expected = "its SHA-256, 64 digits of 0 to 9 and a to f"
            remedy = f"take that of the file behind {item['url']} that you have looked at (sha256sum)"
            yield error(f"{name}[{index}].sha256", repr(item["sha256"]), expected, remedy)


@rule("service-subnet-size")
def check_service_subnet_size(cluster: ClusterIntent, _hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """kubeadm's MaximumBitsForServiceSubnet (20) and MinimumAddressesInServiceSubnet (10)."""
    for network in networks(cluster.service_subnet):
        bits = network.max_prefixlen - network.prefixlen
        shortest, longest = network.max_prefixlen - 20, network.max_prefixlen - 4
        if not 4 <= bits <= 20:
            yield error(
                "cluster_service_subnet",
                f"{network}, of 2^{bits} addresses",
                f"a prefix length between /{shortest} and /{longest}",
                f"use a {'smaller' if bits > 20 else 'larger'} network, e.g. {network.network_address}/{shortest}"
                if bits > 20
                else f"use a larger network, of /{longest} at least",
            )
