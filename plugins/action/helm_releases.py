# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller half of helm_releases: reads charts and the record, and keeps secrets out of the arguments."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase

from ansible_collections.kubestead.cluster.plugins.module_utils._kube import (
    ApiError,
    KubeconfigError,
    Unreachable,
    connect,
)
from ansible_collections.kubestead.cluster.plugins.modules.helm_releases import ARGUMENT_SPEC
from ansible_collections.kubestead.cluster.plugins.plugin_utils import helm, manifests
from ansible_collections.kubestead.cluster.plugins.plugin_utils.stored import Meanwhile, Stored

MODULE = "kubestead.cluster.helm_releases"
ERRORS = (ApiError, KubeconfigError, Meanwhile, OSError, Unreachable, helm.Refused, manifests.DefinitionError)
# By this the parts of the platform that a cluster has tell whether there may be releases.
RECORD = manifests.Identity("v1", "Secret", "kube-system", "kubestead-helm")


class ActionModule(ActionBase):
    """One remote execution for all releases, none where there is nothing to look at."""

    _supports_check_mode = True
    _supports_async = False
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        validated = ArgumentSpecValidator(ARGUMENT_SPEC).validate(self._task.args)
        if validated.error_messages:
            raise AnsibleActionFail("helm_releases: " + "; ".join(validated.error_messages))
        try:
            # Ansible's strings carry their origin, which is no part of a value.
            result.update(self._run(json.loads(json.dumps(validated.validated_parameters)), task_vars or {}))
        except ERRORS as error:
            raise AnsibleActionFail(f"helm_releases: {error}") from None
        return result

    def _run(self, arguments: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        wanted = helm.read(arguments)
        if self._task.check_mode and not arguments["cluster_exists"]:
            after = "".join(f"{item.key}: {item.title}\n" for item in wanted)
            actions = [f"install {item.key}" for item in wanted]
            diff = {"before": "", "after": after}
            return {"changed": bool(wanted), "actions": actions, "revisions": {}, "rolled_back": {}, "diff": diff}
        api = connect(arguments["controller_kubeconfig"])
        stored = Stored(api, "Secret", RECORD.name, "releases.json")
        recorded = json.loads(stored.text or "{}")
        if not wanted and not recorded:
            return {"changed": False, "actions": [], "revisions": {}, "rolled_back": {}}
        part = manifests.Part(api, "helm")
        if not self._task.check_mode:
            # First, because what a run that is killed has installed must be found again.
            part.read()
            part.record([RECORD])
            self._remember(stored, helm.intended(wanted, recorded))
        # Charts are large, and seldom needed.
        new = [] if self._task.check_mode else helm.changed(wanted, recorded)
        answer = self._ask(arguments, wanted, recorded, new, variables)
        if answer.pop("lacking", None):
            answer = self._ask(arguments, wanted, recorded, [item.key for item in wanted], variables)
        if not self._task.check_mode:
            known = helm.reached(wanted, helm.intended(wanted, recorded), answer)
            self._remember(stored, known)
            part.record([RECORD] if known else [])
        return answer

    def _ask(
        self,
        arguments: dict[str, Any],
        wanted: Sequence[helm.Wanted],
        recorded: Mapping[str, Any],
        charts: Sequence[str],
        variables: dict[str, Any],
    ) -> dict[str, Any]:
        """The machine's answer; it gets the charts of these releases."""
        told = helm.at_mirror(arguments)
        answer: dict[str, Any] = self._execute_module(
            module_name=MODULE,
            module_args={
                **told,
                "releases": [],
                "repositories": helm.without_secrets(told["repositories"]),
                "registries": helm.without_secrets(told["registries"]),
                "orders": helm.orders(wanted, recorded, told["mirror_host"]),
                "secrets": helm.secrets(wanted, told, charts),
            },
            task_vars=variables,
        )
        return answer

    @staticmethod
    def _remember(stored: Stored, record: dict[str, Any]) -> None:
        stored.write(json.dumps(record, sort_keys=True) if record else None)
