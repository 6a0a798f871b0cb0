# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every molecule scenario must have: molecule passes a run whose pattern matches no host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.test_e2e import constant
from tests.unit.test_examples import PARTS

ROOT = Path(__file__).parents[2]
# Folders with the parts of one scenario; `shared` has no scenario, `default` makes and removes the nodes.
SCENARIOS = sorted({path.parent for path in ROOT.glob("molecule/*/*.yml") if path.parent.name != "shared"})


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def sequence(scenario: Path) -> list[str]:
    common = read(ROOT / ".config/molecule/config.yml")
    own = read(scenario / "molecule.yml") or {}
    return list((common["scenario"] | own.get("scenario", {}))["test_sequence"])


def playbook(scenario: Path, action: str) -> Path:
    """The one that molecule.yml names, else the one called after the action."""
    named = (read(scenario / "molecule.yml").get("ansible") or {}).get("playbooks", {}).get(action)
    return Path(named.replace("${MOLECULE_PROJECT_DIRECTORY}", str(ROOT))) if named else scenario / f"{action}.yml"


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.name)
def test_scenario(scenario: Path) -> None:
    assert (scenario / "molecule.yml").exists(), "without molecule.yml the scenario does not run"
    actions = sequence(scenario)
    if scenario.name == "default":
        assert actions == ["create", "destroy"]
        return
    for action in actions:
        if action not in ("syntax", "idempotence", "check"):
            assert playbook(scenario, action).exists(), f"{action} has no playbook"
    # Whoever makes nodes removes them.
    assert ("prepare" in actions) == ("cleanup" in actions)
    assert [action for action in actions if action != "cleanup"][-1] == "verify"
    first = read(scenario / "verify.yml")[0]
    assert first["ansible.builtin.import_playbook"] == "../shared/hosts.yml"
    assert first["vars"]["verified_hosts"]


def test_every_scenario_runs_once() -> None:
    lanes = constant(ROOT / "noxfile.py", "LANES")
    listed = [name for lane in lanes for name in lane]
    assert sorted([*listed, "default"]) == [path.name for path in SCENARIOS]
    # Scenarios of different lanes run at the same time: those of one lane alone may share the nodes of default.
    shared = {name for name in listed if read(ROOT / "molecule" / name / "molecule.yml").get("shared_state", True)}
    assert shared == set(lanes[0])


ROLES = ("node", "containerd", "kube_packages", "load_balancer")


def test_each_small_role_is_applied_and_verified_alone() -> None:
    """In a play of its own, with nothing but what its README's example has."""
    plays = read(ROOT / "molecule/roles/converge.yml")
    assert [play["roles"] for play in plays] == [[{"role": f"kubestead.cluster.{role}"}] for role in ROLES]
    assert not [play for play in plays if "vars" in play]
    verified = [play["ansible.builtin.import_playbook"] for play in read(ROOT / "molecule/roles/verify.yml")[1:]]
    assert verified == [f"verify/{role}.yml" for role in ROLES]
    assert {path.stem for path in ROOT.glob("molecule/roles/verify/*.yml")} == set(ROLES)


@pytest.mark.parametrize("part", sorted(PARTS))
def test_every_part_is_seen_at_work_and_gone(part: str) -> None:
    """Scenario platform includes whatever files there are: a loop over none would pass."""
    platform = ROOT / "molecule/platform"
    for folder in ("verify", "removed"):
        files = {path.stem for path in (platform / folder).glob("*.yml")}
        assert [name for name in files if part.startswith(f"{name}_")], f"{folder} has no file for {part}"
    assert f'"{part}enabled": false' in (platform / "verify.yml").read_text()
