# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks an API 20 times a second whether it is ready, each time by a new connection.

Every probe has a thread of its own, so that one that hangs does not delay the next. Run as a program it writes one
line of JSON for each probe, until it is ended: [start, end, whether it was answered, why not], in seconds of
time.monotonic().
"""

from __future__ import annotations

import http.client
import json
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

INTERVAL = 0.05
# Shorter than the second after which a lost SYN is sent again: that is a failed probe. An answer that a busy processor
# delays is not.
TIMEOUT = 0.9
# Probes under way at a time: all those of the longest that one may take, which is a timeout for each of its steps.
THREADS = 64

_context = ssl._create_unverified_context()  # noqa: S323  nothing secret is sent
_printing = threading.Lock()


@dataclass(frozen=True, order=True)
class Probe:
    """One question to the API."""

    start: float
    end: float
    answered: bool
    # The status of another answer than 200, or the error.
    problem: str = ""


@dataclass(frozen=True)
class Outage:
    """A time without an answer."""

    seconds: float
    failed: int


def outages(probes: Iterable[Probe]) -> list[Outage]:
    """The gaps from the last answered probe before a failed one to the next answer; an open one lasts to the end."""
    found: list[Outage] = []
    last_answer: float | None = None
    failed = 0
    end = 0.0
    for probe in sorted(probes):
        end = probe.end
        if not probe.answered:
            failed += 1
            last_answer = probe.start if last_answer is None else last_answer
            continue
        if failed and last_answer is not None:
            found.append(Outage(round(probe.end - last_answer, 3), failed))
        failed = 0
        last_answer = probe.start
    if failed and last_answer is not None:
        found.append(Outage(round(end - last_answer, 3), failed))
    return found


def problems(probes: Iterable[Probe]) -> dict[str, int]:
    """Why probes were not answered, with how many of each."""
    return dict(Counter(probe.problem for probe in probes if not probe.answered))


@dataclass
class Recording:
    """The probes so far of a prober that runs."""

    probes: list[Probe] = field(default_factory=list)

    def since(self, moment: float) -> list[Probe]:
        """The probes that began after a moment."""
        return [probe for probe in self.probes if probe.start >= moment]

    def steady(self, seconds: float) -> bool:
        """Whether all probes of the last seconds were answered, and there were about as many as there should be."""
        now = time.monotonic()
        recent = [probe for probe in self.since(now - seconds) if probe.end < now]
        return len(recent) > 0.7 * seconds / INTERVAL and all(probe.answered for probe in recent)


@contextmanager
def recording(address: str, port: int) -> Iterator[Recording]:
    """Probe in a process of its own while the body runs."""
    command = [sys.executable, str(Path(__file__)), address, str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as prober:
        record = Recording()

        def collect() -> None:
            assert prober.stdout is not None
            for line in prober.stdout:
                record.probes.append(Probe(*json.loads(line)))

        reader = threading.Thread(target=collect)
        reader.start()
        try:
            yield record
        finally:
            prober.terminate()
            reader.join()


def ask(address: str, port: int) -> None:
    """One probe, with its line of output."""
    start = time.monotonic()
    connection = http.client.HTTPSConnection(address, port, timeout=TIMEOUT, context=_context)
    # Of the three that may end in a timeout, the one that did is in the message.
    step = "connect"
    try:
        connection.connect()
        step = "request"
        connection.request("GET", "/readyz")
        step = "answer"
        status = connection.getresponse().status
        problem = "" if status == http.HTTPStatus.OK else f"status {status}"
    except (OSError, http.client.HTTPException) as error:
        problem = f"{step}: {error!r}"
    finally:
        connection.close()
    with _printing:
        print(json.dumps([start, time.monotonic(), not problem, problem]), flush=True)


def main() -> None:
    """Probe by a fixed schedule: one that is late does not move the next."""
    address, port = sys.argv[1], int(sys.argv[2])
    with ThreadPoolExecutor(max_workers=THREADS) as pool:
        due = time.monotonic()
        while True:
            pool.submit(ask, address, port)
            due += INTERVAL
            time.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    main()
