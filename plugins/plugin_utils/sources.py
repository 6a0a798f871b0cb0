# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where packages and images come from: official sites, Alibaba's mirrors, or a site's own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

# https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/install-kubeadm/ and
# https://developer.aliyun.com/mirror/kubernetes: Alibaba's paths have no colons.
KUBERNETES_REPOSITORIES = {
    "official": "https://pkgs.k8s.io/core:/stable:/v{minor}/{format}/",
    "aliyun": "https://mirrors.aliyun.com/kubernetes-new/core/stable/v{minor}/{format}/",
}
KUBERNETES_KEYS = {
    "deb": "{repository}Release.key",
    "rpm": "{repository}repodata/repomd.xml.key",
}
# https://docs.docker.com/engine/install/
DOCKER_REPOSITORIES = {
    "official": {
        "debian": "https://download.docker.com/linux/{os}",
        "redhat": "https://download.docker.com/linux/{os}/{major}/$basearch/stable",
    },
    "aliyun": {
        "debian": "https://mirrors.aliyun.com/docker-ce/linux/{os}",
        "redhat": "https://mirrors.aliyun.com/docker-ce/linux/{os}/{major}/$basearch/stable",
    },
}
DOCKER_KEYS = {
    "official": "https://download.docker.com/linux/{os}/gpg",
    "aliyun": "https://mirrors.aliyun.com/docker-ce/linux/{os}/gpg",
}
IMAGE_REPOSITORIES = {
    "official": "registry.k8s.io",
    "aliyun": "registry.aliyuncs.com/google_containers",
}
# Where a machine keeps what it needs for the site's own mirror.
APT_CA = "/etc/apt/kubestead-mirror.crt"
APT_SETTINGS = "/etc/apt/apt.conf.d/90kubestead-mirror"
RPM_CA = "/etc/pki/tls/certs/kubestead-mirror.crt"
DNF_SETTINGS = "/etc/dnf/dnf.conf"
DNF_SOURCES = "/etc/kubestead-mirror.repos.d"
# Upstream's own advice: `dnf upgrade` must not move a node's kubelet, so the repository excludes its packages.
DNF_EXCLUDE = "kubelet kubeadm kubectl cri-tools kubernetes-cni"
# Docker publishes packages for CentOS and RHEL; the rebuilds take CentOS's.
DOCKER_OS = {"debian": "debian", "ubuntu": "ubuntu", "rhel": "rhel", "fedora": "fedora"}


def minor_version(version: str) -> str:
    """Return 1.36 of 1.36.3."""
    return ".".join(str(version).split(".")[:2])


def image_repository(settings: Mapping[str, Any]) -> str:
    """Return where kubeadm's images come from."""
    return str(settings.get("image_repository") or IMAGE_REPOSITORIES.get(settings.get("mirror", ""), ""))


def kubeadm_images(
    version: str, repository: str, configuration: Mapping[str, Any], tags: Mapping[str, Mapping[str, str]]
) -> list[str]:
    """Return what `kubeadm config images list` prints for this version and ClusterConfiguration.

    `tags` has those of etcd, coredns and pause by minor version.
    """
    own = tags[minor_version(version)]
    dns = configuration.get("dns", {})
    etcd = configuration.get("etcd", {}).get("local", {})
    # Only upstream's own registry has it one level deeper (cmd/kubeadm/app/images/images.go).
    coredns = "coredns/coredns" if repository == IMAGE_REPOSITORIES["official"] else "coredns"
    dns_place = f"{dns['imageRepository']}/coredns" if dns.get("imageRepository") else f"{repository}/{coredns}"
    control = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")
    return [
        *(f"{repository}/{name}:v{version}" for name in control),
        f"{dns_place}:{dns.get('imageTag') or own['coredns']}",
        f"{repository}/pause:{own['pause']}",
        f"{etcd.get('imageRepository') or repository}/etcd:{etcd.get('imageTag') or own['etcd']}",
    ]


