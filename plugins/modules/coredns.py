#!/usr/bin/python
# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Spread CoreDNS over nodes."""

from __future__ import annotations

DOCUMENTATION = r"""
module: coredns
short_description: Spread CoreDNS over nodes
version_added: 0.1.0
description:
  - Sets a topology spread constraint and tolerations in kubeadm's Deployment C(kube-system/coredns), so that its pods
    run on different nodes and leave a dead node 30 s after it is NotReady. A change rolls the pods over one by one.
  - The constraint over C(kubernetes.io/hostname) and the tolerations of C(node.kubernetes.io/not-ready) and
    C(node.kubernetes.io/unreachable) are set whatever they were. Other constraints and tolerations stay.
  - A cluster without this Deployment is left as it is.
author:
  - kubestead contributors (@kubestead)
options:
  spread:
    description: Whether CoreDNS is spread. V(false) removes what this module sets, and nothing else.
    type: bool
    required: true
  cluster_exists:
    description: Whether there is a cluster to ask in check mode.
    type: bool
    default: true
  patched_by_kubeadm:
    description:
      - Whether C(kubeadm init) creates the Deployment with the patch of the collection. Says in check mode, with
        O(cluster_exists=false), whether anything is left to change after it.
    type: bool
    default: true
extends_documentation_fragment:
  - kubestead.cluster.cluster
attributes:
  check_mode:
    support: full
    description: Tells whether the Deployment would be patched.
  diff_mode:
    support: full
    description: Shows topology spread constraints and tolerations before and after.
seealso:
  - module: kubestead.cluster.coredns_info
"""

EXAMPLES = r"""
- name: Spread CoreDNS over nodes
  kubestead.cluster.coredns:
    kubeconfig: "{{ cluster_kubeconfig }}"
    spread: true
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
"""

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kubestead.cluster.plugins.module_utils import _coredns
from ansible_collections.kubestead.cluster.plugins.module_utils._coredns import Scheduling
from ansible_collections.kubestead.cluster.plugins.module_utils._kube import MERGE_PATCH, Api, ApiError, connect
from ansible_collections.kubestead.cluster.plugins.module_utils._runner import guard

ARGUMENT_SPEC: dict[str, Any] = {
    "kubeconfig": {"type": "path", "required": True},
    "spread": {"type": "bool", "required": True},
    "cluster_exists": {"type": "bool", "default": True},
    "patched_by_kubeadm": {"type": "bool", "default": True},
}
NOTHING = Scheduling((), ())


def plan(current: Scheduling, spread: bool) -> Scheduling | None:
    """Return the scheduling to set, None where the Deployment has it."""
    after = _coredns.wanted(current, spread)
    return None if _coredns.same(current, after) else after


def apply(api: Api, after: Scheduling, version: str) -> bool:
    """Patch the Deployment; false if it has changed since it was read: lists are replaced as a whole."""
    spec = {"topologySpreadConstraints": list(after.constraints), "tolerations": list(after.tolerations)}
    patch = {"metadata": {"resourceVersion": version}, "spec": {"template": {"spec": spec}}}
    try:
        api.request("PATCH", _coredns.DEPLOYMENT, patch, MERGE_PATCH)
    except ApiError as error:
        if error.status != 409:
            raise
        return False
    return True


def settle(api: Api, spread: bool, check_mode: bool) -> tuple[Scheduling, Scheduling] | None:
    """Bring the Deployment to its scheduling; return what it was and is, None where nothing differed."""
    while True:
        deployment = api.get(_coredns.DEPLOYMENT)
        if deployment is None:
            return None
        before = _coredns.scheduling_of(deployment)
        after = plan(before, spread)
        if after is None:
            return None
        # Only its controller's reports of a rollout come in between: this ends.
        if check_mode or apply(api, after, deployment["metadata"]["resourceVersion"]):
            return before, after


def run(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Read, plan, apply unless in check mode; returns the module's result."""
    if check_mode and not params["cluster_exists"]:
        todo = params["spread"] and not params["patched_by_kubeadm"]
        change = (NOTHING, _coredns.wanted(NOTHING, True)) if todo else None
    else:
        change = settle(connect(params["kubeconfig"]), params["spread"], check_mode)
    if change is None:
        return {"changed": False, "diff": {"before": "", "after": ""}}
    before, after = change
    return {"changed": True, "diff": {"before": before.show(), "after": after.show()}}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    with guard(module):
        module.exit_json(**run(module.params, module.check_mode))


if __name__ == "__main__":
    main()
