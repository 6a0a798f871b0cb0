# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters: the hosts of plays that change a living cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.kubestead.cluster.plugins.plugin_utils import rollout
from ansible_collections.kubestead.cluster.plugins.plugin_utils.inventory import mapping


def rolling_hosts(groups: Mapping[str, Sequence[str]], hostvars: Any) -> list[str]:
    """Return the hosts that change one after the other, in their order."""
    return [machine.name for machine in rollout.rolling(rollout.read(groups, hostvars))]


def parallel_hosts(groups: Mapping[str, Sequence[str]], hostvars: Any) -> list[str]:
    """Return all other hosts of the cluster."""
    machines = rollout.read(groups, hostvars)
    turns = {machine.name for machine in rollout.rolling(machines)}
    return [machine.name for machine in machines if machine.name not in turns]


def rolling_batches(groups: Mapping[str, Sequence[str]], hostvars: Any) -> list[int]:
    """Return the sizes of the batches in which rolling_hosts change."""
    machines = rollout.read(groups, hostvars)
    views = (mapping(rollout.raw(hostvars, machine.name).get(rollout.VIEW)) for machine in machines)
    batch = next((view["view"]["batch"] for view in views if "view" in view), 1)
    workers = sum(not machine.control_plane for machine in machines)
    return rollout.batches(rollout.rolling(machines), batch, workers)


class FilterModule:
    """Filters over the groups of an inventory."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "rolling_hosts": rolling_hosts,
            "parallel_hosts": parallel_hosts,
            "rolling_batches": rolling_batches,
        }
