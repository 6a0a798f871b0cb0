#!/usr/bin/python
# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of this name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: manifests
short_description: Apply manifests to the cluster
version_added: 0.1.0
description:
  - Applies definitions by server-side apply, through M(kubernetes.core.k8s).
  - In check mode, before there is a cluster, it lists what it would create instead of failing.
author:
  - kubestead contributors (@kubestead)
options:
  kubeconfig:
    description: Kubeconfig on the host where the task runs.
    type: path
    required: true
  definitions:
    description: The objects.
    type: list
    elements: dict
    required: true
  cluster_exists:
    description: Whether there is a cluster to ask in check mode.
    type: bool
    default: true
attributes:
  check_mode:
    support: full
    description: Asks the API for a dry run.
  diff_mode:
    support: full
    description: Shows the objects before and after.
"""

EXAMPLES = r"""
- name: Have a namespace
  kubestead.cluster.manifests:
    kubeconfig: "{{ cluster_kubeconfig }}"
    definitions:
      - apiVersion: v1
        kind: Namespace
        metadata: {name: demo}
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
result:
  description: What M(kubernetes.core.k8s) returned.
  returned: when the API was asked
  type: dict
  sample: {results: []}
"""
