# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A role that can be used alone needs no variable that only other roles of site.yml set."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.tools import role_docs

ROOT = Path(__file__).parents[3]
ROLES = ROOT / "roles"
OWN = re.compile(r"\b__[a-z][a-z_]+\b")
# What a template or task asks for before it uses it, and the one variable that is used only where another is defined.
OPTIONAL = re.compile(r"\b(__[a-z][a-z_]+)\b(?= *\| *default\(| is (?:not )?defined)")
GUARDED = {"__cluster_chosen_seed": "__preflight"}
INCLUDED = ("import_tasks", "include_tasks", "import_role", "include_role")


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None


def tasks(content: Any) -> Iterator[dict[str, Any]]:
    for item in content or []:
        yield item
        for key in ("block", "rescue", "always"):
            yield from tasks(item.get(key))


class Reach:
    """What comes to be evaluated when a file of a role's tasks is run."""

    def __init__(self, role: str, main: str = "main") -> None:
        self.files: set[Path] = set()
        self.roles: set[str] = set()
        self.needed: list[str] = []
        self.set: set[str] = set()
        self.visit(role, main)
        self.given = {name: text for used in self.roles for name, text in variables(used).items()}

    def visit(self, role: str, main: str) -> None:
        path = ROLES / role / "tasks" / f"{main.removesuffix('.yml')}.yml"
        self.roles.add(role)
        for other in (load(ROLES / role / "meta/main.yml") or {}).get("dependencies") or []:
            self.visit(other["role"].rpartition(".")[2], "main")
        if path in self.files:
            return
        self.files.add(path)
        for task in tasks(load(path)):
            self.set |= {task["register"]} if "register" in task else set()
            self.set |= set(task.get("vars") or {}) | set(task.get("ansible.builtin.set_fact") or {})
            self.set |= {(task.get("loop_control") or {}).get("loop_var", "item")}
            text = yaml.safe_dump({key: value for key, value in task.items() if key not in ("register", "block")})
            self.needed.append(text)
            self.needed += [part.read_text() for part in (ROLES / role / "templates").glob("*") if part.name in text]
            for key in INCLUDED:
                given = task.get(f"ansible.builtin.{key}")
                if given and key.endswith("role"):
                    self.visit(given["name"].rpartition(".")[2], given.get("tasks_from", "main"))
                elif given:
                    self.visit(role, given if isinstance(given, str) else given["file"])

    def missing(self) -> set[str]:
        """Return the variables that are used, also by other variables, and that nothing sets."""
        seen: set[str] = set()
        missing: set[str] = set()
        waiting = list(self.needed)
        while waiting:
            text = waiting.pop()
            asked = set(OPTIONAL.findall(text))
            guarded = {name for name, condition in GUARDED.items() if condition in asked}
            for name in set(OWN.findall(text)) - asked - guarded - seen:
                seen.add(name)
                if name in self.given:
                    waiting.append(self.given[name])
                elif name not in self.set:
                    missing.add(name)
        return missing


def variables(role: str) -> dict[str, str]:
    """Return the text of a role's variables."""
    paths = [ROLES / role / "defaults/main.yml", *sorted((ROLES / role / "vars").rglob("*.yml"))]
    return {name: yaml.safe_dump(value, width=100_000) for path in paths for name, value in (load(path) or {}).items()}


def test_every_role_has_its_use() -> None:
    assert set(role_docs.USES) == {path.name for path in ROLES.iterdir() if path.is_dir()}


@pytest.mark.parametrize("role", [name for name, use in role_docs.USES.items() if use.hosts])
def test_alone(role: str) -> None:
    assert Reach(role).missing() == set()


@pytest.mark.parametrize("role", [name for name, use in role_docs.USES.items() if not use.hosts])
def test_for_a_playbook_only(role: str) -> None:
    """Else its README could say that it may be used alone."""
    assert Reach(role).missing() != set()
    assert (ROOT / "playbooks" / f"{role_docs.USES[role].playbook}.yml").exists()


def applied(play: dict[str, Any]) -> list[str]:
    """Return the roles that a play applies as an example does: whole, and without variables of its own."""
    imported = [task.get("ansible.builtin.import_role") or {} for task in play.get("tasks") or []]
    names = [item["name"] for item in imported if set(item) == {"name"}]
    return [role["role"] for role in play.get("roles") or [] if set(role) == {"role"}] + names


PLAYS = {
    (play["hosts"], role): path
    for pattern in ("molecule/*/converge.yml", "molecule/*/alone.yml", "playbooks/*.yml")
    for path in ROOT.glob(pattern)
    for play in load(path)
    if set(play) <= {"name", "hosts", "gather_facts", "become", "roles", "tasks"}
    for role in applied(play)
}


def test_plays_are_run() -> None:
    """What lies in alone.yml is run by the scenario's verify.yml."""
    for path in ROOT.glob("molecule/*/alone.yml"):
        texts = [file.read_text() for file in path.parent.rglob("verify*/*.yml")] + [
            (path.parent / "verify.yml").read_text()
        ]
        assert [text for text in texts if "/alone.yml" in text], path


@pytest.mark.parametrize("role", [name for name, use in role_docs.USES.items() if use.hosts])
def test_the_example_runs_in_a_scenario(role: str) -> None:
    """In a play that has no more than the example, with these hosts."""
    text = (ROLES / role / "README.md").read_text(encoding="utf-8")
    (play,) = yaml.safe_load(text.split("```yaml\n")[1].split("```")[0])
    (example,) = play["roles"]
    assert (play["hosts"], example["role"]) in PLAYS
    assert play["hosts"] == role_docs.USES[role].hosts
