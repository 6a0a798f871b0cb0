# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A namespace of ours for as long as it is needed, and waiting for what happens in it."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import quote

from ansible_collections.kubestead.cluster.plugins.module_utils._kube import MERGE_PATCH, Api, ApiError

Object = dict[str, Any]
Answer = TypeVar("Answer")

MANAGED_BY = {"app.kubernetes.io/managed-by": "kubestead"}
# Nothing here needs more, but a cluster's own default may be stricter: its pods then need a user that is not root.
SECURITY = {"pod-security.kubernetes.io/enforce": "baseline"}
JSON_PATCH = "application/json-patch+json"
# What the API calls the kinds (kubectl api-resources).
KINDS = {
    "ConfigMap": ("/api/v1", "configmaps"),
    "Pod": ("/api/v1", "pods"),
    "Secret": ("/api/v1", "secrets"),
    "Service": ("/api/v1", "services"),
    "DaemonSet": ("/apis/apps/v1", "daemonsets"),
    "Deployment": ("/apis/apps/v1", "deployments"),
    "ReplicaSet": ("/apis/apps/v1", "replicasets"),
    "StatefulSet": ("/apis/apps/v1", "statefulsets"),
    "HorizontalPodAutoscaler": ("/apis/autoscaling/v2", "horizontalpodautoscalers"),
    "CronJob": ("/apis/batch/v1", "cronjobs"),
    "Job": ("/apis/batch/v1", "jobs"),
    "EndpointSlice": ("/apis/discovery.k8s.io/v1", "endpointslices"),
}


class Refused(Exception):
    """The namespace belongs to somebody else, or can't be had."""


class Unmet(Exception):
    """Something is not, or not yet, as it has to be."""

    def __init__(self, found: object, expected: object) -> None:
        super().__init__(f"found {found}, expected {expected}")


def expect(holds: bool, found: object, expected: object) -> None:
    """Raise :class:`Unmet` unless it holds."""
    if not holds:
        raise Unmet(found, expected)


def until(attempt: Callable[[], Answer], patience: float) -> Answer:
    """Return what an attempt brings, repeated until it does; its last error otherwise."""
    deadline = time.monotonic() + patience
    while True:
        try:
            return attempt()
        except (OSError, http.client.HTTPException, Unmet):
            if time.monotonic() > deadline:
                raise
        time.sleep(0.5)


def obstacle(namespace: Object) -> str:
    """Return why a namespace is not gone yet, as its controller tells it."""
    conditions = namespace.get("status", {}).get("conditions", [])
    told = [item["message"] for item in conditions if item["status"] == "True" and item.get("message")]
    return "; ".join(told) or "no reason is told; look at the nodes that run its pods"


class Namespace:
    """A namespace, and short ways to what is in it."""

    def __init__(self, api: Api, name: str, timeout: float) -> None:
        """Remember where it is; nothing is asked yet. `timeout` is how long pods may take to come and to go."""
        self.api = api
        self.name = name
        self.timeout = timeout

    def read(self) -> Object | None:
        """Return the namespace itself, None where there is none."""
        found: Object | None = self.api.get(f"/api/v1/namespaces/{self.name}")
        return found

    @contextmanager
    def lent(self, left: Callable[[str], object]) -> Iterator[None]:
        """Have the namespace, without what an earlier run left in it, for as long as this lasts.

        If it can't be removed afterwards, `left` is told why: what was seen in it still counts.
        """
        self.remove()
        labels = {**MANAGED_BY, **SECURITY}
        self.api.request("POST", "/api/v1/namespaces", {"metadata": {"name": self.name, "labels": labels}})
        try:
            yield
        finally:
            try:
                self.remove()
            except Refused as error:
                left(str(error))

    def remove(self) -> None:
        """Remove the namespace, and wait until all in it is gone."""
        found = self.read()
        if found is None:
            return
        if MANAGED_BY.items() - found["metadata"].get("labels", {}).items():
            raise Refused(
                f"found a namespace {self.name} without the label {MANAGED_BY}, expected none or one of an earlier "
                "run; remove it, if it is not needed, and run again"
            )
        if "deletionTimestamp" not in found["metadata"]:
            self.api.request("DELETE", f"/api/v1/namespaces/{self.name}")
        deadline = time.monotonic() + self.timeout
        while found is not None:
            if time.monotonic() > deadline:
                raise Refused(
                    f"namespace {self.name} is still there {self.timeout:.0f} s after it was deleted: {obstacle(found)}"
                )
            time.sleep(0.5)
            found = self.read()

    def path(self, kind: str, name: str = "", subresource: str = "") -> str:
        """Return the path of an object, or of all of a kind."""
        group, plural = KINDS[kind]
        return "/".join(filter(None, (f"{group}/namespaces/{self.name}/{plural}", name, subresource)))

    def make(self, kind: str, name: str, content: Mapping[str, Any]) -> Object:
        """Create an object."""
        metadata = {**content.get("metadata", {}), "name": name}
        created: Object = self.api.request("POST", self.path(kind), {**content, "metadata": metadata})
        return created

    def find(self, kind: str, name: str) -> Object | None:
        """Return an object, None where there is none."""
        found: Object | None = self.api.get(self.path(kind, name))
        return found

    def get(self, kind: str, name: str) -> Object:
        """Return an object that has to be there."""
        found: Object = self.api.request("GET", self.path(kind, name))
        return found

    def all(self, kind: str, **labels: str) -> list[Object]:
        """Return the objects of a kind that have these labels (of names such as app)."""
        selector = ",".join(f"{name}={value}" for name, value in labels.items())
        found: list[Object] = self.api.request("GET", f"{self.path(kind)}?labelSelector={quote(selector)}")["items"]
        return found

    def patch(self, kind: str, name: str, content: Mapping[str, Any], subresource: str = "") -> Object:
        """Change what is given of an object."""
        patched: Object = self.api.request("PATCH", self.path(kind, name, subresource), content, MERGE_PATCH)
        return patched

    def replace(self, kind: str, name: str, path: str, value: object) -> Object:
        """Put something else in a place of an object."""
        steps = [{"op": "replace", "path": path, "value": value}]
        patched: Object = self.api.request("PATCH", self.path(kind, name), steps, JSON_PATCH)
        return patched

    def delete(self, kind: str, name: str) -> None:
        """Delete an object; not to wait for that."""
        self.api.request("DELETE", self.path(kind, name))

    def log(self, pod: str) -> list[str]:
        """Return the lines that a pod has written, those that are complete."""
        try:
            text = self.api.text(self.path("Pod", pod, "log"))
        except ApiError as error:
            # The container has not started, or kubelet does not know it yet.
            if error.status in (400, 404):
                return []
            raise
        return text.split("\n")[:-1]
