# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading an inventory that may be wrong: what can't be evaluated is kept for the preflight report, not raised."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible.errors import AnsibleError

from ansible_collections.kubestead.cluster.plugins.plugin_utils.variable_types import typed

#: Settings that could not be evaluated travel under this key from the evaluation of the arguments to the rules.
UNDEFINED = "__undefined"

#: The groups of an inventory.
CONTROL_PLANE_GROUP = "kube_control_plane"
NODE_GROUP = "kube_node"
MIRROR_GROUP = "kube_mirror"
NFS_GROUP = "nfs_server"


@dataclass(frozen=True)
class Problem:
    """What is wrong in a list of the inventory, and the way out where it has one of its own.

    Preflight makes a finding of each; whoever uses the list outside site.yml refuses all at once.
    """

    where: str
    found: str
    expected: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.where}: found {self.found}, expected {self.expected}" + (self.remedy and f"; {self.remedy}")


def together(problems: Sequence[object]) -> str:
    """Problems as one message."""
    count = f"{len(problems)} problems: " if len(problems) > 1 else ""
    return count + "; ".join(map(str, problems))


def resolve(name: str) -> str:
    """The address of a host: itself where it is one, '' when the controller's resolver does not know it."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        return str(socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)[0][4][0])
    except OSError:
        return ""


def reason(error: BaseException) -> str:
    """The first line of an error: the others show the file, which the variable's name stands for here."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def has_template(value: object) -> bool:
    if isinstance(value, str):
        return "{{" in value or "{%" in value
    if isinstance(value, Mapping):
        return any(has_template(item) for pair in value.items() for item in pair)
    return isinstance(value, Sequence) and any(has_template(item) for item in value)


def mapping(value: object) -> Mapping[Any, Any]:
    """A value where a dictionary belongs; what else stands there is rule variable-type's."""
    return value if isinstance(value, Mapping) else {}


def sequence(value: object) -> Sequence[Any]:
    """The same for a list."""
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


class HostVariables:
    """A host's variables. Only those that are looked at and hold a template are evaluated, once; failures are kept."""

    def __init__(self, raw: Mapping[str, Any], evaluate: Sequence[Callable[[str], Any]]) -> None:
        self.raw = raw
        self.evaluate = evaluate
        self.known: dict[str, Any] = {}
        self.undefined: dict[str, str] = {}

    @classmethod
    def of(cls, hostvars: Any, name: str, templar: Any) -> HostVariables:
        """A host's variables. What they refer to may be a role's default, which only the task's own variables have."""
        raw = hostvars.raw_get(name)
        return cls(raw, (lambda variable: hostvars[name][variable], lambda variable: templar.template(raw[variable])))

    def get(self, name: str) -> Any:
        if name not in self.known:
            value = self.raw.get(name)
            self.known[name] = self.evaluated(name) if has_template(value) else value
        return self.known[name]

    def evaluated(self, name: str) -> Any:
        reasons: list[str] = []
        for evaluate in self.evaluate:
            try:
                return evaluate(name)
            except AnsibleError as error:
                reasons.append(reason(error))
        self.undefined[name] = reasons[0]
        return None

    def items(self, name: str) -> Sequence[Any]:
        """Return a list, empty where the value is none and can't be converted to one."""
        return sequence(typed({"type": "list"}, self.get(name)))

    def text(self, name: str) -> str:
        value = self.get(name)
        return "" if value is None else str(value)


def evaluate_each(value: Any, templar: Any) -> dict[str, Any] | None:
    """Evaluate each shared setting by itself, so that an undefined one becomes a finding beside the others.

    None where the value is no dictionary of settings.
    """
    container = templar.resolve_to_container(value)
    if not isinstance(container, Mapping):
        return None
    settings: dict[str, Any] = {}
    undefined: dict[str, str] = {}
    for key in container:
        try:
            settings[key] = templar.template(container[key])
        except AnsibleError as error:
            undefined[f"cluster_{key}"] = reason(error)
    return {**settings, UNDEFINED: undefined}
