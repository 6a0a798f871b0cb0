# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CoreDNS runs on two nodes after the first run, and again after somebody has undone it, without a lost lookup."""

from __future__ import annotations

import time
from pathlib import Path

from kubernetes import client

from .cluster import Cluster, wait_for
from .workload import Workload, dns_nodes, only_schedulable, reachability, wait_for_dns

PATCH = "/etc/kubernetes/patches/corednsdeployment0+json.yaml"
TASK = "control_plane : coredns | Spread CoreDNS over nodes"
# As kubeadm has it without a patch, but for the preference of different nodes.
KUBEADM = {
    "topologySpreadConstraints": None,
    "affinity": None,
    "tolerations": [
        {"key": "CriticalAddonsOnly", "operator": "Exists"},
        {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"},
    ],
}
SETTLED_SECONDS = 120.0
STEADY_SECONDS = 3.0


def workload_of(cluster: Cluster) -> Workload:
    """Return pods on workers alone."""
    workers = [name for name in cluster.lab.nodes if name not in cluster.control_planes]
    return Workload(cluster, client_on=workers[1], replicas_on=(workers[0], workers[1]))


def test_the_first_run_ends_with_coredns_on_two_nodes(converged: Cluster) -> None:
    nodes = dns_nodes(converged)
    assert len(nodes) == len(set(nodes)) == 2
    # kubeadm made it so: the Deployment has had one revision.
    deployment = client.AppsV1Api(converged.api).read_namespaced_deployment("coredns", "kube-system")
    assert deployment.metadata.annotations["deployment.kubernetes.io/revision"] == "1"
    for name in converged.control_planes:
        assert "topologySpreadConstraints" in converged.on(name, "cat", PATCH)


def test_both_pods_on_one_node_are_spread_without_a_lost_lookup(converged: Cluster) -> None:
    one = converged.control_planes[0]
    patch = {"spec": {"template": {"spec": KUBEADM}}}
    with only_schedulable(converged, one):
        client.AppsV1Api(converged.api).patch_namespaced_deployment("coredns", "kube-system", patch)
        wait_for_dns(f"CoreDNS runs on {one}", converged, lambda nodes: nodes == [one, one], SETTLED_SECONDS)

    with workload_of(converged) as workload, workload.recording() as record:
        wait_for("DNS and Service answer every probe", lambda: record.steady(STEADY_SECONDS), SETTLED_SECONDS)
        began = time.monotonic()
        planned = converged.site("--check").succeeded()
        run = converged.site().succeeded()
        nodes = dns_nodes(converged)
        time.sleep(STEADY_SECONDS)
    assert len(set(nodes)) == 2
    assert {task for _play, task, _host in run.changed} == {TASK}
    assert planned.changed == run.changed
    found = reachability(record.probes, "dns", began)
    print(f"\nDNS while CoreDNS was spread: {found}")
    assert found.probes > 0
    assert found.failed_after_retry == 0
    assert converged.site("--check").succeeded().changed == set()


def test_an_upgrade_by_kubeadm_keeps_it(converged: Cluster) -> None:
    apps = client.AppsV1Api(converged.api)
    command = ("kubeadm", "upgrade", "node", "phase", "addon", "coredns", "--patches", str(Path(PATCH).parent))
    output = converged.on(converged.control_planes[0], *command)
    assert "Applied essential addon: CoreDNS" in output
    spec = apps.read_namespaced_deployment("coredns", "kube-system").spec.template.spec
    # Its own manifest is back, with the patch.
    assert spec.affinity is not None
    (constraint,) = spec.topology_spread_constraints
    assert constraint.min_domains == 2
    assert {item.toleration_seconds for item in spec.tolerations} == {None, 30}
