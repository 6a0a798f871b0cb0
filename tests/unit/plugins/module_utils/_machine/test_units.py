# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Units: what systemd said (recorded), what is planned, what systemctl is told."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.module_utils._machine import units
from ansible_collections.kubestead.cluster.plugins.module_utils._machine.base import MachineError
from ansible_collections.kubestead.cluster.plugins.module_utils._machine.units import UnitState, UnitWish

SHOW = (Path(__file__).parents[3] / "fixtures" / "systemctl" / "257_show").read_text()
NAMES = ["haproxy.service", "nope.service", "loop.service", "fails.service", "ufw.service"]
NAMES += ["systemd-sysctl.service", "sshd.service", "dbus.socket"]
CONF = "/etc/x.conf"
# started 100 s after boot on the monotonic clock, which began at second 1000 of the wall clock
OFFSET = 1000 * 10**9
RUNNING = UnitState("loaded", "active", "enabled", False, True, False, 100_000_000, 101_000_000, 200_000_000)
NOW = 2000 * 10**9


def seconds(value: float) -> int:
    return int(value * 10**9)


def test_parse_show() -> None:
    states = units.parse_show(SHOW, NAMES)
    assert states["haproxy.service"] == UnitState(
        load="loaded",
        active="active",
        file="enabled",
        needs_daemon_reload=False,
        can_reload=True,
        reload_failed=False,
        main_start=2447945973,
        active_enter=2448308570,
        state_change=2448308570,
    )
    assert states["nope.service"].load == "not-found"
    assert states["loop.service"].active == "activating"
    assert states["loop.service"].running
    assert states["fails.service"].active == "failed"
    assert states["fails.service"].needs_daemon_reload
    assert states["ufw.service"].load == states["ufw.service"].file == "masked"
    assert states["systemd-sysctl.service"].file == "static"
    # an alias and a unit without a main process
    assert states["sshd.service"].file == "enabled"
    assert states["dbus.socket"].main_start == 0
    with pytest.raises(MachineError, match="answered for 8 units, asked for 2"):
        units.parse_show(SHOW, NAMES[:2])


def test_read_units() -> None:
    seen: list[list[str]] = []

    def run(argv: list[str], **kwargs: Any) -> tuple[int, str, str]:
        seen.append(argv)
        return 0, SHOW, ""

    assert units.read_units([], lambda name: None, run) == {}
    assert list(units.read_units(NAMES, lambda name: "/bin/" + name, run)) == NAMES
    assert len(seen) == 1
    assert seen[0][:2] == ["/bin/systemctl", "show"]
    assert seen[0][-len(NAMES) - 1 :] == ["--", *NAMES]
    with pytest.raises(MachineError, match="no systemctl"):
        units.read_units(NAMES, lambda name: None, run)
    with pytest.raises(MachineError, match=r"units can't be read: .*not been booted"):
        units.read_units(NAMES, lambda name: name, lambda argv: (1, "", "System has not been booted with systemd"))


def plan(wish: UnitWish, state: UnitState, changed: list[str] | None = None, mtime: float | None = None) -> list[str]:
    found = {} if mtime is None else {CONF: seconds(mtime)}
    steps = units.plan_units([wish], {wish.name: state}, dict.fromkeys(changed or [], True), found, OFFSET, NOW)
    return [f"{step.verb}|{step.change.summary}" for step in steps]


def unit(**values: Any) -> UnitWish:
    return UnitWish("x.service", **values)


STOPPED = replace(RUNNING, active="inactive")
ABSENT = UnitState("not-found", "inactive", "", False, False, False, 0, 0, 0)
MASKED = replace(STOPPED, load="masked", file="masked")


