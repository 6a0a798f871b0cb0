# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The supported versions of Kubernetes beside the default one, each as a highly available cluster of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.versions import DEFAULT_VERSION, RELEASES

from .cluster import Cluster, Run, machines_of
from .test_plan import expect_equal
from .test_smoke_reset import api

pytestmark = pytest.mark.full

OTHERS = [version for version in RELEASES if version != DEFAULT_VERSION]


@pytest.fixture(scope="module", params=OTHERS)
def version(request: pytest.FixtureRequest) -> str:
    """The version of Kubernetes; all tests of one come before those of the next."""
    chosen: str = request.param
    return chosen


@pytest.fixture(scope="module")
def machines(version: str) -> Iterator[Cluster]:
    """Bare machines."""
    with machines_of("versions", 3, 1, "--version", version) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def planned(machines: Cluster) -> Run:
    """The plan for bare machines."""
    return machines.site("--check", "--diff").succeeded()


@pytest.fixture(scope="module")
def built(machines: Cluster, planned: Run) -> Run:  # noqa: ARG001  the order matters
    """The first run."""
    return machines.site().succeeded()


def test_the_run_does_what_the_plan_says(planned: Run, built: Run) -> None:
    assert planned.changed
    expect_equal(built.changed, planned.changed, "the run changed something else than --check had listed")


@pytest.mark.usefixtures("built")
def test_all_of_it_is_of_the_version(machines: Cluster, version: str) -> None:
    nodes = api(machines).list_node(_request_timeout=10).items
    assert {node.metadata.name: node.status.node_info.kubelet_version for node in nodes} == dict.fromkeys(
        machines.lab.nodes, f"v{version}"
    )
    assert machines.ready_nodes() == set(machines.lab.nodes)
    release = RELEASES[version]
    pods = api(machines).list_namespaced_pod("kube-system", _request_timeout=10).items
    images = {container.image.rpartition("/")[2] for pod in pods for container in pod.spec.containers}
    kubernetes = {
        f"{program}:v{version}"
        for program in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")
    }
    coredns = release.coredns.removeprefix("coredns-")
    assert images >= {*kubernetes, f"etcd:{release.etcd_tag}", f"coredns:{coredns}"}
    assert len(machines.etcd_members()) == len(machines.control_planes)


@pytest.mark.usefixtures("built")
def test_it_works(machines: Cluster) -> None:
    machines.run("smoke.yml").succeeded()


@pytest.mark.usefixtures("built")
def test_a_rerun_changes_nothing(machines: Cluster) -> None:
    assert not machines.site().succeeded().changed
