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
        "nodes w1: not Ready, their kubelet has stopped reporting; look at `journalctl -u kubelet` there; nodes w9: "
        "not Ready after 0 s; look at `kubectl describe node` and at the pods of the network in namespace kube-flannel"
    )


def pod(name: str, node: str | None, ready: bool = True) -> dict[str, Any]:
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": str(ready)}]}
    return {"metadata": {"name": name}, "spec": {"nodeName": node} if node else {}, "status": status if node else {}}


@pytest.mark.parametrize(
    ("pods", "ready", "hopeless", "problem"),
    [
        ([pod("a", "w1"), pod("b", "cp1")], 1, True, ""),
        ([], 0, True, ""),
        (
            [pod("a", "cp1"), pod("b", "cp1")],
            0,
            True,
            "a on cp1, which does not report; b on cp1, which does not report",
        ),
        ([pod("a", "cp1"), pod("b", "w1", ready=False)], 0, False, "a on cp1, which does not report; b on w1: Running"),
        ([pod("a", "cp1"), pod("b", None)], 0, False, "a on cp1, which does not report; b: Pending"),
    ],
)
def test_dns(pods: list[dict[str, Any]], ready: int, hopeless: bool, problem: str) -> None:
    state = cluster_info.dns_state(pods, {"cp1"})
    assert (state.ready, state.hopeless) == (ready, hopeless)
    assert problem in state.problem
    assert bool(problem) is bool(state.problem)


@pytest.mark.parametrize(
    ("unready", "pods", "seconds"),
    [
        # The machine is down: nothing is waited for that only it could do.
        ("Unknown", [pod("a", "w1")], 60),
        ("Unknown", [pod("a", "w1"), pod("b", "cp1", ready=False)], 300),
        ("False", [pod("a", "cp1")], 300),
    ],
)
def test_how_long_is_waited_for_what_can_not_come(
    api: Any, run_module: Run, monkeypatch: pytest.MonkeyPatch, unready: str, pods: list[dict[str, Any]], seconds: int
) -> None:
    next(item for item in api.node("w1")["status"]["conditions"] if item["type"] == "Ready")["status"] = unready
    api.dns_pods = pods
    clock = [0.0]
    monkeypatch.setattr(cluster_info.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(cluster_info.time, "sleep", lambda _seconds: clock.__setitem__(0, clock[0] + 10))
    arguments = {"ready_nodes": ["cp1", "w1"], "dns": True, "strict": False}
    result = run_module(cluster_info, kubeconfig=api.kubeconfig, **arguments)
    assert clock[0] == seconds + 10
    assert result["problems"][0].startswith("nodes w1: not Ready")
    assert result["dns"] is (pods == [pod("a", "cp1")])
    assert len(result["problems"]) == (1 if result["dns"] else 2)


def test_forbidden(api: Any, run_module: Run) -> None:
    api.status = 403
    message = run_module(cluster_info, kubeconfig=api.kubeconfig)["msg"]
    assert message == "the API refused GET /api/v1/nodes: 403 Reason403: the API says why"
