# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watches all processes and the files that hold secrets. Runs on a machine, until its standard input ends.

A process of some milliseconds may pass unseen; kubeadm and what it starts live longer. So does all that holds a
secret in its arguments or environment for others to read.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time

ROUND_SECONDS = 0.02
# A new process is looked at in every round, as it may yet execute another program; an old one now and then.
NEW_SECONDS = 1.0
ROUNDS_PER_SWEEP = 50
WATCHED_FOLDERS = ("/run/kubestead",)
WATCHED_FILES = ("/etc/kubernetes/bootstrap-kubelet.conf",)
LONGEST = 1 << 16


def read(path: str) -> str:
    """The text of a file, none where it is gone."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123  as lean as can be
            return file.read(LONGEST).decode(errors="replace")
    except OSError:
        return ""


def look_at_processes(births: dict[str, float], sweep: bool, seen: set[tuple[str, str]]) -> dict[str, float]:
    """Note arguments and environment of the processes; returns when each was first seen."""
    now = time.monotonic()
    alive = {pid: births.get(pid, now) for pid in os.listdir("/proc") if pid.isdigit()}  # noqa: PTH208
    for pid, birth in alive.items():
        if sweep or now - birth < NEW_SECONDS:
            seen.add((read(f"/proc/{pid}/cmdline"), read(f"/proc/{pid}/environ")))
    return alive


def look_at_files(files: dict[str, dict[str, list[str]]]) -> None:
    """Note mode and text of the files that may hold secrets."""
    paths = list(WATCHED_FILES)
    for folder in WATCHED_FOLDERS:
        if os.path.isdir(folder):  # noqa: PTH112
            paths += [f"{folder}/{name}" for name in os.listdir(folder)]  # noqa: PTH208
    for path in paths:
        try:
            mode = oct(os.stat(path).st_mode & 0o7777)  # noqa: PTH116
        except OSError:
            continue
        entry = files.setdefault(path, {"modes": [], "texts": []})
        for kind, value in (("modes", mode), ("texts", read(path))):
            if value and value not in entry[kind]:
                entry[kind].append(value)


def main() -> None:
    """Watch until the input ends, then tell all as JSON."""
    births: dict[str, float] = {}
    seen: set[tuple[str, str]] = set()
    files: dict[str, dict[str, list[str]]] = {}
    rounds = 0
    while not select.select([sys.stdin], [], [], ROUND_SECONDS)[0]:
        births = look_at_processes(births, rounds % ROUNDS_PER_SWEEP == 0, seen)
        look_at_files(files)
        rounds += 1
    json.dump({"rounds": rounds, "processes": sorted(seen), "files": files}, sys.stdout)


if __name__ == "__main__":
    main()
