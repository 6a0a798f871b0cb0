# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One cluster for most proofs: its fixtures are the steps of its life, each done once and in this order."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab import engine

from .cluster import Cluster, Run, machines_of
from .sampling import Samples, sampled

# Labels of the inventory, for the drift that changes them.
LABELS = """\
node_labels: {kubestead.test/rack: r1, kubestead.test/disk: ssd}
"""


@pytest.fixture(scope="session", autouse=True)
def programs() -> None:
    """Have every program that these tests call, also where one of them is run alone."""
    engine.provide(["e2e"])


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Five bare machines."""
    with machines_of("site", control_planes=3, workers=2) as machines:
        add_labels(machines)
        yield machines


def add_labels(machines: Cluster) -> None:
    """Give w2 labels, by a file beside the lab's inventory."""
    folder = machines.lab.folder / "host_vars"
    folder.mkdir(exist_ok=True)
    (folder / "w2.yml").write_text(LABELS)


@pytest.fixture(scope="session")
def planned(cluster: Cluster) -> Run:
    """The plan, made before anything else."""
    return cluster.site("--check", "--diff").succeeded()


@pytest.fixture(scope="session")
def built(cluster: Cluster, planned: Run) -> tuple[Run, Samples]:  # noqa: ARG001  the order matters
    """The real run, as talkative as it gets, while all processes of all machines are watched."""
    with sampled(cluster) as samples:
        run = cluster.site("-vvv")
    return run, samples


@pytest.fixture(scope="session")
def converged(cluster: Cluster, built: tuple[Run, Samples]) -> Cluster:
    """The cluster, complete."""
    built[0].succeeded()
    return cluster
