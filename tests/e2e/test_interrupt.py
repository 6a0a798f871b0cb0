# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that was killed, or whose machine was, is completed by the same command."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.lab import nodes
from tests.lab.base import run

from .cluster import Cluster, Playbook, fresh, wait_for

STEP_SECONDS = 600
# The lock is for as long as the machine runs.
STAYS = "operation.lock"


@dataclass(frozen=True)
class Interruption:
    """When a process with this command line is seen on a node (and, where given, a file is there): this is done."""

    node: str
    process: str
    file: str = "/"
    restart: bool = False

    def wait(self, cluster: Cluster, playbook: Playbook) -> None:
        """Return as soon as the moment has come."""
        # Anchored, for the shell's own command line holds the pattern too.
        watch = f"until pgrep -f '^[^ ]*{self.process}' >/dev/null && test -e {self.file}; do sleep 0.1; done"
        container = cluster.lab.container(self.node)
        with subprocess.Popen(
            ["docker", "exec", container, "timeout", f"{STEP_SECONDS}", "sh", "-c", watch]
        ) as watcher:
            while watcher.poll() is None:
                if playbook.process.poll() is not None:
                    cluster.on(self.node, "pkill", "-x", "timeout")
                    pytest.fail(f"the run ended before {self}:\n{playbook.output[-6000:]}")
                time.sleep(0.05)
        assert watcher.returncode == 0, f"not seen: {self}"


PREPARE = Interruption("cp2", "dpkg .*--unpack")
PREPARE_REBOOT = Interruption("w1", "dpkg .*--unpack", restart=True)
INIT = Interruption("cp1", "kubeadm init", "/etc/kubernetes/manifests/kube-apiserver.yaml")
INIT_REBOOT = Interruption("cp1", "kubeadm init", "/etc/kubernetes/manifests/etcd.yaml", restart=True)
JOIN = Interruption("cp2", "kubeadm join", "/etc/kubernetes/pki/ca.key")
JOIN_REBOOT = Interruption("cp2", "kubeadm join", "/etc/kubernetes/manifests/etcd.yaml", restart=True)
WORKER_REBOOT = Interruption("w1", "kubeadm join", "/var/lib/kubelet/config.yaml", restart=True)
# Each one on bare machines, or one after the other until the run is left alone.
CASES: dict[str, list[Interruption]] = {
    "one-after-the-other": [PREPARE, INIT, JOIN],
    "machines-one-after-the-other": [PREPARE_REBOOT, INIT_REBOOT, WORKER_REBOOT, JOIN_REBOOT],
    "prepare": [PREPARE],
    "init": [INIT],
    "control-plane-join": [JOIN],
    "reboot-in-control-plane-join": [JOIN_REBOOT],
}


@pytest.fixture
def machines() -> Iterator[Cluster]:
    """Three bare machines."""
    with fresh("e2e-interrupt", control_planes=2, workers=1) as cluster:
        yield cluster


@pytest.mark.full
@pytest.mark.parametrize("interruptions", CASES.values(), ids=CASES)
def test_the_same_command_completes_it(machines: Cluster, interruptions: list[Interruption]) -> None:
    for interruption in interruptions:
        playbook = machines.start("site.yml")
        try:
            interruption.wait(machines, playbook)
            print(f"\n{interruption}: now")
        finally:
            playbook.kill()
        if interruption.restart:
            power_cycle(machines, interruption.node)

    machines.site().succeeded()
    machines.recover()
    members = machines.etcd_members()
    assert sorted(member["name"] for member in members) == machines.control_planes
    assert not [member["name"] for member in members if member.get("isLearner")]
    for node in machines.lab.nodes:
        left = machines.on(node, "sh", "-c", "ls -A /run/kubestead 2>/dev/null; true").split()
        assert set(left) <= {STAYS, "images"}, f"{node}: {left}"
    assert machines.site().succeeded().changed == set()


def power_cycle(machines: Cluster, node: str) -> None:
    """Restart a machine without warning, and wait until one can log in."""
    machines.act("kill", node)
    machines.act("start", node)
    login = [*nodes.ssh_command(machines.lab, node), "true"]
    wait_for(f"{node} is up", lambda: run(login, check=False).returncode == 0, seconds=60)
