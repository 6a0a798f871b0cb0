# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of measured figures."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.kubestead.cluster.tests.tools import figures

BENCH: dict[str, Any] = {
    "ratio": 1.204,
    "baseline_seconds": 120.0,
    "site_seconds": 144.5,
    "site_ready_seconds": 131.25,
    "rerun_seconds": 12.0,
    "rerun_changed": 0,
    "executions_per_host": {"first": {"cp1": 19, "w1": 14}, "rerun": {"cp1": 7, "w1": 6}},
    "controller_cpu_seconds": {"first": 30.0, "rerun": 6.5},
    "rounds": {"site_seconds": [144.5, 150.0, 140.0]},
    "date": "2026-11-22T23:59:00+00:00",
    "machine": {"cores": 2},
}
REACHED = {"probes": 900, "hit": 210, "failed_after_retry": 51, "failed_from_same_port": 190, "seconds": 47.8}
FAILOVER: dict[str, Any] = {
    "machine killed": {
        "date": "2026-11-23T10:00:00+00:00",
        "seconds": 0.834,
        "dns": REACHED,
        "service": {**REACHED, "hit": 11},
        "new_pod_seconds": 18.3,
    }
}


def test_nothing_measured() -> None:
    table = figures.render("en", {}, {}, {})
    rows = table.splitlines()[2:]
    assert len(rows) == 18
    assert all(row.endswith("| not yet measured |") for row in rows)


def test_measured() -> None:
    table = figures.render("en", BENCH, {"check_seconds": 11.0}, FAILOVER)
    rows = dict(line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| "))
    words = figures.WORDS["en"]
    assert rows[words["site"]] == "144.5 s"
    assert rows[words["ready"]] == "131.2 s"
    assert rows[words["ratio"]] == "1.20"
    assert rows[words["changed"]] == "0"
    assert rows[words["check"]] == "11.0 s"
    assert rows[words["first_executions"]] == "19"
    assert rows[words["cpu"]] == "30.0 s, 6.5 s"
    assert rows[words["machine killed"]] == "0.83 s"
    assert rows[words["machine paused"]] == "not yet measured"
    assert rows[words["dns"]] == "210 of 900 tries failed, the last after 48 s; 51 with one retry"
    assert rows[words["service"]].startswith("11 of 900 ")
    assert rows[words["new pod"]] == "18.3 s"
    assert "2026-11-22, 2 cores for all machines and the controller, medians of 3 rounds" in table
    assert "Failover: 2026-11-23," in table


def test_the_dates_are_those_of_the_entries() -> None:
    paused = {"machine paused": {"date": "2026-11-24T00:10:00+00:00", "seconds": 1.0}}
    assert figures.failover_dates({**paused, **FAILOVER}) == "2026-11-23, 2026-11-24"
    assert figures.failover_dates(paused) == "2026-11-24"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_language_says_what_pods_saw(language: str) -> None:
    table = figures.render(language, {}, {}, FAILOVER)
    assert all(figure in table for figure in ("210", "900", "48", "51", "18.3"))


def test_every_language_has_the_same_words() -> None:
    assert figures.WORDS["zh"].keys() == figures.WORDS["en"].keys()


def test_only_what_is_between_the_markers_is_replaced() -> None:
    text = "before\n<!-- figures:begin -->\nold\n<!-- figures:end -->\nafter\n"
    assert figures.replaced(text, "new\n") == text.replace("old", "new")


def test_a_text_without_markers_is_told() -> None:
    with pytest.raises(ValueError, match="found 0 pairs"):
        figures.replaced("text\n", "new\n")
