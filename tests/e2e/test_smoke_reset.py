# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""smoke.yml sees what works and what does not; reset.yml takes off what site.yml put on, and nothing else."""

from __future__ import annotations

import pytest
from kubernetes import client, config

from .cluster import Cluster

NAMESPACE = "kubestead-smoke"
# Rules of the machine's owner: in a built-in chain, and a chain of their own with a name that looks like another's.
FOREIGN = (
    ("-t", "filter", "-A", "FORWARD", "-s", "192.0.2.0/24", "-j", "DROP"),
    ("-t", "nat", "-N", "MY-KUBE-RULES"),
    ("-t", "nat", "-A", "MY-KUBE-RULES", "-d", "192.0.2.7/32", "-j", "RETURN"),
    ("-t", "nat", "-I", "PREROUTING", "-j", "MY-KUBE-RULES"),
)


@pytest.fixture(scope="module")
def whole(converged: Cluster) -> Cluster:
    """The cluster of the proofs before, which ends here."""
    converged.recover()
    return converged


def confirm(cluster: Cluster) -> str:
    """What says that a reset of this cluster is meant."""
    return f"reset_confirm={cluster.lab.name}"


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


def test_smoke_sees_every_node(whole: Cluster) -> None:
    run = whole.run("smoke.yml").succeeded()
    assert not run.changed
    for kind, count in {"NodePort": 1, "DNS": 2, "service": 1, "pod to pod": 1}.items():
        assert run.output.count(f"'ok      {kind}") == count * len(whole.lab.nodes), (kind, run.output)
    assert NAMESPACE not in namespaces(whole)


def test_smoke_sees_what_is_broken_and_leaves_nothing(whole: Cluster) -> None:
    # What w1 forwards to its pods is lost, as with a firewall that does not know the pods' network.
    rule = ("FORWARD", "-o", "cni0", "-p", "tcp", "--dport", "80", "-j", "DROP")
    whole.on("w1", "iptables-nft", "-I", *rule)
    try:
        run = whole.run("smoke.yml")
    finally:
        whole.on("w1", "iptables-nft", "-D", *rule)
    assert run.rc == 2
    assert "FAILED  pod to pod cp3 to w1" in run.output
    assert "FAILED  pod to pod w1 to w2" not in run.output
    assert NAMESPACE not in namespaces(whole)


def test_reset_asks_first(whole: Cluster) -> None:
    for options in ([], ["-e", "reset_confirm=other"]):
        run = whole.run("reset.yml", *options)
        assert run.rc == 2
        assert not run.changed
        assert "Nothing was removed" in run.said
        for name in whole.lab.nodes:
            assert f"{name} of the cluster at" in run.said
        assert f"-e {confirm(whole)}" in run.said
    assert whole.ready_nodes() == set(whole.lab.nodes)


def test_one_node_leaves_and_comes_back(whole: Cluster) -> None:
    for rule in FOREIGN:
        whole.on("w2", "iptables-nft", *rule)
    before = foreign(whole, "w2")
    assert len([line for line in before if "192.0.2." in line or "MY-KUBE" in line]) == len(FOREIGN)
    assert own(whole, "w2")

    planned = whole.run("reset.yml", "--limit", "w2", "--check", "--diff").succeeded()
    assert planned.changed
    assert node_names(whole) == set(whole.lab.nodes)
    done = whole.run("reset.yml", "--limit", "w2", "-e", confirm(whole)).succeeded()
    assert done.changed == planned.changed
    assert node_names(whole) == set(whole.lab.nodes) - {"w2"}
    assert own(whole, "w2") == []
    assert foreign(whole, "w2") == before
    links = whole.on("w2", "ls", "/sys/class/net").split()
    assert not {"cni0", "flannel.1"} & set(links)
    assert whole.on("w2", "cat", "/etc/hosts").count("kubestead") == 0

    again = whole.run("reset.yml", "--limit", "w2", "-e", confirm(whole)).succeeded()
    assert not again.changed
    whole.site().succeeded()
    assert whole.ready_nodes() == set(whole.lab.nodes)
    assert set(before) <= set(foreign(whole, "w2"))


def test_the_whole_cluster_goes_and_is_built_again(whole: Cluster) -> None:
    before = {name: foreign(whole, name) for name in whole.lab.nodes}
    assert whole.run("reset.yml", "-e", confirm(whole)).succeeded().changed
    assert not whole.kubeconfig.exists()
    for name in whole.lab.nodes:
        assert own(whole, name) == []
        assert foreign(whole, name) == before[name]
        left = whole.on(
            name, "sh", "-c", "ls /etc/kubernetes/*.conf /var/lib/etcd/member /var/lib/kubelet/*", check=False
        )
        assert left.strip() == ""
    again = whole.run("reset.yml", "-e", confirm(whole)).succeeded()
    assert not again.changed
    whole.site().succeeded()
    whole.run("smoke.yml").succeeded()
    # The client of whoever comes next has to read the new kubeconfig.
    whole.__dict__.pop("_api", None)
