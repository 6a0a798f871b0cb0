# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which roles have nothing to do: as machine_config itself would plan."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.modules import machine_config_info

ME = {"owner": str(os.getuid()), "group": str(os.getgid())}
Run = Callable[..., dict[str, Any]]


def wish(path: Path, **more: Any) -> dict[str, Any]:
    return {"files": [{"path": str(path), "content": "a\n", **ME, **more}]}


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """One as it should be, and one that was changed."""
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    for path, text in ((right, "a\n"), (wrong, "b\n")):
        path.write_text(text)
        path.chmod(0o644)
    return right, wrong


def test_roles_are_told_apart_and_nothing_is_changed(run_module: Run, files: tuple[Path, Path]) -> None:
    right, wrong = files
    configurations = {"node": wish(right), "containerd": wish(wrong), "docker": wish(right, mode="0600")}
    result = run_module(machine_config_info, configurations=configurations, installed={})
    assert (result["changed"], result["in_order"]) == (False, ["node"])
    assert (wrong.read_text(), right.stat().st_mode & 0o777) == ("b\n", 0o644)


def test_secret_contents_are_compared_too(run_module: Run, files: tuple[Path, Path]) -> None:
    right, wrong = files
    sensitive = {"content": "", "sensitive": True}
    result = run_module(
        machine_config_info,
        configurations={"a": wish(right, **sensitive), "b": wish(wrong, **sensitive)},
        installed={},
        sensitive_contents={"a": {str(right): "a\n"}, "b": {str(wrong): "a\n"}},
    )
    assert result["in_order"] == ["a"]


def test_what_can_t_be_compared_is_for_the_role_to_tell(run_module: Run, tmp_path: Path) -> None:
    # A folder stands where a file belongs: machine_config refuses that.
    configurations = {"node": wish(tmp_path)}
    assert run_module(machine_config_info, configurations=configurations, installed={})["in_order"] == []
