# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which workloads run, and what becomes of their results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.module_utils._smoke.suite import Result
from ansible_collections.kubestead.cluster.plugins.modules import workloads

OK = Result("job", "ok", 9.04, "3 of 3 done")
SKIPPED = Result("autoscale", "skipped", 0.1, "no metrics API")
FAILED = Result("daemon-set", "failed", 180.4, "found no Ready pod on w2, expected one on every node")
ARGUMENTS = {"kubeconfig": "/nonexistent", "image": "nginx:1"}


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch) -> list[Result]:
    """What the cases bring, instead of running them."""
    brought: list[Result] = []
    monkeypatch.setattr(workloads, "connect", lambda path: path)
    monkeypatch.setattr(workloads, "run_cases", lambda cases, space, settings: brought)
    return brought


def test_every_case_of_the_notes_has_a_name_of_its_own() -> None:
    names = [case.name for case in workloads.CASES]
    assert len(names) == len(set(names)) == 21
    # Objects are named after their cases.
    assert all(name.replace("-", "").isalpha() and name == name.lower() for name in names)


def test_cases_by_name_in_their_own_order() -> None:
    assert [case.name for case in workloads.chosen(["secret", "job"])] == ["job", "secret"]
    assert len(workloads.chosen([])) == len(workloads.CASES)
    with pytest.raises(workloads.Unknown, match=r"found jobs, expected any of affinity, autoscale, .*secret"):
        workloads.chosen(["job", "jobs"])


def test_results_are_told_as_lines_and_in_parts(run_module: Callable[..., Any], results: list[Result]) -> None:
    results += [OK, SKIPPED]
    told = run_module(workloads, **ARGUMENTS)
    assert told["changed"] is False
    assert told["results"] == [
        "ok      job                        9.0 s  3 of 3 done",
        "skipped autoscale                  0.1 s  no metrics API",
    ]
    assert told["cases"][1] == {"case": "autoscale", "outcome": "skipped", "seconds": 0.1, "detail": "no metrics API"}


def test_a_failure_names_the_case_and_keeps_the_table(run_module: Callable[..., Any], results: list[Result]) -> None:
    results += [OK, FAILED]
    told = run_module(workloads, **ARGUMENTS)
    assert told["failed"]
    assert told["msg"] == f"1 of 2 workloads failed\n{FAILED.line()}"
    assert len(told["results"]) == len(told["cases"]) == 2


def test_check_mode_asks_nobody(run_module: Callable[..., Any]) -> None:
    told = run_module(workloads, **ARGUMENTS, cases=["job"], _ansible_check_mode=True)
    assert told["changed"] is False
    assert told["results"][0].startswith("would run 1 workloads in namespace kubestead-workloads")
