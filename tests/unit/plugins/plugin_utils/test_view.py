# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every role needs to know of the cluster, derived from an inventory."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ansible_collections.kubestead.cluster.plugins.modules import cluster_view
from ansible_collections.kubestead.cluster.plugins.plugin_utils import view

GROUPS = {"kube_control_plane": ["cp1", "CP2"], "kube_node": ["w1", "cp1"], "others": ["x1"]}
VARIABLES: dict[str, dict[str, Any]] = {
    "cp1": {"ansible_host": "cp1.example.com", "node_labels": {"disk": "ssd", "count": 3}},
    "CP2": {"node_ip": "10.90.0.12", "ansible_host": "192.0.2.12"},
    "w1": {"node_name": "Worker-1", "node_taints": [{"key": "a", "effect": "NoSchedule"}]},
}


def hosts(**more: dict[str, Any]) -> dict[str, view.Host]:
    values = {name: {**VARIABLES[name], **more.get(name, {})} for name in VARIABLES}
    addresses = {"cp1.example.com": "10.90.0.11", "w1": "10.90.0.21"}
    return view.build_hosts(GROUPS, lambda host, name: values[host].get(name), lambda name: addresses.get(name, ""))


def test_hosts() -> None:
    found = hosts()
    assert list(found) == ["cp1", "CP2", "w1"]
    assert found["cp1"] == view.Host(
        "cp1", "10.90.0.11", "cp1", control_plane=True, worker=True, labels={"disk": "ssd", "count": "3"}
    )
    # node_ip before ansible_host; names of nodes are lower case.
    assert found["CP2"] == view.Host("CP2", "10.90.0.12", "cp2", control_plane=True, worker=False)
    assert found["w1"] == view.Host(
        "w1", "10.90.0.21", "worker-1", False, True, taints=[{"key": "a", "effect": "NoSchedule"}]
    )


def test_what_has_the_wrong_type_is_left_to_preflight() -> None:
    wrong = hosts(cp1={"node_labels": "disk=ssd", "node_annotations": ["a"], "node_taints": "a:NoSchedule"})["cp1"]
    assert (wrong.labels, wrong.annotations, wrong.taints) == ({}, {}, [])


def test_no_groups_no_hosts() -> None:
    assert view.build_hosts({}, lambda *_names: None, str) == {}
    assert view.build({}, {})["endpoint"] == ""


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"endpoint": "api.example.com:6443", "vip": "10.90.0.100"}, "api.example.com:6443"),
        ({"vip": "10.90.0.100"}, "10.90.0.100:8443"),
        ({"vip": "10.90.0.100", "endpoint_port": 9443}, "10.90.0.100:9443"),
        ({"vip": "fd00::100"}, "[fd00::100]:8443"),
        ({"endpoint": "", "vip": ""}, "10.90.0.11:6443"),
        ({"api_port": 7443}, "10.90.0.11:7443"),
    ],
)
def test_endpoint(settings: dict[str, Any], expected: str) -> None:
    found = view.build(settings, hosts())
    assert found["endpoint"] == expected
    host, _colon, port = expected.rpartition(":")
    assert (found["endpoint_host"], found["endpoint_port"]) == (host.strip("[]"), int(port))


def test_an_endpoint_without_a_port_is_left_to_preflight() -> None:
    assert view.build({"endpoint": "api.example.com:https"}, hosts())["endpoint_port"] == 0


def test_the_address_of_a_host_that_is_no_node() -> None:
    variables = {"a": {"node_ip": "10.0.0.1"}, "b": {"ansible_host": "b.example.com"}, "c": {}}
    names = {"b.example.com": "10.0.0.2"}
    found = [
        view.address_of(name, lambda host, key: variables[host].get(key), lambda text: names.get(text, ""))
        for name in variables
    ]
    assert found == ["10.0.0.1", "10.0.0.2", ""]


def test_workers_only() -> None:
    workers = {"w1": view.Host("w1", "10.90.0.21", "w1", False, True)}
    assert view.endpoint({}, workers) == ""


@pytest.mark.parametrize(
    ("settings", "last"),
    [
        ({"vip": "10.90.0.100", "endpoint": "api.example.com:8443"}, "10.90.0.100 api.example.com"),
        ({"vip": "10.90.0.100"}, "10.90.0.21 worker-1 w1"),
        ({"endpoint": "api.example.com:8443"}, "10.90.0.21 worker-1 w1"),
    ],
)
def test_hosts_block(settings: dict[str, Any], last: str) -> None:
    lines = view.build(settings, hosts())["hosts_block"].splitlines()
    assert lines[:3] == ["10.90.0.11 cp1", "10.90.0.12 cp2 CP2", "10.90.0.21 worker-1 w1"]
    assert lines[-1] == last


def test_view() -> None:
    settings = {"version": "1.36.3", "mirror": "aliyun", "vip": "10.90.0.100", "api_port": 7443}
    found = view.build(settings, hosts())
    assert found["minor"] == "1.36"
    assert found["image_repository"] == "registry.aliyuncs.com/google_containers"
    assert (found["vip"], found["api_port"]) == ("10.90.0.100", 7443)
    assert found["control_planes"] == ["cp1", "CP2"]
    assert found["hosts"]["cp1"] == {
        "ip": "10.90.0.11",
        "node_name": "cp1",
        "control_plane": True,
        "worker": True,
        "labels": {"disk": "ssd", "count": "3"},
        "annotations": {},
        "taints": [],
    }


def test_the_view_is_as_documented() -> None:
    documented = yaml.safe_load(cluster_view.RETURN)["view"]["sample"]
    found = view.build({}, hosts())
    assert found.keys() == documented.keys()
    assert found["hosts"]["cp1"].keys() == documented["hosts"]["cp1"].keys()
