# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deployments: rollout, a bad image, undo, scaling by hand and by load."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ansible_collections.kubestead.cluster.plugins.module_utils._kube import ApiError
from ansible_collections.kubestead.cluster.plugins.module_utils._smoke.namespace import Object, expect
from ansible_collections.kubestead.cluster.plugins.module_utils._smoke.suite import (
    Case,
    Scene,
    Skipped,
    is_rolled_out,
)

REVISION = "deployment.kubernetes.io/revision"
METRICS = "/apis/metrics.k8s.io/v1beta1/nodes"
# As every server has to that is not to lose a question: a pod that goes answers until the nodes send it no more.
LEAVING = {"preStop": {"sleep": {"seconds": 10}}}
LEAVING_SECONDS = 15
BURN = "while :; do :; done"


def without_tag(image: str) -> str:
    """Return an image's name without tag and digest."""
    name = image.partition("@")[0]
    head, colon, tag = name.rpartition(":")
    # A colon before a slash is a registry's port.
    return head if colon and "/" not in tag else name


def revision(scene: Scene, number: int | None = None) -> Object:
    """Return the ReplicaSet of a revision, or of the one before the newest."""
    sets = scene.space.all("ReplicaSet", **scene.labels())
    by_number = {int(item["metadata"]["annotations"][REVISION]): item for item in sets}
    return by_number[number if number is not None else sorted(by_number)[-2]]


def undo(scene: Scene, number: int | None = None) -> None:
    """Go back to a revision, as `kubectl rollout undo` does."""
    template = revision(scene, number)["spec"]["template"]
    del template["metadata"]["labels"]["pod-template-hash"]
    scene.space.replace("Deployment", scene.named(), "/spec/template", template)


def change(scene: Scene, made: Object) -> None:
    """Give the Deployment another container."""
    scene.space.replace("Deployment", scene.named(), "/spec/template/spec/containers", [made])


def replicas_while_rolling_out(scene: Scene) -> int:
    """Wait until the Deployment is rolled out; return the lowest number of available pods on the way."""
    seen: list[int] = []

    def attempt() -> None:
        found = scene.space.get("Deployment", scene.named())
        seen.append(found["status"].get("availableReplicas", 0))
        expect(is_rolled_out(found), found["status"], "all pods of the newest revision available")

    scene.wait(attempt)
    return min(seen)


def server(scene: Scene, answer: str) -> Object:
    """Return a container that answers, also for a while after its pod is told to go."""
    return scene.server(answer, lifecycle=LEAVING)


def unanswered(lines: Sequence[str], name: str) -> list[str]:
    """Return what an observer tells that no pod of the Deployment has answered."""
    return [line for line in lines if not re.fullmatch(rf"{re.escape(name)}-\S+ (one|two)", line)]


def deployment(scene: Scene) -> str:
    """Roll out, fail to, go back, and scale; ask the service all the time."""
    address = scene.expose()["spec"]["clusterIP"]
    scene.deploy(server(scene, "one"), 2, terminationGracePeriodSeconds=LEAVING_SECONDS)
    observer = scene.observe(f"fetch {address} 80")
    scene.rolled_out()

    def all_tell(answer: str) -> None:
        def right(lines: list[str]) -> bool:
            return all(line.endswith(f" {answer}") for line in lines)

        scene.hears(observer, f"{answer!r} from every pod that answers", right, 4)

    all_tell("one")
    first = len(scene.space.log(observer))
    change(scene, server(scene, "two"))
    least = replicas_while_rolling_out(scene)
    expect(least >= 2, f"{least} pods available during the rollout", "at least 2")
    all_tell("two")

    change(scene, {**server(scene, "three"), "image": f"{without_tag(scene.settings.image)}:kubestead-no-such-tag"})

    def image_is_refused() -> str:
        states = [
            status.get("state", {}) for pod in scene.pods() for status in pod["status"].get("containerStatuses", [])
        ]
        reasons = {state["waiting"].get("reason") for state in states if "waiting" in state}
        refused = reasons & {"ErrImagePull", "ImagePullBackOff"}
        expect(bool(refused), f"pods waiting with {reasons or 'no reason'}", "ErrImagePull or ImagePullBackOff")
        return str(refused.pop())

    reason = scene.wait(image_is_refused)
    all_tell("two")
    undo(scene)
    scene.rolled_out()
    all_tell("two")
    undo(scene, 1)
    scene.rolled_out()
    all_tell("one")

    scene.space.patch("Deployment", scene.named(), {"spec": {"replicas": 4}}, "scale")
    names = {pod["metadata"]["name"] for pod in scene.ready(4)}
    heard: set[str] = set()

    def four_answer(lines: list[str]) -> bool:
        heard.update(line.split()[0] for line in lines)
        return heard >= names

    scene.hears(observer, "an answer of each of the 4 pods", four_answer, 4)
    scene.space.patch("Deployment", scene.named(), {"spec": {"replicas": 1}}, "scale")
    last = scene.ready(1)[0]["metadata"]["name"]
    scene.hears(observer, f"only {last}", lambda lines: {line.split()[0] for line in lines} == {last}, 4)

    asked = scene.space.log(observer)[first:]
    lost = unanswered(asked, scene.named())
    found = f"{len(lost)} of {len(asked)} questions to the service lost on the way ({' / '.join(dict.fromkeys(lost))})"
    expect(not lost, found, "every one answered by a pod")
    return f"rolled out with at least {least} of 2 pods, kept them through {reason}, undone twice, scaled to 4 and to 1"


def metrics(scene: Scene) -> None:
    """Wait until the API of metrics answers; skip the case where there is none."""

    def attempt() -> None:
        try:
            found = scene.space.api.request("GET", METRICS)["items"]
        except ApiError as error:
            if error.status == 404:
                raise Skipped("the cluster has no metrics API; metrics-server brings it") from None
            if error.status != 503:
                raise
            found = []
        expect(bool(found), "no metrics of any node", "those that metrics-server collects")

    scene.wait(attempt)


def autoscale(scene: Scene) -> str:
    """Let a Deployment use more CPU than it asks for, and see it grow."""
    metrics(scene)
    burning = scene.script(BURN, resources={"requests": {"cpu": "50m"}, "limits": {"cpu": "100m"}})
    scene.deploy(burning, 1)
    scene.ready(1)
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": scene.named()}
    usage = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
    }
    scaler = {"spec": {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 2, "metrics": [usage]}}
    scene.space.make("HorizontalPodAutoscaler", scene.named(), scaler)

    def grown() -> str:
        status = scene.space.get("HorizontalPodAutoscaler", scene.named())["status"]
        words = [item.get("message", "") for item in status.get("conditions", []) if item["status"] == "False"]
        found = f"{status.get('desiredReplicas', 0)} replicas wanted ({'; '.join(words)})"
        expect(status.get("desiredReplicas", 0) == 2, found, "2, as the pod uses twice what it asks for")
        current = [item["resource"]["current"].get("averageUtilization") for item in status.get("currentMetrics", [])]
        return f"at {current[0]}% CPU" if current and current[0] else "by CPU"

    seen = scene.wait(grown)
    scene.ready(2)
    return f"grown from 1 pod to 2 {seen}"


CASES = (Case("autoscale", autoscale), Case("deployment", deployment))
