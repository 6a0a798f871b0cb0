# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reviewed files: what the code makes is compared with them line by line.

To renew them after a wanted change: ``KUBESTEAD_RENEW=1 pytest tests/unit/roles/test_rendered.py``, read ``git diff``,
and commit both together. A renewing run fails, so that it can't pass for a test.
"""

from __future__ import annotations

import difflib
import os
from pathlib import Path

import pytest

RENEW = "KUBESTEAD_RENEW"
SHOWN_LINES = 60


def compare(path: Path, text: str) -> None:
    """Fail with the differing lines unless the file has just this text."""
    reviewed = path.read_text(encoding="utf-8") if path.exists() else ""
    if reviewed == text:
        return
    if os.environ.get(RENEW):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        pytest.fail(f"{path} is renewed: read `git diff {path.parent}`", pytrace=False)
    lines = difflib.unified_diff(
        reviewed.splitlines(), text.splitlines(), f"reviewed {path.name}", "rendered", "", "", 2
    )
    shown = list(lines)
    more = [f"... {len(shown) - SHOWN_LINES} more lines"] if len(shown) > SHOWN_LINES else []
    said = "\n".join([*shown[:SHOWN_LINES], *more])
    pytest.fail(f"{path} differs from what is rendered; if that is right, set {RENEW}=1:\n{said}", pytrace=False)


def files(folder: Path) -> set[str]:
    """Return the names of the reviewed files of a folder: none may be left that nothing is compared with."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
