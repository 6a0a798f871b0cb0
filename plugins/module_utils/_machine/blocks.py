# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The block that the collection manages in a file of others."""

from __future__ import annotations

from .base import MachineError


def markers(name: str) -> tuple[str, str]:
    """The two lines around a managed block."""
    return f"# BEGIN kubestead {name}", f"# END kubestead {name}"


def replace_block(text: str, name: str, block: str) -> str:
    """The text with the block put in place: where it was, else at the end; an empty block is removed.

    Everything outside the block stays byte for byte (but for a newline that a last line may lack).
    """
    begin, end = markers(name)
    lines = text.splitlines(keepends=True)
    plain = [line.rstrip("\r\n") for line in lines]
    if (
        plain.count(begin) > 1
        or plain.count(begin) != plain.count(end)
        or (begin in plain and plain.index(end) < plain.index(begin))
    ):
        raise MachineError(
            f"the marker lines {begin!r} and {end!r} have to stand there once each and in this order; "
            "put them right by hand"
        )
    body = block.rstrip("\n")
    new = [f"{begin}\n", f"{body}\n", f"{end}\n"] if body else []
    if begin in plain:
        first, last = plain.index(begin), plain.index(end)
        lines[first : last + 1] = new
    elif new:
        if lines and not lines[-1].endswith("\n"):
            lines[-1] += "\n"
        lines += new
    return "".join(lines)
