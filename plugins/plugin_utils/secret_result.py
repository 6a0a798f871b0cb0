# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks whose results are secrets are run with no_log, which hides too why they fail and what they change.

Both are shown here: the modules keep secrets out of their errors and diffs.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

display = Display()


class SecretResultAction(ActionBase):
    """Runs the module of the same name; its failure, and its diff if one is asked for, are displayed."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        host = self._task.delegate_to or (task_vars or {}).get("inventory_hostname", "")
        try:
            result.update(self._execute_module(task_vars=task_vars))
        except AnsibleConnectionFailure as error:
            display.error(f"{host}: found no answer over SSH ({error}); start it and run again", wrap_text=False)
            raise
        if self._task.no_log and self._task.diff and result.get("diff"):
            display.display(f"{host}:\n{unified(result['diff'])}")
        if result.get("failed"):
            display.error(f"{host}: {result.get('msg')}", wrap_text=False)
        return result


def unified(diff: Mapping[str, str]) -> str:
    """Return a module's diff as lines that go and lines that come."""
    before, after = (diff[name].splitlines() for name in ("before", "after"))
    header = diff.get("after_header", "")
    return "\n".join(difflib.unified_diff(before, after, f"before: {header}", f"after: {header}", lineterm=""))
