# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DNS messages as CoreDNS answered them, and the waiting for both answers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.modules import node_verify

FIXTURES = Path(__file__).parents[2] / "fixtures"
FIB = (FIXTURES / "proc/6.18_net_fib_trie").read_text()
NAME = "kubernetes.default.svc.cluster.local"
# The id that the recorded queries had.
IDENTITY = 0x1234
Run = Callable[..., dict[str, Any]]


def answer(case: str) -> bytes:
    return bytes.fromhex((FIXTURES / f"dns/coredns-1.14.2_{case}.hex").read_text())


def question(name: str = NAME) -> bytes:
    return node_verify.dns_question(name, IDENTITY)


class TestMessages:
    def test_the_question_is_the_one_that_the_answer_repeats(self) -> None:
        asked = question()
        assert asked[:12] == bytes.fromhex("12340100000100000000 0000".replace(" ", ""))
        assert answer("address")[12 : len(asked)] == asked[12:]
        assert question(f"{NAME}.") == asked

    def test_an_address(self) -> None:
        assert node_verify.dns_addresses(answer("address"), IDENTITY, len(question()) - 12) == ["10.96.0.1"]

    def test_no_such_name(self) -> None:
        length = len(question("no-such.default.svc.cluster.local")) - 12
        assert node_verify.dns_addresses(answer("no_such_name"), IDENTITY, length) == []

    def test_no_record_of_this_kind(self) -> None:
        assert node_verify.dns_addresses(answer("no_record"), IDENTITY, len(question()) - 12) == []

    def test_an_answer_to_something_else(self) -> None:
        assert node_verify.dns_addresses(answer("address"), IDENTITY + 1, len(question()) - 12) == []

    def test_compressed_names_and_other_kinds_of_records(self) -> None:
        """An alias before the address, with pointers into the question, as most servers answer."""
        asked = question("www.example.com")
        alias = bytes.fromhex("c00c 0005 0001 0000001e 0006 03776562c010")
        address = bytes.fromhex("03776562c010 0001 0001 0000001e 0004 c0000207")
        other = bytes.fromhex("c00c 0001 0001 0000001e 0004 c0000208")
        header = bytes.fromhex("1234 8180 0001 0003 0000 0000")
        message = header + asked[12:] + alias + address + other
        assert node_verify.dns_addresses(message, IDENTITY, len(asked) - 12) == ["192.0.2.7", "192.0.2.8"]

    @pytest.mark.parametrize("length", [0, 3, 11, 60, 105])
    def test_a_message_that_is_cut_off_is_no_answer(self, length: int) -> None:
        assert length < len(answer("address"))
        assert node_verify.dns_addresses(answer("address")[:length], IDENTITY, len(question()) - 12) == []


@pytest.mark.parametrize(
    ("subnet", "index", "expected"),
    [
        ("10.96.0.0/12", 1, "10.96.0.1"),
        ("10.96.0.0/12", 10, "10.96.0.10"),
        ("10.96.0.0/12, fd00:10:96::/112", 10, "10.96.0.10"),
        ("fd00:10:96::/112", 10, "fd00:10:96::a"),
    ],
)
def test_service_address(subnet: str, index: int, expected: str) -> None:
    assert node_verify.service_address(subnet, index) == expected


def test_holds() -> None:
    assert node_verify.holds(FIB, "10.90.6.11")
    # A peer's, its prefix, the broadcast address, a network.
    for address in ("10.90.6.100", "10.90.6.1", "10.90.6.255", "10.90.6.0", "1.1"):
        assert not node_verify.holds(FIB, address)
    assert not node_verify.holds("", "10.90.6.11")
    assert "127.0.0.1" in node_verify.own_addresses()