def kubernetes_source(settings: Mapping[str, Any], package_format: str) -> dict[str, Any]:
    """Return repository, key and the key's fingerprints of the Kubernetes packages (`package_format` deb or rpm)."""
    overrides = settings["mirror_overrides"]
    template = overrides.get("kubernetes_repository") or KUBERNETES_REPOSITORIES.get(settings["mirror"], "")
    repository = template.format(minor=minor_version(settings["version"]), format=package_format)
    repository = repository if repository.endswith("/") else f"{repository}/"
    return {
        "repository": repository,
        "key": overrides.get("kubernetes_key") or KUBERNETES_KEYS[package_format].format(repository=repository),
        "fingerprints": overrides.get("kubernetes_key_fingerprints") or settings["kubernetes_key_fingerprints"],
    }


def docker_source(settings: Mapping[str, Any], os: Mapping[str, str]) -> dict[str, Any]:
    """Return repository, key and fingerprints of Docker's packages (containerd.io, docker-ce) for an OS."""
    overrides = settings["mirror_overrides"]
    family = os["family"]
    names = {"os": DOCKER_OS.get(os["id"], "centos"), "major": os["version_id"].split(".")[0]}
    template = overrides.get("docker_repository") or DOCKER_REPOSITORIES.get(settings["mirror"], {}).get(family, "")
    key = overrides.get("docker_key") or DOCKER_KEYS.get(settings["mirror"], "")
    return {
        "repository": template.format(**names),
        "key": key.format(**names),
        "fingerprints": overrides.get("docker_key_fingerprints") or settings["docker_key_fingerprints"],
    }


def containerd_from_docker(os: Mapping[str, str], source: str) -> bool:
    """Whether containerd comes from Docker's repository: by choice, or as the system's own is unfit or missing."""
    unfit = os.get("family") == "redhat" or os.get("codename") == "bookworm"
    return source == "docker" or (source == "auto" and unfit)


def engine_from_docker(os: Mapping[str, str], source: str) -> bool:
    """The same for Docker Engine, of which only EL has none."""
    return source == "docker" or (source == "auto" and os.get("family") == "redhat")


def system_name(os: Mapping[str, str]) -> str:
    """Return the name of a system in a bundle: debian-13, ubuntu-24.04, rocky-9."""
    version = os["version_id"]
    return f"{os['id']}-{version.split('.')[0] if os['family'] == 'redhat' else version}"


def for_dnf(name: str) -> str:
    """Return NAME=VERSION as dnf writes it."""
    return name.replace("=", "-", 1)


def dnf_settings(lines: str) -> dict[str, Any]:
    """Return lines of dnf's settings, which is one file: dnf 4 has no folder for parts of it."""
    return {"path": DNF_SETTINGS, "block": lines, "block_name": "mirror"}


def file_path(url: str) -> str:
    """Return where a bundle has a file of elsewhere: below its server's name, as it lies there."""
    found = urlsplit(url)
    # Not the name and password that may stand before it.
    server = found.netloc.rpartition("@")[2]
    parts = [re.sub(r"[^A-Za-z0-9._+-]", "_", part) for part in (server, *found.path.split("/")) if part]
    return "/".join(part for part in parts if part not in {".", ".."})


def file_url(url: str, settings: Mapping[str, Any]) -> str:
    """Return where a machine fetches a file of a bundle: from the site's mirror, where there is one."""
    host = settings.get("mirror_host")
    return f"https://{host}/files/{file_path(url)}" if host else url


