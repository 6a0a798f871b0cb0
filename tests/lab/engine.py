# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The container engine, spoken to through its command line, and the Debian packages that tests and lab need here."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import programs, rootfs
from .base import LabError, home, locked, run, say, timed

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LISTS_OLD_AFTER = 24 * 3600
LOCK_SECONDS = 300
# Engines that this process has started: they outlive it, and nobody waits for them.
_servers: list[subprocess.Popen[bytes]] = []


def find(program: str) -> str | None:
    """Where a program is; administrators' folders count too."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}")


def missing(wanted: Mapping[str, str]) -> dict[str, str]:
    """The programs that are not here, with their packages."""
    return {
        program: package
        for program, package in wanted.items()
        if not (Path(program).exists() if program.startswith("/") else find(program))
    }


def _install(alternatives: set[str]) -> None:
    lists = Path("/var/lib/apt/lists")
    newest = max((path.stat().st_mtime for path in lists.glob("*Packages*")), default=0)
    if time.time() - newest > LISTS_OLD_AFTER:
        run(["apt-get", "update"])
    packages = [
        next((name for name in names.split("|") if run(["apt-cache", "show", name], check=False).stdout), names)
        for names in sorted(alternatives)
    ]
    # Another lab may be installing its own at the moment.
    waiting = f"--option=DPkg::Lock::Timeout={LOCK_SECONDS}"
    command = ["apt-get", "install", "-y", waiting, "--no-install-recommends", *packages]
    with timed(" ".join(command)):
        run(command, env={"DEBIAN_FRONTEND": "noninteractive"})


def ensure(wanted: Mapping[str, str]) -> None:
    """Install the packages of missing programs as root on Debian; else raise LabError, which names all of them."""
    lacking = missing(wanted)
    packages = {package for package in lacking.values() if package}
    if packages and os.geteuid() == 0 and find("apt-get"):
        _install(packages)
        lacking = missing(wanted)
    if lacking:
        what = ", ".join(
            f"{program} ({f'Debian package {package}' if package else programs.HINTS.get(program, 'no package')})"
            for program, package in sorted(lacking.items())
        )
        raise LabError(f"missing here: {what}. Install them, or run this command as root on Debian")


def provide(steps: Sequence[str]) -> None:
    """Have every program that these targets of `make` need, and an engine's where none answers."""
    wanted = programs.needed(steps)
    ensure({**wanted, **({} if "docker" not in wanted or answers() else programs.ENGINE)})


def docker(*arguments: str | Path, stdin: bytes | None = None, check: bool = True) -> str:
    """One docker command; returns what it printed."""
    return run(["docker", *arguments], stdin=stdin, check=check).stdout.strip()


def answers() -> bool:
    """Whether an engine is there."""
    return find("docker") is not None and run(["docker", "info", "--format", "{{.ID}}"], check=False).returncode == 0


def _pid_file() -> Path:
    return home() / "engine" / "dockerd.pid"


def _own() -> int | None:
    """The process id of the engine that the lab started, while it lives."""
    try:
        pid = int(_pid_file().read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return pid if Path(command[0].decode()).name == "dockerd" else None


def start() -> None:
    """Start a container engine where none answers."""
    ensure(programs.NODES)
    with locked("engine"):
        if not answers():
            _start()


def _start() -> None:
    if os.geteuid() != 0:
        raise LabError("no container engine answers `docker info`: start one, or let root run this command")
    ensure(programs.ENGINE)
    folder = home() / "engine"
    folder.mkdir(parents=True, exist_ok=True)
    program = find("dockerd") or "dockerd"
    log = folder / "dockerd.log"
    with log.open("a") as output:
        server = subprocess.Popen(
            [program, "--data-root", folder / "data", "--exec-root", "/run/kubestead-lab", "--pidfile", _pid_file()],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={**os.environ, "PATH": f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}"},
        )
    _servers.append(server)
    say(f"started a container engine (process {server.pid}, log {log})")
    for _attempt in range(300):
        if answers():
            return
        if server.poll() is not None:
            break
        time.sleep(0.2)
    raise LabError(f"the container engine did not start; its last words in {log}:\n{_tail(log)}")


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-8:])


def stop() -> None:
    """End the engine that the lab started, and only that one."""
    pid = _own()
    if pid is None:
        say("no container engine of the lab is running")
        return
    os.kill(pid, signal.SIGTERM)
    for _attempt in range(300):
        if _own() is None or Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            say(f"ended the container engine (process {pid})")
            return
        time.sleep(0.2)
    raise LabError(f"the container engine (process {pid}) did not end in a minute")


def image(name: str) -> str:
    """The engine's image of a root file system."""
    tag = f"kubestead-lab/{name}:{rootfs.key(name)}"
    if not docker("image", "ls", "--quiet", tag):
        archive = rootfs.build(name)
        with timed(f"image {tag}"):
            docker("import", archive, tag)
    return tag
