# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Swap off, now and after every boot."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass

from .base import Change, FindProgram, MachineError, Run, line_change, succeed

FSTAB = "/etc/fstab"
_UNITS = "/etc/systemd/system"
_VENDOR_UNITS = ("/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
# Services that turn swap on: zram-tools, zram-config, Raspberry Pi OS (the last one also as an init script)
_SERVICES = ("zramswap.service", "zram-config.service", "dphys-swapfile.service")
_ZRAM_GENERATOR = "zram-generator"
_GENERATORS = ("/usr/local/lib/systemd/system-generators", "/usr/lib/systemd/system-generators")
COMMENT = "# swap is off for kubelet: "


@dataclass(frozen=True)
class SwapState:
    """What is swapped on, and what would turn it on again. ``masks``: links to /dev/null that are missing."""

    active: tuple[str, ...]
    fstab: str
    masks: tuple[str, ...]


def parse_swaps(text: str) -> tuple[str, ...]:
    """Devices and files in /proc/swaps (a space in a name is written \\040)."""
    names = [line.split()[0] for line in text.splitlines()[1:] if line.strip()]
    return tuple(name.replace("\\040", " ") for name in names)


def without_swap(fstab: str) -> str:
    """The table with its swap lines turned into comments; all else stays byte for byte."""
    lines = []
    for line in fstab.splitlines(keepends=True):
        fields = line.split()
        is_swap = len(fields) > 2 and not fields[0].startswith("#") and fields[2] == "swap"
        lines.append(COMMENT + line if is_swap else line)
    return "".join(lines)


def escape_path(path: str) -> str:
    """A path as systemd writes it in a unit's name (systemd-escape --path)."""
    text = "/".join(part for part in path.split("/") if part)
    escaped = []
    for position, char in enumerate(text):
        if char == "/":
            escaped.append("-")
        elif (char.isascii() and char.isalnum()) or char in ":_" or (char == "." and position):
            escaped.append(char)
        else:
            escaped += [f"\\x{byte:02x}" for byte in char.encode("utf-8")]
    return "".join(escaped)


def wanted_masks(active: Sequence[str], swap_units: Sequence[str], services: Sequence[str], zram: bool) -> list[str]:
    """Links to /dev/null that keep swap off: units, services and the generator (systemd.generator(7))."""
    names = [f"{escape_path(device)}.swap" for device in active] + list(swap_units) + list(services)
    masks = [os.path.join(_UNITS, name) for name in names]
    if zram:
        masks.append(os.path.join("/etc/systemd/system-generators", _ZRAM_GENERATOR))
    return list(dict.fromkeys(masks))


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""


def _masked(path: str) -> bool:
    return os.path.islink(path) and os.readlink(path) == "/dev/null"


def read_swap() -> SwapState:
    """Reads /proc/swaps, the file system table and the units."""
    active = parse_swaps(_read("/proc/swaps"))
    folders = (_UNITS, *_VENDOR_UNITS)
    units = [os.path.basename(path) for folder in folders for path in glob.glob(os.path.join(folder, "*.swap"))]
    services = [
        name
        for name in _SERVICES
        if any(os.path.exists(os.path.join(folder, name)) for folder in folders)
        or os.path.exists("/etc/init.d/" + name.partition(".")[0])
    ]
    zram = any(os.path.exists(os.path.join(folder, _ZRAM_GENERATOR)) for folder in _GENERATORS)
    masks = wanted_masks(active, units, services, zram)
    return SwapState(active, _read(FSTAB), tuple(path for path in masks if not _masked(path)))


def plan_swap(state: SwapState) -> list[Change]:
    """Changes other than the one of the file system table."""
    changes = [
        line_change(f"swap unit {os.path.basename(path)} masked", path, "", "-> /dev/null") for path in state.masks
    ]
    changes += [line_change(f"swap {name} turned off", "/proc/swaps", name, "") for name in state.active]
    return changes


def apply_swap(state: SwapState, find: FindProgram, run: Run) -> None:
    """Masks first, then turns off: a run that is killed in between finds both again."""
    for path in state.masks:
        if os.path.lexists(path) and not os.path.islink(path):
            raise MachineError(f"{path} turns swap on and is a file of its own, so it can't be masked; remove it")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        temporary = f"{path}.kubestead-new"
        if os.path.lexists(temporary):
            os.unlink(temporary)
        os.symlink("/dev/null", temporary)
        os.rename(temporary, path)
    for name in state.active:
        program = find("swapoff")
        if program is None:
            raise MachineError(f"swap {name} is on and swapoff is not installed (package util-linux)")
        succeed(run, [program, name], f"swap {name} can't be turned off")
