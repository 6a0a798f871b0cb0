# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of programs names exactly those that the code calls on this computer."""

from __future__ import annotations

import ast
import functools
import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.kubestead.cluster.tests.lab import base, engine, programs

ROOT = Path(__file__).parents[3]
# Code that runs on this computer. Modules run on machines, and what they call is the roles' matter.
PYTHON = [
    path
    for pattern in (
        "noxfile.py",
        "tests/**/*.py",
        "molecule/**/*.py",
        "plugins/plugin_utils/*.py",
        "plugins/action/*.py",
    )
    for path in sorted(ROOT.glob(pattern))
]
# Functions that start or look for the program that their first argument names, by the module or object they belong to.
STARTS = {"run", "Popen", "call", "check_call", "check_output", "which", "find"}
OWNERS = {"subprocess", "shutil", "session", "steps", "engine", "base"}
MODULES = {"base", "bundle", "engine", "publishers"}
# Expressions for programs that do not come with this computer: Python's environment and what the lab compiles.
OWN = re.compile(r"sys\.executable|PROGRAM\b|artifacts\.path|HERE /|str\(program\)|\bPYTHON\b")
# Calls of which the program can't be read, with the programs that they start.
UNREADABLE = {
    "plugins/plugin_utils/bundle.py: command": set[str](),  # run, which is read where it is called
    "tests/bench/__main__.py: ROOT / 'tests' / 'lab' / 'baseline.sh'": {"bash", "awk"},
    "tests/e2e/sampling.py: command": {"docker"},
    "tests/e2e/publishers.py: command": set[str](),  # run, which is read where it is called
    "tests/lab/artifacts.py: command": {"go"},
    "tests/lab/base.py: [str(word) for word in command]": set[str](),  # run, which is read where it is called
    "tests/unit/plugins/module_utils/_smoke/test_pods.py: pods.container('any', pods.INQUIRE, patience, *words)"
    "['command']": {"sh"},
}
# The lab's functions that return commands, with the programs.
COMMANDS = {"ssh_command": ("ssh",), "command_on": ("docker", "ssh")}
# Called by chance, where it is there.
OPTIONAL = {"pyenv", "/usr/bin/python3"}
# Names that no machine has.
INVENTED = {"no-such-program"}

Scope = ast.Module | ast.FunctionDef


def values(scope: ast.AST, name: str) -> list[ast.expr]:
    """Return what a name is assigned in a function or module."""
    found = []
    for node in ast.walk(scope):
        if isinstance(node, ast.Assign):
            found += [node.value for target in node.targets if isinstance(target, ast.Name) and target.id == name]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == name:
            found += [node.value] if node.value else []
        elif isinstance(node, ast.withitem) and isinstance(node.optional_vars, ast.Name):
            found += [node.context_expr] if node.optional_vars.id == name else []
    return found


def results(module: ast.Module, name: str) -> list[ast.expr]:
    """Return what a function of the module returns or yields."""
    return [
        node.value
        for function in ast.walk(module)
        if isinstance(function, ast.FunctionDef) and function.name == name
        for node in ast.walk(function)
        if isinstance(node, ast.Return | ast.Yield) and node.value
    ]


