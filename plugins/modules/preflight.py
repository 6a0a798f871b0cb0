#!/usr/bin/python
# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of this name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: Find all problems of all hosts before anything is changed
version_added: 0.1.0
description:
  - Applies all preflight rules to the inventory and to what M(kubestead.cluster.node_state) read from the machines.
  - Fails once, with every error of every host in one numbered list; warnings are shown and do not fail.
  - Runs on the controller and makes no connection. The hosts are those of the groups C(kube_control_plane) and
    C(kube_node), whatever C(--limit) says; of those that were not read only the inventory is looked at.
author:
  - kubestead contributors (@kubestead)
options:
  settings:
    description:
      - The shared settings of role C(cluster), variable C(cluster_X) under the key C(X).
      - Each is evaluated by itself, so that one that refers to an undefined variable is reported beside all others.
    type: dict
    required: true
  state_var:
    description: Name of the variable in which each host registered its result of M(kubestead.cluster.node_state).
    type: str
    default: __cluster_node_state
  delegated_var:
    description:
      - Name of a variable with the registered result of a M(kubestead.cluster.node_state) that looped over hosts and
        was delegated to each, for control planes outside C(--limit).
    type: str
    default: ""
  reachability_var:
    description:
      - Name of the variable in which each host registered its result of M(kubestead.cluster.node_probe) with
        C(state=connect).
    type: str
    default: ""
  minimum:
    description: The least that a machine must have.
    type: dict
    suboptions:
      control_plane_cpus:
        description: CPUs of a control plane.
        type: int
        default: 2
      worker_cpus:
        description: CPUs of a worker.
        type: int
        default: 1
      control_plane_memory_mib:
        description: Memory of a control plane in MiB.
        type: int
        default: 1700
      worker_memory_mib:
        description: Memory of a worker in MiB.
        type: int
        default: 700
      free_mib:
        description:
          - Free space by path in MiB. The defaults are 1024 for C(/) and C(/var/lib/kubelet), 4096 for
            C(/var/lib/containerd) and, on control planes, 2048 for C(/var/lib/etcd).
        type: dict
        default: {}
  max_clock_skew:
    description: Seconds that the clocks of two hosts may differ by.
    type: float
    default: 5.0
  ignore:
    description: Ids of rules that are not to be applied. The id stands at the end of each message.
    type: list
    elements: str
    default: []
  required:
    description: Names of variables that every host needs a value for.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - kubestead.cluster.attributes.read_only
seealso:
  - module: kubestead.cluster.node_state
  - module: kubestead.cluster.node_probe
"""

EXAMPLES = r"""
- name: Find all problems at once
  kubestead.cluster.preflight:
    settings: "{{ __cluster_settings }}"
    reachability_var: __preflight_reachability
    ignore: [disk]
  register: __preflight
  run_once: true
"""

RETURN = r"""
findings:
  description: All findings, errors first.
  returned: always
  type: list
  elements: dict
  sample:
    - rule: memory
      severity: error
      where: cp1
      found: 1024 MiB of memory
      expected: at least 1700 MiB for a control plane
      remedy: give the machine more memory
warnings_found:
  description: Number of warnings among the findings.
  returned: always
  type: int
  sample: 0
seed:
  description:
    - The control plane that starts the cluster or through which others join. The first healthy initialised one, else
      the first initialised one, else the first whose init was interrupted, else the first that was read, else the
      first of the group.
  returned: always
  type: str
  sample: cp1
seeds:
  description:
    - The control planes that can be the seed, the best first. Without a cluster it is only the one that starts it.
  returned: always
  type: list
  elements: str
  sample: [cp1, cp2, cp3]
initialised:
  description: Whether a control plane of the inventory already is one.
  returned: always
  type: bool
  sample: false
ca_hash:
  description: Hash of the public key of the cluster's CA, as C(kubeadm join) takes it. Empty where none is known.
  returned: always
  type: str
  sample: sha256:5f5b64e9bdca0a7fdd5aa8b4ae63d3e2a2c2e8ac0ee33c9b51f54cbb6fd6a1f0
unknown_control_planes:
  description: Addresses of machines that may hold the virtual IP though the inventory does not have them.
  returned: always
  type: list
  elements: str
  sample: [10.90.0.14]
vip_late:
  description: Control planes of this run that get their part in the virtual IP after all joins.
  returned: always
  type: list
  elements: str
  sample: [cp2, cp3]
vip_waiting:
  description: Control planes of this run that can't take the virtual IP yet, because others do not list them as peers.
  returned: always
  type: list
  elements: str
  sample: [cp4]
joining:
  description: The hosts that were read and are no members of the cluster yet, control planes first.
  returned: always
  type: list
  elements: str
  sample: [cp1, cp2, w1]
"""
