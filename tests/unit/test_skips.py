# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing is skipped in CI, and no unit test looks for programs outside of the table."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SKIPPING = {
    "call": "import pytest\ndef test_one() -> None:\n    pytest.skip('no such program')\n",
    "mark": "import pytest\n@pytest.mark.skipif(True, reason='no such program')\ndef test_one() -> None: ...\n",
    "file": "import pytest\npytest.importorskip('no_such_module')\n",
    "allowed": "import pytest\ndef test_one() -> None:\n    pytest.skip('no IPv6 on this machine')\n",
    "expected": "import pytest\n@pytest.mark.xfail\ndef test_one() -> None:\n    raise AssertionError\n",
}


@pytest.mark.parametrize(("ci", "failing"), [("true", {"call", "mark", "file"}), ("", set())])
def test_a_skipped_test_fails_in_ci(tmp_path: Path, ci: str, failing: set[str]) -> None:
    shutil.copy(ROOT / "tests/conftest.py", tmp_path)
    for case, text in SKIPPING.items():
        (tmp_path / f"test_{case}.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--continue-on-collection-errors"]
    done = subprocess.run(
        [*command, "--rootdir", str(tmp_path), "."],
        cwd=tmp_path,
        env={**os.environ, "CI": ci},
        capture_output=True,
        text=True,
        check=False,
    )
    assert set(re.findall(r"test_(\w+)\.py(?:::test_one)?: skipped in CI", done.stdout)) == failing, done.stdout
    assert done.returncode == (1 if failing else 0), done.stdout


def test_tests_that_may_be_skipped_are_known() -> None:
    """What needs a program that the lab compiles is marked `built` and fails without it."""
    skipping = re.compile(r"pytest\.skip\(|skipif|importorskip|mark\.skip\b")
    files = {
        str(path.relative_to(ROOT))
        for path in ROOT.glob("tests/**/*.py")
        if path != Path(__file__) and skipping.search(path.read_text(encoding="utf-8"))
    }
    assert files == {"tests/unit/plugins/modules/test_node_probe.py"}
