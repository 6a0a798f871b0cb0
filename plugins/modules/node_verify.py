#!/usr/bin/python
# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verify from a node itself that services and DNS work there."""

from __future__ import annotations

DOCUMENTATION = r"""
module: node_verify
short_description: Verify from a node itself that services and DNS work there
version_added: 0.1.0
description:
  - Asks the API through the service C(kubernetes), which proves kube-proxy on this node, and the cluster's DNS
    through its service, which proves DNS and, from all nodes but those that run it, the pod network.
  - Tells whether the node holds the virtual IP.
  - Waits until both answer. Changes nothing and starts nothing.
author:
  - kubestead contributors (@kubestead)
options:
  service_subnet:
    description: Network of the services. Its first address is the API's, its tenth the DNS's, by kubeadm's convention.
    type: str
    required: true
  domain:
    description: Domain of the cluster.
    type: str
    default: cluster.local
  dns:
    description: Whether the cluster has a DNS to ask.
    type: bool
    default: true
  vip:
    description: The virtual IP.
    type: str
  timeout:
    description: Seconds to wait for both.
    type: int
    default: 180
extends_documentation_fragment:
  - kubestead.cluster.attributes.read_only
"""

EXAMPLES = r"""
- name: Verify the node
  kubestead.cluster.node_verify:
    service_subnet: 10.96.0.0/12
    vip: 10.90.0.100
"""

RETURN = r"""
holds_vip:
  description: Whether the node holds the virtual IP.
  returned: success
  type: bool
  sample: true
answers:
  description: The addresses that C(kubernetes.default.svc) resolved to.
  returned: when O(dns) is true
  type: list
  elements: str
  sample: [10.96.0.1]
"""

import ipaddress
import os
import socket
import struct
import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kubestead.cluster.plugins.module_utils._membership import api_is_ready
from ansible_collections.kubestead.cluster.plugins.module_utils._runner import guard

TYPE_A = 1
CLASS_IN = 1


class Unverified(Exception):
    """Something does not answer."""


def service_address(subnet: str, index: int) -> str:
    """Return the address of this index in the first of the service subnets."""
    return str(ipaddress.ip_network(subnet.partition(",")[0].strip())[index])


def dns_question(name: str, identity: int) -> bytes:
    """Return a DNS query for the A records of `name` (RFC 1035)."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.strip(".").split("."))
    return struct.pack(">HHHHHH", identity, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", TYPE_A, CLASS_IN)


def dns_addresses(message: bytes, identity: int, question_length: int) -> list[str]:
    """Return the A records of an answer, none of one that is cut off."""
    try:
        return parse_dns_answer(message, identity, question_length)
    except (IndexError, struct.error, OSError):
        return []


def parse_dns_answer(message: bytes, identity: int, question_length: int) -> list[str]:
    """Return the A records of an answer; its names are skipped, not expanded."""
    answered, flags, _questions, count = struct.unpack(">HHHH", message[:8])
    if answered != identity or flags & 0x000F:
        return []
    addresses = []
    offset = 12 + question_length
    for _record in range(count):
        while message[offset] and message[offset] & 0xC0 != 0xC0:
            offset += message[offset] + 1
        offset += 2 if message[offset] & 0xC0 == 0xC0 else 1
        kind, _class, _ttl, length = struct.unpack(">HHIH", message[offset : offset + 10])
        if kind == TYPE_A:
            addresses.append(socket.inet_ntoa(message[offset + 10 : offset + 10 + length]))
        offset += 10 + length
    return addresses


def resolve(server: str, name: str, timeout: float = 1.0) -> list[str]:
    """Ask a DNS server; no answer is an empty list."""
    identity = int.from_bytes(os.urandom(2), "big")
    question = dns_question(name, identity)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        connection.settimeout(timeout)
        try:
            connection.sendto(question, (server, 53))
            message = connection.recv(4096)
        except OSError:
            return []
    return dns_addresses(message, identity, len(question) - 12)


def own_addresses() -> str:
    """Return the kernel's table of local addresses."""
    with open("/proc/net/fib_trie", encoding="ascii") as table:
        return table.read()


def holds(table: str, address: str) -> bool:
    """Tell whether /proc/net/fib_trie has the address as local to this host."""
    lines = table.splitlines()
    return any(
        line.strip() == f"|-- {address}" and "/32 host LOCAL" in following for line, following in zip(lines, lines[1:])
    )


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "service_subnet": {"type": "str", "required": True},
            "domain": {"type": "str", "default": "cluster.local"},
            "dns": {"type": "bool", "default": True},
            "vip": {"type": "str"},
            "timeout": {"type": "int", "default": 180},
        },
        supports_check_mode=True,
    )
    with guard(module):
        params = module.params
        api = service_address(params["service_subnet"], 1)
        dns = service_address(params["service_subnet"], 10)
        name = f"kubernetes.default.svc.{params['domain']}"
        deadline = time.monotonic() + params["timeout"]
        answers: list[str] = []
        while True:
            api_answers = api_is_ready(api, 443)
            answers = resolve(dns, name) if params["dns"] and api_answers else []
            if api_answers and (answers or not params["dns"]):
                break
            if time.monotonic() > deadline:
                what = f"DNS at {dns} (for {name})" if api_answers else f"service kubernetes at {api}:443"
                raise Unverified(
                    f"{what}: found no answer in {params['timeout']} s, expected one; look at the pods of kube-system "
                    "(kube-proxy, CoreDNS) and of the network"
                )
            time.sleep(0.5)
        holds_vip = bool(params["vip"]) and holds(own_addresses(), params["vip"])
        module.exit_json(changed=False, holds_vip=holds_vip, answers=answers)


if __name__ == "__main__":
    main()
