#!/usr/bin/python
# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labels, annotations and taints of nodes, as the inventory has them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: node_settings
short_description: Labels, annotations and taints of nodes, as the inventory has them
version_added: 0.1.0
description:
  - Sets labels, annotations and taints, and removes those that it once set and that are no longer wanted. What others
    have set is left alone. Each node that differs takes one patch.
  - What it set is remembered in the node's annotation C(kubestead.io/managed).
author:
  - kubestead contributors (@kubestead)
options:
  nodes:
    description: The nodes.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the node.
        type: str
        required: true
      labels:
        description: Wanted labels.
        type: dict
        default: {}
      annotations:
        description: Wanted annotations.
        type: dict
        default: {}
      taints:
        description: Wanted taints, each with key, effect and, optionally, value.
        type: list
        elements: dict
        default: []
        suboptions:
          key:
            description: Key of the taint.
            type: str
            required: true
          value:
            description: Value of the taint.
            type: str
          effect:
            description: What it does to pods that don't tolerate it.
            type: str
            choices: [NoSchedule, PreferNoSchedule, NoExecute]
            required: true
      control_plane:
        description: Whether the node is a control plane, whose own taint follows O(nodes[].schedulable).
        type: bool
        default: false
      schedulable:
        description: Whether ordinary pods may run on this control plane.
        type: bool
        default: false
  cluster_exists:
    description: Whether there is a cluster to ask in check mode.
    type: bool
    default: true
extends_documentation_fragment:
  - kubestead.cluster.cluster
attributes:
  check_mode:
    support: full
    description: Tells which nodes would be patched.
  diff_mode:
    support: full
    description: Shows labels, annotations and taints before and after.
"""

EXAMPLES = r"""
- name: Give a node to the database
  kubestead.cluster.node_settings:
    kubeconfig: "{{ cluster_kubeconfig }}"
    nodes:
      - name: w1
        labels: {disk: ssd}
        taints: [{key: dedicated, value: database, effect: NoSchedule}]
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
patched:
  description: The nodes that were, or in check mode would be, patched.
  returned: success
  type: list
  elements: str
  sample: [w1]
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kubestead.cluster.plugins.module_utils._kube import MERGE_PATCH, Api, ApiError, connect
from ansible_collections.kubestead.cluster.plugins.module_utils._runner import guard

MANAGED = "kubestead.io/managed"
# https://kubernetes.io/docs/reference/labels-annotations-taints/#node-role-kubernetes-io-control-plane-taint
CONTROL_PLANE_TAINT = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}


class Missing(Exception):
    """A node is not in the cluster."""


class Unreadable(Exception):
    """The record of what was set is not what this module writes."""


@dataclass(frozen=True)
class Settings:
    """Labels, annotations and taints of a node."""

    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True)
class Plan:
    """The patch of one node, and what it shows in a diff."""

    patch: Mapping[str, Any]
    before: str
    after: str


def identity(taint: Mapping[str, str]) -> str:
    """A node has at most one taint of a key and effect."""
    return f"{taint['key']}:{taint['effect']}"


def clean(taint: Mapping[str, Any]) -> dict[str, str]:
    """Return a taint without what it does not have (and without the time that the API adds to NoExecute)."""
    return {name: str(taint[name]) for name in ("key", "value", "effect") if taint.get(name)}


def wanted_taints(node: Mapping[str, Any], current: Settings, managed: Mapping[str, list[str]]) -> list[dict[str, str]]:
    """Return all taints the node should have: others' as they are, ours as wanted."""
    wanted = {identity(taint): clean(taint) for taint in node["taints"]}
    if node["control_plane"] and not node["schedulable"]:
        wanted[identity(CONTROL_PLANE_TAINT)] = CONTROL_PLANE_TAINT
    removed = set(managed.get("taints", []))
    if node["control_plane"] and node["schedulable"]:
        removed.add(identity(CONTROL_PLANE_TAINT))
    others = [taint for taint in current.taints if identity(taint) not in wanted and identity(taint) not in removed]
    return [*map(dict, others), *wanted.values()]


def keys(current: Mapping[str, str], wanted: Mapping[str, str], managed: list[str]) -> dict[str, str | None]:
    """Return the changes to labels or annotations: None removes a key."""
    changes: dict[str, str | None] = {key: None for key in managed if key in current and key not in wanted}
    changes.update({key: value for key, value in wanted.items() if current.get(key) != value})
    return changes


def managed_record(name: str, text: str) -> dict[str, list[str]]:
    """Return what the module once set on a node, from the annotation that it keeps there."""
    try:
        record: dict[str, list[str]] = json.loads(text)
    except ValueError:
        raise Unreadable(
            f"node {name}, annotation {MANAGED}: found {text!r}, expected the JSON that this module writes; remove the "
            "annotation, and by hand what is no longer wanted"
        ) from None
    return record


