# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One machine has the virtual IP, and the API answers, through the life of a cluster: built on one control plane, grown
with and without --limit, changed, partitioned, visited by a machine that left it, reset.

The tests are steps of that life, in this order.
"""

from __future__ import annotations

import base64
import json
import re
import socket
import ssl
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from cryptography import x509

from tests.lab.base import run as run_program
from tests.lab.lab import Lab, load

from . import results
from .cluster import BUILD, ENDPOINT_PORT, Cluster, Run, fresh, lab_command, wait_for
from .probe import Probe, Recording, outages, problems, recording
from .watcher import Watch, overlaps, watching

LAB = "e2e-vip"
#: No step keeps clients waiting for longer (seconds).
LONGEST_OUTAGE = 1.0
#: A client with a wrong neighbour entry finds the holder in this time (seconds).
NEIGHBOUR_SECONDS = 10.0
#: hard-stop-after of haproxy.cfg, and some time for a busy machine.
WATCH_SECONDS = 45.0
#: After an etcd member has left, the API of the others needs a moment to be asked elsewhere.
STEADY_SECONDS = 3.0


@dataclass
class Life:
    """The cluster with the machines that it has by now, and the options of its runs."""

    options: list[str]

    @property
    def cluster(self) -> Cluster:
        """The cluster of now."""
        return Cluster(load(LAB))

    @property
    def lab(self) -> Lab:
        """The lab of now."""
        return load(LAB)

    def site(self, *options: str) -> Run:
        """Run site.yml."""
        return self.cluster.site(*self.options, *options)

    def holder(self) -> str:
        """The only machine that has the address."""
        (holder,) = self.cluster.holders()
        return holder


@pytest.fixture(scope="module")
def life() -> Iterator[Life]:
    """One bare machine. The lab gives no virtual IP to a cluster of one control plane."""
    with fresh(LAB, 1, 0) as cluster:
        yield Life(["-e", f"cluster_vip={cluster.lab.vip}"])


@contextmanager
def observed(life: Life, step: str, *, failures: bool, probed: bool = True) -> Iterator[tuple[Watch, Recording]]:
    """Watch a step; afterwards one machine had the address all the time, and no outage was longer than allowed.

    `failures`: something dies in this step, so that probes may fail. Otherwise none may. What was measured is added to
    the report.
    """
    with watching(life.lab) as watch, recording(life.lab.vip, ENDPOINT_PORT) as record:
        if probed:
            wait_for("the API answers", lambda: record.steady(STEADY_SECONDS), 120)
        begun = time.monotonic()
        yield watch, record
        if probed:
            wait_for("the API answers", lambda: record.steady(STEADY_SECONDS), 60)
        ended = time.monotonic()
    watch.expect_one_holder(begun)
    if not probed:
        return
    probes = [probe for probe in record.since(begun) if probe.start < ended]
    longest = report(step, probes, [sorted(holders) for holders in watch.holders(begun)])
    assert longest <= LONGEST_OUTAGE, problems(probes)
    assert failures or problems(probes) == {}


def report(step: str, probes: Sequence[Probe], holders: Sequence[list[str]] = ()) -> float:
    """Keep what was measured beside the failovers, and show it; return the longest outage in seconds."""
    found = outages(probes)
    longest = max((outage.seconds for outage in found), default=0.0)
    failed, why = sum(outage.failed for outage in found), problems(probes)
    values = {"seconds": longest, "failed_probes": failed, "probes": len(probes), "holders": holders, "problems": why}
    results.add(BUILD / "failover.json", step, values)
    print(
        f"\n{step}: longest outage {longest:.2f} s, {failed} of {len(probes)} probes failed, holders {holders}; {why}"
    )
    return longest


def test_first_build(life: Life) -> None:
    """The address is taken once, by the only control plane."""
    with observed(life, "first build", failures=False, probed=False) as (watch, _record):
        life.site().succeeded()
        wait_for("cp1 is seen to hold the address", lambda: watch.holders() == [frozenset({"cp1"})], 10)


def test_grow_with_limit(life: Life) -> None:
    """A control plane that joins by a limited run stands by once a run without --limit has told the others of it."""
    with observed(life, "grow with --limit", failures=False):
        lab_command("add", LAB, "cp2")
        limited = life.site("--limit", "cp2").succeeded()
        assert "cp2: not standing by for the virtual IP yet" in limited.said
        assert {host for _play, _task, host in limited.changed} == {"cp2"}
        assert life.holder() == "cp1"
    with observed(life, "the run without --limit afterwards", failures=False):
        assert "not standing by" not in life.site().succeeded().said
        assert life.holder() == "cp1"
    assert_standing_by(life)
    assert life.site().succeeded().changed == set()


def assert_standing_by(life: Life) -> None:
    """keepalived runs on every control plane."""
    cluster = life.cluster
    ask = ("systemctl", "is-active", "keepalived")
    states = {name: cluster.on(name, *ask, check=False) for name in cluster.control_planes}
    assert set(states.values()) == {"active"}, states


@pytest.mark.full
def test_grow_without_limit(life: Life) -> None:
    with observed(life, "grow 2 -> 3", failures=False):
        lab_command("add", LAB, "cp3")
        life.site().succeeded()
        assert life.holder() == "cp1"
    with observed(life, "grow 3 -> 4 with --limit", failures=False):
        lab_command("add", LAB, "cp4")
        life.site("--limit", "cp4").succeeded()
        assert life.holder() == "cp1"
    with observed(life, "grow 4 -> 5, and two workers", failures=False):
        lab_command("add", LAB, "cp5", "w1", "w2")
        life.site().succeeded()
        assert life.holder() == "cp1"
    assert_standing_by(life)
    assert life.site().succeeded().changed == set()


@pytest.mark.full
def test_a_setting_of_keepalived_changes(life: Life) -> None:
    """keepalived reloads on all machines; the address stays where it is."""
    life.options += ["-e", "load_balancer_advert_interval=0.15"]
    with observed(life, "keepalived's interval changed", failures=False):
        run = life.site().succeeded()
        assert {host for _play, _task, host in run.changed} == set(life.cluster.control_planes)
        assert life.holder() == "cp1"


@pytest.mark.full
def test_a_setting_of_containerd_changes(life: Life) -> None:
    """containerd restarts on one control plane after the other, the holder of the address last, then on the workers."""
    life.options += ["-e", json.dumps({"containerd_configuration": DEBUG})]
    plan = life.site("--check", "--diff").succeeded()
    with observed(life, "containerd's configuration changed", failures=False):
        run = life.site().succeeded()
    assert run.changed == plan.changed
    assert {play for play, _task, _host in run.changed} == {"Restart node by node"}
    started = restarts(life)
    order = sorted(started, key=lambda name: started[name])
    assert order[4] == "cp1"
    assert sorted(order[5:]) == ["w1", "w2"]
    times = sorted(started.values())
    # Between two restarts the gate has heard the kubelet of the first node again.
    assert all(later - earlier > 1 for earlier, later in pairwise(times)), times
    assert life.site().succeeded().changed == set()


DEBUG = {"debug": {"level": "warn"}, "plugins": {"io.containerd.grpc.v1.cri": {"restrict_oom_score_adj": True}}}


def restarts(life: Life) -> dict[str, float]:
    """Machine -> when its containerd was started, in seconds of the monotonic clock, which all machines share."""
    cluster = life.cluster
    show = ("systemctl", "show", "--value", "--property=ActiveEnterTimestampMonotonic", "containerd")
    return {name: int(cluster.on(name, *show)) / 1e6 for name in cluster.lab.nodes}


@pytest.mark.full
def test_a_watch_ends_after_haproxy_was_reloaded(life: Life) -> None:
    """The old worker keeps connections and checks no servers: a watch to a machine that dies then must not hang."""
    cluster = life.cluster
    holder = life.holder()
    other, connection = watch_through(cluster, holder)
    with connection:
        cluster.on(holder, "systemctl", "reload", "haproxy")
        # Long enough for the old worker to be the old one; the watch is still with it.
        time.sleep(2)
        cluster.act("pause", other)
        died = time.monotonic()
        try:
            connection.settimeout(WATCH_SECONDS)
            while connection.recv(65536):
                pass
        finally:
            cluster.act("unpause", other)
    seconds = time.monotonic() - died
    print(f"\na watch through the old worker ended {seconds:.1f} s after its server had died")
    assert seconds < WATCH_SECONDS
    cluster.recover()


def watch_through(cluster: Cluster, holder: str) -> tuple[str, ssl.SSLSocket]:
    """A raw watch through the virtual IP to an API server on another machine than its holder.

    haproxy passes TLS on, so the certificate names the API server's node.
    """
    user = yaml.safe_load(cluster.kubeconfig.read_text())["users"][0]["user"]
    context = ssl._create_unverified_context()  # noqa: S323  the lab's own network
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as pair:
        for name in ("client-certificate-data", "client-key-data"):
            pair.write(base64.b64decode(user[name]).decode())
        pair.flush()
        context.load_cert_chain(pair.name)
    for _attempt in range(20):
        plain = socket.create_connection((cluster.lab.vip, ENDPOINT_PORT), timeout=5)
        connection = context.wrap_socket(plain)
        certificate = x509.load_der_x509_certificate(connection.getpeercert(binary_form=True) or b"")
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        (server,) = set(names.get_values_for_type(x509.DNSName)) & set(cluster.control_planes)
        if server != holder:
            path = "/api/v1/namespaces?watch=true&timeoutSeconds=3000"
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: kubernetes\r\n\r\n".encode())
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
            return server, connection
        connection.close()
    raise AssertionError(f"20 connections to the virtual IP all reached {holder}")


@pytest.mark.full
def test_a_wrong_neighbour_entry_is_corrected(life: Life) -> None:
    """A client that believes the address to be at another machine is told the truth by the holder."""
    cluster = life.cluster
    other = next(name for name in cluster.control_planes if name != life.holder())
    mac = cluster.on(other, "cat", "/sys/class/net/eth0/address")
    with recording(cluster.lab.vip, ENDPOINT_PORT) as record:
        wait_for("the API answers", lambda: record.steady(STEADY_SECONDS), 60)
        planted = time.monotonic()
        bridge = f"kslab{cluster.lab.number}"
        run_program(["ip", "neigh", "replace", cluster.lab.vip, "lladdr", mac, "dev", bridge, "nud", "reachable"])
        time.sleep(NEIGHBOUR_SECONDS)
        wait_for("the API answers", lambda: record.steady(STEADY_SECONDS), 60)
        ended = time.monotonic()
    longest = report("wrong neighbour entry", [probe for probe in record.since(planted - 1) if probe.start < ended])
    # Without a failure the entry was not wrong.
    assert 0 < longest <= NEIGHBOUR_SECONDS


@pytest.mark.full
def test_a_partition_heals(life: Life) -> None:
    """The holder's cable is pulled at the switch, where the machine can't see it, and put back."""
    cluster = life.cluster
    before = life.holder()
    link = host_link(cluster, before)
    bridge = f"kslab{cluster.lab.number}"
    with watching(cluster.lab) as watch, recording(cluster.lab.vip, ENDPOINT_PORT) as record:
        wait_for("the API answers", lambda: record.steady(STEADY_SECONDS), 60)
        begun = time.monotonic()
        run_program(["ip", "link", "set", link, "nomaster"])
        try:
            time.sleep(8)
            wait_for("the API answers", lambda: record.steady(STEADY_SECONDS), 60)
        finally:
            healing = time.monotonic()
            run_program(["ip", "link", "set", link, "master", bridge])
        time.sleep(5)
        wait_for("the API answers", lambda: record.steady(STEADY_SECONDS), 60)
        ended = time.monotonic()
    longest = report("partition of the holder", [probe for probe in record.since(begun) if probe.start < ended])
    # Clients reach one holder while the network is divided. Once it is whole, the two hear each
    # other within one advertisement.
    both = overlaps(watch.since(begun), by_arp=True)
    print(f"two machines answered after the partition: {both}")
    assert overlaps([sample for sample in watch.since(begun) if sample.moment < healing], by_arp=True) == []
    assert sum(overlap.seconds for overlap in both) <= 0.5
    assert 0 < longest <= LONGEST_OUTAGE
    assert len(life.cluster.holders()) == 1
    cluster.recover()


def host_link(cluster: Cluster, name: str) -> str:
    """The end of a machine's cable on this computer."""
    index = cluster.on(name, "cat", "/sys/class/net/eth0/iflink")
    listing = run_program(["ip", "-o", "link", "show"]).stdout
    match = re.search(rf"^{index}: ([^:@]+)", listing, re.MULTILINE)
    assert match, listing
    return match[1]


