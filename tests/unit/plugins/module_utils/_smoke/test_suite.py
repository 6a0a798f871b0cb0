# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases, what they put on nodes, and how they end."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.module_utils._smoke import suite
from ansible_collections.kubestead.cluster.plugins.module_utils._smoke.asking import Node
from ansible_collections.kubestead.cluster.plugins.module_utils._smoke.namespace import Namespace, Unmet

SETTINGS = suite.Settings("nginx:1", dns=True, evict=False)
FOREIGN = {"key": "dedicated", "value": "db", "effect": "NoSchedule"}
OURS = {"key": suite.KEY, "effect": "NoSchedule"}


def scene(api: Any, *nodes: Node) -> suite.Scene:
    return suite.Scene("web", Namespace(api, "ours", 10), SETTINGS, nodes, suite.Marks(api))


def node(name: str, **more: bool) -> Node:
    return Node(name, "192.0.2.1", **{"control_plane": False, "schedulable": True, **more})


def taints(api: Any, name: str) -> Any:
    return api.objects[f"/api/v1/nodes/{name}"]["spec"].get("taints")


def test_a_taint_lasts_as_long_as_it_is_needed(api: Any) -> None:
    api.node("w1", taints=[FOREIGN])

    def use() -> None:
        with suite.Marks(api).taint("w1", "NoExecute"):
            assert taints(api, "w1") == [FOREIGN, {"key": suite.KEY, "effect": "NoExecute"}]
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        use()
    assert taints(api, "w1") == [FOREIGN]


def test_a_node_that_others_change_too_is_tried_again(api: Any) -> None:
    api.node("w1")
    api.conflicts = 2
    with suite.Marks(api).taint("w1", "NoSchedule"):
        assert taints(api, "w1") == [OURS]
    assert taints(api, "w1") is None
    api.conflicts = 1000
    with pytest.raises(Unmet, match="others change node w1 all the time"), suite.Marks(api).taint("w1", "NoSchedule"):
        raise AssertionError("must not begin")


def test_a_label_lasts_as_long_as_it_is_needed(api: Any) -> None:
    found = api.node("w1")
    found["metadata"]["labels"] = {"disk": "ssd"}
    with suite.Marks(api).label("w1", "web"):
        labels = api.objects["/api/v1/nodes/w1"]["metadata"]["labels"]
        assert labels == {"disk": "ssd", f"{suite.KEY}-web": "web"}
    assert api.objects["/api/v1/nodes/w1"]["metadata"]["labels"] == {"disk": "ssd"}


def test_what_a_killed_run_left_on_nodes_is_swept_and_nothing_else(api: Any) -> None:
    api.node("w1", taints=[FOREIGN, OURS, {**OURS, "effect": "NoExecute"}])
    api.objects["/api/v1/nodes/w1"]["metadata"]["labels"] = {"disk": "ssd", f"{suite.KEY}-affinity": "affinity"}
    api.node("w2", taints=[FOREIGN])
    suite.Marks(api).sweep()
    assert taints(api, "w1") == taints(api, "w2") == [FOREIGN]
    assert api.objects["/api/v1/nodes/w1"]["metadata"]["labels"] == {"disk": "ssd"}
    assert ("PATCH", "/api/v1/nodes/w2") not in api.calls


def test_pods_tolerate_the_taints_of_all_other_cases(api: Any) -> None:
    def effects(**spec: Any) -> set[str]:
        tolerations = scene(api).pod_spec({"name": "main"}, **spec)["tolerations"]
        assert {item["key"] for item in tolerations} == {suite.KEY}
        return {item["effect"] for item in tolerations}

    assert effects() == set(suite.EFFECTS)
    assert effects(untolerated="NoExecute") == {"NoSchedule", "PreferNoSchedule"}


def test_the_node_to_work_with(api: Any) -> None:
    nodes = [node("cp1", control_plane=True), node("w1", schedulable=False), node("w2"), node("w3")]
    found = scene(api, *nodes)
    assert found.worker().name == "w2"
    assert [other.name for other in found.others(found.worker())] == ["cp1", "w3"]
    with pytest.raises(suite.Skipped, match="no node takes ordinary pods"):
        scene(api, node("cp1", schedulable=False)).worker()


def test_all_that_a_case_makes_bears_its_name(api: Any) -> None:
    here = scene(api)
    here.deploy(here.server(), 2)
    here.expose()
    here.observe("fetch 10.96.0.5 80")
    assert here.run(here.script("true"), "once", group="") == "web-once"
    names = {path.rpartition("/namespaces/ours/")[2] for path in api.objects}
    assert names == {"deployments/web", "services/web", "pods/web-observer", "pods/web-once"}
    assert api.objects["/api/v1/namespaces/ours/pods/web-once"]["metadata"]["labels"] == {"app": "web"}
    assert api.objects["/api/v1/namespaces/ours/services/web"]["spec"]["selector"] == {"app": "web"}


