# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How CoreDNS is spread over nodes: what kubeadm's Deployment gets in addition, and where its pods run.

kubeadm's own Deployment has two replicas with a preferred anti-affinity, and `kubeadm init` starts both while there is
one node. https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.kubestead.cluster.plugins.module_utils._kube import Api, ready

DEPLOYMENT = "/apis/apps/v1/namespaces/kube-system/deployments/coredns"
PODS = "/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3Dkube-dns"
HOSTNAME = "kubernetes.io/hostname"
# minDomains: while there is one node, the second replica is Pending, and the next node takes it.
# nodeTaintsPolicy: a dead node has a taint that CoreDNS does not tolerate, and does not count.
# matchLabelKeys: the pods of a new revision are counted apart from those that they replace.
CONSTRAINT: dict[str, Any] = {
    "labelSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
    "matchLabelKeys": ["pod-template-hash"],
    "maxSkew": 1,
    "minDomains": 2,
    "nodeTaintsPolicy": "Honor",
    "topologyKey": HOSTNAME,
    "whenUnsatisfiable": "DoNotSchedule",
}
NO_EXECUTE = "NoExecute"
# Seconds that a pod stays on a node that is NotReady. Without a toleration of its own each pod gets one of 300 s
# (admission plugin DefaultTolerationSeconds).
EVICTION_SECONDS = 30
TOLERATIONS: tuple[dict[str, Any], ...] = tuple(
    {"effect": NO_EXECUTE, "key": key, "operator": "Exists", "tolerationSeconds": EVICTION_SECONDS}
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
)
REPELLING_EFFECTS = ("NoSchedule", NO_EXECUTE)
SPREAD_NODES = 2


@dataclass(frozen=True)
class Scheduling:
    """The part of a Deployment's pod template that decides about nodes."""

    constraints: tuple[Mapping[str, Any], ...]
    tolerations: tuple[Mapping[str, Any], ...]

    def show(self) -> str:
        """Return it as text for a diff."""
        lines = [f"topologySpreadConstraint {json.dumps(item, sort_keys=True)}" for item in self.constraints]
        lines += [f"toleration {json.dumps(item, sort_keys=True)}" for item in self.tolerations]
        return "\n".join(["Deployment kube-system/coredns", *lines]) + "\n"


@dataclass(frozen=True)
class Placement:
    """Where the pods of CoreDNS run, and on how many nodes they could."""

    nodes: tuple[str, ...]
    expected: int
    rolled_out: bool

    @property
    def settled(self) -> bool:
        """Whether the last change of the Deployment has arrived, on as many nodes as it can."""
        return self.rolled_out and len(self.nodes) >= self.expected


def patch_file() -> str:
    """Return the file for kubeadm's patch target corednsdeployment, a JSON patch (RFC 6902) written as YAML.

    Appending keeps kubeadm's own tolerations, whatever they are in a later version.
    https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/control-plane-flags/#patches
    """
    template = "/spec/template/spec"
    operations: list[dict[str, Any]] = [
        {"op": "add", "path": f"{template}/topologySpreadConstraints", "value": [CONSTRAINT]}
    ]
    operations += [{"op": "add", "path": f"{template}/tolerations/-", "value": item} for item in TOLERATIONS]
    return f"# Managed by kubestead.cluster\n{json.dumps(operations, indent=2, sort_keys=True)}\n"


def scheduling_of(deployment: Mapping[str, Any]) -> Scheduling:
    """Return the scheduling of a Deployment of the API."""
    spec = deployment["spec"]["template"]["spec"]
    return Scheduling(tuple(spec.get("topologySpreadConstraints", [])), tuple(spec.get("tolerations", [])))


def wanted(current: Scheduling, spread: bool) -> Scheduling:
    """Return the scheduling that a Deployment should have.

    With `spread` the constraint over hosts and the tolerations of dead nodes are ours, whatever they were; without,
    ours are removed. Constraints over other topologies and all other tolerations stay.
    """
    if not spread:
        return Scheduling(
            tuple(item for item in current.constraints if item != CONSTRAINT),
            tuple(item for item in current.tolerations if item not in TOLERATIONS),
        )
    ours = {item["key"] for item in TOLERATIONS}
    others = tuple(
        item
        for item in current.tolerations
        if item.get("key") not in ours or item.get("effect", NO_EXECUTE) != NO_EXECUTE
    )
    over_others = tuple(item for item in current.constraints if item.get("topologyKey") != HOSTNAME)
    return Scheduling((*over_others, CONSTRAINT), (*others, *TOLERATIONS))


def same(one: Scheduling, other: Scheduling) -> bool:
    """Return whether two schedulings are equal but for the order of their lists."""

    def sorted_items(items: Sequence[Mapping[str, Any]]) -> list[str]:
        return sorted(json.dumps(item, sort_keys=True) for item in items)

    return sorted_items(one.constraints) == sorted_items(other.constraints) and sorted_items(
        one.tolerations
    ) == sorted_items(other.tolerations)


def tolerated(taint: Mapping[str, Any], tolerations: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether a pod with these tolerations may be scheduled to a node with this taint.

    https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/#concepts
    """
    return any(
        item.get("effect") in (None, "", taint["effect"])
        and item.get("key") in (None, "", taint["key"])
        and (item.get("operator") == "Exists" or item.get("value", "") == taint.get("value", ""))
        for item in tolerations
    )


def takes_pods(node: Mapping[str, Any], tolerations: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether a node is Ready and takes pods with these tolerations."""
    spec = node["spec"]
    taints = [item for item in spec.get("taints", []) if item["effect"] in REPELLING_EFFECTS]
    return (
        ready(node) and not spec.get("unschedulable", False) and all(tolerated(taint, tolerations) for taint in taints)
    )


def place(deployment: Mapping[str, Any], pods: Sequence[Any], nodes: Sequence[Any]) -> Placement:
    """Return where CoreDNS runs: `pods` are its pods, `nodes` all nodes of the cluster."""
    replicas = deployment["spec"]["replicas"]
    status = deployment.get("status", {})
    running = [pod["spec"]["nodeName"] for pod in pods if "deletionTimestamp" not in pod["metadata"] and ready(pod)]
    able = [node for node in nodes if takes_pods(node, scheduling_of(deployment).tolerations)]
    return Placement(
        nodes=tuple(sorted(set(running))),
        expected=min(SPREAD_NODES, replicas, len(able)),
        rolled_out=status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
        and status.get("replicas", 0) == status.get("updatedReplicas", 0) == replicas,
    )


def read_placement(api: Api) -> Placement | None:
    """Read where CoreDNS runs, None where there is no Deployment of this name."""
    deployment = api.get(DEPLOYMENT)
    if deployment is None:
        return None
    return place(deployment, api.request("GET", PODS)["items"], api.request("GET", "/api/v1/nodes")["items"])
