# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a real run of ansible-playbook, and the rules behind its figures."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.callback import report

PLAYBOOK = """\
- name: One
  hosts: a,b
  gather_facts: false
  tasks:
    - name: Loop
      ansible.builtin.command: "true"
      loop: [1, 2, 3]
      when: item != 2
      changed_when: item == 3 and inventory_hostname == 'a'
    - name: Skip a loop
      ansible.builtin.command: "true"
      loop: [1, 2]
      when: item > 2
    - name: Include
      ansible.builtin.include_tasks: inner.yml
    - name: Hide and retry
      ansible.builtin.command: "true"
      no_log: true
      retries: 2
      delay: 0
      register: attempt
      until: attempt.attempts | default(1) | int >= 2
- name: Two
  hosts: a,b,gone
  strategy: ansible.builtin.free
  gather_facts: false
  tasks:
    - name: Elsewhere
      ansible.builtin.command: "true"
      delegate_to: c
      when: inventory_hostname != 'gone'
    - name: Ignored
      ansible.builtin.command: "false"
      ignore_errors: true
      when: inventory_hostname == 'a'
    - name: Fail
      ansible.builtin.command: "false"
      when: inventory_hostname == 'b'
    - name: Unreachable
      ansible.builtin.ping:
      when: inventory_hostname == 'gone'
- name: One
  hosts: a
  gather_facts: false
  tasks:
    - name: Decide
      ansible.builtin.set_fact:
        decided: true
    - name: Write
      ansible.builtin.copy:
        content: x
        dest: "{{ target }}"
        mode: "0600"
"""
INNER = """\
- name: Inner
  ansible.builtin.command: "true"
  delegate_to: "{{ item }}"
  loop: [b, c]
  changed_when: item == 'c'
"""
INVENTORY = {
    "all": {
        "hosts": {
            **{name: {"ansible_connection": "local"} for name in "abc"},
            "gone": {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 9, "ansible_timeout": 2},
        },
        "vars": {"ansible_python_interpreter": sys.executable},
    }
}


def run(folder: Path, *arguments: str, path: Path | None) -> subprocess.CompletedProcess[str]:
    (folder / "play.yml").write_text(PLAYBOOK, encoding="utf-8")
    (folder / "inner.yml").write_text(INNER, encoding="utf-8")
    (folder / "hosts.json").write_text(json.dumps(INVENTORY), encoding="utf-8")
    (folder / "ansible.cfg").write_text("[defaults]\n", encoding="utf-8")
    env = {
        **os.environ,
        "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(Path(report.__file__).absolute().parents[5]),
        "ANSIBLE_CALLBACKS_ENABLED": "kubestead.cluster.report",
        "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
        "ANSIBLE_REMOTE_TEMP": str(folder / "tmp"),
        "ANSIBLE_PIPELINING": "true",
    }
    env.pop("KUBESTEAD_REPORT", None)
    if path is not None:
        env["KUBESTEAD_REPORT"] = str(path)
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    command = [program, "-i", "hosts.json", "-e", f"target={folder / 'written'}", "play.yml", *arguments]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    path = folder / "new" / "report.json"
    result = run(folder, path=path)
    assert result.returncode != 0, "the playbook has a failing task"
    assert path.exists(), result.stdout + result.stderr
    return path


@pytest.fixture(scope="module")
def read(written: Path) -> dict[str, Any]:
    return dict(json.loads(written.read_text(encoding="utf-8")))


def task(read: dict[str, Any], name: str, host: str) -> dict[str, Any]:
    [found] = [one for one in read["tasks"] if (one["task"], one["host"]) == (name, host)]
    return dict(found)


def test_changed_is_exact(read: dict[str, Any]) -> None:
    assert sorted(read["changed"]) == [
        ["One", "Hide and retry", "a"],
        ["One", "Hide and retry", "b"],
        ["One", "Inner", "a"],
        ["One", "Inner", "b"],
        ["One", "Loop", "a"],
        ["One", "Write", "a"],
        ["Two", "Elsewhere", "a"],
        ["Two", "Elsewhere", "b"],
        ["Two", "Ignored", "a"],
    ]


def test_executions_count_where_they_ran(read: dict[str, Any]) -> None:
    assert read["executions_per_host"] == {
        "a": 2 + 2 + 1 + 2,  # Loop, Hide and retry, Ignored, Write
        "b": 2 + 2 + 2 + 1,  # Loop, Inner of both hosts, Hide and retry, Fail
        "c": 2 + 2,  # Inner and Elsewhere of both hosts
    }


