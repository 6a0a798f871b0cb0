# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Packages that dpkg must not change on its own (apt-mark hold)."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from .base import Change, FindProgram, MachineError, Run, line_change, refuse, succeed

_STATUS = "/var/lib/dpkg/status"


def parse_status(text: str, names: Sequence[str]) -> dict[str, str]:
    """Selection ("install", "hold", ...) of those of the packages that are installed."""
    found: dict[str, str] = {}
    for name in names:
        entry = re.search(rf"^Package: {re.escape(name)}\nStatus: (\S+) \S+ (\S+)$", text, re.MULTILINE)
        if entry is not None and entry.group(2) == "installed":
            found[name] = entry.group(1)
    return found


def read_selections(names: Sequence[str]) -> dict[str, str]:
    """Reads dpkg's own file: asking dpkg would cost a process and say the same."""
    with open(_STATUS, encoding="utf-8", errors="replace") as stream:
        return parse_status(stream.read(), names)


def uses_dpkg() -> bool:
    """Whether the machine's packages are dpkg's (a Red Hat machine may have the program, but no such state)."""
    return os.path.exists(_STATUS) and os.path.exists("/etc/debian_version")


def plan_holds(names: Sequence[str], selections: dict[str, str], check: bool) -> list[Change]:
    """One change for each package that is not held; in check mode one that is yet to be installed counts."""
    if not check:
        refuse(
            f"package {name} can't be held: it is not installed; install it before"
            for name in names
            if name not in selections
        )
    return [
        line_change(
            f"package {name} held",
            "held packages",
            f"{name}: {selections[name]}" if name in selections else "",
            f"{name}: hold",
        )
        for name in names
        if selections.get(name) != "hold"
    ]


def apply_holds(names: Sequence[str], find: FindProgram, run: Run) -> None:
    """Sets the selections in one call."""
    program = find("dpkg")
    if program is None:
        raise MachineError(f"dpkg is not installed, although {_STATUS} is there")
    succeed(
        run, [program, "--set-selections"], "packages can't be held", data="".join(f"{name} hold\n" for name in names)
    )
