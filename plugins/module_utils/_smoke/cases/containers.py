# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to containers: restarts, memory limits, and probes."""

from __future__ import annotations

import time

from ansible_collections.kubestead.cluster.plugins.module_utils._smoke import pods
from ansible_collections.kubestead.cluster.plugins.module_utils._smoke.namespace import Object, expect
from ansible_collections.kubestead.cluster.plugins.module_utils._smoke.suite import Case, Scene

# What a pod is told by an annotation of it (patching that makes kubelet write the file at once).
TOLD = "kubestead.io/told"
TOLD_VOLUME = {
    "name": "told",
    "downwardAPI": {"items": [{"path": "word", "fieldRef": {"fieldPath": f"metadata.annotations['{TOLD}']"}}]},
}
IS_YES = ["bash", "-c", "[[ $(</told/word) == yes ]]"]
# Exit status of what ended by SIGKILL.
KILLED = 137
# Several times the period of the probes.
WELL_SECONDS = 4.0
# A container's files don't outlive it, those of the pod do.
NOTES = {"name": "notes", "emptyDir": {}}
ONCE = "[[ -e /notes/once ]] || { touch /notes/once; %s; }; %s"


def status_of(found: Object) -> Object:
    """Return the status of a pod's only container, without anything where there is none yet."""
    statuses = found["status"].get("containerStatuses", [])
    empty: Object = {"restartCount": 0, "state": {}, "lastState": {}}
    return statuses[0] if statuses else empty


def container_status(scene: Scene, pod: str) -> Object:
    """Return the status of a pod's only container now."""
    return status_of(scene.space.get("Pod", pod))


def restarted(scene: Scene, pod: str) -> Object:
    """Wait until a container runs again; return its status."""

    def attempt() -> Object:
        found = scene.space.get("Pod", pod)
        status = status_of(found)
        again = status["restartCount"] > 0 and "running" in status["state"]
        expect(again, f"{status['restartCount']} restarts ({pods.problem(found)})", f"pod {pod} running again")
        return status

    found: Object = scene.wait(attempt)
    return found


def noting(scene: Scene, first: str, then: str) -> Object:
    """Return a container that does something only once, and something else from then on."""
    return scene.script(ONCE % (first, then), volumeMounts=[{"name": "notes", "mountPath": "/notes"}])


def memory_limit(scene: Scene) -> str:
    """See a container that takes too much memory killed, and started again."""
    greedy = noting(scene, "exec tail /dev/zero", "exec sleep infinity")
    greedy["resources"] = {"limits": {"memory": "32Mi"}, "requests": {"memory": "16Mi"}}
    status = restarted(scene, scene.run(greedy, volumes=[NOTES]))
    ended = status["lastState"]["terminated"]
    # Where the runtime misses the kernel's event, kubelet knows only that it was killed.
    killed = ended["reason"] == "OOMKilled" or ended["exitCode"] == KILLED
    expect(killed, f"an end as {ended['reason']} with exit status {ended['exitCode']}", "OOMKilled")
    return f"killed at 32Mi ({ended['reason']}, exit status {ended['exitCode']}), and restarted"


def restart_policy(scene: Scene) -> str:
    """See each policy after an end that is a success or a failure."""
    always = scene.run(noting(scene, "exit 0", "exec sleep infinity"), "always", volumes=[NOTES])
    on_failure = scene.run(noting(scene, "exit 3", "exit 0"), "on-failure", volumes=[NOTES], restartPolicy="OnFailure")
    never = scene.run(scene.script("exit 3"), "never", restartPolicy="Never")
    ended = restarted(scene, always)["lastState"]["terminated"]["exitCode"]
    expect(ended == 0, f"pod {always} restarted after exit status {ended}", "after 0")
    scene.phase(on_failure, "Succeeded", "Failed")
    for pod, phase, count in ((on_failure, "Succeeded", 1), (never, "Failed", 0)):
        found = scene.phase(pod, "Succeeded", "Failed")["status"]["phase"]
        restarts = container_status(scene, pod)["restartCount"]
        expect((found, restarts) == (phase, count), f"pod {pod} {found}, {restarts} restarts", f"{phase}, {count}")
    return "Always after a success, OnFailure after a failure and not after a success, Never"


