# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""site.yml, users.yml and reset.yml while machines are down: each machine of the cluster is killed once in turn."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from .cluster import Cluster, Run, wait_for

UNREACHABLE = 4
FAILED = 2
# A node counts as Ready for up to 50 s after its end; what was found later is not waited for either.
MACHINE_DOWN_SECONDS = 420


@contextmanager
def down(cluster: Cluster, *names: str) -> Iterator[None]:
    """Kill machines; start them afterwards and wait until all is well."""
    for name in names:
        cluster.act("kill", name)
    try:
        yield
    finally:
        for name in names:
            cluster.act("start", name)
        cluster.recover(300)


def rows(run: Run) -> dict[str, str]:
    """The table at the end: node -> the rest of its line."""
    found = re.findall(r"^(\S+) +((?:control plane|worker) .*)$", run.output, re.MULTILINE)
    return {name: " ".join(rest.split()) for name, rest in found}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in ("cp1", "w1") else pytest.mark.full)
        for name in ("w1", "cp1", "cp2", "cp3", "w2")
    ],
)
def test_a_machine_is_down(converged: Cluster, name: str) -> None:
    converged.recover()
    with down(converged, name):
        # With the machine in the play: skipped and named, everybody else verified.
        run = converged.site()
        assert run.rc == UNREACHABLE, run.output[-6000:]
        assert run.seconds < MACHINE_DOWN_SECONDS
        assert f"{name}: found no answer over SSH" in run.said
        assert f"Not reached: {name}. Nothing was prepared, joined, labelled or verified there." in run.said
        assert ", unreachable " in rows(run)[name]
        assert not [node for node, row in rows(run).items() if node != name and "Ready, " in row]
        assert run.changed == set()

        # Without it, the run is like any other.
        limited = converged.site("--limit", f"!{name}").succeeded()
        assert (f"{name}: found no answer over SSH" in limited.said) is (name in converged.control_planes)
        assert limited.changed == set()

        if name in converged.control_planes:
            # What an operator changes meanwhile goes through the others.
            other = next(node for node in converged.lab.nodes if node not in converged.control_planes)
            wanted = json.dumps({"node_labels": {"kubestead.test/meanwhile": name}})
            changed = converged.site("--limit", other, "--tags", "settings", "-e", wanted).succeeded()
            assert changed.changed == {("Settings", "node : settings | Set labels, annotations and taints", other)}
            converged.site("--limit", other, "--tags", "settings").succeeded()
            converged.run("users.yml").succeeded()
            converged.site("--tags", "platform", "--limit", f"!{name}").succeeded()

        # What the API and etcd remember of it is told when it has been away for long, or the inventory lacks it.
        reset = converged.run("reset.yml", "--limit", name, "-e", "reset_confirm=wrong")
        assert reset.rc == FAILED
        assert f"{name}: found no answer over SSH" in reset.said
        assert "nothing was removed there" in reset.said
    assert converged.site().succeeded().changed == set()


def test_a_machine_goes_down_during_the_run(converged: Cluster) -> None:
    """A worker, after preflight: SSH notices it, and the others go on."""
    name = "w1"
    converged.recover()
    playbook = converged.start("site.yml")
    wait_for(
        "preflight is over", lambda: "PLAY [Prepare]" in playbook.output or playbook.process.poll() is not None, 300
    )
    with down(converged, name):
        run = playbook.finish()
        assert run.rc == UNREACHABLE, run.output[-6000:]
        assert f"Not reached: {name}." in run.said


@pytest.mark.full
def test_an_inventory_without_a_machine_that_the_cluster_has(converged: Cluster) -> None:
    """cp3 and w2 leave the inventory while they are down: their Nodes and the member of etcd are findings."""
    inventory = converged.inventory.read_text()
    (member,) = [item for item in converged.etcd_members() if item["name"] == "cp3"]
    with down(converged, "cp3", "w2"):
        lines = re.sub(r"^ {4}(cp3|w2):\n( {6}.*\n)+", "", inventory, flags=re.MULTILINE)
        assert lines.count("ansible_host:") == inventory.count("ansible_host:") - 2
        try:
            converged.inventory.write_text(lines)
            run = converged.site().succeeded()
        finally:
            converged.inventory.write_text(inventory)
        assert "node cp3: found a Node of the cluster" in run.said
        assert "node w2: found a Node of the cluster" in run.said
        assert f"member remove {int(member['ID']):x}" in run.said
        assert "not in the inventory" in rows(run)["cp3"]
    assert "no host of the inventory is" not in converged.site().succeeded().said
