# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table at the end, and what it says of the virtual IP."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
import yaml

from ansible_collections.kubestead.cluster.plugins.action import summary
from ansible_collections.kubestead.cluster.plugins.modules import summary as documentation

HOSTS = {
    "CP1": {"node_name": "cp1", "control_plane": True},
    "CP2": {"node_name": "cp2", "control_plane": True},
    "W1": {"node_name": "w1", "control_plane": False, "ip": "10.90.0.21"},
}
NODES = [
    {"name": "w1", "control_plane": False, "ready": False, "version": "v1.36.3", "address": "10.90.0.21"},
    {"name": "cp2", "control_plane": True, "ready": True, "version": "v1.36.3", "address": "10.90.0.12"},
    {"name": "cp1", "control_plane": True, "ready": True, "version": "v1.36.3", "address": "10.90.0.11"},
]


READ = {"interfaces": [{"name": "lo", "mac": None}, {"name": "eth0", "mac": "02:42:0A:5A:00:0C"}]}


class HostVars:
    def __init__(self, results: dict[str, dict[str, Any]]) -> None:
        self.results = results

    def raw_get(self, name: str) -> dict[str, Any]:
        return {"verified": self.results[name]} if name in self.results else {}


#: Hosts that left the play of a test that loses hosts.
LOST = {"W1"}


def run(
    results: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch, lost: bool = False, **more: Any
) -> tuple[Any, str]:
    args = {"nodes": NODES, "hosts": HOSTS, "verified_var": "verified", "vip": "10.90.0.100"}
    args |= {"server": "https://10.90.0.100:8443", "kubeconfig": "/home/me/kubeconfig"} | more
    shown: list[str] = []
    monkeypatch.setattr(summary.display, "display", shown.append)
    action = summary.ActionModule(mock.Mock(args=args, async_val=0), mock.Mock(), mock.Mock(), None, mock.Mock(), None)
    there = [name for name in HOSTS if name not in LOST]
    play = {"ansible_play_hosts_all": list(HOSTS), "ansible_play_hosts": there if lost else list(HOSTS)}
    outside = {"__preflight_delegated": {"results": [{"item": "CP2", "state": READ}]}}
    return action.run(task_vars={"hostvars": HostVars(results), **play, **outside}), "\n".join(shown)


def held(*names: str) -> dict[str, dict[str, Any]]:
    return {name: {"holds_vip": name in names} for name in HOSTS}


def test_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    result, shown = run(held("CP2"), monkeypatch)
    assert (result["changed"], result["vip_holders"], result.get("failed")) == (False, ["cp2"], None)
    assert shown == (
        "NODE  ROLE           STATUS    VERSION  ADDRESS     VIP\n"
        "cp1   control plane  Ready     v1.36.3  10.90.0.11\n"
        "cp2   control plane  Ready     v1.36.3  10.90.0.12  held\n"
        "w1    worker         NotReady  v1.36.3  10.90.0.21\n"
        "\n"
        "The API is at https://10.90.0.100:8443. To use it:\n"
        "  export KUBECONFIG=/home/me/kubeconfig"
    )


NOBODY = (
    "virtual IP 10.90.0.100: found no holder, expected one of the control planes; look at `systemctl status haproxy "
    "keepalived` there"
)


def test_nobody_holds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    result, shown = run(held(), monkeypatch)
    assert result["failed"] is True
    assert result["msg"] == NOBODY
    assert "NODE" in shown


def test_two_hold_it(monkeypatch: pytest.MonkeyPatch) -> None:
    result, _shown = run(held("CP1", "CP2"), monkeypatch)
    assert result["msg"] == (
        "virtual IP 10.90.0.100: found it held by cp1, cp2, expected one holder; stop keepalived on machines that left "
        "the cluster, let IP protocol 112 pass between control planes, and run site.yml without --limit"
    )
    assert result["vip_holders"] == ["cp1", "cp2"]


