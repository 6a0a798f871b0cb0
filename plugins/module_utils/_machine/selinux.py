# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SELinux's mode, now (/sys/fs/selinux) and at boot (/etc/selinux/config)."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any

from .base import Change, MachineError, line_change

CONFIG = "/etc/selinux/config"
_ENFORCE = "/sys/fs/selinux/enforce"
_SETTING = re.compile(r"^(\s*SELINUX\s*=\s*)(\w+)", re.MULTILINE)


@dataclass(frozen=True)
class SelinuxState:
    """``live`` None: the running kernel has it off. ``config`` None: not installed."""

    live: str | None
    config: str | None


def label(module: Any, target: str, temporary: str) -> None:
    """Give a new file the SELinux context of the path that it is for."""
    if module.selinux_enabled():
        module.set_context_if_different(temporary, module.selinux_default_context(target), False)


def read_selinux() -> SelinuxState:
    """Reads both places; no program is started."""
    live = None
    if os.path.exists(_ENFORCE):
        with open(_ENFORCE, encoding="ascii") as stream:
            live = "enforcing" if stream.read().strip() == "1" else "permissive"
    config = None
    if os.path.exists(CONFIG):
        with open(CONFIG, encoding="utf-8") as stream:
            config = stream.read()
    return SelinuxState(live, config)


def new_config(text: str, mode: str) -> str:
    """The configuration file with the mode in it."""
    if _SETTING.search(text):
        return _SETTING.sub(lambda found: found.group(1) + mode, text)
    return text + ("" if text.endswith("\n") or not text else "\n") + f"SELINUX={mode}\n"


def plan_selinux(mode: str, state: SelinuxState) -> tuple[list[Change], str | None, list[str]]:
    """Changes of the running kernel, the mode to set in it, and warnings about what only a reboot brings."""
    if state.live is None:
        if mode == "disabled" or state.config is None:
            return [], None, []
        return [], None, [f"SELinux is off in the running kernel: {mode} takes effect at the next boot"]
    wanted = "permissive" if mode == "disabled" else mode
    warnings = ["SELinux is permissive until the next boot, then disabled"] if mode == "disabled" else []
    if state.live == wanted:
        return [], None, warnings
    return [line_change(f"SELinux {state.live} -> {wanted}", "SELinux", state.live, wanted)], wanted, warnings


def apply_selinux(mode: str) -> None:
    """Sets the mode of the running kernel."""
    try:
        with open(_ENFORCE, "w", encoding="ascii") as stream:
            stream.write("1" if mode == "enforcing" else "0")
    except OSError as exc:
        raise MachineError(f"SELinux can't be set to {mode}: {exc.strerror}") from exc
