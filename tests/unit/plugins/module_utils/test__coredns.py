# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How CoreDNS is spread: kubeadm's patch, what a Deployment gets, and where its pods run."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from ansible_collections.kubestead.cluster.plugins.module_utils import _coredns
from ansible_collections.kubestead.cluster.plugins.module_utils._coredns import CONSTRAINT, TOLERATIONS, Scheduling

# Of kubeadm's Deployment, cmd/kubeadm/app/phases/addons/dns/manifests.go.
KUBEADM = (
    {"key": "CriticalAddonsOnly", "operator": "Exists"},
    {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"},
)
ZONES = {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway"}
UNREACHABLE = "node.kubernetes.io/unreachable"
NO_SCHEDULE = {"key": UNREACHABLE, "effect": "NoSchedule"}
NO_EXECUTE = {"key": UNREACHABLE, "effect": "NoExecute"}


def deployment(count: int = 2, **status: int) -> dict[str, Any]:
    found = {"observedGeneration": 3, "replicas": count, "updatedReplicas": count, **status}
    spec = {"template": {"spec": {"tolerations": [*KUBEADM, *TOLERATIONS]}}, "replicas": count}
    return {"metadata": {"generation": 3}, "spec": spec, "status": found}


def node(name: str, *taints: dict[str, str], ready: bool = True, **spec: Any) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": "True" if ready else "Unknown"}]
    return {"metadata": {"name": name}, "spec": {"taints": list(taints), **spec}, "status": {"conditions": conditions}}


def pod(node_name: str, ready: bool = True, **metadata: str) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": str(ready)}]
    # A pod that is Pending has no node.
    spec = {"nodeName": node_name} if node_name else {}
    return {"metadata": metadata, "spec": spec, "status": {"conditions": conditions if node_name else []}}


def test_the_file_for_kubeadm() -> None:
    text = _coredns.patch_file()
    # By this line reset finds it.
    assert text.startswith("# Managed by kubestead.cluster\n")
    constraint, *tolerations = yaml.safe_load(text)
    assert constraint == {"op": "add", "path": "/spec/template/spec/topologySpreadConstraints", "value": [CONSTRAINT]}
    # Appended: kubeadm's own stay.
    assert {item["path"] for item in tolerations} == {"/spec/template/spec/tolerations/-"}
    assert [item["value"] for item in tolerations] == list(TOLERATIONS)
    assert CONSTRAINT == {
        "labelSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
        "matchLabelKeys": ["pod-template-hash"],
        "maxSkew": 1,
        "minDomains": 2,
        "nodeTaintsPolicy": "Honor",
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "DoNotSchedule",
    }
    assert list(TOLERATIONS) == [
        {"effect": "NoExecute", "key": key, "operator": "Exists", "tolerationSeconds": 30}
        for key in ("node.kubernetes.io/not-ready", UNREACHABLE)
    ]


def test_kubeadms_own_deployment_is_spread() -> None:
    after = _coredns.wanted(Scheduling((), KUBEADM), spread=True)
    assert after == Scheduling((CONSTRAINT,), (*KUBEADM, *TOLERATIONS))
    assert _coredns.wanted(after, spread=True) == after


@pytest.mark.parametrize(
    "current",
    [
        Scheduling(({**CONSTRAINT, "whenUnsatisfiable": "ScheduleAnyway"}, ZONES), KUBEADM),
        Scheduling((ZONES,), ({**TOLERATIONS[1], "tolerationSeconds": 300}, *KUBEADM)),
        # Without an effect it tolerates all of them, for ever.
        Scheduling((ZONES, CONSTRAINT), (*KUBEADM, {"key": UNREACHABLE, "operator": "Exists"})),
    ],
)
def test_what_differs_is_replaced_and_what_others_set_stays(current: Scheduling) -> None:
    expected = Scheduling((ZONES, CONSTRAINT), (*KUBEADM, *TOLERATIONS))
    assert _coredns.wanted(current, spread=True) == expected


def test_another_effect_is_another_toleration() -> None:
    other = {**NO_SCHEDULE, "operator": "Exists"}
    assert _coredns.wanted(Scheduling((), (other,)), spread=True).tolerations == (other, *TOLERATIONS)


def test_only_what_the_collection_sets_is_removed() -> None:
    current = Scheduling((ZONES, CONSTRAINT), (*KUBEADM, *TOLERATIONS))
    assert _coredns.wanted(current, spread=False) == Scheduling((ZONES,), KUBEADM)
    own = Scheduling(({**CONSTRAINT, "maxSkew": 2},), ({**TOLERATIONS[0], "tolerationSeconds": 5},))
    assert _coredns.wanted(own, spread=False) == own


def test_order_is_no_difference() -> None:
    one = Scheduling((ZONES, CONSTRAINT), (*KUBEADM, *TOLERATIONS))
    other = Scheduling((CONSTRAINT, ZONES), (*TOLERATIONS, *KUBEADM))
    assert _coredns.same(one, other)
    assert not _coredns.same(one, Scheduling((ZONES,), one.tolerations))
    assert not _coredns.same(one, Scheduling(one.constraints, KUBEADM))


@pytest.mark.parametrize(
    ("taint", "toleration", "expected"),
    [
        (NO_SCHEDULE, {"operator": "Exists"}, True),
        (NO_SCHEDULE, {"key": UNREACHABLE, "operator": "Exists"}, True),
        (NO_SCHEDULE, TOLERATIONS[1], False),
        (NO_EXECUTE, TOLERATIONS[1], True),
        (NO_EXECUTE, TOLERATIONS[0], False),
        ({**NO_SCHEDULE, "value": "a"}, {"key": UNREACHABLE, "value": "a"}, True),
        ({**NO_SCHEDULE, "value": "a"}, {"key": UNREACHABLE, "value": "b"}, False),
        (KUBEADM[1], KUBEADM[1], True),
    ],
)
def test_tolerated(taint: dict[str, str], toleration: dict[str, str], expected: bool) -> None:
    assert _coredns.tolerated(taint, [toleration]) is expected


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (node("a"), True),
        (node("a", KUBEADM[1]), True),
        (node("a", {"key": "full", "effect": "PreferNoSchedule"}), True),
        (node("a", {"key": "dedicated", "effect": "NoSchedule"}), False),
        (node("a", NO_EXECUTE), True),
        (node("a", NO_EXECUTE, NO_SCHEDULE), False),
        (node("a", ready=False), False),
        (node("a", unschedulable=True), False),
    ],
)
def test_takes_pods(found: dict[str, Any], expected: bool) -> None:
    assert _coredns.takes_pods(found, [*KUBEADM, *TOLERATIONS]) is expected