def tell(scene: Scene, pod: str, word: str) -> None:
    """Let a file in a pod say something else."""
    scene.space.patch("Pod", pod, {"metadata": {"annotations": {TOLD: word}}})


def told(container: Object) -> Object:
    """Return a container with the file that tells it what to be."""
    return {**container, "volumeMounts": [{"name": "told", "mountPath": "/told"}]}


def liveness_probe(scene: Scene) -> str:
    """See a container that is said to be dead restarted, and not again once it is well."""
    probe = {"exec": {"command": IS_YES}, "periodSeconds": 1, "timeoutSeconds": 5, "failureThreshold": 1}
    made = told(scene.script("exec sleep infinity", livenessProbe=probe))
    pod = scene.run(made, annotations={TOLD: "yes"}, volumes=[TOLD_VOLUME])
    scene.phase(pod, "Running")
    restarts = container_status(scene, pod)["restartCount"]
    expect(restarts == 0, f"{restarts} restarts of a living container", "none")
    tell(scene, pod, "no")

    def killed() -> None:
        count = container_status(scene, pod)["restartCount"]
        expect(count > 0, "no restart", f"pod {pod} restarted by its liveness probe")

    scene.wait(killed)
    tell(scene, pod, "yes")

    def well() -> int:
        before = restarted(scene, pod)["restartCount"]
        time.sleep(WELL_SECONDS)
        after = container_status(scene, pod)
        found = f"{after['restartCount'] - before} more restarts, {', '.join(after['state'])}"
        expect(after["restartCount"] == before and "running" in after["state"], found, "a container that runs on")
        return int(before)

    count = scene.wait(well)
    return f"restarted when it failed ({count}x), left alone when it did not"


def readiness_probe(scene: Scene) -> str:
    """See a pod that is not ready get nothing from the service, without a restart, and get it again."""
    probe = {"exec": {"command": IS_YES}, "periodSeconds": 1, "timeoutSeconds": 5, "failureThreshold": 1}
    made = told(scene.server(readinessProbe=probe))
    annotations = {TOLD: "yes"}
    names = {
        scene.run(made, name, group="", annotations=annotations, volumes=[TOLD_VOLUME]) for name in ("one", "other")
    }
    address = scene.expose()["spec"]["clusterIP"]
    observer = scene.observe(f"fetch {address} 80")
    one, other = sorted(names)

    def answering(wanted: set[str]) -> None:
        heard: list[str] = []

        def right(lines: list[str]) -> bool:
            heard[:] = [*heard, *lines][-8:]
            return set(heard) == wanted

        scene.hears(observer, f"answers of {' and '.join(sorted(wanted))} only", right, 4)

    def addresses() -> set[str]:
        slices = scene.space.all("EndpointSlice", **{"kubernetes.io/service-name": scene.named()})
        return {
            endpoint["targetRef"]["name"]
            for item in slices
            for endpoint in item.get("endpoints") or []
            if endpoint["conditions"].get("ready")
        }

    answering(names)
    tell(scene, one, "no")
    answering({other})
    expect(addresses() == {other}, f"endpoints {', '.join(sorted(addresses()))}", other)
    tell(scene, one, "yes")
    answering(names)
    restarts = container_status(scene, one)["restartCount"]
    expect(restarts == 0, f"{restarts} restarts", "none by a readiness probe")
    return "out of the service while not ready, without a restart, and back"


CASES = (
    Case("readiness-probe", readiness_probe),
    Case("liveness-probe", liveness_probe),
    Case("memory-limit", memory_limit),
    Case("restart-policy", restart_policy),
)
