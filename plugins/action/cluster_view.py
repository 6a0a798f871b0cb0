# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Derive the cluster from the inventory, once, on the controller."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.kubestead.cluster.plugins.plugin_utils import view


def resolve(name: str) -> str:
    """Return the address of a host: itself where it is one, else what the controller's resolver says."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        return str(socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)[0][4][0])
    except OSError as error:
        raise AnsibleActionFail(
            f"{name}: its address can't be found ({error}); set node_ip to the address the other nodes reach it at"
        ) from error


class ActionModule(ActionBase):
    """No connection is made: the inventory is all it reads."""

    _requires_connection = False
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        variables = task_vars or {}
        _validated, arguments = self.validate_argument_spec({"settings": {"type": "dict", "required": True}})
        hostvars = variables["hostvars"]

        def variable(host: str, name: str) -> Any:
            return hostvars[host].get(name)

        hosts = view.build_hosts(variables["groups"], variable, resolve)
        result.update(changed=False, view=view.build(arguments["settings"], hosts))
        return result
