# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A part of the platform: what it consists of, what the cluster has of it, and the way from one to the other.

What a part consists of is remembered in the cluster, in the ConfigMap kube-system/kubestead-parts, so that a part can
be changed or removed from any controller. The record is written before anything is applied: a run that is killed
forgets nothing.

Objects are applied and compared by server-side apply and its dry run
(https://kubernetes.io/docs/reference/using-api/server-side-apply/): the API itself tells what would change.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from ansible_collections.kubestead.cluster.plugins.module_utils._kube import (
    APPLY_PATCH,
    MERGE_PATCH,
    Api,
    ApiError,
)

FIELD_MANAGER = "kubestead"
RECORD = "/api/v1/namespaces/kube-system/configmaps/kubestead-parts"
CREATE_ONLY = "kubestead.io/create-only"
# What others stand on comes first, what needs running pods (webhooks) or new kinds last.
FIRST = ("Namespace", "CustomResourceDefinition", "PriorityClass", "StorageClass", "ServiceAccount", "Secret")
FIRST += ("ConfigMap", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "PersistentVolume")
FIRST += ("PersistentVolumeClaim", "Service", "IngressClass", "DaemonSet", "Deployment", "StatefulSet")
# What the API adds or counts by itself.
OWN_FIELDS = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink")
POLL_SECONDS = 0.5


class DefinitionError(Exception):
    """A definition can't be applied."""


class NotDone(Exception):
    """Objects did not get where they should in time."""


@dataclass(frozen=True, order=True)
class Identity:
    """Which object it is."""

    api_version: str
    kind: str
    namespace: str
    name: str

    @classmethod
    def of(cls, definition: Mapping[str, Any]) -> Identity:
        """Return the identity of a definition."""
        try:
            metadata = definition["metadata"]
            return cls(definition["apiVersion"], definition["kind"], metadata.get("namespace", ""), metadata["name"])
        except (KeyError, TypeError, AttributeError):
            text = json.dumps(definition, default=str)[:200]
            raise DefinitionError(f"found {text}, expected an object with apiVersion, kind and metadata.name") from None

    def __str__(self) -> str:
        """As messages and diffs name it."""
        return f"{self.kind} {self.namespace + '/' if self.namespace else ''}{self.name}"


@dataclass(frozen=True)
class Change:
    """One object that is not as it should be; `wanted` is None for one that goes."""

    identity: Identity
    wanted: Mapping[str, Any] | None
    before: str
    after: str


def parse(text: str) -> list[dict[str, Any]]:
    """Return the objects of a YAML stream; empty documents are none, lists are opened."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found = [document for document in yaml.load_all(text, Loader=loader) if document]
    return [item for document in found for item in (document["items"] if is_list(document) else [document])]


def is_list(document: Any) -> bool:
    """Tell whether a document is a List of objects."""
    return isinstance(document, dict) and document.get("kind") == "List" and "items" in document


def in_order(definitions: Iterable[dict[str, Any]]) -> dict[Identity, dict[str, Any]]:
    """Return the definitions by identity, in the order in which they are applied."""
    wanted: dict[Identity, dict[str, Any]] = {}
    for definition in definitions:
        identity = Identity.of(definition)
        if identity in wanted:
            raise DefinitionError(f"{identity}: found twice, expected once")
        wanted[identity] = definition
    place = {kind: number for number, kind in enumerate(FIRST)}
    return dict(sorted(wanted.items(), key=lambda item: place.get(item[0].kind, len(FIRST))))


def shown(live: Mapping[str, Any]) -> dict[str, Any]:
    """Return of an object what is somebody's wish: without status and what the API counts."""
    metadata = {name: value for name, value in live["metadata"].items() if name not in OWN_FIELDS}
    return {**{name: value for name, value in live.items() if name != "status"}, "metadata": metadata}


