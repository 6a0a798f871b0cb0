# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the cases decide by, and those that a small scheduler can play through."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.module_utils._smoke import asking, suite
from ansible_collections.kubestead.cluster.plugins.module_utils._smoke.asking import read_nodes
from ansible_collections.kubestead.cluster.plugins.module_utils._smoke.cases import (
    configuration,
    containers,
    deployments,
    jobs,
    placement,
    services,
)
from ansible_collections.kubestead.cluster.plugins.module_utils._smoke.namespace import Namespace, Unmet

PODS = "/api/v1/namespaces/ours/pods"


def scene(api: Any, case: str = "case", **settings: Any) -> suite.Scene:
    given = suite.Settings(**{"image": "nginx:1", "dns": True, "evict": False, **settings})
    return suite.Scene(case, Namespace(api, "ours", 30), given, read_nodes(api), suite.Marks(api))


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("nginx", "nginx"),
        ("docker.io/library/nginx:1.31.6", "docker.io/library/nginx"),
        ("10.90.0.2:5000/nginx:1.26", "10.90.0.2:5000/nginx"),
        ("10.90.0.2:5000/nginx", "10.90.0.2:5000/nginx"),
        ("nginx:1.31.6@sha256:0123", "nginx"),
    ],
)
def test_an_image_without_its_tag(image: str, expected: str) -> None:
    assert deployments.without_tag(image) == expected


def test_undo_goes_back_by_one_or_to_a_revision(api: Any) -> None:
    here = scene(api, "web")
    here.space.make("Deployment", "web", {"spec": {"template": {}}})
    for number in (1, 2, 3):
        labels = {"app": "web", "pod-template-hash": f"h{number}"}
        here.space.make(
            "ReplicaSet",
            f"web-h{number}",
            {
                "metadata": {"labels": labels, "annotations": {deployments.REVISION: str(number)}},
                "spec": {"template": {"metadata": {"labels": dict(labels)}, "spec": {"n": number}}},
            },
        )
    # Of another Deployment, with a higher number.
    here.space.make(
        "ReplicaSet",
        "other",
        {"metadata": {"labels": {"app": "other"}, "annotations": {deployments.REVISION: "7"}}, "spec": {}},
    )
    steps = []
    here.space.replace = lambda kind, name, path, value: steps.append((kind, name, path, value))  # type: ignore[method-assign]
    deployments.undo(here)
    deployments.undo(here, 1)
    place = ("Deployment", "web", "/spec/template")
    assert steps == [(*place, {"metadata": {"labels": {"app": "web"}}, "spec": {"n": n}}) for n in (2, 1)]


class Played(suite.Scene):
    """A Deployment on which all goes well, and what an observer has heard of it."""

    def __init__(self, api: Any, heard: list[str]) -> None:
        super().__init__("deployment", Namespace(api, "ours", 30), scene(api).settings, [], suite.Marks(api))
        self.logs = [["deployment-a-1 one"], ["no answer in 5 s", "deployment-a-1 one", *heard]]
        self.space.log = lambda _pod: self.logs.pop(0) if len(self.logs) > 1 else self.logs[0]  # type: ignore[method-assign]

    def expose(self, name: str = "", pods_of: str = "", **spec: Any) -> Any:
        return {"spec": {"clusterIP": "10.96.0.7"}}

    def wait(self, attempt: Any) -> Any:
        return "ErrImagePull"

    def ready(self, count: int, name: str = "") -> list[Any]:
        return [{"metadata": {"name": "deployment-a-1"}}] * count

    def hears(self, pod: str, wanted: str, right: Any, count: int = 1) -> list[str]:
        return []


@pytest.mark.parametrize(
    ("heard", "lost"),
    [
        (["deployment-a-1 one", "deployment-b-2 two"], ""),
        (["deployment-a-1 one", "bash: connect: Connection refused", "no answer in 5 s"], "2 of 4 questions"),
        (["something else than a pod: HTTP/1.1 502"], "1 of 2 questions"),
        (["other-a-1 one"], "1 of 2 questions"),
    ],
)
def test_no_question_is_lost_while_a_deployment_changes(
    api: Any, monkeypatch: pytest.MonkeyPatch, heard: list[str], lost: str
) -> None:
    monkeypatch.setattr(deployments, "change", lambda _scene, made: containers_made.append(made))
    monkeypatch.setattr(deployments, "undo", lambda _scene, _number=None: None)
    monkeypatch.setattr(deployments, "replicas_while_rolling_out", lambda _scene: 2)
    containers_made: list[Any] = []
    here = Played(api, heard)
    monkeypatch.setattr(here.space, "patch", lambda *_arguments: {})
    if lost:
        with pytest.raises(Unmet, match=lost):
            deployments.deployment(here)
    else:
        assert "at least 2 of 2" in deployments.deployment(here)
    made = api.objects["/apis/apps/v1/namespaces/ours/deployments/deployment"]["spec"]["template"]["spec"]
    containers_made += made["containers"]
    # A pod that goes has to answer until nobody asks it any more.
    slept = {item["lifecycle"]["preStop"]["sleep"]["seconds"] for item in containers_made}
    assert len(containers_made) == 3
    assert max(slept) < made["terminationGracePeriodSeconds"]


