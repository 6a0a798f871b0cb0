#!/usr/bin/python
# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes and health of a cluster, as its API sees them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_info
short_description: Nodes and health of a cluster
version_added: 0.1.0
description:
  - Returns the nodes with their versions, roles and readiness, and the health checks of the API, etcd's among them.
  - Can wait until named nodes are Ready, and until the cluster's DNS has a pod that is ready. It does not wait long for
    what can't come, such as a node whose kubelet has stopped reporting.
author:
  - kubestead contributors (@kubestead)
options:
  ready_nodes:
    description: Names of nodes to wait for.
    type: list
    elements: str
    default: []
  dns:
    description: Whether to wait for the DNS of kubeadm (Service C(kube-system/kube-dns)), too.
    type: bool
    default: false
  strict:
    description: Whether to fail where nodes or DNS are not ready in time. V(false) returns why in RV(problems).
    type: bool
    default: true
  timeout:
    description: Seconds to wait for O(ready_nodes) and O(dns).
    type: int
    default: 300
extends_documentation_fragment:
  - kubestead.cluster.cluster
  - kubestead.cluster.attributes.read_only
"""

EXAMPLES = r"""
- name: Wait for all nodes
  kubestead.cluster.cluster_info:
    kubeconfig: "{{ cluster_kubeconfig }}"
    ready_nodes: [cp1, w1]
  delegate_to: localhost
  run_once: true
  register: cluster
"""

RETURN = r"""
nodes:
  description: The nodes.
  returned: success
  type: list
  elements: dict
  sample:
    - address: 10.90.0.11
      control_plane: true
      name: cp1
      os: Debian GNU/Linux 13 (trixie)
      ready: true
      runtime: containerd://1.7.24
      schedulable: false
      version: v1.36.3
health:
  description: The API server's own checks (/readyz?verbose), by name.
  returned: success
  type: dict
  sample: {etcd: true, ping: true}
problems:
  description: What was waited for and did not become ready.
  returned: success
  type: list
  elements: str
  sample: []
dns:
  description: Whether DNS has a pod that is ready, as far as it was asked and can be told.
  returned: success
  type: bool
  sample: true
server:
  description: Where the API was reached.
  returned: success
  type: str
  sample: https://10.90.0.100:8443
"""

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kubestead.cluster.plugins.module_utils._kube import (
    CONTROL_PLANE_LABEL,
    Api,
    connect,
    parse_readyz,
    ready,
)
from ansible_collections.kubestead.cluster.plugins.module_utils._runner import guard

DNS_PODS = "/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3Dkube-dns"
# How long a node may be silent, and DNS without a pod elsewhere, before nothing is to be hoped for.
SILENT_SECONDS = 60


class NotReady(Exception):
    """Nodes did not become Ready in time."""


def view(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is told of a node."""
    metadata, spec, status = node["metadata"], node["spec"], node["status"]
    addresses = {item["type"]: item["address"] for item in status.get("addresses", [])}
    refused = any(taint["effect"] == "NoSchedule" for taint in spec.get("taints", []))
    return {
        "name": metadata["name"],
        "address": addresses.get("InternalIP", ""),
        "control_plane": CONTROL_PLANE_LABEL in metadata.get("labels", {}),
        "schedulable": not spec.get("unschedulable", False) and not refused,
        "ready": ready(node),
        "version": status["nodeInfo"]["kubeletVersion"],
        "runtime": status["nodeInfo"]["containerRuntimeVersion"],
        "os": status["nodeInfo"]["osImage"],
    }


def unready(nodes: list[dict[str, Any]], wanted: list[str]) -> list[str]:
    """Return those of `wanted` that are not Ready, or not there."""
    there = {node["name"] for node in nodes if node["ready"]}
    return [name for name in wanted if name not in there]


@dataclass(frozen=True)
class Dns:
    """The pods of the cluster's DNS: how many are ready on nodes that report, and what the others are."""

    ready: int
    lacking: tuple[str, ...]
    hopeless: bool

    @property
    def problem(self) -> str:
        """Return what is wrong; "" where a pod is ready, or where this is not kubeadm's DNS."""
        if self.ready or not self.lacking:
            return ""
        return (
            f"DNS: found no ready pod of it ({'; '.join(self.lacking)}), expected one at least; start the nodes that "
            "are named, or delete their Nodes if they are gone for good (kubectl delete node), so that the pods start "
            "elsewhere"
        )


