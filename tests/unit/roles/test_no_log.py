# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every task through which a secret passes keeps it out of Ansible's output, in a way that is named here."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
FILES = sorted([*ROOT.glob("roles/*/tasks/**/*.yml"), *ROOT.glob("playbooks/*.yml")])
# Tasks with `no_log: true`: their arguments or results hold secrets.
WITHOUT_OUTPUT = {
    "control_plane/tasks/start.yml: start | Start the cluster",
    "control_plane/tasks/start.yml: start | Write the administrator's kubeconfig",
    "control_plane/tasks/start.yml: start | Let further machines join",
    "preflight/tasks/ports.yml: ports | Choose the nonce of this run",
}
# Tasks that get secrets in an argument, with those of its options that the module declares as secrets.
BY_ARGUMENT = {
    "control_plane/tasks/join.yml: join | Join": ("kubeadm_join", "join", {"token", "certificate_key"}),
    "worker/tasks/join.yml: join | Join": ("kubeadm_join", "join", {"token", "certificate_key"}),
}
# Tasks that only name a secret: its public part, a condition, or a result that the action has rid of it.
HARMLESS = {
    "playbooks/site.yml: Remove join credentials",
    "control_plane/tasks/abandon.yml: abandon | Remove tokens and uploaded certificates",
    "control_plane/tasks/finish.yml: finish | Remove tokens and uploaded certificates",
}
SECRETS = re.compile(
    r"__cluster_join\b|__control_plane_(started|token)\b|password|passphrase|certificate_key|private_key|credential",
    re.IGNORECASE,
)


def tasks(content: Any) -> Iterator[dict[str, Any]]:
    """Return the tasks of a file, those of plays and blocks among them."""
    for item in content if isinstance(content, list) else []:
        for key in ("tasks", "pre_tasks", "post_tasks", "block", "rescue", "always"):
            yield from tasks(item.get(key))
        if "hosts" not in item and "block" not in item:
            yield item


def all_tasks() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in FILES:
        for task in tasks(yaml.safe_load(path.read_text(encoding="utf-8"))):
            yield f"{str(path.relative_to(ROOT)).removeprefix('roles/')}: {task.get('name')}", task


def test_tasks_without_output() -> None:
    assert {name for name, task in all_tasks() if task.get("no_log")} == WITHOUT_OUTPUT


def test_no_block_or_play_is_without_output() -> None:
    """It would hide from this test what its tasks do, and from the operator why they fail."""
    for path in FILES:
        for item in yaml.safe_load(path.read_text(encoding="utf-8")):
            assert "no_log" not in item or "block" not in item, path


def test_tasks_that_handle_secrets() -> None:
    handling = {name for name, task in all_tasks() if SECRETS.search(yaml.safe_dump(task))}
    assert handling <= WITHOUT_OUTPUT | BY_ARGUMENT.keys() | HARMLESS
    assert (BY_ARGUMENT.keys() | HARMLESS) <= handling


class Called(Exception):
    """Carries what a module calls AnsibleModule with."""


@pytest.mark.parametrize("task", BY_ARGUMENT)
def test_arguments_are_secret(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, argument, options = BY_ARGUMENT[task]
    (given,) = [item for name, item in all_tasks() if name == task]
    assert argument in given[f"kubestead.cluster.{module}"]

    def called(**arguments: Any) -> None:
        raise Called(arguments["argument_spec"])

    code = importlib.import_module(f"ansible_collections.kubestead.cluster.plugins.modules.{module}")
    monkeypatch.setattr(code, "AnsibleModule", called)
    with pytest.raises(Called) as spec:
        code.main()
    inside = spec.value.args[0][argument]["options"]
    assert {name for name, option in inside.items() if option.get("no_log")} == options
