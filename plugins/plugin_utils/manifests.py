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
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from ansible_collections.kubestead.cluster.plugins.module_utils._kube import (
    APPLY_PATCH,
    MERGE_PATCH,
    Api,
    ApiError,
)
from ansible_collections.kubestead.cluster.plugins.plugin_utils.stored import Meanwhile

FIELD_MANAGER = "kubestead"
RECORD = "/api/v1/namespaces/kube-system/configmaps/kubestead-parts"
CREATE_ONLY = "kubestead.io/create-only"
# What others stand on comes first, what needs running pods (webhooks) or new kinds last.
# Kinds go after namespaces: of a namespace that goes just after a kind, the API server looks for objects of that kind
# for some minutes.
FIRST = (
    "CustomResourceDefinition",
    "Namespace",
    "PriorityClass",
    "StorageClass",
    "ServiceAccount",
    "Secret",
    "ConfigMap",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Service",
    "IngressClass",
    "DaemonSet",
    "Deployment",
    "StatefulSet",
)
WORKLOADS = ("Deployment", "DaemonSet", "StatefulSet")
# Kubernetes' own kinds that people and their tools put into a namespace.
HELD = {
    "v1": (
        *("ConfigMap", "LimitRange", "PersistentVolumeClaim", "Pod", "ReplicationController", "ResourceQuota"),
        *("Secret", "Service", "ServiceAccount"),
    ),
    "apps/v1": WORKLOADS,
    "autoscaling/v2": ("HorizontalPodAutoscaler",),
    "batch/v1": ("CronJob", "Job"),
    "networking.k8s.io/v1": ("Ingress", "NetworkPolicy"),
    "policy/v1": ("PodDisruptionBudget",),
    "rbac.authorization.k8s.io/v1": ("Role", "RoleBinding"),
}
# What every namespace has.
EVERYWHERE = (("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default"))
TOKEN = "kubernetes.io/service-account-token"  # noqa: S105  the type of a Secret
# What the API adds or counts by itself.
OWN_FIELDS = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink")
NAME_LABEL = "kubernetes.io/metadata.name"
KIND_OF_KINDS = "CustomResourceDefinition"
POLL_SECONDS = 0.5
#: How often to write the record again after others.
ATTEMPTS = 5
# All Nodes are a long answer in a large cluster, and a minute passes until one counts as lost.
NODES_SECONDS = 5
# Refusals that end once the part's own pods run and its kinds are served by every API server.
PASSING = ("failed calling webhook", "conversion webhook", "could not find the requested resource")
# A copy of the whole object that kubectl apply keeps.
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

# Dates and a lone = are text in YAML for the API (https://yaml.org/spec/1.2.2/ has no such types).
_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NO_TYPES = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:value")
_RESOLVERS = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _NO_TYPES]
    for first, resolvers in _BASE.yaml_implicit_resolvers.items()
}
_LOADER = type("Loader", (_BASE,), {"yaml_implicit_resolvers": _RESOLVERS})


class DefinitionError(Exception):
    """A definition can't be applied."""


class UnknownKind(DefinitionError):
    """The cluster does not know such a kind, or not yet."""


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
        parts: tuple[Any, ...] = ()
        try:
            metadata = definition["metadata"]
            parts = (definition["apiVersion"], definition["kind"], metadata.get("namespace") or "", metadata["name"])
        except (KeyError, TypeError, AttributeError):
            pass
        if not parts or not all(isinstance(part, str) for part in parts):
            # Other fields may hold secrets.
            told = {"apiVersion", "kind", "metadata"}.intersection(definition)
            text = ", ".join(f"{name} {definition[name]!r:.100}" for name in sorted(told)) or "none of them"
            raise DefinitionError(f"found {text}, expected an object with apiVersion, kind and metadata.name")
        return cls(*parts)

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


def parse(name: str, text: str) -> list[Any]:
    """Return the documents of a YAML stream; `name` tells errors where it is from, and where JSON is read faster."""
    try:
        if name.endswith(".json"):
            return [json.loads(text)]
        # libyaml takes no text that Ansible has tagged.
        return list(yaml.load_all(str(text), Loader=_LOADER))
    except yaml.MarkedYAMLError as error:
        # The text of such an error quotes the line, which may hold a secret.
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise DefinitionError(f"{name}: line {line} is no YAML: {error.problem}") from None
    except ValueError as error:
        raise DefinitionError(f"{name}: is no JSON: {error}") from None
    except yaml.YAMLError as error:
        raise DefinitionError(f"{name}: is no YAML: {error}") from None