def text_of(definition: Mapping[str, Any]) -> str:
    """Return an object as text for a diff; a Secret's values are only counted."""
    content = dict(definition)
    if definition["kind"] == "Secret":
        for name in ("data", "stringData"):
            content[name] = {key: f"({len(value)} characters)" for key, value in (definition.get(name) or {}).items()}
    return yaml.safe_dump(content, sort_keys=True, allow_unicode=True)


def rolled_out(live: Mapping[str, Any]) -> str | None:
    """Return what a workload still waits for, None if it is rolled out or none.

    As kubectl rollout status sees it (https://github.com/kubernetes/kubectl/blob/master/pkg/polymorphichelpers/).
    """
    if live["kind"] not in ("Deployment", "DaemonSet", "StatefulSet"):
        return None
    status = live.get("status", {})
    if status.get("observedGeneration", 0) < live["metadata"]["generation"]:
        return "not seen by its controller yet"
    if live["kind"] == "DaemonSet":
        wanted = status.get("desiredNumberScheduled", 0)
        updated, available = status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0)
    else:
        wanted = live["spec"].get("replicas", 1)
        updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    if updated < wanted or available < wanted:
        return f"{updated} of {wanted} pods updated, {available} available"
    return None


class Part:
    """One part of the platform in one cluster."""

    def __init__(self, api: Api, name: str) -> None:
        """Remember where; nothing is asked yet."""
        self._api = api
        self._name = name
        self._kinds: dict[str, dict[str, tuple[str, bool]]] = {}
        self.recorded: dict[str, list[Identity]] = {}

    def read(self) -> None:
        """Read what all parts consist of."""
        record = self._api.get(RECORD) or {}
        self.recorded = {
            part: [Identity(*item) for item in json.loads(items)] for part, items in (record.get("data") or {}).items()
        }

    def path(self, identity: Identity, kind_may_be_missing: bool = True) -> str | None:
        """Return where the API has an object, None if it does not know such a kind."""
        version = identity.api_version
        base = f"/apis/{version}" if "/" in version else f"/api/{version}"
        if version not in self._kinds:
            resources = (self._api.get(base) or {}).get("resources", [])
            self._kinds[version] = {
                item["kind"]: (item["name"], item["namespaced"]) for item in resources if "/" not in item["name"]
            }
        if identity.kind not in self._kinds[version]:
            del self._kinds[version]
            if kind_may_be_missing:
                return None
            raise DefinitionError(f"{identity}: the cluster knows no {identity.kind} of {version}")
        plural, namespaced = self._kinds[version][identity.kind]
        if namespaced != bool(identity.namespace):
            wanted = "a namespace" if namespaced else "none: it belongs to the whole cluster"
            raise DefinitionError(f"{identity}: found namespace {identity.namespace!r}, expected {wanted}")
        place = f"/namespaces/{identity.namespace}" if namespaced else ""
        return f"{base}{place}/{plural}/{identity.name}"

    def live(self, identity: Identity) -> Any:
        """Return an object as the cluster has it, None if there is none."""
        path = self.path(identity)
        return self._api.get(path) if path else None

    def patch(self, identity: Identity, definition: Mapping[str, Any], dry_run: bool) -> Any:
        """Apply an object, or ask what that would make of it."""
        query = {"fieldManager": FIELD_MANAGER, "force": "true", **({"dryRun": "All"} if dry_run else {})}
        path = self.path(identity, kind_may_be_missing=False)
        return self._api.request("PATCH", str(path), definition, APPLY_PATCH, query)

    def difference(self, identity: Identity, definition: Mapping[str, Any]) -> Change | None:
        """Return how an object differs from its definition."""
        live = self.live(identity)
        if live is None:
            return Change(identity, definition, "", text_of(definition))
        annotations = definition["metadata"].get("annotations") or {}
        if annotations.get(CREATE_ONLY) == "true":
            return None
        after = self.patch(identity, definition, dry_run=True)
        if shown(live) == shown(after):
            return None
        return Change(identity, definition, text_of(shown(live)), text_of(shown(after)))

    def plan(self, wanted: Mapping[Identity, Mapping[str, Any]]) -> list[Change]:
        """Return all that has to change: first what is applied, then what goes, last come first gone."""
        changes = [self.difference(identity, definition) for identity, definition in wanted.items()]
        gone = [identity for identity in reversed(self.recorded.get(self._name, [])) if identity not in wanted]
        lives = ((identity, self.live(identity)) for identity in gone)
        removals = [Change(identity, None, text_of(shown(live)), "") for identity, live in lives if live]
        return [change for change in changes if change] + removals

    def differs(self, identities: Sequence[Identity]) -> bool:
        """Tell whether the record says otherwise."""
        return list(identities) != self.recorded.get(self._name, [])

    def record(self, identities: Sequence[Identity]) -> None:
        """Write down what the part consists of, unless just that is written."""
        if not self.differs(identities):
            return
        rows = [[item.api_version, item.kind, item.namespace, item.name] for item in identities]
        # null takes a key away.
        data = {"data": {self._name: json.dumps(rows) if rows else None}}
        try:
            self._api.request("PATCH", RECORD, data, MERGE_PATCH)
        except ApiError as error:
            if error.status != 404:
                raise
            place, _slash, name = RECORD.rpartition("/")
            document = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, **data}
            self._api.request("POST", place, document)
        self.recorded = {part: items for part, items in self.recorded.items() if part != self._name}
        if identities:
            self.recorded[self._name] = list(identities)

    def apply(self, wanted: Mapping[Identity, Mapping[str, Any]], changes: Sequence[Change], timeout: float) -> None:
        """Do what was planned."""
        deadline = time.monotonic() + timeout
        before = self.recorded.get(self._name, [])
        self.record([*wanted, *(identity for identity in before if identity not in wanted)])
        for change in changes:
            if change.wanted is not None:
                self._patch_in_time(change.identity, change.wanted, deadline)
        removed = [change.identity for change in changes if change.wanted is None]
        for identity in removed:
            self._delete(identity)
        for identity in removed:
            self._wait(identity, self._still_there, deadline, timeout)
        self.record(list(wanted))

    def _patch_in_time(self, identity: Identity, definition: Mapping[str, Any], deadline: float) -> None:
        """Apply an object; a new kind is served, and a webhook of the part's own answers, only after a while."""
        while True:
            try:
                self.patch(identity, definition, dry_run=False)
                return
            except (ApiError, DefinitionError) as error:
                webhook = isinstance(error, ApiError) and "failed calling webhook" in str(error)
                if not (webhook or isinstance(error, DefinitionError)) or time.monotonic() > deadline:
                    raise
            time.sleep(POLL_SECONDS)

    def _delete(self, identity: Identity) -> None:
        path = self.path(identity)
        try:
            if path:
                self._api.request("DELETE", path, {"propagationPolicy": "Background"})
        except ApiError as error:
            if error.status != 404:
                raise

    def _still_there(self, identity: Identity) -> str | None:
        live = self.live(identity)
        return None if live is None else f"still there, held by {live['metadata'].get('finalizers') or 'its pods'}"

    def _not_rolled_out(self, identity: Identity) -> str | None:
        live = self.live(identity)
        return "not there" if live is None else rolled_out(live)

    def wait_for_workloads(self, wanted: Iterable[Identity], timeout: float) -> None:
        """Wait until all workloads of the part are rolled out."""
        deadline = time.monotonic() + timeout
        for identity in wanted:
            if identity.kind in ("Deployment", "DaemonSet", "StatefulSet"):
                self._wait(identity, self._not_rolled_out, deadline, timeout)

    def _wait(self, identity: Identity, lacks: Any, deadline: float, timeout: float) -> None:
        while True:
            found = lacks(identity)
            if found is None:
                return
            if time.monotonic() > deadline:
                place = f" -n {identity.namespace}" if identity.namespace else ""
                raise NotDone(
                    f"{identity}: {found} after {timeout:.0f} s; look at "
                    f"`kubectl{place} describe {identity.kind.lower()} {identity.name}` and at the pods' events"
                )
            time.sleep(POLL_SECONDS)
