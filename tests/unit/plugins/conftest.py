# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster in memory, for what talks to the API."""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.module_utils._kube import APPLY_PATCH, MERGE_PATCH, ApiError
from ansible_collections.kubestead.cluster.plugins.plugin_utils import manifests

Object = dict[str, Any]
Path = tuple[str, ...]


def leaves(value: Any, path: Path = ()) -> dict[Path, Any]:
    """The fields that somebody who applies this owns; lists are owned whole."""
    if isinstance(value, dict) and value:
        return {key: leaf for name, item in value.items() for key, leaf in leaves(item, (*path, name)).items()}
    return {path: value}


def put(target: Object, path: Path, value: Any) -> None:
    for name in path[:-1]:
        target = target.setdefault(name, {})
    target[path[-1]] = value


def drop(target: Object, path: Path) -> None:
    if path[0] in target and len(path) > 1:
        drop(target[path[0]], path[1:])
    if len(path) == 1 or not target.get(path[0]):
        target.pop(path[0], None)


class Cluster:
    """The API of a cluster as far as parts of the platform meet it.

    Server-side apply with its ownership of fields and its dry run, namespaces and kinds that have to be there first,
    kinds that are served only after a while, webhooks whose pods don't run yet, finalizers.
    """

    server = "https://cluster"

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.owned: dict[str, dict[Path, Any]] = {}
        self.kinds: dict[str, dict[str, tuple[str, bool]]] = {
            "/api/v1": {
                "Namespace": ("namespaces", False),
                "Node": ("nodes", False),
                "Pod": ("pods", True),
                "ServiceAccount": ("serviceaccounts", True),
                "ConfigMap": ("configmaps", True),
                "Secret": ("secrets", True),
                "Service": ("services", True),
                "PersistentVolume": ("persistentvolumes", False),
            },
            "/apis/apps/v1": {"Deployment": ("deployments", True), "DaemonSet": ("daemonsets", True)},
            "/apis/storage.k8s.io/v1": {"StorageClass": ("storageclasses", False)},
            "/apis/apiextensions.k8s.io/v1": {"CustomResourceDefinition": ("customresourcedefinitions", False)},
        }
        self.requests: list[str] = []
        # Seconds that a new kind, a rollout and a removal with finalizers take.
        self.slowness = 0
        # Why the API refuses to apply, by what it would be applied to; None once it does no more.
        self.refusals: list[Callable[[str, Object], ApiError | None]] = []
        self._later: list[tuple[int, Callable[[], None]]] = []
        self._version = 100
        self.seconds = 0.0
        self("/api/v1/namespaces", "kube-system", {"kind": "Namespace"})

    def __call__(self, place: str, name: str, content: Object) -> Object:
        """Have an object that somebody else has made."""
        live: Object = {"apiVersion": "v1", "metadata": {"name": name}}
        live.update(copy.deepcopy(content))
        _base, inside, space = place.partition("/namespaces/")
        if inside:
            live["metadata"]["namespace"] = space.split("/")[0]
        return self._store(f"{place}/{name}", live)

    def changes(self) -> list[str]:
        """The requests that changed something, without the record of parts."""
        return [item for item in self.requests if "kubestead-parts" not in item and item.split()[0] != "GET"]

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        due = [action for moment, action in self._later if moment <= self.seconds]
        self._later = [(moment, action) for moment, action in self._later if moment > self.seconds]
        for action in due:
            action()

    def later(self, action: Callable[[], None]) -> None:
        self._later.append((int(self.seconds) + self.slowness, action))
        self.sleep(0)

    def get(self, path: str) -> Any:
        try:
            return self.request("GET", path)
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str = "application/json",
        query: dict[str, str] | None = None,
    ) -> Any:
        dry_run = (query or {}).get("dryRun") == "All"
        if method == "POST":
            path = f"{path}/{body['metadata']['name']}"
        if not dry_run:
            self.requests.append(f"{method} {path}")
        if method == "GET":
            return copy.deepcopy(self._found(method, path))
        if method == "DELETE":
            assert body == {"propagationPolicy": "Background"}
            return self._delete(path)
        if method == "POST":
            if path in self.objects:
                raise self.refusal(409, "AlreadyExists", f"{path} already exists", method, path)
            return copy.deepcopy(self._store(path, copy.deepcopy(body)))
        assert method == "PATCH"
        if content_type == MERGE_PATCH:
            return copy.deepcopy(self._merge(path, body))
        assert content_type == APPLY_PATCH
        assert query is not None
        assert {**query, "dryRun": ""} == {"fieldManager": "kubestead", "force": "true", "dryRun": ""}
        return copy.deepcopy(self._apply(path, copy.deepcopy(body), dry_run))

    def _merge(self, path: str, body: Any) -> Object:
        live: Object = self._found("PATCH", path)
        if body.get("metadata", {}).get("resourceVersion") not in (None, live["metadata"]["resourceVersion"]):
            raise self.refusal(409, "Conflict", "the object has been modified", "PATCH", path)
        for field, value in leaves(body).items():
            if value is None:
                drop(live, field)
            else:
                put(live, field, value)
        return self._store(path, live)

    def _found(self, method: str, path: str) -> Any:
        if path in self.kinds:
            rows = [{"kind": kind, "name": name, "namespaced": own} for kind, (name, own) in self.kinds[path].items()]
            # Parts of objects are listed, too.
            subresources = [{**row, "name": f"{row['name']}/status"} for row in rows]
            return {"kind": "APIResourceList", "resources": subresources + rows}
        base, _slash, plural = path.rpartition("/")
        group, _in, space = base.partition("/namespaces/")
        if plural in (name for name, _own in self.kinds.get(group, {}).values()) and "/" not in space:
            parts = [item.split("/") for item in self.objects]
            own = [item for item, names in zip(self.objects, parts, strict=True) if names[-2] == plural]
            return {"items": [self.objects[item] for item in own if item.startswith(f"{base}/")]}
        if path not in self.objects:
            raise self.refusal(404, "NotFound", f"{path} not found", method, path)
        return self.objects[path]

    @staticmethod
    def refusal(status: int, reason: str, message: str, method: str = "PATCH", path: str = "/x") -> ApiError:
        return ApiError(method, path, status, reason, message)

    def _served(self, path: str) -> bool:
        return any(
            path.startswith(f"{base}/") and name in path.removeprefix(base).split("/")
            for base, kinds in self.kinds.items()
            for name, _own in kinds.values()
        )

    def _admit(self, path: str, wanted: Object) -> None:
        if not self._served(path):
            raise self.refusal(404, "NotFound", "the server could not find the requested resource")
        place, _slash, _name = path.rpartition("/")
        parent, _slash, _plural = place.rpartition("/")
        if "/namespaces/" in parent and f"/api/v1/namespaces/{parent.rpartition('/')[2]}" not in self.objects:
            raise self.refusal(404, "NotFound", f"namespaces {parent.rpartition('/')[2]} not found")
        for reason in self.refusals:
            refused = reason(path, wanted)
            if refused:
                raise refused

    def _apply(self, path: str, wanted: Object, dry_run: bool) -> Object:
        self._admit(path, wanted)
        live = copy.deepcopy(self.objects.get(path, {}))
        live.setdefault("metadata", {}).pop("managedFields", None)
        for key, value in (wanted.pop("stringData", None) or {}).items():
            wanted.setdefault("data", {})[key] = base64.b64encode(value.encode()).decode()
        fields = leaves(wanted)
        for field in self.owned.get(path, {}):
            if field not in fields:
                drop(live, field)
        for field, value in fields.items():
            put(live, field, value)
        if live["kind"] == "Deployment":
            live.setdefault("spec", {}).setdefault("replicas", 1)
        # Of whoever owns no field nothing is remembered.
        if fields.keys() - {("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace")}:
            live["metadata"]["managedFields"] = [{"manager": "kubestead", "operation": "Apply"}]
        if dry_run:
            live["metadata"]["uid"] = "dry"
            return live
        self.owned[path] = fields
        return self._store(path, live)

    def _store(self, path: str, live: Object) -> Object:
        metadata = live["metadata"]
        before = self.objects.get(path, {})
        self._version += 1
        metadata["resourceVersion"] = str(self._version)
        metadata.setdefault("uid", f"uid-{self._version}")
        metadata.setdefault("creationTimestamp", "2026-11-23T01:00:00Z")
        if before.get("spec") != live.get("spec") or "generation" not in metadata:
            metadata["generation"] = metadata.get("generation", 0) + 1
        self.objects[path] = live
        if live["kind"] == "Deployment" and before.get("spec") != live["spec"]:
            self.later(lambda: self._rolled_out(path))
        if live["kind"] == "CustomResourceDefinition" and not before:
            self.later(lambda: self._serve(live))
        return live

    def _rolled_out(self, path: str) -> None:
        live = self.objects[path]
        wanted = live["spec"]["replicas"]
        counts = dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas"), wanted)
        live["status"] = {"observedGeneration": live["metadata"]["generation"], **counts}

    def _serve(self, definition: Object) -> None:
        spec = definition["spec"]
        for version in spec["versions"]:
            kinds = self.kinds.setdefault(f"/apis/{spec['group']}/{version['name']}", {})
            kinds[spec["names"]["kind"]] = (spec["names"]["plural"], spec["scope"] == "Namespaced")

    def _delete(self, path: str) -> Object:
        live = self._found("DELETE", path)
        if live["metadata"].get("finalizers"):
            live["metadata"]["deletionTimestamp"] = "2026-11-23T02:00:00Z"
            self.later(lambda: self._gone(path))
        else:
            self._gone(path)
        return {"kind": "Status", "status": "Success"}

    def _gone(self, path: str) -> None:
        live = self.objects.pop(path)
        self.owned.pop(path, None)
        if live["kind"] == "Namespace":
            inside = [item for item in self.objects if f"/namespaces/{live['metadata']['name']}/" in item]
            for item in inside:
                del self.objects[item]
        if live["kind"] == "CustomResourceDefinition":
            self.kinds = {
                base: kinds for base, kinds in self.kinds.items() if live["spec"]["group"] not in base.split("/")
            }


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """A cluster whose time passes while somebody waits."""
    made = Cluster()
    monkeypatch.setattr(manifests, "time", SimpleNamespace(monotonic=lambda: made.seconds, sleep=made.sleep))
    return made
