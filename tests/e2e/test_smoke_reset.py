# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""smoke.yml sees what works and what does not; reset.yml takes off what site.yml put on, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kubernetes import client, config

from .cluster import Cluster, machines_of

NAMESPACE = "kubestead-smoke"
CONFIRM = "reset_confirm=kubernetes"
# Rules of the machine's owner: in a built-in chain, and a chain of their own with a name that looks like another's.
FOREIGN = (
    ("-t", "filter", "-A", "FORWARD", "-s", "192.0.2.0/24", "-j", "DROP"),
    ("-t", "nat", "-N", "MY-KUBE-RULES"),
    ("-t", "nat", "-A", "MY-KUBE-RULES", "-d", "192.0.2.7/32", "-j", "RETURN"),
    ("-t", "nat", "-I", "PREROUTING", "-j", "MY-KUBE-RULES"),
)


@pytest.fixture(scope="module")
def machines() -> Iterator[Cluster]:
    """A control plane and two workers."""
    with machines_of("reset", control_planes=1, workers=2) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def cluster(machines: Cluster) -> Cluster:
    """The cluster, complete."""
    machines.site().succeeded()
    return machines


def api(cluster: Cluster) -> client.CoreV1Api:
    """The API by the kubeconfig that is there now: a new cluster has a new one."""
    return client.CoreV1Api(config.new_client_from_config(str(cluster.kubeconfig)))


def node_names(cluster: Cluster) -> set[str]:
    return {node.metadata.name for node in api(cluster).list_node().items}


def namespaces(cluster: Cluster) -> set[str]:
    return {item.metadata.name for item in api(cluster).list_namespace().items}


def rules(cluster: Cluster, node: str) -> list[str]:
    """All rules and chains in force, without counters and without the tables' comments."""
    saved = cluster.on(node, "iptables-nft-save").splitlines()
    return [line.split(" [")[0] for line in saved if line.startswith((":", "-A"))]


def foreign(cluster: Cluster, node: str) -> list[str]:
    return [
        line
        for line in rules(cluster, node)
        if not any(own in line for own in (" KUBE-", ":KUBE-", "FLANNEL-", "CNI-"))
    ]


def own(cluster: Cluster, node: str) -> list[str]:
    return [line for line in rules(cluster, node) if line not in foreign(cluster, node)]


def test_smoke_sees_every_node(cluster: Cluster) -> None:
    run = cluster.run("smoke.yml").succeeded()
    assert not run.changed
    for kind, count in {"NodePort": 1, "DNS": 2, "service": 1, "pod to pod": 1}.items():
        assert run.output.count(f"'ok      {kind}") == count * len(cluster.lab.nodes), (kind, run.output)
    assert NAMESPACE not in namespaces(cluster)


def test_smoke_sees_what_is_broken_and_leaves_nothing(cluster: Cluster) -> None:
    # What w1 forwards to its pods is lost, as with a firewall that does not know the pods' network.
    rule = ("FORWARD", "-o", "cni0", "-p", "tcp", "--dport", "80", "-j", "DROP")
    cluster.on("w1", "iptables-nft", "-I", *rule)
    try:
        run = cluster.run("smoke.yml")
    finally:
        cluster.on("w1", "iptables-nft", "-D", *rule)
    assert run.rc == 2
    assert "FAILED  pod to pod cp1 to w1" in run.output
    assert "FAILED  pod to pod w1 to w2" not in run.output
    assert NAMESPACE not in namespaces(cluster)


def test_reset_asks_first(cluster: Cluster) -> None:
    for options in ([], ["-e", "reset_confirm=other"]):
        run = cluster.run("reset.yml", *options)
        assert run.rc == 2
        assert not run.changed
        assert "Nothing was removed" in run.said
        for name in cluster.lab.nodes:
            assert f"{name} of the cluster at" in run.said
        assert "-e reset_confirm=kubernetes" in run.said
    assert cluster.ready_nodes() == set(cluster.lab.nodes)


def test_one_node_leaves_and_comes_back(cluster: Cluster) -> None:
    for rule in FOREIGN:
        cluster.on("w2", "iptables-nft", *rule)
    before = foreign(cluster, "w2")
    assert len([line for line in before if "192.0.2." in line or "MY-KUBE" in line]) == len(FOREIGN)
    assert own(cluster, "w2")

    planned = cluster.run("reset.yml", "--limit", "w2", "--check", "--diff").succeeded()
    assert planned.changed
    assert node_names(cluster) == set(cluster.lab.nodes)
    done = cluster.run("reset.yml", "--limit", "w2", "-e", CONFIRM).succeeded()
    assert done.changed == planned.changed
    assert node_names(cluster) == set(cluster.lab.nodes) - {"w2"}
    assert own(cluster, "w2") == []
    assert foreign(cluster, "w2") == before
    links = cluster.on("w2", "ls", "/sys/class/net").split()
    assert not {"cni0", "flannel.1"} & set(links)
    assert cluster.on("w2", "cat", "/etc/hosts").count("kubestead") == 0

    again = cluster.run("reset.yml", "--limit", "w2", "-e", CONFIRM).succeeded()
    assert not again.changed
    cluster.site().succeeded()
    assert cluster.ready_nodes() == set(cluster.lab.nodes)
    assert set(before) <= set(foreign(cluster, "w2"))


def test_the_whole_cluster_goes_and_is_built_again(cluster: Cluster) -> None:
    before = {name: foreign(cluster, name) for name in cluster.lab.nodes}
    assert cluster.run("reset.yml", "-e", CONFIRM).succeeded().changed
    assert not cluster.kubeconfig.exists()
    for name in cluster.lab.nodes:
        assert own(cluster, name) == []
        assert foreign(cluster, name) == before[name]
        left = cluster.on(
            name, "sh", "-c", "ls /etc/kubernetes/*.conf /var/lib/etcd/member /var/lib/kubelet/*", check=False
        )
        assert left.strip() == ""
    again = cluster.run("reset.yml", "-e", CONFIRM).succeeded()
    assert not again.changed
    cluster.site().succeeded()
    cluster.run("smoke.yml").succeeded()
