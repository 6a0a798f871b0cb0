# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where pods go: by labels and affinity, by taints and tolerations, and by what they ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ansible_collections.kubestead.cluster.plugins.module_utils._smoke import pods
from ansible_collections.kubestead.cluster.plugins.module_utils._smoke.asking import Node
from ansible_collections.kubestead.cluster.plugins.module_utils._smoke.namespace import Object, expect
from ansible_collections.kubestead.cluster.plugins.module_utils._smoke.suite import KEY, Case, Scene, Skipped

STAY = "exec sleep infinity"
# More than any machine has.
TOO_MUCH = {"cpu": "4000", "memory": "1Pi"}


def runs_on(scene: Scene, pod: str, *wanted: str) -> Object:
    """Wait until a pod runs, on one of these nodes; return it."""
    found = scene.phase(pod, "Running")
    node = found["spec"]["nodeName"]
    expect(node in wanted, f"pod {pod} on {node}", " or ".join(wanted))
    return found


def stays(scene: Scene, before: Object) -> None:
    """Expect that a pod is still the same one, and running."""
    name = before["metadata"]["name"]
    found = scene.space.find("Pod", name)
    same = found is not None and found["metadata"]["uid"] == before["metadata"]["uid"]
    alive = (
        found is not None and found["status"].get("phase") == "Running" and "deletionTimestamp" not in found["metadata"]
    )
    expect(same and alive, f"pod {name} gone", "it running on as before")


def affinity_of(kind: str, key: str, operator: str) -> Object:
    """Return an affinity to nodes with (Exists) or without (DoesNotExist) a label."""
    term = {"matchExpressions": [{"key": key, "operator": operator}]}
    if kind == "preferred":
        rules: object = [{"weight": 100, "preference": term}]
    else:
        rules = {"nodeSelectorTerms": [term]}
    return {"nodeAffinity": {f"{kind}DuringSchedulingIgnoredDuringExecution": rules}}


def node_selector(scene: Scene) -> str:
    """See a pod wait for a node with its label, and go there."""
    worker = scene.worker()
    pod = scene.run(scene.script(STAY), nodeSelector={f"{KEY}-{scene.case}": scene.case})
    reason = scene.unschedulable(pod)
    expect("selector" in reason, f"Pending for {reason!r}", "for the node selector")
    with scene.marks.label(worker.name, scene.case):
        runs_on(scene, pod, worker.name)
    return f"Pending until {worker.name} had the label, then there"


def affinity(scene: Scene) -> str:
    """See what must, must not and should be near a label, and pods that must be apart."""
    worker = scene.worker()
    others = scene.others(worker)
    key = f"{KEY}-{scene.case}"
    with scene.marks.label(worker.name, scene.case):
        must = scene.run(scene.script(STAY), "must", affinity=affinity_of("required", key, "Exists"))
        must_not = scene.run(scene.script(STAY), "must-not", affinity=affinity_of("required", key, "DoesNotExist"))
        should = scene.run(scene.script(STAY), "should", affinity=affinity_of("preferred", key, "Exists"))
        runs_on(scene, must, worker.name)
        runs_on(scene, should, worker.name)
        if others:
            runs_on(scene, must_not, *(node.name for node in others))
        else:
            reason = scene.unschedulable(must_not)
            expect("affinity" in reason, f"Pending for {reason!r}", "for the affinity")
    count = len(others) + 2
    scene.deploy(scene.script(STAY), count, "apart", affinity=pods.apart(scene.labels("apart")))

    def one_each() -> None:
        found = scene.pods("apart")
        nodes = sorted(pod["spec"]["nodeName"] for pod in found if pod["status"].get("phase") == "Running")
        wanted = sorted(node.name for node in (worker, *others))
        expect(nodes == wanted, f"pods on {', '.join(nodes) or 'no node'}", f"one on each of {', '.join(wanted)}")
        # The one more than there are nodes.
        expect(len(found) == count, f"{len(found)} pods", f"{count}, of which one is Pending")

    scene.wait(one_each)
    return (
        f"required, forbidden and preferred near {worker.name}; apart on {len(others) + 1} nodes, one too many Pending"
    )


