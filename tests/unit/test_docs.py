# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the texts name exists: links, files, variables, plugins, playbooks, tags, make targets, preflight rules."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.kubestead.cluster.plugins.plugin_utils import variables
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.context import (
    DEFAULT_MINIMUM,
    SUPPORTED_MINORS,
)
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.engine import rules
from ansible_collections.kubestead.cluster.tests.tools import figures

ROOT = Path(__file__).parents[2]
TEXTS = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "examples/*/*.md", "roles/*/README.md")
    for path in ROOT.glob(pattern)
    if path.name != "CHANGELOG.md"
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
FQCN = re.compile(r"\bkubestead\.cluster\.(\w+)")
TOP = ("docs", "examples", "molecule", "playbooks", "plugins", "roles", "tests")
SPECS = variables.argument_specs(ROOT)
PREFIXES = variables.prefixes(ROOT)
ROLES = {path.name for path in ROOT.glob("roles/*") if path.is_dir()}
PLAYBOOKS = {path.stem for path in ROOT.glob("playbooks/*.yml")}
PLUGINS = {path.stem for path in ROOT.glob("plugins/*/*") if path.suffix in (".py", ".yml")}
each_text = pytest.mark.parametrize("text", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))


def anchors(path: Path) -> set[str]:
    """What a link may point to in a page, as GitHub makes it of the headings."""
    titles = HEADING.findall(FENCE.sub("", path.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def code(path: Path) -> Iterator[str]:
    """Every piece of code of a text: spans, and the lines of blocks."""
    content = path.read_text(encoding="utf-8")
    for _language, block in FENCE.findall(content):
        yield from block.splitlines()
    yield from SPAN.findall(FENCE.sub("", content))


def options(spec: dict[str, Any]) -> Iterator[str]:
    """The keys inside a variable, at any depth."""
    for name, option in (spec.get("options") or {}).items():
        yield name
        yield from options(option)


def unknown_variables(pieces: Iterator[str]) -> set[str]:
    """Words that look like variables of ours and are none."""
    known = {*SPECS, *ROLES, *PLUGINS, *PREFIXES, *(name for spec in SPECS.values() for name in options(dict(spec)))}
    known |= {str(choice) for spec in SPECS.values() for choice in spec.get("choices", ())}
    words = {word for piece in pieces for word in re.findall(r"(?<![\w/.-])[a-z]\w+(?![\w/-])", piece)}
    return {word for word in words if word.startswith(PREFIXES) and word not in known}


@each_text
def test_links(text: Path) -> None:
    for link in LINK.findall(FENCE.sub("", text.read_text(encoding="utf-8"))):
        if re.match(r"https?://", link):
            continue
        target, _hash, anchor = link.partition("#")
        path = (text.parent / target).resolve() if target else text
        assert path.exists(), f"{link} leads nowhere"
        assert not anchor or anchor in anchors(path), f"{link}: no such heading"


@each_text
def test_variables(text: Path) -> None:
    assert unknown_variables(code(text)) - {"node_lables"} == set()


def test_a_wrong_variable_is_found() -> None:
    wrong = unknown_variables(iter(["cluster_vipp: 192.0.2.1", "node_labels: {}", "see `roles/node_x/tasks`"]))
    assert wrong == {"cluster_vipp"}


@each_text
def test_names_of_the_collection(text: Path) -> None:
    named = {name for piece in code(text) for name in FQCN.findall(piece)}
    assert named <= ROLES | PLAYBOOKS | PLUGINS


@each_text
def test_files(text: Path) -> None:
    for piece in code(text):
        for word in re.findall(rf"(?<![\w/.-])(?:{'|'.join(TOP)})/[\w./-]*\w", piece):
            # A placeholder follows: only the folder in front of it has to exist.
            shortened = word if f"{word}<" not in piece and f"{word}/<" not in piece else word.rpartition("/")[0]
            assert (ROOT / shortened).exists(), f"{word} does not exist"


@each_text
def test_make_targets(text: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {name for line in re.findall(r"^([\w -]+):", makefile, re.MULTILINE) for name in line.split()}
    named = {name for piece in code(text) for name in re.findall(r"^make ([\w-]+)", piece)}
    assert named <= targets


def test_every_role_and_playbook_is_in_the_readme() -> None:
    for readme in ("README.md", "README.zh-CN.md"):
        content = (ROOT / readme).read_text(encoding="utf-8")
        assert [role for role in ROLES if f"roles/{role}/README.md" not in content] == []
        assert [name for name in PLAYBOOKS if f"| `kubestead.cluster.{name}` |" not in content] == []


def test_every_tag_is_in_the_readme() -> None:
    plays = yaml.safe_load((ROOT / "playbooks/site.yml").read_text(encoding="utf-8"))
    parts = [part for play in plays for part in [play, *play.get("tasks", []), *play.get("roles", [])]]
    tags = {tag for part in parts for tag in part.get("tags", []) if tag != "always"}
    for readme in ("README.md", "README.zh-CN.md"):
        content = (ROOT / readme).read_text(encoding="utf-8")
        assert [tag for tag in sorted(tags) if f"`{tag}`" not in content] == []


def test_every_preflight_rule_is_described() -> None:
    rows = re.findall(
        r"^\| `([\w-]+)` \| (yes|no) \| (.+) \| (.+) \|$", (ROOT / "docs/preflight.md").read_text(), re.MULTILINE
    )
    assert [(name, skipped) for name, skipped, _finds, _remedy in rows] == [
        (rule.id, "no" if rule.fixed else "yes") for rule in rules()
    ]


def test_minimum_of_the_machines() -> None:
    least = DEFAULT_MINIMUM
    content = (ROOT / "docs/preflight.md").read_text(encoding="utf-8")
    assert f"fewer than {least['control_plane_cpus']} CPUs on a control plane, {least['worker_cpus']} on" in content
    memory = f"{least['control_plane_memory_mib']:,} MiB on a control plane, {least['worker_memory_mib']} MiB"
    assert memory in content


def test_both_readmes_have_the_same_sections_and_tables() -> None:
    def shape(name: str) -> list[str]:
        content = FENCE.sub("", (ROOT / name).read_text(encoding="utf-8"))
        content = figures.BLOCK.sub("", content)
        return [
            match[1] or str(match[0].count("|")) for match in re.finditer(r"^(#+) |^\|.*\|$", content, re.MULTILINE)
        ]

    assert shape("README.md") == shape("README.zh-CN.md")


def test_versions() -> None:
    specs = SPECS["cluster_version"]
    minors = yaml.safe_load((ROOT / "roles/cluster/vars/main/versions.yml").read_text())["__cluster_supported_minors"]
    for readme in ("README.md", "README.zh-CN.md"):
        content = (ROOT / readme).read_text(encoding="utf-8")
        assert str(specs["default"]) in content
        header = next(line for line in content.splitlines() if "Kubernetes 1.35 |" in line)
        assert re.findall(r"\d\.\d+", header) == minors
    assert list(SUPPORTED_MINORS) == minors
