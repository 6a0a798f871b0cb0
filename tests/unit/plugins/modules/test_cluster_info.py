# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes and health of a cluster, from an API as recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.modules import cluster_info

Run = Callable[..., dict[str, Any]]


def test_nodes_and_health(api: Any, run_module: Run) -> None:
    result = run_module(cluster_info, kubeconfig=api.kubeconfig, ready_nodes=["w1", "cp1"], _ansible_check_mode=True)
    assert result["changed"] is False
    assert result["nodes"] == [
        {
            "name": "cp1",
            "address": "10.90.6.11",
            "control_plane": True,
            "schedulable": False,
            "ready": True,
            "version": "v1.36.3",
            "runtime": "containerd://1.7.24",
            "os": "Debian GNU/Linux 13 (trixie)",
        },
        {
            "name": "w1",
            "address": "10.90.6.21",
            "control_plane": False,
            "schedulable": True,
            "ready": True,
            "version": "v1.36.3",
            "runtime": "containerd://1.7.24",
            "os": "Debian GNU/Linux 13 (trixie)",
        },
    ]
    assert result["health"]["etcd"] is True
    assert len(result["health"]) > 30
    assert all(result["health"].values())
    assert result["server"].startswith("http://127.0.0.1:")


def test_what_is_not_healthy() -> None:
    text = "[+]ping ok\n[-]etcd failed: reason withheld\n[+]poststarthook/rbac ok\nreadyz check failed\n"
    assert cluster_info.parse_readyz(text) == {"ping": True, "etcd": False, "poststarthook/rbac": True}
    assert cluster_info.parse_readyz('{"kind": "Status", "code": 401}') == {}


def test_a_node_that_is_cordoned_or_has_just_joined(api: Any, run_module: Run) -> None:
    cp1, w1 = api.node("cp1"), api.node("w1")
    w1["spec"]["unschedulable"] = True
    cp1["spec"]["taints"] = [{"key": "a", "effect": "PreferNoSchedule"}]
    cp1["status"].update(addresses=[], conditions=[])
    found = run_module(cluster_info, kubeconfig=api.kubeconfig)["nodes"]
    assert [(node["schedulable"], node["ready"], node["address"]) for node in found] == [
        (True, False, ""),
        (False, True, "10.90.6.21"),
    ]


def test_waits_until_the_nodes_are_ready(api: Any, run_module: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = next(item for item in api.node("w1")["status"]["conditions"] if item["type"] == "Ready")
    ready["status"] = "False"
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            ready["status"] = "True"

    monkeypatch.setattr(cluster_info.time, "sleep", sleep)
    result = run_module(cluster_info, kubeconfig=api.kubeconfig, ready_nodes=["cp1", "w1"])
    assert [node["ready"] for node in result["nodes"]] == [True, True]
    assert slept == [0.5] * 3


def test_nodes_that_do_not_become_ready(api: Any, run_module: Run) -> None:
    ready = next(item for item in api.node("w1")["status"]["conditions"] if item["type"] == "Ready")
    ready["status"] = "Unknown"
    result = run_module(cluster_info, kubeconfig=api.kubeconfig, ready_nodes=["cp1", "w1", "w9"], timeout=0)
    assert result["msg"] == (
        "nodes w1, w9: not Ready after 0 s; look at `kubectl describe node` and at the pods of the network in "
        "namespace kube-flannel"
    )


def test_forbidden(api: Any, run_module: Run) -> None:
    api.status = 403
    message = run_module(cluster_info, kubeconfig=api.kubeconfig)["msg"]
    assert message == "the API refused GET /api/v1/nodes: 403 Reason403: the API says why"
