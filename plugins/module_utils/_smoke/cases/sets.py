# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""StatefulSet and DaemonSet: pods that are somebody, and pods that are everywhere."""

from __future__ import annotations

from ansible_collections.kubestead.cluster.plugins.module_utils._smoke import pods
from ansible_collections.kubestead.cluster.plugins.module_utils._smoke.namespace import Object, expect
from ansible_collections.kubestead.cluster.plugins.module_utils._smoke.suite import Case, Scene, Skipped


def became_ready(pod: Object) -> str:
    """Return when a pod became Ready; times of the API compare as text."""
    return str(next(item["lastTransitionTime"] for item in pod["status"]["conditions"] if item["type"] == "Ready"))


def stateful_set(scene: Scene) -> str:
    """See the names, their order, and that a successor takes over the name and what stands in its own name."""
    if not scene.settings.dns:
        raise Skipped("the cluster has no DNS of its own to ask for names")
    scene.expose(clusterIP="None")
    content = {
        "replicas": 2,
        "serviceName": scene.named(),
        "selector": {"matchLabels": scene.labels()},
        "template": scene.template(scene.server()),
    }
    scene.space.make("StatefulSet", scene.named(), {"spec": content})
    first, second = scene.named("0"), scene.named("1")
    found = {pod["metadata"]["name"]: pod for pod in scene.ready(2)}
    expect(found.keys() == {first, second}, f"pods {', '.join(sorted(found))}", f"{first} and {second}")
    begun, done = found[second]["metadata"]["creationTimestamp"], became_ready(found[first])
    expect(begun >= done, f"{second} made at {begun}", f"not before {first} was Ready at {done}")

    look = (
        f"echo $(resolve {first}.{scene.named()}) $(resolve {second}.{scene.named()})"
        f" $(fetch {first}.{scene.named()} 80)"
    )
    observer = scene.observe(look)

    def tell_of(ready: dict[str, Object]) -> None:
        line = f"{ready[first]['status']['podIP']} {ready[second]['status']['podIP']} {first}"
        scene.hears(observer, line, lambda lines: lines == [line])

    tell_of(found)
    scene.space.delete("Pod", first)
    gone = found[first]["metadata"]["uid"]

    def successor() -> dict[str, Object]:
        ready = {pod["metadata"]["name"]: pod for pod in scene.pods() if pods.is_ready(pod)}
        uid = ready.get(first, {"metadata": {"uid": gone}})["metadata"]["uid"]
        expect(uid != gone and second in ready, f"Ready: {', '.join(sorted(ready))}", f"a successor of {first}")
        return ready

    ready = scene.wait(successor)
    same = ready[second]["metadata"]["uid"] == found[second]["metadata"]["uid"]
    expect(same, f"another {second}", f"only {first} replaced")
    tell_of(ready)
    return f"{first} and {second} by name, in order; the name followed {first} to its successor"


def daemon_set(scene: Scene) -> str:
    """See a pod on every node, and one come back to where it was."""
    template = scene.template(scene.server(), tolerations=pods.ANYWHERE)
    scene.space.make(
        "DaemonSet", scene.named(), {"spec": {"selector": {"matchLabels": scene.labels()}, "template": template}}
    )
    wanted = sorted(node.name for node in scene.nodes)

    def everywhere() -> dict[str, str]:
        found = scene.pods()
        there = {pod["spec"]["nodeName"]: pod["metadata"]["name"] for pod in found if pods.is_ready(pod)}
        missing = [name for name in wanted if name not in there]
        reasons = {pods.problem(pod) for pod in found if not pods.is_ready(pod)}
        why = f" ({'; '.join(sorted(reasons))})" if reasons else ""
        expect(not missing, f"no Ready pod on {', '.join(missing)}{why}", "one on every node")
        expect(len(found) == len(wanted), f"{len(found)} pods", f"one on each of the {len(wanted)} nodes")
        return there

    there = scene.wait(everywhere)
    node, pod = wanted[-1], there[wanted[-1]]
    scene.space.delete("Pod", pod)

    def replaced() -> None:
        expect(everywhere()[node] != pod, f"pod {pod} on {node}", "another one")

    scene.wait(replaced)
    return f"on each of {len(wanted)} nodes, and again on {node} after its pod was deleted"


CASES = (Case("stateful-set", stateful_set), Case("daemon-set", daemon_set))
