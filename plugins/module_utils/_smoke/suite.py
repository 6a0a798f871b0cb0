# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases, what each finds in the cluster, and running many of them at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ansible_collections.kubestead.cluster.plugins.module_utils._kube import MERGE_PATCH, Api, ApiError
from ansible_collections.kubestead.cluster.plugins.module_utils._smoke import pods
from ansible_collections.kubestead.cluster.plugins.module_utils._smoke.asking import Node, read_nodes
from ansible_collections.kubestead.cluster.plugins.module_utils._smoke.namespace import (
    Namespace,
    Object,
    Unmet,
    expect,
    until,
)

# Key of the taints and labels that cases put on nodes. A taint is known by key and effect, so each effect is one
# case's own, and the pods of all others tolerate it.
KEY = "kubestead.io/smoke"
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
# Taking turns costs less than all pods at once, which make each other late.
AT_ONCE = 8


class Skipped(Exception):
    """A case can't be tried in this cluster, for the reason that this tells."""


@dataclass(frozen=True)
class Settings:
    """What all cases are given."""

    image: str
    dns: bool
    evict: bool


@dataclass(frozen=True)
class Result:
    """How a case ended: ok, skipped or failed; and what was seen, or why."""

    case: str
    outcome: str
    seconds: float
    detail: str

    def line(self) -> str:
        """Return the result as a line of a table."""
        outcome = "FAILED" if self.outcome == "failed" else self.outcome
        return f"{outcome:<7} {self.case:<24} {self.seconds:5.1f} s  {self.detail}"


class Marks:
    """Taints and labels that cases put on nodes, all of one key."""

    def __init__(self, api: Api) -> None:
        """Nothing is changed yet."""
        self.api = api
        self._turn = threading.Lock()

    def _change(self, node: str, change: Callable[[Object], Mapping[str, Any] | None]) -> None:
        """Patch a node by what `change` makes of it, again where somebody else was faster."""
        path = f"/api/v1/nodes/{node}"

        def attempt() -> None:
            found = self.api.request("GET", path)
            patch = change(found)
            if patch is None:
                return
            version = {"resourceVersion": found["metadata"]["resourceVersion"]}
            metadata = {**patch.get("metadata", {}), **version}
            try:
                self.api.request("PATCH", path, {**patch, "metadata": metadata}, MERGE_PATCH)
            except ApiError as error:
                if error.status != 409:
                    raise
                raise Unmet(f"that others change node {node} all the time", "a moment to change it, too") from None

        with self._turn:
            until(attempt, 20)

    @contextmanager
    def taint(self, node: str, effect: str) -> Iterator[None]:
        """Taint a node for as long as this lasts."""
        wanted = {"key": KEY, "effect": effect}
        try:
            self._change(node, lambda found: {"spec": {"taints": [*found["spec"].get("taints", []), wanted]}})
            yield
        finally:
            self._change(node, lambda found: without_taints(found, [effect]))

    @contextmanager
    def label(self, node: str, value: str) -> Iterator[None]:
        """Label a node for as long as this lasts; the value is part of the key, so that cases don't meet."""
        key = f"{KEY}-{value}"
        try:
            self._change(node, lambda _found: {"metadata": {"labels": {key: value}}})
            yield
        finally:
            self._change(node, lambda _found: {"metadata": {"labels": {key: None}}})

    def sweep(self) -> None:
        """Remove what a killed run has left."""
        for found in self.api.request("GET", "/api/v1/nodes")["items"]:
            if unmarked(found):
                self._change(found["metadata"]["name"], unmarked)


def without_taints(node: Object, effects: Sequence[str]) -> Object | None:
    """Return the patch that removes our taints of these effects, None where there are none."""
    taints = node["spec"].get("taints", [])
    kept = [taint for taint in taints if taint["key"] != KEY or taint["effect"] not in effects]
    return {"spec": {"taints": kept or None}} if kept != taints else None


def unmarked(node: Object) -> Object | None:
    """Return the patch that removes all our taints and labels, None where there are none."""
    labels = {key: None for key in node["metadata"].get("labels", {}) if key.startswith(KEY)}
    patch = without_taints(node, EFFECTS) or {}
    if labels:
        patch["metadata"] = {"labels": labels}
    return patch or None


