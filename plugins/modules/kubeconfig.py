#!/usr/bin/python
# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of this name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kubeconfig
short_description: Keep the administrator's kubeconfig on the controller
version_added: 0.1.0
description:
  - Writes a kubeconfig on the controller with mode 0600, in one step. It is built from the CA, the client certificate
    and the key of a control plane's kubeconfig, and from O(endpoint); nothing else is taken over, so that no command of
    a control plane's file runs on the controller.
  - A file with the same CA and endpoint and an administrator's certificate that is valid for more than 30 days stays as
    it is, whichever control plane its certificate is from.
  - Fails where the file is the kubeconfig of another cluster, of several clusters, or no kubeconfig.
author:
  - kubestead contributors (@kubestead)
options:
  path:
    description: The file. Missing folders are made.
    type: path
    required: true
  name:
    description: The name of the cluster, for the entries of the file.
    type: str
    required: true
  endpoint:
    description: The endpoint of the API, as C(host:port).
    type: str
    required: true
  ca_hashes:
    description:
      - Hashes of the public keys of the CAs of the cluster's machines, as C(kubeadm join) takes them. Empty where none
        was read.
    type: list
    elements: str
    default: []
  content:
    description: The control plane's kubeconfig. By default O(source) is read, if the file at O(path) does not serve.
    type: str
  source:
    description: The control plane's kubeconfig on the task's host.
    type: path
    default: /etc/kubernetes/admin.conf
  proxy:
    description: URL of a proxy on the way to the API (V(http://), V(https://) or V(socks5://)), put into the file.
    type: str
    default: ""
attributes:
  check_mode:
    support: full
    description: Tells whether the file would be written.
  diff_mode:
    support: none
    description: The content is a secret.
seealso:
  - module: kubestead.cluster.cluster_lock
"""

EXAMPLES = r"""
- name: Keep the administrator's kubeconfig
  kubestead.cluster.kubeconfig:
    path: ~/.kube/production
    name: production
    endpoint: 192.0.2.100:8443
  delegate_to: cp1
  become: true
  run_once: true
"""

RETURN = r"""
path:
  description: The file.
  returned: success
  type: str
  sample: /home/ops/.kube/production
"""
