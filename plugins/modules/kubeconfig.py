#!/usr/bin/python
# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of this name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kubeconfig
short_description: Keep a kubeconfig on the controller
version_added: 0.1.0
description:
  - Writes a kubeconfig on the controller with mode 0600, in one step, if it is not there as it should be.
author:
  - kubestead contributors (@kubestead)
options:
  path:
    description: The file. Missing folders are made.
    type: path
    required: true
  content:
    description: Its content.
    type: str
    required: true
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
"""

EXAMPLES = r"""
- name: Keep the administrator's kubeconfig
  kubestead.cluster.kubeconfig:
    path: ~/.kube/production
    content: "{{ started.kubeconfig }}"
  run_once: true
  no_log: true
"""

RETURN = r"""
path:
  description: The file.
  returned: success
  type: str
  sample: /home/ops/.kube/production
"""