def test_autoscaling_is_skipped_without_metrics(api: Any) -> None:
    with pytest.raises(suite.Skipped, match="no metrics API"):
        deployments.metrics(scene(api))


def test_an_api_of_metrics_that_does_not_answer_is_waited_for_and_then_an_error(api: Any) -> None:
    here = scene(api)
    original = api.request

    def request(method: str, path: str, *arguments: Any) -> Any:
        if path == deployments.METRICS:
            raise api.refuse(method, path, 503)
        return original(method, path, *arguments)

    api.request = request
    with pytest.raises(Unmet, match="found no metrics of any node"):
        deployments.metrics(here)


def test_the_end_of_a_job(api: Any) -> None:
    here = scene(api)
    here.space.make("Job", "job", {"spec": {}})
    job = api.objects["/apis/batch/v1/namespaces/ours/jobs/job"]
    job["status"] = {"active": 1, "conditions": [{"type": "Complete", "status": "False"}]}
    with pytest.raises(Unmet, match="found active 1, succeeded 0, failed 0; no end, expected Job job Complete"):
        jobs.ended(here, "job", "Complete")
    job["status"] = {
        "failed": 2,
        "conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}],
    }
    ended = jobs.ended(here, "job", "Failed")
    assert (ended["reason"], ended["failed"]) == ("BackoffLimitExceeded", 2)


def test_values_as_the_api_keeps_them() -> None:
    assert configuration.encoded("ConfigMap", "first") == {"data": {"word": "first"}}
    assert configuration.encoded("Secret", "first") == {"data": {"word": "Zmlyc3Q="}}


TOLERATION = {"key": suite.KEY, "operator": "Exists"}


