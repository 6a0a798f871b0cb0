# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who changes one after the other, in which order, and in batches of which size."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.filter import rollout as filters
from ansible_collections.kubestead.cluster.plugins.plugin_utils import rollout
from ansible_collections.kubestead.cluster.plugins.plugin_utils.rollout import Machine

RESTART = ("unit containerd.service restarted: /etc/containerd/config.toml changed",)


def machine(name: str, **changes: Any) -> Machine:
    control_plane = name.startswith("cp")
    known = Machine(name, control_plane, True, True if control_plane else None, holds_vip=False, restarts=RESTART)
    return replace(known, **changes)


def names(machines: list[Machine]) -> list[str]:
    return [item.name for item in machines]


def test_control_planes_come_first_and_the_holder_is_the_last_of_them() -> None:
    machines = [machine("w1"), machine("cp1", holds_vip=True), machine("cp2"), machine("cp3"), machine("w2")]
    assert names(rollout.rolling(machines)) == ["cp2", "cp3", "cp1", "w1", "w2"]


def test_who_restarts_nothing_and_who_is_no_node_has_no_turn() -> None:
    machines = [machine("cp1"), machine("cp2", restarts=()), machine("cp3", member=False, api_healthy=None)]
    assert names(rollout.rolling(machines)) == ["cp1"]


def test_a_cluster_that_is_down_has_nothing_to_keep_alive() -> None:
    machines = [machine("cp1", api_healthy=False), machine("cp2", api_healthy=False), machine("w1")]
    assert rollout.rolling(machines) == []
    assert names(rollout.rolling([*machines, machine("cp3", restarts=())])) == ["cp1", "cp2", "w1"]


@pytest.mark.parametrize(
    ("batch", "workers", "sizes"),
    [
        ("20%", 2, [1, 1, 1]),
        ("20%", 9, [1, 1, 1]),
        ("20%", 10, [1, 1, 2]),
        ("100%", 7, [1, 1, 7]),
        (3, 10, [1, 1, 3]),
        ("3", 10, [1, 1, 3]),
    ],
)
def test_batches(batch: object, workers: int, sizes: list[int]) -> None:
    assert rollout.batches([machine("cp1"), machine("cp2"), machine("w1")], batch, workers) == sizes


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (1, (1, False)),
        (" 25 %", (0.25, True)),
        ("100%", (1.0, True)),
        ("101%", None),
        ("0", None),
        (0, None),
        (True, None),
        ("a few", None),
        ("-1", None),
        (None, None),
        ("", None),
    ],
)
def test_what_a_batch_can_be(value: object, found: object) -> None:
    assert rollout.parse_batch(value) == found


class HostVars:
    """What earlier plays have registered."""

    def __init__(self, hosts: dict[str, dict[str, Any]]) -> None:
        self.hosts = hosts

    def raw_get(self, name: str) -> dict[str, Any]:
        return self.hosts[name]


GROUPS = {"kube_control_plane": ["cp1", "cp2"], "kube_node": ["cp2", "w1", "w2"]}


def registered(
    state: str, *, addresses: tuple[str, ...] = (), healthy: bool | None = None, **more: Any
) -> dict[str, Any]:
    return {
        "__cluster_node_state": {
            "state": {
                "member": {"state": state, "api_healthy": healthy},
                "interfaces": [{"name": "eth0", "addresses": list(addresses)}],
            }
        },
        "__cluster_derived": {"view": {"vip": "10.90.0.100", "batch": "50%"}},
        **more,
    }


def test_the_filters_read_what_plays_have_registered() -> None:
    changing = {"__cluster_compared": {"in_order": [], "restarts": list(RESTART)}}
    hostvars = HostVars(
        {
            "cp1": registered("member", addresses=("10.90.0.11/24", "10.90.0.100/32"), healthy=True, **changing),
            "cp2": registered("member", addresses=("10.90.0.12/24",), healthy=True, **changing),
            "w1": registered("member", **changing),
            # Not read: it can't be reached.
            "w2": {},
        }
    )
    assert filters.rolling_hosts(GROUPS, hostvars) == ["cp2", "cp1", "w1"]
    assert filters.parallel_hosts(GROUPS, hostvars) == ["w2"]
    assert filters.rolling_batches(GROUPS, hostvars) == [1, 1, 1]


def test_where_nothing_has_run_all_are_prepared_at_once() -> None:
    """As with --list-hosts."""
    assert filters.rolling_hosts(GROUPS, {}) == []
    assert filters.parallel_hosts(GROUPS, {}) == ["cp1", "cp2", "w1", "w2"]
    assert filters.rolling_batches(GROUPS, {}) == [1]
