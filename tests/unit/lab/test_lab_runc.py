# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runc of the lab's Docker: the real script, with a program in runc's place that shows what it gets."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ansible_collections.kubestead.cluster.tests.lab.base import HERE


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{"oomScoreAdj":-998,"rlimits":[]}', '{"oomScoreAdj":0,"rlimits":[]}'),
        ('{"oomScoreAdj":996}', '{"oomScoreAdj":996}'),
        ("{}", "{}"),
    ],
)
def test_no_container_wants_less_than_zero(tmp_path: Path, before: str, after: str) -> None:
    runc = tmp_path / "runc"
    runc.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    runc.chmod(0o755)
    (tmp_path / "config.json").write_text(before)
    arguments = ["--root", "/run/x y", "create", "--bundle", str(tmp_path), "id"]
    shown = subprocess.run(
        [HERE / "addons" / "lab-runc.sh", *arguments],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.splitlines() == arguments
    assert (tmp_path / "config.json").read_text() == after


def test_other_calls_pass_through(tmp_path: Path) -> None:
    (tmp_path / "runc").symlink_to("/bin/echo")
    shown = subprocess.run(
        [HERE / "addons" / "lab-runc.sh", "kill", "id", "9"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == "kill id 9\n"
