# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that is wrong with an inventory and its machines is told at once, before anything is changed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .cluster import Cluster

RULE = re.compile(r"^\s+(?:- +)?rule: (\S+)$", re.MULTILINE)
# Wrong for all hosts at once.
VARIABLES = {
    "cluster_version": "1.33.0",
    "cluster_pod_subnet": "10.90.0.0/17",
    "cluster_service_subnet": "10.90.0.0/8",
    "cluster_vip": "192.0.2.1",
    "cluster_vipp": "192.0.2.2",
    "cluster_mirror_overrides": {},
    "cluster_image_repository": "http://images.example.org",
    "cluster_kubelet_configuration": {},
    "cluster_endpoint_port": "8443x",
    "node_labels": {"bad key": "x"},
    "node_annotations": {"bad/key/again": "x"},
    "node_taints": [{"key": "dedicated", "effect": "NeverEver"}],
    "node_name": "Bad_Name",
    "node_swap": "maybe",
    "preflight_skip": ["no-such-rule"],
    "containerd_source": "{{ not_defined_anywhere }}",
    "network_plugin": "calico",
    "helm_enabled": True,
    "helm_releases": [{"name": "shop", "chart": "./no-such-chart"}],
    "monitoring_enabled": True,
    "monitoring_storage_size": "8Gi",
    "users_enabled": True,
    "users_accounts": [{"name": "jane", "groups": ["system:masters"]}],
}
EXPECTED = {
    "annotations",
    "duplicate-hostname",
    "duplicate-machine-id",
    "duplicate-node-name",
    "helm-releases",
    "ignore",
    "image-repository",
    "labels",
    "mirror",
    "monitoring-storage",
    "network-manifests",
    "node-name",
    "port-in-use",
    "resolver-loopback",
    "route",
    "subnet-overlap",
    "taints",
    "users-accounts",
    "variable-type",
    "variable-undefined",
    "variable-unknown",
    "version",
    "vip-subnet",
}


@contextmanager
def broken_machines(cluster: Cluster) -> Iterator[None]:
    """Machines that can't make a cluster; as they were afterwards."""
    cp2 = cluster.lab.nodes["cp2"].address
    identity = cluster.on("w1", "cat", "/etc/machine-id").strip()
    cluster.on("w2", "cp", "/etc/resolv.conf", "/root/resolv.conf")
    listener = "import socket, time; s = socket.create_server(('', 6443)); time.sleep(600)"
    cluster.on("cp1", "systemd-run", "--quiet", "--unit=squatter", "python3", "-c", listener)
    cluster.on("w1", "sh", "-c", f"echo {cluster.on('cp1', 'cat', '/etc/machine-id').strip()} > /etc/machine-id")
    cluster.on("w1", "ip", "route", "add", "unreachable", f"{cp2}/32")
    cluster.on("w2", "hostname", "w1")
    cluster.on("w2", "sh", "-c", "echo nameserver 127.0.0.53 > /etc/resolv.conf")
    try:
        yield
    finally:
        cluster.on("cp1", "systemctl", "stop", "squatter")
        cluster.on("w1", "sh", "-c", f"echo {identity} > /etc/machine-id")
        cluster.on("w1", "ip", "route", "delete", "unreachable", f"{cp2}/32")
        cluster.on("w2", "hostname", "w2")
        cluster.on("w2", "mv", "/root/resolv.conf", "/etc/resolv.conf")


def test_all_problems_at_once(cluster: Cluster, tmp_path: Path) -> None:
    variables = tmp_path / "wrong.json"
    variables.write_text(json.dumps(VARIABLES))
    before = {name: footprint(cluster, name) for name in cluster.lab.nodes}
    with broken_machines(cluster):
        run = cluster.site("--extra-vars", f"@{variables}")
    assert run.rc != 0
    found = set(RULE.findall(run.output))
    assert found >= EXPECTED, f"not found: {sorted(EXPECTED - found)}\n{run.output[-8000:]}"
    assert re.search(r"Preflight found \d\d problems; nothing has been changed", run.output)
    assert run.changed == set()
    assert {name: footprint(cluster, name) for name in cluster.lab.nodes} == before


def footprint(cluster: Cluster, node: str) -> str:
    """Packages and configuration of a machine, as far as a run would change them."""
    return cluster.on(node, "sh", "-c", "(dpkg-query -W; find /etc -type f | sort | xargs sha256sum) | sha256sum")
