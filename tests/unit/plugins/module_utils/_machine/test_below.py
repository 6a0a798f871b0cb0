# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Directories below one that others write: real links, at rest and put there while a path is walked."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.module_utils._machine import apply, below, files
from ansible_collections.kubestead.cluster.plugins.module_utils._machine.base import MachineError
from ansible_collections.kubestead.cluster.plugins.module_utils._machine.files import FileWish

from .test_files import ME, converge


@pytest.fixture
def export(tmp_path: Path) -> Path:
    made = tmp_path / "export"
    made.mkdir(mode=0o755)
    return made


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """What must stay as it is: a directory that only root reads."""
    made = tmp_path / "outside"
    made.mkdir(mode=0o700)
    (made / "inner").mkdir(mode=0o700)
    return made


def untouched(outside: Path) -> bool:
    return (
        [path.name for path in outside.iterdir()] == ["inner"]
        and list((outside / "inner").iterdir()) == []
        and {stat.S_IMODE(path.stat().st_mode) for path in (outside, outside / "inner")} == {0o700}
    )


def volume(export: Path, path: str, **values: Any) -> FileWish:
    return FileWish(str(export / path), "directory", **{"mode": 0o777, **ME, **values}, within=str(export))


def test_directories_are_made_changed_and_then_in_order(export: Path) -> None:
    usual = os.umask(0o077)
    try:
        assert converge([volume(export, "a/b")]) == [f"directory {export}/a/b created"]
    finally:
        os.umask(usual)
    assert stat.S_IMODE((export / "a").stat().st_mode) == 0o755
    assert stat.S_IMODE((export / "a/b").stat().st_mode) == 0o777
    assert converge([volume(export, "a/b")]) == []
    assert converge([volume(export, "a/b", mode=0o1770)]) == [f"directory {export}/a/b mode 0777 -> 1770"]
    assert converge([volume(export, "a/b", mode=None)]) == []
    if os.geteuid() == 0:
        assert converge([volume(export, "a/b", mode=None, owner="12")]) == [f"directory {export}/a/b owner 0 -> 12"]
        assert (export / "a/b").stat().st_uid == 12


def test_an_export_that_is_made_first(tmp_path: Path) -> None:
    top = tmp_path / "new"
    wishes = [FileWish(str(top), "directory", mode=0o750, **ME), volume(top, "a")]
    assert [step.wish.path for step in files.plan_files(wishes, check=True)] == [str(top), str(top / "a")]
    assert converge(wishes) == [f"directory {top} created", f"directory {top / 'a'} created"]
    assert converge(wishes) == []


def test_the_export_itself_may_be_a_link(tmp_path: Path, export: Path) -> None:
    """Its name is in a directory that clients do not write."""
    (tmp_path / "link").symlink_to(export)
    assert converge([volume(tmp_path / "link", "a")]) != []
    assert (export / "a").is_dir()


@pytest.mark.parametrize("target", ["outside", "../outside", "outside/inner", "nowhere", "export/real"])
@pytest.mark.parametrize("path", ["link", "link/new", "link/inner", "a/link/inner"])
@pytest.mark.parametrize("check", [True, False])
def test_links_are_refused_in_the_plan(
    tmp_path: Path, outside: Path, export: Path, target: str, path: str, check: bool
) -> None:
    (export / "a").mkdir()
    (export / "real").mkdir()
    link = export / path.split("link", maxsplit=1)[0] / "link"
    link.symlink_to(target if target.startswith("..") else tmp_path / target)
    with pytest.raises(MachineError, match=rf"{export / path}: found {link}, which is a symbolic link; expected"):
        files.plan_files([volume(export, path)], check)
    assert untouched(outside)


def test_what_is_no_directory_is_refused(export: Path) -> None:
    (export / "file").touch()
    os.mkfifo(export / "pipe")
    for name in ("file", "file/x", "pipe"):
        with pytest.raises(MachineError, match="which is no directory; expected"):
            files.plan_files([volume(export, name)], False)


@pytest.mark.parametrize(
    ("path", "swapped"), [("a/inner", "a"), ("a/b/inner", "a/b"), ("inner", "inner"), ("a/new", "a")]
)
def test_a_link_that_is_put_there_after_the_plan(outside: Path, export: Path, path: str, swapped: str) -> None:
    (export / path).parent.mkdir(parents=True, exist_ok=True)
    if not path.endswith("new"):
        (export / path).mkdir()
    step = files.plan_files([volume(export, path)], False)[0]
    (export / swapped).rename(export / "moved")
    (export / swapped).symlink_to(outside)
    with pytest.raises(MachineError, match=rf"{export / path}: found {export / swapped}, which is a symbolic link"):
        apply.apply_file(step, None, None, None, None)  # type: ignore[arg-type]  nothing is run or fetched
    assert untouched(outside)


@pytest.mark.parametrize("moment", ["open", "mkdir"])
@pytest.mark.parametrize("part", ["a", "b", "inner"])
def test_a_link_that_is_put_there_in_the_middle_of_the_walk(
    outside: Path, export: Path, monkeypatch: pytest.MonkeyPatch, moment: str, part: str
) -> None:
    """Right after any part was made or opened, the first part becomes a link, and the part itself as well."""
    if moment == "open":
        (export / "a/b").mkdir(parents=True)
    real = getattr(os, moment)

    def swap(name: str, *arguments: Any, dir_fd: int | None = None, **values: Any) -> Any:
        result = real(name, *arguments, dir_fd=dir_fd, **values)
        if name == part and dir_fd is not None:
            os.rename(name, f"{name}-moved", src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
            os.symlink(outside, name, dir_fd=dir_fd)
            if part != "a":
                (export / "a").rename(export / "a-moved")
                (export / "a").symlink_to(outside)
        return result

    step = files.plan_files([volume(export, "a/b/inner")], False)[0]
    monkeypatch.setattr(below.os, moment, swap)
    if moment == "open":
        # The directories that were opened are the export's, wherever they were moved to.
        apply.apply_file(step, None, None, None, None)  # type: ignore[arg-type]
    else:
        with pytest.raises(MachineError, match="which is a symbolic link"):
            apply.apply_file(step, None, None, None, None)  # type: ignore[arg-type]
    monkeypatch.undo()
    assert untouched(outside)


def test_what_is_gone_since_the_plan(export: Path) -> None:
    (export / "a").mkdir(mode=0o700)
    step = files.plan_files([volume(export, "a")], False)[0]
    (export / "a").rmdir()
    with pytest.raises(MachineError, match="is gone since it was read"):
        apply.apply_file(step, None, None, None, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/e/a/b", ["a", "b"]),
        ("/e", []),
        ("/ea", []),
        ("/e/", []),
        ("/e/../x", []),
        ("/e/a/./b", []),
        ("/e//a", []),
    ],
)
def test_parts(path: str, expected: list[str]) -> None:
    assert below.parts_below("/e", path) == expected
