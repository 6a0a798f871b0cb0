# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules: the ingress controller."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.cluster import CONTROL_PLANE_PORTS
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.context import ClusterIntent, HostReport
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.finding import (
    Finding,
    error,
    listing,
    warning,
)
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.given import shared
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.parsing import (
    node_port_range,
    parse_address,
    parse_range,
)
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.registry import rule


@rule("ingress-exposure")
def check_ingress_exposure(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    exposure = shared(cluster, hosts, "ingress_exposure", "node_port")
    if not shared(cluster, hosts, "ingress_enabled", False) or exposure != "load_balancer":
        return
    if not shared(cluster, hosts, "metallb_enabled", False):
        yield warning(
            "ingress_exposure",
            "load_balancer without metallb_enabled",
            "something that gives Services their addresses",
            "set metallb_enabled and metallb_addresses, unless the cluster has another one",
        )
        return
    wanted = shared(cluster, hosts, "ingress_address", "")
    address = parse_address(wanted)
    ranges = [parse_range(text) for text in shared(cluster, hosts, "metallb_addresses", ())]
    if wanted and not (address and any(item and item.has(address) for item in ranges)):
        expected = "one of metallb_addresses"
        yield error("ingress_address", repr(wanted), expected, "take one of them, or leave ingress_address empty")


@rule("ingress-ports")
def check_ingress_ports(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    if not shared(cluster, hosts, "ingress_enabled", False):
        return
    exposure = shared(cluster, hosts, "ingress_exposure", "node_port")
    defaults = {"http": 30080, "https": 30443} if exposure == "node_port" else {"http": 80, "https": 443}
    ports = {
        f"ingress_{name}_port": shared(cluster, hosts, f"ingress_{name}_port", port) for name, port in defaults.items()
    }
    if len(set(ports.values())) == 1:
        found = f"{ports['ingress_http_port']} for both"
        yield error(listing(ports), found, "two ports", "give HTTP and HTTPS a port each")
    # Host ports are redirected before a program of the host sees them, even at the virtual IP.
    own = {cluster.api_port: "cluster_api_port", cluster.endpoint_port: "cluster_endpoint_port" if cluster.vip else ""}
    own |= dict.fromkeys(CONTROL_PLANE_PORTS, "Kubernetes")
    lowest, highest = node_port_range(shared(cluster, hosts, "cluster_configuration", {}))
    for name, port in ports.items():
        if exposure == "node_port" and not lowest <= port <= highest:
            expected = f"a node port ({lowest} to {highest})"
            yield error(name, str(port), expected, f"take one of these, or another ingress_exposure than {exposure}")
        elif not 0 < port < 65536:
            yield error(name, str(port), "a port (1 to 65535)", f"correct {name}")
        elif exposure == "host_port" and own.get(port):
            found = f"{port}, which {own[port]} has on control planes"
            yield error(name, found, "a port that is free on every node", f"change {name} or the other port")


@rule("ingress-certificate")
def check_ingress_certificate(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """The messages never show the key."""
    names = ("ingress_default_certificate", "ingress_default_certificate_key")
    certificate, key = (str(shared(cluster, hosts, name, "")) for name in names)
    if not shared(cluster, hosts, "ingress_enabled", False) or not (certificate or key):
        return
    # Loading what this needs takes longer than all rules together: only for those who give a certificate.
    from ansible_collections.kubestead.cluster.plugins.plugin_utils.key_pair import problem  # noqa: PLC0415

    where, found, expected = problem(certificate, key)
    if found:
        remedy = "give both in PEM, such as by lookup('ansible.builtin.file', path)"
        yield error(names[where], found, expected, remedy)
