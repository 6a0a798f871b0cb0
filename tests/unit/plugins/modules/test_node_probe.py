# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe on the loopback interface: real sockets and a real daemon."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.kubestead.cluster.plugins.modules import node_probe

LOOPBACK = "127.0.0.1"
NONCE = "nonce-of-this-run"
OTHER = "nonce-of-another"
RUN = """
import json, sys
from ansible.module_utils.testing import patch_module_args
from ansible_collections.kubestead.cluster.plugins.modules import node_probe
with patch_module_args(json.loads(sys.argv[1])):
    node_probe.main()
"""


def free_ports(kind: socket.SocketKind, count: int) -> list[int]:
    sockets = [socket.socket(socket.AF_INET, kind) for _number in range(count)]
    for one in sockets:
        one.bind((LOOPBACK, 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def run_module(**arguments: Any) -> dict[str, Any]:
    """Run the module in a process of its own, with pipes for its streams as Ansible has them over SSH.

    subprocess reads until the pipes are closed: a daemon that kept one of them would let this wait for its end.
    """
    done = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps({"nonce": NONCE, **arguments})],
        check=True,
        capture_output=True,
        text=True,
        timeout=10,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent to look does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def wait_for_end(pid: int, timeout: float) -> float:
    start = time.monotonic()
    while alive(pid):
        assert time.monotonic() - start < timeout, f"listener {pid} still runs after {timeout} s"
        time.sleep(0.05)
    return time.monotonic() - start


def ports_of(tcp: list[int], udp: list[int]) -> list[dict[str, Any]]:
    return [{"port": port, "protocol": "tcp"} for port in tcp] + [{"port": port, "protocol": "udp"} for port in udp]


@pytest.mark.parametrize(("address", "check_mode"), [("", False), (LOOPBACK, True)])
def test_listen_then_connect_then_end(address: str, check_mode: bool) -> None:
    tcp, udp = free_ports(socket.SOCK_STREAM, 2), free_ports(socket.SOCK_DGRAM, 1)
    ports = ports_of(tcp, udp)
    start = time.monotonic()
    # The timeout passes without effect once somebody has connected.
    listener = run_module(state="listen", ports=ports, address=address, timeout=30, _ansible_check_mode=check_mode)
    assert time.monotonic() - start < 8
    assert listener["changed"] is False
    assert (listener["listening"], listener["busy"]) == (ports, [])

    targets = [{"host": "cp1", "address": LOOPBACK, "ports": ports}]
    reached = run_module(state="connect", targets=targets, _ansible_check_mode=check_mode)
    assert reached["changed"] is False
    assert reached["results"] == [
        {"host": "cp1", "address": LOOPBACK, **port, "open": True, "error": None} for port in ports
    ]
    assert alive(listener["pid"])
    assert wait_for_end(listener["pid"], timeout=8) > 3
    assert [item["error"] for item in node_probe.connect(targets, NONCE.encode(), 1.0)] == ["connection refused"] * 3


def test_a_listener_that_nobody_uses_ends_at_its_timeout() -> None:
    listener = run_module(state="listen", ports=ports_of(free_ports(socket.SOCK_STREAM, 1), []), timeout=1.5)
    assert alive(listener["pid"])
    wait_for_end(listener["pid"], timeout=4)


def test_the_daemon_holds_nothing_but_its_sockets() -> None:
    listener = run_module(state="listen", ports=ports_of(free_ports(socket.SOCK_STREAM, 1), []), timeout=2)
    process = Path(f"/proc/{listener['pid']}")
    assert (process / "cwd").readlink() == Path("/")
    streams = [str((process / "fd" / str(number)).readlink()) for number in range(3)]
    assert streams == [os.devnull] * 3
    others = {
        str(path.readlink()).split(":", maxsplit=1)[0] for path in (process / "fd").iterdir() if int(path.name) > 2
    }
    assert others == {"socket", "anon_inode"}
    # Its own session, and no child of this one.
    parent, _group, session = (process / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1:4]
    assert int(session) not in (os.getsid(0), 0)
    assert int(parent) != os.getpid()
    wait_for_end(listener["pid"], timeout=4)


def test_busy_ports_are_left_to_their_owner() -> None:
    with socket.create_server((LOOPBACK, 0)) as owner:
        port = owner.getsockname()[1]
        busy = run_module(state="listen", ports=[{"port": port}], address=LOOPBACK)
    assert busy["listening"] == []
    assert busy["busy"] == [{"port": port, "protocol": "tcp", "error": os.strerror(errno.EADDRINUSE)}]
    assert busy["pid"] is None


def test_listener_over_ipv6() -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 on this machine")
    ports = ports_of(free_ports(socket.SOCK_STREAM, 1), free_ports(socket.SOCK_DGRAM, 1))
    listener = run_module(state="listen", ports=ports, address="::1", timeout=2)
    assert listener["listening"] == ports
    results = node_probe.connect([{"host": "a", "address": "::1", "ports": ports}], NONCE.encode(), 1.0)
    assert [item["open"] for item in results] == [True, True]


def test_refused_silent_and_unreachable_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    (closed,) = free_ports(socket.SOCK_STREAM, 1)
    assert node_probe.try_port("a", LOOPBACK, closed, "tcp", NONCE.encode(), 1.0)["error"] == "connection refused"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((LOOPBACK, 0))
        start = time.monotonic()
        silence = node_probe.try_port("a", LOOPBACK, silent.getsockname()[1], "udp", NONCE.encode(), 0.4)
        assert 0.35 < time.monotonic() - start < 2
    assert (silence["open"], silence["error"]) == (False, "timed out after 0.4 s")

    def unreachable(*_arguments: Any) -> None:
        raise OSError(errno.ENETUNREACH, "Network is unreachable")

    monkeypatch.setattr(node_probe, "try_tcp", unreachable)
    assert node_probe.try_port("a", LOOPBACK, closed, "tcp", NONCE.encode(), 1.0)["error"] == "no route to host"


def test_a_full_backlog_is_silence() -> None:
    with socket.socket() as server:
        server.bind((LOOPBACK, 0))
        server.listen(0)
        fillers = []
        try:
            for _number in range(3):
                filler = socket.socket()
                filler.setblocking(False)
                filler.connect_ex(server.getsockname())
                fillers.append(filler)
            result = node_probe.try_port("a", LOOPBACK, server.getsockname()[1], "tcp", NONCE.encode(), 0.3)
        finally:
            for filler in fillers:
                filler.close()
    assert result["error"] == "timed out after 0.3 s"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (TimeoutError(), "timed out after 2 s"),
        (OSError(errno.ETIMEDOUT, "Connection timed out"), "timed out after 2 s"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), "connection refused"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "no route to host"),
        (OSError(errno.EPERM, "Operation not permitted"), "Operation not permitted"),
        (OSError("odd"), "odd"),
    ],
)
def test_explain(error: OSError, text: str) -> None:
    assert node_probe.explain(error, 2.0) == text


