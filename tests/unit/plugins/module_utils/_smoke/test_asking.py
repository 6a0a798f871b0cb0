# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking from here and from pods."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.module_utils._smoke import asking
from ansible_collections.kubestead.cluster.plugins.module_utils._smoke.namespace import Namespace, Unmet
from ansible_collections.kubestead.cluster.plugins.module_utils._smoke.pods import Question

TAINT = {"key": "dedicated", "effect": "NoExecute"}


def test_only_the_workload_itself_is_an_answer() -> None:
    assert asking.answering_pod("HTTP/1.1 200 OK\r\n\r\nkubestead nginx-1 \n") == "nginx-1"
    with pytest.raises(Unmet, match="502"):
        asking.answering_pod("HTTP/1.1 502 Bad Gateway\r\n")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TimeoutError(), True),
        (OSError(errno.EHOSTUNREACH, "no route"), True),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), False),
        (Unmet("something else", "a pod"), False),
    ],
)
def test_out_of_reach(error: Exception, expected: bool) -> None:
    assert asking.out_of_reach(error) is expected


@pytest.mark.parametrize("reach", ["all", "some", "none"])
def test_addresses_out_of_reach_count_where_another_one_answers(
    reach: str, api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def get(address: str, port: int) -> str:
        assert port == 30000
        if reach == "none" or (reach == "some" and address == "192.0.2.2"):
            raise TimeoutError("timed out")
        return "a"

    monkeypatch.setattr(asking, "get", get)
    asked = asking.ask_from_here(["192.0.2.1", "192.0.2.2"], 30000)
    if reach == "none":
        assert asked is None
    else:
        assert asked is not None
        assert asked["192.0.2.1"] == (True, "a")
        failed = (False, "no answer in 20 s: timed out")
        assert asked["192.0.2.2"] == ((True, "a") if reach == "all" else failed)


@pytest.mark.parametrize(
    ("spec", "schedulable"),
    [
        ({}, True),
        ({"unschedulable": True}, False),
        ({"taints": [TAINT]}, False),
        ({"taints": [{**TAINT, "effect": "PreferNoSchedule"}]}, True),
    ],
)
def test_nodes(spec: Any, schedulable: bool, api: Any) -> None:
    api.node("w1", **spec)
    assert asking.read_nodes(api) == [asking.Node("w1", "192.0.2.1", control_plane=False, schedulable=schedulable)]


def test_a_node_that_is_not_ready_takes_no_pods(api: Any) -> None:
    node = api.node("cp1")
    node["metadata"]["labels"] = {asking.CONTROL_PLANE_LABEL: ""}
    node["status"]["conditions"][0]["status"] = "Unknown"
    assert asking.node_of(node) == asking.Node("cp1", "192.0.2.1", control_plane=True, schedulable=False)


def test_answers_of_a_pod_that_asks(api: Any) -> None:
    space = Namespace(api, "ours", 10)
    asked = [Question("fetch", "10.244.1.2", 80, "b"), Question("resolve", "web", wanted="10.96.0.5")]
    asking.start_asking(space, "ask", "nginx:1", asked, nodeName="w1")
    made = space.get("Pod", "ask")
    assert made["spec"]["nodeName"] == "w1"
    assert made["spec"]["restartPolicy"] == "Never"
    assert made["spec"]["containers"][0]["command"][3:] == [
        *["20", "fetch", "10.244.1.2", "80", "b"],
        *["resolve", "web", "", "10.96.0.5"],
    ]
    api.logs["ask"] = ["yes b", "no 10.9.9.9"]
    assert asking.answers_of(space, "ask", asked) == [
        (True, "b"),
        (False, "no answer in 20 s: found 10.9.9.9, expected 10.96.0.5"),
    ]


def test_a_pod_that_never_asks_is_an_error_with_the_reason(api: Any) -> None:
    space = Namespace(api, "ours", 10)
    asking.start_asking(space, "ask", "nginx:1", [Question("fetch", "10.244.1.2", 80)])
    api.objects["/api/v1/namespaces/ours/pods/ask"]["status"] = {"phase": "Pending"}
    with pytest.raises(Unmet, match="found it is Pending, expected pod ask to ask its questions"):
        asking.answers_of(space, "ask", [Question("fetch", "10.244.1.2", 80)])
