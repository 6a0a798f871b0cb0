# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print the cluster as a table, once, at the end of a run."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.kubestead.cluster.plugins.plugin_utils import lost_hosts
from ansible_collections.kubestead.cluster.plugins.plugin_utils.inventory import mapping
from ansible_collections.kubestead.cluster.plugins.plugin_utils.rollout import STATE

display = Display()
#: By a node's readiness; None for a host that is no Node.
STATUS = {True: "Ready", False: "NotReady", None: "no Node"}
#: Results of the control planes outside the play, as preflight registers them.
DELEGATED = "__preflight_delegated"
COLUMNS = ("NODE", "ROLE", "STATUS", "VERSION", "ADDRESS", "VIP")


def rows(
    nodes: Sequence[Mapping[str, Any]], holders: Collection[str], remarks: Mapping[str, str] | None = None
) -> list[tuple[str, ...]]:
    """Return a row for each node, control planes first; `remarks` follow a node's status."""
    ordered = sorted(nodes, key=lambda node: (not node["control_plane"], node["name"]))
    return [
        (
            node["name"],
            "control plane" if node["control_plane"] else "worker",
            ", ".join(filter(None, (STATUS[node["ready"]], (remarks or {}).get(node["name"])))),
            node["version"],
            node["address"],
            "held" if node["name"] in holders else "",
        )
        for node in ordered
    ]


def table(lines: Sequence[Sequence[str]]) -> str:
    """Return lines of aligned columns."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


@dataclass(frozen=True)
class Holders:
    """Who holds the virtual IP. `complete`: a control plane has asked the network, which nobody escapes."""

    names: tuple[str, ...]
    complete: bool


def find_holders(hosts: Mapping[str, Any], results: Mapping[str, Any], macs: Mapping[str, str]) -> Holders:
    """Return the holders among the hosts, and those that answered the hosts by ARP.

    `results` are those of node_verify by host, `macs` the hardware addresses of known machines with their node names.
    """
    names = {hosts[name]["node_name"] for name, result in results.items() if result.get("holds_vip")}
    asked = [result["vip_answers"] for result in results.values() if "vip_answers" in result]
    names |= {macs.get(mac, f"an unknown machine ({mac})") for answers in asked for mac in answers}
    everybody = all(name in results for name, host in hosts.items() if host["control_plane"])
    return Holders(tuple(sorted(names)), bool(asked) or everybody)


def vip_problem(vip: str, holders: Holders) -> str:
    """Return what is wrong with the virtual IP, "" where nothing is. A run of workers alone may not see its holder."""
    if not vip or len(holders.names) == 1 or (not holders.names and not holders.complete):
        return ""
    if not holders.names:
        return (
            f"virtual IP {vip}: found no holder, expected one of the control planes; look at `systemctl status haproxy "
            "keepalived` there"
        )
    return (
        f"virtual IP {vip}: found it held by {', '.join(holders.names)}, expected one holder; stop keepalived on "
        "machines that left the cluster, let IP protocol 112 pass between control planes, and run site.yml without "
        "--limit"
    )


def waiting_note(names: Sequence[str]) -> str:
    """Return the line about control planes that can't take the virtual IP yet, "" without any."""
    if not names:
        return ""
    return (
        f"\n{', '.join(names)}: not standing by for the virtual IP yet, because control planes outside this run do not "
        "list it as a peer. Run site.yml without --limit."
    )


def known_macs(
    hosts: Mapping[str, Any], found: Mapping[str, Any], variables: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """Yield each hardware address that this run has read, with the name of its node."""
    outside = {item["item"]: item for item in mapping(variables.get(DELEGATED)).get("results", ()) if "item" in item}
    for name, host in hosts.items():
        read = mapping(found[name].get(STATE)) or mapping(outside.get(name))
        for interface in mapping(read.get("state")).get("interfaces", ()):
            if interface.get("mac"):
                yield interface["mac"].lower(), host["node_name"]


class ActionModule(ActionBase):
    """No connection is made."""

    _requires_connection = False
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validated, arguments = self.validate_argument_spec(
            {
                "nodes": {"type": "list", "elements": "dict", "required": True},
                "hosts": {"type": "dict", "required": True},
                "verified_var": {"type": "str", "required": True},
                "vip": {"type": "str", "default": ""},
                "vip_waiting": {"type": "list", "elements": "str", "default": []},
                "server": {"type": "str", "required": True},
                "kubeconfig": {"type": "path", "required": True},
                "problems": {"type": "list", "elements": "str", "default": []},
            }
        )
        variables = task_vars or {}
        hosts = arguments["hosts"]
        found = {name: variables["hostvars"].raw_get(name) for name in hosts}
        verified = {
            name: values[arguments["verified_var"]]
            for name, values in found.items()
            if arguments["verified_var"] in values
        }
        holders = find_holders(hosts, verified, dict(known_macs(hosts, found, variables)))
        problem = vip_problem(arguments["vip"], holders)
        started, left = (variables.get(name, ()) for name in ("ansible_play_hosts_all", "ansible_play_hosts"))
        lost = lost_hosts.lost_hosts(hosts, started, left, variables["hostvars"].raw_get)
        nodes = [*arguments["nodes"], *lost_hosts.without_node(arguments["nodes"], hosts, lost)]
        remarks = lost_hosts.remarks(nodes, hosts, lost)
        display.display(table([COLUMNS, *rows(nodes, holders.names, remarks)]))
        display.display(
            f"\nThe API is at {arguments['server']}. To use it:\n  export KUBECONFIG={arguments['kubeconfig']}"
        )
        notes = [lost_hosts.note(lost), waiting_note([hosts[name]["node_name"] for name in arguments["vip_waiting"]])]
        for note in filter(None, notes):
            display.display(note)
        problems = [*filter(None, arguments["problems"]), *lost_hosts.unverified(verified), *lost_hosts.failures(lost)]
        problems += [problem] if problem else []
        result.update(changed=False, vip_holders=list(holders.names), not_reached=[*lost])
        if problems:
            result.update(failed=True, msg="\n".join(problems))
        return result
