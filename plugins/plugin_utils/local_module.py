# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules that talk to the API only, run in the controller's own process."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase

from ansible_collections.kubestead.cluster.plugins.module_utils._redact import redact


class LocalModuleAction(ActionBase):
    """Calls the function of a module where its task is for the controller, which spares packing and starting it.

    On any other host (the kubeconfig is there) the module runs as modules do.
    """

    _supports_check_mode = True
    _supports_async = False
    TRANSFERS_FILES = False
    #: The module: it has ARGUMENT_SPEC and run(params, check_mode).
    module: Any

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        if self._connection.transport != "local":
            result.update(self._execute_module(task_vars=task_vars))
            return result
        validated = ArgumentSpecValidator(self.module.ARGUMENT_SPEC).validate(dict(self._task.args))
        if validated.error_messages:
            raise AnsibleActionFail("; ".join(validated.error_messages))
        try:
            result.update(self.module.run(validated.validated_parameters, self._task.check_mode))
        except Exception as error:
            # As the module's own failure would be shown: the reason, without secrets.
            raise AnsibleActionFail(redact(str(error)) or type(error).__name__) from error
        return result
