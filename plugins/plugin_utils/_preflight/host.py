# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules: what a machine has to have."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.cluster import (
    HAPROXY_METRICS_PORT,
    NODE_EXPORTER_PORT,
    own_ports,
)
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.context import ClusterIntent, HostReport
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.finding import (
    Finding,
    either,
    error,
    listing,
    warning,
)
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.given import shared
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.parsing import dotted, parse_address
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.registry import rule

#: Releases the collection supports: os-release ID -> versions (major ones for EL).
SUPPORTED_OS: Mapping[str, tuple[str, ...]] = {
    "debian": ("12", "13"),
    "ubuntu": ("22.04", "24.04", "26.04"),
    "rhel": ("9", "10"),
    "rocky": ("9", "10"),
    "almalinux": ("9", "10"),
    "centos": ("9", "10"),
}


#: Releases whose maintainer has ended them: (os-release ID, version) -> date of the end.
#: https://www.centos.org/cl-vs-cs/ https://wiki.debian.org/LTS https://ubuntu.com/about/release-cycle
#: https://access.redhat.com/support/policy/updates/errata
ENDED_OS: Mapping[tuple[str, str], str] = {
    ("centos", "6"): "2020-11-30",
    ("centos", "7"): "2024-06-30",
    ("centos", "8"): "2021-12-31 (CentOS Stream 8: 2024-05-31)",
    ("rhel", "7"): "2024-06-30",
    ("debian", "9"): "2022-06-30",
    ("debian", "10"): "2024-06-30",
    ("debian", "11"): "2026-08-31",
    ("ubuntu", "16.04"): "2021-04-30",
    ("ubuntu", "18.04"): "2023-05-31",
    ("ubuntu", "20.04"): "2025-05-31",
}


OS_EXPECTED = "Debian 12 or 13, Ubuntu 22.04, 24.04 or 26.04, or RHEL, Rocky, Alma or CentOS Stream 9 or 10"


SUPPORTED_ARCHITECTURES = ("amd64", "arm64")


MINIMUM_PYTHON = (3, 9)


#: Where a container runtime has its images and containers, and the sockets that kubelet knows it by.
RUNTIME_FOLDERS: Mapping[str, str] = {"containerd": "/var/lib/containerd", "docker": "/var/lib/docker"}


