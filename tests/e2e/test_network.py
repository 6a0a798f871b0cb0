# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The other choices of the network: routes of the hosts instead of vxlan, and kube-proxy's nftables."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.inventory import ODDITIES, to_yaml

from .cluster import Cluster, Run, machines_of
from .test_smoke_reset import confirm, own

pytestmark = pytest.mark.full

SETTINGS = {
    "network_flannel_backend": "host-gw",
    "cluster_kube_proxy_configuration": {**ODDITIES["cluster_kube_proxy_configuration"], "mode": "nftables"},
}
# A table of the machine's owner, with a name that looks like another's.
FOREIGN = "table ip my-kube-proxy"
OWN_TABLES = {"table ip kube-proxy", "table ip6 kube-proxy"}


@pytest.fixture(scope="module")
def machines() -> Iterator[Cluster]:
    """A control plane and a worker."""
    with machines_of("network", control_planes=1, workers=1) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def built(machines: Cluster) -> Run:
    """The first run with these settings, which stand in a file beside the lab's inventory."""
    folder = machines.lab.folder / "group_vars"
    folder.mkdir(exist_ok=True)
    (folder / "all.yml").write_text(to_yaml(SETTINGS))
    return machines.site().succeeded()


@pytest.fixture(scope="module")
def cluster(machines: Cluster, built: Run) -> Cluster:  # noqa: ARG001  the order matters
    """The cluster, complete."""
    return machines


def tables(cluster: Cluster, node: str) -> set[str]:
    return set(cluster.on(node, "nft", "list", "tables").splitlines())


def test_packets_are_routed_by_the_hosts(cluster: Cluster) -> None:
    cluster.run("smoke.yml").succeeded()
    nodes = cluster.lab.nodes
    for name in nodes:
        links = cluster.on(name, "ls", "/sys/class/net").split()
        assert "cni0" in links
        assert not [link for link in links if link.startswith("flannel")]
        routes = [line for line in cluster.on(name, "ip", "-4", "route").splitlines() if line.startswith("10.244.")]
        gateways = {words[2] for words in map(str.split, routes) if words[1] == "via"}
        assert gateways == {node.address for node in nodes.values()} - {nodes[name].address}


def test_services_are_in_nftables(cluster: Cluster) -> None:
    for name in cluster.lab.nodes:
        assert OWN_TABLES & tables(cluster, name)
        assert "10.96.0.1" in cluster.on(name, "nft", "list", "table", "ip", "kube-proxy")
        assert not [rule for rule in own(cluster, name) if "KUBE-SVC" in rule or "KUBE-SERVICES" in rule]


def test_a_rerun_changes_nothing(cluster: Cluster) -> None:
    assert not cluster.site().succeeded().changed


@pytest.mark.parametrize(
    ("setting", "found"),
    [
        ("network_flannel_backend=vxlan", "network_flannel_backend: found host-gw in the cluster, expected vxlan"),
        ("network_plugin=calico", "network_plugin: found flannel in the cluster, expected calico or none"),
    ],
    ids=["backend", "plugin"],
)
def test_a_living_cluster_keeps_its_network(cluster: Cluster, setting: str, found: str) -> None:
    run = cluster.site("--tags", "network", "-e", setting)
    assert run.rc == 2
    assert found in run.said
    assert not run.changed


def test_a_network_of_ones_own_is_left_alone(cluster: Cluster) -> None:
    run = cluster.site("--tags", "network", "-e", "network_plugin=none").succeeded()
    assert not run.changed
    for name in cluster.lab.nodes:
        assert "cni0" in cluster.on(name, "ls", "/sys/class/net").split()


def test_reset_takes_its_own_tables_only(cluster: Cluster) -> None:
    cluster.on("w1", "nft", "add", *FOREIGN.split())
    assert OWN_TABLES & tables(cluster, "w1")
    assert cluster.run("reset.yml", "--limit", "w1", "-e", confirm(cluster)).succeeded().changed
    assert not OWN_TABLES & tables(cluster, "w1")
    assert FOREIGN in tables(cluster, "w1")
    assert own(cluster, "w1") == []
    routes = cluster.on("w1", "ip", "-4", "route")
    assert "10.244." not in routes
    again = cluster.run("reset.yml", "--limit", "w1", "-e", confirm(cluster)).succeeded()
    assert not again.changed
