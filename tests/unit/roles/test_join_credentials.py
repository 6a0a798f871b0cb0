# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens and uploaded certificates are removed by site.yml, wherever a run fails: its real plays, without machines."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.playbook import run_playbook

ROOT = Path(__file__).parents[3]
HOSTS = ("cp1", "w1", "w2")
STUBS: dict[str, list[dict[str, Any]]] = {
    "control_plane/tasks/start.yml": [
        {"ansible.builtin.set_fact": {"__control_plane_started": {"kubeconfig": "text", "changed": True}}}
    ],
    "network/tasks/apply.yml": [
        {"ansible.builtin.debug": {}, "failed_when": "'network' in failing", "run_once": True, "name": "network"}
    ],
    "node/tasks/settings.yml": [
        {"ansible.builtin.debug": {}, "failed_when": "'settings' in failing", "run_once": True}
    ],
    "cluster/tasks/variables.yml": [],
    "control_plane/tasks/coredns.yml": [],
    "load_balancer/tasks/apply.yml": [],
    **{
        f"{role}/tasks/join.yml": [
            {
                "ansible.builtin.debug": {},
                "failed_when": "inventory_hostname in failing",
                "register": f"__{role}_joined",
                "when": "__cluster_joins",
            }
        ]
        for role in ("control_plane", "worker")
    },
}


def collection(folder: Path) -> None:
    """The collection with its real variables and clean-up, whose module only says that it runs."""
    root = folder / "collections/ansible_collections/kubestead/cluster"
    for path in (*ROOT.glob("roles/*/defaults/**/*.yml"), *ROOT.glob("roles/*/vars/**/*.yml")):
        target = root / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(path)
    for name in ("plugins", "meta", "galaxy.yml"):
        (root / name).symlink_to(ROOT / name)
    for name, tasks in STUBS.items():
        (root / "roles" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "roles" / name).write_text(json.dumps(tasks))
    for name in ("finish", "abandon"):
        (task,) = yaml.safe_load((ROOT / f"roles/control_plane/tasks/{name}.yml").read_text())
        task["ansible.builtin.debug"] = {"msg": f"REMOVED by {name}"}
        assert task.pop("kubestead.cluster.join_credentials")
        (root / f"roles/control_plane/tasks/{name}.yml").write_text(json.dumps([task]))


def removals(folder: Path, failing: list[str], seed: str = "cp1") -> tuple[int, list[str]]:
    """How a run ends in which these fail, and who has removed the credentials."""
    collection(folder)
    plays = {play["name"]: play for play in yaml.safe_load((ROOT / "playbooks/site.yml").read_text())}
    chosen = [{**plays[name], "become": False} for name in ("Start", "Join", "Settings")]
    (folder / "play.yml").write_text(json.dumps(chosen))
    local = "ansible_connection=local"
    lines = ["[kube_control_plane]", f"cp1 {local}", "[kube_node]", *(f"{name} {local}" for name in HOSTS[1:]), ""]
    (folder / "hosts").write_text("\n".join(lines))
    view = {"hosts": {name: {"control_plane": name == "cp1"} for name in HOSTS}, "control_planes": ["cp1"]}
    known = {
        "failing": failing,
        "__cluster_derived": {"view": view},
        "__preflight": {"seed": seed, "seeds": [seed], "initialised": False, "joining": []},
        "__cluster_node_state": {"state": {"member": {"state": "bare"}}},
    }
    done = run_playbook(
        folder, "-i", "hosts", "-e", json.dumps(known), ANSIBLE_COLLECTIONS_PATH=str(folder / "collections")
    )
    assert "is undefined" not in done.stdout + done.stderr, done.stdout
    print(done.stdout, done.stderr)
    return done.returncode, re.findall(r"REMOVED by (\w+)", done.stdout)


@pytest.mark.parametrize(
    ("failing", "seed", "code", "by"),
    [
        ([], "cp1", 0, {"finish"}),
        # The seed has nothing to join, and goes on.
        (["w1", "w2"], "cp1", 2, {"finish"}),
        (["w1"], "outside", 2, {"finish"}),
        # Nobody is left for the plays that come.
        (["cp1", "w1", "w2"], "outside", 2, {"abandon"}),
        (["network"], "cp1", 2, {"abandon"}),
        # What fails after the joins finds them removed.
        (["settings"], "cp1", 2, {"finish"}),
    ],
    ids=["none", "workers", "one of all", "all", "network", "settings"],
)
def test_credentials_are_removed(failing: list[str], seed: str, code: int, by: set[str], tmp_path: Path) -> None:
    ended, removed = removals(tmp_path, failing, seed)
    assert (ended, set(removed)) == (code, by)
    assert removed.count("finish") <= 1