@pytest.mark.parametrize(
    ("toleration", "expected"),
    [
        ({"operator": "Exists"}, True),
        (TOLERATION, True),
        ({**TOLERATION, "effect": "NoExecute"}, True),
        ({**TOLERATION, "effect": "NoSchedule"}, False),
        ({"operator": "Exists", "effect": "NoSchedule"}, False),
        ({"key": suite.KEY}, True),
        ({"key": suite.KEY, "value": "x"}, False),
        ({"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}, False),
    ],
)
def test_who_tolerates_our_taint(toleration: dict[str, str], expected: bool) -> None:
    assert placement.tolerates({"spec": {"tolerations": [toleration]}}, "NoExecute") is expected


def stranger(name: str, node: str, namespace: str = "shop", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"nodeName": node, **spec}, "status": {}}


def test_pods_of_others_are_not_evicted_unless_that_is_allowed(api: Any) -> None:
    api.node("w1")
    api.node("w2")
    everywhere = {"tolerations": [{"operator": "Exists"}]}
    found = [
        stranger("proxy", "w1", **everywhere),
        stranger("mine", "w1", namespace="ours"),
        stranger("a", "w2"),
        stranger("b", "w2"),
    ]
    api.objects["/api/v1/pods"] = {"items": found}
    concerned = placement.strangers(found, "ours")
    assert concerned == {"w2": ["shop/a", "shop/b"]}
    node = placement.quietest(read_nodes(api), concerned)
    assert node is not None
    assert node.name == "w1"
    found.append(stranger("c", "w1"))
    with pytest.raises(suite.Skipped, match=r"would evict \(w1: shop/c\); smoke_evict: true allows that"):
        placement.no_execute(scene(api))


class Scheduler:
    """Puts pods on nodes by selectors, matchFields, taints and requests; evicts; nothing more."""

    def __init__(self, api: Any, *, deaf: bool = False) -> None:
        self.api = api
        #: Whether it overlooks taints and labels, as a broken one might.
        self.deaf = deaf
        api.hook = self.look

    def nodes(self) -> dict[str, Any]:
        return {path.rpartition("/")[2]: item for path, item in self.api.objects.items() if "/nodes/" in path}

    def fits(self, pod: Any, name: str, node: Any) -> bool:
        spec = pod["spec"]
        terms = (
            spec.get("affinity", {})
            .get("nodeAffinity", {})
            .get("requiredDuringSchedulingIgnoredDuringExecution", {})
            .get("nodeSelectorTerms", [])
        )
        if any(field["values"] != [name] for term in terms for field in term.get("matchFields", [])):
            return False
        if self.deaf:
            return True
        labels = node["metadata"]["labels"]
        if spec.get("nodeSelector", {}).items() - labels.items():
            return False
        requests = spec["containers"][0].get("resources", {}).get("requests", {})
        return not requests and not any(
            taint["effect"] == "NoSchedule" and not placement.tolerates(pod, "NoSchedule")
            for taint in node["spec"].get("taints", [])
        )

    def look(self, path: str, pod: Any) -> None:
        if not path.startswith(f"{PODS}/"):
            return
        nodes = self.nodes()
        if "nodeName" not in pod["spec"]:
            fitting = [name for name, node in nodes.items() if self.fits(pod, name, node)]
            requests = pod["spec"]["containers"][0].get("resources", {}).get("requests", {})
            told = (
                f"0/{len(nodes)} nodes: selector, untolerated taint, {', '.join(f'Insufficient {r}' for r in requests)}"
            )
            condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": told}
            if not fitting:
                pod["status"] = {"phase": "Pending", "conditions": [condition]}
                return
            # A taint that is only a preference counts last.
            pod["spec"]["nodeName"] = min(fitting, key=lambda name: bool(nodes[name]["spec"].get("taints")))
            pod["status"] = {"phase": "Running"}
        taints = nodes[pod["spec"]["nodeName"]]["spec"].get("taints", [])
        if any(item["effect"] == "NoExecute" for item in taints) and not placement.tolerates(pod, "NoExecute"):
            pod["metadata"]["deletionTimestamp"] = "now"


CASES = {case.name: case for case in placement.CASES}


@pytest.mark.parametrize(
    ("case", "seen"),
    [
        ("node-selector", "Pending until w1 had the label, then there"),
        ("taint-no-schedule", "on w1 only with a toleration; who was there stayed; without the taint the other came"),
        ("taint-prefer-no-schedule", "w1: avoided by 2 of 2 pods; a pod that must be there came"),
        ("taint-no-execute", "evicted from w1 without a toleration, and with one not"),
        ("large-request", "Pending for insufficient cpu and memory"),
    ],
)
def test_places(case: str, seen: str, api: Any) -> None:
    api.node("w1")
    api.node("w2")
    api.objects["/api/v1/pods"] = {"items": []}
    Scheduler(api)
    assert CASES[case].run(scene(api, case)) == seen
    for name in ("w1", "w2"):
        node = api.objects[f"/api/v1/nodes/{name}"]
        assert not node["spec"].get("taints")
        assert not node["metadata"]["labels"]


@pytest.mark.parametrize(
    ("case", "found"),
    [
        ("node-selector", "found pod node-selector Running, expected Pending as unschedulable"),
        ("taint-no-schedule", "found pod taint-no-schedule-refused Running, expected Pending as unschedulable"),
        ("large-request", "found pod large-request-cpu Running, expected Pending as unschedulable"),
    ],
)
def test_a_scheduler_that_overlooks_something_is_found_out(case: str, found: str, api: Any) -> None:
    api.node("w1")
    api.node("w2")
    Scheduler(api, deaf=True)
    with pytest.raises(Unmet, match=found):
        CASES[case].run(scene(api, case))
    assert not api.objects["/api/v1/nodes/w1"]["spec"].get("taints")


def test_the_only_node_can_not_be_avoided(api: Any) -> None:
    api.node("w1")
    Scheduler(api)
    case = "taint-prefer-no-schedule"
    assert "no other node to go to" in CASES[case].run(scene(api, case))


def test_a_container_that_was_killed_for_something_else_is_no_limit(api: Any) -> None:
    here = scene(api, "memory-limit")

    def died(path: str, pod: Any) -> None:
        ended = {"reason": "Error", "exitCode": 2}
        status = {"restartCount": 1, "state": {"running": {}}, "lastState": {"terminated": ended}}
        pod["status"] = {"phase": "Running", "containerStatuses": [status]}

    api.hook = died
    with pytest.raises(Unmet, match="found an end as Error with exit status 2, expected OOMKilled"):
        containers.memory_limit(here)


def balanced(api: Any, monkeypatch: pytest.MonkeyPatch, *, pools: bool, address: str | None) -> suite.Scene:
    """A cluster that gives this address, where only it answers."""
    here = scene(api, "load-balancer")
    if pools:
        api.objects[services.METALLB_POOLS] = {"items": [{"metadata": {"name": "default"}}]}

    def give(path: str, found: Any) -> None:
        if path.endswith("/services/load-balancer") and address:
            found["status"] = {"loadBalancer": {"ingress": [{"ip": address}]}}

    api.hook = give
    monkeypatch.setattr(here, "ready", lambda count: [])
    asked = {"192.0.2.200": (True, "load-balancer-1")}
    monkeypatch.setattr(
        asking,
        "ask_from_here",
        lambda addresses, port: {a: asked.get(a, (False, "no answer in 20 s: refused")) for a in addresses},
    )
    return here


def test_a_load_balancer_answers_at_its_address(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    here = balanced(api, monkeypatch, pools=True, address="192.0.2.200")
    assert services.load_balancer(here) == "answered at 192.0.2.200, asked from here"
    here = balanced(api, monkeypatch, pools=True, address="192.0.2.201")
    with pytest.raises(Unmet, match=r"found 192\.0\.2\.201: no answer in 20 s: refused"):
        services.load_balancer(here)


def test_a_load_balancer_that_nothing_serves_is_skipped(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    here = balanced(api, monkeypatch, pools=False, address=None)
    with pytest.raises(suite.Skipped, match="nothing serves"):
        services.load_balancer(here)


def test_a_load_balancer_that_ought_to_be_served_is_no_reason_to_skip(
    api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = balanced(api, monkeypatch, pools=True, address=None)
    with pytest.raises(Unmet, match="found no address, expected one from the pools of MetalLB"):
        services.load_balancer(here)
