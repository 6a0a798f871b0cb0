# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which nodes of a living cluster change one after the other, and in which order."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.kubestead.cluster.plugins.plugin_utils.inventory import (
    CONTROL_PLANE_GROUP,
    NODE_GROUP,
    mapping,
)

#: What a play has registered on each host.
STATE = "__cluster_node_state"
COMPARED = "__cluster_compared"
VIEW = "__cluster_derived"


@dataclass(frozen=True)
class Machine:
    """What decides when a machine's turn is."""

    name: str
    control_plane: bool
    #: The machine is a node of the cluster.
    member: bool
    #: Its own kube-apiserver answers; None for a worker.
    api_healthy: bool | None
    holds_vip: bool
    #: What the change restarts there, a line each.
    restarts: tuple[str, ...]


def read(groups: Mapping[str, Sequence[str]], hostvars: Any) -> list[Machine]:
    """Return the machines of the inventory, control planes first, as an earlier play has read them."""
    control_planes = list(groups.get(CONTROL_PLANE_GROUP, ()))
    names = dict.fromkeys([*control_planes, *groups.get(NODE_GROUP, ())])
    return [machine(name, name in control_planes, raw(hostvars, name)) for name in names]


def raw(hostvars: Any, name: str) -> Mapping[str, Any]:
    """Return a host's variables without evaluating templates; none where only the playbook's tasks are listed."""
    return mapping(hostvars.raw_get(name)) if hostvars else {}


def machine(name: str, control_plane: bool, variables: Mapping[str, Any]) -> Machine:
    """Return one machine; a machine that was not read counts as none that changes."""
    state = mapping(mapping(variables.get(STATE)).get("state"))
    member = mapping(state.get("member"))
    vip = mapping(mapping(variables.get(VIEW)).get("view")).get("vip") or ""
    addresses = {address.split("/")[0] for item in state.get("interfaces", ()) for address in item["addresses"]}
    return Machine(
        name=name,
        control_plane=control_plane,
        member=member.get("state") == "member",
        api_healthy=member.get("api_healthy"),
        holds_vip=bool(vip) and vip in addresses,
        restarts=tuple(mapping(variables.get(COMPARED)).get("restarts", ())),
    )


def rolling(machines: Iterable[Machine]) -> list[Machine]:
    """Return the machines that change one after the other, in their order: control planes, the VIP's holder last of
    them, then workers.

    Where no control plane's API answers there is no cluster to keep alive, and nothing to ask whether it is. Then the
    machines change all at once, which may be what brings it back.
    """
    known = list(machines)
    if not any(item.api_healthy for item in known):
        return []
    changing = [item for item in known if item.member and item.restarts]
    return sorted(changing, key=lambda item: (not item.control_plane, item.holds_vip))


def parse_batch(value: object) -> tuple[float, bool] | None:
    """Return a number of workers, or a share of all with True; None for what is neither.

    Valid are whole numbers from 1, and percentages from 1% to 100%.
    """
    text = str(value).strip()
    number = text.removesuffix("%").strip()
    if isinstance(value, bool) or not number.isdecimal() or int(number) < 1:
        return None
    if text.endswith("%"):
        return (int(number) / 100, True) if int(number) <= 100 else None
    return int(number), False


def batches(machines: Sequence[Machine], batch: object, workers: int) -> list[int]:
    """Return the sizes of the batches: one control plane each, then workers, `batch` of all `workers` at a time."""
    control_planes = sum(item.control_plane for item in machines)
    size, share = parse_batch(batch) or (1, False)
    return [1] * control_planes + [max(1, math.floor(size * workers) if share else int(size))]