def opened(documents: Iterable[Any]) -> list[Any]:
    """Return the objects of documents: empty ones are none, lists have many."""
    found = [document for document in documents if document]
    return [item for document in found for item in (document["items"] or [] if is_list(document) else [document])]


def is_list(document: Any) -> bool:
    """Tell whether a document is a List of objects."""
    return isinstance(document, Mapping) and document.get("kind") == "List" and "items" in document


def in_order(definitions: Iterable[dict[str, Any]]) -> dict[Identity, dict[str, Any]]:
    """Return the definitions by identity, in the order in which they are applied."""
    wanted: dict[Identity, dict[str, Any]] = {}
    for definition in definitions:
        if not isinstance(definition, Mapping):
            raise DefinitionError(f"found {type(definition).__name__}, expected an object with apiVersion and kind")
        identity = Identity.of(definition)
        if identity in wanted:
            raise DefinitionError(f"{identity}: found twice, expected once")
        # Plain text and numbers, whatever Ansible has made of them.
        wanted[identity] = json.loads(json.dumps(definition, default=str))
    place = {kind: number for number, kind in enumerate(FIRST)}
    return dict(sorted(wanted.items(), key=lambda item: place.get(item[0].kind, len(FIRST))))


def shown(live: Mapping[str, Any]) -> dict[str, Any]:
    """Return of an object what is somebody's wish: without status and what the API counts."""
    metadata = {name: value for name, value in live["metadata"].items() if name not in OWN_FIELDS}
    return {**{name: value for name, value in live.items() if name != "status"}, "metadata": metadata}


def text_of(definition: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> str:
    """Return an object as text for a diff; of a Secret's values only how long they are, and whether they change."""
    content = dict(definition)
    if definition["kind"] == "Secret":
        for name in {"data", "stringData"}.intersection(definition):
            values = definition[name] or {}
            old = values if before is None else before.get(name) or {}
            content[name] = {
                key: f"({len(str(value))} characters{'' if value == old.get(key) else ', new'})"
                for key, value in values.items()
            }
        metadata = definition["metadata"]
        if LAST_APPLIED in (metadata.get("annotations") or {}):
            content["metadata"] = {**metadata, "annotations": {**metadata["annotations"], LAST_APPLIED: "(hidden)"}}
    return yaml.safe_dump(content, sort_keys=True, allow_unicode=True)


def rolled_out(live: Mapping[str, Any], unreached: int = 0) -> str | None:
    """Return what a workload still waits for, None if it is rolled out or none.

    As kubectl rollout status sees it (https://github.com/kubernetes/kubectl/blob/master/pkg/polymorphichelpers/), but
    for pods on nodes that can't be reached: those of a DaemonSet stay there, others are moved away after minutes.
    """
    if live["kind"] not in WORKLOADS:
        return None
    status = live.get("status", {})
    if status.get("observedGeneration", 0) < live["metadata"]["generation"]:
        return "not seen by its controller yet"
    if live["kind"] == "DaemonSet":
        if not status.get("desiredNumberScheduled"):
            return "fits no node (see its nodeSelector and the nodes' taints)"
        wanted = status["desiredNumberScheduled"]
        updated, available = status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0)
    else:
        wanted = live["spec"].get("replicas", 1)
        updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    if min(updated, available) < wanted - unreached:
        return f"{updated} of {wanted} pods updated, {available} available"
    if live["kind"] == "Deployment" and status.get("replicas", 0) > updated:
        # Until then it may be the old pods that are available.
        return f"{status['replicas'] - updated} old pods still there"
    return None


def released(live: Mapping[str, Any]) -> bool:
    """Tell whether a volume still belongs to a claim that is gone: no other claim gets it until somebody frees it.

    https://kubernetes.io/docs/concepts/storage/persistent-volumes/#retain
    """
    return bool(live["kind"] == "PersistentVolume" and live.get("status", {}).get("phase") == "Released")


def managers(live: Mapping[str, Any]) -> set[str]:
    """Return who has written an object, not counting its status: tools and programs, by default by their own names."""
    entries = live["metadata"].get("managedFields") or []
    return {str(entry.get("manager")) for entry in entries if entry.get("subresource") != "status"}


