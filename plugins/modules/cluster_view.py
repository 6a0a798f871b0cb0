#!/usr/bin/python
# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of this name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_view
short_description: Derive the cluster from the inventory
version_added: 0.1.0
description:
  - Computes, on the controller and without any connection, what every role needs to know of the whole cluster.
  - The hosts are those of the groups C(kube_control_plane) and C(kube_node), whatever C(--limit) says.
author:
  - kubestead contributors (@kubestead)
options:
  settings:
    description: The shared settings of role C(cluster).
    type: dict
    required: true
extends_documentation_fragment:
  - kubestead.cluster.attributes.read_only
"""

EXAMPLES = r"""
- name: Derive the cluster
  kubestead.cluster.cluster_view:
    settings: "{{ __cluster_settings }}"
  register: __cluster_derived
"""

RETURN = r"""
view:
  description: The cluster as the inventory wants it.
  returned: success
  type: dict
  sample:
    api_port: 6443
    batch: 20%
    control_planes: [cp1]
    endpoint: 10.90.0.11:6443
    endpoint_host: 10.90.0.11
    endpoint_port: 6443
    hosts:
      cp1:
        annotations: {}
        control_plane: true
        ip: 10.90.0.11
        labels: {}
        node_name: cp1
        taints: []
        worker: false
    hosts_block: 10.90.0.11 cp1
    image_repository: registry.k8s.io
    minor: "1.36"
    nfs_server: 192.0.2.40
    vip: ""
"""
