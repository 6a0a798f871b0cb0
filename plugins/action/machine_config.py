# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Controller half of kubestead.cluster.machine_config: checks the arguments, renders templates, reads sources."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase

from ansible_collections.kubestead.cluster.plugins.module_utils._machine.spec import ARGUMENT_SPEC, problems
from ansible_collections.kubestead.cluster.plugins.plugin_utils import templates

_MODULE = "kubestead.cluster.machine_config"


def _given(value: Any) -> Any:
    """The arguments without those that are null: a role may leave one out by a variable."""
    if isinstance(value, dict):
        return {name: _given(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_given(item) for item in value]
    return value


class ActionModule(ActionBase):
    """One remote execution for everything a role configures on a machine."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False
    _requires_connection = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Hands the module contents instead of templates and sources."""
        variables = task_vars or {}
        result: dict[str, Any] = super().run(tmp, variables)
        args = self.prepared(self._task.args, variables)
        result.update(self._execute_module(module_name=_MODULE, module_args=args, task_vars=variables))
        return result

    def prepared(self, arguments: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """The arguments as the module takes them: checked, with the contents of templates and sources."""
        args = self._checked(_given(arguments))
        secrets: dict[str, str] = {}
        failures = []
        for item in args.get("files") or []:
            try:
                content = self._content(item, variables)
            except AnsibleError as exc:
                failures.append(f"files: {item['path']}: {exc}")
                continue
            item["template"] = item["source"] = None
            if item["sensitive"] and content is not None:
                secrets[item["path"]], content = content, ""
            item["content"] = content
        if failures:
            raise AnsibleActionFail("; ".join(failures))
        args["sensitive_contents"] = secrets
        return dict(_given(args))

    def _checked(self, args: dict[str, Any]) -> dict[str, Any]:
        """The arguments with their types and defaults; everything that is wrong with them at once."""
        if "sensitive_contents" in args:
            raise AnsibleActionFail("sensitive_contents is filled by the action; mark a file as sensitive instead")
        validated = ArgumentSpecValidator(ARGUMENT_SPEC).validate(args)
        found = list(validated.error_messages) or problems(validated.validated_parameters)
        if found:
            raise AnsibleActionFail(f"{len(found)} arguments can't be used: " + "; ".join(found))
        checked: dict[str, Any] = validated.validated_parameters
        return checked

    def _content(self, item: dict[str, Any], variables: dict[str, Any]) -> str | None:
        if item["template"] is not None:
            return templates.render(self, item["template"], variables)
        if item["source"] is not None:
            path = self._find_needle("files", item["source"])
            return str(self._loader.get_text_file_contents(path))
        content: str | None = item["content"]
        return content
