# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's clock around the reading."""

from __future__ import annotations

import time
from typing import Any
from unittest import mock

import pytest

from ansible_collections.kubestead.cluster.plugins.action.node_state import ActionModule


@pytest.mark.parametrize("outcome", [{"state": {"hostname": "cp1"}}, {"failed": True, "msg": "no sudo"}])
def test_the_clock_is_read_around_the_module(outcome: dict[str, Any]) -> None:
    task = mock.Mock(async_val=0, check_mode=True, delegate_to=None)
    action = ActionModule(task, mock.Mock(), mock.Mock(), mock.Mock(), mock.Mock(), None)

    def execute(**_options: Any) -> dict[str, Any]:
        time.sleep(0.01)
        return outcome

    start = time.time()
    with mock.patch.object(ActionModule, "_execute_module", side_effect=execute) as module:
        result = action.run(task_vars={"inventory_hostname": "cp1"})
    assert {key: result[key] for key in outcome} == outcome
    times = result["read_at"]
    assert start <= times["before"] <= times["after"] - 0.01 <= time.time()
    assert module.call_args.kwargs["task_vars"] == {"inventory_hostname": "cp1"}