class TestPlace:
    NODES = (node("a"), node("b"), node("c"))

    def test_spread(self) -> None:
        found = _coredns.place(deployment(), [pod("b"), pod("a")], self.NODES)
        assert (found.nodes, found.expected, found.settled) == (("a", "b"), 2, True)

    @pytest.mark.parametrize(
        "pods",
        [[pod("a"), pod("a")], [pod("a"), pod("b", ready=False)], [pod("a"), pod("b", deletionTimestamp="now")]],
    )
    def test_on_one_node(self, pods: list[Any]) -> None:
        found = _coredns.place(deployment(), pods, self.NODES)
        assert (found.nodes, found.settled) == (("a",), False)

    def test_one_is_pending(self) -> None:
        found = _coredns.place(deployment(), [pod("a"), pod("")], self.NODES)
        assert (found.nodes, found.settled) == (("a",), False)

    def test_no_second_node_could_take_one(self) -> None:
        found = _coredns.place(deployment(), [pod("a")], [node("a"), node("b", ready=False)])
        assert (found.expected, found.settled) == (1, True)

    def test_one_replica(self) -> None:
        assert _coredns.place(deployment(1), [pod("a")], self.NODES).settled

    @pytest.mark.parametrize(
        "status", [{"observedGeneration": 2}, {"updatedReplicas": 1}, {"replicas": 3}, {"replicas": 1}]
    )
    def test_a_rollout_is_under_way(self, status: dict[str, int]) -> None:
        assert not _coredns.place(deployment(**status), [pod("a"), pod("b")], self.NODES).settled


def test_the_diff_names_every_field() -> None:
    lines = Scheduling((CONSTRAINT,), TOLERATIONS).show().splitlines()
    assert lines[0] == "Deployment kube-system/coredns"
    assert json.loads(lines[1].removeprefix("topologySpreadConstraint ")) == CONSTRAINT
    assert [json.loads(line.removeprefix("toleration ")) for line in lines[2:]] == list(TOLERATIONS)