def dns_state(pods: Sequence[Mapping[str, Any]], lost: Collection[str]) -> Dns:
    """Return the state of DNS from its pods and the nodes whose kubelet does not report."""
    ready, lacking, living = 0, [], False
    for pod in pods:
        node = pod["spec"].get("nodeName")
        conditions = pod.get("status", {}).get("conditions") or []
        if node in lost:
            lacking.append(f"{pod['metadata']['name']} on {node}, which does not report")
        elif any(item["type"] == "Ready" and item["status"] == "True" for item in conditions):
            ready += 1
        else:
            living = True
            place = f" on {node}" if node else ""
            lacking.append(f"{pod['metadata']['name']}{place}: {pod.get('status', {}).get('phase', 'Pending')}")
    return Dns(ready, tuple(lacking), hopeless=not living)


def silent(nodes: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the nodes whose kubelet has stopped reporting: their machine is down, or has lost the network."""
    return {
        node["metadata"]["name"]
        for node in nodes
        for item in node.get("status", {}).get("conditions") or []
        if item["type"] == "Ready" and item["status"] == "Unknown"
    }


@dataclass(frozen=True)
class Found:
    """The cluster after the wait."""

    nodes: list[dict[str, Any]]
    dns: bool
    problems: list[str]


def wait(api: Api, params: Mapping[str, Any]) -> Found:
    """Return the cluster once what is wanted is ready, or can't become it, or the time is over."""
    wanted, timeout = params["ready_nodes"], params["timeout"]
    start = time.monotonic()
    while True:
        items = api.request("GET", "/api/v1/nodes")["items"]
        nodes, lost = [view(node) for node in items], silent(items)
        waiting = unready(nodes, wanted)
        dns = dns_state(api.request("GET", DNS_PODS)["items"], lost) if params["dns"] else Dns(1, (), False)
        if not waiting and not dns.problem:
            return Found(nodes, True, [])
        # A kubelet that starts again reports within seconds. DNS leaves a dead node after 30 s.
        hopeless = set(waiting) <= lost and (dns.hopeless or not dns.problem)
        limit = min(timeout, SILENT_SECONDS) if hopeless else timeout
        if time.monotonic() - start > limit:
            return Found(nodes, not dns.problem, problems(waiting, lost, dns, limit))
        time.sleep(0.5)


def problems(waiting: Sequence[str], lost: Collection[str], dns: Dns, limit: float) -> list[str]:
    """Return what is not ready, and why."""
    gone = [name for name in waiting if name in lost]
    others = [name for name in waiting if name not in lost]
    found = []
    if gone:
        found.append(
            f"nodes {', '.join(gone)}: not Ready, their kubelet has stopped reporting; look at `journalctl -u kubelet` "
            "there"
        )
    if others:
        found.append(
            f"nodes {', '.join(others)}: not Ready after {limit:.0f} s; look at `kubectl describe node` and at the "
            "pods of the network in namespace kube-flannel"
        )
    return [*found, dns.problem] if dns.problem else found


ARGUMENT_SPEC: dict[str, Any] = {
    "kubeconfig": {"type": "path", "required": True},
    "ready_nodes": {"type": "list", "elements": "str", "default": []},
    "dns": {"type": "bool", "default": False},
    "strict": {"type": "bool", "default": True},
    "timeout": {"type": "int", "default": 300},
}


def run(params: Mapping[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Return the module's result; nothing is ever changed."""
    api = connect(params["kubeconfig"])
    found = wait(api, params)
    if found.problems and params["strict"]:
        raise NotReady("; ".join(found.problems))
    # An API that is not ready says so with status 500, and why in the text.
    _status, text = api.raw("GET", "/readyz?verbose")
    return {
        "changed": False,
        "nodes": found.nodes,
        "dns": found.dns,
        "problems": found.problems,
        "health": parse_readyz(text),
        "server": api.server,
    }


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    with guard(module):
        module.exit_json(**run(module.params, module.check_mode))


if __name__ == "__main__":
    main()
