# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames and packets byte by byte, and when keepalived may start."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.module_utils import _virtual_ip as virtual_ip

VIP = "10.90.0.100"
MAC = bytes.fromhex("02420a5a000b")
# An answer of 02:42:0a:5a:00:0c that it has 10.90.0.100, as tcpdump -XX shows it.
REPLY = bytes.fromhex("02420a5a000b02420a5a000c0806000108000604000202420a5a000c0a5a006402420a5a000b0a5a000b")
# A VRRPv3 advertisement of router 100, priority 200, from 10.90.0.12, in its IPv4 packet.
ADVERTISEMENT = bytes.fromhex("45c0002000010000ff70a5540a5a000c0a5a000b3164c801001400000a5a0064")


def test_a_probe_asks_everybody_and_claims_no_address() -> None:
    frame = virtual_ip.arp_probe(MAC, VIP)
    assert frame.hex() == "ffffffffffff02420a5a000b0806000108000604000102420a5a000b000000000000000000000a5a0064"


@pytest.mark.parametrize(
    ("frame", "address", "found"),
    [
        (REPLY, VIP, "02:42:0a:5a:00:0c"),
        (REPLY + b"\0" * 18, VIP, "02:42:0a:5a:00:0c"),
        (REPLY, "10.90.0.101", None),
        (REPLY[:41], VIP, None),
        (REPLY[:12] + b"\x08\x00" + REPLY[14:], VIP, None),
        # A probe claims no address.
        (virtual_ip.arp_probe(MAC, VIP), VIP, None),
    ],
)
def test_who_claims_an_address(frame: bytes, address: str, found: str | None) -> None:
    assert virtual_ip.arp_sender(frame, address) == found


@pytest.mark.parametrize(
    ("packet", "found"),
    [
        (ADVERTISEMENT, virtual_ip.Advertisement("10.90.0.12", 100)),
        (ADVERTISEMENT[:19], None),
        (ADVERTISEMENT[:27], None),
        # Another protocol, another type of message.
        (ADVERTISEMENT[:9] + b"\x06" + ADVERTISEMENT[10:], None),
        (ADVERTISEMENT[:20] + b"\x32" + ADVERTISEMENT[21:], None),
    ],
)
def test_advertisements(packet: bytes, found: Any) -> None:
    assert virtual_ip.parse_advertisement(packet) == found


KEEPALIVED = """\
# Managed by kubestead.cluster: changes made here are overwritten.
vrrp_instance kube_apiserver {
    unicast_src_ip 10.90.0.11
    unicast_peer {
        10.90.0.12
        10.90.0.13
    }
}
"""


def test_the_peers_of_a_configuration() -> None:
    assert virtual_ip.parse_peers(KEEPALIVED) == ["10.90.0.12", "10.90.0.13"]
    # A single control plane has none; a file of somebody else says nothing about ours.
    alone = "# Managed by kubestead.cluster\nvrrp_instance x {\n    unicast_peer {\n        127.0.0.1\n    }\n}\n"
    assert virtual_ip.parse_peers(alone) == []
    assert virtual_ip.parse_peers(KEEPALIVED.replace("Managed", "Made")) is None
    assert virtual_ip.parse_peers("") is None


class TestGuard:
    """The program that systemd runs before keepalived."""

    @pytest.fixture(autouse=True)
    def network(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.others: list[str] = []
        self.packets: list[bytes] = []
        receiver, self.sender = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        monkeypatch.setattr(virtual_ip, "answering", lambda interface, address: self.others)
        monkeypatch.setattr(virtual_ip.socket, "socket", lambda *_kind: receiver)
        monkeypatch.setattr("sys.argv", ["virtual-ip-guard", "eth0", VIP, "100", "--seconds", "0.2"])

    def test_nobody_holds_the_address(self) -> None:
        assert virtual_ip.main() == 0

    def test_the_holder_advertises_it_here(self) -> None:
        self.others = ["02:42:0a:5a:00:0c"]
        self.sender.send(ADVERTISEMENT)
        assert virtual_ip.main() == 0

    @pytest.mark.parametrize("packet", [b"", ADVERTISEMENT[:21] + b"\x65" + ADVERTISEMENT[22:]])
    def test_the_holder_does_not_know_this_machine(self, packet: bytes, capsys: pytest.CaptureFixture[str]) -> None:
        """Silence, and the advertisements of another virtual router, are no sign of the holder."""
        self.others = ["02:42:0a:5a:00:0c"]
        if packet:
            self.sender.send(packet)
        assert virtual_ip.main() == 1
        said = capsys.readouterr().err
        assert said.startswith("10.90.0.100: found 02:42:0a:5a:00:0c holding it without advertising it to this machine")
        assert "site.yml without --limit" in said