@pytest.mark.parametrize(
    ("wish", "state", "expected"),
    [
        (unit(), STOPPED, []),
        (unit(enabled=True, state="started"), RUNNING, []),
        (unit(enabled=True, state="started"), replace(RUNNING, active="activating"), []),
        (unit(enabled=True), replace(RUNNING, file="static"), []),
        (unit(enabled=True), replace(RUNNING, file="enabled-runtime"), ["enable|unit x.service enabled"]),
        (unit(enabled=True), replace(RUNNING, file=""), ["enable|unit x.service enabled"]),
        (unit(enabled=True, state="started"), replace(STOPPED, file="disabled"),
         ["enable|unit x.service enabled", "start|unit x.service started"]),
        (unit(state="started"), replace(RUNNING, active="failed"), ["start|unit x.service started"]),
        (unit(state="started"), replace(RUNNING, active="deactivating"), ["start|unit x.service started"]),
        (unit(enabled=True, state="started"), ABSENT,
         ["enable|unit x.service enabled", "start|unit x.service started"]),
        (unit(enabled=False, state="stopped"), ABSENT, []),
        (unit(enabled=False, state="stopped"), RUNNING,
         ["disable|unit x.service disabled", "stop|unit x.service stopped"]),
        (unit(enabled=False, state="stopped"), replace(STOPPED, file="disabled"), []),
        (unit(enabled=False, state="stopped"), replace(RUNNING, active="failed", file="static"), []),
        (unit(state="stopped"), replace(RUNNING, active="activating"), ["stop|unit x.service stopped"]),
        (unit(enabled=True, state="started"), MASKED,
         ["unmask|unit x.service unmasked", "enable|unit x.service enabled", "start|unit x.service started"]),
        (unit(enabled=False, state="stopped"), MASKED, []),
        (unit(restart_on=(CONF,)), STOPPED, []),
    ],
)  # fmt: skip
def test_plan(wish: UnitWish, state: UnitState, expected: list[str]) -> None:
    assert plan(wish, state, [CONF]) == expected


RESTART = "restart|unit x.service restarted: /etc/x.conf"
RELOAD = "reload|unit x.service reloaded: /etc/x.conf"


def test_restart_by_time_and_by_change() -> None:
    wish = unit(state="started", restart_on=(CONF, "/etc/other"))
    assert plan(wish, RUNNING) == []
    assert plan(wish, RUNNING, mtime=1099.9) == []
    # newer than the main process, although older than the moment at which it said that it is ready
    assert plan(wish, RUNNING, mtime=1100.5) == [RESTART + " is newer than its start"]
    assert plan(wish, RUNNING, [CONF, "/etc/other"]) == [RESTART + " changed, /etc/other changed"]
    # a unit without a main process
    assert plan(wish, replace(RUNNING, main_start=0), mtime=1100.5) == []
    assert plan(wish, replace(RUNNING, main_start=0), mtime=1101.5) == [RESTART + " is newer than its start"]


def test_reload() -> None:
    wish = unit(reload_on=(CONF,))
    assert plan(wish, RUNNING, mtime=1150) == []
    assert plan(wish, RUNNING, mtime=1200.5) == [RELOAD + " is newer than its start"]
    # a reload that failed did not read the file
    assert plan(wish, replace(RUNNING, reload_failed=True), mtime=1150) == [RELOAD + " is newer than its start"]
    assert plan(wish, replace(RUNNING, can_reload=False), mtime=1150) == [RESTART + " is newer than its start"]


def test_a_restart_reads_what_a_reload_would_have() -> None:
    wish = unit(restart_on=("/etc/core",), reload_on=(CONF,))
    assert plan(wish, RUNNING, [CONF]) == [RELOAD + " changed"]
    assert plan(wish, RUNNING, ["/etc/core"]) == ["restart|unit x.service restarted: /etc/core changed"]
    both = ["restart|unit x.service restarted: /etc/core changed, /etc/x.conf changed"]
    assert plan(wish, RUNNING, ["/etc/core", CONF]) == both


def test_a_file_from_the_future_gets_a_time_that_can_be_compared(tmp_path: Path) -> None:
    path = tmp_path / "conf"
    path.write_text("")
    os.utime(path, ns=(NOW * 2, NOW * 2))
    steps = units.plan_units(
        [unit(restart_on=(str(path),))], {"x.service": RUNNING}, {}, units.read_times([str(path)]), OFFSET, NOW
    )
    assert steps[0].future == (str(path),)
    before = path.stat().st_mtime_ns
    units.apply_unit(steps[0], lambda name: name, lambda argv: (0, "", ""))
    assert path.stat().st_mtime_ns != before


def test_read_times(tmp_path: Path) -> None:
    path = tmp_path / "conf"
    path.write_text("")
    os.utime(path, ns=(5, 7))
    assert units.read_times([str(path), str(tmp_path / "none"), str(path / "below")]) == {str(path): 7}


