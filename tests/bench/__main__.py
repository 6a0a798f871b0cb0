# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From bare machines to a Ready cluster: hand-written parallel shell against site.yml, on fresh machines each time.

Writes build/bench.json. The machine should be idle otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.e2e.cluster import BUILD, ROOT, Cluster, Run, fresh, wait_for

BASELINE = ROOT / "tests" / "lab" / "baseline.sh"
REPORT = BUILD / "bench.json"
PHASE = re.compile(r"^ *(\d+\.\d) {2}(\S.*)$", re.MULTILINE)
LAB = "bench"
SETTLE_SECONDS = 10.0
POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Baseline:
    """One run by hand: the seconds when each of its steps had ended."""

    seconds: float
    steps: dict[str, float]


@dataclass(frozen=True)
class Site:
    """One run of the playbook on bare machines, when all nodes were Ready, and the run after it."""

    first: Run
    ready_seconds: float
    rerun: Run


class ReadyWatch(threading.Thread):
    """Asks the API from outside when all nodes are Ready."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(daemon=True)
        self._cluster = cluster
        self._begun = time.monotonic()
        self.seconds: float | None = None

    def run(self) -> None:
        """Until they are."""
        wait_for("all nodes are Ready", self._all_ready, seconds=1800, interval=POLL_SECONDS)
        self.seconds = time.monotonic() - self._begun

    def _all_ready(self) -> bool:
        return self._cluster.kubeconfig.exists() and self._cluster.ready_nodes() == set(self._cluster.lab.nodes)


def by_hand(control_planes: int, workers: int) -> Baseline:
    """The same cluster by hand."""
    with fresh(LAB, control_planes, workers) as cluster:
        time.sleep(SETTLE_SECONDS)
        start = time.monotonic()
        done = subprocess.run([BASELINE, cluster.lab.name], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
        seconds = time.monotonic() - start
    steps = {name: float(moment) for moment, name in PHASE.findall(done.stdout)}
    return Baseline(steps.get("all Ready", seconds), steps)


def by_site(control_planes: int, workers: int) -> Site:
    """The playbook, and once more."""
    with fresh(LAB, control_planes, workers) as cluster:
        time.sleep(SETTLE_SECONDS)
        watch = ReadyWatch(cluster)
        watch.start()
        first = cluster.site().succeeded()
        watch.join(timeout=60)
        assert watch.seconds is not None, "the nodes are not Ready after the run"
        time.sleep(SETTLE_SECONDS)
        return Site(first, watch.seconds, cluster.site().succeeded())


def result(baselines: list[Baseline], sites: list[Site]) -> dict[str, Any]:
    """What build/bench.json holds: medians over the rounds; counts are those of the worst."""

    def median(values: list[float]) -> float:
        return round(statistics.median(values), 1)

    baseline_seconds = median([one.seconds for one in baselines])
    site_seconds = median([one.first.seconds for one in sites])
    return {
        "ratio": round(site_seconds / baseline_seconds, 3),
        "baseline_seconds": baseline_seconds,
        "site_seconds": site_seconds,
        "site_ready_seconds": median([one.ready_seconds for one in sites]),
        "rerun_seconds": median([one.rerun.seconds for one in sites]),
        "rerun_changed": max(len(one.rerun.changed) for one in sites),
        "executions_per_host": {
            "first": worst([one.first.executions for one in sites]),
            "rerun": worst([one.rerun.executions for one in sites]),
        },
        "controller_cpu_seconds": {
            "first": median([one.first.report["controller_cpu_seconds"] for one in sites]),
            "rerun": median([one.rerun.report["controller_cpu_seconds"] for one in sites]),
        },
        "phases": {
            "baseline": {name: median([one.steps[name] for one in baselines]) for name in baselines[0].steps},
            "site": {
                name: median([one.first.report["phases"][name] for one in sites])
                for name in sites[0].first.report["phases"]
            },
            "rerun": {
                name: median([one.rerun.report["phases"][name] for one in sites])
                for name in sites[0].rerun.report["phases"]
            },
        },
        "rounds": {
            "baseline_seconds": [round(one.seconds, 1) for one in baselines],
            "site_seconds": [round(one.first.seconds, 1) for one in sites],
            "rerun_seconds": [round(one.rerun.seconds, 1) for one in sites],
        },
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"cores": os.cpu_count(), "load_at_end": round(os.getloadavg()[0], 1)},
    }


def worst(counts: list[dict[str, int]]) -> dict[str, int]:
    """The largest count of each machine."""
    return {host: max(count[host] for count in counts) for host in counts[0]}


def show(figures: dict[str, Any]) -> None:
    """The result as tables."""
    print("\nby hand: seconds since the start at the end of each step")
    for name, seconds in figures["phases"]["baseline"].items():
        print(f"  {name:24} {seconds:7.1f}")
    print("site.yml: seconds of each play     first   rerun")
    for name, seconds in figures["phases"]["site"].items():
        print(f"  {name:24} {seconds:13.1f} {figures['phases']['rerun'].get(name, 0.0):7.1f}")
    print(f"  {'in all':24} {figures['site_seconds']:13.1f} {figures['rerun_seconds']:7.1f}")
    cpu = figures["controller_cpu_seconds"]
    print(f"  {'CPU of the controller':24} {cpu['first']:13.1f} {cpu['rerun']:7.1f}")
    for run, counts in figures["executions_per_host"].items():
        print(f"modules per host, {run}: {', '.join(f'{host} {count}' for host, count in counts.items())}")
    print(
        f"all Ready: {figures['baseline_seconds']} s by hand, {figures['site_ready_seconds']} s by site.yml\n"
        f"site.yml ends: {figures['site_seconds']} s, ratio {figures['ratio']}\n"
        f"unchanged rerun: {figures['rerun_seconds']} s, {figures['rerun_changed']} changed"
    )


def main() -> int:
    """Run the rounds, both ways in turn."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--control-planes", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--output", type=Path, default=REPORT)
    given = parser.parse_args()
    size = (given.control_planes, given.workers)
    baselines: list[Baseline] = []
    sites: list[Site] = []
    for number in range(given.rounds):
        # Neither of the two is always the first on a machine whose caches the other has filled.
        for kind in ("baseline", "site") if number % 2 == 0 else ("site", "baseline"):
            if kind == "baseline":
                baselines.append(by_hand(*size))
            else:
                sites.append(by_site(*size))
    figures = result(baselines, sites)
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(json.dumps(figures, indent=2) + "\n")
    show(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
