# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan is exact: what --check lists is what the next run changes, on bare, converged and drifted machines."""

from __future__ import annotations

import json

import pytest

from .cluster import BUILD, ENDPOINT_PORT, Change, Cluster, Run, wait_for
from .sampling import Samples

FIRST_BUDGET = 25
RERUN_BUDGET = 8
BALANCER = "load_balancer : apply | Configure and start haproxy and keepalived"
DRIFTS: dict[str, tuple[str, ...]] = {
    "w1": ("sysctl", "-qw", "net.ipv4.ip_forward=0"),
    "cp1": ("sed", "-i", "s/retries 2/retries 3/", "/etc/haproxy/haproxy.cfg"),
    "cp2": ("touch", "/etc/haproxy/haproxy.cfg"),
    "cp3": ("systemctl", "stop", "keepalived"),
}
DRIFTED: set[Change] = {
    ("Prepare", "node : apply | Configure the machine", "w1"),
    ("Prepare", BALANCER, "cp1"),
    ("Prepare", BALANCER, "cp2"),
    ("Prepare", BALANCER, "cp3"),
    # One task for all nodes, which counts for the first host.
    ("Settings", "node : settings | Set labels, annotations and taints", "cp1"),
}


def expect_equal(found: set[Change], expected: set[Change], what: str) -> None:
    """Compare, and show the differences both ways."""
    lines = [f"not expected: {entry}" for entry in sorted(found - expected)]
    lines += [f"missing: {entry}" for entry in sorted(expected - found)]
    if lines:
        pytest.fail("\n  ".join([what, *lines]), pytrace=False)


def expect_budget(run: Run, budget: int) -> None:
    """Every machine ran at most so many modules."""
    assert run.executions
    over = {host: count for host, count in run.executions.items() if count > budget}
    assert not over, f"more than {budget} module executions: {over}"


def test_plan_of_bare_machines(planned: Run, built: tuple[Run, Samples]) -> None:
    planned.succeeded()
    run = built[0].succeeded()
    assert planned.changed
    expect_equal(run.changed, planned.changed, "the run changed something else than --check had listed")
    expect_budget(run, FIRST_BUDGET)


def test_nothing_to_do_on_a_converged_cluster(converged: Cluster) -> None:
    plan = converged.site("--check", "--diff").succeeded()
    expect_equal(plan.changed, set(), "--check lists changes of a converged cluster")
    rerun = converged.site().succeeded()
    expect_equal(rerun.changed, set(), "an unchanged rerun changes something")
    expect_budget(rerun, RERUN_BUDGET)
    (BUILD / "rerun.json").write_text(
        json.dumps({"seconds": round(rerun.seconds, 1), "check_seconds": round(plan.seconds, 1)}) + "\n"
    )


def test_drift_is_listed_and_undone(converged: Cluster) -> None:
    for node, command in DRIFTS.items():
        converged.on(node, *command)
    kubectl = ("kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf")
    converged.on(
        "cp1", *kubectl, "label", "node", "w2", "kubestead.test/rack=r2", "kubestead.test/disk-", "--overwrite"
    )

    plan = converged.site("--check", "--diff").succeeded()
    expect_equal(plan.changed, DRIFTED, "--check does not list the drift exactly")
    expect_equal(converged.site().succeeded().changed, DRIFTED, "the run did not change the drift exactly")
    expect_equal(converged.site().succeeded().changed, set(), "the drift is not undone")

    labels = json.loads(converged.on("cp1", *kubectl, "get", "node", "w2", "-o", "json"))["metadata"]["labels"]
    assert labels["kubestead.test/rack"] == "r1"
    assert labels["kubestead.test/disk"] == "ssd"
    assert converged.on("w1", "sysctl", "-n", "net.ipv4.ip_forward") == "1"
    assert "retries 2" in converged.on("cp1", "cat", "/etc/haproxy/haproxy.cfg")
    assert converged.on("cp3", "systemctl", "is-active", "keepalived") == "active"


def test_one_run_at_a_time_and_only_on_the_cluster_that_is_meant(converged: Cluster) -> None:
    """users.yml asks no machine: it has the inventory, the kubeconfig, and what the cluster says of itself."""
    kubeconfig = converged.kubeconfig.read_bytes()
    endpoint = f'"cluster_endpoint": "192.0.2.100:{ENDPOINT_PORT}"'
    file = f'"cluster_kubeconfig": "{converged.kubeconfig}"'
    others = {
        "found the kubeconfig of a cluster at": f"{{{endpoint}}}",
        f"was made as {converged.lab.name}": f'{{"cluster_name": "staging", {file}}}',
    }
    for message, variables in others.items():
        run = converged.run("users.yml", "--extra-vars", variables)
        assert run.rc == 2
        assert message in run.said
    assert converged.kubeconfig.read_bytes() == kubeconfig

    first = converged.start("site.yml")
    wait_for("the first run has left preflight", lambda: "PLAY [Prepare]" in first.output, 120)
    second = converged.run("users.yml")
    assert second.rc == 2
    assert "found that another run holds this cluster" in second.said
    assert f"pid {first.process.pid} " in second.said
    first.kill()
    # Its keeper gives the cluster back, and the next run does not wait for a minute.
    converged.run("users.yml").succeeded()
