# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action group of all modules."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.kubestead.cluster.tests.tools import action_groups

EMPTY = "requires_ansible: x\naction_groups:\n  all: []\nother: 1\n"
FULL = "requires_ansible: x\naction_groups:\n  all:\n    - a\n    - b\nother: 1\n"


def test_rendered() -> None:
    assert action_groups.rendered(EMPTY, ["a", "b"]) == FULL
    assert action_groups.rendered(FULL, ["a", "b"]) == FULL
    assert action_groups.rendered(FULL, []) == EMPTY


def test_no_group_is_an_error() -> None:
    with pytest.raises(ValueError, match="found 0"):
        action_groups.rendered("requires_ansible: x\n", ["a"])


def test_modules(tmp_path: Path) -> None:
    folder = tmp_path / "plugins/modules"
    folder.mkdir(parents=True)
    for name in ("b.py", "a.py", "__init__.py", "c.yml"):
        (folder / name).touch()
    assert action_groups.modules(tmp_path) == ["a", "b"]
