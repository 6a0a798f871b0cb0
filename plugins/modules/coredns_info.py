#!/usr/bin/python
# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where CoreDNS runs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: coredns_info
short_description: Where CoreDNS runs
version_added: 0.1.0
description:
  - Returns the nodes with a Ready pod of CoreDNS.
  - Can wait until these are two, or as many as there are replicas and Ready nodes that take them. A wait that ends
    without that is a warning.
author:
  - kubestead contributors (@kubestead)
options:
  timeout:
    description: Seconds to wait; V(0) does not wait, and does not warn.
    type: int
    default: 0
extends_documentation_fragment:
  - kubestead.cluster.cluster
  - kubestead.cluster.attributes.read_only
seealso:
  - module: kubestead.cluster.coredns
"""

EXAMPLES = r"""
- name: Wait until CoreDNS is spread over nodes
  kubestead.cluster.coredns_info:
    kubeconfig: "{{ cluster_kubeconfig }}"
    timeout: 60
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
nodes:
  description: The nodes with a Ready pod of CoreDNS, empty where there is no Deployment C(kube-system/coredns).
  returned: success
  type: list
  elements: str
  sample: [cp1, w1]
"""

import time
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kubestead.cluster.plugins.module_utils import _coredns
from ansible_collections.kubestead.cluster.plugins.module_utils._coredns import Placement
from ansible_collections.kubestead.cluster.plugins.module_utils._kube import Api, connect
from ansible_collections.kubestead.cluster.plugins.module_utils._runner import guard

ARGUMENT_SPEC: dict[str, Any] = {
    "kubeconfig": {"type": "path", "required": True},
    "timeout": {"type": "int", "default": 0},
}
PAUSE = 0.5


def wait(api: Api, timeout: float) -> Placement | None:
    """Return where CoreDNS runs, once it is settled or the time is over."""
    deadline = time.monotonic() + timeout
    while True:
        placement = _coredns.read_placement(api)
        if placement is None or placement.settled or time.monotonic() >= deadline:
            return placement
        time.sleep(PAUSE)


def problem(placement: Placement, timeout: float) -> str:
    """Return the warning about a CoreDNS that is not settled."""
    found = ", ".join(placement.nodes) or "no node"
    rollout = "" if placement.rolled_out else " and a rollout that is not complete"
    return (
        f"CoreDNS: found Ready pods on {found}{rollout} after {timeout:.0f} s; expected them on {placement.expected} "
        "nodes; see `kubectl -n kube-system describe pods -l k8s-app=kube-dns`"
    )


def run(params: Mapping[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Return the module's result; nothing is ever changed."""
    placement = wait(connect(params["kubeconfig"]), params["timeout"])
    result: dict[str, Any] = {"changed": False, "nodes": list(placement.nodes) if placement else []}
    if params["timeout"] and placement and not placement.settled:
        result["warnings"] = [problem(placement, params["timeout"])]
    return result


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    with guard(module):
        result = run(module.params, module.check_mode)
        for warning in result.pop("warnings", []):
            module.warn(warning)
        module.exit_json(**result)


if __name__ == "__main__":
    main()
