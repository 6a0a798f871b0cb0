# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules: machines that belong to a cluster already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.cluster import (
    cluster_ca,
    control_planes,
    initialised,
    seed,
    wanted_endpoint,
)
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.context import ClusterIntent, HostReport
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.finding import (
    Finding,
    error,
    listing,
    short_hash,
    warning,
)
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.parsing import join_endpoint, split_endpoint
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.registry import rule
from ansible_collections.kubestead.cluster.plugins.plugin_utils.inventory import CONTROL_PLANE_GROUP, NODE_GROUP

RUNTIME_SOCKETS: Mapping[str, str] = {"containerd.sock": "containerd", "cri-dockerd.sock": "docker"}


@rule("other-cluster", fixed=True)
def check_other_cluster(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    ours = cluster_ca(hosts)
    planes = control_planes(hosts)
    # A control plane that was not read may be the one that the others belong to.
    none_initialised = not initialised(hosts) and all(host.state is not None for host in planes)
    for host in hosts:
        theirs = host.member.get("ca_hash")
        if host.membership not in ("member", "partial"):
            continue
        remedy = (
            f"leave {host.name} out of this inventory; only if it is to be taken from its cluster: drain and delete it "
            f"there, then kubestead.cluster.reset --limit {host.name}"
        )
        if ours and theirs and theirs != ours:
            server = f", at {host.member['server']}" if host.member.get("server") else ""
            yield error(
                host.name,
                f"a machine of another cluster (CA {short_hash(theirs)}{server})",
                f"a bare machine or a member of this cluster (CA {short_hash(ours)})",
                remedy,
            )
        elif not ours and none_initialised and planes and host.membership == "member":
            yield error(
                host.name,
                f"a member of a cluster (CA {short_hash(theirs)}), while no control plane here is initialised",
                "bare machines, or the control planes of that cluster in the inventory",
                f"put the control planes of its cluster into {CONTROL_PLANE_GROUP}, or {remedy}",
            )


@rule("new-cluster", fixed=True)
def check_new_cluster(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """kubeadm init only where no control plane of the inventory can have a cluster already.

    A control plane that was not read may be the last one of the cluster. The seed of an interrupted init is finished.
    """
    planes = control_planes(hosts)
    unknown = [name for name in cluster.init_without if name not in {host.name for host in planes}]
    if unknown:
        expected = f"names of {CONTROL_PLANE_GROUP}"
        yield error("cluster_init_without", listing(unknown), expected, "correct cluster_init_without")
    if initialised(hosts):
        if cluster.init_without:
            found, expected = listing(cluster.init_without), "nothing, as the cluster has been started"
            remedy = "remove it: a later loss of control planes must not start another cluster"
            yield warning("cluster_init_without", found, expected, remedy)
        return
    leader = next((host for host in planes if host.name == seed(hosts)), None)
    if leader is None or leader.state is None:
        return
    for host in planes:
        if host.state is None and host.name not in cluster.init_without:
            yield error(
                host.name,
                "a control plane that was not read, while no other one is initialised",
                f"all control planes read before {leader.name} starts a new cluster",
                "bring it up and run again; only if it never had a cluster, or its cluster is lost for good: name it "
                "in cluster_init_without",
            )
        elif host.membership == "partial" and (host.member.get("partial_of") == "join" or host is not leader):
            yield error(
                host.name,
                f"an interrupted {host.member.get('partial_of')}, while no control plane is initialised",
                f"a bare machine before {leader.name} starts a new cluster",
                "bring up the control planes of its cluster; if there are none any more, "
                f"kubestead.cluster.reset --limit {host.name}",
            )


@rule("role-changed", fixed=True)
def check_role(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    names = {"control_plane": ("control plane", CONTROL_PLANE_GROUP), "worker": ("worker", NODE_GROUP)}
    for host in hosts:
        role = host.member.get("role")
        if host.membership == "member" and role in names and role != host.role:
            yield error(
                host.name,
                f"a {names[role][0]} of the cluster in group {names[host.role][1]}",
                f"group {names[role][1]}, as a machine keeps the role it joined with",
                f"move the host back to {names[role][1]}, or remove it from the cluster (drain, delete, "
                f"kubestead.cluster.reset --limit {host.name}) and let it join anew",
            )


@rule("node-name-changed", fixed=True)
def check_node_name_changed(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    for host in hosts:
        name = host.member.get("node_name")
        if host.membership == "member" and name and name != host.node_name:
            yield error(
                host.name,
                f"node {name} in the cluster, {host.node_name} in the inventory",
                "one name for the life of a node",
                f"set node_name: {name} for the host, or remove it from the cluster and let it join anew",
            )


@rule("runtime-changed", fixed=True)
def check_runtime_changed(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """Images and containers don't move from one runtime to another, and a kubelet that changes it loses its pods."""
    for host in hosts:
        socket = str(host.member.get("cri_socket") or "")
        used = RUNTIME_SOCKETS.get(socket.rpartition("/")[2], socket)
        if host.membership == "member" and used and used != host.runtime:
            yield error(
                host.name,
                f"a member whose kubelet runs containers by {used}",
                f"the inventory's cluster_container_runtime, {host.runtime}",
                f"put cluster_container_runtime: {used} back for the host; to move the node: drain it, remove it from "
                f"the cluster (kubestead.cluster.reset --limit {host.name} deletes the node, too) and let it join anew",
            )


@rule("endpoint-changed")
def check_endpoint_changed(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """A control plane's kubelet may as well talk to its own API server (as kubeadm sets it up from 1.35 on)."""
    wanted = wanted_endpoint(cluster, hosts)
    for host in hosts:
        server = str(host.member.get("server") or "")
        used = split_endpoint(server)
        if wanted is None or used is None or host.membership != "member" or used == wanted:
            continue
        if host.control_plane and used == (host.node_ip, cluster.api_port):
            continue
        yield error(
            host.name,
            f"a member that reaches the API at {join_endpoint(*used)}",
            f"the inventory's endpoint, {join_endpoint(*wanted)}",
            f"put the old one back (cluster_vip, or cluster_endpoint: {join_endpoint(*used)}); to move the node: drain "
            f"and delete it, kubestead.cluster.reset --limit {host.name}, and let it join anew by the new endpoint",
        )


@rule("leftovers")
def check_leftovers(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    for host in hosts:
        if host.membership == "partial" and host.member.get("partial_of") == "reset":
            yield error(
                host.name,
                "an interrupted reset",
                "a bare machine or a member of the cluster",
                f"finish it with kubestead.cluster.reset --limit {host.name}",
            )
        elif host.membership == "partial" and host.member.get("partial_of") not in ("init", "join"):
            yield error(
                host.name,
                f"remains that neither an interrupted init nor join explains "
                f"({listing(host.member.get('leftovers') or ())})",
                "a bare machine or a member of the cluster",
                f"look at them, then remove them with kubestead.cluster.reset --limit {host.name}",
            )
