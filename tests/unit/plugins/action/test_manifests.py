# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manifests go through kubernetes.core; without a cluster they are listed."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
import yaml
from ansible.errors import AnsibleActionFail

from ansible_collections.kubestead.cluster.plugins.action.manifests import ActionModule
from ansible_collections.kubestead.cluster.plugins.modules import manifests

NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-flannel"}}
DAEMON_SET = {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "kube-flannel-ds"}}


def run(answer: dict[str, Any], check_mode: bool = False, **args: Any) -> tuple[dict[str, Any], mock.Mock]:
    task = mock.Mock(args=args, async_val=0, check_mode=check_mode, delegate_to=None)
    action = ActionModule(task, mock.Mock(), mock.Mock(), mock.Mock(), mock.Mock(), None)
    with mock.patch.object(ActionModule, "_execute_module", return_value=answer) as execute:
        return action.run(task_vars={"inventory_hostname": "localhost"}), execute


@pytest.mark.parametrize("check_mode", [False, True])
def test_they_are_applied(check_mode: bool) -> None:
    # An empty document at the end of a file is none.
    definitions = [NAMESPACE, DAEMON_SET, {}]
    answer = {"changed": True, "result": {"results": []}}
    result, execute = run(answer, check_mode, kubeconfig="/root/admin.conf", definitions=definitions)
    assert (result["changed"], result["result"]) == (True, {"results": []})
    execute.assert_called_once_with(
        module_name="kubernetes.core.k8s",
        module_args={
            "kubeconfig": "/root/admin.conf",
            "resource_definition": [NAMESPACE, DAEMON_SET],
            "apply": True,
            "server_side_apply": {"field_manager": "kubestead", "force_conflicts": True},
        },
        task_vars={"inventory_hostname": "localhost"},
    )


def test_without_a_cluster_check_mode_lists_them() -> None:
    definitions = [NAMESPACE, {}, DAEMON_SET]
    result, execute = run({}, True, kubeconfig="x", definitions=definitions, cluster_exists=False)
    execute.assert_not_called()
    assert result["changed"] is True
    assert result["diff"] == {"before": "", "after": "Namespace kube-flannel\nDaemonSet kube-flannel-ds\n"}


def test_without_a_cluster_a_real_run_asks_for_it() -> None:
    answer = {"failed": True, "msg": "no kubeconfig"}
    result, execute = run(answer, kubeconfig="x", definitions=[NAMESPACE], cluster_exists=False)
    assert execute.call_count == 1
    assert (result["failed"], result["msg"]) == (True, "no kubeconfig")


def test_arguments() -> None:
    with pytest.raises(AnsibleActionFail, match="missing required arguments: definitions"):
        run({}, kubeconfig="x")


def test_the_module_documents_what_the_action_takes() -> None:
    assert yaml.safe_load(manifests.DOCUMENTATION)["options"].keys() == {"kubeconfig", "definitions", "cluster_exists"}
