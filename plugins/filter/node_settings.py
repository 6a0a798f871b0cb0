# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: the settings of nodes, as the module of this name takes them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any


def node_settings(hosts: Mapping[str, Mapping[str, Any]], names: Collection[str]) -> list[dict[str, Any]]:
    """Return labels, annotations and taints of the named hosts."""
    return [
        {
            "name": host["node_name"],
            "labels": host["labels"],
            "annotations": host["annotations"],
            "taints": host["taints"],
            "control_plane": host["control_plane"],
            "schedulable": host["worker"],
        }
        for name, host in hosts.items()
        if name in names
    ]


class FilterModule:
    """Filters over the hosts of the cluster."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"node_settings": node_settings}