@rule("cpu")
def check_cpu(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    for host in hosts:
        least = int(cluster.minimum[f"{host.role}_cpus"])
        if host.state is not None and int(host.state.get("cpus") or 0) < least:
            what = "control plane" if host.control_plane else "worker"
            yield error(
                host.name,
                f"{host.state.get('cpus')} CPU",
                f"at least {least} for a {what}",
                f"give the machine more CPUs, or lower preflight_minimum.{host.role}_cpus",
            )


@rule("memory")
def check_memory(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    for host in hosts:
        least = int(cluster.minimum[f"{host.role}_memory_mib"])
        if host.state is not None and int(host.state.get("memory_mib") or 0) < least:
            what = "control plane" if host.control_plane else "worker"
            yield error(
                host.name,
                f"{host.state.get('memory_mib')} MiB of memory",
                f"at least {least} MiB for a {what}",
                f"give the machine more memory, or lower preflight_minimum.{host.role}_memory_mib",
            )


@rule("disk")
def check_disk(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """A member has already put its images on the disk: short space there is a warning."""
    for host in hosts:
        for path, least in cluster.minimum["free_mib"].items():
            filesystem = ((host.state or {}).get("filesystems") or {}).get(path)
            if filesystem is None or (path == "/var/lib/etcd" and not host.control_plane):
                continue
            if path in RUNTIME_FOLDERS.values() and path != RUNTIME_FOLDERS.get(host.runtime):
                continue
            if int(filesystem["free_mib"]) < int(least):
                yield (warning if host.membership == "member" else error)(
                    host.name,
                    f"{filesystem['free_mib']} MiB free for {path}",
                    f"at least {least} MiB",
                    f"free space there or mount a larger file system at {path}",
                )


@rule("port-in-use")
def check_ports(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    monitored = shared(cluster, hosts, "monitoring_enabled", False)
    measured = shared(cluster, hosts, "load_balancer_metrics", monitored)
    for host in hosts:
        if host.membership != "bare" or host.state is None:
            continue
        wanted = own_ports(cluster, control_plane=host.control_plane)
        balanced = host.control_plane and bool(cluster.vip) and not cluster.endpoint
        haproxy = {cluster.endpoint_port, *((HAPROXY_METRICS_PORT,) if measured else ())} if balanced else set()
        wanted |= dict.fromkeys(haproxy, "haproxy")
        if monitored:
            wanted[NODE_EXPORTER_PORT] = "node-exporter"
        seen: set[tuple[int, str]] = set()
        for item in host.state.get("listening") or ():
            port, process = int(item["port"]), str(item.get("process") or "")
            if item.get("protocol") != "tcp" or port not in wanted or (port, process) in seen:
                continue
            if port in haproxy and process in ("haproxy", "keepalived"):
                continue
            seen.add((port, process))
            by = f"{process} (pid {item['pid']})" if process and item.get("pid") else process or "an unknown process"
            yield error(
                host.name,
                f"TCP port {port} in use by {by}",
                f"a free port for {wanted[port]}",
                f"stop {process or 'what listens there (ss -ltnp)'} or move it to another port",
            )


def clock_offsets(hosts: Sequence[HostReport]) -> list[tuple[float, float, HostReport]]:
    """(offset, uncertainty) of each host's clock against the controller's.

    The machine read its clock somewhere between the two readings of the controller's: half of that is not known.
    """
    found: list[tuple[float, float, HostReport]] = []
    for host in hosts:
        epoch = ((host.state or {}).get("time") or {}).get("epoch")
        if epoch is not None and host.read_at is not None:
            before, after = host.read_at
            found.append((float(epoch) - (before + after) / 2, (after - before) / 2, host))
    return sorted(found, key=lambda item: item[0])


@rule("clock-skew")
def check_clock_skew(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    offsets = clock_offsets(hosts)
    if len(offsets) < 2:
        return
    spread = offsets[-1][0] - offsets[-1][1] - offsets[0][0] - offsets[0][1]
    if spread <= cluster.max_clock_skew:
        return
    middle = statistics.median_low([item[0] for item in offsets])
    for offset, uncertainty, host in offsets:
        away = offset - middle
        if abs(away) - uncertainty > cluster.max_clock_skew / 2:
            yield error(
                host.name,
                f"a clock {abs(away):.1f} s {'ahead of' if away > 0 else 'behind'} the other hosts",
                f"clocks within {cluster.max_clock_skew:g} s of each other",
                "set the clock (chronyc makestep, or timedatectl set-ntp true) and keep it synchronised",
            )


@rule("clock-unsynchronised")
def check_clock_synchronised(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    for host in hosts:
        time = (host.state or {}).get("time") or {}
        if time.get("synchronized") is False:
            service = f"though {time['service']} is there" if time.get("service") else "by no service"
            yield warning(
                host.name,
                f"a clock that is not synchronised ({service})",
                "a clock that a time service keeps",
                "let the machine reach its time servers (chronyc sources, timedatectl status)",
            )


@rule("swap")
def check_swap(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    if cluster.kubelet_configuration.get("failSwapOn", True) is False:
        return
    for host in hosts:
        swap = (host.state or {}).get("swap") or ()
        if swap and host.variables.get("node_swap") == "keep":
            yield error(
                host.name,
                f"swap ({listing(item['device'] for item in swap)}) that node_swap: keep leaves on",
                "no swap, as kubelet's failSwapOn is true",
                "set node_swap to off, or failSwapOn: false in cluster_kubelet_configuration",
            )
            continue
        if swap and (host.state or {}).get("swap_removable") is False:
            yield error(
                host.name,
                f"swap that cannot be turned off here ({listing(item['device'] for item in swap)})",
                "no swap, as kubelet's failSwapOn is true",
                "turn it off where it is made (swapoff -a on the container's host, the machine's image), "
                "or set failSwapOn: false in cluster_kubelet_configuration",
            )


def os_title(os: Mapping[str, Any]) -> str:
    return str(os.get("name") or f"{os.get('id')} {os.get('version_id')}")


@rule("os")
def check_os(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    for host in hosts:
        if host.state is None:
            continue
        os = host.state.get("os") or {}
        name, version = str(os.get("id") or ""), str(os.get("version_id") or "")
        if name not in ("debian", "ubuntu"):
            version = version.split(".", maxsplit=1)[0]
        title = " ".join(filter(None, (os_title(os), version if version not in os_title(os) else "")))
        if version in SUPPORTED_OS.get(name, ()):
            continue
        ended = ENDED_OS.get((name, version))
        if ended:
            found, remedy = f"{title}, which ended on {ended}", f"install {OS_EXPECTED} on the machine"
            yield error(host.name, found, "a release that is maintained", remedy)
        elif name in ("debian", "ubuntu") and not older(version, SUPPORTED_OS[name][0]):
            remedy = f"expect surprises, or install {OS_EXPECTED}"
            yield warning(host.name, f"{title}, which nobody has tried here", OS_EXPECTED, remedy)
        else:
            yield error(host.name, title, OS_EXPECTED, "install one of these on the machine")


def older(version: str, other: str) -> bool:
    """Whether a release is older; one without a number (Debian's testing and unstable) is not."""
    try:
        return [int(part) for part in version.split(".")] < [int(part) for part in other.split(".")]
    except ValueError:
        return False


@rule("architecture")
def check_architecture(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    for host in hosts:
        if host.state is not None and host.state.get("arch") not in SUPPORTED_ARCHITECTURES:
            yield error(
                host.name,
                f"architecture {host.state.get('arch')}",
                either(SUPPORTED_ARCHITECTURES),
                "use a machine of one of these architectures",
            )


@rule("python")
def check_python(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    for host in hosts:
        text = str((host.state or {}).get("python") or "")
        match = re.match(r"(\d+)\.(\d+)", text)
        if match and (int(match[1]), int(match[2])) < MINIMUM_PYTHON:
            yield error(
                host.name,
                f"Python {text}",
                f"Python {dotted(MINIMUM_PYTHON)} or newer",
                "install a newer python3 and point ansible_python_interpreter at it, or use a newer operating system",
            )


@rule("cgroup-v1")
def check_cgroup(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """KEP-5573: from 1.35 kubelet's failCgroupV1 is true, and kubeadm's SystemVerification refuses cgroup v1."""
    minor = cluster.minor
    if minor is None or minor < (1, 35):
        return
    missing = []
    if cluster.kubelet_configuration.get("failCgroupV1", True) is not False:
        missing.append("failCgroupV1: false in cluster_kubelet_configuration")
    if not {"systemverification", "all"} & {str(item).lower() for item in cluster.ignore_preflight_errors}:
        missing.append("SystemVerification in cluster_ignore_preflight_errors")
    for host in hosts:
        if missing and (host.state or {}).get("cgroup_version") == 1:
            yield error(
                host.name,
                f"cgroup v1 with Kubernetes {cluster.version}",
                "cgroup v2, which kubelet needs from 1.35 on",
                "boot with systemd.unified_cgroup_hierarchy=1 or use a newer operating system; "
                f"to stay on v1 for now, put {' and '.join(missing)}",
            )


@rule("resolver-loopback")
def check_resolver_loopback(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """https://coredns.io/plugins/loop/: CoreDNS that forwards to a loopback address forwards to itself and stops."""
    if cluster.kubelet_configuration.get("resolvConf"):
        return
    for host in hosts:
        servers = [str(server) for server in (host.state or {}).get("resolver") or ()]
        loops = [text for text in servers if (address := parse_address(text.split("%")[0])) and address.is_loopback]
        if loops:
            yield error(
                host.name,
                f"name server {listing(loops)} in what pods inherit as resolv.conf",
                "name servers that a pod can reach, or CoreDNS stops with 'Loop detected'",
                "write the real name servers into /etc/resolv.conf, "
                "or set resolvConf in cluster_kubelet_configuration to a file that holds them",
            )


@rule("resolver-none")
def check_resolver_none(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    if cluster.kubelet_configuration.get("resolvConf"):
        return
    for host in hosts:
        if host.state is not None and not host.state.get("resolver"):
            yield warning(
                host.name,
                "no name server",
                "at least one, for names outside the cluster",
                "write one into /etc/resolv.conf, unless nothing outside the cluster is to be resolved",
            )
