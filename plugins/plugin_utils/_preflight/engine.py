# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Apply all rules to all hosts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from types import ModuleType

from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight import (
    addressing,
    connectivity,
    endpoint,
    helm,
    host,
    ingress,
    members,
    membership,
    metallb,
    monitoring,
    networks,
    nfs,
    reading,
    sources,
    topology,
    users,
    variables,
    versions,
)
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.context import ClusterIntent, HostReport
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.finding import Finding, listing
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.registry import RULES, Rule

#: Modules of rules, which register themselves there. Findings come in this order.
TOPICS: tuple[ModuleType, ...] = (
    reading,
    members,
    variables,
    topology,
    endpoint,
    addressing,
    networks,
    versions,
    host,
    connectivity,
    membership,
    sources,
    nfs,
    helm,
    monitoring,
    users,
    metallb,
    ingress,
)


def rules() -> list[Rule]:
    """All rules, by topic and in the order of their definition."""
    order = {topic.__name__: number for number, topic in enumerate(TOPICS)}
    return sorted(RULES.values(), key=lambda rule: order[rule.apply.__module__])


def check(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> list[Finding]:
    """All problems at once: errors first, then in the order of the rules and of the inventory."""
    applied = [rule for rule in rules() if rule.fixed or rule.id not in cluster.ignore]
    found = [finding for rule in applied for finding in rule.findings(cluster, hosts)]
    return sorted(found, key=lambda finding: finding.severity != "error")


def merged(findings: Iterable[Finding]) -> list[Finding]:
    """The same problem on many hosts as one finding, for people: machines from one image share their faults."""
    alike: dict[Finding, list[str]] = {}
    for finding in findings:
        alike.setdefault(replace(finding, where=""), []).append(finding.where)
    return [replace(finding, where=listing(places, 12)) for finding, places in alike.items()]
