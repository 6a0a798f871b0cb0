# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""smoke.yml sees what works and what does not; reset.yml takes off what site.yml put on, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes import client, config

from tests.lab.lab import load

from .cluster import ROOT, SITE_SECONDS, Cluster, fresh, playbook_command, playbook_environment

NAMESPACE = "kubestead-smoke"
CONFIRM = "reset_confirm=kubernetes"
# Rules of the machine's owner: in a built-in chain, and a chain of their own with a name that looks like another's.
FOREIGN = (
    ("-t", "filter", "-A", "FORWARD", "-s", "192.0.2.0/24", "-j", "DROP"),
    ("-t", "nat", "-N", "MY-KUBE-RULES"),
    ("-t", "nat", "-A", "MY-KUBE-RULES", "-d", "192.0.2.7/32", "-j", "RETURN"),
    ("-t", "nat", "-I", "PREROUTING", "-j", "MY-KUBE-RULES"),
)


class Play:
    """A run of a playbook."""

    def __init__(self, cluster: Cluster, playbook: str, *options: str, folder: Path) -> None:
        report = folder / "report.json"
        report.unlink(missing_ok=True)
        done = subprocess.run(
            [*playbook_command(playbook, cluster.inventory), *options],
            cwd=ROOT,
            env={**playbook_environment(report), "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"},
            capture_output=True,
            text=True,
            check=False,
            timeout=SITE_SECONDS,
        )
        self.rc, self.output = done.returncode, done.stdout + done.stderr
        # Whoever can't tell what was changed must not pass for a run that changed nothing.
        assert report.exists(), self.output[-6000:]
        written = json.loads(report.read_text())
        self.changed = {(task, host) for _play, task, host in written["changed"]}
        print(f"\n{playbook} {' '.join(options)}: {written['seconds']} s, {len(self.changed)} changed, rc {self.rc}")

    def succeeded(self) -> Play:
        """This run, which must have gone well."""
        assert self.rc == 0, self.output[-6000:]
        return self


@pytest.fixture(scope="module")
def machines() -> Iterator[Cluster]:
    """A control plane and two workers; KUBESTEAD_E2E_RESET_LAB names a lab to use instead, which is not removed."""
    name = os.environ.get("KUBESTEAD_E2E_RESET_LAB")
    if name:
        yield Cluster(load(name))
        return
    with fresh("reset", control_planes=1, workers=2) as cluster:
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


def test_smoke_sees_every_node(cluster: Cluster, tmp_path: Path) -> None:
    run = Play(cluster, "smoke.yml", folder=tmp_path).succeeded()
    assert not run.changed
    for kind, count in {"NodePort": 1, "DNS": 2, "service": 1, "pod to pod": 1}.items():
        assert run.output.count(f'"ok      {kind}') == count * len(cluster.lab.nodes), (kind, run.output)
    assert NAMESPACE not in namespaces(cluster)


def test_smoke_sees_what_is_broken_and_leaves_nothing(cluster: Cluster, tmp_path: Path) -> None:
    # What w1 forwards to its pods is lost, as with a firewall that does not know the pods' network.
    rule = ("FORWARD", "-o", "cni0", "-p", "tcp", "--dport", "80", "-j", "DROP")
    cluster.on("w1", "iptables-nft", "-I", *rule)
    try:
        run = Play(cluster, "smoke.yml", folder=tmp_path)
    finally:
        cluster.on("w1", "iptables-nft", "-D", *rule)
    assert run.rc == 2
    assert "FAILED  pod to pod cp1 to w1" in run.output
    assert "FAILED  pod to pod w1 to w2" not in run.output
    assert NAMESPACE not in namespaces(cluster)


def test_reset_asks_first(cluster: Cluster, tmp_path: Path) -> None:
    for options in ([], ["-e", "reset_confirm=other"]):
        run = Play(cluster, "reset.yml", *options, folder=tmp_path)
        assert run.rc == 2
        assert not run.changed
        assert "Nothing was removed" in run.output
        for name in cluster.lab.nodes:
            assert f"{name} of the cluster at" in run.output
        assert "-e reset_confirm=kubernetes" in run.output
    assert cluster.ready_nodes() == set(cluster.lab.nodes)


def test_one_node_leaves_and_comes_back(cluster: Cluster, tmp_path: Path) -> None:
    for rule in FOREIGN:
        cluster.on("w2", "iptables-nft", *rule)
    before = foreign(cluster, "w2")
    assert len([line for line in before if "192.0.2." in line or "MY-KUBE" in line]) == len(FOREIGN)
    assert own(cluster, "w2")

    planned = Play(cluster, "reset.yml", "--limit", "w2", "--check", "--diff", folder=tmp_path).succeeded()
    assert planned.changed
    assert node_names(cluster) == set(cluster.lab.nodes)
    done = Play(cluster, "reset.yml", "--limit", "w2", "-e", CONFIRM, folder=tmp_path).succeeded()
    assert done.changed == planned.changed
    assert node_names(cluster) == set(cluster.lab.nodes) - {"w2"}
    assert own(cluster, "w2") == []
    assert foreign(cluster, "w2") == before
    links = cluster.on("w2", "ls", "/sys/class/net").split()
    assert not {"cni0", "flannel.1"} & set(links)
    assert cluster.on("w2", "cat", "/etc/hosts").count("kubestead") == 0

    again = Play(cluster, "reset.yml", "--limit", "w2", "-e", CONFIRM, folder=tmp_path).succeeded()
    assert not again.changed
    cluster.site().succeeded()
    assert cluster.ready_nodes() == set(cluster.lab.nodes)
    assert set(before) <= set(foreign(cluster, "w2"))


def test_the_whole_cluster_goes_and_is_built_again(cluster: Cluster, tmp_path: Path) -> None:
    before = {name: foreign(cluster, name) for name in cluster.lab.nodes}
    assert Play(cluster, "reset.yml", "-e", CONFIRM, folder=tmp_path).succeeded().changed
    assert not cluster.kubeconfig.exists()
    for name in cluster.lab.nodes:
        assert own(cluster, name) == []
        assert foreign(cluster, name) == before[name]
        left = cluster.on(
            name, "sh", "-c", "ls /etc/kubernetes/*.conf /var/lib/etcd/member /var/lib/kubelet/*", check=False
        )
        assert left.strip() == ""
    again = Play(cluster, "reset.yml", "-e", CONFIRM, folder=tmp_path).succeeded()
    assert not again.changed
    cluster.site().succeeded()
    Play(cluster, "smoke.yml", folder=tmp_path).succeeded()