@pytest.mark.parametrize(
    ("name", "host", "expected"),
    [
        ("Loop", "a", {"executions": 2, "delegates": [], "status": "ok", "changed": True, "play": "One"}),
        ("Loop", "b", {"executions": 2, "delegates": [], "status": "ok", "changed": False}),
        ("Skip a loop", "a", {"executions": 0, "status": "skipped", "changed": False}),
        ("Inner", "a", {"executions": 2, "delegates": ["b", "c"], "action": "ansible.builtin.command"}),
        ("Include", "b", {"executions": 0, "status": "ok", "action": "ansible.builtin.include_tasks"}),
        ("Hide and retry", "b", {"executions": 2}),
        ("Elsewhere", "b", {"executions": 1, "delegates": ["c"], "play": "Two"}),
        ("Fail", "a", {"executions": 0, "status": "skipped", "changed": False}),
        ("Fail", "b", {"executions": 1, "status": "failed", "changed": False}),
        ("Unreachable", "gone", {"executions": 0, "status": "unreachable"}),
        ("Decide", "a", {"executions": 0, "status": "ok"}),
        ("Write", "a", {"executions": 2, "status": "ok", "changed": True}),
    ],
)
def test_tasks(read: dict[str, Any], name: str, host: str, expected: dict[str, Any]) -> None:
    found = task(read, name, host)
    assert {key: found[key] for key in expected} == expected
    assert found["seconds"] >= 0


def test_failures(read: dict[str, Any]) -> None:
    failed = {(one["task"], one["host"]): one for one in read["failed"]}
    assert set(failed) == {("Ignored", "a"), ("Fail", "b"), ("Unreachable", "gone")}
    assert failed["Ignored", "a"]["ignored"] is True
    assert failed["Fail", "b"] == {
        "play": "Two",
        "task": "Fail",
        "host": "b",
        "message": "non-zero return code",
        "ignored": False,
    }
    assert "127.0.0.1" in failed["Unreachable", "gone"]["message"]


def test_run_figures(read: dict[str, Any]) -> None:
    assert (read["format"], read["check"]) == (1, False)
    assert set(read["phases"]) == {"One", "Two"}
    assert 0 < sum(read["phases"].values()) <= read["seconds"]
    assert read["controller_cpu_seconds"] > 0


def test_file_is_private(written: Path) -> None:
    assert written.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in written.parent.iterdir()] == ["report.json"]


def test_check_mode_is_told(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    run(tmp_path, "--check", "--limit", "a", path=path)
    read = json.loads(path.read_text(encoding="utf-8"))
    assert read["check"] is True
    assert ["One", "Write", "a"] in read["changed"]


@pytest.mark.parametrize("named", [True, False])
def test_without_a_path_nothing_is_written(tmp_path: Path, named: bool) -> None:
    # No play matches c: the run ends at once, and yet with a report.
    result = run(tmp_path, "--limit", "c", path=tmp_path / "report.json" if named else None)
    assert result.returncode == 0, result.stderr
    assert [path.name for path in tmp_path.glob("*report*")] == (["report.json"] if named else [])


def test_plays_of_one_name_add_up() -> None:
    collected = report.Report(0.0)
    collected.play("prepare", 1.0)
    collected.play("join", 3.0)
    collected.play("prepare", 4.0)
    assert collected.as_dict(9.0)["phases"] == {"prepare": 7.0, "join": 1.0}
    assert collected.as_dict(9.0)["seconds"] == 9.0


@pytest.mark.parametrize(
    ("action", "attempts", "applied", "expected"),
    [
        ("ansible.builtin.command", 1, True, 1),
        ("ansible.builtin.command", 3, False, 3),
        ("ansible.builtin.copy", 1, False, 2),
        ("template", 2, True, 4),
        ("debug", 1, False, 0),
        ("ansible.legacy.set_fact", 1, True, 0),
        ("kubernetes.core.k8s", 1, False, 1),
        ("kubestead.cluster.packages", 1, False, 0),
        ("kubestead.cluster.packages", 1, True, 1),
        ("kubestead.cluster.preflight", 1, True, 0),
    ],
)
def test_executions_of(action: str, attempts: int, applied: bool, expected: int) -> None:
    assert report.executions_of(action, attempts, applied) == expected


def test_own_controller_actions_are_known() -> None:
    """An action plugin that runs no module is listed; one that does is not."""
    actions = Path(report.__file__).parents[1] / "action"
    own = {
        f"kubestead.cluster.{path.stem}"
        for path in actions.glob("[!_]*.py")
        if not re.search("_execute_module|SecretResultAction", path.read_text(encoding="utf-8"))
    }
    assert own == {action for action in report.CONTROLLER_ACTIONS if action.startswith("kubestead.")}
