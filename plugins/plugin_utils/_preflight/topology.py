# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules: how many machines there are, and how many change at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ansible_collections.kubestead.cluster.plugins.plugin_utils import rollout
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.cluster import control_planes
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.context import ClusterIntent, HostReport
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.finding import Finding, error, warning
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.registry import rule
from ansible_collections.kubestead.cluster.plugins.plugin_utils.inventory import CONTROL_PLANE_GROUP


@rule("control-plane-none", fixed=True)
def check_control_plane_none(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    if not control_planes(hosts):
        yield error(
            CONTROL_PLANE_GROUP,
            "no host in the group",
            "at least one control plane",
            f"put one host, or three for high availability, into the inventory group {CONTROL_PLANE_GROUP}",
        )


@rule("control-plane-even")
def check_control_plane_even(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    count = len(control_planes(hosts))
    if count and count % 2 == 0:
        yield warning(
            CONTROL_PLANE_GROUP,
            f"{count} control planes",
            "an odd number (1, 3, 5)",
            f"add or remove one: etcd on {count} members survives no more failures than on {count - 1}",
        )


@rule("batch")
def check_batch(cluster: ClusterIntent, _hosts: Sequence[HostReport]) -> Iterator[Finding]:
    value = cluster.settings.get("batch")
    if value is not None and rollout.parse_batch(value) is None:
        yield error(
            "cluster_batch",
            repr(value),
            "a number of workers from 1, or a percentage from 1% to 100%",
            "write 2 or 20%",
        )
