# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every part of the lab needs: its home, its errors, one way to run a program."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent


class LabError(Exception):
    """Something a person has to put right; the message says what."""


def home() -> Path:
    """The folder that holds all the lab makes: artifacts, mirror, labs."""
    configured = os.environ.get("KUBESTEAD_LAB_HOME")
    return Path(configured) if configured else Path.home() / ".cache" / "kubestead-lab"


def say(message: str) -> None:
    """Tell the person what goes on; standard output is for results."""
    print(message, file=sys.stderr, flush=True)


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    check: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; a failure tells the command and the end of what it said."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            cwd=cwd,
            env={**os.environ, "LC_ALL": "C", **(env or {})},
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise LabError(f"{words[0]} is not installed; `python3 -m tests.lab doctor` lists what is missing") from error
    result = subprocess.CompletedProcess(
        words, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    )
    if check and result.returncode:
        said = "\n".join((result.stderr.strip() or result.stdout.strip()).splitlines()[-15:])
        raise LabError(f"{shlex.join(words)} ended with {result.returncode}:\n{said}")
    return result


def digest(*parts: str | bytes) -> str:
    """A short key that changes with any of the parts."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(len(data).to_bytes(8, "big") + data)
    return total.hexdigest()[:12]


def write_atomic(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace a file at once: readers see the old or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.touch(mode=mode)
    temporary.write_text(text)
    temporary.chmod(mode)
    temporary.replace(path)


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the lab's lock of that name, so that two commands do not build or number the same thing."""
    path = home() / "locks" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def timed(what: str) -> Iterator[None]:
    """Say how long something took."""
    start = time.monotonic()
    yield
    say(f"{what}: {time.monotonic() - start:.0f} s")
