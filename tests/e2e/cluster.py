# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab's cluster as an operator sees it: run the playbook, look at nodes and machines, reach the API."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from kubernetes import client, config

from tests.lab import base, nodes
from tests.lab.lab import Lab, load, names

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
PROGRAM = Path(sys.executable).with_name("ansible-playbook")
ENDPOINT_PORT = 8443
API_PORT = 6443
LAB_UP_SECONDS = 1800  # The first one builds all artifacts.
SITE_SECONDS = 1800

Change = tuple[str, str, str]


@dataclass(frozen=True)
class Run:
    """One run of a playbook, with what the report callback wrote about it."""

    command: str
    rc: int
    seconds: float
    output: str
    report: dict[str, Any]

    @property
    def changed(self) -> set[Change]:
        """What the run changed, or with --check would change: play, task, host."""
        return {(play, task.removeprefix("kubestead.cluster."), host) for play, task, host in self.report["changed"]}

    @property
    def said(self) -> str:
        """The output without its line breaks: a long result is broken where the line ends."""
        return " ".join(self.output.split())

    @property
    def executions(self) -> dict[str, int]:
        """Modules that ran on each machine; the controller is none."""
        return {host: count for host, count in self.report["executions_per_host"].items() if host != "localhost"}

    def succeeded(self) -> Run:
        """This run, which must have gone well."""
        assert self.rc == 0, f"{self.command} ended with {self.rc}:\n{self.output[-6000:]}"
        return self


