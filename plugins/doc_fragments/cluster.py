# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules that talk to a cluster's API need, in the same words."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation that such modules extend."""

    DOCUMENTATION = r"""
requirements:
  - urllib3 (Python)
options:
  kubeconfig:
    description: Kubeconfig on the host where the module runs.
    type: path
    required: true
"""

    # Of those that try the cluster out.
    TRIAL = r"""
options:
  image:
    description: An image with nginx, bash and getent, such as the official one of nginx on Debian.
    type: str
    required: true
  dns:
    description: Whether the cluster has a DNS to ask.
    type: bool
    default: true
attributes:
  check_mode:
    support: full
    description: Starts nothing; says what it would do.
  diff_mode:
    support: none
    description: There is nothing that stays.
"""
