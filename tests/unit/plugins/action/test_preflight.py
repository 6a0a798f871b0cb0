# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action in real runs of ansible-playbook; the machines' states are given in the inventory."""

from __future__ import annotations

import copy
import json
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.action import preflight
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.reading import check_unread
from tests.unit.playbook import run_playbook

STATE: dict[str, Any] = {
    "python": "3.13.5",
    "arch": "amd64",
    "os": {"id": "debian", "version_id": "13", "name": "Debian GNU/Linux 13 (trixie)"},
    "cpus": 2,
    "memory_mib": 4096,
    "filesystems": {"/": {"total_mib": 9000, "free_mib": 5000}},
    "cgroup_version": 2,
    "swap": [],
    "swap_removable": True,
    "time": {"epoch": 1000.0, "synchronized": True, "service": "chrony"},
    "resolver": ["192.0.2.53"],
    "default_route": {"interface": "eth0", "gateway": "10.90.0.1"},
    "routes": {},
    "vip_answers": None,
    "listening": [],
    "kube": {},
    "member": {"state": "bare"},
}
PLAYBOOK = """
- hosts: all
  gather_facts: false
  vars:
    __settings:
      version: "{{ cluster_version }}"
      vip: "{{ cluster_vip }}"
      endpoint_port: "{{ default_of_a_role }}"
      kubelet_configuration: {failSwapOn: "{{ false }}"}
    default_of_a_role: 8443
  tasks:
    - kubestead.cluster.preflight:
        settings: "{{ __settings }}"
        ignore: "{{ ignored | default([]) }}"
        minimum: "{{ least | default({}) }}"
        reachability_var: __reachability
        delegated_var: __delegated
      register: found
      run_once: true
      failed_when: false
    - ansible.builtin.copy:
        content: "{{ found | to_json }}"
        dest: "{{ out }}"
        mode: "0600"
      run_once: true
      delegate_to: localhost
      check_mode: false
    - ansible.builtin.fail:
        msg: "{{ found.msg }}"
      when: found.msg is defined
      run_once: true
"""


def host(number: int, address: str, **variables: Any) -> dict[str, Any]:
    interfaces = [{"name": "eth0", "mac": f"02:00:00:00:00:{number:02x}", "addresses": [f"{address}/24"]}]
    state = {**copy.deepcopy(STATE), "hostname": f"h{number}", "machine_id": str(number), "interfaces": interfaces}
    result = {"changed": False, "state": state, "read_at": {"before": 999.5, "after": 1000.5}}
    return {"ansible_host": address, "__cluster_node_state": result, **variables}


@dataclass
class Run:
    returncode: int
    output: str
    result: dict[str, Any]

    @property
    def found(self) -> list[tuple[str, str, str]]:
        return [(item["severity"], item["rule"], item["where"]) for item in self.result["findings"]]


