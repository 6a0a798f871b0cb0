# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parse what any kubeadm command complains about."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.kubestead.cluster.plugins.module_utils._redact import redact

_CHECK = re.compile(r"^\s*\[(ERROR|WARNING) ([^\]]+)\]: (.*)$")
_LOG_LINE = re.compile(r"^[IWEF]\d{4} [\d:.]+\s+\d+ \S+\] (.*)$")
_STACK_HINT = "To see the stack trace of this error"
_ERROR_LINE = re.compile(r"^(?:error|Error|panic)(?::| )")


@dataclass(frozen=True)
class Check:
    """One finding of kubeadm's preflight; ``name`` is what --ignore-preflight-errors takes."""

    name: str
    message: str


@dataclass(frozen=True)
class Problems:
    """Everything kubeadm complained about."""

    errors: tuple[Check, ...]
    warnings: tuple[Check, ...]
    log_warnings: tuple[str, ...]


def parse_problems(text: str) -> Problems:
    """Preflight errors and warnings, and warnings of the log, from stdout and stderr of any kubeadm command."""
    found: dict[str, list[Check]] = {"ERROR": [], "WARNING": []}
    log_warnings: list[str] = []
    open_check: list[Check] | None = None
    for line in text.splitlines():
        check = _CHECK.match(line)
        log = _LOG_LINE.match(line)
        if check:
            open_check = found[check.group(1)]
            open_check.append(Check(check.group(2), redact(check.group(3).strip())))
        elif log:
            open_check = None
            if line.startswith("W"):
                log_warnings.append(redact(log.group(1)))
        elif not line.strip() or line.startswith(("[", _STACK_HINT)) or _ERROR_LINE.match(line):
            open_check = None
        elif open_check is not None:
            # Output of a program that kubeadm ran, such as modprobe, goes on over several lines.
            last = open_check.pop()
            open_check.append(Check(last.name, f"{last.message}\n{redact(line.strip())}"))
    return Problems(tuple(found["ERROR"]), tuple(found["WARNING"]), tuple(log_warnings))


def error_summary(text: str) -> str:
    """What to show a person of the output of a kubeadm command that failed: redacted, empty only for no output."""
    errors = parse_problems(text).errors
    if errors:
        return "\n".join(f"{check.name}: {check.message}" for check in errors)
    lines = [line.strip() for line in redact(text).splitlines() if line.strip()]
    starts = [number for number, line in enumerate(lines) if _ERROR_LINE.match(line)]
    if starts:
        message = []
        for line in lines[starts[-1] :]:
            if line.startswith(_STACK_HINT):
                break
            message.append(line)
        return re.sub(r"^(?:error|Error): ", "", " ".join(message))
    logged = [match.group(1) for match in map(_LOG_LINE.match, lines) if match and match.string[0] in "EF"]
    if logged:
        return logged[-1]
    meaningful = [line for line in lines if not line.startswith(_STACK_HINT)]
    return meaningful[-1] if meaningful else ""
