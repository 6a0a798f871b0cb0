# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring one part of the platform into the cluster, change it, or take it away."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.basic import missing_required_lib
from ansible.plugins.action import ActionBase

from ansible_collections.kubestead.cluster.plugins.module_utils._kube import (
    IMPORT_ERROR,
    ApiError,
    KubeconfigError,
    Unreachable,
    connect,
)
from ansible_collections.kubestead.cluster.plugins.plugin_utils import manifests, templates
from ansible_collections.kubestead.cluster.plugins.plugin_utils.stored import Meanwhile

SPEC = {
    "kubeconfig": {"type": "path", "required": True},
    "part": {"type": "str", "required": True},
    "definitions": {"type": "list", "elements": "dict", "default": []},
    "templates": {"type": "list", "elements": "str", "default": []},
    "files": {"type": "list", "elements": "str", "default": []},
    "cluster_exists": {"type": "bool", "default": True},
    "wait": {"type": "int", "default": 0},
    "timeout": {"type": "int", "default": 120},
}
ERRORS = (ApiError, KubeconfigError, Meanwhile, Unreachable, manifests.DefinitionError, manifests.NotDone)


class ActionModule(ActionBase):
    """Talks to the API from the controller: no connection to a host is made."""

    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validated, arguments = self.validate_argument_spec(SPEC)
        if IMPORT_ERROR:
            raise AnsibleActionFail(missing_required_lib("urllib3"))
        try:
            result.update(self._run(arguments, task_vars or {}))
        except ERRORS as error:
            raise AnsibleActionFail(f"{arguments['part']}: {error}") from None
        return result

    def _run(self, arguments: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        wanted = manifests.in_order(self._definitions(arguments, variables))
        if self._task.check_mode and not arguments["cluster_exists"]:
            diff = [{"before": "", "after": f"{identity}\n"} for identity in wanted]
            return {"changed": bool(wanted), "applied": [str(item) for item in wanted], "removed": [], "diff": diff}
        part = manifests.Part(connect(arguments["kubeconfig"]), arguments["part"])
        part.read()
        changes = part.plan(wanted, check=self._task.check_mode)
        # Objects may be as they should and yet not be remembered as the part's.
        changed = bool(changes) or part.differs(part.remembered(wanted))
        for text in part.stays():
            self._warn(part, text)
        if not self._task.check_mode:
            part.apply(wanted, changes, arguments["timeout"])
            if arguments["wait"]:
                part.wait_for_workloads(wanted, arguments["wait"])
            for identity, nodes in part.unreached.items():
                self._warn(part, f"{identity} was not waited for on {', '.join(nodes)}, which can't be reached")
        return {
            "changed": changed,
            "applied": [str(change.identity) for change in changes if change.wanted is not None],
            "removed": [str(change.identity) for change in changes if change.wanted is None],
            "parts": sorted(part.recorded),
            "diff": [
                {
                    "before": change.before,
                    "after": change.after,
                    "before_header": str(change.identity),
                    "after_header": str(change.identity),
                }
                for change in changes
            ],
        }

    def _warn(self, part: manifests.Part, text: str) -> None:
        self._display.warning(f"{part.name}: {text}")

    def _definitions(self, arguments: dict[str, Any], variables: dict[str, Any]) -> list[dict[str, Any]]:
        texts = [
            (name, self._loader.get_text_file_contents(self._find_needle("files", name))) for name in arguments["files"]
        ]
        texts += [(name, templates.render(self, name, variables)) for name in arguments["templates"]]
        documents = [document for name, text in texts for document in manifests.parse(name, text)]
        return manifests.opened([*documents, *arguments["definitions"]])
