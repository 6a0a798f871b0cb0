# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labels, annotations and taints: what is planned, and the patches that an API gets."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.modules import node_settings
from ansible_collections.kubestead.cluster.plugins.modules.node_settings import MANAGED, Settings

CONTROL_PLANE = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
OTHERS = {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}
DATABASE = {"key": "dedicated", "value": "database", "effect": "NoSchedule"}
Run = Callable[..., dict[str, Any]]


def node(**values: Any) -> dict[str, Any]:
    defaults: dict[str, Any] = {"name": "w1", "labels": {}, "annotations": {}, "taints": []}
    return {**defaults, "control_plane": False, "schedulable": False, **values}


def managed(**names: list[str]) -> dict[str, str]:
    return {MANAGED: json.dumps(names, sort_keys=True)}


def patch(wanted: dict[str, Any], current: Settings) -> Any:
    found = node_settings.plan(wanted, current)
    return found.patch if found else None


class TestLabelsAndAnnotations:
    def test_nothing_wanted_and_nothing_set(self) -> None:
        others = Settings({"kubernetes.io/os": "linux"}, {"flannel/x": "y"}, (OTHERS,))
        assert patch(node(), others) is None

    def test_added(self) -> None:
        found = node_settings.plan(
            node(labels={"disk": "ssd"}, annotations={"rack": 7}), Settings({"kubernetes.io/os": "linux"}, {"a": "b"})
        )
        assert found is not None
        assert found.patch == {
            "metadata": {
                "labels": {"disk": "ssd"},
                "annotations": {"rack": "7", **managed(labels=["disk"], annotations=["rack"])},
            }
        }
        assert found.before == "node w1\nlabel kubernetes.io/os=linux\nannotation a=b\n"
        assert found.after == (
            "node w1\nlabel disk=ssd\nlabel kubernetes.io/os=linux\nannotation a=b\nannotation rack=7\n"
        )

    def test_in_order(self) -> None:
        current = Settings({"disk": "ssd", "count": "1"}, managed(labels=["count", "disk"]))
        assert patch(node(labels={"disk": "ssd", "count": 1}), current) is None

    def test_changed(self) -> None:
        current = Settings({"disk": "hdd"}, managed(labels=["disk"]))
        assert patch(node(labels={"disk": "ssd"}), current) == {"metadata": {"labels": {"disk": "ssd"}}}

    def test_what_somebody_else_set_is_taken_over_when_it_is_wanted(self) -> None:
        found = patch(node(labels={"disk": "ssd"}), Settings({"disk": "ssd"}))
        assert found == {"metadata": {"annotations": managed(labels=["disk"])}}

    def test_only_its_own_are_removed(self) -> None:
        current = Settings(
            {"disk": "ssd", "kubernetes.io/os": "linux"},
            {"rack": "7", "flannel/x": "y", **managed(labels=["disk", "gone"], annotations=["rack"])},
        )
        found = node_settings.plan(node(), current)
        assert found is not None
        assert found.patch == {"metadata": {"labels": {"disk": None}, "annotations": {"rack": None, MANAGED: None}}}
        assert found.after == "node w1\nlabel kubernetes.io/os=linux\nannotation flannel/x=y\n"

    def test_the_record_follows(self) -> None:
        current = Settings({"a": "1", "b": "2"}, managed(labels=["a", "b"]))
        assert patch(node(labels={"b": "2"}), current) == {
            "metadata": {"labels": {"a": None}, "annotations": managed(labels=["b"])}
        }


