# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values as people write them: addresses, networks, endpoints, versions, labels, arguments."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.kubestead.cluster.plugins.plugin_utils.inventory import mapping

DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


QUALIFIED_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def parse_version(text: object) -> tuple[int, int, int] | None:
    match = VERSION.fullmatch(str(text or "").strip())
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


def dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def parse_address(text: object) -> Address | None:
    try:
        return ipaddress.ip_address(str(text))
    except ValueError:
        return None


def subnets(text: str) -> list[str]:
    return [part.strip() for part in str(text).split(",") if part.strip()]


def networks(text: str) -> list[Network]:
    """The valid networks of a comma-separated list; the others are the syntax rule's."""
    found: list[Network] = []
    for part in subnets(text):
        try:
            found.append(ipaddress.ip_network(part))
        except ValueError:
            continue
    return found


def overlaps(one: Network, other: Network) -> bool:
    return one.version == other.version and one.overlaps(other)


def split_endpoint(text: str) -> tuple[str, int] | None:
    """host:port, [v6]:port or https://host:port as (host, port)."""
    match = re.fullmatch(r"(?:https://)?(?:\[([0-9A-Fa-f:.]+)\]|([^\s:/\[\]]+)):(\d{1,5})/?", text.strip())
    if not match or not 0 < int(match[3]) < 65536:
        return None
    host = (match[1] or match[2]).lower()
    if match[1]:
        address = parse_address(host)
        return (str(address), int(match[3])) if address else None
    return host, int(match[3])


def join_endpoint(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_subdomain(text: str) -> bool:
    """RFC 1123 subdomain, as Kubernetes wants node names and label prefixes."""
    return len(text) <= 253 and all(DNS_LABEL.fullmatch(part) for part in text.split("."))


def is_label_key(text: object) -> bool:
    """https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set"""
    if not isinstance(text, str):
        return False
    prefix, slash, name = text.rpartition("/")
    return bool(QUALIFIED_NAME.fullmatch(name)) and (not slash or is_subdomain(prefix))


def is_label_value(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return False
    return str(value) == "" or bool(QUALIFIED_NAME.fullmatch(str(value)))


def is_true(value: object) -> bool:
    """What Ansible takes for true."""
    return str(value).lower() in ("yes", "true", "on", "1")


@dataclass(frozen=True)
class AddressRange:
    """Addresses from the first to the last one, of one family."""

    first: Address
    last: Address

    def has(self, address: Address) -> bool:
        return address.version == self.first.version and int(self.first) <= int(address) <= int(self.last)

    def overlaps(self, network: Network) -> bool:
        return self.has(network[0]) or (
            network.version == self.first.version and int(network[0]) <= int(self.first) <= int(network[-1])
        )


def parse_range(text: object) -> AddressRange | None:
    """A network, or first-last, as MetalLB's address pools have them."""
    first, dash, last = (part.strip() for part in str(text).partition("-"))
    try:
        if not dash:
            network = ipaddress.ip_network(first, strict=False)
            return AddressRange(network[0], network[-1]) if "/" in first else None
        found = AddressRange(ipaddress.ip_address(first), ipaddress.ip_address(last))
    except ValueError:
        return None
    return found if found.has(found.last) else None


def node_port_range(configuration: Mapping[str, Any]) -> tuple[int, int]:
    """The first and the last node port, as kube-apiserver is told or assumes."""
    for name, value in api_server_arguments(configuration):
        if name == "service-node-port-range":
            first, _dash, last = value.partition("-")
            if first.isdigit() and last.isdigit():
                return int(first), int(last)
    return 30000, 32767


def api_server_arguments(configuration: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the names and values of kube-apiserver's extraArgs: a list in kubeadm's v1beta4, a dictionary before."""
    arguments = mapping(configuration.get("apiServer")).get("extraArgs")
    if isinstance(arguments, Mapping):
        yield from ((str(name), str(value)) for name, value in arguments.items())
    elif isinstance(arguments, Sequence) and not isinstance(arguments, str):
        yield from ((str(item.get("name")), str(item.get("value"))) for item in arguments if isinstance(item, Mapping))
