# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every part of a machine's configuration shares: a change, an error, and how a program is run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Callable, Optional

# argv, standard input -> return code, standard output, standard error
Run = Callable[..., tuple[int, str, str]]
# name -> path of a program, None where it is not installed
FindProgram = Callable[[str], Optional[str]]


class MachineError(Exception):
    """Something the operator has to see: what was found, what was expected, what to do."""


@dataclass(frozen=True)
class Change:
    """One thing that differs from what is wanted: a line for people and a diff for ``--diff``."""

    summary: str
    header: str
    before: str
    after: str

    def diff(self) -> dict[str, str]:
        """The entry of Ansible's diff list."""
        return {
            "before": self.before,
            "after": self.after,
            "before_header": self.header,
            "after_header": self.header,
        }


def line_change(summary: str, header: str, before: str, after: str) -> Change:
    """A change whose two sides are one line each; an empty side stays empty."""
    return Change(summary, header, before and before + "\n", after and after + "\n")


def refuse(problems: Iterable[str]) -> None:
    """Raise all problems at once, or do nothing where there is none."""
    found: list[str] = list(problems)
    if found:
        raise MachineError("; ".join(found))


def succeed(run: Run, argv: list[str], what: str, **kwargs: Any) -> str:
    """Run a program that has to succeed and return its output."""
    code, out, err = run(argv, **kwargs)
    if code != 0:
        reason = (err.strip() or out.strip() or "no output").replace("\n", " | ")
        raise MachineError(f"{what}: `{' '.join(argv)}` ended with {code}: {reason}")
    return out
