# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What roles collect into a bundle, and where they ask the site's mirror for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from ansible_collections.kubestead.cluster.plugins.action import bundle
from tests.unit.test_monitoring import render, variables

ROLES = Path(__file__).parents[3] / "roles"
NFS = {"nfs_storage_enabled": True, "nfs_storage_server": "192.0.2.40"}
RECEIVER = {"route": {"receiver": "none"}, "receivers": [{"name": "none"}]}
# Each part with all the pods that it can have, by the role that renders it.
PARTS: dict[str, tuple[str, dict[str, Any]]] = {
    "ingress": ("ingress", {"ingress_enabled": True, "ingress_gateway_enabled": True}),
    "metallb": ("metallb", {"metallb_enabled": True, "metallb_addresses": ["192.0.2.64/28"]}),
    "metrics_server": ("metrics_server", {"metrics_server_enabled": True}),
    "monitoring": ("monitoring", {"monitoring_enabled": True, "monitoring_alertmanager_configuration": RECEIVER}),
    "nfs_csi": ("nfs_storage", {**NFS, "nfs_storage_provisioner": "csi"}),
    "nfs_subdir": ("nfs_storage", {**NFS, "nfs_storage_provisioner": "subdir"}),
}
MIRROR = {"cluster_mirror_host": "10.0.0.5:8443", "cluster_mirror_ca": "-----BEGIN CERTIFICATE-----"}


def value(name: str, *roles: str, **changes: Any) -> Any:
    """A variable of a role, with a cluster read."""
    variables: dict[str, Any] = {"inventory_dir": "/inventory", "inventory_hostname": "cp1", "groups": {}}
    for role in ("cluster", *roles):
        for path in (ROLES / role / "defaults/main.yml", *sorted((ROLES / role / "vars").glob("**/*.yml"))):
            variables |= DataLoader().load_from_file(str(path), trusted_as_template=True)
    view = {"image_repository": "registry.k8s.io", "minor": "1.36", "control_planes": ["cp1", "cp2", "cp3"]}
    variables |= {
        "__cluster_node_state": {"state": {"arch": "arm64"}},
        "__cluster_view": {**view, "hosts": {name: {"control_plane": True} for name in view["control_planes"]}},
        **changes,
    }
    return Templar(DataLoader(), variables=variables).template(trust_as_template("{{ " + name + " }}"))


def test_helm_comes_from_where_the_bundle_has_it() -> None:
    url = "https://get.helm.sh/helm-v4.3.0-linux-arm64.tar.gz"
    program = value("__helm_files", "helm", helm_enabled=True)[0]
    assert (program["url"], program["ca"]) == (url, "")
    program = value("__helm_files", "helm", helm_enabled=True, **MIRROR)[0]
    assert program["ca"] == MIRROR["cluster_mirror_ca"]
    archives = value("__bundle_archives", "bundle", helm_enabled=True)
    (item,) = bundle.of_archives(archives, ["arm64"])
    assert (item.source, item.sha256) == (url, program["sha256"])
    assert program["url"] == f"https://10.0.0.5:8443/{item.path}"
    assert value("__bundle_archives", "bundle") == []


def test_manifests_of_calico_lie_where_they_are_fetched() -> None:
    given = [{"url": "https://raw.example.com/calico/v3.31/tigera operator.yaml?x=1", "sha256": "ab" * 32}]
    changes = {"network_plugin": "calico", "network_calico_manifests": given}
    (manifest,) = value("__bundle_manifests", "bundle", **changes)
    item = bundle.listed_file({"path": "", "version": "", **manifest})
    assert item.path == "files/raw.example.com/calico/v3.31/tigera_operator.yaml"
    asked = value(
        "network_calico_manifests[0].url | kubestead.cluster.file_url(__cluster_settings)", **changes, **MIRROR
    )
    assert asked == f"https://10.0.0.5:8443/{item.path}"
    assert value("__bundle_manifests", "bundle", network_calico_manifests=given) == []


def compared(**in_order: list[str]) -> dict[str, Any]:
    return {host: {"__cluster_compared": {"in_order": roles}} for host, roles in in_order.items()}


