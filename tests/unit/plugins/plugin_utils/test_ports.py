# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ports that nodes must reach on each other."""

from __future__ import annotations

from typing import Any

from ansible_collections.kubestead.cluster.plugins.filter.ports import FilterModule

FILTERS = FilterModule().filters()
HOSTS: dict[str, dict[str, Any]] = {
    name: {"ip": f"10.90.0.{number}", "control_plane": name.startswith("cp")}
    for name, number in (("cp1", 11), ("cp2", 12), ("w1", 21), ("w2", 22))
}


def named(ports: list[dict[str, Any]]) -> list[str]:
    return [f"{port['port']}/{port['protocol']}" for port in ports]


def targets(
    name: str, bare: list[str], healthy: list[str], busy: dict[str, list[int]] | None = None
) -> dict[str, list[str]]:
    listening = {
        other: [
            port
            for port in FILTERS["node_ports"](HOSTS, other, 7443)
            if port["port"] not in (busy or {}).get(other, [])
        ]
        for other in bare
    }
    found = FILTERS["probe_targets"](HOSTS, name, listening, healthy, 7443)
    assert all(item["address"] == HOSTS[item["host"]]["ip"] for item in found)
    return {item["host"]: named(item["ports"]) for item in found}


def test_what_others_connect_to() -> None:
    assert named(FILTERS["node_ports"](HOSTS, "w1", 7443)) == ["10250/tcp", "8472/udp"]
    assert named(FILTERS["node_ports"](HOSTS, "cp1", 7443)) == [
        "10250/tcp",
        "8472/udp",
        "7443/tcp",
        "2379/tcp",
        "2380/tcp",
    ]


def test_all_bare() -> None:
    everybody = list(HOSTS)
    assert targets("w1", everybody, []) == {
        "cp1": ["8472/udp", "7443/tcp"],
        "cp2": ["8472/udp", "7443/tcp"],
        "w2": ["8472/udp"],
    }
    assert targets("cp1", everybody, []) == {
        "cp2": ["8472/udp", "7443/tcp", "10250/tcp", "2379/tcp", "2380/tcp"],
        "w1": ["8472/udp", "10250/tcp"],
        "w2": ["8472/udp", "10250/tcp"],
    }


def test_a_new_machine_reaches_the_living_control_planes() -> None:
    # Nothing answers a datagram there: flannel has the port.
    assert targets("w2", ["w2"], ["cp1"]) == {"cp1": ["7443/tcp"]}
    assert targets("cp2", ["cp2"], ["cp1"]) == {"cp1": ["7443/tcp", "10250/tcp", "2379/tcp", "2380/tcp"]}


def test_members_reach_the_new_ones_and_try_nothing_of_each_other() -> None:
    assert targets("cp1", ["w2"], ["cp1", "cp2"]) == {"w2": ["8472/udp", "10250/tcp"]}
    assert targets("w1", ["w2"], ["cp1"]) == {"w2": ["8472/udp"]}
    assert targets("w1", [], ["cp1", "cp2"]) == {}


def test_nothing_to_try_is_no_target() -> None:
    assert targets("w2", ["w2"], ["w1"]) == {}


def test_a_port_that_another_run_holds_is_not_tried() -> None:
    busy = {"cp2": [8472, 2379], "w2": [10250, 8472]}
    assert targets("cp1", list(HOSTS), [], busy) == {
        "cp2": ["7443/tcp", "10250/tcp", "2380/tcp"],
        "w1": ["8472/udp", "10250/tcp"],
    }
