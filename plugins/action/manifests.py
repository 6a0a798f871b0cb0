# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Apply manifests by kubernetes.core, also in check mode before there is a cluster."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

FIELD_MANAGER = "kubestead"


class ActionModule(ActionBase):
    """kubernetes.core.k8s does the work, on the host that the task runs on (the controller, by delegation)."""

    _supports_check_mode = True
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validated, arguments = self.validate_argument_spec(
            {
                "kubeconfig": {"type": "path", "required": True},
                "definitions": {"type": "list", "elements": "dict", "required": True},
                "cluster_exists": {"type": "bool", "default": True},
            }
        )
        definitions = [definition for definition in arguments["definitions"] if definition]
        if self._task.check_mode and not arguments["cluster_exists"]:
            names = [f"{item['kind']} {item['metadata']['name']}\n" for item in definitions]
            result.update(changed=True, diff={"before": "", "after": "".join(names)})
            return result
        applied = self._execute_module(
            module_name="kubernetes.core.k8s",
            module_args={
                "kubeconfig": arguments["kubeconfig"],
                "resource_definition": definitions,
                "apply": True,
                "server_side_apply": {"field_manager": FIELD_MANAGER, "force_conflicts": True},
            },
            task_vars=task_vars,
        )
        result.update(applied)
        return result