def no_schedule(scene: Scene) -> str:
    """See that new pods need a toleration, and that old ones stay."""
    worker = scene.worker()
    there = pods.on_node(worker.name)
    before = scene.run(scene.script(STAY), "before", untolerated="NoSchedule", affinity=there)
    old = runs_on(scene, before, worker.name)
    with scene.marks.taint(worker.name, "NoSchedule"):
        refused = scene.run(scene.script(STAY), "refused", untolerated="NoSchedule", affinity=there)
        tolerant = scene.run(scene.script(STAY), "tolerant", affinity=there)
        reason = scene.unschedulable(refused)
        expect("untolerated taint" in reason, f"Pending for {reason!r}", "for the untolerated taint")
        runs_on(scene, tolerant, worker.name)
        stays(scene, old)
    runs_on(scene, refused, worker.name)
    return f"on {worker.name} only with a toleration; who was there stayed; without the taint the other came"


def prefer_no_schedule(scene: Scene) -> str:
    """See that pods come to the node only when they have no choice."""
    worker = scene.worker()
    others = [node.name for node in scene.others(worker)]
    with scene.marks.taint(worker.name, "PreferNoSchedule"):
        free = [
            scene.run(scene.script(STAY), f"free-{number}", untolerated="PreferNoSchedule")
            for number in range(2 if others else 0)
        ]
        bound = scene.run(
            scene.script(STAY), "bound", untolerated="PreferNoSchedule", affinity=pods.on_node(worker.name)
        )
        runs_on(scene, bound, worker.name)
        for pod in free:
            runs_on(scene, pod, *others)
    avoided = f"avoided by {len(free)} of {len(free)} pods" if others else "no other node to go to"
    return f"{worker.name}: {avoided}; a pod that must be there came"


def tolerates(pod: Object, effect: str) -> bool:
    """Tell whether a pod tolerates our taint, which has no value."""
    return any(
        item.get("effect") in (None, "", effect)
        and (item.get("key") or KEY) == KEY
        and (item.get("operator") == "Exists" or (item.get("key") == KEY and not item.get("value")))
        for item in pod["spec"].get("tolerations", [])
    )


def strangers(found: Sequence[Object], namespace: str) -> dict[str, list[str]]:
    """Return, for each node, the pods of others that the taint NoExecute would evict."""
    concerned: dict[str, list[str]] = {}
    for pod in found:
        metadata = pod["metadata"]
        if metadata["namespace"] != namespace and not tolerates(pod, "NoExecute"):
            name = f"{metadata['namespace']}/{metadata['name']}"
            concerned.setdefault(pod["spec"].get("nodeName", ""), []).append(name)
    return concerned


def quietest(nodes: Sequence[Node], concerned: Mapping[str, Sequence[str]]) -> Node | None:
    """Return the node where fewest pods of others would be evicted."""
    return min(
        (node for node in nodes if node.schedulable), key=lambda node: len(concerned.get(node.name, ())), default=None
    )


def no_execute(scene: Scene) -> str:
    """See a pod that does not tolerate it evicted, and one that does stay."""
    concerned = strangers(scene.space.api.request("GET", "/api/v1/pods")["items"], scene.space.name)
    node = quietest(scene.nodes, concerned) or scene.worker()
    others = concerned.get(node.name, [])
    if others and not scene.settings.evict:
        raise Skipped(
            f"every node runs pods that it would evict ({node.name}: {', '.join(sorted(others)[:3])}"
            f"{' and more' if len(others) > 3 else ''}); smoke_evict: true allows that"
        )
    there = pods.on_node(node.name)
    evicted = scene.run(scene.script(STAY), "evicted", untolerated="NoExecute", affinity=there)
    tolerant = runs_on(scene, scene.run(scene.script(STAY), "tolerant", affinity=there), node.name)
    runs_on(scene, evicted, node.name)
    with scene.marks.taint(node.name, "NoExecute"):

        def gone() -> None:
            found = scene.space.find("Pod", evicted)
            expect(
                found is None or "deletionTimestamp" in found["metadata"], f"pod {evicted} on {node.name}", "it evicted"
            )

        scene.wait(gone)
        stays(scene, tolerant)
    return f"evicted from {node.name} without a toleration, and with one not"


def large_request(scene: Scene) -> str:
    """See a pod that asks for too much wait, with the reason."""
    reasons = []
    for resource, amount in TOO_MUCH.items():
        made = scene.script(STAY, resources={"requests": {resource: amount}})
        reason = scene.unschedulable(scene.run(made, resource))
        expect(f"Insufficient {resource}" in reason, f"Pending for {reason!r}", f"for insufficient {resource}")
        reasons.append(resource)
    return f"Pending for insufficient {' and '.join(reasons)}"


CASES = (
    Case("taint-no-execute", no_execute),
    Case("taint-no-schedule", no_schedule),
    Case("taint-prefer-no-schedule", prefer_no_schedule),
    Case("affinity", affinity),
    Case("node-selector", node_selector),
    Case("large-request", large_request),
)
