#!/usr/bin/python
# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of this name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_lock
short_description: Prove which cluster a kubeconfig is for, and hold that cluster for this run
version_added: 0.1.0
description:
  - Fails unless the kubeconfig is that of the cluster that is meant - its server is O(endpoint), its CA is one of
    O(ca_hashes) where these are given, and the cluster's own record (C(clusterName) in the ConfigMap
    C(kube-system/kubeadm-config)) has O(name), or kubeadm's default C(kubernetes).
  - Then takes the Lease C(kube-system/kubestead-run) for the run of C(ansible-playbook) that the task belongs to. A
    process on the controller renews it every 10 seconds, and gives it back when the run ends, in whatever way. A Lease
    that nobody has renewed for 60 seconds is taken over.
  - Fails where another run holds the Lease, and says which one and since when.
author:
  - kubestead contributors (@kubestead)
options:
  kubeconfig:
    description: The kubeconfig on the controller.
    type: path
    required: true
  name:
    description: The name that the cluster was made with.
    type: str
    required: true
  endpoint:
    description: The endpoint of its API, as C(host:port).
    type: str
    required: true
  ca_hashes:
    description:
      - Hashes of the public keys of the CAs of its machines, as C(kubeadm join) takes them. Empty where none was read.
    type: list
    elements: str
    default: []
  cluster_exists:
    description:
      - Whether the cluster has been started. Before that, it only fails where O(kubeconfig) is the file of another
        cluster, and nothing is held.
    type: bool
    default: true
  required:
    description: Whether to fail when the API does not answer, instead of going on with a warning.
    type: bool
    default: true
attributes:
  check_mode:
    support: full
    description: Proves which cluster it is, and holds nothing.
  diff_mode:
    support: none
    description: Nothing is changed that a later run would find.
seealso:
  - module: kubestead.cluster.kubeconfig
"""

EXAMPLES = r"""
- name: Hold the cluster
  kubestead.cluster.cluster_lock:
    kubeconfig: ~/.kube/production
    name: production
    endpoint: 192.0.2.100:8443
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
held:
  description: Whether this run holds the Lease.
  returned: success
  type: bool
  sample: true
"""