def test_tries_run_side_by_side() -> None:
    silent = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _number in range(10)]
    try:
        for one in silent:
            one.bind((LOOPBACK, 0))
        ports = ports_of([], [one.getsockname()[1] for one in silent])
        start = time.monotonic()
        results = node_probe.connect([{"host": "a", "address": LOOPBACK, "ports": ports}], NONCE.encode(), 0.5)
        assert time.monotonic() - start < 3
    finally:
        for one in silent:
            one.close()
    assert [item["open"] for item in results] == [False] * 10


def test_an_echo_of_something_else_is_no_answer_and_a_second_datagram_is_sent() -> None:
    received: list[bytes] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((LOOPBACK, 0))
        server.settimeout(5)

        def play() -> None:
            data, peer = server.recvfrom(64)
            received.append(data)
            server.sendto(b"something else", peer)
            data, peer = server.recvfrom(64)
            received.append(data)
            server.sendto(data, peer)

        player = threading.Thread(target=play)
        player.start()
        result = node_probe.try_port("a", LOOPBACK, server.getsockname()[1], "udp", NONCE.encode(), 1.0)
        player.join()
    assert result["open"] is True
    assert received[0] == received[1]
    assert received[0].startswith(NONCE.encode())
    assert len(received[0]) == len(NONCE) + 16


