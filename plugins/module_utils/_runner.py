# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one way a module runs a command, and the one place where an error becomes a module's failure."""

from __future__ import annotations

import json
import os
import shlex
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.kubestead.cluster.plugins.module_utils._kubeadm.problems import error_summary
from ansible_collections.kubestead.cluster.plugins.module_utils._redact import ParseError, excerpt, redact


@dataclass(frozen=True)
class Result:
    """What a command answered, as it stands: may hold secrets, so not in the repr."""

    rc: int
    stdout: str = field(repr=False)
    stderr: str = field(repr=False)


class CommandError(Exception):
    """A command failed or could not be run; carries no secret."""

    def __init__(self, command: Sequence[str], rc: int, stdout: str, stderr: str) -> None:
        self.command = redact(shlex.join(command))
        self.rc = rc
        self.stdout = redact(stdout)
        self.stderr = redact(stderr)
        text = self.stderr if self.stderr.strip() else self.stdout
        # kubeadm's last lines are advice, not the reason.
        reason = error_summary(text) if command[0].rpartition("/")[2] == "kubeadm" else excerpt(text)
        super().__init__(f"'{self.command}' failed with exit status {rc}: {reason or 'it printed nothing'}")


class Runner:
    """Runs programs by name, in the C locale, without a shell."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self._paths: dict[str, str | None] = {}

    def __call__(self, command: Sequence[str], *, check: bool = True, stdin: str | None = None) -> Result:
        """Run a command; a failure is a :class:`CommandError` unless ``check`` is false."""
        name = command[0]
        path = self.find(name)
        if path is None:
            raise CommandError(command, 127, "", f"{name} is not installed: no program of that name in PATH")
        rc, stdout, stderr = self.execute([path, *command[1:]], stdin, raises=True)
        if check and rc != 0:
            raise CommandError(command, rc, stdout, stderr)
        return Result(rc, stdout, stderr)

    def find(self, name: str) -> str | None:
        """Return the path of a program, None where it is not installed; a user's PATH may lack the sbin directories."""
        if name not in self._paths:
            self._paths[name] = self._module.get_bin_path(name)
        return self._paths[name]

    def execute(self, argv: Sequence[str], data: str | None = None, *, raises: bool = False) -> tuple[int, str, str]:
        """Run a program by its path; return its exit status, output and errors, whatever they are.

        A program that can't be started lets the module fail, or raises OSError where ``raises`` is true.
        """
        answer: tuple[int, str, str] = self._module.run_command(
            list(argv),
            data=data,
            environ_update={"LC_ALL": "C"},
            # A dollar or a tilde in an argument is what it is.
            expand_user_and_vars=False,
            handle_exceptions=not raises,
        )
        return answer

    def json(self, command: Sequence[str], *, stdin: str | None = None) -> Any:
        """Run a command that answers in JSON."""
        stdout = self(command, stdin=stdin).stdout
        try:
            return json.loads(stdout)
        except ValueError as error:
            raise ParseError(f"JSON from '{redact(shlex.join(command))}'", stdout) from error


@contextmanager
def guard(module: Any) -> Iterator[None]:
    """Let a module fail with the message of any error that is raised inside, without secrets."""
    try:
        yield
    except Exception as error:
        message = redact(str(error))
        details: dict[str, Any] = {}
        if isinstance(error, CommandError):
            details = {"cmd": error.command, "rc": error.rc, "stdout": error.stdout, "stderr": error.stderr}
        # Errors of this collection and of the system explain themselves; of others the place in the code matters.
        elif type(error).__module__ == "builtins" and not isinstance(error, OSError):
            place = traceback.extract_tb(error.__traceback__)[-1]
            message = (
                f"unexpected {type(error).__name__} in {os.path.basename(place.filename)}:{place.lineno}: {message}"
            )
        # Without a traceback of ours Ansible may show its own, secrets included.
        module.fail_json(msg=message, exception=redact(traceback.format_exc()), **details)
