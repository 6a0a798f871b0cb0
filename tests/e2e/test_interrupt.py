# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run is killed on the controller and on the machine, or the machine is; the same command completes it."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from kubernetes import client

from tests.lab import nodes
from tests.lab.base import run

from .cluster import Cluster, Playbook, fresh, wait_for

STEP_SECONDS = 600
# The lock is for as long as the machine runs.
STAYS = "operation.lock"
JOURNAL = "/var/lib/kubestead/operation.json"
CA = "/etc/kubernetes/pki/ca.crt"
# The module of Ansible that has started a process dies first, so that it can't clean up.
KILL = """
for process in $(pgrep -f '^[^ ]*%s'); do
  parent=$(ps -o ppid= -p $process | tr -d ' ')
  if test "${parent:-1}" -gt 1; then kill -KILL $parent; fi
  kill -KILL $process || true
done
! pgrep -f '^[^ ]*%s'
"""


@dataclass(frozen=True)
class Interruption:
    """What is interrupted on a node, and when: a process has this command line and, where given, a file is there.

    `operation` is the step of kubeadm that the journal must have afterwards. The controller is killed in any case, and
    on the node either the process and the module that started it, or with `restart` the whole machine.
    """

    node: str
    process: str
    file: str = "/"
    operation: str = ""
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

    def interrupt(self, cluster: Cluster, playbook: Playbook) -> None:
        """Kill the run, and what it has started on the node."""
        if self.restart:
            cluster.act("kill", self.node)
            playbook.kill()
            power_on(cluster, self.node)
        else:
            playbook.kill()
            cluster.on(self.node, "sh", "-c", KILL % (self.process, self.process))
        if self.operation:
            # It had not ended: the next run has something to finish or undo.
            journal = json.loads(cluster.on(self.node, "cat", JOURNAL))
            assert journal["operation"] == self.operation


PREPARE = Interruption("cp2", "dpkg .*--unpack")
PREPARE_REBOOT = Interruption("w1", "dpkg .*--unpack", restart=True)
INIT = Interruption("cp1", "kubeadm init", "/etc/kubernetes/manifests/kube-apiserver.yaml", "init")
INIT_REBOOT = Interruption("cp1", "kubeadm init", "/etc/kubernetes/manifests/etcd.yaml", "init", restart=True)
JOIN = Interruption("cp2", "kubeadm join", "/etc/kubernetes/pki/ca.key", "join")
JOIN_REBOOT = Interruption("cp2", "kubeadm join", "/etc/kubernetes/manifests/etcd.yaml", "join", restart=True)
WORKER_REBOOT = Interruption("w1", "kubeadm join", "/var/lib/kubelet/config.yaml", "join", restart=True)
# Each one on bare machines, or one after the other until the run is left alone.
CASES = [
    pytest.param([JOIN_REBOOT], id="reboot-in-control-plane-join"),
    *(
        pytest.param(interruptions, id=name, marks=pytest.mark.full)
        for name, interruptions in {
            "one-after-the-other": [PREPARE, INIT, JOIN],
            "machines-one-after-the-other": [PREPARE_REBOOT, INIT_REBOOT, WORKER_REBOOT, JOIN_REBOOT],
            "prepare": [PREPARE],
            "init": [INIT],
            "control-plane-join": [JOIN],
        }.items()
    ),
]


@pytest.fixture
def machines() -> Iterator[Cluster]:
    """Three bare machines."""
    with fresh("e2e-interrupt", control_planes=2, workers=1) as cluster:
        yield cluster


@pytest.mark.parametrize("interruptions", CASES)
def test_the_same_command_completes_it(machines: Cluster, interruptions: list[Interruption]) -> None:
    authority = ""
    for interruption in interruptions:
        playbook = machines.start("site.yml")
        try:
            interruption.wait(machines, playbook)
            print(f"\n{interruption}: now")
            interruption.interrupt(machines, playbook)
        finally:
            playbook.kill()
        if interruption.operation == "init":
            authority = machines.on("cp1", "sha256sum", CA)

    # With its results: whether a join was undone.
    last, done = interruptions[-1], machines.site("-v").succeeded()
    results = re.findall(r"^changed: \[(\w+)\] =>(.*?)(?=^\S|\Z)", done.output, re.MULTILINE | re.DOTALL)
    undone = {node for node, result in results if "undone: true" in result}
    assert undone == ({last.node} if last.operation == "join" else set())
    # An init is finished with the certificates that it has made: others may have them.
    assert machines.on("cp1", "sha256sum", CA) == (authority or machines.on("cp1", "sha256sum", CA))

    machines.recover()
    members = machines.etcd_members()
    assert sorted(member["name"] for member in members) == machines.control_planes
    assert not [member["name"] for member in members if member.get("isLearner")]
    for node in machines.lab.nodes:
        left = machines.on(node, "sh", "-c", "ls -A /run/kubestead 2>/dev/null; true").split()
        assert set(left) <= {STAYS, "images"}, f"{node}: {left}"
        assert machines.on(node, "sh", "-c", f"test ! -e {JOURNAL} || cat {JOURNAL}") == ""
    assert credentials(machines) == []
    assert machines.site().succeeded().changed == set()


def credentials(cluster: Cluster) -> list[str]:
    """What machines could still join with: tokens of the collection, those of killed runs too, and certificates."""
    api = client.CoreV1Api(cluster.api)
    found = []
    for secret in api.list_namespaced_secret("kube-system").items:
        description = base64.b64decode((secret.data or {}).get("description", "")).decode()
        is_token = secret.type == "bootstrap.kubernetes.io/token" and description.startswith("kubestead: ")
        if is_token or secret.metadata.name == "kubeadm-certs":
            found.append(secret.metadata.name)
    return found


def power_on(cluster: Cluster, node: str) -> None:
    """Start a machine that has lost its power, and wait until one can log in."""
    cluster.act("start", node)
    login = [*nodes.ssh_command(cluster.lab, node), "true"]
    wait_for(f"{node} is up", lambda: run(login, check=False).returncode == 0, seconds=60)