class TestTaints:
    def test_added_beside_those_of_others(self) -> None:
        found = node_settings.plan(node(taints=[DATABASE]), Settings(taints=(OTHERS,)))
        assert found is not None
        assert found.patch == {
            "metadata": {"annotations": managed(taints=["dedicated:NoSchedule"])},
            "spec": {"taints": [OTHERS, DATABASE]},
        }
        assert found.after == (
            "node w1\ntaint dedicated=database:NoSchedule\ntaint node.kubernetes.io/unreachable=:NoExecute\n"
        )

    def test_in_order_whatever_the_order(self) -> None:
        current = Settings(annotations=managed(taints=["dedicated:NoSchedule"]), taints=(DATABASE, OTHERS))
        assert patch(node(taints=[{**DATABASE}]), current) is None

    def test_changed_value(self) -> None:
        current = Settings(annotations=managed(taints=["dedicated:NoSchedule"]), taints=(DATABASE,))
        wanted = {**DATABASE, "value": "cache"}
        assert patch(node(taints=[wanted]), current) == {"spec": {"taints": [wanted]}}

    def test_no_value_is_no_value(self) -> None:
        wanted = {"key": "a", "value": None, "effect": "NoSchedule"}
        found = patch(node(taints=[wanted]), Settings())
        assert found["spec"] == {"taints": [{"key": "a", "effect": "NoSchedule"}]}

    def test_only_its_own_are_removed(self) -> None:
        current = Settings(annotations=managed(taints=["dedicated:NoSchedule"]), taints=(OTHERS, DATABASE))
        assert patch(node(), current) == {
            "metadata": {"annotations": {MANAGED: None}},
            "spec": {"taints": [OTHERS]},
        }

    def test_another_effect_is_another_taint(self) -> None:
        evicting = {**DATABASE, "effect": "NoExecute"}
        current = Settings(annotations=managed(taints=["dedicated:NoSchedule"]), taints=(DATABASE,))
        assert patch(node(taints=[evicting]), current) == {
            "metadata": {"annotations": managed(taints=["dedicated:NoExecute"])},
            "spec": {"taints": [evicting]},
        }

    @pytest.mark.parametrize(
        ("schedulable", "taints", "expected"),
        [
            (False, (CONTROL_PLANE,), None),
            (False, (), {"spec": {"taints": [CONTROL_PLANE]}}),
            (True, (CONTROL_PLANE, OTHERS), {"spec": {"taints": [OTHERS]}}),
            (True, (), None),
        ],
    )
    def test_the_taint_of_control_planes(self, schedulable: bool, taints: Any, expected: Any) -> None:
        wanted = node(control_plane=True, schedulable=schedulable)
        assert patch(wanted, Settings(taints=taints)) == expected

    def test_a_worker_that_somebody_tainted_like_a_control_plane(self) -> None:
        assert patch(node(schedulable=True), Settings(taints=(CONTROL_PLANE,))) is None

    def test_a_schedulable_control_plane_may_be_tainted_by_the_user(self) -> None:
        wanted = node(control_plane=True, schedulable=True, taints=[CONTROL_PLANE])
        assert patch(wanted, Settings(taints=(CONTROL_PLANE,))) == {
            "metadata": {"annotations": managed(taints=["node-role.kubernetes.io/control-plane:NoSchedule"])}
        }


def test_a_plan_applied_is_in_order() -> None:
    """Whatever the start, what a patch makes of it needs no other patch."""
    wanted = node(labels={"a": "1"}, annotations={"b": "2"}, taints=[DATABASE], control_plane=True)
    current = Settings({"x": "y"}, managed(labels=["old"], taints=["old:NoExecute"]), (OTHERS,))
    todo = patch(wanted, current)
    after = Settings(
        node_settings.changed(current.labels, todo["metadata"]["labels"]),
        node_settings.changed(current.annotations, todo["metadata"]["annotations"]),
        tuple(todo["spec"]["taints"]),
    )
    assert patch(wanted, after) is None


