# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real runs of ansible-playbook that know nothing of whoever runs the tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ansible_collections.kubestead.cluster.plugins.plugin_utils import inventory

COLLECTIONS = Path(inventory.__file__).absolute().parents[5]


def run_playbook(folder: Path, *options: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run play.yml of a folder, with these further settings in the environment."""
    return subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), *options, "play.yml"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_HOME": str(folder / "home"),
            "COLUMNS": "1000",
            **settings,
        },
    )