def bundle_files(os: Mapping[str, str], url: str, ca: str = "", only: bool = True) -> list[dict[str, Any]]:
    """Return what makes a bundle a machine's package source: at the site's mirror over TLS, or on its own disk.

    Nothing else signs a bundle's index than the authority of the mirror's certificate: packages of many publishers lie
    in one repository.
    """
    repository = f"{url}/packages/{system_name(os)}/"
    if os["family"] == "redhat":
        lines = ["[kubernetes]", "name=kubernetes", f"baseurl={repository}", "enabled=1", "gpgcheck=0"]
        # Packages of modules lie there without their modules, and what is there changes with the bundle.
        lines += ["module_hotfixes=1", "metadata_expire=1", f"exclude={DNF_EXCLUDE}"]
        lines += [f"sslcacert={RPM_CA}"] if ca else []
        alone = f"{DNF_SOURCES}/kubernetes.repo"
        return [
            *([{"path": RPM_CA, "content": f"{ca.strip()}\n"}] if ca else []),
            {"path": alone if only else "/etc/yum.repos.d/kubernetes.repo", "content": "\n".join(lines) + "\n"},
            dnf_settings(f"reposdir={DNF_SOURCES}" if only else ""),
            *([] if only else [{"path": alone, "state": "absent"}]),
        ]
    sources = "/etc/apt/sources.list.d/kubernetes.sources"
    settings = ["// Managed by kubestead.cluster"]
    if ca:
        settings.append(f'Acquire::https::{urlsplit(url).hostname}::CAInfo "{APT_CA}";')
    if only:
        settings += [f'Dir::Etc::SourceList "{sources}";', 'Dir::Etc::SourceParts "-";']
    return [
        *([{"path": APT_CA, "content": f"{ca.strip()}\n"}] if ca else []),
        {"path": APT_SETTINGS, "content": "\n".join(settings) + "\n"},
        {"path": sources, "content": f"Types: deb\nURIs: {repository}\nSuites: /\nTrusted: yes\n"},
    ]


def apt_files(name: str, source: Mapping[str, Any], suites: str, components: str) -> list[dict[str, Any]]:
    """Return key and deb822 source of one apt repository, as files for machine_config."""
    key = f"/etc/apt/keyrings/{name}.asc"
    lines = [f"Types: deb\nURIs: {source['repository']}\nSuites: {suites}\n"]
    if components:
        lines.append(f"Components: {components}\n")
    lines.append(f"Signed-By: {key}\n")
    return [
        {"path": key, "url": source["key"], "openpgp_fingerprints": source["fingerprints"]},
        {"path": f"/etc/apt/sources.list.d/{name}.sources", "content": "".join(lines)},
    ]


def dnf_files(name: str, source: Mapping[str, Any], exclude: str = "") -> list[dict[str, Any]]:
    """Return key and repository file of one dnf repository, as files for machine_config."""
    key = f"/etc/pki/rpm-gpg/RPM-GPG-KEY-{name}"
    lines = [
        f"[{name}]",
        f"name={name}",
        f"baseurl={source['repository']}",
        "enabled=1",
        "gpgcheck=1",
        f"gpgkey=file://{key}",
    ]
    if exclude:
        lines.append(f"exclude={exclude}")
    return [
        {"path": key, "url": source["key"], "openpgp_fingerprints": source["fingerprints"]},
        {"path": f"/etc/yum.repos.d/{name}.repo", "content": "\n".join(lines) + "\n"},
    ]


def package_sources(os: Mapping[str, str], settings: Mapping[str, Any], docker: bool) -> list[dict[str, Any]]:
    """Return the package sources of one machine: Kubernetes' always, Docker's where the runtime comes from there.

    A site's own mirror of a bundle has both.
    """
    if settings.get("mirror_host"):
        url = f"https://{settings['mirror_host']}"
        return bundle_files(os, url, settings["mirror_ca"], settings["mirror_only"])
    if os["family"] == "debian":
        files = apt_files("kubernetes", kubernetes_source(settings, "deb"), "/", "")
        if docker:
            files += apt_files("docker", docker_source(settings, os), os["codename"], "stable")
        # What a mirror of the site has left, once it is no longer one.
        return [*files, *({"path": path, "state": "absent"} for path in (APT_SETTINGS, APT_CA))]
    files = dnf_files("kubernetes", kubernetes_source(settings, "rpm"), DNF_EXCLUDE)
    if docker:
        files += dnf_files("docker", docker_source(settings, os))
    gone = ({"path": path, "state": "absent"} for path in (f"{DNF_SOURCES}/kubernetes.repo", RPM_CA))
    return [*files, dnf_settings(""), *gone]