def made_by_others(namespace: Mapping[str, Any]) -> bool:
    """Tell whether somebody else made a namespace: who did owns the label that the API adds to it."""
    fields = [
        entry.get("fieldsV1", {}).get("f:metadata", {}).get("f:labels", {})
        for entry in namespace["metadata"].get("managedFields") or []
        if entry.get("manager") != FIELD_MANAGER
    ]
    return any(f"f:{NAME_LABEL}" in labels for labels in fields)


def lost(node: Mapping[str, Any]) -> bool:
    """Tell whether a node has not been heard of for long: one that is starting says itself that it is not ready."""
    conditions = node.get("status", {}).get("conditions") or []
    return any(item["type"] == "Ready" and item["status"] == "Unknown" for item in conditions)


def containers(live: Mapping[str, Any]) -> set[str]:
    """Return the names of a workload's containers."""
    template = live.get("spec", {}).get("template", {}) if live["kind"] in WORKLOADS else {}
    return {container["name"] for container in template.get("spec", {}).get("containers", [])}


def _base(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def _passes(error: Exception) -> bool:
    """Tell whether to try again."""
    return isinstance(error, UnknownKind) or any(text in str(error) for text in PASSING)


class Part:
    """One part of the platform in one cluster."""

    def __init__(self, api: Api, name: str) -> None:
        """Remember where; nothing is asked yet."""
        self._api = api
        self.name = name
        self._kinds: dict[str, dict[str, tuple[str, bool]]] = {}
        self._foreign: list[Identity] = []
        #: Whether namespaces of new objects are there.
        self._spaces: dict[str, bool] = {}
        self.recorded: dict[str, list[Identity]] = {}
        #: The version of the record that was read, None where there is none.
        self._version: str | None = None
        #: Namespaces and kinds that should go and stay, because others have objects in them.
        self.kept: dict[Identity, list[str]] = {}
        #: Objects that should go and stay, because somebody has put others in their place.
        self.replaced: list[Identity] = []
        #: Nodes whose pods of a DaemonSet were not waited for.
        self.unreached: dict[Identity, list[str]] = {}
        self._lost: set[str] = set()
        self._lost_known_until = 0.0

    def read(self) -> None:
        """Read what all parts consist of."""
        record = self._api.get(RECORD) or {}
        self._version = (record.get("metadata") or {}).get("resourceVersion")
        try:
            self.recorded = {
                part: [Identity(*item) for item in json.loads(items)]
                for part, items in (record.get("data") or {}).items()
            }
        except (ValueError, TypeError) as error:
            raise DefinitionError(
                f"ConfigMap kube-system/kubestead-parts: {error}; expected for each part the list of its objects, each "
                "as [apiVersion, kind, namespace, name]"
            ) from None

    def path(self, identity: Identity, kind_may_be_missing: bool = True) -> str | None:
        """Return where the API has an object, None if it does not know such a kind."""
        version = identity.api_version
        kinds = self._served(version)
        if identity.kind not in kinds:
            del self._kinds[version]
            if kind_may_be_missing:
                return None
            raise UnknownKind(f"{identity}: the cluster knows no {identity.kind} of {version}")
        plural, namespaced = kinds[identity.kind]
        if namespaced != bool(identity.namespace):
            wanted = "a namespace" if namespaced else "none: it belongs to the whole cluster"
            raise DefinitionError(f"{identity}: found namespace {identity.namespace!r}, expected {wanted}")
        place = f"/namespaces/{identity.namespace}" if namespaced else ""
        return f"{_base(version)}{place}/{plural}/{identity.name}"

    def _served(self, version: str) -> dict[str, tuple[str, bool]]:
        """Return the kinds of an API version: what paths call them, and whether they are in namespaces."""
        if version not in self._kinds:
            resources = (self._api.get(_base(version)) or {}).get("resources", [])
            self._kinds[version] = {
                item["kind"]: (item["name"], item["namespaced"]) for item in resources if "/" not in item["name"]
            }
        return self._kinds[version]

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
            self._try(identity, definition)
            return Change(identity, definition, "", text_of(definition))
        if self._is_foreign(identity, live):
            self._foreign.append(identity)
            return None
        annotations = definition["metadata"].get("annotations") or {}
        if annotations.get(CREATE_ONLY) == "true":
            return None
        before = text_of(shown(live))
        if released(live):
            return Change(
                identity, definition, f"{before}# belongs to a claim that is gone\n", f"{before}# is free again\n"
            )
        try:
            after = self.patch(identity, definition, dry_run=True)
        except ApiError as error:
            if not _passes(error):
                raise
            # What is broken may be what this run repairs.
            return Change(identity, definition, before, f"{before}# can't be compared, is applied again: {error}\n")
        if shown(live) == shown(after):
            return None
        return Change(identity, definition, before, text_of(shown(after), before=live))

    def _try(self, identity: Identity, definition: Mapping[str, Any]) -> None:
        """Have the API refuse a new object before anything is changed, where it could be put already."""
        space = identity.namespace
        if space and space not in self._spaces:
            self._spaces[space] = self.live(Identity("v1", "Namespace", "", space)) is not None
        if (space and not self._spaces[space]) or not self.path(identity):
            return
        try:
            self.patch(identity, definition, dry_run=True)
        except ApiError as error:
            if not _passes(error):
                raise

    def plan(self, wanted: Mapping[Identity, Mapping[str, Any]], check: bool = False) -> list[Change]:
        """Return all that has to change: first what is applied, then what goes, last come first gone.

        In a check other parts still have the claims that they give back before this one goes.
        """
        self._foreign = []
        changes = [self.difference(identity, definition) for identity, definition in wanted.items()]
        if self._foreign:
            raise DefinitionError(
                f"found {', '.join(map(str, self._foreign))}, which something else has put there; expected no objects "
                "of these names: remove them by what brought them, or switch this part off"
            )
        gone = [identity for identity in reversed(self.recorded.get(self.name, [])) if identity not in wanted]
        lives = {identity: live for identity in gone if (live := self.live(identity))}
        self.replaced = [identity for identity, live in lives.items() if self._is_foreign(identity, live)]
        lives = {identity: live for identity, live in lives.items() if identity not in self.replaced}
        if not wanted:
            self._refuse_volumes(lives, check)
        self.kept = self._used_by_others(lives)
        staying = [item for item, live in lives.items() if item.kind == "Namespace" and made_by_others(live)]
        self.kept = {item: others for item, others in self.kept.items() if item not in staying}
        changes += [self._left(item, lives[item]) for item in staying if FIELD_MANAGER in managers(lives[item])]
        removals = [
            Change(item, None, text_of(shown(live)), "")
            for item, live in lives.items()
            if item not in self.kept and item not in staying
        ]
        return [change for change in changes if change] + removals

    def stays(self) -> list[str]:
        """Tell what of the plan should go and stays, and why."""
        return [
            *(
                f"{kind} stays, for these objects are not the part's: {', '.join(others)}; remove them and run "
                "this again"
                for kind, others in self.kept.items()
            ),
            *(f"{identity} stays, for something else has put it there" for identity in self.replaced),
        ]

    def _is_foreign(self, identity: Identity, live: Mapping[str, Any]) -> bool:
        """Tell whether an object is somebody else's. A namespace may be shared: what others have there is kept."""
        # Of an object without fields the API remembers no manager.
        bare = identity.kind == "ServiceAccount" and identity in self.recorded.get(self.name, [])
        return FIELD_MANAGER not in managers(live) and identity.kind != "Namespace" and not bare

    def _left(self, identity: Identity, live: Mapping[str, Any]) -> Change | None:
        """Return how somebody else's namespace loses what the part has put on it."""
        bare = {"apiVersion": identity.api_version, "kind": identity.kind, "metadata": {"name": identity.name}}
        before, after = shown(live), shown(self.patch(identity, bare, dry_run=True))
        return None if before == after else Change(identity, bare, text_of(before), text_of(after))

    def _refuse_volumes(self, lives: Mapping[Identity, Mapping[str, Any]], check: bool) -> None:
        """Refuse to take away what pods' volumes stand on: nobody could unmount or delete them any more."""
        classes = {identity.name for identity in lives if identity.kind == "StorageClass"}
        volumes = self._api.request("GET", "/api/v1/persistentvolumes")["items"] if classes else []
        of_parts = {identity for identities in self.recorded.values() for identity in identities}
        used = []
        for volume in volumes:
            spec = volume["spec"]
            if spec.get("storageClassName") not in classes or volume.get("status", {}).get("phase") != "Bound":
                continue
            claim = Identity("v1", "PersistentVolumeClaim", spec["claimRef"]["namespace"], spec["claimRef"]["name"])
            if not (check and claim in of_parts):
                used.append(str(claim))
        if used:
            raise DefinitionError(
                f"found volumes of class {', '.join(sorted(classes))} in use by {', '.join(sorted(used))}; expected "
                "none: delete what uses these claims, and the claims, or leave this part on"
            )

    def _used_by_others(self, lives: Mapping[Identity, Mapping[str, Any]]) -> dict[Identity, list[str]]:
        """Return which of the namespaces and kinds that should go hold objects that are not the part's."""
        programs = {name for live in lives.values() for name in containers(live)}
        kinds = {identity: live for identity, live in lives.items() if identity.kind == KIND_OF_KINDS}
        objects = {identity: self._others(self._of_kind(live), programs) for identity, live in kinds.items()}
        kept: dict[Identity, list[str]] = {}
        for space in [identity for identity in lives if identity.kind == "Namespace"]:
            inside = [item for others in objects.values() for item in others if item.namespace == space.name]
            inside += self._others(self._held(space.name), programs)
            if inside:
                kept[space] = [str(item) for item in inside]
        for identity, others in objects.items():
            if others:
                kept[identity] = [str(item) for item in others]
        return kept

    def _of_kind(self, kind: Mapping[str, Any]) -> list[tuple[Identity, Mapping[str, Any]]]:
        """Return all objects of a kind."""
        spec = kind["spec"]
        version = next(item["name"] for item in spec["versions"] if item["storage"])
        path = f"/apis/{spec['group']}/{version}/{spec['names']['plural']}"
        return self._listed(f"{spec['group']}/{version}", spec["names"]["kind"], path)

    def _held(self, namespace: str) -> list[tuple[Identity, Mapping[str, Any]]]:
        """Return the objects of a namespace that somebody must have put there."""
        return [
            item
            for version, kinds in HELD.items()
            for kind, (plural, _namespaced) in self._served(version).items()
            if kind in kinds
            for item in self._listed(version, kind, f"{_base(version)}/namespaces/{namespace}/{plural}")
            if (kind, item[0].name) not in EVERYWHERE and item[1].get("type") != TOKEN
        ]

    def _listed(self, version: str, kind: str, path: str) -> list[tuple[Identity, Mapping[str, Any]]]:
        items = self._api.request("GET", path)["items"]
        return [
            (Identity(version, kind, item["metadata"].get("namespace", ""), item["metadata"]["name"]), item)
            for item in items
        ]

    def _others(self, items: Iterable[tuple[Identity, Mapping[str, Any]]], programs: set[str]) -> list[Identity]:
        """Return those objects that neither the part has nor its programs have made."""
        mine = [item for item in self.recorded.get(self.name, []) if item not in self.replaced]
        own = {(item.kind, item.namespace, item.name) for item in mine}
        return [
            identity
            for identity, live in items
            if (identity.kind, identity.namespace, identity.name) not in own
            and not live["metadata"].get("ownerReferences")
            and not managers(live) & programs
        ]

    def remembered(self, wanted: Iterable[Identity]) -> list[Identity]:
        """Return what the record should list: what is wanted, and what still has to go."""
        return [*wanted, *(identity for identity in self.recorded.get(self.name, []) if identity in self.kept)]

    def differs(self, identities: Sequence[Identity]) -> bool:
        """Tell whether the record says otherwise."""
        return list(identities) != self.recorded.get(self.name, [])

    def record(self, identities: Sequence[Identity]) -> None:
        """Write down what the part consists of, unless just that is written.

        The write carries the version that was read. Where another part was written meanwhile, it is tried again; where
        this one was, a Meanwhile is raised: objects that the other run has applied must not be forgotten.
        """
        if not self.differs(identities):
            return
        for _attempt in range(ATTEMPTS):
            try:
                self._version = self._write(identities)
            except ApiError as error:
                if error.status == 404:
                    # Somebody has removed the record.
                    self._version = None
                    continue
                if error.status != 409:
                    raise
            else:
                self.recorded = {part: items for part, items in self.recorded.items() if part != self.name}
                if identities:
                    self.recorded[self.name] = list(identities)
                return
            before = self.recorded.get(self.name, [])
            self.read()
            if self.recorded.get(self.name, []) != before:
                raise Meanwhile(
                    f"ConfigMap kube-system/kubestead-parts: found that another run has changed {self.name} meanwhile; "
                    "expected no other run; run again when it has ended"
                )
        raise Meanwhile(
            f"ConfigMap kube-system/kubestead-parts: found that others wrote it {ATTEMPTS} times meanwhile; expected "
            "no other run; run again when they have ended"
        )

    def _write(self, identities: Sequence[Identity]) -> str | None:
        """Write the part's entry if the record is still as it was read; return the version that it has then."""
        rows = [[item.api_version, item.kind, item.namespace, item.name] for item in identities]
        place, _slash, name = RECORD.rpartition("/")
        if self._version is not None:
            # null takes a key away.
            data = {self.name: json.dumps(rows) if rows else None}
            change = {"metadata": {"resourceVersion": self._version}, "data": data}
            written = self._api.request("PATCH", RECORD, change, MERGE_PATCH)
        elif rows:
            document = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
            written = self._api.request("POST", place, {**document, "data": {self.name: json.dumps(rows)}})
        else:
            return None
        return str(written["metadata"]["resourceVersion"])

    def apply(self, wanted: Mapping[Identity, Mapping[str, Any]], changes: Sequence[Change], timeout: float) -> None:
        """Do what was planned."""
        deadline = time.monotonic() + timeout
        before = self.recorded.get(self.name, [])
        self.record([*wanted, *(identity for identity in before if identity not in wanted)])
        for change in changes:
            if change.wanted is not None:
                self._free(change.identity)
                self._patch_in_time(change.identity, change.wanted, deadline)
        for identity in [change.identity for change in changes if change.wanted is None]:
            # One after the other: whoever has to clean up after an object is still there.
            self._delete(identity)
            self._wait(identity, self._still_there, deadline, timeout)
        self.record(self.remembered(wanted))

    def _free(self, identity: Identity) -> None:
        """Let a claim of the same name have a volume again, with what is on it."""
        live = self.live(identity) if identity.kind == "PersistentVolume" else None
        if live and released(live):
            claim = {"spec": {"claimRef": {"uid": None, "resourceVersion": None}}}
            self._api.request("PATCH", str(self.path(identity)), claim, MERGE_PATCH)

    def _patch_in_time(self, identity: Identity, definition: Mapping[str, Any], deadline: float) -> None:
        """Apply an object; a new kind is served, and a webhook of the part's own answers, only after a while."""
        while True:
            try:
                self.patch(identity, definition, dry_run=False)
                return
            except (ApiError, DefinitionError) as error:
                if not _passes(error) or time.monotonic() > deadline:
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
        if live is None:
            return "not there"
        found = rolled_out(live)
        nodes = self._unreached(live) if found else []
        if not nodes:
            self.unreached.pop(identity, None)
            return found
        self.unreached[identity] = sorted(set(nodes))
        return rolled_out(live, len(nodes))

    def _unreached(self, live: Mapping[str, Any]) -> list[str]:
        """Return the lost node of each pod of a workload that is on one. Pods that are being moved away don't count."""
        if time.monotonic() >= self._lost_known_until:
            nodes = self._api.request("GET", "/api/v1/nodes")["items"]
            self._lost = {node["metadata"]["name"] for node in nodes if lost(node)}
            self._lost_known_until = time.monotonic() + NODES_SECONDS
        if not self._lost:
            return []
        labels = ",".join(f"{name}={value}" for name, value in live["spec"]["selector"]["matchLabels"].items())
        path = f"/api/v1/namespaces/{live['metadata']['namespace']}/pods"
        pods = self._api.request("GET", path, query={"labelSelector": labels})["items"]
        nodes = [pod["spec"].get("nodeName") for pod in pods if not pod["metadata"].get("deletionTimestamp")]
        return [node for node in nodes if node in self._lost]

    def wait_for_workloads(self, wanted: Iterable[Identity], timeout: float) -> None:
        """Wait until all workloads of the part are rolled out."""
        deadline = time.monotonic() + timeout
        for identity in wanted:
            if identity.kind in WORKLOADS:
                self._wait(identity, self._not_rolled_out, deadline, timeout)

    @staticmethod
    def _wait(identity: Identity, lacks: Callable[[Identity], str | None], deadline: float, timeout: float) -> None:
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
