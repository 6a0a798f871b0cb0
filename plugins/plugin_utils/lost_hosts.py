# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that left a run before its end, and what the end of the run says of them: pure functions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.kubestead.cluster.plugins.plugin_utils.inventory import mapping

UNREACHABLE = "unreachable"
FAILED = "failed"
UNKNOWN = "not in the inventory"


def lost_hosts(
    hosts: Iterable[str], started: Collection[str], left: Collection[str], variables: Callable[[str], Mapping[str, Any]]
) -> dict[str, str]:
    """Return host -> UNREACHABLE or FAILED, of the hosts that the play started with and that are no longer in it.

    `variables` returns a host's variables with its registered results: one of them says that the host was unreachable.
    """
    return {
        name: UNREACHABLE if any(was_unreachable(value) for value in variables(name).values()) else FAILED
        for name in hosts
        if name in started and name not in left
    }


def was_unreachable(value: object) -> bool:
    """Tell whether a variable is the result of a task that did not reach its host."""
    return isinstance(value, Mapping) and value.get("unreachable") is True


def remarks(nodes: Sequence[Mapping[str, Any]], hosts: Mapping[str, Any], lost: Mapping[str, str]) -> dict[str, str]:
    """Return node -> what is to be said of it beside its status."""
    found = {hosts[name]["node_name"]: word for name, word in lost.items()}
    known = {host["node_name"] for host in hosts.values()}
    return {**{node["name"]: UNKNOWN for node in nodes if node["name"] not in known}, **found}


def without_node(
    nodes: Sequence[Mapping[str, Any]], hosts: Mapping[str, Any], lost: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return a row's values for each lost host that is no Node yet."""
    there = {node["name"] for node in nodes}
    return [
        {
            "name": hosts[name]["node_name"],
            "control_plane": hosts[name]["control_plane"],
            "ready": None,
            "version": "",
            "address": hosts[name]["ip"],
        }
        for name in lost
        if hosts[name]["node_name"] not in there
    ]


def note(lost: Mapping[str, str]) -> str:
    """Return the line about machines that were not reached, "" without any."""
    names = [name for name, word in lost.items() if word == UNREACHABLE]
    if not names:
        return ""
    return (
        f"\nNot reached: {', '.join(names)}. Nothing was prepared, joined, labelled or verified there. Run the same "
        "command again when the machine answers; to give it up, take it out of the inventory and delete its Node."
    )


def failures(lost: Mapping[str, str]) -> list[str]:
    """Return the problem of hosts on which a task failed."""
    names = [name for name, word in lost.items() if word == FAILED]
    return [f"{', '.join(names)}: found that a step failed there (see above); mend it and run again"] if names else []


def unverified(results: Mapping[str, object]) -> list[str]:
    """Return what node_verify found on hosts, each problem once with all its hosts."""
    alike: dict[str, list[str]] = {}
    for name, value in results.items():
        result = mapping(value)
        if result.get("msg") and "holds_vip" not in result and not was_unreachable(result):
            message = str(result["msg"]).removeprefix("Task failed: ").removeprefix("Module failed: ")
            alike.setdefault(message, []).append(name)
    return [f"{', '.join(names)}: {message}" for message, names in alike.items()]