class Reader:
    """Reads which programs a module starts."""

    def __init__(self, text: str) -> None:
        self.module = ast.parse(text)
        self.starts = {
            alias.asname or alias.name
            for node in ast.walk(self.module)
            if isinstance(node, ast.ImportFrom) and (node.module or "").rpartition(".")[2] in MODULES
            for alias in node.names
            if alias.name in STARTS
        } | {
            node.name
            for node in ast.walk(self.module)
            if isinstance(node, ast.FunctionDef) and node.name in STARTS
            if {argument.arg for argument in (*node.args.args, node.args.vararg) if argument} & {"command", "program"}
        }

    def called(self) -> Iterator[str]:
        """Return programs, and ``?`` with the expression where there is no program to read."""
        yield from self._called(self.module, [self.module])

    def _called(self, node: ast.AST, scopes: list[ast.AST]) -> Iterator[str]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Call) and child.args and self._starts(child.func):
                # Steps.run takes the step's name first.
                first = child.args[1 if ast.unparse(child.func) == "steps.run" else 0]
                yield from self.read(first, scopes)
            yield from self._called(child, [*scopes, child] if isinstance(child, ast.FunctionDef) else scopes)

    def _starts(self, function: ast.expr) -> bool:
        if isinstance(function, ast.Attribute):
            return function.attr in STARTS and ast.unparse(function.value).rpartition(".")[2] in OWNERS
        return isinstance(function, ast.Name) and function.id in self.starts

    def read(self, node: ast.expr, scopes: list[ast.AST]) -> Iterator[str]:
        """Return the programs that an expression, a command or its first word, may stand for."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value.split()[0]
        elif isinstance(node, ast.List | ast.Tuple) and node.elts:
            yield from self.read(node.elts[0], scopes)
        elif isinstance(node, ast.Starred):
            yield from self.read(node.value, scopes)
        elif isinstance(node, ast.BoolOp):
            for value in node.values:
                yield from self.read(value, scopes)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            yield from self.read(node.left, scopes)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "split":
            yield from self.read(node.func.value, scopes)
        else:
            yield from self._read_name(node, scopes)

    def _read_name(self, node: ast.expr, scopes: list[ast.AST]) -> Iterator[str]:
        text = ast.unparse(node)
        found: list[ast.expr] = []
        if OWN.search(text):
            return
        if isinstance(node, ast.Name):
            found = next(filter(None, (values(scope, node.id) for scope in reversed(scopes))), [])
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func).rpartition(".")[2]
            if name in STARTS:
                return  # Read where it is called.
            found = results(self.module, name) or [ast.Constant(program) for program in COMMANDS.get(name, ())]
        if not found:
            yield f"?{text}"
        for value in found:
            yield from self.read(value, scopes)


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def called_by_python() -> Iterator[tuple[str, str]]:
    for path in PYTHON:
        for program in Reader(path.read_text(encoding="utf-8")).called():
            if program.startswith("?"):
                yield relative(path), f"{relative(path)}: {program[1:]}"
            else:
                yield relative(path), program


def tasks(content: Any, local: bool) -> Iterator[dict[str, Any]]:
    """Return the tasks of plays, blocks and files of tasks that run on this computer."""
    for item in content if isinstance(content, list) else []:
        here = item.get("hosts") == "localhost" if "hosts" in item else local
        target = str(item.get("delegate_to", "localhost" if here else ""))
        if target == "localhost":
            yield item
        for key in ("tasks", "pre_tasks", "post_tasks", "block", "rescue", "always"):
            yield from tasks(item.get(key), here)


def words(task: dict[str, Any]) -> Iterator[str]:
    """Return the first words of the commands of a task."""
    if "ansible.builtin.iptables" in task:
        yield "iptables"
    command, shell = task.get("ansible.builtin.command"), task.get("ansible.builtin.shell")
    if command:
        argv = command.get("argv") or command.get("cmd") if isinstance(command, dict) else command
        yield argv[0] if isinstance(argv, list) else argv.split(maxsplit=1)[0] if argv[0] != "{" else argv
    if shell:
        lines = shell.get("cmd", "") if isinstance(shell, dict) else shell
        yield from (shlex.split(line)[0] for line in lines.splitlines() if line.strip())


def called_by_molecule() -> Iterator[tuple[str, str]]:
    for path in sorted(ROOT.glob("molecule/**/*.yml")):
        # Plays of machine_config run their tasks on a machine, all others on this computer.
        for task in tasks(yaml.safe_load(path.read_text(encoding="utf-8")), "machine_config" not in path.parts):
            for word in words(task):
                if "{{" not in word:
                    yield relative(path), word
                elif "ssh" in word:
                    yield relative(path), "ssh"
                # Other variables begin with Python: its interpreter or ansible-playbook.


def environment(program: str) -> bool:
    """Whether it comes with the packages of requirements-dev.txt."""
    return program in {"python", "pytest", "ruff", "mypy", "yamllint", "reuse", "molecule"} or program.startswith(
        ("ansible", "antsibull")
    )


@functools.cache
def found() -> dict[str, set[str]]:
    """Return program -> files that call it."""
    calls: dict[str, set[str]] = {}
    for path, program in (*called_by_python(), *called_by_molecule()):
        for name in UNREADABLE.get(program, {program}):
            calls.setdefault(name, set()).add(path)
    return {name: paths for name, paths in calls.items() if not environment(name) and name not in OPTIONAL | INVENTED}


def test_the_table_is_what_the_code_calls() -> None:
    calls = found()
    listed = {name for name in programs.TABLE if not name.startswith("/")}
    assert {name: sorted(calls[name]) for name in calls.keys() - listed} == {}
    assert listed - calls.keys() == set()


def test_unreadable_calls_are_all_there_are() -> None:
    unreadable = {program for _path, program in called_by_python() if ": " in program}
    assert unreadable == set(UNREADABLE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import subprocess\nsubprocess.run(['a', '-b'])", ["a"]),
        ("import subprocess\ndef f(x):\n    command = ['a']\n    subprocess.Popen([*command, x])", ["a"]),
        ("import shutil\nshutil.which('a')", ["a"]),
        ("from .base import run\nrun(['a'])", ["a"]),
        ("from .pods import run\nrun(['a'])", []),
        ("import subprocess\ndef f(x):\n    subprocess.run(x)", ["?x"]),
        ("import subprocess, sys\nsubprocess.run([sys.executable])", []),
    ],
)
def test_calls_are_read(text: str, expected: list[str]) -> None:
    assert list(Reader(text).called()) == expected


def test_local_tasks_are_read() -> None:
    content = yaml.safe_load("""
    - hosts: localhost
      tasks:
        - ansible.builtin.command: one --option
        - block:
            - ansible.builtin.command: {argv: [two, x]}
            - ansible.builtin.shell: three y
              delegate_to: cp1
    - hosts: kube_node
      tasks:
        - ansible.builtin.command: four
        - ansible.builtin.command: five
          delegate_to: localhost
    """)
    assert [word for task in tasks(content, True) for word in words(task)] == ["one", "two", "five"]


def callers(paths: Iterable[str], *folders: str) -> bool:
    return any(path.startswith(folder) for path in paths for folder in folders)


@pytest.mark.parametrize(
    ("step", "folders"),
    [
        ("unit", ("tests/unit/",)),
        (
            "molecule",
            ("molecule/", "tests/lab/", "plugins/plugin_utils/bundle_images", "plugins/plugin_utils/bundle_apt"),
        ),
        ("e2e", ("tests/e2e/", "tests/lab/", "plugins/plugin_utils/")),
        ("e2e_full", ("tests/e2e/", "tests/lab/", "plugins/plugin_utils/")),
        ("bench", ("tests/bench/", "tests/lab/")),
    ],
)
def test_each_step_names_what_it_calls(step: str, folders: tuple[str, ...]) -> None:
    wanted = {name for name, paths in found().items() if callers(paths, *folders)}
    assert wanted - programs.STEPS[step].keys() - programs.ENGINE.keys() == set()


def test_what_is_missing_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr(engine, "find", lambda _program: None)
    with pytest.raises(base.LabError) as failed:
        engine.provide(["molecule", "e2e"])
    for word in (
        "skopeo (Debian package skopeo)",
        "createrepo_c (Debian package createrepo-c)",
        "go (https://go.dev/dl/)",
    ):
        assert word in str(failed.value)
    assert "dockerd (Debian package docker.io)" in str(failed.value)
