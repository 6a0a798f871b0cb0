# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers, names and addresses of labs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ansible_collections.kubestead.cluster.tests.lab import lab as labs
from ansible_collections.kubestead.cluster.tests.lab import nodes
from ansible_collections.kubestead.cluster.tests.lab.base import LabError

from .test_inventory import lab

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("taken", "free"), [([], 0), ([0, 1, 3], 2), ([1, 2], 0)])
def test_first_free_number(taken: list[int], free: int) -> None:
    assert labs.free_number(taken) == free


def test_no_number_left() -> None:
    with pytest.raises(LabError, match="take a lab down"):
        labs.free_number(range(256))


@pytest.mark.parametrize(
    ("name", "address", "role"),
    [
        ("cp1", "10.90.7.11", "kube_control_plane"),
        ("cp10", "10.90.7.20", "kube_control_plane"),
        ("w1", "10.90.7.21", "kube_node"),
        ("w79", "10.90.7.99", "kube_node"),
        ("m1", "10.90.7.3", "kube_mirror"),
    ],
)
def test_address_follows_from_the_name(name: str, address: str, role: str) -> None:
    assert labs.node_of(lab(), name, "container") == labs.Node(address, role)


@pytest.mark.parametrize("name", ["cp0", "cp11", "w80", "m8", "node1", "cp", "w-1", "cp1x"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(LabError, match=name):
        labs.node_of(lab(), name, "container")


def test_lab_json_is_read_as_it_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBESTEAD_LAB_HOME", str(tmp_path))
    written = lab()
    nodes.save(written)
    assert labs.load("demo") == written
    assert labs.names() == ["demo"]


def test_unknown_lab_names_the_known_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBESTEAD_LAB_HOME", str(tmp_path))
    nodes.save(lab())
    with pytest.raises(LabError, match="'other'; there are: demo"):
        labs.load("other")


def test_a_command_reaches_a_container_past_ssh_and_a_virtual_machine_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBESTEAD_LAB_HOME", "/cache")
    machines = {
        "cp1": labs.Node("10.90.7.11", "kube_control_plane"),
        "w1": labs.Node("10.90.7.21", "kube_node", "virtual"),
    }
    mixed = lab(nodes=machines, user="operator")
    words = ["sh", "-c", "echo a b"]
    assert nodes.command_on(mixed, "cp1", words) == ["docker", "exec", "--interactive", "kubestead-demo-cp1", *words]
    program, *_options, target, command = nodes.command_on(mixed, "w1", words)
    assert (program, target, command) == ("ssh", "operator@10.90.7.21", "sudo -- sh -c 'echo a b'")
