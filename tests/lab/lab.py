# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lab is: its number, names and addresses, and where they are kept."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .base import LabError, home

PREFIX = "kubestead-"
FIRST_ADDRESS = {"kube_mirror": ("m", 3, 9), "kube_control_plane": ("cp", 11, 20), "kube_node": ("w", 21, 99)}


@dataclass(frozen=True)
class Node:
    """One machine. Its kind is `container`, or `virtual`: with a kernel of its own."""

    address: str
    role: str
    machine: str = "container"


@dataclass
class Lab:
    """What a lab is made of; kept in its lab.json."""

    name: str
    number: int
    os: str
    user: str
    internal: bool
    version: str
    source: str
    key_fingerprint: str
    created: str
    runtime: str = "containerd"
    machine: str = "container"
    nodes: dict[str, Node] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return home() / "labs" / self.name

    @property
    def network(self) -> str:
        """The name of its network in the engine."""
        return f"{PREFIX}{self.name}"

    def address(self, last: int) -> str:
        """An address of its network."""
        return f"10.90.{self.number}.{last}"

    @property
    def gateway(self) -> str:
        """The engine's own address."""
        return self.address(1)

    @property
    def mirror_address(self) -> str:
        """The address of packages and images."""
        return self.address(2)

    @property
    def vip(self) -> str:
        """The cluster's virtual address."""
        return self.address(100)

    def container(self, node: str) -> str:
        """The name of a machine's container."""
        return f"{PREFIX}{self.name}-{node}"


def names() -> list[str]:
    """All labs."""
    return sorted(path.parent.name for path in (home() / "labs").glob("*/lab.json"))


def load(name: str) -> Lab:
    """A lab that is there."""
    path = home() / "labs" / name / "lab.json"
    try:
        data: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        raise LabError(f"there is no lab {name!r}; there are: {', '.join(names()) or 'none'}") from None
    nodes = {node: Node(**values) for node, values in data.pop("nodes").items()}
    return Lab(**data, nodes=nodes)


def free_number(taken: Iterable[int]) -> int:
    """The first free number of a lab; its network is 10.90.<number>.0/24."""
    used = set(taken)
    for number in range(256):
        if number not in used:
            return number
    raise LabError("all networks 10.90.0.0/24 to 10.90.255.0/24 are taken: take a lab down")


def node_of(lab: Lab, name: str, machine: str) -> Node:
    """A machine of this kind. Role and address follow from its name: m1.. are .3.., cp1.. .11.., w1.. .21.. ."""
    for role, (prefix, first, last) in FIRST_ADDRESS.items():
        number = name.removeprefix(prefix)
        if name.startswith(prefix) and number.isdigit() and 1 <= int(number) <= last - first + 1:
            return Node(lab.address(first + int(number) - 1), role, machine)
    raise LabError(
        f"{name!r} can't be a node's name: cp1 to cp10 (control planes), w1 to w79 (workers) and m1 to m7 (mirrors) can"
    )
