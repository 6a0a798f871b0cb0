#!/usr/bin/python
# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List the bootstrap tokens of a cluster, without their secrets."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kubeadm_token_info
short_description: List the bootstrap tokens of a cluster
version_added: 0.1.0
description:
  - Lists the bootstrap tokens by their public ids. Runs on a control plane.
author:
  - kubestead contributors (@kubestead)
extends_documentation_fragment:
  - kubestead.cluster.attributes.read_only
seealso:
  - module: kubestead.cluster.kubeadm_token
"""

EXAMPLES = r"""
- name: Which tokens are there
  kubestead.cluster.kubeadm_token_info:
  register: tokens
"""

RETURN = r"""
tokens:
  description: The tokens, without their secrets.
  returned: success
  type: list
  elements: dict
  sample:
    - description: "kubestead: machines join"
      expires: "2026-11-22T23:05:17Z"
      id: abcdef
      usages: [authentication, signing]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kubestead.cluster.plugins.module_utils._kubeadm import run as kubeadm
from ansible_collections.kubestead.cluster.plugins.module_utils._kubeadm.json_output import parse_token_list
from ansible_collections.kubestead.cluster.plugins.module_utils._runner import Runner, guard


def main() -> None:
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    with guard(module):
        output = Runner(module)(["kubeadm", "token", "list", "-o", "json", "--kubeconfig", kubeadm.ADMIN_CONF]).stdout
        tokens = [
            {
                "id": token.token_id,
                "expires": token.expires,
                "usages": list(token.usages),
                "description": token.description,
            }
            for token in parse_token_list(output)
        ]
        module.exit_json(changed=False, tokens=tokens)


if __name__ == "__main__":
    main()
