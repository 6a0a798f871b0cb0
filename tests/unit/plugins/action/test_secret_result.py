# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reason of a failure is shown although the result of the task is not."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
from ansible.errors import AnsibleConnectionFailure

from ansible_collections.kubestead.cluster.plugins.action import kubeadm_init, kubeadm_token
from ansible_collections.kubestead.cluster.plugins.plugin_utils import secret_result


def run(
    action_class: Any,
    answer: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    delegate_to: str | None = None,
    no_log: bool = True,
    diff: bool = False,
) -> tuple[dict[str, Any], list[str]]:
    shown: list[str] = []

    def error(message: str, wrap_text: bool) -> None:
        assert wrap_text is False
        shown.append(message)

    monkeypatch.setattr(secret_result.display, "error", error)
    monkeypatch.setattr(secret_result.display, "display", shown.append)
    task = mock.Mock(async_val=0, check_mode=False, delegate_to=delegate_to, no_log=no_log, diff=diff)
    action = action_class(task, mock.Mock(), mock.Mock(), mock.Mock(), mock.Mock(), None)
    with mock.patch.object(action_class, "_execute_module", return_value=answer) as execute:
        result = action.run(task_vars={"inventory_hostname": "cp1"})
    execute.assert_called_once_with(task_vars={"inventory_hostname": "cp1"})
    return result, shown


@pytest.mark.parametrize("action_class", [kubeadm_init.ActionModule, kubeadm_token.ActionModule])
def test_success_shows_nothing(action_class: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = {"changed": True, "join": {"token": "abcdef.0123456789abcdef"}}
    result, shown = run(action_class, answer, monkeypatch)
    assert (result["join"], shown) == (answer["join"], [])


@pytest.mark.parametrize("action_class", [kubeadm_init.ActionModule, kubeadm_token.ActionModule])
@pytest.mark.parametrize(("delegate_to", "host"), [(None, "cp1"), ("cp3", "cp3")])
def test_failure(action_class: Any, delegate_to: str | None, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = {"failed": True, "msg": "the API does not answer", "stdout": "not this"}
    result, shown = run(action_class, answer, monkeypatch, delegate_to)
    assert result["failed"] is True
    assert shown == [f"{host}: the API does not answer"]


def test_a_machine_that_went_down_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(secret_result.display, "error", lambda message, **_options: shown.append(message))
    task = mock.Mock(async_val=0, check_mode=False, delegate_to="cp3", no_log=True, diff=False)
    action = kubeadm_init.ActionModule(task, mock.Mock(), mock.Mock(), mock.Mock(), mock.Mock(), None)
    lost = AnsibleConnectionFailure("No route to host")
    with mock.patch.object(action, "_execute_module", side_effect=lost), pytest.raises(AnsibleConnectionFailure):
        action.run(task_vars={"inventory_hostname": "cp1"})
    assert shown == ["cp3: found no answer over SSH (No route to host); start it and run again"]


DIFF = {"before": "", "after": "token: <token>\nb\n", "after_header": "kubeadm init"}


def test_what_changes_is_shown_if_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = {"changed": True, "diff": DIFF, "join": {"token": "abcdef.0123456789abcdef"}}
    _result, shown = run(kubeadm_init.ActionModule, answer, monkeypatch, diff=True)
    assert shown == ["cp1:\n--- before: kubeadm init\n+++ after: kubeadm init\n@@ -0,0 +1,2 @@\n+token: <token>\n+b"]


@pytest.mark.parametrize(
    ("answer", "no_log", "diff"),
    [
        ({"changed": True, "diff": DIFF}, True, False),
        # Ansible shows it itself.
        ({"changed": True, "diff": DIFF}, False, True),
        ({"changed": False}, True, True),
    ],
)
def test_and_only_then(answer: dict[str, Any], no_log: bool, diff: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(kubeadm_init.ActionModule, answer, monkeypatch, no_log=no_log, diff=diff)[1] == []
