#!/usr/bin/python
# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait until a living cluster can spare the next nodes, or until nodes that changed are back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_gate
short_description: Wait until a cluster can spare nodes, or until nodes that changed are back
version_added: 0.1.0
description:
  - A gate of a rollout. With O(state=before) it waits until the API and etcd are healthy and, with more than two
    control planes, until the others keep a majority without O(nodes).
  - With O(state=after) it waits until the API and etcd are healthy and O(nodes) are Ready, each with a lease that its
    kubelet has renewed since the gate began to wait.
  - Fails with all that it waits for when the time is over. Nodes that are down do not close the gate as long as the
    cluster can spare O(nodes).
author:
  - kubestead contributors (@kubestead)
options:
  nodes:
    description: Names of the nodes that change next, or have changed.
    type: list
    elements: str
    required: true
  state:
    description: Which of the two gates.
    type: str
    choices: [before, after]
    required: true
  timeout:
    description: Seconds to wait.
    type: int
    default: 120
extends_documentation_fragment:
  - kubestead.cluster.cluster
  - kubestead.cluster.attributes.read_only
seealso:
  - module: kubestead.cluster.cluster_info
"""

EXAMPLES = r"""
- name: Wait until the cluster can spare the control plane
  kubestead.cluster.rollout_gate:
    kubeconfig: "{{ cluster_kubeconfig }}"
    nodes: [cp2]
    state: before
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
waited:
  description: Seconds until the gate opened.
  returned: success
  type: float
  sample: 7.5
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kubestead.cluster.plugins.module_utils._kube import (
    CONTROL_PLANE_LABEL,
    Api,
    ApiError,
    Unreachable,
    connect,
    parse_readyz,
    ready,
)
from ansible_collections.kubestead.cluster.plugins.module_utils._runner import guard

INTERVAL = 0.5


class GateError(Exception):
    """The gate stayed closed."""


@dataclass(frozen=True)
class Node:
    """What the gate asks of a node. `renewed` is the time of its lease as its kubelet wrote it."""

    name: str
    control_plane: bool
    ready: bool
    renewed: str


@dataclass(frozen=True)
class Snapshot:
    """The cluster at one moment. `failing` are the API server's own checks that failed, etcd's among them."""

    nodes: tuple[Node, ...]
    failing: tuple[str, ...]


def read(api: Api) -> Snapshot:
    """Read the cluster."""
    _status, text = api.raw("GET", "/readyz?verbose")
    leases = api.request("GET", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases")["items"]
    renewed = {item["metadata"]["name"]: item["spec"].get("renewTime", "") for item in leases}
    nodes = [
        Node(
            name=item["metadata"]["name"],
            control_plane=CONTROL_PLANE_LABEL in item["metadata"].get("labels", {}),
            ready=ready(item),
            renewed=renewed.get(item["metadata"]["name"], ""),
        )
        for item in api.request("GET", "/api/v1/nodes")["items"]
    ]
    return Snapshot(tuple(nodes), tuple(name for name, ok in parse_readyz(text).items() if not ok))


def problems_before(snapshot: Snapshot, names: Sequence[str]) -> list[str]:
    """Return what forbids the named nodes to change now.

    etcd decides by a majority of its members, which are the control planes. Two or fewer have none to spare in any
    case, so nothing is gained by waiting.
    """
    control_planes = [node for node in snapshot.nodes if node.control_plane]
    leaving = [node.name for node in control_planes if node.name in names]
    staying = [node.name for node in control_planes if node.ready and node.name not in names]
    found = [f"the API reports {', '.join(snapshot.failing)} as failed"] if snapshot.failing else []
    if leaving and len(control_planes) > 2 and len(staying) * 2 <= len(control_planes):
        found.append(
            f"found {len(staying)} Ready control planes beside {', '.join(leaving)} ({', '.join(staying) or 'none'}), "
            f"expected more than half of {len(control_planes)}"
        )
    return found


def problems_after(snapshot: Snapshot, first: Snapshot, names: Sequence[str]) -> list[str]:
    """Return what the named nodes lack. `first` is what the gate saw when it began to wait."""
    found = [f"the API reports {', '.join(snapshot.failing)} as failed"] if snapshot.failing else []
    now = {node.name: node for node in snapshot.nodes}
    then = {node.name: node.renewed for node in first.nodes}
    for name in names:
        if name not in now:
            found.append(f"{name}: found no such Node")
        elif not now[name].ready:
            found.append(f"{name}: found NotReady, expected Ready")
        elif now[name].renewed == then.get(name, ""):
            found.append(f"{name}: found no sign of its kubelet since the change")
    return found


def wait(api: Api, names: Sequence[str], state: str, timeout: float) -> float:
    """Return the seconds until the gate opened."""
    begun = time.monotonic()
    first: Snapshot | None = None
    while True:
        try:
            snapshot = read(api)
            first = first or snapshot
            problems = problems_before(snapshot, names) if state == "before" else problems_after(snapshot, first, names)
        except (ApiError, Unreachable) as error:
            problems = [str(error)]
        waited = time.monotonic() - begun
        if not problems:
            return waited
        if waited > timeout:
            raise GateError(message(names, state, problems, timeout))
        time.sleep(INTERVAL)


def message(names: Sequence[str], state: str, problems: Sequence[str], timeout: float) -> str:
    """Return why the gate stayed closed, and what to do."""
    which = ", ".join(names)
    what = f"{which}: not changed" if state == "before" else f"{which}: changed, but not back"
    return (
        f"{what} after {timeout:.0f} s: {'; '.join(problems)}. All nodes whose turn comes later are unchanged. Mend "
        "this and run the same command again; it goes on from here."
    )


ARGUMENT_SPEC: dict[str, Any] = {
    "kubeconfig": {"type": "path", "required": True},
    "nodes": {"type": "list", "elements": "str", "required": True},
    "state": {"type": "str", "choices": ["before", "after"], "required": True},
    "timeout": {"type": "int", "default": 120},
}


def run(params: Mapping[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Return the module's result; nothing is ever changed."""
    waited = wait(connect(params["kubeconfig"]), params["nodes"], params["state"], params["timeout"])
    return {"changed": False, "waited": round(waited, 1)}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    with guard(module):
        module.exit_json(**run(module.params, module.check_mode))


if __name__ == "__main__":
    main()
