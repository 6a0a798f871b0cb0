# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the sampler on every machine and on this one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .cluster import Cluster

SOURCE = Path(__file__).with_name("sampler.py").read_text()
CONTROLLER = "controller"


@dataclass
class Samples:
    """What was seen, by machine."""

    machines: dict[str, dict[str, Any]] = field(default_factory=dict)


@contextmanager
def sampled(cluster: Cluster) -> Iterator[Samples]:
    """Watch while the body runs; complete when it has ended."""
    commands = {CONTROLLER: [sys.executable, "-c", SOURCE]}
    for name in cluster.lab.nodes:
        commands[name] = ["docker", "exec", "--interactive", cluster.lab.container(name), "python3", "-c", SOURCE]
    watchers = {
        name: subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for name, command in commands.items()
    }
    samples = Samples()
    try:
        yield samples
    finally:
        for name, watcher in watchers.items():
            output, _errors = watcher.communicate(timeout=60)
            samples.machines[name] = json.loads(output)
