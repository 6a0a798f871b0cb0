# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A highly available cluster is watched from its first minute, and its alerts know who holds the virtual IP."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .cluster import API_PORT, BUILD, ENDPOINT_PORT, ROOT, Cluster, machines_of, wait_for

ASK = ROOT / "molecule/platform/verify/monitoring.py"
NODE_DOWN_SECONDS = 900
FIGURES = "/var/lib/kubestead/metrics/test.prom"
VARIABLES = """\
monitoring_enabled: true
monitoring_scrape_interval: 15s
monitoring_prometheus_resources: {requests: {cpu: 50m, memory: 128Mi}, limits: {memory: 1Gi}}
# Its server can't be built here.
monitoring_grafana_enabled: false
# The lab's etcd does not sync its log, but how long that takes is watched here.
cluster_configuration: {}
monitoring_alertmanager_configuration: {route: {receiver: nobody}, receivers: [{name: nobody}]}
"""
TAINTS = "node_taints: [{key: kubestead.test/alone, effect: NoSchedule}]\n"

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Three control planes and two workers, of which w2 has pods of DaemonSets only."""
    with machines_of("monitoring", 3, 2, "--with", "monitoring") as machines:
        yield watched(machines)


def watched(machines: Cluster) -> Cluster:
    """The cluster, complete and watched, with what a backup leaves."""
    folder = machines.lab.folder / "group_vars/all"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "monitoring.yml").write_text(VARIABLES)
    (machines.lab.folder / "host_vars").mkdir(exist_ok=True)
    (machines.lab.folder / "host_vars/w2.yml").write_text(TAINTS)
    machines.site().succeeded()
    backup = "kubestead_etcd_backup_timestamp_seconds $(date +%s)\\nkubestead_etcd_backup_max_age_seconds 90000\\n"
    machines.on(machines.control_planes[0], "sh", "-c", f'printf "{backup}" > {FIGURES}')
    # kube-proxy tells how long its rules take when they change.
    kubectl = ("kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf")
    machines.on(machines.control_planes[0], *kubectl, "create", "service", "clusterip", "probe", "--tcp=80:80")
    return machines


def ask(cluster: Cluster, *question: str, kubeconfig: Path | None = None) -> None:
    done = subprocess.run(
        [sys.executable, str(ASK), str(kubeconfig or cluster.kubeconfig), *question],
        env={**os.environ, "PYTHONPATH": str(BUILD / "collections")},
        capture_output=True,
        text=True,
        check=False,
        timeout=NODE_DOWN_SECONDS,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stderr


def test_all_is_seen(cluster: Cluster) -> None:
    """Every target is up, on every machine; every query of every rule and dashboard finds data."""
    ask(cluster, "all")


def test_the_virtual_ip_held_by_two(cluster: Cluster) -> None:
    (holder,) = cluster.holders()
    other = next(name for name in cluster.control_planes if name != holder)
    cluster.on(other, "ip", "address", "add", f"{cluster.lab.vip}/32", "dev", "lo")
    try:
        ask(cluster, "alert", "VirtualIPHeldByTwo", "firing")
    finally:
        cluster.on(other, "ip", "address", "delete", f"{cluster.lab.vip}/32", "dev", "lo")
    ask(cluster, "alert", "VirtualIPHeldByTwo", "inactive")


def test_the_virtual_ip_held_by_none(cluster: Cluster, tmp_path: Path) -> None:
    # Nobody reaches the API by it then.
    direct = tmp_path / "kubeconfig"
    machine = cluster.lab.nodes[cluster.control_planes[0]].address
    text = cluster.kubeconfig.read_text()
    direct.write_text(text.replace(f"{cluster.lab.vip}:{ENDPOINT_PORT}", f"{machine}:{API_PORT}"))
    assert direct.read_text() != text
    try:
        for name in cluster.control_planes:
            cluster.on(name, "systemctl", "stop", "keepalived")
        ask(cluster, "alert", "VirtualIPHeldByNone", "firing", kubeconfig=direct)
    finally:
        for name in cluster.control_planes:
            cluster.on(name, "systemctl", "start", "keepalived")
    ask(cluster, "alert", "VirtualIPHeldByNone", "inactive", kubeconfig=direct)


@pytest.mark.parametrize(("service", "alert"), [("haproxy", "LoadBalancerDown"), ("keepalived", "KeepalivedDown")])
def test_a_service_that_is_down(cluster: Cluster, service: str, alert: str) -> None:
    (holder,) = cluster.holders()
    other = next(name for name in cluster.control_planes if name != holder)
    cluster.on(other, "systemctl", "stop", service)
    try:
        ask(cluster, "alert", alert, "firing")
    finally:
        cluster.on(other, "systemctl", "start", service)
    ask(cluster, "alert", alert, "inactive")


def test_a_machine_that_is_down_keeps_nobody_waiting(cluster: Cluster) -> None:
    """Its pod of every DaemonSet is missing, and the other machines are looked after all the same."""
    cluster.act("kill", "w2")
    try:
        wait_for("w2 is lost", lambda: "w2" not in cluster.ready_nodes(), 180)
        run = cluster.site("--limit", "all:!w2").succeeded()
        assert not run.changed
        assert "DaemonSet monitoring/node-exporter was not waited for on w2" in run.said
    finally:
        cluster.act("start", "w2")
    wait_for("w2 is back", lambda: "w2" in cluster.ready_nodes(), 180)


def test_off_again(cluster: Cluster) -> None:
    """All that it brought is gone."""
    run = cluster.site("--extra-vars", '{"monitoring_enabled": false}').succeeded()
    assert ("Platform", "monitoring : apply | Apply monitoring") in {(play, task) for play, task, _host in run.changed}
    again = cluster.site("--extra-vars", '{"monitoring_enabled": false}').succeeded()
    assert not again.changed
