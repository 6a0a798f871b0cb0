#!/usr/bin/python
# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of this name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: manifests
short_description: A part of the platform in the cluster
version_added: 0.1.0
description:
  - Applies the objects that a part of the platform consists of, in an order that works, and removes those that it
    once applied under the same name and that are no longer listed. A part of no objects is removed as a whole.
  - What a part consists of is remembered in the ConfigMap C(kubestead-parts) of namespace C(kube-system).
  - Objects are compared and applied by the API itself, by server-side apply and its dry run. What others have set in
    fields that are not listed stays. An object with the annotation C(kubestead.io/create-only=true) is created where
    it is missing, and left alone from then on.
  - What the API would refuse is told before anything is changed, as far as its namespace and kind are there. An object
    that somebody else has put there under the same name is refused, and left with a warning when it should go. A part
    whose storage class has volumes in use does not go.
  - It runs on the controller and needs nothing but the cluster's endpoint.
author:
  - kubestead contributors (@kubestead)
requirements:
  - urllib3 (Python, on the controller)
options:
  kubeconfig:
    description: Kubeconfig on the controller.
    type: path
    required: true
  part:
    description: The name under which the objects belong together.
    type: str
    required: true
  definitions:
    description: Objects.
    type: list
    elements: dict
    default: []
  templates:
    description: Templates of the role that become YAML with more objects.
    type: list
    elements: str
    default: []
  files:
    description: Files of the role, YAML with more objects, taken as they are.
    type: list
    elements: str
    default: []
  cluster_exists:
    description: Whether there is a cluster to ask in check mode. Without one all objects are listed as new.
    type: bool
    default: true
  wait:
    description:
      - Seconds that the part's Deployments, DaemonSets and StatefulSets have to be rolled out; V(0) does not wait.
    type: int
    default: 0
  timeout:
    description: Seconds that new kinds, webhooks of the part itself and removals may take.
    type: int
    default: 120
attributes:
  check_mode:
    support: full
    description: Asks the API for a dry run.
  diff_mode:
    support: full
    description: Shows the objects before and after; of a Secret only how long its values are.
"""

EXAMPLES = r"""
- name: Have a namespace
  kubestead.cluster.manifests:
    kubeconfig: "{{ cluster_kubeconfig }}"
    part: demo
    definitions:
      - apiVersion: v1
        kind: Namespace
        metadata: {name: demo}
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
applied:
  description: The objects that were, or in check mode would be, created or changed.
  returned: success
  type: list
  elements: str
  sample: [Namespace demo]
removed:
  description: The objects that were, or in check mode would be, removed.
  returned: success
  type: list
  elements: str
  sample: [ConfigMap demo/old]
parts:
  description: The parts that the cluster has.
  returned: when the API was asked
  type: list
  elements: str
  sample: [demo, network]
"""
