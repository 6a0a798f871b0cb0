# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""systemd's units: enabled, started, and restarted when what they read is newer than they are."""

from __future__ import annotations

import glob
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from .base import Change, FindProgram, MachineError, Run, line_change, succeed

_PROPERTIES = (
    "LoadState",
    "ActiveState",
    "UnitFileState",
    "NeedDaemonReload",
    "CanReload",
    "ReloadResult",
    "ExecMainStartTimestampMonotonic",
    "ActiveEnterTimestampMonotonic",
    "StateChangeTimestampMonotonic",
)
_UNIT_FOLDERS = (
    "/etc/systemd/system/",
    "/run/systemd/system/",
    "/usr/local/lib/systemd/system/",
    "/usr/lib/systemd/system/",
    "/lib/systemd/system/",
)
# A unit in auto-restart is "activating": systemd does what can be done about starting it
_RUNNING = ("active", "reloading", "refreshing", "activating")
# There is nothing to enable in a static unit; an indirect one is enabled through others
_ENABLED = ("enabled", "static", "indirect", "alias", "generated", "transient")
_ENABLED_BY_LINK = ("enabled", "enabled-runtime")


@dataclass(frozen=True)
class UnitWish:
    """How a unit has to be; None: left alone."""

    name: str
    enabled: bool | None = None
    state: str | None = None
    restart_on: tuple[str, ...] = ()
    reload_on: tuple[str, ...] = ()
    # of a unit that is to stop: the file by which it is ours, and patterns of files that others need it for
    only_with: str = ""
    unless: tuple[str, ...] = ()

    @property
    def leaves(self) -> bool:
        """Whether it goes together with its file, and before it: a run that is killed in between does both again."""
        return self.state == "stopped" and bool(self.only_with)


@dataclass(frozen=True)
class UnitState:
    """What systemd says about a unit. Times are microseconds of the monotonic clock, 0 for never."""

    load: str
    active: str
    file: str
    needs_daemon_reload: bool
    can_reload: bool
    reload_failed: bool
    main_start: int
    active_enter: int
    state_change: int

    @property
    def running(self) -> bool:
        """Whether it is started, as far as systemd can bring it."""
        return self.active in _RUNNING

    def read_since(self, reload: bool) -> int:
        """When it last read its files: its main process's start (it reads after that), or its last reload."""
        if reload and self.active == "active" and not self.reload_failed:
            return self.state_change
        return self.main_start or self.active_enter


@dataclass(frozen=True)
class UnitStep:
    """One verb of systemctl for one unit."""

    verb: str
    name: str
    change: Change
    # files whose time lies in the future: they would look newer than any start
    future: tuple[str, ...] = ()


def parse_show(text: str, names: Sequence[str]) -> dict[str, UnitState]:
    """Blocks of `systemctl show`, one for each name and in their order (an alias shows another Id)."""
    blocks = [block for block in text.split("\n\n") if block.strip()]
    if len(blocks) != len(names):
        raise MachineError(f"systemctl show answered for {len(blocks)} units, asked for {len(names)}")
    states = {}
    for name, block in zip(names, blocks):
        values: dict[str, str] = dict(line.partition("=")[::2] for line in block.splitlines())
        states[name] = UnitState(
            load=values.get("LoadState", ""),
            active=values.get("ActiveState", ""),
            file=values.get("UnitFileState", ""),
            needs_daemon_reload=values.get("NeedDaemonReload") == "yes",
            can_reload=values.get("CanReload") == "yes",
            reload_failed=values.get("ReloadResult", "success") != "success",
            main_start=int(values.get("ExecMainStartTimestampMonotonic") or 0),
            active_enter=int(values.get("ActiveEnterTimestampMonotonic") or 0),
            state_change=int(values.get("StateChangeTimestampMonotonic") or 0),
        )
    return states


def _systemctl(find: FindProgram) -> str:
    program = find("systemctl")
    if program is None:
        raise MachineError("this machine has no systemctl; only machines that run systemd are supported")
    return program


def read_units(names: Sequence[str], find: FindProgram, run: Run) -> dict[str, UnitState]:
    """One call for all units."""
    if not names:
        return {}
    argv = [_systemctl(find), "show", "--no-pager", "--property=" + ",".join(_PROPERTIES), "--", *list(names)]
    return parse_show(succeed(run, argv, "the units can't be read"), names)


def monotonic_offset() -> int:
    """Nanoseconds to add to the monotonic clock to get today's wall clock.

    A unit's start is taken from the monotonic clock because the wall clock may have been set since: then the time
    it was started at, as systemd wrote it down, can't be compared with a file's time.
    """
    return time.time_ns() - time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def _time(path: str) -> int | None:
    try:
        return os.stat(path).st_mtime_ns
    except (FileNotFoundError, NotADirectoryError):
        return None


def read_times(paths: Sequence[str]) -> dict[str, int]:
    """Times of the last change of content in nanoseconds; what does not exist is left out."""
    found = {path: _time(path) for path in paths}
    return {path: changed for path, changed in found.items() if changed is not None}


