# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks DNS for a name and a Service for its page, ten times a second each, with one retry each.

It runs with the standard library, in the network of a pod. For each probe it writes a line of JSON: [kind, start, end,
first, retried, same_port], in seconds of time.monotonic(). A DNS lookup is retried in both ways that resolvers have:
from a new port (glibc) and from the same port (musl), which kube-proxy sends to the same pod again. It ends with its
standard input, or after the given time.
"""

from __future__ import annotations

import json
import os
import random
import selectors
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

INTERVAL = 0.1
TIMEOUT = 2.0
THREADS = 96
NAME = "kubernetes.default.svc.cluster.local"

_printing = threading.Lock()


def query(number: int, name: str) -> bytes:
    """Return a DNS query for the IPv4 address of a name (RFC 1035, section 4)."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", 1, 1)


def is_answer(message: bytes, number: int) -> bool:
    """Return whether a DNS message answers the query of this number with an address."""
    if len(message) < 12:
        return False
    found, flags, _questions, answers = struct.unpack("!4H", message[:8])
    return bool(found == number and flags & 0x8000 and not flags & 0x000F and answers)


def ask(sockets: list[socket.socket], name: str, timeout: float = TIMEOUT) -> list[bool]:
    """Send a query through each socket at once, and return for each whether it was answered in time."""
    number = random.randrange(1 << 16)  # noqa: S311  no secret
    answered: set[socket.socket] = set()
    deadline = time.monotonic() + timeout
    with selectors.DefaultSelector() as selector:
        for one in sockets:
            selector.register(one, selectors.EVENT_READ, one)
            try:
                one.send(query(number, name))
            except OSError:
                selector.unregister(one)
        while selector.get_map() and (left := deadline - time.monotonic()) > 0:
            for key, _events in selector.select(left):
                one = key.data
                try:
                    message = one.recv(4096)
                except OSError:
                    selector.unregister(one)
                    continue
                # An answer to an earlier query may come late.
                if is_answer(message, number):
                    answered.add(one)
                    selector.unregister(one)
    return [one in answered for one in sockets]


def datagram(address: str, port: int) -> socket.socket:
    """Return a socket with a port of its own for questions to a server."""
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.connect((address, port))
    return made


def look_up(address: str, port: int = 53) -> list[bool]:
    """Look a name up; return whether the first try was answered, a retry from a new port, one from the same port."""
    with datagram(address, port) as first:
        if ask([first], NAME) == [True]:
            return [True, True, True]
        with datagram(address, port) as second:
            retried, same_port = ask([second, first], NAME)
    return [False, retried, same_port]


def fetch(address: str, port: int) -> bool:
    """Return whether a server answers a request over a new connection."""
    try:
        with socket.create_connection((address, port), timeout=TIMEOUT) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return connection.recv(4096).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def fetch_twice(address: str, port: int) -> list[bool]:
    """Return whether a server answers, and whether it does with one retry. Each connection has a new port."""
    if fetch(address, port):
        return [True, True, True]
    retried = fetch(address, port)
    return [False, retried, retried]


def probe(kind: str, act: Callable[[str, int], list[bool]], address: str, port: int) -> None:
    """Make one probe, with its line of output."""
    start = time.monotonic()
    found = act(address, port)
    with _printing:
        print(json.dumps([kind, start, time.monotonic(), *found]), flush=True)


def main() -> None:
    """Probe by a fixed schedule: one that is late does not move the next."""
    dns, service, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    end = time.monotonic() + seconds

    def end_with_input() -> None:
        sys.stdin.read()
        os._exit(0)

    threading.Thread(target=end_with_input, daemon=True).start()
    with ThreadPoolExecutor(max_workers=THREADS) as pool:
        due = time.monotonic()
        while due < end:
            pool.submit(probe, "dns", look_up, dns, 53)
            pool.submit(probe, "service", fetch_twice, service, 80)
            due += INTERVAL
            time.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    main()
