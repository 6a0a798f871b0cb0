#!/usr/bin/python
# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: machine_config_info
short_description: Which roles have nothing to do on a machine, and what the others would restart
version_added: 0.1.0
description:
  - Compares a machine with the configurations of several roles in one execution, and changes nothing. A role whose
    packages are there and whose configuration is in place has nothing to do.
  - Where packages are missing nothing is compared, because that machine has work to do anyway.
  - Returns what the other roles would restart, so that a playbook can take the nodes of a living cluster one after the
    other.
author:
  - kubestead contributors (@kubestead)
options:
  configurations:
    description:
      - What each role wants, by the name of a role of this collection. Its templates and files are looked up there.
      - Each takes the options of M(kubestead.cluster.machine_config), and C(packages), what
        M(kubestead.cluster.packages) takes as C(names).
    type: dict
    required: true
  installed:
    description: The packages that are installed, with their versions.
    type: dict
    required: true
  member:
    description:
      - Whether the machine is a node of a cluster. On a node, missing packages count as a restart, because package
        managers restart what they upgrade.
    type: bool
    default: false
  sensitive_contents:
    description: Filled by the action, for files whose contents are secret.
    type: dict
    default: {}
extends_documentation_fragment:
  - kubestead.cluster.attributes.read_only
"""

EXAMPLES = r"""
- name: See which roles have nothing to do
  kubestead.cluster.machine_config_info:
    installed: {containerd: 1.7.24~ds1-6}
    configurations:
      containerd:
        packages: [containerd]
        files:
          - path: /etc/containerd/config.toml
            content: version = 3
        units:
          - name: containerd.service
            state: started
"""

RETURN = r"""
in_order:
  description: The roles that have nothing to do.
  returned: success
  type: list
  elements: str
  sample: [containerd, node]
restarts:
  description: What would restart something on the machine.
  returned: success
  type: list
  elements: str
  sample: ['unit containerd.service restarted: /etc/containerd/config.toml changed']
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.kubestead.cluster.plugins.module_utils._machine.base import MachineError
from ansible_collections.kubestead.cluster.plugins.module_utils._machine.machine import Machine
from ansible_collections.kubestead.cluster.plugins.module_utils._machine.spec import ARGUMENT_SPEC


def compare(module: AnsibleModule, configuration: dict[str, Any], secrets: dict[str, str]) -> tuple[bool, list[str]]:
    """Return whether a machine has what a role wants, and what the role would restart.

    What can't be compared may restart anything; the role's own task reports the reason.
    """
    validated = ArgumentSpecValidator(ARGUMENT_SPEC).validate({**configuration, "sensitive_contents": secrets})
    try:
        plan = Machine(module, validated.validated_parameters, True).plan()
    except MachineError as error:
        return False, [str(error)]
    return not plan.changes(), plan.restarts()


def main() -> None:
    """The argument spec and the way through."""
    module = AnsibleModule(
        argument_spec={
            "configurations": {"type": "dict", "required": True},
            "installed": {"type": "dict", "required": True},
            "member": {"type": "bool", "default": False},
            "sensitive_contents": {"type": "dict", "no_log": True, "default": {}},
        },
        supports_check_mode=True,
    )
    secrets = module.params["sensitive_contents"]
    compared = {
        role: compare(module, configuration, secrets.get(role, {}))
        for role, configuration in module.params["configurations"].items()
    }
    module.exit_json(
        changed=False,
        in_order=sorted(role for role, (in_order, _restarts) in compared.items() if in_order),
        restarts=[text for _in_order, restarts in compared.values() for text in restarts],
    )


if __name__ == "__main__":
    main()