@pytest.mark.parametrize(
    ("enabled", "hostvars", "expected"),
    [
        (True, compared(cp1=["helm"], cp2=["helm"]), "cp2"),
        # Without helm's program a machine is in order where helm is switched off.
        (False, compared(cp1=["helm"], cp2=[]), "cp2"),
        (False, compared(cp1=[], cp2=[]), "cp2"),
        (False, compared(cp1=[], cp2=["helm"]), "cp1"),
        (False, compared(cp1=["helm"], cp2=["helm"]), "cp2"),
        # By --tags platform nobody has looked; cp3 is not in the play.
        (False, {"cp1": {}, "cp2": {}, "cp3": {}}, "cp2"),
    ],
)
def test_where_releases_are_worked_on(enabled: bool, hostvars: dict[str, Any], expected: str) -> None:
    play = {
        "ansible_play_hosts": ["cp1", "cp2"],
        "hostvars": hostvars,
        "__preflight": {"seed": "cp2", "seeds": ["cp2"]},
        "__preflight_delegated": {"results": []},
    }
    assert value("__helm_host", "helm", helm_enabled=enabled, **play) == expected


@pytest.mark.parametrize(
    ("host", "groups", "expected"),
    [("cp1", {}, False), ("nfs", {}, True), ("nfs", {"kube_mirror": ["nfs"]}, False)],
)
def test_an_nfs_server_of_its_own_knows_the_mirror(host: str, groups: dict[str, list[str]], expected: bool) -> None:
    assert value("__nfs_server_alone", "nfs_server", inventory_hostname=host, groups=groups) is expected


def found(tree: Any, key: str) -> Iterator[Any]:
    """Every value of a key, however deep."""
    if isinstance(tree, dict):
        yield from ([tree[key]] if key in tree else [])
    for item in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else []:
        yield from found(item, key)


def pulled(role: str, given: dict[str, Any]) -> set[str]:
    """The images of the pods that a role makes."""
    tasks = DataLoader().load_from_file(str(ROLES / role / "tasks/apply.yml"), trusted_as_template=True)
    (task,) = found(tasks, "kubestead.cluster.manifests")
    names = Templar(DataLoader(), variables=variables(role, given)).template(task["templates"])
    pods = [
        [*found(item, "containers"), *found(item, "initContainers")]
        for item in render(role, given, names)
        if item["kind"] != "CustomResourceDefinition"
    ]
    return set(found(pods, "image"))


@pytest.mark.parametrize("own_names", [False, True], ids=["publishers", "own"])
@pytest.mark.parametrize("part", PARTS)
def test_the_images_of_a_parts_pods_are_collected(part: str, own_names: bool) -> None:
    role, given = PARTS[part]
    # Each role is alone with its variables: no other part is on.
    given = {"monitoring_enabled": False, **given}
    if own_names:
        defaults = yaml.safe_load((ROLES / role / "defaults/main.yml").read_text())
        given |= {name: f"registry.example.com/{name}:1" for name in defaults if name.endswith("_image")}
    images = pulled(role, given)
    assert images
    assert images == set(value("__bundle_part_images", "bundle", **given))


def test_the_images_of_the_network_are_collected() -> None:
    assert pulled("network", {}) == set(value("__cluster_network_images"))


def test_every_image_that_is_pinned_is_collected() -> None:
    """An image that is added to the versions and not to the bundle would be missing at a site without a network."""
    versions = DataLoader().load_from_file(str(ROLES / "cluster/vars/main/versions.yml"))
    pinned = {image for name, image in versions.items() if name.endswith("_image")}
    everything = {name: setting for _role, given in PARTS.values() for name, setting in given.items()}
    collected = {
        image
        for provisioner in ("csi", "subdir")
        for image in value("__bundle_images", "bundle", **{**everything, "nfs_storage_provisioner": provisioner})
    }
    assert len(pinned) > 10
    assert collected == pinned | {"registry.k8s.io/pause:3.10.2"}


@pytest.mark.parametrize(
    ("changes", "debian", "redhat"),
    [
        ({}, set(), set()),
        (NFS, {"nfs-common"}, {"nfs-utils"}),
        (
            {"groups": {"nfs_server": ["store1"]}},
            {"nfs-kernel-server", "nfs-ganesha", "nfs-ganesha-vfs"},
            {"nfs-utils"},
        ),
    ],
    ids=["no storage", "clients", "a server"],
)
def test_packages_of_nfs_are_collected(changes: dict[str, Any], debian: set[str], redhat: set[str]) -> None:
    packages = {family: set(value("__bundle_packages", "bundle", **changes)[family]) for family in ("debian", "redhat")}
    kinds = {family: {name for name in names if name.startswith("nfs-")} for family, names in packages.items()}
    assert kinds == {"debian": debian, "redhat": redhat}
