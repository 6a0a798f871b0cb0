# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules: nodes and members of etcd that the cluster has, beside the inventory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.cluster import (
    control_planes,
    etcd_owner,
    seen,
)
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.context import ClusterIntent, HostReport
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.finding import (
    Finding,
    error,
    listing,
    warning,
)
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.registry import rule
from ansible_collections.kubestead.cluster.plugins.plugin_utils.inventory import mapping

#: A Node that is not Ready for so long is not just starting again: its pods have been moved away by now.
NOT_READY_SECONDS = 300


def member_removal(hosts: Sequence[HostReport], leader: str, identity: str) -> str:
    """Return the command by which etcd gives a member up."""
    node = next(host.node_name for host in hosts if host.name == leader)
    pki = "/etc/kubernetes/pki/etcd"
    return (
        f"kubectl -n kube-system exec etcd-{node} -- etcdctl --endpoints https://127.0.0.1:2379 --cacert {pki}/ca.crt "
        f"--cert {pki}/server.crt --key {pki}/server.key member remove {identity}"
    )


def duration(seconds: int) -> str:
    """Return '4 min', '3 h' or '2 d'."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


@rule("node-unknown")
def check_node_unknown(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    known = {host.node_name for host in hosts}
    for node in seen(hosts, "nodes")[1] or ():
        name, since = node["name"], node["unready_seconds"]
        if name not in known:
            state = "Ready" if since is None else f"not Ready for {duration(since)}"
            yield warning(
                f"node {name}",
                f"a Node of the cluster ({state}) that no host of the inventory is",
                "only the inventory's hosts",
                "put its host back into the inventory, or take it out of the cluster: "
                f"kubectl drain {name} --ignore-daemonsets if it runs, then kubectl delete node {name}",
            )


@rule("node-not-ready")
def check_node_not_ready(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    by_node = {host.node_name: host for host in hosts}
    for node in seen(hosts, "nodes")[1] or ():
        host, since = by_node.get(node["name"]), node["unready_seconds"]
        if host and since is not None and since >= NOT_READY_SECONDS:
            yield warning(
                host.name,
                f"a Node that is not Ready for {duration(since)}",
                "a Ready Node",
                "start the machine and look at journalctl -u kubelet there; if it is gone for good, take it out of the "
                f"inventory and run kubectl delete node {node['name']}",
            )


def etcd_flaw(hosts: Sequence[HostReport], member: Mapping[str, Any]) -> str:
    """Return what is wrong with a member of etcd; '' where nothing is, or this run mends it."""
    owner = etcd_owner(hosts, member)
    if owner is None:
        return "that no control plane of the inventory is"
    if owner.membership == "bare":
        return "whose machine has nothing of it any longer"
    # An interrupted join is undone, its member with it.
    if owner.membership == "partial" or owner.state is None:
        return ""
    if not member["name"]:
        return "that was added and never started"
    if member["learner"]:
        return "that was never promoted and has no vote (learner)"
    return ""


@rule("etcd-member")
def check_etcd_member(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    leader, etcd = seen(hosts, "etcd")
    for member in (etcd or {}).get("members", ()):
        flaw, owner = etcd_flaw(hosts, member), etcd_owner(hosts, member)
        if not flaw:
            continue
        # A machine that was installed anew would start with an empty log under the ID of its old self.
        severity = error if owner and owner.membership == "bare" else warning
        back = "" if owner else "put its host back into kube_control_plane if it is alive, or "
        yield severity(
            owner.name if owner else "etcd",
            f"member {member['name'] or member['peer']} ({member['id']}) {flaw}",
            "one member for each control plane of the cluster",
            f"{back}remove it: {member_removal(hosts, leader, member['id'])}",
        )


@rule("etcd-health")
def check_etcd_health(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """etcd adds no member while one is away ("unhealthy cluster"), not even a learner."""
    leader, etcd = seen(hosts, "etcd")
    if not etcd:
        return
    reports = {host.node_name: mapping((host.state or {}).get("cluster")).get("etcd") for host in control_planes(hosts)}
    ready = {node["name"] for node in seen(hosts, "nodes")[1] or () if node["unready_seconds"] is None}
    away: list[Mapping[str, Any]] = []
    for member in etcd["members"]:
        owner = etcd_owner(hosts, member)
        if owner is None or owner.state is None:
            if not member["learner"] and member["name"] not in ready:
                away.append(member)
        # A kube-apiserver that is ready has had an answer of the machine's own etcd.
        elif owner.initialised and not (
            mapping(reports[owner.node_name]).get("healthy") or owner.member.get("api_healthy") is True
        ):
            away.append(member)
            yield warning(
                owner.name,
                f"its member of etcd ({member['id']}) without a healthy answer",
                "a member that follows the leader",
                f"look at it: crictl ps -a --name etcd on {owner.name}, then crictl logs",
            )
    coming = [host.name for host in control_planes(hosts) if host.state is not None and host.membership != "member"]
    for name in coming if away else ():
        yield error(
            name,
            f"a control plane that is to join while members of etcd do not answer "
            f"({listing(member['name'] or member['peer'] for member in away)})",
            "all members alive, as etcd admits no further one before",
            f"bring them up or remove them ({member_removal(hosts, leader, away[0]['id'])}), or leave {name} out: "
            f"--limit '!{name}'",
        )