class Scene:
    """What one case works with. All objects of a case bear its name, or begin with it."""

    def __init__(self, case: str, space: Namespace, settings: Settings, nodes: Sequence[Node], marks: Marks) -> None:
        """Nothing is made yet."""
        self.case = case
        self.space = space
        self.settings = settings
        self.nodes = nodes
        self.marks = marks

    # Names

    def named(self, name: str = "") -> str:
        """Return the name of an object of this case."""
        return f"{self.case}-{name}" if name else self.case

    def labels(self, name: str = "") -> dict[str, str]:
        """Return the labels of the pods of an object."""
        return {"app": self.named(name)}

    # Nodes

    def worker(self) -> Node:
        """Return a node that takes ordinary pods; not a control plane, if there is another."""
        taking = sorted((node for node in self.nodes if node.schedulable), key=lambda node: node.control_plane)
        if not taking:
            raise Skipped("no node takes ordinary pods: all are tainted, cordoned or not Ready")
        return taking[0]

    def others(self, node: Node) -> list[Node]:
        """Return the other nodes that take ordinary pods."""
        return [other for other in self.nodes if other.schedulable and other != node]

    # Making

    def pod_spec(self, made: Object, untolerated: str = "", **spec: Any) -> Object:
        """Return the specification of a pod that only our taint of the effect `untolerated` concerns."""
        tolerations = [{"key": KEY, "operator": "Exists", "effect": item} for item in EFFECTS if item != untolerated]
        return pods.pod(made, **{"tolerations": tolerations, **spec})

    def template(self, made: Object, name: str = "", **spec: Any) -> Object:
        """Return what controllers make pods of."""
        return {"metadata": {"labels": self.labels(name)}, "spec": self.pod_spec(made, **spec)}

    def script(self, *command: str, **more: Any) -> Object:
        """Return a container that runs a script of bash."""
        return pods.container(self.settings.image, *command, **more)

    def server(self, answer: str = "", **more: Any) -> Object:
        """Return a container that answers."""
        return pods.server(self.settings.image, answer, **more)

    def run(
        self,
        made: Object,
        name: str = "",
        group: str | None = None,
        annotations: Mapping[str, str] | None = None,
        **spec: Any,
    ) -> str:
        """Start a pod, which has the labels of a group if one is given; return its name."""
        labels = self.labels(name if group is None else group)
        metadata = {"labels": labels, "annotations": dict(annotations or {})}
        self.space.make("Pod", self.named(name), {"metadata": metadata, "spec": self.pod_spec(made, **spec)})
        return self.named(name)

    def observe(self, look: str, name: str = "observer", **spec: Any) -> str:
        """Start a pod that looks twice a second and tells a line of what it sees; return its name."""
        return self.run(self.script(f"{pods.ASK}\nwhile :; do {look}; sleep 0.5; done"), name, **spec)

    def deploy(self, made: Object, replicas: int, name: str = "", **spec: Any) -> str:
        """Start a Deployment that never has fewer pods than it should; return its name."""
        self.space.make(
            "Deployment",
            self.named(name),
            {
                "spec": {
                    "replicas": replicas,
                    "selector": {"matchLabels": self.labels(name)},
                    "strategy": {"rollingUpdate": {"maxUnavailable": 0}},
                    "template": self.template(made, name, **spec),
                }
            },
        )
        return self.named(name)

    def expose(self, name: str = "", pods_of: str = "", **spec: Any) -> Object:
        """Make a service for port 80 of pods."""
        content = {"spec": {"selector": self.labels(pods_of), "ports": [{"port": 80}], **spec}}
        return self.space.make("Service", self.named(name), content)

    # Seeing

    def wait(self, attempt: Callable[[], Any]) -> Any:
        """Repeat an attempt for as long as pods may take."""
        return until(attempt, self.space.timeout)

    def pods(self, name: str = "") -> list[Object]:
        """Return the pods of an object that are not about to go."""
        found = self.space.all("Pod", **self.labels(name))
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def ready(self, count: int, name: str = "") -> list[Object]:
        """Wait for so many Ready pods, no more and no less; return them."""

        def attempt() -> list[Object]:
            found = self.pods(name)
            ready = [pod for pod in found if pods.is_ready(pod)]
            reasons = {pods.problem(pod) for pod in found if not pods.is_ready(pod)}
            why = f" ({'; '.join(sorted(reasons))})" if reasons else ""
            expect(
                len(ready) == len(found) == count,
                f"{len(ready)} of {len(found)} pods Ready{why}",
                f"{count} of {count}",
            )
            return ready

        found: list[Object] = self.wait(attempt)
        return found

    def rolled_out(self, name: str = "") -> Object:
        """Wait until a Deployment is rolled out (as `kubectl rollout status` does); return it."""

        def attempt() -> Object:
            found = self.space.get("Deployment", self.named(name))
            expect(is_rolled_out(found), rollout(found), "all pods of the newest revision available")
            return found

        done: Object = self.wait(attempt)
        return done

    def phase(self, pod: str, *wanted: str) -> Object:
        """Wait until a pod is in one of these phases; return it."""

        def attempt() -> Object:
            found = self.space.get("Pod", pod)
            phase = found["status"].get("phase", "")
            expect(phase in wanted, f"pod {pod} {phase} ({pods.problem(found)})", " or ".join(wanted))
            return found

        found: Object = self.wait(attempt)
        return found

    def unschedulable(self, pod: str) -> str:
        """Wait until a pod is Pending because it fits nowhere; return the scheduler's reason."""

        def attempt() -> str:
            found = self.space.get("Pod", pod)
            reasons = [item for item in found["status"].get("conditions", []) if item["type"] == "PodScheduled"]
            told = [str(item.get("message", "")) for item in reasons if item.get("reason") == "Unschedulable"]
            expect(bool(told), f"pod {pod} {found['status'].get('phase')}", "Pending as unschedulable")
            return told[0]

        reason: str = self.wait(attempt)
        return reason

    def hear(self, pod: str, count: int = 1) -> list[str]:
        """Return what a pod tells from now on, so many lines."""
        # The line that is being made now may tell of before.
        first = len(self.space.log(pod)) + 1

        def attempt() -> list[str]:
            lines = self.space.log(pod)[first : first + count]
            expect(len(lines) == count, f"{len(lines)} lines of pod {pod}", f"{count}, one every half second")
            return lines

        heard: list[str] = self.wait(attempt)
        return heard

    def hears(self, pod: str, wanted: str, right: Callable[[list[str]], bool], count: int = 1) -> list[str]:
        """Wait until what a pod tells is right."""

        def attempt() -> list[str]:
            lines = self.hear(pod, count)
            expect(right(lines), f"that pod {pod} tells {' / '.join(dict.fromkeys(lines))}", wanted)
            return lines

        heard: list[str] = self.wait(attempt)
        return heard


