# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pod's probes count as answered."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.e2e import pod_probe
from tests.e2e.workload import PodProbe, PodRecording, Reachability, reachability

# An answer with one address, without the record itself.
ANSWER = struct.pack("!6H", 0, 0x8180, 1, 1, 0, 0)


@contextmanager
def dns_server(answers: Callable[[int, int], bytes]) -> Iterator[int]:
    """Serve DNS: `answers` gets how many queries have come, and from how many ports; no bytes are no answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        ports: list[int] = []

        def serve() -> None:
            while True:
                message, sender = server.recvfrom(512)
                if message == b"end":
                    return
                ports.append(sender[1])
                answer = answers(len(ports), len(set(ports)))
                if answer:
                    server.sendto(message[:2] + answer[2:], sender)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            with pod_probe.datagram("127.0.0.1", server.getsockname()[1]) as end:
                end.send(b"end")
            thread.join()


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (lambda _query, _ports: ANSWER, [True, True, True]),
        (lambda _query, _ports: b"", [False, False, False]),
        # The retry from a new port is sent before the one from the same port.
        (lambda query, ports: ANSWER if (query, ports) == (2, 2) else b"", [False, True, False]),
        (lambda query, ports: ANSWER if (query, ports) == (3, 2) else b"", [False, False, True]),
        # NXDOMAIN, and nothing that is a message.
        (lambda _query, _ports: struct.pack("!6H", 0, 0x8183, 1, 1, 0, 0), [False, False, False]),
        (lambda _query, _ports: b"short", [False, False, False]),
    ],
)
def test_look_up(monkeypatch: pytest.MonkeyPatch, answers: Callable[[int, int], bytes], expected: list[bool]) -> None:
    monkeypatch.setattr(pod_probe.ask, "__defaults__", (0.2,))
    with dns_server(answers) as port:
        found = pod_probe.look_up("127.0.0.1", port)
    assert found == expected


def test_query() -> None:
    assert pod_probe.query(7, "a.bc") == b"\0\7\1\0\0\1\0\0\0\0\0\0\1a\2bc\0\0\1\0\1"


def probe(
    start: float, first: bool = True, retried: bool = True, same_port: bool = True, kind: str = "dns"
) -> PodProbe:
    return PodProbe(start, start + 0.01, kind, first, retried, same_port)


def test_reachability() -> None:
    probes = [
        probe(9.9, False, False, False),
        probe(10.0),
        probe(10.1, False),
        probe(10.2, False, True, False),
        probe(12.34, False, False, False),
        probe(13.0),
        probe(14.0, False, kind="service"),
    ]
    assert reachability(probes, "dns", 10.0) == Reachability(5, 3, 1, 2, 2.3, {0: 2, 2: 1})
    assert reachability(probes, "dns", 10.0, probes[0].start) == Reachability(0, 0, 0, 0, 0.0, {})
    assert reachability(probes, "service", 14.1) == Reachability(0, 0, 0, 0, 0.0, {})


@pytest.mark.parametrize(("failed", "gap", "expected"), [(False, 0.0, True), (True, 0.0, False), (False, 4.0, False)])
def test_steady(monkeypatch: pytest.MonkeyPatch, failed: bool, gap: float, expected: bool) -> None:
    monkeypatch.setattr("tests.e2e.workload.time.monotonic", lambda: 100.0)
    probes = [probe(90 + 0.1 * index, kind=kind) for index in range(100) for kind in ("dns", "service")]
    found = [one for one in probes if one.start < 100 - gap]
    if failed:
        found.append(probe(97.0, False))
    assert PodRecording(found).steady(5.0) is expected