class Dns:
    """Answers on the loopback interface what is recorded, with the id of the question."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.questions: list[bytes] = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))

    def serve(self) -> None:
        while True:
            data, peer = self.socket.recvfrom(512)
            if not data:
                return
            self.questions.append(data)
            if self.messages:
                self.socket.sendto(data[:2] + self.messages.pop(0)[2:], peer)


@pytest.fixture
def dns(monkeypatch: pytest.MonkeyPatch) -> Iterator[Dns]:
    server = Dns()
    address = server.socket.getsockname()

    class Redirected(socket.socket):
        def sendto(self, data: Any, target: Any) -> int:  # type: ignore[override]
            assert target[1] == 53
            asked.append(target[0])
            return super().sendto(data, address)

    asked: list[str] = []
    monkeypatch.setattr(node_verify.socket, "socket", Redirected)
    server.asked = asked  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve)
    thread.start()
    yield server
    monkeypatch.undo()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.sendto(b"", address)
    thread.join()
    server.socket.close()


def test_resolve(dns: Any) -> None:
    dns.messages = [answer("address")]
    assert node_verify.resolve("10.96.0.10", NAME) == ["10.96.0.1"]
    assert dns.asked == ["10.96.0.10"]
    assert dns.questions[0][12:] == question()[12:]


def test_silence_is_no_answer(dns: Any) -> None:
    assert node_verify.resolve("10.96.0.10", NAME, timeout=0.1) == []


class TestModule:
    @pytest.fixture(autouse=True)
    def cluster(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.api: list[bool] = []
        self.resolved: list[list[str]] = []
        self.asked: list[tuple[Any, ...]] = []

        def api_is_ready(address: str, port: int) -> bool:
            self.asked.append((address, port))
            return self.api.pop(0) if self.api else True

        def resolve(server: str, name: str) -> list[str]:
            self.asked.append((server, name))
            return self.resolved.pop(0) if self.resolved else ["10.96.0.1"]

        monkeypatch.setattr(node_verify, "api_is_ready", api_is_ready)
        monkeypatch.setattr(node_verify, "resolve", resolve)
        monkeypatch.setattr(node_verify, "own_addresses", lambda: FIB)
        monkeypatch.setattr(node_verify.time, "sleep", lambda seconds: None)

    @pytest.mark.parametrize(("vip", "holds"), [("10.90.6.11", True), ("10.90.6.100", False), (None, False)])
    def test_both_answer(self, run_module: Run, vip: str | None, holds: bool) -> None:
        result = run_module(node_verify, service_subnet="10.96.0.0/12", vip=vip, _ansible_check_mode=True)
        assert (result["changed"], result["holds_vip"], result["answers"]) == (False, holds, ["10.96.0.1"])
        assert self.asked == [("10.96.0.1", 443), ("10.96.0.10", NAME)]

    def test_waits_for_both(self, run_module: Run) -> None:
        self.api, self.resolved = [False, True, True], [[], ["10.96.0.1"]]
        result = run_module(node_verify, service_subnet="10.96.0.0/12", domain="k8s.example.com")
        assert result["answers"] == ["10.96.0.1"]
        name = "kubernetes.default.svc.k8s.example.com"
        assert self.asked == [("10.96.0.1", 443)] * 2 + [("10.96.0.10", name), ("10.96.0.1", 443), ("10.96.0.10", name)]

    def test_without_dns(self, run_module: Run) -> None:
        result = run_module(node_verify, service_subnet="10.96.0.0/12", dns=False)
        assert result["answers"] == []
        assert self.asked == [("10.96.0.1", 443)]

    @pytest.mark.parametrize(
        ("api", "resolved", "what"),
        [
            ([False] * 9, [], "service kubernetes at 10.96.0.1:443"),
            ([], [[]] * 9, f"DNS at 10.96.0.10 (for {NAME})"),
        ],
    )
    def test_no_answer(self, run_module: Run, api: list[bool], resolved: list[list[str]], what: str) -> None:
        self.api, self.resolved = api, resolved
        result = run_module(node_verify, service_subnet="10.96.0.0/12", timeout=0)
        assert result["msg"] == (
            f"{what}: found no answer, expected one; look at the pods of kube-system (kube-proxy, CoreDNS) and of the "
            "network (waited 0 s)"
        )

    def test_a_control_plane_asks_its_own_api_server_first(self, run_module: Run) -> None:
        self.api = [False, True, True]
        run_module(node_verify, service_subnet="10.96.0.0/12", dns=False, api_port=6443)
        assert self.asked == [("127.0.0.1", 6443)] * 2 + [("10.96.0.1", 443)]
        self.api = [False] * 9
        result = run_module(node_verify, service_subnet="10.96.0.0/12", dns=False, api_port=6443, timeout=0)
        assert result["msg"].startswith("kube-apiserver of this machine, port 6443: found no answer")

    def test_the_runtime_is_asked_by_its_socket(self, run_module: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        sockets: list[str] = []
        problems = ["", "NetworkReady is false (NetworkPluginNotReady: cni plugin not initialized)"]

        def read_runtime(_run: Any, cri_socket: str) -> str:
            sockets.append(cri_socket)
            return problems.pop()

        monkeypatch.setattr(node_verify, "read_runtime", read_runtime)
        assert "msg" not in run_module(node_verify, service_subnet="10.96.0.0/12", cri_socket="unix:///run/c.sock")
        assert sockets == ["unix:///run/c.sock"] * 2
        problems[:] = ["RuntimeReady is false (: )"]
        result = run_module(node_verify, service_subnet="10.96.0.0/12", cri_socket="unix:///run/c.sock", timeout=0)
        assert result["msg"].startswith("container runtime at unix:///run/c.sock: RuntimeReady is false")

    def test_the_network_is_asked_who_has_the_address(self, run_module: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(node_verify, "answering", lambda interface, address: [f"{interface} {address}"])
        spec = {"service_subnet": "10.96.0.0/12", "vip": "10.90.6.100"}
        assert run_module(node_verify, **spec, vip_interface="eth0")["vip_answers"] == ["eth0 10.90.6.100"]
        assert "vip_answers" not in run_module(node_verify, **spec)


# What crictl 1.36 prints for containerd 1.7.24, without the parts that nobody asks for.
CRICTL_INFO = {
    "status": {
        "conditions": [
            {"message": "", "reason": "", "status": True, "type": "RuntimeReady"},
            {"message": "", "reason": "", "status": True, "type": "NetworkReady"},
            {"message": "", "reason": "", "status": True, "type": "ContainerdHasNoDeprecationWarnings"},
        ]
    }
}


def test_what_a_runtime_reports() -> None:
    assert node_verify.runtime_problem(CRICTL_INFO) == ""
    network = {"type": "NetworkReady", "status": False, "reason": "NetworkPluginNotReady", "message": "no CNI"}
    broken = {"status": {"conditions": [CRICTL_INFO["status"]["conditions"][0], network]}}
    assert node_verify.runtime_problem(broken) == "NetworkReady is false (NetworkPluginNotReady: no CNI)"
    assert node_verify.runtime_problem({}) == "RuntimeReady is false (: ); NetworkReady is false (: )"