def test_a_run_limited_to_others_may_not_see_the_holder(monkeypatch: pytest.MonkeyPatch) -> None:
    results = held()
    del results["CP2"]
    assert "failed" not in run(results, monkeypatch)[0]
    # But two of those it sees are too many.
    assert run({name: {"holds_vip": True} for name in ("CP1", "W1")}, monkeypatch)[0]["failed"] is True


def test_one_control_plane_that_asks_the_network_sees_all_holders(monkeypatch: pytest.MonkeyPatch) -> None:
    """CP1 alone is in the run; CP2's hardware address was read by delegation."""
    results: dict[str, dict[str, Any]] = {"CP1": {"holds_vip": False, "vip_answers": ["02:42:0a:5a:00:0c"]}}
    result, shown = run(results, monkeypatch)
    assert (result.get("failed"), result["vip_holders"]) == (None, ["cp2"])
    assert "10.90.0.12  held" in shown

    results["CP1"]["vip_answers"] = []
    assert run(results, monkeypatch)[0]["msg"] == NOBODY

    # A machine that the inventory does not know.
    results["CP1"].update(holds_vip=True, vip_answers=["02:42:0a:5a:00:63"])
    result, _shown = run(results, monkeypatch)
    assert result["vip_holders"] == ["an unknown machine (02:42:0a:5a:00:63)", "cp1"]
    assert "held by an unknown machine (02:42:0a:5a:00:63), cp1" in result["msg"]


def test_control_planes_that_wait_for_their_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    _result, shown = run(held("CP1"), monkeypatch, vip_waiting=["CP2"])
    assert shown.endswith(
        "cp2: not standing by for the virtual IP yet, because control planes outside this run do not list it as a peer."
        " Run site.yml without --limit."
    )


def test_without_a_vip(monkeypatch: pytest.MonkeyPatch) -> None:
    result, _shown = run(held(), monkeypatch, vip="")
    assert "failed" not in result


def test_a_machine_that_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    result, shown = run({**held("CP2"), "W1": {"unreachable": True, "msg": "No route"}}, monkeypatch, lost=True)
    assert ("failed" in result, result["not_reached"]) == (False, ["W1"])
    assert "w1    worker         NotReady, unreachable  v1.36.3  10.90.0.21\n" in shown
    assert "\n\nNot reached: W1. Nothing was prepared, joined, labelled or verified there." in shown


def test_one_that_is_down_and_no_node_yet_and_a_node_of_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = [*NODES[1:], {**NODES[0], "name": "old", "ready": True}]
    results = {**held("CP2"), "W1": {"unreachable": True}}
    _result, shown = run(results, monkeypatch, lost=True, nodes=nodes)
    assert "old   worker         Ready, not in the inventory  v1.36.3  10.90.0.21\n" in shown
    assert "w1    worker         no Node, unreachable                  10.90.0.21\n" in shown


def test_all_problems_at_once_each_with_its_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = {"failed": False, "msg": "Task failed: Module failed: service kubernetes: found no answer"}
    results = {"CP1": silent, "CP2": silent, "W1": {"failed": True, "msg": "no disk"}}
    result, shown = run(results, monkeypatch, lost=True, problems=["", "DNS: found no ready pod"])
    assert result["failed"] is True
    assert result["msg"].splitlines()[:3] == [
        "DNS: found no ready pod",
        "CP1, CP2: service kubernetes: found no answer",
        "W1: no disk",
    ]
    assert "W1: found that a step failed there (see above)" in result["msg"]
    assert "w1    worker         NotReady, failed" in shown
    assert "Not reached" not in shown


def test_the_module_documents_what_the_action_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    options = yaml.safe_load(documentation.DOCUMENTATION)["options"]
    documented = {"nodes", "hosts", "verified_var", "vip", "vip_waiting", "server", "kubeconfig", "problems"}
    assert options.keys() == documented
