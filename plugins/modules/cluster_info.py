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
  - Can wait until named nodes are Ready.
author:
  - kubestead contributors (@kubestead)
options:
  ready_nodes:
    description: Names of nodes to wait for.
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds to wait for O(ready_nodes).
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
server:
  description: Where the API was reached.
  returned: success
  type: str
  sample: https://10.90.0.100:8443
"""

import re
import time
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kubestead.cluster.plugins.module_utils._kube import Api, connect, ready
from ansible_collections.kubestead.cluster.plugins.module_utils._runner import guard

CHECK = re.compile(r"^\[([+-])\](\S+)", re.MULTILINE)
CONTROL_PLANE_LABEL = "node-role.kubernetes.io/control-plane"


class NotReady(Exception):
    """Nodes did not become Ready in time."""


def parse_readyz(text: str) -> dict[str, bool]:
    """Parse /readyz?verbose: a line such as [+]etcd ok for each check."""
    return {name: sign == "+" for sign, name in CHECK.findall(text)}


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


def wait(api: Api, wanted: list[str], timeout: float) -> list[dict[str, Any]]:
    """Return the nodes once those that are wanted are Ready."""
    deadline = time.monotonic() + timeout
    while True:
        nodes = [view(node) for node in api.request("GET", "/api/v1/nodes")["items"]]
        waiting = unready(nodes, wanted)
        if not waiting:
            return nodes
        if time.monotonic() > deadline:
            raise NotReady(
                f"nodes {', '.join(waiting)}: not Ready after {timeout:.0f} s; look at `kubectl describe node` and at "
                "the pods of the network in namespace kube-flannel"
            )
        time.sleep(0.5)


ARGUMENT_SPEC: dict[str, Any] = {
    "kubeconfig": {"type": "path", "required": True},
    "ready_nodes": {"type": "list", "elements": "str", "default": []},
    "timeout": {"type": "int", "default": 300},
}


def run(params: Mapping[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Return the module's result; nothing is ever changed."""
    api = connect(params["kubeconfig"])
    nodes = wait(api, params["ready_nodes"], params["timeout"])
    # An API that is not ready says so with status 500, and why in the text.
    _status, text = api.raw("GET", "/readyz?verbose")
    return {"changed": False, "nodes": nodes, "health": parse_readyz(text), "server": api.server}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    with guard(module):
        module.exit_json(**run(module.params, module.check_mode))


if __name__ == "__main__":
    main()
