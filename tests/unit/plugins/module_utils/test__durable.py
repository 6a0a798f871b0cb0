# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that survive a kill and a power cut, and secrets that nobody else can read at any moment."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.callback import report
from ansible_collections.kubestead.cluster.plugins.module_utils import _durable
from ansible_collections.kubestead.cluster.plugins.module_utils._kubeadm import run as kubeadm
from ansible_collections.kubestead.cluster.plugins.modules import helm_releases

PLUGINS = Path(__file__).parents[4] / "plugins"


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The order of the calls that make a file durable."""
    found: list[str] = []
    fsync, rename = os.fsync, os.rename

    def noted_fsync(descriptor: int) -> None:
        found.append(f"fsync {Path(f'/proc/self/fd/{descriptor}').readlink().name}")
        fsync(descriptor)

    def noted_rename(source: str, target: str) -> None:
        found.append(f"rename {Path(source).name} {Path(target).name}")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "rename", noted_rename)
    return found


def test_data_then_name(tmp_path: Path, calls: list[str]) -> None:
    target = tmp_path / "journal"
    target.write_text("old")
    (tmp_path / ".journal.new").write_text("of a killed run")
    _durable.write(str(target), b"new", 0o640)
    assert target.read_text() == "new"
    assert target.stat().st_mode & 0o777 == 0o640
    assert calls == ["fsync .journal.new", "rename .journal.new journal", f"fsync {tmp_path.name}"]
    assert [path.name for path in tmp_path.iterdir()] == ["journal"]


def test_a_refusal_changes_nothing(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("old")
    seen = []

    def refuse(temporary: str) -> None:
        seen.append((Path(temporary).name, Path(temporary).read_text(), target.read_text()))
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        _durable.write(str(target), b"new", temporary=str(tmp_path / "other"), check=refuse)
    assert seen == [("other", "new", "old")]
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"file": "old"}


def test_a_link_to_elsewhere_is_not_written_through(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("kept")
    (tmp_path / ".file.new").symlink_to(outside)
    _durable.write(str(tmp_path / "file"), b"new")
    assert outside.read_text() == "kept"


def test_removal_is_durable(tmp_path: Path, calls: list[str]) -> None:
    (tmp_path / "file").write_text("x")
    _durable.remove(str(tmp_path / "file"))
    assert calls == [f"fsync {tmp_path.name}"]
    _durable.remove(str(tmp_path / "file"))
    assert list(tmp_path.iterdir()) == []


def test_a_tree(tmp_path: Path, calls: list[str]) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/file").write_text("x")
    (tmp_path / "a/link").symlink_to("/nowhere")
    _durable.sync_tree(str(tmp_path / "a"))
    assert sorted(calls) == ["fsync a", "fsync b", "fsync file"]


def put(folder: Path) -> None:
    _durable.write(str(folder / "key"), b"secret")


def readable(folder: Path) -> None:
    _durable.write(str(folder / "config"), b"no secret in the end", 0o644)


def configuration(_folder: Path) -> None:
    with kubeadm.configuration([{"token": "secret"}]):
        pass


def values(folder: Path) -> None:
    helm_releases.write(str(folder / "values.yaml"), "password: secret")


def reported(folder: Path) -> None:
    report.write(folder / "report.json", {"diff": "secret"})


@pytest.fixture
def created(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, int]]:
    """The mode of every file in the folder in the moment in which it appears, whatever the umask is."""
    found: dict[str, int] = {}
    real = os.open

    def noted(path: Any, flags: int, mode: int = 0o777, **others: Any) -> int:
        descriptor = real(path, flags, mode, **others)
        if flags & os.O_CREAT and str(path).startswith(str(tmp_path)):
            found[Path(path).name] = os.fstat(descriptor).st_mode & 0o777
        return descriptor

    monkeypatch.setattr(os, "open", noted)
    monkeypatch.setattr(kubeadm, "RUN", tmp_path)
    before = os.umask(0)
    yield found
    os.umask(before)


@pytest.mark.parametrize("write", [put, readable, configuration, values, reported], ids=lambda write: write.__name__)
def test_nobody_else_can_read_a_secret_at_any_moment(
    write: Callable[[Path], None], tmp_path: Path, created: dict[str, int]
) -> None:
    write(tmp_path)
    assert list(created.values()) == [0o600]


def test_no_file_is_created_for_others_to_read() -> None:
    """Where code of the collection creates a file by its mode, that is 0600, and the final mode comes later."""
    for path in PLUGINS.glob("**/*.py"):
        for found in re.finditer(r"os\.open\([^()]*O_CREAT[^()]*\)", path.read_text()):
            assert found[0].endswith("0o600)") or "MODE)" in found[0], (path, found[0])
