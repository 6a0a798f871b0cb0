# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of the smoke test, without a cluster."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.kubestead.cluster.plugins.module_utils._smoke import asking
from ansible_collections.kubestead.cluster.plugins.module_utils._smoke.namespace import Namespace
from ansible_collections.kubestead.cluster.plugins.modules import smoke

ADDRESSES = {"cp1": "192.0.2.11", "w1": "192.0.2.21"}
SERVICE = {"spec": {"clusterIP": "10.101.1.1", "ports": [{"nodePort": 30000}]}}


def api_pod(name: str, node: str | None, ready: bool, **status: Any) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": str(ready), "message": status.pop("message", "")}]
    return {
        "metadata": {"name": name},
        "spec": {"nodeName": node} if node else {},
        "status": {"podIP": "10.244.0.2", "phase": "Pending", "conditions": conditions, **status},
    }


def pod(node: str) -> smoke.Pod:
    return smoke.Pod(f"nginx-{node}", f"10.244.0.{len(node)}", node, ADDRESSES.get(node, "192.0.2.99"))


def test_a_node_without_a_running_pod_is_told_with_the_reason() -> None:
    refused = {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}}
    pods = [api_pod("a", "cp1", True), api_pod("b", "w1", False, containerStatuses=[refused])]
    running, checks = smoke.pod_checks(pods, ADDRESSES, ["cp1", "w1", "w2"])
    assert running == [smoke.Pod("a", "10.244.0.2", "cp1", "192.0.2.11")]
    assert [check.line() for check in checks] == [
        "FAILED  pod        on w1: ImagePullBackOff: not found",
        "FAILED  pod        on w2: not in the cluster, which has cp1, w1; run site.yml to join it",
    ]


def test_a_pod_that_was_not_scheduled_is_the_reason_for_its_node() -> None:
    pods = [api_pod("a", "cp1", True), api_pod("b", None, False, message="0/2 nodes are available")]
    _running, checks = smoke.pod_checks(pods, ADDRESSES, [])
    assert checks[0].detail == "0/2 nodes are available"
    _running, checks = smoke.pod_checks(pods[:1], ADDRESSES, [])
    assert checks[0].detail == "no pod was made for it"


def test_the_ring_has_every_pod_once_on_each_side() -> None:
    pods = [pod(name) for name in ("a", "b", "c")]
    assert {name: other.node for name, other in smoke.ring(pods).items()} == {"a": "b", "b": "c", "c": "a"}
    assert smoke.ring(pods[:1]) == {}


def test_what_is_asked_on_a_node() -> None:
    asked = smoke.inquiries(pod("w1"), pod("cp1"), "10.101.1.1", "10.96.0.1", True)
    assert [(item.kind, item.what, item.question.words()) for item in asked] == [
        ("DNS", "kubernetes.default on w1", ["resolve", "kubernetes.default", "", "10.96.0.1"]),
        ("DNS", "nginx on w1", ["resolve", "nginx", "", "10.101.1.1"]),
        ("service", "nginx on w1", ["fetch", "nginx", "80", ""]),
        ("pod to pod", "w1 to cp1 at 10.244.0.3", ["fetch", "10.244.0.3", "80", "nginx-cp1"]),
    ]


def test_without_dns_the_service_is_asked_by_its_address() -> None:
    asked = smoke.inquiries(pod("cp1"), None, "10.101.1.1", "10.96.0.1", False)
    assert [item.question.words() for item in asked] == [["fetch", "10.101.1.1", "80", ""]]


def test_an_answer_makes_a_check() -> None:
    dns, _nginx, service, _neighbour = smoke.inquiries(pod("w1"), pod("cp1"), "10.101.1.1", "10.96.0.1", True)
    assert dns.check((True, "10.96.0.1")).line() == "ok      DNS        kubernetes.default on w1: it is 10.96.0.1"
    assert service.check((True, "a")).line() == "ok      service    nginx on w1: pod a answered"
    failed = service.check((False, "no answer in 20 s: found Connection refused, expected the answer of a pod"))
    assert failed.line().startswith("FAILED  service    nginx on w1: no answer in 20 s: found Connection refused")


class Api:
    """Has the service of the API itself, and two nodes."""

    def request(self, method: str, path: str) -> dict[str, Any]:
        assert (method, path) == ("GET", "/api/v1/namespaces/default/services/kubernetes")
        return {"spec": {"clusterIP": "10.96.0.1"}}


@pytest.mark.parametrize("reach", ["all", "none"])
def test_node_ports_are_asked_from_the_nodes_where_none_is_reached(reach: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pods = [pod("cp1"), pod("w1")]
    asked: dict[str, Any] = {}
    monkeypatch.setattr(
        asking, "start_asking", lambda _space, name, _image, questions, **spec: asked.update({name: spec})
    )
    monkeypatch.setattr(
        asking, "answers_of", lambda _space, _name, questions: [(question.port != 30000, "a") for question in questions]
    )
    found = dict.fromkeys(ADDRESSES.values(), (True, "a"))
    monkeypatch.setattr(asking, "ask_from_here", lambda _addresses, _port: found if reach == "all" else None)
    outside = smoke.node_port_checks(pods, 30000)
    assert [check.what for check in outside] == (
        ["cp1 at 192.0.2.11:30000, asked from here", "w1 at 192.0.2.21:30000, asked from here"]
        if reach == "all"
        else []
    )
    work = smoke.Workload(Namespace(Api(), "ours", 10), "nginx:1", True)  # type: ignore[arg-type]
    checks = work.ask(pods, SERVICE, None if outside else 30000)
    ports = [check for check in checks if check.kind == "NodePort"]
    if reach == "all":
        assert not ports
    else:
        assert [(check.what, check.ok) for check in ports] == [
            ("w1 at 192.0.2.21:30000, asked from cp1", False),
            ("cp1 at 192.0.2.11:30000, asked from w1", False),
        ]
    assert {spec["nodeName"] for spec in asked.values()} == {"cp1", "w1"}
    assert sum(check.kind == "pod to pod" for check in checks) == 2


def test_one_pod_for_each_node_on_all_nodes() -> None:
    spec = smoke.deployment("nginx:1", 5)["spec"]
    assert spec["replicas"] == 5
    assert spec["template"]["spec"]["tolerations"] == [{"operator": "Exists"}]
    assert "podAntiAffinity" in spec["template"]["spec"]["affinity"]


def test_check_mode_asks_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = {"kubeconfig": "/nonexistent", "image": "nginx:1", "_ansible_check_mode": True}
    with patch_module_args(arguments), pytest.raises(SystemExit):
        smoke.main()
    result = json.loads(capsys.readouterr().out)
    assert result["changed"] is False
    assert "would run nginx:1" in result["results"][0]