def test_serve_goes_on_after_a_connection_that_was_given_up() -> None:
    class GivenUp:
        type = socket.SOCK_STREAM

        def accept(self) -> None:
            raise ConnectionAbortedError

    assert node_probe.answer(GivenUp(), NONCE.encode()) is False  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "said",
    [b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", b"kubestead", OTHER.encode(), NONCE[:-1].encode()],
    ids=["silent", "tls", "greeting", "other-run", "part-of-the-nonce"],
)
def test_other_connections_do_not_keep_the_listener_and_get_no_answer(said: bytes) -> None:
    sockets, listening, _busy = node_probe.open_sockets(LOOPBACK, ports_of([0], []))
    assert len(listening) == 1
    address = sockets[0].getsockname()
    server = threading.Thread(target=node_probe.serve, args=(sockets, NONCE.encode(), 0.3, 60.0))
    server.start()
    start = time.monotonic()
    with socket.create_connection(address) as checker:
        checker.sendall(said)
        server.join(5)
        assert received(checker) == b""
    assert not server.is_alive()
    assert time.monotonic() - start < 3
    sockets[0].close()


def received(connection: socket.socket) -> bytes:
    connection.settimeout(1)
    try:
        return connection.recv(64)
    except ConnectionResetError:
        return b""


def test_probes_do_not_move_the_absolute_end() -> None:
    sockets, _listening, _busy = node_probe.open_sockets(LOOPBACK, ports_of([0], []))
    address = sockets[0].getsockname()
    server = threading.Thread(target=node_probe.serve, args=(sockets, NONCE.encode(), 1.0, 60.0))
    start = time.monotonic()
    server.start()
    while server.is_alive() and time.monotonic() - start < 10:
        node_probe.try_tcp(*address, NONCE.encode(), 1.0)
        time.sleep(0.05)
    assert 0.9 < time.monotonic() - start < 5
    server.join()
    sockets[0].close()


def test_the_kernel_ends_a_listener_that_is_kept_busy() -> None:
    """Between two looks at its clock the listener waits for a silent connection at each of its ports: 6 s here."""
    ports = free_ports(socket.SOCK_STREAM, 30)
    listener = run_module(state="listen", ports=ports_of(ports, []), address=LOOPBACK, timeout=1.5)
    silent = [socket.create_connection((LOOPBACK, port)) for port in ports for _number in range(2)]
    try:
        assert wait_for_end(listener["pid"], timeout=9) < 4
    finally:
        for one in silent:
            one.close()


def test_runs_side_by_side_do_not_take_each_other_for_themselves() -> None:
    udp = free_ports(socket.SOCK_DGRAM, 1)
    first = run_module(state="listen", ports=ports_of([], udp), address=LOOPBACK, timeout=60)
    try:
        second = run_module(state="listen", ports=ports_of([], udp), address=LOOPBACK, nonce=OTHER, timeout=60)
        assert (len(first["listening"]), second["listening"], len(second["busy"])) == (1, [], 1)
        (other,) = node_probe.connect(
            [{"host": "a", "address": LOOPBACK, "ports": second["busy"]}], OTHER.encode(), 0.5
        )
        assert (other["open"], other["error"]) == (False, "timed out after 0.5 s")
        (own,) = node_probe.connect(
            [{"host": "a", "address": LOOPBACK, "ports": first["listening"]}], NONCE.encode(), 5
        )
        assert own["open"] is True
    finally:
        os.kill(first["pid"], signal.SIGTERM)


@pytest.mark.parametrize("nonce", ["", "short", "x" * 497])
def test_a_nonce_that_can_be_guessed_or_does_not_fit_is_refused(nonce: str, capsys: pytest.CaptureFixture[str]) -> None:
    with patch_module_args({"state": "listen", "nonce": nonce}), pytest.raises(SystemExit):
        node_probe.main()
    assert f"found {len(nonce)} bytes; expected 16 to 496" in json.loads(capsys.readouterr().out)["msg"]


def test_state_is_required(capsys: pytest.CaptureFixture[str]) -> None:
    with patch_module_args({}), pytest.raises(SystemExit):
        node_probe.main()
    assert "state" in json.loads(capsys.readouterr().out)["msg"]