def _holds_lines(path: str) -> bool:
    """Whether a configuration file says anything."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return any(line.strip() and not line.lstrip().startswith("#") for line in stream)
    except (FileNotFoundError, IsADirectoryError):
        return False


def on_this_machine(wishes: Sequence[UnitWish]) -> list[UnitWish]:
    """The wishes that are this machine's: a unit that is none of ours is left alone, one that others need goes on."""
    found = []
    for wish in wishes:
        if wish.only_with and not os.path.lexists(wish.only_with):
            continue
        others = {path for pattern in wish.unless for path in glob.glob(pattern)} - {wish.only_with}
        needed = any(_holds_lines(path) for path in others)
        found.append(replace(wish, enabled=None, state=None) if needed else wish)
    return found


def needs_daemon_reload(states: Mapping[str, UnitState], changed: Sequence[str]) -> Change | None:
    """systemd has to read its unit files again: they change in this run, or did since it read them."""
    if any(path.startswith(_UNIT_FOLDERS) for path in changed):
        reason = "unit files changed"
    elif any(state.needs_daemon_reload for state in states.values()):
        reason = "{} changed on disk".format(", ".join(n for n, state in states.items() if state.needs_daemon_reload))
    else:
        return None
    return line_change(f"systemd reloads its units: {reason}", "systemd", "", "daemon-reload")


def _stale(paths: Sequence[str], since: int, changed: Mapping[str, bool], times: Mapping[str, int]) -> list[str]:
    reasons = []
    for path in paths:
        if path in changed:
            reasons.append(f"{path} changed")
        elif times.get(path, 0) > since:
            reasons.append(f"{path} is newer than its start")
    return reasons


def plan_unit(
    wish: UnitWish, state: UnitState, changed: Mapping[str, bool], times: Mapping[str, int], offset: int, now: int
) -> list[UnitStep]:
    """What systemctl has to do for one unit, in order."""
    steps: list[UnitStep] = []

    def add(verb: str, text: str, before: str, after: str, future: tuple[str, ...] = ()) -> None:
        summary = f"unit {wish.name} {text}"
        steps.append(UnitStep(verb, wish.name, line_change(summary, wish.name, before, after), future))

    exists = state.load != "not-found"
    masked = state.load == "masked"
    wanted = wish.enabled or wish.state == "started"
    if masked and wanted:
        add("unmask", "unmasked", "masked", "unmasked")
    if wish.enabled is True and (not exists or masked or state.file not in _ENABLED):
        add("enable", "enabled", "absent" if not exists else state.file or "disabled", "enabled")
    if wish.enabled is False and state.file in _ENABLED_BY_LINK:
        add("disable", "disabled", state.file, "disabled")
    if wish.state == "stopped":
        if exists and state.active not in ("inactive", "failed"):
            add("stop", "stopped", state.active, "inactive")
        return steps
    if not state.running:
        if wish.state == "started":
            add("start", "started", "absent" if not exists else state.active or "inactive", "active")
        return steps
    restart = _stale(wish.restart_on, state.read_since(False) * 1000 + offset, changed, times)
    reload = _stale(wish.reload_on, state.read_since(state.can_reload) * 1000 + offset, changed, times)
    if restart or reload:
        verb = "reload" if not restart and state.can_reload else "restart"
        future = tuple(path for path in wish.restart_on + wish.reload_on if times.get(path, 0) > now)
        text = "{}: {}".format("reloaded" if verb == "reload" else "restarted", ", ".join(restart + reload))
        add(verb, text, "running since before the change", f"{verb}ed", future)
    return steps


def plan_units(
    wishes: Sequence[UnitWish],
    states: Mapping[str, UnitState],
    changed: Mapping[str, bool],
    times: Mapping[str, int],
    offset: int,
    now: int,
) -> list[UnitStep]:
    """The steps of all units in the order of the list."""
    return [step for wish in wishes for step in plan_unit(wish, states[wish.name], changed, times, offset, now)]


def daemon_reload(find: FindProgram, run: Run) -> None:
    """Makes systemd read its unit files again."""
    succeed(run, [_systemctl(find), "daemon-reload"], "systemd can't reload its units")


def _journal(name: str, find: FindProgram, run: Run) -> str:
    program = find("journalctl")
    if program is None:
        return "(no journalctl)"
    out = run([program, "--unit=" + name, "--lines=10", "--no-pager", "--output=cat"])[1]
    return out.strip() or "(its journal is empty)"


def apply_unit(step: UnitStep, find: FindProgram, run: Run) -> None:
    """Runs one verb; a failure brings the unit's last journal lines."""
    for path in step.future:
        os.utime(path)
    code, out, err = run([_systemctl(find), step.verb, step.name])
    if code != 0:
        reason = (err.strip() or out.strip()).replace("\n", " | ")
        if step.verb in ("start", "restart", "reload"):
            reason += "\nIts last journal lines:\n" + _journal(step.name, find, run)
        raise MachineError(f"unit {step.name}: systemctl {step.verb} failed: {reason}")


def check_started(steps: Sequence[UnitStep], find: FindProgram, run: Run) -> None:
    """A simple service's start succeeds even when the service ends at once: look again."""
    names = list(dict.fromkeys(step.name for step in steps if step.verb in ("start", "restart", "reload")))
    for name, state in read_units(names, find, run).items():
        if state.active == "failed":
            raise MachineError(
                f"unit {name} failed right after it was started. Its last journal lines:\n{_journal(name, find, run)}"
            )
