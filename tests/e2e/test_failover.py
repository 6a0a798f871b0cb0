# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the API is away, as seen through the virtual address, when something fails; into build/failover.json."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import pytest

from .cluster import BUILD, ENDPOINT_PORT, Cluster, wait_for
from .probe import Recording, outages, recording

REPORT = BUILD / "failover.json"
# Answered without a gap for so long: the failover is over.
STEADY_SECONDS = 5.0
OVER_SECONDS = 60.0


@dataclass(frozen=True)
class Scenario:
    """What happens to the machine that has the address, how it ends, and the longest outage that is allowed."""

    name: str
    fail: Callable[[Cluster, str], object]
    mend: Callable[[Cluster, str], object]
    limit: float


@dataclass(frozen=True)
class Outcome:
    """What was measured. The longest gap counts; `mending` is the longest while the machine comes back."""

    seconds: float
    failed_probes: int
    probes: int
    outages: list[float]
    mending_seconds: float
    holder_before: str
    holder_after: str


SCENARIOS = (
    Scenario(
        "machine killed",
        lambda cluster, node: cluster.act("kill", node),
        lambda cluster, node: cluster.act("start", node),
        2.0,
    ),
    Scenario(
        "kube-apiserver killed",
        lambda cluster, node: cluster.on(node, "pkill", "-9", "-x", "kube-apiserver"),
        lambda _cluster, _node: None,
        2.0,
    ),
    Scenario(
        "haproxy stopped",
        lambda cluster, node: cluster.on(node, "systemctl", "stop", "haproxy"),
        lambda cluster, node: cluster.on(node, "systemctl", "start", "haproxy"),
        2.0,
    ),
    Scenario(
        "keepalived stopped",
        lambda cluster, node: cluster.on(node, "systemctl", "stop", "keepalived"),
        lambda cluster, node: cluster.on(node, "systemctl", "start", "keepalived"),
        2.0,
    ),
    Scenario(
        "machine paused",
        lambda cluster, node: cluster.act("pause", node),
        lambda cluster, node: cluster.act("unpause", node),
        3.0,
    ),
)


def measure(cluster: Cluster, scenario: Scenario, record: Recording) -> Outcome:
    """Let it fail, mend it, and look at the probes of both."""

    def wait_until_steady() -> None:
        wait_for("the API answers every probe", lambda: record.steady(STEADY_SECONDS), OVER_SECONDS)

    (before,) = cluster.holders()
    wait_until_steady()
    failing = time.monotonic()
    scenario.fail(cluster, before)
    time.sleep(STEADY_SECONDS)
    wait_until_steady()
    mending = time.monotonic()
    scenario.mend(cluster, before)
    cluster.recover()
    wait_until_steady()
    (after,) = cluster.holders()

    probes = [probe for probe in record.since(failing) if probe.start < mending]
    found = outages(probes)
    return Outcome(
        seconds=max((outage.seconds for outage in found), default=0.0),
        failed_probes=sum(outage.failed for outage in found),
        probes=len(probes),
        outages=[outage.seconds for outage in found],
        mending_seconds=max((outage.seconds for outage in outages(record.since(mending))), default=0.0),
        holder_before=before,
        holder_after=after,
    )


def add_to_report(scenario: Scenario, outcome: Outcome) -> None:
    """Keep the outcome of this scenario beside those of the others, and show all."""
    report = json.loads(REPORT.read_text()) if REPORT.exists() else {}
    report[scenario.name] = asdict(outcome)
    REPORT.write_text(json.dumps(report, indent=2) + "\n")
    print(f"\n{'scenario':24} {'outage':>8} {'failed':>7} {'mending':>8}  holder")
    for name, values in report.items():
        figures = f"{values['seconds']:6.2f} s {values['failed_probes']:7} {values['mending_seconds']:6.2f} s"
        print(f"{name:24} {figures}  {values['holder_before']} -> {values['holder_after']}")


@pytest.mark.parametrize(
    "scenario",
    [
        pytest.param(one, id=one.name.replace(" ", "-"), marks=[pytest.mark.full] if index else [])
        for index, one in enumerate(SCENARIOS)
    ],
)
def test_failover(converged: Cluster, scenario: Scenario) -> None:
    converged.recover()
    with recording(converged.lab.vip, ENDPOINT_PORT) as record:
        outcome = measure(converged, scenario, record)
    add_to_report(scenario, outcome)
    assert outcome.seconds <= scenario.limit
    assert outcome.mending_seconds <= scenario.limit
