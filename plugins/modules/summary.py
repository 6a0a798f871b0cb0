#!/usr/bin/python
# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of this name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: summary
short_description: Print the cluster as a table
version_added: 0.1.0
description:
  - Prints nodes, roles, versions, addresses and the holder of the virtual IP, and how to reach the cluster.
  - Names the hosts that were not reached.
  - Fails with all problems at once. These are O(problems), what M(kubestead.cluster.node_verify) found on hosts, hosts
    on which a step failed, and a virtual IP that is not held by exactly one machine, as the control planes see it on
    the network.
author:
  - kubestead contributors (@kubestead)
options:
  nodes:
    description: The nodes as M(kubestead.cluster.cluster_info) returns them.
    type: list
    elements: dict
    required: true
  hosts:
    description: The hosts of the view.
    type: dict
    required: true
  verified_var:
    description: Name of the variable that holds each host's result of M(kubestead.cluster.node_verify).
    type: str
    required: true
  vip:
    description: The virtual IP.
    type: str
    default: ""
  vip_waiting:
    description: Control planes that can't take the virtual IP yet, because others do not list them as peers.
    type: list
    elements: str
    default: []
  server:
    description: Where the API is reached.
    type: str
    required: true
  kubeconfig:
    description: The operator's kubeconfig on the controller.
    type: path
    required: true
  problems:
    description: Further problems, with which the task fails. Empty ones are none.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - kubestead.cluster.attributes.read_only
"""

EXAMPLES = r"""
- name: Sum up
  kubestead.cluster.summary:
    nodes: "{{ cluster.nodes }}"
    hosts: "{{ __cluster_view.hosts }}"
    verified_var: verified
    server: "{{ cluster.server }}"
    kubeconfig: "{{ cluster_kubeconfig }}"
  run_once: true
"""

RETURN = r"""
vip_holders:
  description: The nodes that hold the virtual IP.
  returned: success
  type: list
  elements: str
  sample: [cp1]
not_reached:
  description: The hosts of the play that left it before its end, because they were unreachable or a step failed there.
  returned: always
  type: list
  elements: str
  sample: [w1]
"""