def plan(node: Mapping[str, Any], current: Settings) -> Plan | None:
    """Decide what one node needs, None where it is in order."""
    managed = managed_record(node["name"], current.annotations.get(MANAGED, "{}"))
    labels = {key: str(value) for key, value in node["labels"].items()}
    annotations = {key: str(value) for key, value in node["annotations"].items()}
    record = {
        name: names
        for name, names in (
            ("labels", sorted(labels)),
            ("annotations", sorted(annotations)),
            ("taints", sorted(identity(taint) for taint in node["taints"])),
        )
        if names
    }
    if record:
        annotations[MANAGED] = json.dumps(record, sort_keys=True)
    label_changes = keys(current.labels, labels, managed.get("labels", []))
    annotation_changes = keys(current.annotations, annotations, [*managed.get("annotations", []), MANAGED])
    taints = wanted_taints(node, current, managed)
    patch: dict[str, Any] = {}
    metadata = {name: what for name, what in (("labels", label_changes), ("annotations", annotation_changes)) if what}
    if metadata:
        patch["metadata"] = metadata
    if sorted(map(str, map(clean, current.taints))) != sorted(map(str, map(clean, taints))):
        patch["spec"] = {"taints": taints}
    if not patch:
        return None
    after = Settings(
        labels=changed(current.labels, label_changes),
        annotations=changed(current.annotations, annotation_changes),
        taints=tuple(taints),
    )
    return Plan(patch=patch, before=show(node["name"], current), after=show(node["name"], after))


def changed(current: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    """Return labels or annotations as they are after the changes."""
    return {key: value for key, value in {**current, **changes}.items() if value is not None}


def show(name: str, settings: Settings) -> str:
    """Return a node's settings as text for a diff."""
    lines = [f"node {name}"]
    lines += [f"label {key}={value}" for key, value in sorted(settings.labels.items())]
    lines += [f"annotation {key}={value}" for key, value in sorted(settings.annotations.items()) if key != MANAGED]
    lines += sorted(f"taint {taint['key']}={taint.get('value', '')}:{taint['effect']}" for taint in settings.taints)
    return "\n".join(lines) + "\n"


def settings_of(node: Mapping[str, Any]) -> Settings:
    """Return the settings of a node of the API."""
    return Settings(
        labels=node["metadata"].get("labels", {}),
        annotations=node["metadata"].get("annotations", {}),
        taints=tuple(clean(taint) for taint in node["spec"].get("taints", [])),
    )


def read(api: Api) -> tuple[dict[str, Settings], dict[str, str]]:
    """Return the settings of all nodes, and at which version of each node they were read."""
    items = api.request("GET", "/api/v1/nodes")["items"]
    names = [item["metadata"]["name"] for item in items]
    versions = [item["metadata"]["resourceVersion"] for item in items]
    return dict(zip(names, map(settings_of, items))), dict(zip(names, versions))


def apply(api: Api, plans: Mapping[str, Plan], versions: Mapping[str, str]) -> bool:
    """Patch the nodes; false if one has changed since it was read.

    Taints are one list: without the version, one that a controller adds meanwhile (not-ready) would be lost.
    """
    for name, todo in plans.items():
        metadata = {**todo.patch.get("metadata", {}), "resourceVersion": versions[name]}
        try:
            api.request("PATCH", f"/api/v1/nodes/{name}", {**todo.patch, "metadata": metadata}, MERGE_PATCH)
        except ApiError as error:
            if error.status != 409:
                raise
            return False
    return True


def plan_all(nodes: list[dict[str, Any]], current: Mapping[str, Settings], may_be_missing: bool) -> dict[str, Plan]:
    """Return the plans of the nodes that differ."""
    absent = [node["name"] for node in nodes if node["name"] not in current]
    if absent and not may_be_missing:
        raise Missing(f"nodes {', '.join(absent)}: not in the cluster; found {', '.join(current)}")
    plans = {}
    for node in nodes:
        # A node that will join brings its control plane taint along, by kubeadm.
        fresh = Settings(taints=(CONTROL_PLANE_TAINT,) if node["control_plane"] and not node["schedulable"] else ())
        todo = plan(node, current.get(node["name"], fresh))
        if todo:
            plans[node["name"]] = todo
    return plans


def settle(api: Api, nodes: list[dict[str, Any]], check_mode: bool) -> dict[str, Plan]:
    """Bring the nodes to their settings; returns what differed."""
    done: dict[str, Plan] = {}
    while True:
        current, versions = read(api)
        plans = plan_all(nodes, current, may_be_missing=check_mode)
        # What it first was is what the diff shows.
        done = {**done, **plans, **done}
        # Kubelet writes to its node every few seconds at most: this ends.
        if check_mode or apply(api, plans, versions):
            return done


TAINT_OPTIONS: dict[str, Any] = {
    "key": {"type": "str", "required": True, "no_log": False},
    "value": {"type": "str"},
    "effect": {"type": "str", "choices": ["NoSchedule", "PreferNoSchedule", "NoExecute"], "required": True},
}
ARGUMENT_SPEC: dict[str, Any] = {
    "kubeconfig": {"type": "path", "required": True},
    "nodes": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "labels": {"type": "dict", "default": {}},
            "annotations": {"type": "dict", "default": {}},
            "taints": {"type": "list", "elements": "dict", "default": [], "options": TAINT_OPTIONS},
            "control_plane": {"type": "bool", "default": False},
            "schedulable": {"type": "bool", "default": False},
        },
    },
    "cluster_exists": {"type": "bool", "default": True},
}


def run(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Read, plan, apply unless in check mode; returns the module's result."""
    if check_mode and not params["cluster_exists"]:
        plans = plan_all(params["nodes"], {}, may_be_missing=True)
    else:
        plans = settle(connect(params["kubeconfig"]), params["nodes"], check_mode)
    diff = [{"before": todo.before, "after": todo.after} for todo in plans.values()]
    return {"changed": bool(plans), "patched": list(plans), "diff": diff}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    with guard(module):
        module.exit_json(**run(module.params, module.check_mode))


if __name__ == "__main__":
    main()
