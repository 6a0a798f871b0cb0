# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks whose results are secrets are run with no_log, which hides the reason of a failure too. This shows it."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

display = Display()


class SecretResultAction(ActionBase):
    """Runs the module of the same name; its failure is displayed (the modules hide secrets in their errors)."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        result.update(self._execute_module(task_vars=task_vars))
        if result.get("failed"):
            host = self._task.delegate_to or (task_vars or {}).get("inventory_hostname", "")
            display.error(f"{host}: {result.get('msg')}", wrap_text=False)
        return result
