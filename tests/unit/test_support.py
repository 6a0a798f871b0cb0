# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the README calls run is run by a test of `make test` or `make test-full`, and has the date of that."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from tests.e2e import test_versions
from tests.lab.versions import DEFAULT_VERSION, NODE_SYSTEMS, RELEASES

ROOT = Path(__file__).parents[2]
# The cluster of most end-to-end tests and of molecule's scenarios, and those of tests/e2e/test_versions.py.
TESTED = {(DEFAULT_VERSION, next(iter(NODE_SYSTEMS))), *test_versions.RUNS}
WORDS = {"README.md": ("**run**", "not run", "files"), "README.zh-CN.md": ("**已运行**", "未运行", "文件")}
RUN = re.compile(r"^\*\*\S+\*\* (\d{4}-\d\d-\d\d) ?[(（](\d+\.\d+\.\d+)[,，)）]")  # noqa: RUF001  as the Chinese README has them


def cells(readme: str) -> dict[tuple[str, str], str]:
    """Return (minor version, operating system) -> what the table says."""
    lines = (ROOT / readme).read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if "| Kubernetes 1.35 |" in line)
    minors = re.findall(r"1\.\d+", lines[start])
    found = {}
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        system, _containerd, *said = [cell.strip() for cell in line.strip("|").split("|")]
        found |= {(minor, system): cell for minor, cell in zip(minors, said, strict=True)}
    return found


@pytest.mark.parametrize("readme", WORDS)
def test_what_was_run_has_a_test_and_a_date(readme: str) -> None:
    run, *others = WORDS[readme]
    claimed = {place: cell for place, cell in cells(readme).items() if cell not in others}
    assert claimed
    for (minor, system), cell in claimed.items():
        found = RUN.match(cell)
        assert found, f"{system}, {minor}: found {cell}, expected {run}, its date, and the version"
        assert cell.startswith(run)
        assert date.fromisoformat(found[1]) <= datetime.now(UTC).date()
        assert found[2].startswith(f"{minor}.")
        assert (found[2], system.lower().replace(" ", "")) in TESTED, f"{system}, {minor}: no test runs it"


def test_both_readmes_say_the_same() -> None:
    def dates(readme: str) -> dict[str, list[str]]:
        return {minor: re.findall(r"\d{4}-\d\d-\d\d", cell) for (minor, _system), cell in cells(readme).items()}

    assert dates("README.md") == dates("README.zh-CN.md")


def test_every_supported_version_has_a_test() -> None:
    table = {minor for minor, _system in cells("README.md")}
    assert {version.rpartition(".")[0] for version, _system in TESTED} == table
    assert {version for version, _system in TESTED} <= set(RELEASES)
    assert {system for _version, system in TESTED} == set(NODE_SYSTEMS)
