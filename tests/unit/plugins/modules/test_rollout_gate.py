# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When nodes may change, and when they are back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.modules import rollout_gate
from ansible_collections.kubestead.cluster.plugins.modules.rollout_gate import Node, Snapshot

Run = Callable[..., dict[str, Any]]


def node(name: str, ready: bool = True, renewed: str = "10:00:00") -> Node:
    return Node(name, name.startswith("cp"), ready, renewed)


def snapshot(*nodes: Node, failing: tuple[str, ...] = ()) -> Snapshot:
    return Snapshot(nodes or tuple(node(name) for name in ("cp1", "cp2", "cp3", "w1")), failing)


class TestBefore:
    def test_a_healthy_cluster_spares_a_control_plane(self) -> None:
        assert rollout_gate.problems_before(snapshot(), ["cp2"]) == []

    def test_etcd_keeps_its_majority(self) -> None:
        nodes = (node("cp1"), node("cp2"), node("cp3", ready=False))
        assert rollout_gate.problems_before(snapshot(*nodes), ["cp2"]) == [
            "found 1 Ready control planes beside cp2 (cp1), expected more than half of 3"
        ]
        # The one that is down has nothing more to lose, and a worker is no member.
        assert rollout_gate.problems_before(snapshot(*nodes, node("w1")), ["cp3"]) == []
        assert rollout_gate.problems_before(snapshot(*nodes, node("w1")), ["w1"]) == []

    @pytest.mark.parametrize("count", [4, 5])
    def test_the_majority_of_larger_clusters(self, count: int) -> None:
        nodes = [node(f"cp{number}") for number in range(1, count + 1)]
        assert rollout_gate.problems_before(snapshot(*nodes), ["cp1"]) == []
        nodes[-1] = replace(nodes[-1], ready=False)
        # Four: cp1 leaves, two of four stay. Five: three of five stay.
        assert bool(rollout_gate.problems_before(snapshot(*nodes), ["cp1"])) is (count == 4)

    def test_two_control_planes_have_none_to_spare_anyway(self) -> None:
        assert rollout_gate.problems_before(snapshot(node("cp1"), node("cp2")), ["cp1"]) == []
        assert rollout_gate.problems_before(snapshot(node("cp1")), ["cp1"]) == []

    def test_a_failing_check_closes_the_gate_for_everybody(self) -> None:
        assert rollout_gate.problems_before(snapshot(failing=("etcd",)), ["w1"]) == ["the API reports etcd as failed"]

    def test_a_dead_worker_keeps_nobody_waiting(self) -> None:
        nodes = (node("cp1"), node("cp2"), node("cp3"), node("w1", ready=False), node("w2"))
        assert rollout_gate.problems_before(snapshot(*nodes), ["w2"]) == []


class TestAfter:
    def test_its_kubelet_has_been_heard_since(self) -> None:
        first = snapshot(node("cp1"), node("w1"))
        assert rollout_gate.problems_after(first, first, ["w1"]) == [
            "w1: found no sign of its kubelet since the change"
        ]
        assert rollout_gate.problems_after(snapshot(node("cp1"), node("w1", renewed="10:00:10")), first, ["w1"]) == []

    def test_what_is_not_back(self) -> None:
        first = snapshot(node("w1"), node("w2"))
        now = snapshot(node("w1", ready=False, renewed="10:00:10"), failing=("etcd", "ping"))
        assert rollout_gate.problems_after(now, first, ["w1", "w2"]) == [
            "the API reports etcd, ping as failed",
            "w1: found NotReady, expected Ready",
            "w2: found no such Node",
        ]


class TestModule:
    @pytest.fixture(autouse=True)
    def clock(self, monkeypatch: pytest.MonkeyPatch, api: Any) -> None:
        self.now = 0.0
        self.beats = 0
        api.leases = {"items": [self.lease("cp1"), self.lease("w1")]}
        self.api = api
        monkeypatch.setattr(rollout_gate.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(rollout_gate.time, "sleep", self.sleep)

    def lease(self, name: str) -> dict[str, Any]:
        return {"metadata": {"name": name}, "spec": {"renewTime": f"2026-12-01T10:00:{self.beats:02}.000000Z"}}

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.now >= 10 and not self.beats:
            self.beats += 10
            self.api.leases = {"items": [self.lease("cp1"), self.lease("w1")]}

    def test_before(self, run_module: Run) -> None:
        result = run_module(rollout_gate, kubeconfig=self.api.kubeconfig, nodes=["w1"], state="before")
        assert (result["changed"], result["waited"]) == (False, 0.0)

    def test_after(self, run_module: Run) -> None:
        result = run_module(rollout_gate, kubeconfig=self.api.kubeconfig, nodes=["w1"], state="after")
        assert (result["changed"], result["waited"]) == (False, 10.0)

    def test_an_api_that_fails_for_a_moment_closes_the_gate_only_for_that(self, run_module: Run) -> None:
        self.api.status = 500
        sleep = self.sleep

        def recover(seconds: float) -> None:
            sleep(seconds)
            self.api.status = 200 if self.now >= 3 else 500

        rollout_gate.time.sleep = recover  # type: ignore[assignment]
        result = run_module(rollout_gate, kubeconfig=self.api.kubeconfig, nodes=["cp1"], state="before")
        assert result["waited"] == 3.0

    def test_a_gate_that_stays_closed_says_what_it_waits_for(self, run_module: Run) -> None:
        self.api.readyz = "[+]ping ok\n[-]etcd failed: reason withheld\n"
        result = run_module(rollout_gate, kubeconfig=self.api.kubeconfig, nodes=["cp1"], state="before", timeout=5)
        assert result["msg"] == (
            "cp1: not changed after 5 s: the API reports etcd as failed. All nodes whose turn comes later are "
            "unchanged. Mend this and run the same command again; it goes on from here."
        )
        ready = next(item for item in self.api.node("w1")["status"]["conditions"] if item["type"] == "Ready")
        ready["status"] = "Unknown"
        self.api.readyz = "[+]ping ok\n"
        result = run_module(rollout_gate, kubeconfig=self.api.kubeconfig, nodes=["w1"], state="after", timeout=5)
        assert result["msg"].startswith("w1: changed, but not back after 5 s: w1: found NotReady, expected Ready. ")