@pytest.mark.full
def test_a_control_plane_out_of_the_inventory_comes_back(life: Life) -> None:
    """Its keepalived may not start, as the holder does not know it any longer."""
    cluster = life.cluster
    leaving = cluster.control_planes[-1]
    assert leaving == "cp5"
    assert life.holder() != leaving
    with observed(life, "control plane out of the inventory comes back", failures=True) as (watch, _record):
        cluster.act("kill", leaving)
        cluster.inventory = without(cluster, leaving)
        run = cluster.site(*life.options).succeeded()
        # It is a member of etcd all the same, so the others list it as a peer, and it hears the holder when it returns.
        assert leaving in run.said
        cluster.act("start", leaving)
        time.sleep(20)
        assert len(watch.holders()[-1]) == 1


def without(cluster: Cluster, name: str) -> Path:
    """An inventory without one host."""
    inventory = yaml.safe_load(cluster.inventory.read_text())
    for group in inventory.values():
        group.get("hosts", {}).pop(name, None)
    path = cluster.lab.folder / "left.yml"
    path.write_text(yaml.safe_dump(inventory))
    return path


@pytest.mark.full
def test_reset_of_the_holder(life: Life) -> None:
    """The address moves before its machine ends, and the others go on."""
    holder = life.holder()
    with observed(life, "reset of the holder", failures=True) as (watch, _record):
        confirmed = ("-e", f"reset_confirm={life.lab.name}")
        life.cluster.run("reset.yml", "--limit", holder, *confirmed, *life.options).succeeded()
        time.sleep(STEADY_SECONDS)
        assert holder not in watch.holders()[-1]
    members = {member["name"] for member in life.cluster.etcd_members()}
    assert holder not in members
