# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that survive a kill and a power cut: a reader finds the old or the new content, never a part of it.

https://man7.org/linux/man-pages/man2/fsync.2.html: the directory needs a call of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress


def write(
    path: str,
    data: bytes,
    mode: int = 0o600,
    owner: tuple[int, int] = (-1, -1),
    temporary: str = "",
    check: Callable[[str], None] = lambda _temporary: None,
) -> None:
    """Replace a file: temporary file, fsync, rename, fsync of the directory, which has to be there.

    Nobody else can read the temporary file before it has its final `mode` and `owner` (user and group, -1 keeps them).
    Its name is always the same (`temporary`, or `.NAME.new` beside the file), so that the next run replaces what a
    killed one left. `check` sees the temporary file before the rename; where it raises, nothing has changed.
    """
    directory, name = os.path.split(path)
    temporary = temporary or os.path.join(directory, f".{name}.new")
    with suppress(FileNotFoundError):
        os.unlink(temporary)
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(data)
            if owner != (-1, -1):
                os.fchown(stream.fileno(), *owner)
            os.fchmod(stream.fileno(), mode)
            stream.flush()
            os.fsync(stream.fileno())
        check(temporary)
        os.rename(temporary, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    sync_directory(directory or ".")


def remove(path: str) -> None:
    """Remove a file for good, if it is there."""
    with suppress(FileNotFoundError):
        os.unlink(path)
        sync_directory(os.path.dirname(path) or ".")


def sync_directory(path: str) -> None:
    """Make the names in a directory durable."""
    _sync(path)


def sync_tree(path: str) -> None:
    """Make everything below a directory durable; links are not followed."""
    for folder, _folders, names in os.walk(path):
        for name in names:
            item = os.path.join(folder, name)
            if os.path.isfile(item) and not os.path.islink(item):
                _sync(item)
        _sync(folder)


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
