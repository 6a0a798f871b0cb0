# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules: the API's endpoint, its virtual IP, and what asks it without credentials."""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Iterator, Sequence

from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.cluster import (
    control_planes,
    initialised,
    own_ports,
    wanted_endpoint,
)
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.context import ClusterIntent, HostReport
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.finding import Finding, error, listing
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.given import shared
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.parsing import (
    api_server_arguments,
    is_subdomain,
    join_endpoint,
    parse_address,
    split_endpoint,
)
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.registry import rule
from ansible_collections.kubestead.cluster.plugins.plugin_utils.inventory import mapping


@rule("endpoint-missing", fixed=True)
def check_endpoint_missing(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    count = len(control_planes(hosts))
    if count > 1 and not cluster.vip and not cluster.endpoint:
        yield error(
            "cluster_vip",
            f"neither cluster_vip nor cluster_endpoint with {count} control planes",
            "one address for the API that outlives each of them",
            "set cluster_vip to a free address of the control planes' subnet, "
            "or cluster_endpoint to the host:port of a load balancer of yours",
        )


@rule("endpoint-syntax", fixed=True)
def check_endpoint_syntax(cluster: ClusterIntent, _hosts: Sequence[HostReport]) -> Iterator[Finding]:
    if not cluster.endpoint:
        return
    parsed = split_endpoint(cluster.endpoint)
    valid = parsed is not None and (parse_address(parsed[0]) is not None or is_subdomain(parsed[0]))
    if not valid or "/" in cluster.endpoint:
        yield error(
            "cluster_endpoint",
            repr(cluster.endpoint),
            "host:port, with neither scheme nor path",
            "write it like k8s.example.com:6443 or [fd00::10]:6443",
        )


@rule("vip-syntax", fixed=True)
def check_vip_syntax(cluster: ClusterIntent, _hosts: Sequence[HostReport]) -> Iterator[Finding]:
    vip = parse_address(cluster.vip)
    if cluster.vip and vip is None:
        yield error(
            "cluster_vip",
            repr(cluster.vip),
            "one IP address without prefix length",
            "write a free address of the control planes' subnet, like 192.0.2.100; a name goes into cluster_endpoint",
        )
    elif vip is not None and vip.version == 6:
        yield error(
            "cluster_vip",
            f"the IPv6 address {vip}",
            "an IPv4 address: role load_balancer moves no other",
            "choose an IPv4 address of the control planes' subnet, or set cluster_endpoint to a load balancer of yours "
            "instead, like [fd00::10]:6443",
        )


@rule("endpoint-port")
def check_endpoint_port(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """haproxy listens at the VIP on every control plane; kube-apiserver has its port at all addresses."""
    endpoint = wanted_endpoint(cluster, hosts)
    if not cluster.vip or endpoint is None:
        return
    name, port = "cluster_endpoint" if cluster.endpoint else "cluster_endpoint_port", endpoint[1]
    own = own_ports(cluster, control_plane=True)
    if port in own or not 0 < port < 65536:
        taken = own.get(port, "")
        other = "set cluster_endpoint_port to another one, like 8443"
        yield error(
            name,
            f"{port}, the port of {taken} on the same machines" if taken else str(port),
            "a port between 1 and 65535 that is free on every control plane",
            f"give {name} another port, like {join_endpoint(endpoint[0], 8443)}" if cluster.endpoint else other,
        )


@rule("vip-subnet")
def check_vip_subnet(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    vip = parse_address(cluster.vip)
    if vip is None:
        return
    for host in control_planes(hosts):
        if host.state is None:
            continue
        # Where keepalived already holds it, the VIP is an interface's address itself: that says nothing of subnets.
        found = [ipaddress.ip_interface(text) for text in host.addresses]
        attached = [item.network for item in found if item.ip != vip and not item.ip.is_loopback]
        reserved = [
            network
            for network in attached
            if network.num_addresses > 2 and vip in (network.network_address, network.broadcast_address)
        ]
        if reserved:
            yield error(
                host.name,
                f"cluster_vip {vip}, the network or broadcast address of its subnet {reserved[0]}",
                "a VIP that a machine of the subnet can have",
                "choose another free address of that subnet",
            )
        elif not any(vip in network for network in attached):
            yield error(
                host.name,
                f"cluster_vip {vip} outside its interfaces' subnets ({listing(sorted(set(map(str, attached))))})",
                "a VIP inside a subnet that every control plane is attached to",
                "choose a free address of that subnet, or set cluster_endpoint to a load balancer instead",
            )


@rule("vip-is-node", fixed=True)
def check_vip_is_node(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    vip = parse_address(cluster.vip)
    for host in hosts:
        if vip is not None and parse_address(host.node_ip) == vip:
            yield error(
                "cluster_vip",
                f"{vip}, the address of {host.name} itself",
                "an address of its own, which moves between the control planes",
                "set cluster_vip to a free address of the same subnet",
            )


@rule("vip-answers")
def check_vip_answers(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    vip = parse_address(cluster.vip)
    if vip is None or initialised(hosts):
        return
    # A control plane of ours that holds the address after an interrupted run is no stranger.
    if any(ipaddress.ip_interface(text).ip == vip for host in hosts for text in host.addresses):
        return
    ours = {
        str(item.get("mac") or "").lower() for host in hosts for item in (host.state or {}).get("interfaces") or ()
    } - {""}
    macs: dict[str, list[str]] = defaultdict(list)
    for host in hosts:
        answer = (host.state or {}).get("vip_answers")
        if answer and str(answer.get("mac") or "").lower() not in ours:
            macs[str(answer.get("mac") or "")].append(host.name)
    for mac, names in macs.items():
        yield error(
            "cluster_vip",
            f"{vip} already in use by another machine{f' with MAC {mac}' if mac else ''}, as {listing(names)} sees it",
            "an address that nobody answers at before the cluster exists",
            "choose a free address, or stop what holds this one",
        )


@rule("anonymous-auth", fixed=True)
def check_anonymous_auth(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """kubeadm's probes and haproxy's checks send no credentials, and a join reads cluster-info without any.

    kube-apiserver reads booleans as Go does (https://pkg.go.dev/strconv#ParseBool).
    """
    for name, value in api_server_arguments(mapping(shared(cluster, hosts, "cluster_configuration", {}))):
        if name == "anonymous-auth" and value not in ("1", "t", "T", "true", "TRUE", "True"):
            yield error(
                "cluster_configuration.apiServer.extraArgs",
                f"anonymous-auth: {value}",
                "anonymous requests for /livez and /readyz: kubelet restarts a kube-apiserver whose probes are refused "
                "and haproxy takes it out of service",
                "remove it, and allow anonymous requests for the health paths alone, by the file of "
                "authentication-config (docs/security.md, section Anonymous requests)",
            )
