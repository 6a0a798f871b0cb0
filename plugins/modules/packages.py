#!/usr/bin/python
# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: packages
short_description: Install the packages that a machine lacks, in one transaction
version_added: 0.1.0
author:
  - kubestead contributors (@kubestead)
description:
  - Decides on the controller, from what M(kubestead.cluster.node_state) found, which packages are missing or of another
    version. When none is, the machine is not asked at all.
  - Otherwise runs M(ansible.builtin.apt) or M(ansible.builtin.dnf) once with all of them. Recommended packages are not
    installed and installed ones are never downgraded.
  - Check mode lists what would be installed without asking the machine.
options:
  names:
    description:
      - Packages as C(NAME) or C(NAME=VERSION), where the version may hold C(*). A name without a version takes any
        installed version. On Red Hat systems it is translated to C(NAME-VERSION).
    type: list
    elements: str
    required: true
  installed:
    description: Installed version of those of the packages that are there, by name.
    type: dict
    required: true
  os_family:
    description: Which package manager the machine has.
    type: str
    choices: [debian, redhat]
    required: true
  conffiles:
    description: What apt does with configuration files that were changed on the machine.
    type: str
    choices: [keep, replace]
    default: keep
attributes:
  check_mode:
    description: Exact, without asking the machine.
    support: full
  diff_mode:
    description: Lists the packages.
    support: full
"""

EXAMPLES = r"""
- name: Install the Kubernetes packages
  kubestead.cluster.packages:
    names: [kubeadm=1.36.3-*, kubelet=1.36.3-*, kubectl=1.36.3-*]
    installed: "{{ __cluster_node_state.state.packages }}"
    os_family: "{{ __cluster_node_state.state.os.family }}"
"""

RETURN = r"""
installed:
  description: The given versions, and those of what was installed.
  returned: always
  type: dict
  sample: {containerd: 1.7.24~ds1-6+b4, kubelet: 1.36.3-1.1}
missing:
  description: What was installed, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [kubeadm=1.36.3-*]
"""
