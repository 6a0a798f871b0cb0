# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kernel modules and kernel settings: read from /sys and /proc, no program is started to look."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .base import Change, FindProgram, MachineError, Run, line_change, refuse, succeed

# What a module that is built in without parameters is still seen by, where the kernel's own list is missing
_TRACES = {"br_netfilter": "/proc/sys/net/bridge", "nf_conntrack": "/proc/sys/net/netfilter/nf_conntrack_max"}
_FOLDERS = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d")


def builtin_modules(text: str) -> list[str]:
    """Names in a kernel's modules.builtin ("kernel/fs/overlayfs/overlay.ko" per line)."""
    names = [os.path.basename(line.strip()) for line in text.splitlines() if line.strip()]
    return [re.sub(r"\.ko(\.\w+)?$", "", name).replace("-", "_") for name in names]


def filesystems(text: str) -> list[str]:
    """Names in /proc/filesystems: a file system that is there needs no module."""
    return [line.split()[-1] for line in text.splitlines() if line.strip()]


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""


def missing_modules(names: Sequence[str]) -> list[str]:
    """Those of the modules that the running kernel does not have yet."""
    missing = []
    present: list[str] | None = None
    for name in names:
        plain = name.replace("-", "_")
        if os.path.isdir("/sys/module/" + plain) or os.path.exists(_TRACES.get(plain, "/sys/module/" + plain)):
            continue
        if present is None:
            present = filesystems(_read("/proc/filesystems"))
            present += builtin_modules(_read(f"/lib/modules/{os.uname().release}/modules.builtin"))
        if plain not in present:
            missing.append(name)
    return missing


def plan_modules(missing: Sequence[str]) -> list[Change]:
    """One change for each module to load."""
    return [line_change(f"kernel module {name} loaded", "kernel modules", "", name) for name in missing]


def load_module(name: str, find: FindProgram, run: Run) -> None:
    """Loads one kernel module."""
    program = find("modprobe")
    if program is None:
        raise MachineError(f"kernel module {name} is not loaded and modprobe is not installed (package kmod)")
    succeed(run, [program, name], f"kernel module {name} can't be loaded")


def module_file(names: Sequence[str]) -> bytes:
    """Content of the file in /etc/modules-load.d."""
    return "".join(f"{name}\n" for name in names).encode("ascii")


@dataclass(frozen=True)
class SysctlStep:
    """One kernel setting whose live value differs; ``before`` None: it does not exist yet."""

    name: str
    before: str | None
    after: str

    @property
    def change(self) -> Change:
        """The line and the diff."""
        before = "absent" if self.before is None else self.before
        return line_change(
            f"sysctl {self.name} {before} -> {self.after}",
            "sysctl",
            "" if self.before is None else f"{self.name} = {self.before}",
            f"{self.name} = {self.after}",
        )


def sysctl_path(name: str) -> str:
    """The file of a setting under /proc/sys (sysctl.d(5): the first separator tells which one is meant)."""
    first = re.search(r"[./]", name)
    if first is not None and first.group() == ".":
        name = name.translate(str.maketrans("./", "/."))
    return "/proc/sys/" + name


def _read_sysctl(name: str) -> str | None:
    try:
        with open(sysctl_path(name), encoding="ascii", errors="replace") as stream:
            return " ".join(stream.read().split())
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise MachineError(f"sysctl {name} can't be read: {exc.strerror}") from exc


def read_sysctls(names: Sequence[str]) -> dict[str, str | None]:
    """Live values, None for a setting that the kernel does not have (yet)."""
    return {name: _read_sysctl(name) for name in names}


def plan_sysctls(wanted: Mapping[str, str], live: Mapping[str, str | None], loading: bool) -> list[SysctlStep]:
    """Settings whose live value is not the wanted one. ``loading``: modules that may bring some are loaded first."""
    if not loading:
        refuse(
            f"sysctl {name} does not exist in the running kernel; load the kernel module that has it or take it out"
            for name in wanted
            if live[name] is None
        )
    steps = []
    for name, value in wanted.items():
        after = " ".join(value.split())
        if live[name] != after:
            steps.append(SysctlStep(name, live[name], after))
    return steps


def apply_sysctl(step: SysctlStep) -> None:
    """Sets one live value."""
    try:
        with open(sysctl_path(step.name), "w", encoding="ascii") as stream:
            stream.write(step.after)
    except OSError as exc:
        raise MachineError(f"sysctl {step.name} can't be set to {step.after!r}: {exc.strerror}") from exc


def sysctl_file(wanted: Mapping[str, str]) -> bytes:
    """Content of the file in /etc/sysctl.d."""
    return "".join("{} = {}\n".format(*item) for item in wanted.items()).encode("ascii")


def overriding(wanted: Mapping[str, str], later: Sequence[tuple[str, str]]) -> list[str]:
    """Warnings about files that are read after ours and would set another value at the next boot."""
    found = []
    for path, text in later:
        for line in text.splitlines():
            name, separator, value = line.strip().lstrip("-").partition("=")
            name = name.strip()
            if not separator or name.startswith(("#", ";")):
                continue
            for ours, after in wanted.items():
                if sysctl_path(name) == sysctl_path(ours) and value.split() != after.split():
                    found.append(f"{path} sets {name} = {value.strip()} at boot, after ours")
    return found


def read_later(path: str) -> list[tuple[str, str]]:
    """Files that systemd-sysctl reads after the given one (sysctl.d(5): sorted by name, whatever their folder)."""
    found: dict[str, str] = {}
    for folder in _FOLDERS:
        if os.path.isdir(folder):
            for name in os.listdir(folder):
                if name.endswith(".conf") and name > os.path.basename(path):
                    found.setdefault(name, os.path.join(folder, name))
    return [(found[name], _read(found[name])) for name in sorted(found)]
