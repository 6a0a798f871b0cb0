# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Directories below one that others write, such as an export of an NFS server.

Whoever writes there can put a symbolic link in the place of any part of a path, also while it is walked. So each part
is opened relative to its parent, without following a link, and what is opened is changed by its descriptor.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from .base import MachineError

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def parts_below(top: str, path: str) -> list[str]:
    """Return the names that lead from a directory to a path below it; empty where the path is not below it."""
    parts = path[len(top) + 1 :].split("/") if path.startswith(f"{top}/") else []
    return [] if {"", ".", ".."} & set(parts) else parts


def _open(name: str, parent: int, top: str, shown: str) -> int | None:
    """The descriptor of a directory, None where there is nothing of this name."""
    try:
        return os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    except FileNotFoundError:
        return None
    except OSError as exc:
        if exc.errno not in (errno.ELOOP, errno.ENOTDIR):
            raise MachineError(f"{shown} can't be opened: {exc.strerror}") from exc
    try:
        link = stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return None
    kind = "a symbolic link" if link else "no directory"
    raise MachineError(
        f"found {shown}, which is {kind}; expected directories alone below {top}, where others write; remove it, or "
        "choose another path"
    )


def _top(path: str) -> int | None:
    try:
        return os.open(path, _DIRECTORY)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise MachineError(f"{path} can't be opened as a directory: {exc.strerror}") from exc


@contextmanager
def opened(top: str, path: str, create: bool) -> Iterator[int | None]:
    """The descriptor of a directory below `top`, None where it is not there and `create` is not set.

    A directory that is created has mode 0700 at the end of the path and 0755 on the way there.
    """
    current = _top(top)
    shown = top
    try:
        for name in parts_below(top, path):
            shown = f"{shown}/{name}"
            if current is None:
                break
            following = _open(name, current, top, shown)
            if following is None and create:
                following = _make(name, current, top, shown, 0o700 if shown == path else 0o755)
            os.close(current)
            current = following
        yield current
    finally:
        if current is not None:
            os.close(current)


def _make(name: str, parent: int, top: str, shown: str, mode: int) -> int:
    try:
        os.mkdir(name, 0o700, dir_fd=parent)
    except FileExistsError:
        made = False
    else:
        made = True
    following = _open(name, parent, top, shown)
    if following is None:
        raise MachineError(f"{shown} has vanished while it was made; run the play again")
    if made:
        os.fchmod(following, mode)
    return following
