# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which control planes may not take the virtual IP yet."""

from __future__ import annotations

from ansible_collections.kubestead.cluster.plugins.plugin_utils.virtual_ip import ControlPlane, late, waiting

ALL = ("10.90.0.11", "10.90.0.12", "10.90.0.13")


def test_a_new_control_plane_waits_until_those_outside_the_run_list_it() -> None:
    old = [ControlPlane(f"cp{number}", ip, in_run=False, peers=ALL) for number, ip in enumerate(ALL, start=1)]
    new = ControlPlane("cp4", "10.90.0.14", in_run=True, peers=None)
    assert waiting([*old, new]) == ["cp4"]
    listing = [ControlPlane(item.name, item.ip, in_run=False, peers=(*ALL, new.ip)) for item in old]
    assert waiting([*listing, new]) == []
    assert waiting([*listing[:2], old[2], new]) == ["cp4"]


def test_a_run_of_all_lists_all() -> None:
    control_planes = [ControlPlane(f"cp{number}", ip, in_run=True, peers=()) for number, ip in enumerate(ALL)]
    assert waiting(control_planes) == []


def test_who_was_not_read_keeps_nobody_waiting() -> None:
    assert waiting([ControlPlane("cp1", ALL[0], False, None), ControlPlane("cp2", ALL[1], True, None)]) == []


def test_who_takes_part_after_the_joins() -> None:
    first, second = ControlPlane("cp1", ALL[0], True, None), ControlPlane("cp2", ALL[1], True, None, joins=True)
    # A first build: the seed has to have the address before anybody joins.
    assert late([first, second]) == ["cp2"]
    # Everybody lists everybody: all reload at their own pace.
    known = [ControlPlane(f"cp{number}", ip, True, ALL) for number, ip in enumerate(ALL, 1)]
    assert late(known) == []
    # One has joined by a limited run, and the others, who have the address, do not list it yet.
    old = [ControlPlane(item.name, item.ip, True, ALL[:2]) for item in known[:2]]
    assert late([*old, known[2]]) == ["cp3"]
    # What is not in the run does not change in it.
    assert late([ControlPlane("cp3", ALL[2], False, ALL, joins=True)]) == []
