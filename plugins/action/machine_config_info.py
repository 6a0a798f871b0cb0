# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare a machine with what several roles want, in one execution or in none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.kubestead.cluster.plugins.action.machine_config import ActionModule as MachineConfig
from ansible_collections.kubestead.cluster.plugins.action.packages import missing

ROLES = Path(__file__).parents[2] / "roles"


class ActionModule(MachineConfig):
    """Prepares each role's configuration as machine_config would do for a task of that role."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Asks the machine, unless packages are missing there."""
        result: dict[str, Any] = super(MachineConfig, self).run(tmp, task_vars)
        _validated, arguments = self.validate_argument_spec(
            {
                "configurations": {"type": "dict", "required": True},
                "installed": {"type": "dict", "required": True},
                "member": {"type": "bool", "default": False},
            }
        )
        # One that is null is not for this host.
        wanted = {role: dict(given) for role, given in arguments["configurations"].items() if given}
        packages = [name for given in wanted.values() for name in given.pop("packages", [])]
        lacking = missing(packages, arguments["installed"])
        if lacking:
            restarts = [f"packages installed: {', '.join(lacking)}"] if arguments["member"] else []
            result.update(changed=False, in_order=[], restarts=restarts)
            return result
        prepared = {role: self.prepared(located(role, given), task_vars or {}) for role, given in wanted.items()}
        secrets = {role: given.pop("sensitive_contents") for role, given in prepared.items()}
        module_args = {**arguments, "configurations": prepared, "sensitive_contents": secrets}
        result.update(self._execute_module(module_args=module_args, task_vars=task_vars))
        return result


def located(role: str, configuration: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration whose templates and sources are found from any role."""
    folders = {"template": "templates", "source": "files"}
    files = [
        {
            name: str(ROLES / role / folders[name] / value) if name in folders and value else value
            for name, value in item.items()
        }
        for item in configuration.get("files") or []
    ]
    return {**configuration, "files": files}
