# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A JSON report of a playbook run: what changed where, what ran on which host, how long each play took."""

from __future__ import annotations

DOCUMENTATION = r"""
name: report
type: aggregate
short_description: Writes a JSON report of the playbook run
version_added: 0.1.0
author: kubestead contributors (@kubestead)
description:
  - Records every task result and writes one JSON file at the end of the run.
  - The report tells which tasks changed which hosts, how many module executions each host had, the seconds of every
    play, the failures, and the CPU seconds that the run took on the controller.
  - With C(--check) the same list of changes is the plan of the run.
requirements:
  - Enable it in the configuration, see the example.
options:
  report_path:
    description:
      - Path of the file to write. An existing file is replaced. Its mode is V(0600), as messages of failed tasks
        are part of it.
      - Without a path the plugin does nothing.
    type: path
    env:
      - name: KUBESTEAD_REPORT
    ini:
      - section: callback_report
        key: report_path
notes:
  - A module execution counts for the host that it ran on, which with C(delegate_to) is not the inventory host of the
    result. Every item of a loop, every retry and every poll of an asynchronous task counts.
  - A change counts for the inventory host of the result, as in the recap of C(ansible-playbook).
"""

EXAMPLES = r"""
enable: |
  # ansible.cfg
  [defaults]
  callbacks_enabled = kubestead.cluster.report
  # then
  # KUBESTEAD_REPORT=build/report.json ansible-playbook kubestead.cluster.site -i hosts.yml
report: |
  {
    "format": 1,
    "check": false,
    "started": "2026-11-22T21:50:00+00:00",
    "seconds": 121.4,
    "controller_cpu_seconds": 38.2,
    "phases": {"prepare": 39.7, "start": 20.1},
    "changed": [["prepare", "node : Configure the machine", "node1"]],
    "executions_per_host": {"node1": 21},
    "failed": [],
    "tasks": [
      {"play": "prepare", "task": "node : Configure the machine", "action": "kubestead.cluster.machine_config",
       "host": "node1", "delegates": [], "status": "ok", "changed": true, "executions": 1, "seconds": 2.1}
    ]
  }
"""

import json
import os
import resource
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible import context
from ansible.plugins.callback import CallbackBase
from ansible.utils.fqcn import add_internal_fqcns

# Actions that decide everything on the controller: no module runs on a host.
CONTROLLER_ACTIONS = frozenset(
    [
        *add_internal_fqcns(
            [
                "add_host",
                "assert",
                "debug",
                "fail",
                "group_by",
                "import_role",
                "import_tasks",
                "include_role",
                "include_tasks",
                "include_vars",
                "meta",
                "pause",
                "set_fact",
                "set_stats",
                "validate_argument_spec",
            ]
        ),
        "kubestead.cluster.bundle",
        "kubestead.cluster.cluster_info",
        "kubestead.cluster.cluster_lock",
        "kubestead.cluster.cluster_view",
        "kubestead.cluster.coredns",
        "kubestead.cluster.coredns_info",
        "kubestead.cluster.join_credentials",
        "kubestead.cluster.kube_user",
        "kubestead.cluster.manifests",
        "kubestead.cluster.node_settings",
        "kubestead.cluster.pod_network",
        "kubestead.cluster.preflight",
        "kubestead.cluster.rollout_gate",
        "kubestead.cluster.summary",
    ]
)
# Actions that know beforehand what is to be done, and run a module only to change something.
CHANGING_ACTIONS = frozenset(["kubestead.cluster.packages"])
# Actions that run more than one module each time: both ask for the file's state first.
EXECUTIONS = dict.fromkeys(add_internal_fqcns(["copy", "template"]), 2)


@dataclass
class TaskRecord:
    """The result of one task on one inventory host."""

    play: str
    task: str
    action: str
    host: str
    delegates: list[str]
    status: str
    changed: bool
    executions: int
    seconds: float


@dataclass
class Pending:
    """A task that runs on a host: what is known before its final result."""

    started: float
    executions: Counter[str] = field(default_factory=Counter)


