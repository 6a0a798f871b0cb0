# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules: the version of Kubernetes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.context import ClusterIntent, HostReport
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.finding import (
    Finding,
    either,
    error,
    listing,
)
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.parsing import dotted, parse_version
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.registry import rule

#: https://kubernetes.io/releases/ on 2026-11-22
KUBEADM_UPGRADE = "https://kubernetes.io/docs/tasks/administer-cluster/kubeadm/kubeadm-upgrade/"


@rule("version")
def check_version(cluster: ClusterIntent, _hosts: Sequence[HostReport]) -> Iterator[Finding]:
    minors = list(cluster.supported_minors)
    version = parse_version(cluster.version)
    if version is None:
        yield error(
            "cluster_version",
            repr(cluster.version),
            "a full version, major.minor.patch",
            f"write it like '{minors[-1]}.0', in quotes",
        )
    elif f"{version[0]}.{version[1]}" not in minors:
        yield error(
            "cluster_version",
            cluster.version,
            f"a release of {either(minors)}",
            "choose a supported release; a cluster of an older one goes up by one minor at a time",
        )


def installed(host: HostReport) -> dict[str, tuple[int, int, int]]:
    kube = (host.state or {}).get("kube") or {}
    parsed = {name: parse_version(kube.get(name)) for name in ("kubelet", "kubeadm")}
    return {name: version for name, version in parsed.items() if version is not None}


@rule("version-downgrade", fixed=True)
def check_downgrade(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    wanted = parse_version(cluster.version)
    for host in hosts:
        newer = {name: version for name, version in installed(host).items() if wanted and version > wanted}
        if not newer or not wanted:
            continue
        newest = dotted(max(newer.values()))
        if host.membership == "member":
            remedy = f"set cluster_version to {newest} or newer: Kubernetes does not support downgrades"
        else:
            remedy = f"set cluster_version to {newest} or newer, or remove the packages from the machine first"
        yield error(
            host.name,
            listing(f"{name} {dotted(version)}" for name, version in newer.items()),
            f"nothing newer than cluster_version {dotted(wanted)}",
            remedy,
        )


@rule("version-skew")
def check_skew(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """https://kubernetes.io/releases/version-skew-policy/: kubelet at most 3 minors older than the API server."""
    wanted = parse_version(cluster.version)
    for host in hosts:
        kubelet = installed(host).get("kubelet")
        if wanted is None or kubelet is None or host.membership != "member" or kubelet >= wanted:
            continue
        behind = wanted[1] - kubelet[1] if wanted[0] == kubelet[0] else 4
        if behind > 3 and not host.control_plane:
            remedy = (
                f"put cluster_version back to what the control planes run, then replace the node: kubelet {kubelet[0]}."
                f"{kubelet[1]} may not talk to an API server of {wanted[0]}.{wanted[1]}"
            )
        elif behind > 1:
            following = f"{kubelet[0]}.{kubelet[1] + 1}"
            remedy = f"set cluster_version back; kubeadm upgrades by one minor at a time, first to {following}"
        else:
            remedy = f"set cluster_version back, or upgrade the cluster first ({KUBEADM_UPGRADE})"
        yield error(
            host.name,
            f"kubelet {dotted(kubelet)} on a member of the cluster",
            f"cluster_version {dotted(wanted)}, as site.yml does not upgrade members",
            remedy,
        )
