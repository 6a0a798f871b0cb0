# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions on the controller that take all of a cluster's settings, some of which may be undefined."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.kubestead.cluster.plugins.plugin_utils.inventory import evaluate_each


class SettingsAction(ActionBase):
    """Makes no connection. What of its argument `settings` can't be evaluated is told there, and is no failure."""

    _requires_connection = False
    TRANSFERS_FILES = False

    @classmethod
    def finalize_task_arg(cls, name: str, value: Any, templar: Any, context: Any) -> Any:
        evaluated = evaluate_each(value, templar) if name == "settings" else None
        return super().finalize_task_arg(name, value, templar, context) if evaluated is None else evaluated
