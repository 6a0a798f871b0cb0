#!/usr/bin/python
# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""See that a cluster does what each kind of workload asks of it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: workloads
short_description: See that a cluster does what each kind of workload asks of it
version_added: 0.1.0
description:
  - Runs small workloads of every kind, several at once, and looks at what they do rather than at what was created. A
    Deployment is rolled out, given an image that does not exist, undone and scaled; services answer inside the
    cluster, at every node and at an address of their own; the pods of a StatefulSet keep their names; probes, limits,
    labels, affinity, taints and tolerations have their effects.
  - All of it is in the namespace C(kubestead-workloads), which is removed afterwards whatever happens. Taints and
    labels that cases put on a node for a moment begin with C(kubestead.io/smoke) and are removed, too. What a killed
    run left is removed by the next one.
  - A case that can't be tried in a cluster is skipped with the reason, such as C(autoscale) without a metrics API.
  - Reports no change, because it leaves nothing behind.
author:
  - kubestead contributors (@kubestead)
options:
  cases:
    description: Names of the cases to run; without any, all.
    type: list
    elements: str
    default: []
  evict:
    description:
      - Whether the case C(taint-no-execute) may run where it evicts pods of others. Without that it takes a node where
        it evicts none, and is skipped where there is no such node.
    type: bool
    default: false
  timeout:
    description: Seconds to wait for whatever a case waits for, and for the namespace to be gone.
    type: int
    default: 180
extends_documentation_fragment:
  - kubestead.cluster.cluster
  - kubestead.cluster.cluster.trial
"""

EXAMPLES = r"""
- name: See that the cluster's workloads work
  kubestead.cluster.workloads:
    kubeconfig: "{{ cluster_kubeconfig }}"
    image: docker.io/library/nginx:1.31.6
  delegate_to: localhost
  run_once: true

- name: Try only what places pods
  kubestead.cluster.workloads:
    kubeconfig: "{{ cluster_kubeconfig }}"
    image: docker.io/library/nginx:1.31.6
    cases: [node-selector, affinity]
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
results:
  description: One line for each case, in check mode one that says what would be done.
  returned: always
  type: list
  elements: str
  sample:
    - "ok      node-port                  6.1 s  answered at port 31234 of 3 nodes, asked from here"
    - "skipped autoscale                  0.1 s  the cluster has no metrics API; metrics-server brings it"
    - "FAILED  daemon-set               180.4 s  found no Ready pod on w2, expected one on every node"
cases:
  description: The same, in parts.
  returned: when cases were run
  type: list
  elements: dict
  contains:
    case:
      description: Name of the case.
      type: str
    outcome:
      description: How it ended, V(ok), V(skipped) or V(failed).
      type: str
    seconds:
      description: How long it took.
      type: float
    detail:
      description: What was seen, or what was found and what was expected.
      type: str
  sample:
    - case: node-port
      detail: answered at port 31234 of 3 nodes, asked from here
      outcome: ok
      seconds: 6.1
"""

from collections.abc import Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kubestead.cluster.plugins.module_utils._kube import connect
from ansible_collections.kubestead.cluster.plugins.module_utils._runner import guard
from ansible_collections.kubestead.cluster.plugins.module_utils._smoke.cases import (
    configuration,
    containers,
    deployments,
    jobs,
    placement,
    services,
    sets,
)
from ansible_collections.kubestead.cluster.plugins.module_utils._smoke.namespace import Namespace
from ansible_collections.kubestead.cluster.plugins.module_utils._smoke.suite import Case, Settings, run_cases

NAMESPACE = "kubestead-workloads"
# Those that wait for a clock come first: they take longest.
CASES = (
    *deployments.CASES,
    *jobs.CASES,
    *services.CASES,
    *containers.CASES,
    *sets.CASES,
    *placement.CASES,
    *configuration.CASES,
)


class Unknown(Exception):
    """There is no case of a name."""


def chosen(names: Sequence[str]) -> list[Case]:
    """Return the cases of these names, all without any."""
    there = {case.name: case for case in CASES}
    unknown = [name for name in names if name not in there]
    if unknown:
        raise Unknown(f"cases: found {', '.join(unknown)}, expected any of {', '.join(sorted(there))}")
    return [case for case in CASES if not names or case.name in names]


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "kubeconfig": {"type": "path", "required": True},
            "image": {"type": "str", "required": True},
            "cases": {"type": "list", "elements": "str", "default": []},
            "evict": {"type": "bool", "default": False},
            "dns": {"type": "bool", "default": True},
            "timeout": {"type": "int", "default": 180},
        },
        supports_check_mode=True,
    )
    params: dict[str, Any] = module.params
    with guard(module):
        cases = chosen(params["cases"])
        if module.check_mode:
            # Not even the API is asked: in check mode there may be no cluster yet.
            would = f"would run {len(cases)} workloads in namespace {NAMESPACE}, look at them, and remove them"
            module.exit_json(changed=False, results=[would])
        settings = Settings(params["image"], params["dns"], params["evict"])
        results = run_cases(cases, Namespace(connect(params["kubeconfig"]), NAMESPACE, params["timeout"]), settings)
        lines = [result.line() for result in results]
        told = [vars(result) for result in results]
        failed = [result.line() for result in results if result.outcome == "failed"]
        if failed:
            message = "\n".join([f"{len(failed)} of {len(results)} workloads failed", *failed])
            module.fail_json(msg=message, results=lines, cases=told)
        # What was created is gone again.
        module.exit_json(changed=False, results=lines, cases=told)


if __name__ == "__main__":
    main()