class TestModule:
    def test_one_patch_for_each_node_that_differs(self, api: Any, run_module: Run) -> None:
        nodes = [
            {"name": "cp1", "control_plane": True},
            {"name": "w1", "labels": {"disk": "ssd"}, "taints": [DATABASE]},
        ]
        planned = run_module(node_settings, kubeconfig=api.kubeconfig, nodes=nodes, _ansible_check_mode=True)
        assert (planned["changed"], planned["patched"], api.patches) == (True, ["w1"], [])
        done = run_module(node_settings, kubeconfig=api.kubeconfig, nodes=nodes)
        assert done == planned | {"invocation": done["invocation"]}
        assert "taint dedicated=database:NoSchedule\n" in done["diff"][0]["after"]
        expected = {
            "metadata": {
                # Read at this version: what has changed since would be a conflict.
                "resourceVersion": "2733",
                "labels": {"disk": "ssd"},
                "annotations": managed(labels=["disk"], taints=["dedicated:NoSchedule"]),
            },
            "spec": {"taints": [DATABASE]},
        }
        # A merge patch by keys: None removes one, and what is not named stays.
        assert api.patches == [("w1", "application/merge-patch+json", expected)]
        again = run_module(node_settings, kubeconfig=api.kubeconfig, nodes=nodes)
        assert (again["changed"], len(api.patches)) == (False, 1)

    def test_a_node_that_changes_meanwhile_is_read_again(self, api: Any, run_module: Run) -> None:
        cordoned = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
        api.meanwhile = [
            lambda: None,
            lambda: api.change("w1", {"spec": {"taints": [cordoned]}, "metadata": {"labels": {"other": "1"}}}),
        ]
        nodes = [{"name": "cp1", "labels": {"a": "1"}, "control_plane": True}, {"name": "w1", "taints": [DATABASE]}]
        result = run_module(node_settings, kubeconfig=api.kubeconfig, nodes=nodes)
        assert result["patched"] == ["cp1", "w1"]
        # cp1 was done before the conflict, and once.
        assert [name for name, _kind, _patch in api.patches] == ["cp1", "w1"]
        # What somebody else did meanwhile is not lost.
        assert api.node("w1")["spec"]["taints"] == [cordoned, DATABASE]
        assert api.node("w1")["metadata"]["labels"]["other"] == "1"

    def test_a_node_that_changes_until_it_is_as_wanted(self, api: Any, run_module: Run) -> None:
        done = {"metadata": {"annotations": managed(labels=["disk"]), "labels": {"disk": "ssd"}}}
        api.meanwhile = [lambda: api.change("w1", done)]
        nodes = [{"name": "w1", "labels": {"disk": "ssd"}}]
        result = run_module(node_settings, kubeconfig=api.kubeconfig, nodes=nodes)
        assert (result["changed"], api.patches) == (True, [])

    def test_in_order(self, api: Any, run_module: Run) -> None:
        w1 = api.node("w1")
        w1["metadata"]["labels"]["disk"] = "ssd"
        w1["metadata"]["annotations"].update(managed(labels=["disk"], taints=["dedicated:NoExecute"]))
        evicting = {**DATABASE, "effect": "NoExecute"}
        # The API adds the time to what it evicts by.
        w1["spec"]["taints"] = [{**evicting, "timeAdded": "2026-11-22T22:00:00Z"}]
        nodes = [
            {"name": "cp1", "control_plane": True},
            {"name": "w1", "labels": {"disk": "ssd"}, "taints": [evicting]},
        ]
        result = run_module(node_settings, kubeconfig=api.kubeconfig, nodes=nodes)
        assert (result["changed"], result["patched"], result["diff"]) == (False, [], [])
        assert api.patches == []

    def test_a_node_that_is_not_there(self, api: Any, run_module: Run) -> None:
        nodes = [{"name": "w1", "labels": {"a": "b"}}, {"name": "w8"}, {"name": "w9"}]
        result = run_module(node_settings, kubeconfig=api.kubeconfig, nodes=nodes)
        assert result["msg"] == "nodes w8, w9: not in the cluster; found cp1, w1"
        assert api.patches == []

    def test_in_check_mode_nodes_may_be_about_to_join(self, api: Any, run_module: Run) -> None:
        nodes = [{"name": "w9"}, {"name": "w8", "labels": {"a": "b"}}, {"name": "cp9", "control_plane": True}]
        result = run_module(node_settings, kubeconfig=api.kubeconfig, nodes=nodes, _ansible_check_mode=True)
        assert result["patched"] == ["w8"]

    def test_without_a_cluster_nobody_is_asked(self, run_module: Run) -> None:
        nodes = [{"name": "cp1", "control_plane": True, "schedulable": True}, {"name": "w1", "labels": {"a": "b"}}]
        arguments = {"kubeconfig": "/nonexistent", "nodes": nodes, "cluster_exists": False}
        result = run_module(node_settings, _ansible_check_mode=True, **arguments)
        assert result["patched"] == ["w1"]
        failed = run_module(node_settings, **arguments)
        assert failed["msg"].startswith("/nonexistent: No such file or directory; expected the kubeconfig")

    def test_forbidden(self, api: Any, run_module: Run) -> None:
        api.status = 403
        result = run_module(node_settings, kubeconfig=api.kubeconfig, nodes=[{"name": "w1"}])
        assert result["msg"] == "the API refused GET /api/v1/nodes: 403 Reason403: the API says why"

    def test_a_patch_that_is_refused(self, api: Any, run_module: Run) -> None:
        def refuse() -> None:
            api.status = 422

        api.meanwhile = [refuse]
        nodes = [{"name": "w1", "labels": {"a": "not a label"}}]
        result = run_module(node_settings, kubeconfig=api.kubeconfig, nodes=nodes)
        assert result["msg"] == "the API refused PATCH /api/v1/nodes/w1: 422 Reason422: the API says why"

    def test_effects_are_checked(self, run_module: Run) -> None:
        nodes = [{"name": "w1", "taints": [{"key": "a", "effect": "noschedule"}]}]
        message = run_module(node_settings, kubeconfig="/nonexistent", nodes=nodes)["msg"]
        assert "value of effect must be one of: NoSchedule, PreferNoSchedule, NoExecute, got: noschedule" in message


def test_a_record_that_is_none_names_node_and_annotation() -> None:
    with pytest.raises(node_settings.Unreadable, match=r"node w1, annotation kubestead.io/managed: found 'oops'"):
        node_settings.managed_record("w1", "oops")
