# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules: volumes on NFS."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ansible_collections.kubestead.cluster.plugins.plugin_utils import nfs
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.context import ClusterIntent, HostReport
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.finding import Finding, as_finding, error
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.given import shared, sound
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.parsing import parse_address
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.registry import rule
from ansible_collections.kubestead.cluster.plugins.plugin_utils.inventory import mapping


@rule("nfs-storage")
def check_nfs_storage(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    if not shared(cluster, hosts, "nfs_storage_enabled", False):
        return
    volumes = [mapping(item) for item in shared(cluster, hosts, "nfs_storage_volumes", ())]
    served_elsewhere = shared(cluster, hosts, "nfs_storage_provisioner", "csi") == "none" and all(
        item.get("server") for item in volumes
    )
    given = str(shared(cluster, hosts, "nfs_storage_server", ""))
    first = next(iter(cluster.nfs_servers), None)
    if not (given or first or served_elsewhere):
        yield error(
            "nfs_storage_server",
            "no server",
            "an address, or a host in group nfs_server",
            "say whose exports the volumes are on",
        )
    if first and not (given or served_elsewhere or first.address):
        yield error(
            first.name,
            "no address, as its name is not to be resolved here",
            "the address at which nodes mount its exports",
            f"set node_ip or ansible_host of {first.name}, or nfs_storage_server",
        )
    address = parse_address(first.address) if first and not (given or served_elsewhere) else None
    if first and address and (address.is_loopback or address.is_unspecified or address.is_link_local):
        yield error(
            first.name,
            f"the address {address}, which means another machine on each node",
            "the address at which nodes mount its exports",
            f"set node_ip or ansible_host of {first.name}, or nfs_storage_server",
        )
    wanted = {str(item["server"]) for item in volumes if item.get("server")}
    wanted |= set() if served_elsewhere else {given or (first.name if first else "")}
    for server in cluster.nfs_servers:
        if not server.enabled and wanted & {server.name, server.address}:
            yield error(
                f"nfs_server_enabled of {server.name}",
                "false, while nfs_storage_enabled has volumes there",
                "a server as long as there are volumes: mounts without one hang",
                "set nfs_storage_enabled to false with it, give the volumes another server first, or leave it enabled",
            )
    for item in volumes:
        if {".", ".."} & set(str(item.get("path")).split("/")):
            yield error(
                f"nfs_storage_volumes: {item.get('name')}",
                f"the path {item.get('path')}",
                "one without . and ..",
                "write the path that it means",
            )
    names = [str(item.get("name")) for item in volumes]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield error(
            "nfs_storage_volumes",
            f"the name {name} {names.count(name)} times",
            "a name of its own for each volume",
            "rename all but one",
        )


@rule("nfs-exports")
def check_nfs_exports(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """Which server it is, is decided on the machine: known in advance where it is a node, or where the user says it."""
    # That a host has no address is rule node-ip's.
    nodes = [host.node_ip or host.name for host in hosts]
    kernels = {host.name: host.state.get("nfsd") for host in hosts if host.state}
    for server in cluster.nfs_servers:
        exports = sound(cluster, [server], "nfs_server_exports")
        if not server.enabled or exports is None:
            continue
        backend = server.variables.get("nfs_server_backend") or "auto"
        ganesha = backend == "ganesha" or (backend == "auto" and kernels.get(server.name) is False)
        for problem in [*nfs.examine(exports, nodes), *(nfs.examine_for_ganesha(exports) if ganesha else ())]:
            where = f"{problem.where} of {server.name}"
            yield as_finding(where, problem, "correct nfs_server_exports")
