# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""With CI in the environment a test that is skipped has failed: what it needs has to be provided."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import pytest

# Reasons to skip that no installation of a program removes.
ALLOWED = {"no IPv6 on this machine"}


def refuse(report: Any) -> Any:
    """Return the report of a test or file, failed if it was skipped for no allowed reason."""
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2].removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else ""
        if reason not in ALLOWED:
            report.outcome = "failed"
            report.longrepr = f"{report.nodeid}: skipped in CI: {reason}; provide what the test needs"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    """Look at the report of every step of a test."""
    return refuse((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, Any, Any]:
    """Look at the report of every file: one may skip itself as a whole."""
    return refuse((yield))
