# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A problem that preflight reports, and the words it is told in."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from ansible_collections.kubestead.cluster.plugins.plugin_utils.inventory import Problem


@dataclass(frozen=True)
class Finding:
    """One problem: where it is, what was found there, what was expected, and what to do.

    ``rule`` is the id of the rule that found it, which the registry fills in.
    """

    severity: str
    where: str
    found: str
    expected: str
    remedy: str
    rule: str = ""

    def __str__(self) -> str:
        return f"{self.where}: found {self.found}; expected {self.expected}; {self.remedy}"


def listing(items: Iterable[object], limit: int = 6) -> str:
    """'a, b and c'; a long list is cut, with the number of the rest."""
    texts = [str(item) for item in items]
    if len(texts) > limit:
        texts = [*texts[: limit - 1], f"{len(texts) - limit + 1} more"]
    return " and ".join(filter(None, (", ".join(texts[:-1]), texts[-1]))) if texts else "none"


def either(items: Iterable[object]) -> str:
    """'a, b or c'"""
    texts = [str(item) for item in items]
    return " or ".join(filter(None, (", ".join(texts[:-1]), texts[-1])))


def short_hash(text: object) -> str:
    return str(text)[:19]


def error(where: str, found: str, expected: str, remedy: str) -> Finding:
    return Finding("error", where, found, expected, remedy)


def warning(where: str, found: str, expected: str, remedy: str) -> Finding:
    return Finding("warning", where, found, expected, remedy)


def suggestion(word: str, known: Iterable[object]) -> str:
    close = difflib.get_close_matches(word, [str(item) for item in known], n=1, cutoff=0.6)
    return f" (did you mean {close[0]}?)" if close else ""


def as_finding(where: str, problem: Problem, remedy: str) -> Finding:
    return error(where, problem.found, problem.expected, problem.remedy or remedy)
