# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reason of a failure is shown although the result of the task is not."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest

from ansible_collections.kubestead.cluster.plugins.action import kubeadm_init, kubeadm_token
from ansible_collections.kubestead.cluster.plugins.plugin_utils import secret_result


def run(
    action_class: Any, answer: dict[str, Any], monkeypatch: pytest.MonkeyPatch, delegate_to: str | None = None
) -> tuple[dict[str, Any], list[str]]:
    shown: list[str] = []

    def error(message: str, wrap_text: bool) -> None:
        assert wrap_text is False
        shown.append(message)

    monkeypatch.setattr(secret_result.display, "error", error)
    task = mock.Mock(async_val=0, check_mode=False, delegate_to=delegate_to)
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
