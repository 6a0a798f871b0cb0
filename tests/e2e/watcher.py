# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watches who has the virtual IP, ten times a second, on all machines of a lab and on its network.

All machines of a lab share this computer's kernel, so one process reads their addresses in /proc and one clock times
them.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.kubestead.cluster.plugins.module_utils._virtual_ip import arp_probe, arp_sender, arp_socket
from ansible_collections.kubestead.cluster.plugins.modules.node_verify import holds
from tests.lab import engine
from tests.lab.lab import Lab, load

INTERVAL = 0.1
#: Machines that are added or started are found after this time.
REFRESH_SECONDS = 1.0


@dataclass(frozen=True)
class Sample:
    """One moment: the machines that have the address, and the hardware addresses that answered for it by ARP."""

    moment: float
    holders: frozenset[str]
    answers: frozenset[str]


@dataclass(frozen=True)
class Overlap:
    """A time with more than one holder."""

    seconds: float
    holders: frozenset[str]


def overlaps(samples: list[Sample], *, by_arp: bool = False) -> list[Overlap]:
    """The times with more than one holder, or with more than one machine that answers; a lone sample lasts 0 s."""
    found: list[Overlap] = []
    begun: float | None = None
    seen: frozenset[str] = frozenset()
    for sample in samples:
        several = sample.answers if by_arp else sample.holders
        if len(several) > 1:
            begun = sample.moment if begun is None else begun
            seen |= several
            last = sample.moment
        elif begun is not None:
            found.append(Overlap(round(last - begun, 2), seen))
            begun, seen = None, frozenset()
    if begun is not None:
        found.append(Overlap(round(samples[-1].moment - begun, 2), seen))
    return found


@dataclass
class Watch:
    """What was seen so far."""

    samples: list[Sample] = field(default_factory=list)

    def since(self, moment: float) -> list[Sample]:
        """The samples after a moment of time.monotonic()."""
        return [sample for sample in self.samples if sample.moment >= moment]

    def holders(self, moment: float = 0.0) -> list[frozenset[str]]:
        """The sets of holders in their order, each once; times without a holder are left out."""
        found: list[frozenset[str]] = []
        for sample in self.since(moment):
            if sample.holders and (not found or found[-1] != sample.holders):
                found.append(sample.holders)
        return found

    def expect_one_holder(self, moment: float = 0.0) -> None:
        """At no moment two machines have the address or answer for it; and the watch did see a holder."""
        samples = self.since(moment)
        seconds = samples[-1].moment - samples[0].moment
        assert len(samples) > 5 * seconds, f"only {len(samples)} samples in {seconds:.0f} s"
        assert any(sample.holders for sample in samples), "no holder was ever seen"
        for by_arp in (False, True):
            found = overlaps(samples, by_arp=by_arp)
            assert found == [], f"two machines {'answered' if by_arp else 'had the address'}: {found}"


def namespaces(lab: Lab) -> dict[str, int]:
    """Machine -> a process in its network namespace, of the machines that run."""
    control_planes = [name for name in load(lab.name).nodes if name.startswith("cp")]
    form = "{{.Name}} {{.State.Pid}}"
    listing = engine.docker("inspect", "--format", form, *map(lab.container, control_planes), check=False)
    pids = {name: int(pid) for name, pid in (line.removeprefix("/").rsplit(" ", 1) for line in listing.splitlines())}
    return {name: pids[lab.container(name)] for name in control_planes if pids.get(lab.container(name))}


def has_address(pid: int, address: str) -> bool:
    """Whether a machine has an address; one that goes away has none."""
    try:
        return bool(holds(Path(f"/proc/{pid}/net/fib_trie").read_text(), address))
    except OSError:
        return False


def answers(arp: socket.socket, mac: bytes, address: str, until: float) -> frozenset[str]:
    """Ask the network who has the address, and take the answers that come in time."""
    found = set()
    with contextlib.suppress(OSError):
        arp.send(arp_probe(mac, address))
    while (remaining := until - time.monotonic()) > 0 and select.select([arp], [], [], remaining)[0]:
        frame, source = arp.recvfrom(2048)
        claimed = arp_sender(frame, address)
        # Only what is sent to the asker: a new holder's announcement may come after the answer of the one before.
        if claimed and source[2] == socket.PACKET_HOST:
            found.add(claimed)
    return frozenset(found)


@contextmanager
def watching(lab: Lab) -> Iterator[Watch]:
    """Watch while the body runs."""
    watch = Watch()
    over = threading.Event()
    pids: dict[str, int] = namespaces(lab)

    def refresh() -> None:
        nonlocal pids
        while not over.wait(REFRESH_SECONDS):
            pids = namespaces(lab)

    def sample() -> None:
        with arp_socket(f"kslab{lab.number}") as arp:
            mac = arp.getsockname()[4]
            due = time.monotonic()
            while not over.is_set():
                holders = frozenset(name for name, pid in pids.items() if has_address(pid, lab.vip))
                due = max(due + INTERVAL, time.monotonic() + 0.02)
                watch.samples.append(Sample(time.monotonic(), holders, answers(arp, mac, lab.vip, due)))

    threads = [threading.Thread(target=target, daemon=True) for target in (refresh, sample)]
    for thread in threads:
        thread.start()
    try:
        yield watch
    finally:
        over.set()
        for thread in threads:
            thread.join(timeout=10)
