# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's own way of finding collections, from the first import on: some tests render templates with lookups.

And a home without a past: what lies in somebody's caches decides no test.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible.plugins.loader import init_plugin_loader

init_plugin_loader()


@pytest.fixture(scope="session")
def bare_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def no_caches(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, bare_home: Path) -> None:
    """Hide the home of whoever runs the tests, and the lab's; tests marked `built` need the lab's programs."""
    if "built" not in request.keywords:
        monkeypatch.setenv("HOME", str(bare_home))
        monkeypatch.setenv("KUBESTEAD_LAB_HOME", str(bare_home / "lab"))
