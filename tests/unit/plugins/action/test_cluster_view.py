# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The view of the cluster, as an action over an inventory with templates in it."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
from ansible.errors import AnsibleUndefinedVariable

from ansible_collections.kubestead.cluster.plugins.action import cluster_view
from ansible_collections.kubestead.cluster.plugins.plugin_utils import settings
from ansible_collections.kubestead.cluster.plugins.plugin_utils.inventory import UNDEFINED

RAW: dict[str, dict[str, Any]] = {
    "cp1": {"ansible_host": "10.90.0.11", "node_labels": {"rack": "{{ rack }}"}},
    "store1": {"ansible_host": "192.0.2.40"},
    "w1": {"node_ip": "{{ ansible_host }}", "ansible_host": "10.90.0.21", "node_taints": "{{ nowhere }}"},
}


class HostVars:
    """Evaluates as Ansible does, and only what it is asked for."""

    def __init__(self) -> None:
        self.evaluated: list[str] = []

    def raw_get(self, host: str) -> dict[str, Any]:
        return RAW[host]

    def __getitem__(self, host: str) -> Any:
        def get(_self: Any, name: str) -> Any:
            self.evaluated.append(f"{host} {name}")
            if name == "node_taints":
                raise AnsibleUndefinedVariable("'nowhere' is undefined")
            return {"node_labels": {"rack": "r7"}, "node_ip": RAW[host]["ansible_host"]}[name]

        return type("Host", (), {"__getitem__": get})()


def test_view() -> None:
    settings = {"version": "1.36.3", "vip": "10.90.0.100", UNDEFINED: {"cluster_mirror": "'m' is undefined"}}
    task = mock.Mock(args={"settings": settings}, async_val=0)
    action = cluster_view.ActionModule(task, mock.Mock(), mock.Mock(), None, mock.Mock(), None)
    hostvars = HostVars()
    groups = {
        "kube_control_plane": ["cp1"],
        "kube_node": ["w1"],
        "all": ["cp1", "w1", "store1"],
        "nfs_server": ["store1"],
    }
    result = action.run(task_vars={"hostvars": hostvars, "groups": groups})
    assert result["changed"] is False
    view = result["view"]
    assert (view["endpoint"], view["minor"]) == ("10.90.0.100:8443", "1.36")
    assert list(view["hosts"]) == ["cp1", "w1"]
    assert view["hosts"]["cp1"]["labels"] == {"rack": "r7"}
    assert view["hosts"]["w1"]["ip"] == "10.90.0.21"
    assert view["nfs_server"] == "192.0.2.40"
    # What can't be evaluated is preflight's to report.
    assert view["hosts"]["w1"]["taints"] == []
    assert hostvars.evaluated == ["cp1 node_labels", "w1 node_ip", "w1 node_taints"]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("settings", {"version": "{{ v }}"}, {"version": "1.36.3", UNDEFINED: {}}),
        ("settings", ["no dictionary"], "as Ansible does"),
        ("others", {"version": "{{ v }}"}, "as Ansible does"),
    ],
)
def test_settings_are_evaluated_each_by_itself(
    monkeypatch: pytest.MonkeyPatch, name: str, value: Any, expected: Any
) -> None:
    class Templar:
        def resolve_to_container(self, value: Any) -> Any:
            return value

        def template(self, value: str) -> str:
            return "1.36.3"

    monkeypatch.setattr(settings.ActionBase, "finalize_task_arg", classmethod(lambda *_arguments: "as Ansible does"))
    assert cluster_view.ActionModule.finalize_task_arg(name, value, Templar(), None) == expected