def test_only_what_is_told_from_now_on_is_heard(api: Any) -> None:
    here = scene(api)
    told = ["one"] * 5
    api.logs["web-observer"] = told

    def more() -> None:
        told.append("one" if len(told) < 6 else "two")

    original = api.text

    def text(path: str) -> str:
        more()
        return str(original(path))

    api.text = text
    # The sixth line was in the making when it began.
    assert here.hear("web-observer", 2) == ["two", "two"]


def test_hearing_something_else_is_told(api: Any) -> None:
    here = scene(api)
    told = ["one"]
    api.logs["web-observer"] = told
    original = api.text

    def text(path: str) -> str:
        told.append("one")
        return str(original(path))

    api.text = text
    with pytest.raises(Unmet, match="found that pod web-observer tells one, expected two"):
        here.hears("web-observer", "two", lambda lines: lines == ["two"])


def pod(name: str, ready: bool, **metadata: Any) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": str(ready)}]
    waiting = [] if ready else [{"state": {"waiting": {"reason": "ErrImagePull"}}}]
    return {
        "metadata": {"name": name, "labels": {"app": "web"}, **metadata},
        "spec": {},
        "status": {"conditions": conditions, "containerStatuses": waiting},
    }


def test_ready_counts_all_that_are_to_stay(api: Any) -> None:
    here = scene(api)
    here.space.make("Pod", "a", pod("a", True))
    here.space.make("Pod", "leaving", pod("leaving", True, deletionTimestamp="now"))
    assert [item["metadata"]["name"] for item in here.ready(1)] == ["a"]
    here.space.make("Pod", "b", pod("b", False))
    with pytest.raises(Unmet, match=r"found 1 of 2 pods Ready \(ErrImagePull\), expected 2 of 2"):
        here.ready(2)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}, True),
        ({"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}, False),
        ({"observedGeneration": 2, "replicas": 3, "updatedReplicas": 2, "availableReplicas": 2}, False),
        ({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 1}, False),
        ({}, False),
    ],
)
def test_is_rolled_out(status: Any, expected: bool) -> None:
    found = {"metadata": {"generation": 2}, "spec": {"replicas": 2}, "status": status}
    assert suite.is_rolled_out(found) is expected


def test_a_pod_that_fits_nowhere_tells_the_reason(api: Any) -> None:
    here = scene(api)
    here.space.make("Pod", "web", pod("web", False))
    path = "/api/v1/namespaces/ours/pods/web"
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2 nodes"}
    api.objects[path]["status"]["conditions"] = [condition]
    assert here.unschedulable("web") == "0/2 nodes"
    api.objects[path]["status"] = {"phase": "Running", "conditions": [{"type": "PodScheduled", "status": "True"}]}
    with pytest.raises(Unmet, match="found pod web Running, expected Pending as unschedulable"):
        here.unschedulable("web")


def ok(_scene: suite.Scene) -> str:
    return "seen"


def skipped(_scene: suite.Scene) -> str:
    raise suite.Skipped("nothing to try it with")


def unmet(_scene: suite.Scene) -> str:
    raise Unmet("one", "two")


def broken(_scene: suite.Scene) -> str:
    raise KeyError("status")


def test_how_cases_end(api: Any) -> None:
    api.node("w1", taints=[OURS])
    cases = [suite.Case(run.__name__, run) for run in (ok, skipped, unmet, broken)]
    results = suite.run_cases(cases, Namespace(api, "ours", 10), SETTINGS)
    assert [result.line() for result in results] == [
        "ok      ok                         0.0 s  seen",
        "skipped skipped                    0.0 s  nothing to try it with",
        "FAILED  unmet                      0.0 s  found one, expected two",
        "FAILED  broken                     0.0 s  KeyError: 'status'",
    ]
    assert "/api/v1/namespaces/ours" not in api.objects
    assert taints(api, "w1") is None


def test_taints_of_an_earlier_run_are_gone_before_the_nodes_are_read(api: Any) -> None:
    api.node("w1", taints=[OURS])
    seen = []

    def look(here: suite.Scene) -> str:
        seen.append(here.worker().name)
        return ""

    suite.run_cases([suite.Case("look", look)], Namespace(api, "ours", 10), SETTINGS)
    assert seen == ["w1"]


def test_what_can_not_be_removed_is_a_failure_beside_what_was_seen(api: Any) -> None:
    def keep(here: suite.Scene) -> str:
        api.objects["/api/v1/namespaces/ours"]["metadata"]["deletionTimestamp"] = "now"
        return "seen"

    results = suite.run_cases([suite.Case("keep", keep)], Namespace(api, "ours", 10), SETTINGS)
    assert [(result.case, result.outcome) for result in results] == [("keep", "ok"), ("cleanup", "failed")]
