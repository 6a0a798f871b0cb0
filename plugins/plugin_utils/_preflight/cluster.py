# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the hosts together say of the cluster: who leads it, its CA, its endpoint, its ports and addresses."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.context import ClusterIntent, HostReport
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.parsing import (
    Address,
    Network,
    parse_address,
    split_endpoint,
)
from ansible_collections.kubestead.cluster.plugins.plugin_utils.inventory import mapping

#: https://kubernetes.io/docs/reference/networking/ports-and-protocols/ (10256: kube-proxy's health, 2381 and 10249:
#: figures of etcd and kube-proxy, by default at 127.0.0.1)
CONTROL_PLANE_PORTS: Mapping[int, str] = {
    2379: "etcd clients",
    2380: "etcd peers",
    2381: "etcd",
    10249: "kube-proxy",
    10250: "kubelet",
    10256: "kube-proxy",
    10257: "kube-controller-manager",
    10259: "kube-scheduler",
}


WORKER_PORTS: Mapping[int, str] = {10249: "kube-proxy", 10250: "kubelet", 10256: "kube-proxy"}


#: Where there is monitoring: of every node, and of haproxy.
NODE_EXPORTER_PORT = 9100


HAPROXY_METRICS_PORT = 8404


def own_ports(cluster: ClusterIntent, *, control_plane: bool) -> dict[int, str]:
    """The TCP ports that Kubernetes itself takes on a machine, and what takes them."""
    return {cluster.api_port: "kube-apiserver", **CONTROL_PLANE_PORTS} if control_plane else dict(WORKER_PORTS)


def control_planes(hosts: Sequence[HostReport]) -> list[HostReport]:
    return [host for host in hosts if host.control_plane]


def initialised(hosts: Sequence[HostReport]) -> bool:
    """Whether a control plane of the inventory already is one."""
    return any(host.initialised for host in hosts)


def joining(hosts: Sequence[HostReport]) -> list[str]:
    """The hosts that are not members yet, as far as they could be read."""
    return [host.name for host in hosts if host.state is not None and host.membership != "member"]


def seed(hosts: Sequence[HostReport]) -> str:
    """The control plane that starts the cluster or through which others join; '' when there is none.

    The first healthy initialised one, else the first initialised one, else the first whose init was interrupted,
    else the first that was read: nothing depends on the first host of the inventory being alive. Whether it may start
    a cluster is said by rule new-cluster.
    """
    return next(iter(seeds(hosts)), "")


def seeds(hosts: Sequence[HostReport]) -> list[str]:
    """The control planes that can be the seed, the best first. Only in a cluster that exists there is a choice."""
    candidates = control_planes(hosts)
    ready = [host for host in candidates if host.initialised]
    if ready:
        return [host.name for host in sorted(ready, key=lambda host: host.member.get("api_healthy") is not True)]
    begun = [host for host in candidates if host.membership == "partial" and host.member.get("partial_of") == "init"]
    read = [host for host in candidates if host.state is not None]
    return [host.name for host in (*begun, *read, *candidates)][:1]


def cluster_ca(hosts: Sequence[HostReport]) -> str:
    """The CA hash of the inventory's cluster: that of most healthy initialised control planes; '' when none is known.

    A tie goes to the seed, as everything else does.
    """
    leader = seed(hosts)
    ready = [host for host in control_planes(hosts) if host.initialised and host.member.get("ca_hash")]
    healthy = [host for host in ready if host.member.get("api_healthy") is True]
    votes = Counter(str(host.member["ca_hash"]) for host in healthy or ready)
    if votes:
        most = max(votes.values())
        winners = [ca for ca, count in votes.items() if count == most]
        of_seed = [str(host.member["ca_hash"]) for host in ready if host.name == leader]
        return of_seed[0] if of_seed and of_seed[0] in winners else winners[0]
    for host in hosts:
        if host.name == leader and host.membership == "partial" and host.member.get("partial_of") == "init":
            return str(host.member.get("ca_hash") or "")
    return ""


def wanted_endpoint(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> tuple[str, int] | None:
    """Where nodes reach the API: the external endpoint, the VIP, or the only control plane itself."""
    if cluster.endpoint:
        return split_endpoint(cluster.endpoint)
    if cluster.vip:
        return cluster.vip.lower(), cluster.endpoint_port
    planes = control_planes(hosts)
    return (planes[0].node_ip, cluster.api_port) if len(planes) == 1 and planes[0].node_ip else None


def etcd_owner(hosts: Sequence[HostReport], member: Mapping[str, Any]) -> HostReport | None:
    """Return the control plane that an etcd member is: kubeadm names it after the node; before its first start it has
    only a peer URL.
    """
    address = re.sub(r"^https?://\[?|\]?:\d+$", "", str(member["peer"]))
    planes = control_planes(hosts)
    named = [host for host in planes if member["name"] and host.node_name == member["name"]]
    return next(iter(named or [host for host in planes if not member["name"] and host.node_ip == address]), None)


def seen(hosts: Sequence[HostReport], key: str) -> tuple[str, Any]:
    """Return what the best control plane that answers says of the cluster (node_state's cluster), and its name."""
    by_name = {host.name: host for host in hosts}
    for name in seeds(hosts):
        host = by_name[name]
        found = mapping((host.state or {}).get("cluster")).get(key)
        if found and host.initialised:
            return name, found
    return "", None


def unknown_control_planes(hosts: Sequence[HostReport]) -> list[str]:
    """Return the addresses of machines that may hold the virtual IP though the inventory does not have them.

    These are the other members of etcd. Where etcd was not read, whoever is listed as a peer so far stays listed: a
    machine that is dropped too early hears no advertisements, and takes the address.
    """
    etcd = seen(hosts, "etcd")[1]
    if etcd:
        found = {str(urlsplit(str(member["peer"])).hostname) for member in etcd["members"]}
    else:
        found = {peer for host in hosts for peer in (host.state or {}).get("vip_peers") or ()}
    return sorted(found - {host.node_ip for host in control_planes(hosts)})


def node_network(host: HostReport) -> Network | None:
    """The network that holds the node's own address.

    Not those of the other interfaces: on a member these are the pod network's own bridges.
    """
    address = parse_address(host.node_ip)
    if address is None:
        return None
    for text in host.addresses:
        item = ipaddress.ip_interface(text)
        if item.ip == address:
            return item.network
    return ipaddress.ip_network(address)


def used_addresses(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> dict[Address, str]:
    """Addresses that something has, and what that is."""
    candidates: list[tuple[object, str]] = [(cluster.vip, "cluster_vip")]
    for host in hosts:
        candidates += [(host.node_ip, f"node {host.name}")]
        candidates += [(address.partition("/")[0], f"node {host.name}") for address in host.addresses]
        route = (host.state or {}).get("default_route") or {}
        candidates += [(route.get("gateway"), f"the gateway of {host.name}")]
    used: dict[Address, str] = {}
    for text, owner in candidates:
        address = parse_address(text)
        if address:
            used.setdefault(address, owner)
    # Those of a network itself are nobody's, and MetalLB would hand them out.
    own = (ipaddress.ip_network(text, strict=False) for host in hosts for text in host.addresses)
    for network in dict.fromkeys(own):
        if isinstance(network, ipaddress.IPv4Network) and network.prefixlen <= 30:
            used.setdefault(network.network_address, f"the nodes' network {network} itself")
            used.setdefault(network.broadcast_address, f"the nodes' network {network} as its broadcast address")
    return used