class Playbook:
    """A run of one of the collection's playbooks that is under way, in a process group of its own."""

    def __init__(self, name: str, inventory: Path, *options: str) -> None:
        self._command = " ".join([name, *options])
        self._scratch = tempfile.TemporaryDirectory(prefix="kubestead-e2e-")
        self._report = Path(self._scratch.name, "report.json")
        self._output = Path(self._scratch.name, "output")
        self._started = time.monotonic()
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [str(PROGRAM), str(ROOT / "playbooks" / name), "--inventory", str(inventory), *options],
                cwd=ROOT,
                env={
                    **os.environ,
                    "ANSIBLE_CALLBACKS_ENABLED": "kubestead.cluster.report",
                    "ANSIBLE_COLLECTIONS_PATH": str(BUILD / "collections"),
                    "KUBESTEAD_REPORT": str(self._report),
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        """What it has said so far."""
        return self._output.read_text(errors="replace")

    def kill(self) -> None:
        """End it and all its workers at once, as if the controller had lost its power."""
        with suppress(ProcessLookupError):  # It may have ended by itself.
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._scratch.cleanup()

    def finish(self) -> Run:
        """Wait for its end."""
        try:
            rc = self.process.wait(timeout=SITE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise
        seconds = time.monotonic() - self._started
        # Whoever can't tell what was changed must not pass for a run that changed nothing.
        assert self._report.exists(), self.output[-6000:]
        report = json.loads(self._report.read_text())
        run = Run(self._command, rc, seconds, self.output, report)
        self._scratch.cleanup()
        print(f"\n{run.command}: {run.seconds:.1f} s, {len(run.changed)} changed, rc {run.rc}")
        return run


def lab_command(*arguments: str) -> None:
    """A command of the lab; what it says is shown."""
    subprocess.run([sys.executable, "-m", "tests.lab", *arguments], cwd=ROOT, check=True, timeout=LAB_UP_SECONDS)


def wait_for(what: str, condition: Callable[[], object], seconds: float, interval: float = 0.5) -> None:
    """Wait until it holds. Being unable to ask counts as no; a timeout tells why."""
    deadline = time.monotonic() + seconds
    reason: object = "no"
    while time.monotonic() < deadline:
        try:
            if condition():
                return
            reason = "no"
        except Exception as error:
            reason = error
        time.sleep(interval)
    raise AssertionError(f"not within {seconds:.0f} s: {what} ({reason})")


class Cluster:
    """The machines of a lab, and the cluster that the playbook makes of them."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.inventory = lab.folder / "hosts.yml"
        self.kubeconfig = lab.folder / f"{lab.name}.kubeconfig"
        self.control_planes = [name for name, node in lab.nodes.items() if node.role == "kube_control_plane"]

    # The playbooks

    def start(self, playbook: str, *options: str) -> Playbook:
        """Begin a run of a playbook."""
        return Playbook(playbook, self.inventory, *options)

    def run(self, playbook: str, *options: str) -> Run:
        """Run a playbook."""
        return self.start(playbook, *options).finish()

    def site(self, *options: str) -> Run:
        """Run site.yml."""
        return self.run("site.yml", *options)

    # The machines

    def on(self, node: str, *command: str, check: bool = True) -> str:
        """Run a command as root on a machine."""
        return base.run(nodes.command_on(self.lab, node, command), check=check).stdout.strip()

    def act(self, action: str, node: str) -> None:
        """Do to a machine what happens to machines (kill, pause, ...)."""
        nodes.act(self.lab, action, node)

    def holders(self) -> list[str]:
        """Who has the virtual address."""
        return [name for name in self.control_planes if f" {self.lab.vip}/" in self.on(name, "ip", "-4", "address")]

    # The API

    @cached_property
    def api(self) -> Any:
        """The official client's connections, with the administrator's kubeconfig."""
        return config.new_client_from_config(str(self.kubeconfig))

    def ready_nodes(self) -> set[str]:
        """The nodes that are Ready."""
        return {
            node.metadata.name
            for node in client.CoreV1Api(self.api).list_node(_request_timeout=5).items
            if any(condition.type == "Ready" and condition.status == "True" for condition in node.status.conditions)
        }

    def heartbeats(self) -> dict[str, datetime]:
        """When each kubelet last renewed its lease: a node counts as Ready for a while after its end."""
        leases = client.CoordinationV1Api(self.api).list_namespaced_lease("kube-node-lease", _request_timeout=5)
        return {lease.metadata.name: lease.spec.renew_time for lease in leases.items}

    def etcd_members(self) -> list[dict[str, Any]]:
        """What etcd says of itself, by its JSON gateway."""
        pki = "/etc/kubernetes/pki/etcd"
        certificates = ["--cacert", f"{pki}/ca.crt", "--cert", f"{pki}/server.crt", "--key", f"{pki}/server.key"]
        url = "https://127.0.0.1:2379/v3/cluster/member/list"
        answer = json.loads(self.on(self.control_planes[0], "curl", "-fsS", *certificates, "-d", "{}", url))
        members: list[dict[str, Any]] = answer["members"]
        return members

    def healthy(self, since: datetime) -> bool:
        """Whether every node is Ready and has said so since then, every API server too, and one has the address."""
        beats = self.heartbeats()
        return (
            self.ready_nodes() == set(self.lab.nodes)
            and all(beats[name] > since for name in self.lab.nodes)
            and all(api_is_ready(self.lab.nodes[name].address, API_PORT) for name in self.control_planes)
            and len(self.holders()) == 1
        )

    def recover(self, seconds: float = 180) -> None:
        """Wait until all is well again."""
        since = datetime.now(UTC)
        wait_for("all nodes, API servers and the virtual address are well", lambda: self.healthy(since), seconds)


def api_is_ready(address: str, port: int) -> bool:
    """Whether an API server says that it is ready."""
    context = ssl._create_unverified_context()  # noqa: S323  nothing secret is sent
    try:
        with urllib.request.urlopen(f"https://{address}:{port}/readyz", timeout=2, context=context) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError as answer:
        with answer:  # It holds the connection.
            return False


def machines_of(name: str, control_planes: int, workers: int, *options: str) -> AbstractContextManager[Cluster]:
    """The lab that KUBESTEAD_E2E_<name>_LAB names, which is not removed; without that a fresh one."""
    there = os.environ.get(f"KUBESTEAD_E2E_{name.upper()}_LAB")
    return nullcontext(Cluster(load(there))) if there else fresh(f"e2e-{name}", control_planes, workers, *options)


@contextmanager
def fresh(name: str, control_planes: int, workers: int, *options: str) -> Iterator[Cluster]:
    """A lab of this name with bare machines, gone afterwards; more options of `up` may follow."""
    if name in names():
        lab_command("down", name)
    lab_command("up", name, "--control-planes", str(control_planes), "--workers", str(workers), *options)
    try:
        yield Cluster(load(name))
    finally:
        lab_command("down", name)
