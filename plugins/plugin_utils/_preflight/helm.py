# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules: releases of Helm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.kubestead.cluster.plugins.plugin_utils import helm
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.context import ClusterIntent, HostReport
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.finding import Finding, as_finding
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.given import shared, sound
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.registry import rule


def helm_lists(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """What role helm is told of repositories, registries and releases; nothing where it is off or can't be read."""
    lists = {name: sound(cluster, hosts, f"helm_{name}") for name in (*helm.KEYS, "releases")}
    return lists if shared(cluster, hosts, "helm_enabled", False) and None not in lists.values() else {}


@rule("helm-releases")
def check_helm_releases(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    lists = helm_lists(cluster, hosts)
    for problem in helm.examine(lists, cluster.chart_flaws) if lists else ():
        variable, _blank, item = f"helm_{problem.where}".partition(" ")
        yield as_finding(f"{variable} {item}", problem, f"correct {variable}")
