# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The supported versions of Kubernetes and systems beside the default ones, each as a cluster of its own.

README's table of what was run is compared with RUNS (tests/unit/test_support.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.lab.versions import DEFAULT_VERSION, NODE_SYSTEMS, RELEASES

from .cluster import Cluster, Run, machines_of
from .test_plan import expect_equal
from .test_smoke_reset import api

pytestmark = pytest.mark.full

DEFAULT_SYSTEM, *OTHER_SYSTEMS = NODE_SYSTEMS
# Version of Kubernetes and system of the machines.
RUNS = [
    *((version, DEFAULT_SYSTEM) for version in RELEASES if version != DEFAULT_VERSION),
    *((DEFAULT_VERSION, system) for system in OTHER_SYSTEMS),
]


@pytest.fixture(scope="module", params=RUNS, ids="-".join)
def run(request: pytest.FixtureRequest) -> tuple[str, str]:
    """The version and the system; all tests of one run come before those of the next."""
    chosen: tuple[str, str] = request.param
    return chosen


@pytest.fixture(scope="module")
def version(run: tuple[str, str]) -> str:
    """The version of Kubernetes."""
    return run[0]


@pytest.fixture(scope="module")
def machines(run: tuple[str, str]) -> Iterator[Cluster]:
    """Bare machines."""
    version, system = run
    with machines_of("versions", 3, 1, "--version", version, "--os", system) as cluster:
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
    systems = {node.status.node_info.os_image for node in nodes}
    assert len(systems) == 1, systems
    assert f"debian{re.findall(r'[0-9]+', systems.pop())[0]}" == machines.lab.os
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
