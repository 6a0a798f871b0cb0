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
  - On a control plane, can ask its own API server too, and the other machines who answers for the virtual IP.
  - Can ask the container runtime whether it and its pod network are ready.
  - Waits until all of these answer. Changes nothing and starts nothing.
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
  api_port:
    description: Port of the machine's own API server. Without it none is asked.
    type: int
  cri_socket:
    description: The container runtime's socket, such as V(unix:///run/containerd/containerd.sock). Without it no
      runtime is asked.
    type: str
  vip:
    description: The virtual IP.
    type: str
  vip_interface:
    description:
      - Interface on which the other machines are asked by ARP who answers for O(vip). Without it none are asked.
      - ARP finds holders that the inventory does not know.
    type: str
  timeout:
    description: Seconds to wait for all of it.
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
vip_answers:
  description: Hardware addresses of the other machines that answer for the virtual IP.
  returned: when O(vip_interface) is given
  type: list
  elements: str
  sample: ["02:42:0a:5a:00:0c"]
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
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kubestead.cluster.plugins.module_utils._kubeadm.membership import api_is_ready
from ansible_collections.kubestead.cluster.plugins.module_utils._runner import CommandError, Runner, guard
from ansible_collections.kubestead.cluster.plugins.module_utils._virtual_ip import answering

TYPE_A = 1
CLASS_IN = 1
REQUIRED_CONDITIONS = ("RuntimeReady", "NetworkReady")


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


def runtime_problem(info: Any) -> str:
    """Return what the runtime lacks, as `crictl info` reports it, "" where it is ready.

    CRI requires the two conditions (RuntimeCondition in k8s.io/cri-api); runtimes add others, which are advice.
    """
    conditions = {item["type"]: item for item in info.get("status", {}).get("conditions") or []}
    lacking = [conditions.get(name, {"type": name}) for name in REQUIRED_CONDITIONS]
    return "; ".join(
        f"{item['type']} is false ({item.get('reason', '')}: {item.get('message', '')})"
        for item in lacking
        if not item.get("status")
    )


def read_runtime(run: Runner, cri_socket: str) -> str:
    """Return what is wrong with the container runtime, "" where it is ready."""
    try:
        return runtime_problem(run.json(["crictl", "--timeout", "5s", "--runtime-endpoint", cri_socket, "info"]))
    except CommandError as error:
        return str(error)


def problem(run: Runner, params: dict[str, Any], answers: list[str]) -> str:
    """Return what does not answer yet, "" where all does; the addresses that DNS resolved are put into `answers`."""
    api = service_address(params["service_subnet"], 1)
    dns = service_address(params["service_subnet"], 10)
    name = f"kubernetes.default.svc.{params['domain']}"
    if params["cri_socket"]:
        reason = read_runtime(run, params["cri_socket"])
        if reason:
            return f"container runtime at {params['cri_socket']}: {reason}; look at its journal"
    if params["api_port"] and not api_is_ready("127.0.0.1", params["api_port"]):
        return (
            f"kube-apiserver of this machine, port {params['api_port']}: found no answer, expected it to be ready; "
            "look at `crictl ps -a` and /var/log/pods"
        )
    if not api_is_ready(api, 443):
        what = f"service kubernetes at {api}:443"
    elif not params["dns"]:
        return ""
    else:
        answers[:] = resolve(dns, name)
        if answers:
            return ""
        what = f"DNS at {dns} (for {name})"
    return (
        f"{what}: found no answer, expected one; look at the pods of kube-system (kube-proxy, CoreDNS) and of the "
        "network"
    )


ARGUMENT_SPEC: dict[str, Any] = {
    "service_subnet": {"type": "str", "required": True},
    "domain": {"type": "str", "default": "cluster.local"},
    "dns": {"type": "bool", "default": True},
    "api_port": {"type": "int"},
    "cri_socket": {"type": "str"},
    "vip": {"type": "str"},
    "vip_interface": {"type": "str"},
    "timeout": {"type": "int", "default": 180},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    with guard(module):
        params = module.params
        run = Runner(module)
        deadline = time.monotonic() + params["timeout"]
        answers: list[str] = []
        while True:
            found = problem(run, params, answers)
            if not found:
                break
            if time.monotonic() > deadline:
                raise Unverified(f"{found} (waited {params['timeout']} s)")
            time.sleep(0.5)
        vip = params["vip"]
        result = {"changed": False, "holds_vip": bool(vip) and holds(own_addresses(), vip), "answers": answers}
        if vip and params["vip_interface"]:
            result["vip_answers"] = answering(params["vip_interface"], vip)
        module.exit_json(**result)


if __name__ == "__main__":
    main()