def test_monotonic_offset_is_when_the_machine_started() -> None:
    first, second = units.monotonic_offset(), units.monotonic_offset()
    assert abs(first - second) < seconds(1)
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    assert first <= NOW * 10**6
    assert abs((time.time() - uptime) - first / 10**9) < 5


@pytest.mark.parametrize(
    ("states", "changed", "expected"),
    [
        ({}, [], None),
        ({"x": RUNNING}, ["/etc/haproxy/haproxy.cfg"], None),
        ({}, ["/etc/systemd/system/x.service.d/y.conf"], "systemd reloads its units: unit files changed"),
        ({"x": replace(RUNNING, needs_daemon_reload=True), "y": RUNNING}, [],
         "systemd reloads its units: x changed on disk"),
    ],
)  # fmt: skip
def test_needs_daemon_reload(states: dict[str, UnitState], changed: list[str], expected: str | None) -> None:
    found = units.needs_daemon_reload(states, changed)
    assert (found.summary if found else None) == expected


def test_daemon_reload() -> None:
    seen: list[list[str]] = []

    def run(argv: list[str]) -> tuple[int, str, str]:
        seen.append(argv)
        return 0, "", ""

    units.daemon_reload(lambda name: name, run)
    assert seen == [["systemctl", "daemon-reload"]]


def failing(argv: list[str]) -> tuple[int, str, str]:
    if argv[0] == "journalctl":
        assert argv[1:3] == ["--unit=x.service", "--lines=10"]
        return 0, "the last line\n", ""
    return 1, "", "Job for x.service failed\nSee status"


def test_a_failing_start_shows_the_journal() -> None:
    step = units.plan_units([unit(state="started")], {"x.service": STOPPED}, {}, {}, OFFSET, NOW)[0]
    with pytest.raises(MachineError) as caught:
        units.apply_unit(step, lambda name: name, failing)
    assert str(caught.value) == (
        "unit x.service: systemctl start failed: Job for x.service failed | See status\n"
        "Its last journal lines:\nthe last line"
    )
    with pytest.raises(MachineError, match="no journalctl"):
        units.apply_unit(step, lambda name: None if name == "journalctl" else name, failing)

    def empty(argv):
        return (0, "", "") if argv[0] == "journalctl" else (1, "out", "")

    with pytest.raises(MachineError, match="its journal is empty"):
        units.apply_unit(step, lambda name: name, empty)
    with pytest.raises(MachineError) as caught:
        units.apply_unit(replace(step, verb="enable"), lambda name: name, failing)
    assert "journal" not in str(caught.value)


def test_a_service_that_ends_at_once_is_seen() -> None:
    steps = units.plan_units(
        [unit(state="started", enabled=True)], {"x.service": replace(STOPPED, file="disabled")}, {}, {}, OFFSET, NOW
    )
    failed = "LoadState=loaded\nActiveState=failed\n"

    def run(argv: list[str]) -> tuple[int, str, str]:
        return (0, failed, "") if argv[1] == "show" else failing(argv)

    with pytest.raises(MachineError, match=r"unit x.service failed right after it was started(.|\n)*the last line"):
        units.check_started(steps, lambda name: name, run)
    units.check_started(steps, lambda name: name, lambda argv: (0, failed.replace("failed", "active"), ""))
    units.check_started(steps[:1], lambda name: name, failing)


def test_a_unit_that_is_none_of_ours_is_left_alone(tmp_path: Path) -> None:
    ours, others = tmp_path / "ours.exports", tmp_path / "exports"
    wish = unit(state="stopped", enabled=False, only_with=str(ours), unless=(str(others), str(tmp_path / "*.exports")))
    assert units.on_this_machine([wish, unit(state="stopped")]) == [unit(state="stopped")]
    ours.write_text("/data *(rw)\n")
    others.write_text("# none\n\n")
    assert units.on_this_machine([wish]) == [wish]
    assert wish.leaves
    others.write_text("# mine:\n/srv *(ro)\n")
    (kept,) = units.on_this_machine([wish])
    assert (kept.state, kept.enabled, kept.leaves) == (None, None, False)
    others.unlink()
    (tmp_path / "other.exports").write_text("/srv *(ro)\n")
    assert units.on_this_machine([wish]) == [kept]
