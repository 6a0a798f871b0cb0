# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Put planned files in place, each in one step, and let programs validate their configuration before."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from typing import Callable

from .. import _durable
from . import below, records
from .base import FindProgram, MachineError, Run
from .files import FileStep, stored_key

# URL, and the certificates to trust alone
Fetch = Callable[[str, str], bytes]
# target, temporary file: gives the temporary file the SELinux context that the target has to have
Label = Callable[[str, str], None]


def make_directory(path: str) -> None:
    """Creates a directory and what leads there, 0755 whatever the umask is."""
    if os.path.isdir(path):
        return
    make_directory(os.path.dirname(path))
    os.mkdir(path)
    os.chmod(path, 0o755)  # noqa: S103


def validate_file(command: Sequence[str], path: str, name: str, run: Run) -> None:
    """Lets the program itself judge a new file."""
    argv = [part.replace("%s", path) for part in command]
    code, out, err = run(argv)
    if code != 0:
        lines = f"{out.strip()}\n{err.strip()}"
        reason = lines.strip().replace(path, name).replace("\n", " | ")
        raise MachineError(
            f"{name}: the new content is refused by `{' '.join(argv)}` (code {code}), "
            f"so it was not put in place: {reason}"
        )


def check_validation(steps: Sequence[FileStep], temporary: str, find: FindProgram, run: Run) -> None:
    """Check mode: validates new contents where that tells the truth.

    A program that is not installed yet can't judge, and a file whose predecessors in the list are not written yet
    may be refused only because of that.
    """
    if not steps or not steps[0].wish.validate or steps[0].content is None:
        return
    step = steps[0]
    program = find(step.wish.validate[0])
    if program is None:
        return
    path = os.path.join(temporary, os.path.basename(step.state.target))
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(step.content or b"")
    try:
        validate_file((program, *step.wish.validate[1:]), path, step.wish.path, run)
    finally:
        os.unlink(path)


def _write(step: FileStep, content: bytes, find: FindProgram, run: Run, label: Label) -> None:
    target = step.state.target
    directory = os.path.dirname(target)
    make_directory(directory)
    # hidden and with the same end: programs that read whole directories skip it, validators still know its kind;
    # always the same name: what a killed run leaves is replaced by the next one
    temporary = os.path.join(directory, ".kubestead-new." + os.path.basename(target))

    def check(path: str) -> None:
        label(target, path)
        if step.wish.validate:
            program = find(step.wish.validate[0])
            if program is None:
                raise MachineError(
                    f"{step.wish.path}: {step.wish.validate[0]}, which has to validate it, is not installed"
                )
            validate_file((program, *step.wish.validate[1:]), path, step.wish.path, run)

    try:
        _durable.write(target, content, step.mode, (step.uid, step.gid), temporary, check)
    except OSError as exc:
        if exc.errno == errno.EBUSY:
            raise MachineError(
                f"{step.wish.path} can't be replaced: it is a mount point of its own "
                "(as container engines do with /etc/hosts); "
                "unmount it, so that it is an ordinary file"
            ) from exc
        raise MachineError(f"{step.wish.path} can't be written: {exc.strerror}") from exc


def _apply_within(step: FileStep) -> None:
    """Brings a directory where others write to what was planned. A new one has the SELinux context of its parent."""
    wish = step.wish
    try:
        with below.opened(wish.within, wish.path, create=step.state.kind == "absent") as descriptor:
            if descriptor is None:
                raise MachineError(f"it or {wish.within} is gone since it was read; run the play again")
            os.fchown(descriptor, step.uid, step.gid)
            os.fchmod(descriptor, step.mode)
    except MachineError as exc:
        raise MachineError(f"{wish.path}: {exc}") from exc


def apply_file(step: FileStep, fetch: Fetch, find: FindProgram, run: Run, label: Label) -> None:
    """Brings one path to what was planned."""
    wish, target = step.wish, step.state.target
    content = step.content
    if wish.state == "absent":
        os.unlink(wish.path)
        folder = os.path.dirname(wish.path)
        if wish.with_folder and not os.listdir(folder):
            os.rmdir(folder)
        return
    if step.fetch and wish.sha256:
        try:
            content = records.verified(fetch(str(wish.url), wish.ca), wish.sha256, wish.member)
        except MachineError as exc:
            raise MachineError(f"{wish.path}: what was fetched from {wish.url} is not accepted: {exc}") from exc
    elif step.fetch:
        data = fetch(str(wish.url), wish.ca)
        try:
            content = stored_key(wish.path, data, wish.fingerprints)
        except MachineError as exc:
            raise MachineError(f"{wish.path}: the key fetched from {wish.url} is not accepted: {exc}") from exc
    if content is not None:
        _write(step, content, find, run, label)
        return
    if wish.within:
        _apply_within(step)
        return
    if wish.state == "directory" and step.state.kind != "directory":
        make_directory(os.path.dirname(target))
        os.mkdir(target, 0o700)
        label(target, target)
    os.chown(target, step.uid, step.gid)
    os.chmod(target, step.mode)
