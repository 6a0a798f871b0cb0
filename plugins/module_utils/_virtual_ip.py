# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who answers for a virtual IP, asked by ARP, and whether its holder sends its advertisements here.

Modules import this file. Role load_balancer also installs it as a program, which systemd runs before keepalived
starts (see main). So it needs nothing but the standard library, and Linux.
"""

from __future__ import annotations

import argparse
import re
import select
import socket
import struct
import sys
import time
from dataclasses import dataclass

ETHERTYPE_ARP = 0x0806
ARP_REQUEST = 1
BROADCAST = b"\xff" * 6
# Ethernet addresses, then ARP for IPv4 over Ethernet (RFC 826).
ARP_FRAME = struct.Struct("!6s6sH HHBBH 6s4s6s4s")
IP_PROTOCOL_VRRP = 112
VRRP_ADVERTISEMENT = 1
# RFC 5227 sends three probes; here they are closer together, as on a local network an answer takes a millisecond.
PROBES = 3
PROBE_SECONDS = 0.2


@dataclass(frozen=True)
class Advertisement:
    """A VRRP advertisement: the address that sent it, and its virtual router ID."""

    source: str
    router_id: int


def arp_probe(mac: bytes, address: str) -> bytes:
    """Return the frame that asks who has `address`. It claims no address itself, so that no neighbour learns one."""
    return ARP_FRAME.pack(
        *(BROADCAST, mac, ETHERTYPE_ARP),
        *(1, 0x0800, 6, 4, ARP_REQUEST),
        *(mac, b"\0" * 4, b"\0" * 6, socket.inet_aton(address)),
    )


def arp_sender(frame: bytes, address: str) -> str | None:
    """Return the hardware address that claims `address` in an ARP frame, None where the frame claims another."""
    if len(frame) < ARP_FRAME.size:
        return None
    _to, _from, ethertype, _link, _protocol, _l, _p, _operation, mac, sender, _t, _a = ARP_FRAME.unpack(
        frame[: ARP_FRAME.size]
    )
    if ethertype != ETHERTYPE_ARP or sender != socket.inet_aton(address):
        return None
    return ":".join(f"{byte:02x}" for byte in mac)


def parse_advertisement(packet: bytes) -> Advertisement | None:
    """Return the VRRP advertisement in an IPv4 packet, None where it holds another message (RFC 9568, section 5)."""
    if len(packet) < 20:
        return None
    header = (packet[0] & 0x0F) * 4
    if packet[9] != IP_PROTOCOL_VRRP or len(packet) < header + 8 or packet[header] & 0x0F != VRRP_ADVERTISEMENT:
        return None
    return Advertisement(socket.inet_ntoa(packet[12:16]), packet[header + 1])


def arp_socket(interface: str) -> socket.socket:
    """Return a socket that sees the ARP frames of an interface. It needs CAP_NET_RAW."""
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE_ARP))
    opened.bind((interface, ETHERTYPE_ARP))
    return opened


def answering(interface: str, address: str) -> list[str]:
    """Return the hardware addresses of the other machines that answer for `address`, sorted.

    It takes 0.6 seconds, whoever answers: a second machine may answer later than the first. A machine does not hear
    itself, so the caller's own address is never among them.
    """
    found: set[str] = set()
    with arp_socket(interface) as arp:
        mac = arp.getsockname()[4]
        for _probe in range(PROBES):
            arp.send(arp_probe(mac, address))
            deadline = time.monotonic() + PROBE_SECONDS
            while True:
                remaining = deadline - time.monotonic()
                if remaining <= 0 or not select.select([arp], [], [], remaining)[0]:
                    break
                frame, source = arp.recvfrom(2048)
                claimed = arp_sender(frame, address)
                if claimed and source[2] != socket.PACKET_OUTGOING:
                    found.add(claimed)
    return sorted(found)


def hears(vrrp: socket.socket, router_id: int, seconds: float) -> bool:
    """Tell whether an advertisement of this virtual router arrives within the given time."""
    deadline = time.monotonic() + seconds
    while True:
        remaining = deadline - time.monotonic()
        if remaining <= 0 or not select.select([vrrp], [], [], remaining)[0]:
            return False
        advertisement = parse_advertisement(vrrp.recv(2048))
        if advertisement is not None and advertisement.router_id == router_id:
            return True


def parse_peers(text: str) -> list[str] | None:
    """Return the peers in a keepalived.conf of this collection, None in any other file.

    A control plane without any advertises to its loopback address, which is none.
    """
    if "Managed by kubestead.cluster" not in text:
        return None
    block = re.search(r"unicast_peer \{([^}]*)\}", text)
    return [peer for peer in block.group(1).split() if peer != "127.0.0.1"] if block else []


def main() -> int:
    """Let keepalived start unless another machine holds the address and does not advertise it to this one.

    Such a machine does not know this one: its configuration does not list it as a peer, or a filter drops IP protocol
    112. keepalived would hear nothing, and take the address while the other one keeps it.
    """
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("interface", help="interface of the virtual IP")
    parser.add_argument("address", help="the virtual IP")
    parser.add_argument("router_id", type=int, help="VRRP's virtual router ID")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long to listen for an advertisement")
    given = parser.parse_args()
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, IP_PROTOCOL_VRRP) as vrrp:
        others = answering(given.interface, given.address)
        if not others or hears(vrrp, given.router_id, given.seconds):
            return 0
    sys.stderr.write(
        f"{given.address}: found {', '.join(others)} holding it without advertising it to this machine; expected VRRP "
        f"advertisements (IP protocol 112, router ID {given.router_id}) from there; keepalived does not start here, "
        "because two machines would hold the address. Run site.yml without --limit, so that all control planes list "
        "each other, and let protocol 112 pass between them.\n"
    )
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
