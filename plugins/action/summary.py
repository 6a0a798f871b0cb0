# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print the cluster as a table, once, at the end of a run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.kubestead.cluster.plugins.plugin_utils import lost_hosts

display = Display()
#: By a node's readiness; None for a host that is no Node.
STATUS = {True: "Ready", False: "NotReady", None: "no Node"}
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


def vip_problem(vip: str, holders: Sequence[str], complete: bool) -> str:
    """Return what is wrong with the virtual IP, "" where nothing is. A limited run may not see its holder."""
    if not vip or (not holders and not complete):
        return ""
    if not holders:
        return f"the virtual IP {vip} is held by no control plane: look at keepalived and haproxy there"
    if len(holders) > 1:
        return f"the virtual IP {vip} is held by {', '.join(holders)}: VRRP does not pass between them (protocol 112)"
    return ""


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
                "server": {"type": "str", "required": True},
                "kubeconfig": {"type": "path", "required": True},
                "problems": {"type": "list", "elements": "str", "default": []},
            }
        )
        variables = task_vars or {}
        hosts = arguments["hosts"]
        seen = [name for name in hosts if arguments["verified_var"] in variables["hostvars"].raw_get(name)]
        holders = [
            hosts[name]["node_name"]
            for name in seen
            if variables["hostvars"].raw_get(name)[arguments["verified_var"]].get("holds_vip")
        ]
        control_planes = [name for name, host in hosts.items() if host["control_plane"]]
        problem = vip_problem(arguments["vip"], holders, set(control_planes) <= set(seen))
        started, left = (variables.get(name, ()) for name in ("ansible_play_hosts_all", "ansible_play_hosts"))
        lost = lost_hosts.lost_hosts(hosts, started, left, variables["hostvars"].raw_get)
        nodes = [*arguments["nodes"], *lost_hosts.without_node(arguments["nodes"], hosts, lost)]
        remarks = lost_hosts.remarks(nodes, hosts, lost)
        display.display(table([COLUMNS, *rows(nodes, holders, remarks)]))
        display.display(
            f"\nThe API is at {arguments['server']}. To use it:\n  export KUBECONFIG={arguments['kubeconfig']}"
        )
        if lost_hosts.note(lost):
            display.display(lost_hosts.note(lost))
        verified = {name: variables["hostvars"].raw_get(name)[arguments["verified_var"]] for name in seen}
        problems = [*filter(None, arguments["problems"]), *lost_hosts.unverified(verified), *lost_hosts.failures(lost)]
        problems += [problem] if problem else []
        result.update(changed=False, vip_holders=holders, not_reached=[*lost])
        if problems:
            result.update(failed=True, msg="\n".join(problems))
        return result
