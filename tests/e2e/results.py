# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of measurements that hold one run of the tests each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

#: When this run of the tests began: its name.
RUN = datetime.now(UTC).isoformat(timespec="seconds")


def add(path: Path, name: str, values: Mapping[str, Any], run: str = RUN) -> dict[str, Any]:
    """Add an entry with its date to a file of results, and return all entries. Entries of other runs are dropped."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    entries = {key: entry for key, entry in found.items() if entry.get("run") == run}
    entries[name] = {"run": run, "date": datetime.now(UTC).isoformat(timespec="seconds"), **values}
    path.write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")
    return entries
