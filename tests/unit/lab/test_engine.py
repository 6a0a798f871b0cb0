# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this computer lacks, and what nodes without a way out are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.kubestead.cluster.tests.lab import base, engine, offline, packages


def test_programs_and_files_are_looked_for(tmp_path: Path) -> None:
    present = tmp_path / "here.h"
    present.touch()
    wanted = {"sh": "dash", "no-such-program": "a", str(present): "b", str(tmp_path / "absent.h"): "c"}
    assert engine.missing(wanted) == {"no-such-program": "a", str(tmp_path / "absent.h"): "c"}


def test_an_ordinary_user_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(base.LabError, match=r"no-such-program \(Debian package a\)"):
        engine.ensure({"sh": "dash", "no-such-program": "a"})


def test_root_installs_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wanted = {str(tmp_path / "one"): "one-new|one", str(tmp_path / "two"): "two"}
    installed = []

    def install(alternatives: set[str]) -> None:
        installed.append(alternatives)
        for file in wanted:
            Path(file).touch()

    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(engine, "find", lambda program: f"/usr/bin/{program}")
    monkeypatch.setattr(engine, "_install", install)
    engine.ensure(wanted)
    assert installed == [{"one-new|one", "two"}]


def test_failed_command_tells_its_words() -> None:
    with pytest.raises(base.LabError, match=r"(?s)sh -c .* ended with 3:\nreason"):
        base.run(["sh", "-c", "echo reason >&2; exit 3"])


def test_missing_command_points_to_doctor() -> None:
    with pytest.raises(base.LabError, match=r"no-such-program is not installed.*doctor"):
        base.run(["no-such-program"])


def test_nodes_without_a_way_out_know_only_the_mirror(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBESTEAD_LAB_HOME", str(tmp_path))
    (packages.files() / "debian13").mkdir(parents=True)
    (packages.files() / "debian13" / packages.KEY_FILE).write_text("the key")
    assert offline.sources("debian13", "10.90.7.2") == {
        "etc/apt/keyrings/mirror.asc": "the key",
        "etc/apt/sources.list": "deb [signed-by=/etc/apt/keyrings/mirror.asc] http://10.90.7.2:8081/debian13/ /\n",
    }
