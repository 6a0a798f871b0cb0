# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory that a lab writes."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ansible_collections.kubestead.cluster.plugins.plugin_utils import docker
from ansible_collections.kubestead.cluster.tests.lab import inventory
from ansible_collections.kubestead.cluster.tests.lab.lab import Lab, Node


@pytest.fixture(autouse=True)
def lab_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBESTEAD_LAB_HOME", "/cache")


def lab(**changes: Any) -> Lab:
    settings: dict[str, Any] = {
        "name": "demo",
        "number": 7,
        "os": "debian13",
        "user": "root",
        "internal": False,
        "version": "1.36.3",
        "source": "mirror",
        "key_fingerprint": "AB" * 20,
        "created": "2026-11-22T22:00:00+00:00",
        "nodes": {
            "cp1": Node("10.90.7.11", "kube_control_plane"),
            "cp2": Node("10.90.7.12", "kube_control_plane"),
            "w1": Node("10.90.7.21", "kube_node"),
        },
    }
    return Lab(**{**settings, **changes})


def read(which: Lab) -> Any:
    return yaml.safe_load(inventory.render(which))


def test_docker_is_told_of_the_mirror_and_given_a_runc_of_the_lab() -> None:
    shared = inventory.variables(lab(runtime="docker"))
    assert shared["cluster_container_runtime"] == "docker"
    assert "containerd_configuration" not in shared
    assert shared["docker_configuration"] == {
        "default-runtime": "lab",
        "runtimes": {"lab": {"path": "/usr/bin/lab-runc"}},
    }
    assert docker.docker_registries(shared["containerd_registries"])["daemon"] == {
        "insecure-registries": ["10.90.7.2:5000"],
        "registry-mirrors": ["http://10.90.7.2:5000"],
    }
    official = inventory.variables(lab(runtime="docker", source="official"))
    assert "containerd_registries" not in official
    assert "cluster_container_runtime" not in inventory.variables(lab())


def test_groups_hold_the_nodes_by_role() -> None:
    text = read(lab())
    assert text["kube_control_plane"]["hosts"] == {
        "cp1": {"ansible_host": "10.90.7.11"},
        "cp2": {"ansible_host": "10.90.7.12"},
    }
    assert text["kube_node"]["hosts"] == {"w1": {"ansible_host": "10.90.7.21"}}


def test_mirrors_of_a_site_are_a_group_where_there_are_some() -> None:
    assert "kube_mirror" not in read(lab())
    text = read(lab(nodes={"m1": Node("10.90.7.3", "kube_mirror")}))
    assert text["kube_mirror"]["hosts"] == {"m1": {"ansible_host": "10.90.7.3"}}
    assert text["kube_mirror"]["vars"] == text["kube_node"]["vars"]


def test_what_is_written_is_what_was_meant() -> None:
    assert read(lab()) == inventory.inventory(lab())


def test_connection_stands_at_the_groups_and_not_at_all() -> None:
    text = read(lab())
    assert not [name for name in text["all"]["vars"] if name.startswith("ansible_")]
    for group in ("kube_control_plane", "kube_node"):
        assert text[group]["vars"]["ansible_ssh_private_key_file"] == "/cache/labs/demo/id_ed25519"
        assert "StrictHostKeyChecking=yes" in text[group]["vars"]["ansible_ssh_common_args"]
        assert "ansible_become" not in text[group]["vars"]


def test_operator_becomes_root() -> None:
    connection = read(lab(user="operator"))["kube_node"]["vars"]
    assert (connection["ansible_user"], connection["ansible_become"]) == ("operator", True)


def test_mirror_is_the_lab_s_own() -> None:
    variables = read(lab())["all"]["vars"]
    assert variables["cluster_mirror"] == "custom"
    assert variables["cluster_mirror_overrides"] == {
        "kubernetes_repository": "http://10.90.7.2:8081/deb/",
        "kubernetes_key": "http://10.90.7.2:8081/deb/Release.key",
        "kubernetes_key_fingerprints": ["AB" * 20],
    }
    assert variables["cluster_image_repository"] == "10.90.7.2:5000"


def test_debian_12_has_its_own_repository() -> None:
    variables = read(lab(os="debian12"))["all"]["vars"]
    assert variables["cluster_mirror_overrides"]["kubernetes_repository"] == "http://10.90.7.2:8081/deb-debian12/"
    assert list(variables["containerd_configuration"]["plugins"]) == ["io.containerd.cri.v1.runtime"]


def test_official_sites_need_no_address() -> None:
    text = inventory.render(lab(source="official"))
    assert yaml.safe_load(text)["all"]["vars"]["cluster_mirror"] == "official"
    assert "10.90.7.2:" not in text


def test_vip_only_with_more_than_one_control_plane() -> None:
    assert read(lab())["all"]["vars"]["cluster_vip"] == "10.90.7.100"
    single = lab(nodes={"cp1": Node("10.90.7.11", "kube_control_plane")})
    assert "cluster_vip" not in read(single)["all"]["vars"]


def test_what_a_container_can_t_do_is_not_asked_of_virtual_machines() -> None:
    virtual = {"cp1": Node("10.90.7.11", "kube_control_plane", "virtual")}
    shared = inventory.variables(lab(nodes=virtual))
    assert not {*inventory.ODDITIES, *inventory.NODE_ODDITIES, *inventory.SHARED_DISK} & set(shared)
    assert "containerd_configuration" not in shared
    assert shared["cluster_init_configuration"]["timeouts"]["kubeletHealthCheck"] == "25m0s"


def test_a_mixed_lab_has_the_variables_of_machines_at_its_containers() -> None:
    mixed = lab(
        nodes={
            "cp1": Node("10.90.7.11", "kube_control_plane"),
            "w1": Node("10.90.7.21", "kube_node", "virtual"),
        }
    )
    text = read(mixed)
    assert set(inventory.ODDITIES) <= set(text["all"]["vars"])
    assert not set(inventory.NODE_ODDITIES) & set(text["all"]["vars"])
    assert text["kube_control_plane"]["hosts"]["cp1"] == {"ansible_host": "10.90.7.11", **inventory.NODE_ODDITIES}
    assert text["kube_node"]["hosts"]["w1"] == {"ansible_host": "10.90.7.21"}


@pytest.mark.parametrize(
    "value",
    [
        {"version": "1.36", "number": 1, "flag": False, "nothing": None, "empty": {}, "none": []},
        {"nested": {"memory.available": "0%", "10.0.0.1:5000": {"list": ["yes", "null", 'a "quoted" one']}}},
        {"list": [{"name": "a", "value": "b"}]},
    ],
)
def test_yaml_survives_reading(value: dict[str, Any]) -> None:
    assert yaml.safe_load(inventory.to_yaml(value)) == value
