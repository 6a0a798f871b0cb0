# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which control planes may not take the virtual IP yet."""

from __future__ import annotations

from ansible_collections.kubestead.cluster.plugins.plugin_utils.virtual_ip import ControlPlane, waiting

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
