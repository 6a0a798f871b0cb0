# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users copy works: Ansible reads the example inventories, and preflight has nothing to say against them."""

from __future__ import annotations

import functools
import itertools
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.kubestead.cluster.plugins.plugin_utils import variables
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.context import (
    HostReport,
    NfsServer,
    build_intent,
)
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.engine import check
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.finding import Finding
from ansible_collections.kubestead.cluster.plugins.plugin_utils.inventory import CONTROL_PLANE_GROUP, NODE_GROUP

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.parent for path in ROOT.glob("examples/*/hosts"))
GROUPS = (CONTROL_PLANE_GROUP, NODE_GROUP)
SPECS = variables.argument_specs(ROOT)
HA = (ROOT / "examples/ha/hosts").read_text(encoding="utf-8")
SECTION = re.compile(r"^ *# --- ", re.MULTILINE)
# Parts that can be switched on and off, by what their variables begin with.
PARTS = {name.removesuffix("enabled") for name in SPECS if (ROOT / "roles" / name.removesuffix("_enabled")).is_dir()}


@functools.cache
def inventory_text(hosts: Path) -> str:
    program = Path(sys.executable).parent / "ansible-inventory"
    done = subprocess.run([program, "-i", hosts, "--list"], check=True, capture_output=True, text=True, cwd=ROOT)
    assert "WARNING" not in done.stderr
    return done.stdout


def read_inventory(hosts: Path) -> dict[str, Any]:
    """What Ansible makes of an inventory."""
    inventory: dict[str, Any] = json.loads(inventory_text(hosts))
    return inventory


def members(inventory: dict[str, Any], group: str) -> list[str]:
    return list(inventory.get(group, {}).get("hosts", []))


def own_variables(inventory: dict[str, Any], host: str) -> dict[str, Any]:
    """A host's variables as they stand there, without those that templates make when a playbook runs."""
    values: dict[str, Any] = inventory["_meta"]["hostvars"][host]
    return {name: value for name, value in values.items() if "{{" not in str(value)}


def findings(inventory: dict[str, Any]) -> list[Finding]:
    """What preflight says of an inventory whose machines have not been read."""
    prefixes = variables.prefixes(ROOT)
    shared: dict[str, Any] = {}
    hosts = []
    for name in dict.fromkeys(host for group in GROUPS for host in members(inventory, group)):
        values = own_variables(inventory, name)
        shared |= {key.removeprefix("cluster_"): value for key, value in values.items() if key.startswith("cluster_")}
        hosts.append(
            HostReport(
                name=name,
                groups=frozenset(group for group in GROUPS if name in members(inventory, group)),
                node_ip=values["ansible_host"],
                node_name=values.get("node_name", name),
                labels=values.get("node_labels", {}),
                annotations=values.get("node_annotations", {}),
                taints=values.get("node_taints", []),
                variables={key: value for key, value in values.items() if not key.startswith("ansible_")},
            )
        )
    servers = [NfsServer(name, "192.0.2.40") for name in members(inventory, "nfs_server")]
    intent = build_intent(shared, specs=SPECS, prefixes=prefixes, nfs_servers=servers)
    return check(intent, hosts)


def test_there_are_examples() -> None:
    assert [path.name for path in EXAMPLES] == ["ha", "single"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_inventory(example: Path) -> None:
    inventory = read_inventory(example / "hosts")
    assert members(inventory, CONTROL_PLANE_GROUP)
    assert findings(inventory) == []


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_every_variable_is_one_of_the_collection(example: Path) -> None:
    every = {name for values in read_inventory(example / "hosts")["_meta"]["hostvars"].values() for name in values}
    assert {name for name in every if not name.startswith("ansible_")} - set(SPECS) == set()


def with_choices(section: str) -> str:
    """A section of the example with the lines that are commented out in it."""
    lines, inside = [], False
    for line in section.splitlines():
        comment = re.fullmatch(r"( *)# ( *)((\w*).*)", line)
        if comment:
            starts = f"{comment[4]}:" in comment[3] and (comment[4] in SPECS or comment[4] == "kube_mirror")
            inside = starts or (inside and comment[2] != "")
        lines.append(f"{comment[1]}{comment[2]}{comment[3]}" if comment and inside else line)
    return "\n".join(lines) + "\n"


def sections() -> list[str]:
    starts = [0, *(found.start() for found in SECTION.finditer(HA)), len(HA)]
    return [HA[start:end] for start, end in itertools.pairwise(starts)]


@pytest.mark.parametrize("number", range(len(sections())))
def test_choices_that_are_commented_out(number: int, tmp_path: Path) -> None:
    parts = sections()
    parts[number] = with_choices(parts[number])
    (tmp_path / "hosts").write_text("".join(parts))
    inventory = read_inventory(tmp_path / "hosts")
    for host, values in inventory["_meta"]["hostvars"].items():
        assert {name for name in values if not name.startswith("ansible_")} - set(SPECS) == set(), host
        if "cluster_mirror_host" in values:
            values["cluster_mirror_ca"] = "-----BEGIN CERTIFICATE-----"
    assert findings(inventory) == []


def test_choices_are_found() -> None:
    commented = [part for part in sections() if with_choices(part) != part]
    assert len(commented) >= len(PARTS) - 1
    text = "".join(map(with_choices, sections())).partition("\n---\n")[2]
    assert not re.search(r"^ *# +(- |\w+:( |$))", text, re.MULTILINE), "a choice that is no variable"


def test_the_whole_platform_is_switched_on() -> None:
    values = read_inventory(ROOT / "examples/ha/hosts")["_meta"]["hostvars"]["cp1"]
    # Belonging to its group switches the server on.
    assert {f"{part}enabled" for part in PARTS} - {"nfs_server_enabled"} == {
        name for name, value in values.items() if name.endswith("_enabled") and value is True
    }


def test_a_misspelt_variable_of_an_example_is_found() -> None:
    inventory = read_inventory(ROOT / "examples/ha/hosts")
    values = inventory["_meta"]["hostvars"]["w1"]
    values["node_lables"] = values.pop("node_labels")
    assert [finding.rule for finding in findings(inventory)] == ["variable-unknown"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_playbook_and_requirements(example: Path) -> None:
    (play,) = yaml.safe_load((example / "site.yml").read_text())
    namespace, _dot, playbook = play["ansible.builtin.import_playbook"].rpartition(".")
    assert namespace == "kubestead.cluster"
    assert (ROOT / f"playbooks/{playbook}.yml").exists()
    (collection,) = yaml.safe_load((example / "requirements.yml").read_text())["collections"]
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text())
    assert collection == {"name": f"{galaxy['namespace']}.{galaxy['name']}", "version": f">={galaxy['version']}"}


def test_all_examples_have_the_same_settings() -> None:
    assert len({(example / "ansible.cfg").read_text() for example in EXAMPLES}) == 1


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_the_inventory_of_the_readme_is_the_example_without_the_platform(readme: str) -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```", (ROOT / readme).read_text(), re.MULTILINE | re.DOTALL)
    (shown,) = [block for block in map(yaml.safe_load, blocks) if isinstance(block, dict) and "kubernetes" in block]
    example = yaml.safe_load(HA)["kubernetes"]
    assert shown["kubernetes"] == {
        "children": {name: group for name, group in example["children"].items() if name in GROUPS},
        "vars": {name: value for name, value in example["vars"].items() if not name.startswith(tuple(PARTS))},
    }
