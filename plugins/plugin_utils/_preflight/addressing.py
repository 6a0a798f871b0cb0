# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules: names, addresses, labels and taints of the nodes."""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.context import ClusterIntent, HostReport
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.finding import (
    Finding,
    either,
    error,
    listing,
    suggestion,
)
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.parsing import (
    is_label_key,
    is_label_value,
    is_subdomain,
    parse_address,
)
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.registry import rule
from ansible_collections.kubestead.cluster.plugins.plugin_utils.variable_types import type_name

TAINT_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


@rule("node-name", fixed=True)
def check_node_name(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    for host in hosts:
        if not is_subdomain(host.node_name):
            yield error(
                host.name,
                f"node name {host.node_name!r}",
                "lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit (RFC 1123)",
                "set node_name for the host, or rename it in the inventory",
            )


def duplicates(values: Iterable[tuple[str, HostReport]]) -> Iterator[tuple[str, list[HostReport]]]:
    seen: dict[str, list[HostReport]] = defaultdict(list)
    for value, host in values:
        if value:
            seen[value].append(host)
    return ((value, some) for value, some in seen.items() if len(some) > 1)


@rule("duplicate-node-name", fixed=True)
def check_duplicate_node_name(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    for value, some in duplicates((host.node_name.lower(), host) for host in hosts):
        yield error(
            listing(host.name for host in some),
            f"one node name, {value}",
            "a node name of its own for each host",
            "set node_name for all but one of them",
        )


@rule("duplicate-hostname")
def check_duplicate_hostname(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    for value, some in duplicates((str((host.state or {}).get("hostname") or "").lower(), host) for host in hosts):
        yield error(
            listing(host.name for host in some),
            f"one host name, {value}",
            "a host name of its own for each machine",
            "rename the machines (hostnamectl set-hostname NAME); "
            "if they are one machine, leave one of the hosts out of the inventory",
        )


@rule("duplicate-machine-id")
def check_duplicate_machine_id(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    for value, some in duplicates((str((host.state or {}).get("machine_id") or ""), host) for host in hosts):
        yield error(
            listing(host.name for host in some),
            f"one machine-id, {value}",
            "a machine-id of its own for each machine",
            "on all clones but one: rm -f /etc/machine-id /var/lib/dbus/machine-id, systemd-machine-id-setup, reboot; "
            "if they are one machine, leave one of the hosts out of the inventory",
        )


@rule("duplicate-ip", fixed=True)
def check_duplicate_ip(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    for value, some in duplicates((str(parse_address(host.node_ip) or ""), host) for host in hosts):
        yield error(
            listing(host.name for host in some),
            f"one node address, {value}",
            "an address of its own for each host",
            "correct node_ip or ansible_host of all but one of them",
        )


@rule("node-ip")
def check_node_ip(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    for host in hosts:
        address = parse_address(host.node_ip)
        expected = "the address under which the other nodes reach it"
        if address is None:
            remedy = "set node_ip to an IP address of the host, or ansible_host to a name that resolves"
            yield error(host.name, f"node_ip {host.node_ip!r}", expected, remedy)
        elif address.is_loopback or address.is_unspecified or address.is_multicast or address.is_link_local:
            remedy = "set node_ip to the host's address in the nodes' network"
            yield error(host.name, f"node_ip {address}, usable on the machine only", expected, remedy)
        elif host.state is not None:
            found = [ipaddress.ip_interface(text) for text in host.addresses]
            if address not in [item.ip for item in found]:
                present = listing(str(item.ip) for item in found if not item.ip.is_loopback)
                yield error(
                    host.name,
                    f"node_ip {address} on none of its interfaces (which have {present})",
                    "an address of the machine itself",
                    "set node_ip to one of these, or correct ansible_host",
                )


@rule("labels")
def check_labels(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    for host in hosts:
        for key, value in host.labels.items():
            if not is_label_key(key):
                yield error(
                    f"{host.name} node_labels",
                    f"key {key!r}",
                    "[DNS prefix/]name, the name at most 63 letters, digits, '-', '_' and '.'",
                    "correct the key",
                )
            if not is_label_value(value):
                yield error(
                    f"{host.name} node_labels",
                    f"{key}: {value!r} ({type_name(value)})",
                    "text of at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit",
                    "correct the value, and quote it if it is true, false or a number",
                )


@rule("annotations")
def check_annotations(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    for host in hosts:
        for key, value in host.annotations.items():
            if not is_label_key(key):
                expected = "[DNS prefix/]name, the name at most 63 letters, digits, '-', '_' and '.'"
                yield error(f"{host.name} node_annotations", f"key {key!r}", expected, "correct the key")
            if not isinstance(value, (str, int)) or isinstance(value, bool):
                found = f"{key}: {value!r} ({type_name(value)})"
                yield error(f"{host.name} node_annotations", found, "text", "quote the value")


def split_taint(taint: object) -> tuple[str, object, str] | None:
    """Key, value and effect of a dictionary of these; None for anything else."""
    if isinstance(taint, Mapping) and set(taint) <= {"key", "value", "effect"}:
        return str(taint.get("key", "")), taint.get("value") or "", str(taint.get("effect", ""))
    return None


@rule("taints")
def check_taints(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    for host in hosts:
        where = f"{host.name} node_taints"
        seen: set[tuple[str, str]] = set()
        for taint in host.taints:
            parts = split_taint(taint)
            if parts is None:
                remedy = "write it like {key: dedicated, value: gpu, effect: NoSchedule}"
                yield error(where, repr(taint), "a dictionary of key, value and effect", remedy)
                continue
            key, value, effect = parts
            if not is_label_key(key):
                yield error(where, f"key {key!r} in {taint!r}", "a label's key", "correct the key")
            if not is_label_value(value):
                yield error(where, f"value {value!r} in {taint!r}", "a label's value", "correct the value")
            if effect not in TAINT_EFFECTS:
                remedy = f"correct the effect{suggestion(effect, TAINT_EFFECTS)}"
                yield error(where, f"effect {effect!r} in {taint!r}", either(TAINT_EFFECTS), remedy)
            if (key, effect) in seen:
                expected = "one taint for each key and effect"
                yield error(where, f"{key}:{effect} twice", expected, "remove one of them")
            seen.add((key, effect))