class Site:
    """An inventory of one control plane and one worker, and a way to run the action on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.variables: dict[str, Any] = {
            "cluster_version": "1.36.3",
            "cluster_vip": "",
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "out": str(folder / "found.json"),
        }
        self.control_planes = {"cp1": host(1, "10.90.0.11")}
        self.nodes = {"w1": host(2, "10.90.0.21")}
        self.nfs_server: dict[str, dict[str, Any]] = {}

    def run(self, *options: str) -> Run:
        inventory = {
            "all": {
                "vars": self.variables,
                "children": {
                    "kube_control_plane": {"hosts": self.control_planes},
                    "kube_node": {"hosts": self.nodes},
                    "nfs_server": {"hosts": self.nfs_server},
                },
            }
        }
        (self.folder / "hosts.yml").write_text(json.dumps(inventory), encoding="utf-8")
        (self.folder / "play.yml").write_text(PLAYBOOK, encoding="utf-8")
        quiet = {"ANSIBLE_INJECT_FACT_VARS": "false", "ANSIBLE_LOCALHOST_WARNING": "false"}
        done = run_playbook(self.folder, "-i", "hosts.yml", *options, **quiet)
        output = done.stdout + done.stderr
        written = self.folder / "found.json"
        assert written.exists(), output
        return Run(done.returncode, output, json.loads(written.read_text(encoding="utf-8")))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.mark.parametrize("options", [(), ("--check", "--diff")])
def test_nothing_wrong(site: Site, options: tuple[str, ...]) -> None:
    run = site.run(*options)
    assert run.returncode == 0, run.output
    assert run.result["findings"] == []
    assert run.result["changed"] is False
    assert (run.result["seed"], run.result["initialised"], run.result["warnings_found"]) == ("cp1", False, 0)
    assert "WARNING" not in run.output
    assert "DEPRECATION" not in run.output


def test_all_problems_in_one_message_and_warnings_beside_it(site: Site) -> None:
    site.variables.update(
        cluster_vip="{{ my_vip }}",
        cluster_verison="1.36.3",
        node_packages={"vim": 9},
        node_labels={"disk": "-ssd", "version": "{{ default_of_a_role }}"},
        node_annotations={"rack": "{{ my_rack }}"},
    )
    worker = site.nodes["w1"]
    worker["node_ip"] = "{{ ansible_host }}"
    worker["__cluster_node_state"]["state"].update(memory_mib=512, default_route=None)
    worker["__cluster_node_state"]["read_at"] = {"before": 899.5, "after": 900.5}
    blocked = {"host": "cp1", "address": "10.90.0.11", "port": 6443, "protocol": "tcp", "open": False}
    worker["__reachability"] = {"results": [{**blocked, "error": "timed out after 2 s"}]}
    run = site.run("--check")
    assert run.returncode == 2
    assert run.found == [
        ("error", "variable-undefined", "cluster_vip"),
        ("error", "variable-undefined", "node_annotations"),
        ("error", "variable-type", "node_packages"),
        ("error", "variable-unknown", "cluster_verison"),
        ("error", "labels", "cp1 node_labels"),
        ("error", "labels", "w1 node_labels"),
        ("error", "memory", "w1"),
        ("error", "clock-skew", "w1"),
        ("error", "ports-blocked", "cp1"),
        ("warning", "default-route", "w1"),
    ]
    lines = run.result["msg"].splitlines()
    assert lines[0] == "Preflight found 8 problems; nothing has been changed."
    assert [line.split(". ")[0] for line in lines[1:]] == [str(number) for number in range(1, 9)]
    assert "1. cluster_vip: found a value that cannot be evaluated ('my_vip' is undefined); expected" in lines[1]
    assert lines[1].endswith("[variable-undefined]")
    assert lines[5].startswith("5. cp1 node_labels and w1 node_labels: found disk: '-ssd' (text); expected text of")
    assert run.result["warnings_found"] == 1
    assert "[WARNING]: w1: found no default route" in run.output


def test_volumes_on_a_server_that_is_switched_off(site: Site) -> None:
    site.nodes["w1"]["ansible_host"] = "10.90.0.21"
    site.variables.update(nfs_storage_enabled=True)
    site.nfs_server = {
        "store1": {"ansible_host": "192.0.2.40", "nfs_server_enabled": "{{ serve | bool }}", "serve": "no"}
    }
    assert site.run("--check").found == [("error", "nfs-storage", "nfs_server_enabled of store1")]
    site.nfs_server["store1"]["serve"] = "yes"
    assert site.run("--check").found == []


def test_exports_of_a_server_that_is_no_node(site: Site) -> None:
    wanted = [{"path": "data"}, {"path": "/a", "options": ["crossmnt"], "clients": ["{{ client }}"]}]
    site.nfs_server = {
        "store1": {"ansible_host": "192.0.2.40", "nfs_server_exports": wanted, "nfs_server_backend": "ganesha"},
        # What is meant for nodes does not concern it.
        "store2": {
            "ansible_host": "192.0.2.41",
            "node_labels": {"rack": "{{ no_rack }}"},
            "nfs_server_bckend": "kernel",
        },
    }
    assert site.run("--check").found == [
        ("error", "variable-undefined", "nfs_server_exports"),
        ("error", "variable-unknown", "nfs_server_bckend"),
    ]
    site.nfs_server["store1"]["client"] = "10.0.0.0/8"
    del site.nfs_server["store2"]
    run = site.run("--check")
    assert run.found == [
        ("error", "nfs-exports", "nfs_server_exports[0] of store1"),
        ("error", "nfs-exports", "nfs_server_exports[1] of store1"),
    ]
    assert "the option 'crossmnt', which nfs-ganesha has nothing like" in run.result["msg"]


def test_charts_are_looked_for_beside_the_inventory(site: Site) -> None:
    (site.folder / "charts/web").mkdir(parents=True)
    (site.folder / "charts/web/Chart.yaml").write_text("name: web\n", encoding="utf-8")
    site.variables.update(
        helm_enabled=True,
        where="./charts",
        helm_releases=[{"name": name, "chart": f"{{{{ where }}}}/{name}", "values": {}} for name in ("web", "nothing")],
    )
    run = site.run("--check")
    assert run.found == [("error", "helm-releases", "helm_releases default/nothing")]
    assert f"found no chart at {site.folder}/charts/nothing" in run.result["msg"]


def test_users_with_templates_inside(site: Site) -> None:
    rules = [{"apiGroups": [""], "resources": ["{{ kind }}"], "verbs": "{{ verbs }}"}]
    site.variables.update(
        users_enabled=True,
        kind="pods",
        verbs=["get"],
        users_accounts=[{"name": "jane", "roles": [{"name": "reader", "rules": rules}]}],
    )
    assert site.run("--check").found == []
    site.variables["verbs"] = "get"
    run = site.run("--check")
    assert run.found == [("error", "users-accounts", "users_accounts, user jane, roles[0]")]
    assert '"resources": ["pods"], "verbs": "get"}; expected a list as its verbs' in run.result["msg"]


def test_hosts_that_were_not_read(site: Site) -> None:
    site.control_planes["cp2"] = {**host(3, "10.90.0.12"), "__cluster_node_state": {"failed": True, "msg": "no sudo"}}
    lost = {"unreachable": True, "msg": "Connection timed out"}
    site.control_planes["cp3"] = {**host(4, "10.90.0.13"), "__cluster_node_state": lost}
    member = {**STATE["member"], "state": "member", "role": "control_plane", "api_healthy": True}
    delegated = site.control_planes["cp1"].pop("__cluster_node_state")
    delegated["state"]["member"] = member
    site.variables.update(cluster_vip="10.90.0.100", __delegated={"results": [{**delegated, "item": "cp1"}]})
    run = site.run("--limit", "w1")
    assert run.found == [("error", "unread", "cp2"), ("warning", "unreachable", "cp3")]
    assert run.result["findings"][1]["found"] == "no answer over SSH (Connection timed out)"
    assert "cp2: found its state could not be read (no sudo)" in run.result["msg"]
    assert (run.result["seed"], run.result["seeds"], run.result["initialised"]) == ("cp1", ["cp1"], True)


def test_rules_are_ignored_and_minima_changed_by_the_user(site: Site) -> None:
    site.nodes["w1"]["__cluster_node_state"]["state"].update(memory_mib=512, cpus=1)
    site.variables.update(ignored=["memory"], least={"worker_cpus": 4, "free_mib": {"/": 6000}})
    run = site.run()
    assert run.found == [("error", "cpu", "w1"), ("error", "disk", "cp1"), ("error", "disk", "w1")]
    assert "at least 4 for a worker" in run.result["msg"]


def test_addresses_are_resolved_on_the_controller(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: dict[str, list[Any]] = {"w1.example.com": [(socket.AF_INET, 1, 6, "", ("192.0.2.7", 0))]}

    def getaddrinfo(name: str, *_arguments: Any, **_options: Any) -> list[Any]:
        if name not in answers:
            raise socket.gaierror
        return answers[name]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert preflight.resolve("w1.example.com") == "192.0.2.7"
    assert preflight.resolve("api.example.com") == ""
    assert preflight.resolve("2001:DB8::1") == "2001:db8::1"


def test_a_host_that_was_lost_before_the_task_is_unreachable() -> None:
    values = preflight.HostVariables({"ansible_host": "192.0.2.1"}, ())
    intent = preflight.context.ClusterIntent()
    lost, outside = (
        preflight.build_report("w1", frozenset({"kube_node"}), values, {}, (), intent, gone) for gone in (True, False)
    )
    assert (lost.unreachable, outside.unreachable) == (True, False)


@pytest.mark.parametrize(
    ("result", "text", "old_python"),
    [
        ({"msg": "Task failed: Missing sudo password"}, "Missing sudo password", False),
        (
            # Python 2.7, as on CentOS 7
            {
                "msg": "Module result deserialization failed: No start of json char found",
                "module_stderr": '  File "x.py", line 40\n    zip_data: str,\nSyntaxError: invalid syntax\n',
            },
            "Module result deserialization failed: No start of json char found: SyntaxError: invalid syntax",
            True,
        ),
        (
            {"msg": "The module interpreter '/usr/bin/python3' was not found.", "module_stderr": ""},
            "The module interpreter '/usr/bin/python3' was not found",
            True,
        ),
    ],
)
def test_why_a_machine_could_not_be_read(result: dict[str, Any], text: str, old_python: bool) -> None:
    values = preflight.HostVariables({"ansible_host": "192.0.2.1"}, ())
    intent = preflight.context.ClusterIntent()
    report = preflight.build_report(
        "w1", frozenset({"kube_node"}), values, {"failed": True, **result}, (), intent, True
    )
    assert report.failure == text
    assert report.unreachable is False
    (finding,) = check_unread(intent, [report])
    assert text in finding.found
    assert ("CentOS 7" in finding.remedy) is old_python


def test_every_role_has_its_variables_known() -> None:
    root = preflight.variables.collection_root()
    specs = preflight.variables.argument_specs(root)
    assert {"cluster_version", "node_labels"} <= set(specs)
    assert {"cluster_", "node_", "preflight_"} <= set(preflight.variables.prefixes(root))


def test_every_setting_that_a_rule_reads_is_a_variable_of_role_cluster() -> None:
    specs = preflight.variables.argument_specs(preflight.variables.collection_root())
    settings = {key: kind for key, kind in preflight.context.SETTINGS.items() if key != "supported_minors"}
    assert {f"cluster_{key}": specs[f"cluster_{key}"]["type"] for key in settings} == {
        f"cluster_{key}": kind for key, kind in settings.items()
    }
