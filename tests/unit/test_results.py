# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of measurements: one run each, every entry with its date."""

from __future__ import annotations

import json
from pathlib import Path

from tests.e2e import results


def test_results_hold_one_run(tmp_path: Path) -> None:
    path = tmp_path / "failover.json"
    results.add(path, "machine killed", {"seconds": 1.0}, run="yesterday")
    results.add(path, "machine paused", {"seconds": 2.0}, run="today")
    entries = results.add(path, "haproxy stopped", {"seconds": 3.0}, run="today")
    assert json.loads(path.read_text()) == entries
    assert {name: (entry["run"], entry["seconds"]) for name, entry in entries.items()} == {
        "machine paused": ("today", 2.0),
        "haproxy stopped": ("today", 3.0),
    }
    assert all(entry["date"].startswith("20") for entry in entries.values())


def test_results_of_before_there_were_runs_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "failover.json"
    path.write_text('{"machine killed": {"seconds": 1.0}}')
    assert results.add(path, "machine paused", {}).keys() == {"machine paused"}
