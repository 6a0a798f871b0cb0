# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules, each by its id."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.context import ClusterIntent, HostReport
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.finding import Finding

Check = Callable[[ClusterIntent, Sequence[HostReport]], Iterable[Finding]]


@dataclass(frozen=True)
class Rule:
    """A rule by its stable id. ``fixed`` rules guard what would otherwise be destroyed or cannot work at all."""

    id: str
    apply: Check
    fixed: bool

    def findings(self, cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
        """Yield what the rule finds, with its id."""
        for finding in self.apply(cluster, hosts):
            yield replace(finding, rule=self.id)


#: By id, in the order of their definition.
RULES: dict[str, Rule] = {}


def rule(id_: str, *, fixed: bool = False) -> Callable[[Check], Check]:
    """Register a function as the rule of this id; ``fixed`` ones can't be skipped by preflight_skip."""

    def register(check: Check) -> Check:
        if id_ in RULES:
            raise ValueError(f"two preflight rules have the id {id_!r}")
        RULES[id_] = Rule(id_, check, fixed)
        return check

    return register
