# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of `make test-full` run every end-to-end test, each once."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def constant(path: Path, name: str) -> Any:
    """Return what a module assigns to a name, without importing it."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == [name]:
            return ast.literal_eval(node.value)
    raise AssertionError(f"{path} does not assign {name}")


def test_every_file_runs() -> None:
    listed = constant(ROOT / "noxfile.py", "E2E") + constant(ROOT / "noxfile.py", "PACKAGES")
    assert sorted(listed) == sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("tests/e2e/**/test_*.py"))
