# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users copy works: Ansible reads the example inventories, and preflight has nothing to say against them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.kubestead.cluster.plugins.plugin_utils import preflight, variables

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.parent for path in ROOT.glob("examples/*/hosts"))
GROUPS = (preflight.CONTROL_PLANE, preflight.WORKER)


def read_inventory(hosts: Path) -> dict[str, Any]:
    """What Ansible makes of an inventory."""
    program = Path(sys.executable).parent / "ansible-inventory"
    done = subprocess.run([program, "-i", hosts, "--list"], check=True, capture_output=True, text=True, cwd=ROOT)
    assert "WARNING" not in done.stderr
    inventory: dict[str, Any] = json.loads(done.stdout)
    return inventory


def members(inventory: dict[str, Any], group: str) -> list[str]:
    return list(inventory.get(group, {}).get("hosts", []))


def findings(inventory: dict[str, Any]) -> list[preflight.Finding]:
    """What preflight says of an inventory whose machines have not been read."""
    specs = variables.argument_specs(ROOT)
    prefixes = variables.prefixes(ROOT)
    shared: dict[str, Any] = {}
    hosts = []
    for name in dict.fromkeys(host for group in GROUPS for host in members(inventory, group)):
        values = inventory["_meta"]["hostvars"][name]
        shared |= {key.removeprefix("cluster_"): value for key, value in values.items() if key.startswith("cluster_")}
        hosts.append(
            preflight.HostReport(
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
    return preflight.check(preflight.build_intent(shared, specs=specs, prefixes=prefixes), hosts)


def test_there_are_examples() -> None:
    assert [path.name for path in EXAMPLES] == ["ha", "single"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_inventory(example: Path) -> None:
    inventory = read_inventory(example / "hosts")
    assert members(inventory, preflight.CONTROL_PLANE)
    assert findings(inventory) == []


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
def test_the_inventory_of_the_readme_is_the_example(readme: str) -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```", (ROOT / readme).read_text(), re.MULTILINE | re.DOTALL)
    (shown,) = [block for block in map(yaml.safe_load, blocks) if isinstance(block, dict) and "kubernetes" in block]
    assert shown == yaml.safe_load((ROOT / "examples/ha/hosts").read_text())
