# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules: where packages and images come from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ansible_collections.kubestead.cluster.plugins.plugin_utils import docker
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.context import ClusterIntent, HostReport
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.finding import Finding, error
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.registry import rule
from ansible_collections.kubestead.cluster.plugins.plugin_utils.inventory import mapping
from ansible_collections.kubestead.cluster.plugins.plugin_utils.sources import (
    containerd_from_docker,
    engine_from_docker,
)

#: No IPv6 address: apt takes the colons in the name of its setting for a host (Acquire::https::HOST) as its own.
MIRROR_HOST = re.compile(r"[A-Za-z0-9.-]+(:\d+)?")


IMAGE_REPOSITORY = re.compile(r"[A-Za-z0-9.-]+(:\d+)?(/[a-z0-9._-]+)*")


def takes_docker_packages(host: HostReport) -> bool:
    """Whether the runtime is Docker's package: where the user says so, or the system has none that is fit."""
    system = (host.state or {}).get("os", {})
    if host.runtime == "docker":
        return engine_from_docker(system, str(host.variables.get("docker_source", "auto")))
    return containerd_from_docker(system, str(host.variables.get("containerd_source", "auto")))


def check_bundle_mirror(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """A mirror of a bundle has all packages; images keep the names that they have elsewhere."""
    for host in hosts:
        if host.runtime == "docker":
            found, expected = "cluster_container_runtime docker with cluster_mirror_host", "containerd"
            remedy = "set cluster_container_runtime: containerd, as Docker asks a mirror only for images of docker.io"
            yield error(host.name, found, expected, remedy)
    if not MIRROR_HOST.fullmatch(cluster.mirror_host):
        found, remedy = repr(cluster.mirror_host), "write it like mirror.example.com or 10.0.0.5:8443"
        expected = "host or host:port, without a scheme; apt needs a name for an IPv6 address"
        yield error("cluster_mirror_host", found, expected, remedy)
    if "-----BEGIN CERTIFICATE-----" not in cluster.mirror_ca:
        found = "no certificate" if cluster.mirror_ca else "nothing, and no mirror-ca.crt beside the inventory"
        expected = "the certificate of the authority behind cluster_mirror_host, in PEM format"
        yield error("cluster_mirror_ca", found, expected, "run mirror.yml first, or set cluster_mirror_ca")
    if cluster.mirror == "custom" and not cluster.image_repository:
        expected = "the repository of kubeadm's images whose names the bundle's have"
        yield error("cluster_image_repository", "nothing with cluster_mirror custom", expected, "set it")


@rule("mirror", fixed=True)
def check_mirror(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """A site's own mirror has no defaults; keys are looked for beside the Kubernetes packages."""
    if cluster.mirror_host:
        yield from check_bundle_mirror(cluster, hosts)
        return
    docker = any(takes_docker_packages(host) for host in hosts)
    for key in ("kubernetes_repository", *(("docker_repository", "docker_key") if docker else ())):
        if cluster.mirror == "custom" and not cluster.mirror_overrides.get(key):
            found, expected = f"no {key} with cluster_mirror custom", f"{key}, as a site's own mirror has no defaults"
            yield error("cluster_mirror_overrides", found, expected, f"set {key} in cluster_mirror_overrides")
    if cluster.mirror == "custom" and not cluster.image_repository:
        yield error(
            "cluster_image_repository",
            "nothing with cluster_mirror custom",
            "the registry that holds kubeadm's images, as a site's own mirror has no defaults",
            "set cluster_image_repository, to registry.k8s.io if that is reached",
        )
    for key in ("kubernetes_repository", "kubernetes_key", "docker_repository", "docker_key"):
        url = cluster.mirror_overrides.get(key)
        if url and not re.fullmatch(r"(https?|file)://\S+", str(url)):
            where, expected = f"cluster_mirror_overrides.{key}", "a URL (https://, http:// or file://)"
            yield error(where, repr(url), expected, f"correct {key}")


@rule("docker-registries", fixed=True)
def check_docker_registries(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """The setting is containerd's, and one for both runtimes: what Docker has nothing like would be lost silently."""
    for host in hosts:
        if host.runtime != "docker":
            continue
        for item in docker.read(mapping(host.variables.get("containerd_registries"))).refused:
            found = f"{item.where} has {item.found}"
            yield error(host.name, found, "what Docker can be told of registries", item.remedy)


@rule("image-repository")
def check_image_repository(cluster: ClusterIntent, _hosts: Sequence[HostReport]) -> Iterator[Finding]:
    if cluster.image_repository and not IMAGE_REPOSITORY.fullmatch(cluster.image_repository):
        yield error(
            "cluster_image_repository",
            repr(cluster.image_repository),
            "registry[:port][/path], with neither scheme nor trailing slash",
            "write it like registry.k8s.io or registry.example.com:5000/k8s",
        )
