# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Derive the cluster from the inventory, once, on the controller."""

from __future__ import annotations

from typing import Any

from ansible_collections.kubestead.cluster.plugins.plugin_utils import view
from ansible_collections.kubestead.cluster.plugins.plugin_utils.inventory import NFS_GROUP, HostVariables, resolve
from ansible_collections.kubestead.cluster.plugins.plugin_utils.settings import SettingsAction


class ActionModule(SettingsAction):
    """No connection is made: the inventory is all it reads. What is wrong with it, preflight tells."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        _validated, arguments = self.validate_argument_spec({"settings": {"type": "dict", "required": True}})
        hostvars = variables["hostvars"]

        def variable(host: str, name: str) -> Any:
            return HostVariables(hostvars.raw_get(host), [hostvars[host].__getitem__]).get(name)

        hosts = view.build_hosts(variables["groups"], variable, resolve)
        servers = variables["groups"].get(NFS_GROUP, [])
        nfs_server = view.address_of(servers[0], variable, resolve) if servers else ""
        result.update(changed=False, view=view.build(arguments["settings"], hosts, nfs_server))
        return result
