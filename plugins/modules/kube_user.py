#!/usr/bin/python
# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of this name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kube_user
short_description: Users of a cluster, with certificates, kubeconfigs and rights
version_added: 0.1.0
description:
  - Gives every user of O(accounts) a private key, a client certificate that the cluster has signed, a kubeconfig of
    both, and bindings to the roles listed. Users who were listed before and no longer are lose bindings, roles and
    kubeconfig.
  - A certificate is replaced when less than a third of its life is left, and when groups or lifetime of the user have
    changed. When the kubeconfig is gone while the record has a living certificate, such as on another controller, none
    is issued; RV(notes) tells where and when that one was issued, and O(reissue) asks for another.
  - Keys are made on the controller, in memory, and stay there. Only the request for the certificate is sent.
  - A cluster can't revoke certificates. Those that were issued are recorded with their end and place in the ConfigMap
    C(kubestead-users) of namespace C(kube-system), so that RV(notes) can tell how long a user who is gone may still
    log in, and which users have several living certificates.
  - It runs on the controller and needs nothing but the cluster's endpoint.
author:
  - kubestead contributors (@kubestead)
requirements:
  - cryptography (Python, on the controller; ansible-core needs it too)
  - urllib3 (Python, on the controller)
options:
  kubeconfig:
    description: Kubeconfig of an administrator on the controller. The users' kubeconfigs get its server.
    type: path
    required: true
  directory:
    description: Directory on the controller for the users' kubeconfigs, C(NAME.kubeconfig), with mode 0600.
    type: path
    required: true
  cluster_name:
    description: Name of the cluster in the kubeconfigs.
    type: str
    default: kubernetes
  accounts:
    description: All users.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the user. At most 64 letters, digits and C(@ . _ + -), the first a letter or digit.
        type: str
        required: true
      groups:
        description: Groups that the user is in. They stand in the certificate.
        type: list
        elements: str
        default: []
      lifetime:
        description:
          - How long a certificate lives, at least 10m, such as 12h or 90d. The cluster signs none that lives longer
            than kube-controller-manager's C(--cluster-signing-duration), a year by default.
        type: str
        default: 90d
      roles:
        description: What the user may do, each by exactly one of C(cluster_role), C(role) and C(rules).
        type: list
        elements: dict
        default: []
        suboptions:
          cluster_role:
            description: A ClusterRole that there is, such as view; in the namespace, or else in the whole cluster.
            type: str
          role:
            description: A Role that there is in the namespace.
            type: str
          rules:
            description:
              - Rules (of apiGroups, resources, resourceNames, nonResourceURLs and verbs) that become a Role in the
                namespace, or else a ClusterRole.
            type: list
            elements: dict
          name:
            description: What the role of these rules is called.
            type: str
          namespace:
            description: Where it holds. Without one it holds in the whole cluster.
            type: str
  reissue:
    description:
      - Names of users of O(accounts) who get another certificate in this run, although a living one is recorded, which
        stays valid.
    type: list
    elements: str
    default: []
  cluster_exists:
    description: Whether there is a cluster to ask in check mode. Without one all users are listed as new.
    type: bool
    default: true
  timeout:
    description: Seconds that the cluster has to sign a certificate.
    type: int
    default: 60
attributes:
  check_mode:
    support: full
    description: Asks the API for a dry run of roles and bindings; makes no key.
  diff_mode:
    support: full
    description: Shows roles, bindings, and the end and groups of certificates, before and after.
"""

EXAMPLES = r"""
- name: Have two users
  kubestead.cluster.kube_user:
    kubeconfig: "{{ cluster_kubeconfig }}"
    directory: "{{ inventory_dir }}/users"
    accounts:
      - name: jane
        groups: [developers]
        roles:
          - cluster_role: view
          - cluster_role: edit
            namespace: shop
      - name: robot
        lifetime: 12h
        roles:
          - name: pod-reader
            namespace: default
            rules:
              - apiGroups: [""]
                resources: [pods]
                verbs: [get, list, watch]
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
issued:
  description: The certificates that were, or in check mode would be, issued, and why.
  returned: success
  type: list
  elements: dict
  sample: [{name: jane, reason: there is no kubeconfig yet}]
removed:
  description: The users whose kubeconfig was, or in check mode would be, removed.
  returned: success
  type: list
  elements: str
  sample: [joe]
notes:
  description:
    - Certificates that were not issued because a living one is recorded, and users with several living certificates.
    - What the inventory does not want and the cluster can't revoke (living certificates of users who are removed or
      left a group), lifetimes that the cluster does not grant, and kubeconfigs of users who are not listed that stay,
      as they can't be read or are not of this cluster.
  returned: success
  type: list
  elements: str
  sample: [joe is removed; a certificate lives until 2027-02-21T10:00:00Z; no binding holds]
users:
  description: The users with the end of the certificate that they have.
  returned: success
  type: list
  elements: dict
  sample: [{name: jane, groups: [developers], kubeconfig: /site/users/jane.kubeconfig, until: "2027-02-21T10:00:00Z"}]
"""