class Report:
    """Collects the results of a run; knows nothing of Ansible's objects."""

    def __init__(self, now: float) -> None:
        self._play: str | None = None
        self._play_started = now
        self._started = now
        self._pending: dict[tuple[str, str], Pending] = {}
        self.phases: dict[str, float] = {}
        self.tasks: list[TaskRecord] = []
        self.changed: list[tuple[str, str, str]] = []
        self.failed: list[dict[str, Any]] = []
        self.executions: Counter[str] = Counter()

    def play(self, name: str | None, now: float) -> None:
        """A play begins (or with None the last one has ended). Plays of one name add up."""
        if self._play is not None:
            self.phases[self._play] = self.phases.get(self._play, 0.0) + now - self._play_started
        self._play = name
        self._play_started = now

    def start(self, host: str, uuid: str, now: float) -> None:
        """A task is handed to a worker for a host."""
        self._pending[host, uuid] = Pending(started=now)

    def executed(self, host: str, uuid: str, target: str, count: int, now: float) -> None:
        """Part of a task (an item of its loop, a poll, the task itself) ran `count` modules on `target`."""
        if count:
            self._pending.setdefault((host, uuid), Pending(started=now)).executions[target] += count

    def result(self, host: str, uuid: str, task: str, action: str, status: str, changed: bool, now: float) -> None:
        """A task has ended on a host."""
        pending = self._pending.pop((host, uuid), Pending(started=now))
        play = self._play or ""
        self.executions.update(pending.executions)
        if changed:
            self.changed.append((play, task, host))
        self.tasks.append(
            TaskRecord(
                play=play,
                task=task,
                action=action,
                host=host,
                delegates=sorted(target for target in pending.executions if target != host),
                status=status,
                changed=changed,
                executions=pending.executions.total(),
                seconds=round(now - pending.started, 3),
            )
        )

    def failure(self, host: str, task: str, message: str, ignored: bool) -> None:
        """A task failed on a host, or the host could not be reached."""
        self.failed.append(
            {"play": self._play or "", "task": task, "host": host, "message": message, "ignored": ignored}
        )

    def as_dict(self, now: float) -> dict[str, Any]:
        """The report without what only the process knows (time of day, CPU)."""
        self.play(None, now)
        return {
            "seconds": round(now - self._started, 3),
            "phases": {name: round(seconds, 3) for name, seconds in self.phases.items()},
            "changed": [list(entry) for entry in self.changed],
            "executions_per_host": dict(sorted(self.executions.items())),
            "failed": self.failed,
            "tasks": [asdict(task) for task in self.tasks],
        }


def executions_of(action: str, attempts: int, applied: bool) -> int:
    """Modules that `attempts` runs of an action start on a host; `applied` tells whether one changed (or tried to)."""
    if action in CONTROLLER_ACTIONS or (action in CHANGING_ACTIONS and not applied):
        return 0
    return EXECUTIONS.get(action, 1) * attempts


def controller_cpu_seconds() -> float:
    """CPU seconds of this process and of all workers that have ended."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return round(sum(one.ru_utime + one.ru_stime for one in usage), 3)


def write(path: Path, report: dict[str, Any]) -> None:
    """Replace the file at once, so that a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(report, file, indent=2)
        file.write("\n")
    temporary.replace(path)


class CallbackModule(CallbackBase):
    """Feeds what Ansible reports into a Report."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "kubestead.cluster.report"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._report = Report(time.monotonic())
        self._started = datetime.now(UTC)
        self._path: Path | None = None

    def set_options(self, *args: Any, **kwargs: Any) -> None:
        super().set_options(*args, **kwargs)
        path = self.get_option("report_path")
        self._path = Path(path) if path else None
        self.disabled = self._path is None

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._report.play(play.get_name(), time.monotonic())

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        self._report.start(host.get_name(), task._uuid, time.monotonic())

    def v2_runner_on_ok(self, result: Any) -> None:
        self._end(result, "ok", changed=result.is_changed())

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._end(result, "skipped", changed=False)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._report.failure(result.host.get_name(), result.task.get_name(), _message(result), bool(ignore_errors))
        # As in the recap: a failure that is ignored counts as what it did.
        self._end(result, "failed", changed=bool(ignore_errors) and result.is_changed())

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._report.failure(result.host.get_name(), result.task.get_name(), _message(result), ignored=False)
        self._end(result, "unreachable", changed=False)

    def v2_runner_item_on_ok(self, result: Any) -> None:
        self._executed(result)

    def v2_runner_item_on_failed(self, result: Any) -> None:
        self._executed(result)

    def v2_runner_on_async_poll(self, result: Any) -> None:
        self._executed(result)

    def v2_playbook_on_stats(self, stats: Any) -> None:  # noqa: ARG002
        if self._path is None:
            return
        write(
            self._path,
            {
                "format": 1,
                "check": bool(context.CLIARGS.get("check")),
                "started": self._started.isoformat(timespec="seconds"),
                "controller_cpu_seconds": controller_cpu_seconds(),
                **self._report.as_dict(time.monotonic()),
            },
        )

    def _executed(self, result: Any) -> None:
        """Count what this result ran. no_log leaves what is read here in place."""
        applied = (result.is_changed() or result.is_failed()) and not result.task_fields.get("check_mode")
        self._report.executed(
            host=result.host.get_name(),
            uuid=result.task._uuid,
            target=result.task_fields.get("delegate_to") or result.host.get_name(),
            count=executions_of(_action(result), int(result.result.get("attempts", 1)), applied),
            now=time.monotonic(),
        )

    def _end(self, result: Any, status: str, changed: bool) -> None:
        # The items of a loop have been counted one by one.
        if status in ("ok", "failed") and not _loops(result.task):
            self._executed(result)
        self._report.result(
            host=result.host.get_name(),
            uuid=result.task._uuid,
            task=result.task.get_name(),
            action=_action(result),
            status=status,
            changed=changed,
            now=time.monotonic(),
        )


def _action(result: Any) -> str:
    """The full name where the task has been resolved, as `copy` and `ansible.builtin.copy` are the same."""
    return str(result.task.resolved_action or result.task.action)


def _loops(task: Any) -> bool:
    return task.loop is not None or task.loop_with is not None


def _message(result: Any) -> str:
    return str(result.result.get("msg") or result.result.get("censored") or "")