def is_rolled_out(deployment: Object) -> bool:
    """Tell whether all pods of a Deployment are of its newest revision and available, and no others are left."""
    status, wanted = deployment["status"], deployment["spec"]["replicas"]
    seen = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    return seen and all(status.get(name, 0) == wanted for name in ("replicas", "updatedReplicas", "availableReplicas"))


def rollout(deployment: Object) -> str:
    """Return how far a Deployment is, and the controller's word on it."""
    status = deployment["status"]
    counts = ", ".join(f"{name} {status.get(name, 0)}" for name in ("replicas", "updatedReplicas", "availableReplicas"))
    words = [item.get("message", "") for item in status.get("conditions", []) if item["status"] == "False"]
    return f"{counts}{' (' + '; '.join(words) + ')' if words else ''}"


@dataclass(frozen=True)
class Case:
    """A case by its name; `run` returns what it has seen, and raises what was not as expected."""

    name: str
    run: Callable[[Scene], str]


def try_case(case: Case, scene: Scene) -> Result:
    """Run a case; whatever goes wrong is its result."""
    started = time.monotonic()
    try:
        outcome, detail = "ok", case.run(scene)
    except Skipped as reason:
        outcome, detail = "skipped", str(reason)
    except Exception as error:
        own = isinstance(error, (Unmet, ApiError))
        outcome, detail = "failed", str(error) if own else f"{type(error).__name__}: {error}"
    return Result(case.name, outcome, time.monotonic() - started, detail)


def run_cases(cases: Sequence[Case], space: Namespace, settings: Settings) -> list[Result]:
    """Run cases, several at once, and remove what they and runs before this one have left."""
    results: list[Result] = []
    marks = Marks(space.api)
    marks.sweep()
    nodes = read_nodes(space.api)
    with space.lent(lambda why: results.append(Result("cleanup", "failed", space.timeout, why))):
        try:
            with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
                scenes = [Scene(case.name, space, settings, nodes, marks) for case in cases]
                results += pool.map(try_case, cases, scenes)
        finally:
            marks.sweep()
    return results
