# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where packages and images come from, for every system and mirror."""

from __future__ import annotations

import configparser
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.kubestead.cluster.plugins.filter import package_sources
from ansible_collections.kubestead.cluster.plugins.plugin_utils import sources

FIXTURES = Path(__file__).parents[2] / "fixtures"
DEBIAN = {"id": "debian", "family": "debian", "codename": "trixie", "version_id": "13"}
ROCKY = {"id": "rocky", "family": "redhat", "codename": "", "version_id": "9.6"}
FINGERPRINT = ["DE15B14486CD377B9E876E1A234654DA9A296436"]
DOCKER_FINGERPRINT = ["9DC858229FC7DD38854AE2D88D81803C0EBFCD88"]
find = package_sources.FilterModule().filters()["package_sources"]


def settings(mirror: str = "official", **overrides: Any) -> dict[str, Any]:
    return {
        "version": "1.36.3",
        "mirror": mirror,
        "mirror_overrides": overrides,
        "kubernetes_key_fingerprints": FINGERPRINT,
        "docker_key_fingerprints": DOCKER_FINGERPRINT,
    }


def test_kubernetes_on_debian() -> None:
    assert find(DEBIAN, settings(), docker=False) == [
        {
            "path": "/etc/apt/keyrings/kubernetes.asc",
            "url": "https://pkgs.k8s.io/core:/stable:/v1.36/deb/Release.key",
            "openpgp_fingerprints": FINGERPRINT,
        },
        {
            "path": "/etc/apt/sources.list.d/kubernetes.sources",
            "content": (
                "Types: deb\nURIs: https://pkgs.k8s.io/core:/stable:/v1.36/deb/\nSuites: /\n"
                "Signed-By: /etc/apt/keyrings/kubernetes.asc\n"
            ),
        },
        {"path": "/etc/apt/apt.conf.d/90kubestead-mirror", "state": "absent"},
        {"path": "/etc/apt/kubestead-mirror.crt", "state": "absent"},
    ]


def test_docker_on_debian() -> None:
    key, source = find(DEBIAN, settings(), docker=True)[2:4]
    assert key == {
        "path": "/etc/apt/keyrings/docker.asc",
        "url": "https://download.docker.com/linux/debian/gpg",
        "openpgp_fingerprints": DOCKER_FINGERPRINT,
    }
    assert source["content"] == (
        "Types: deb\nURIs: https://download.docker.com/linux/debian\nSuites: trixie\nComponents: stable\n"
        "Signed-By: /etc/apt/keyrings/docker.asc\n"
    )


def test_rocky() -> None:
    files = find(ROCKY, settings(), docker=True)
    assert [item["path"] for item in files] == [
        "/etc/pki/rpm-gpg/RPM-GPG-KEY-kubernetes",
        "/etc/yum.repos.d/kubernetes.repo",
        "/etc/pki/rpm-gpg/RPM-GPG-KEY-docker",
        "/etc/yum.repos.d/docker.repo",
        "/etc/dnf/dnf.conf",
        "/etc/kubestead-mirror.repos.d/kubernetes.repo",
        "/etc/pki/tls/certs/kubestead-mirror.crt",
    ]
    assert files[4] == {"path": "/etc/dnf/dnf.conf", "block": "", "block_name": "mirror"}
    assert {item["state"] for item in files[5:]} == {"absent"}
    assert files[0]["url"] == "https://pkgs.k8s.io/core:/stable:/v1.36/rpm/repodata/repomd.xml.key"
    repository = configparser.ConfigParser(interpolation=None)
    repository.read_string(files[1]["content"])
    assert dict(repository["kubernetes"]) == {
        "name": "kubernetes",
        "baseurl": "https://pkgs.k8s.io/core:/stable:/v1.36/rpm/",
        "enabled": "1",
        "gpgcheck": "1",
        "gpgkey": "file:///etc/pki/rpm-gpg/RPM-GPG-KEY-kubernetes",
        "exclude": "kubelet kubeadm kubectl cri-tools kubernetes-cni",
    }
    repository.read_string(files[3]["content"])
    # The rebuilds of RHEL take CentOS's packages.
    assert repository["docker"]["baseurl"] == "https://download.docker.com/linux/centos/9/$basearch/stable"
    assert "exclude" not in repository["docker"]
    assert len(find(ROCKY, settings(), docker=False)) == 5


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        (DEBIAN, "https://mirrors.aliyun.com/docker-ce/linux/debian"),
        ({**DEBIAN, "id": "ubuntu"}, "https://mirrors.aliyun.com/docker-ce/linux/ubuntu"),
        (ROCKY, "https://mirrors.aliyun.com/docker-ce/linux/centos/9/$basearch/stable"),
        (
            {**ROCKY, "id": "rhel", "version_id": "10.0"},
            "https://mirrors.aliyun.com/docker-ce/linux/rhel/10/$basearch/stable",
        ),
        (
            {**ROCKY, "id": "fedora", "version_id": "43"},
            "https://mirrors.aliyun.com/docker-ce/linux/fedora/43/$basearch/stable",
        ),
    ],
)
def test_docker_at_aliyun(system: dict[str, str], expected: str) -> None:
    found = sources.docker_source(settings("aliyun"), system)
    assert found["repository"] == expected
    assert found["key"] == re.sub(r"/\d.*", "", expected) + "/gpg"


def test_kubernetes_at_aliyun() -> None:
    found = sources.kubernetes_source(settings("aliyun"), "deb")
    # Its paths have no colons.
    assert found["repository"] == "https://mirrors.aliyun.com/kubernetes-new/core/stable/v1.36/deb/"
    assert found["key"] == "https://mirrors.aliyun.com/kubernetes-new/core/stable/v1.36/deb/Release.key"


@pytest.mark.parametrize("mirror", ["official", "custom"])
def test_a_mirror_of_ones_own(mirror: str) -> None:
    own = settings(
        mirror,
        kubernetes_repository="http://mirror.example.com/v{minor}/{format}",
        kubernetes_key_fingerprints=["AB"],
        docker_repository="http://mirror.example.com/docker/{os}/{major}",
        docker_key="http://mirror.example.com/docker.asc",
        docker_key_fingerprints=["CD"],
    )
    assert sources.kubernetes_source(own, "rpm") == {
        "repository": "http://mirror.example.com/v1.36/rpm/",
        "key": "http://mirror.example.com/v1.36/rpm/repodata/repomd.xml.key",
        "fingerprints": ["AB"],
    }
    assert sources.docker_source(own, ROCKY) == {
        "repository": "http://mirror.example.com/docker/centos/9",
        "key": "http://mirror.example.com/docker.asc",
        "fingerprints": ["CD"],
    }
    own["mirror_overrides"]["kubernetes_key"] = "http://mirror.example.com/k8s.asc"
    assert sources.kubernetes_source(own, "deb")["key"] == "http://mirror.example.com/k8s.asc"


CA = "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----"


def test_a_bundle_s_mirror_on_debian() -> None:
    site = {**settings(), "mirror_host": "10.0.0.5:8443", "mirror_ca": CA, "mirror_only": True}
    assert find(DEBIAN, site, docker=True) == [
        {"path": "/etc/apt/kubestead-mirror.crt", "content": f"{CA}\n"},
        {
            "path": "/etc/apt/apt.conf.d/90kubestead-mirror",
            "content": (
                "// Managed by kubestead.cluster\n"
                'Acquire::https::10.0.0.5::CAInfo "/etc/apt/kubestead-mirror.crt";\n'
                'Dir::Etc::SourceList "/etc/apt/sources.list.d/kubernetes.sources";\n'
                'Dir::Etc::SourceParts "-";\n'
            ),
        },
        {
            "path": "/etc/apt/sources.list.d/kubernetes.sources",
            "content": "Types: deb\nURIs: https://10.0.0.5:8443/packages/debian-13/\nSuites: /\nTrusted: yes\n",
        },
    ]
    beside = find(DEBIAN, {**site, "mirror_only": False}, docker=True)[1]["content"]
    assert beside.splitlines()[2:] == []


def test_a_bundle_s_mirror_on_rocky() -> None:
    site = {**settings(), "mirror_host": "m.example.com", "mirror_ca": CA, "mirror_only": True}
    certificate, repository, block = find(ROCKY, site, docker=True)
    assert certificate == {"path": "/etc/pki/tls/certs/kubestead-mirror.crt", "content": f"{CA}\n"}
    assert repository["path"] == "/etc/kubestead-mirror.repos.d/kubernetes.repo"
    parsed = configparser.ConfigParser(interpolation=None)
    parsed.read_string(repository["content"])
    assert dict(parsed["kubernetes"]) == {
        "name": "kubernetes",
        "baseurl": "https://m.example.com/packages/rocky-9/",
        "enabled": "1",
        "gpgcheck": "0",
        "module_hotfixes": "1",
        "metadata_expire": "1",
        "exclude": "kubelet kubeadm kubectl cri-tools kubernetes-cni",
        "sslcacert": "/etc/pki/tls/certs/kubestead-mirror.crt",
    }
    # dnf asks what lies in this folder, and nothing else.
    assert (block["path"], block["block"]) == ("/etc/dnf/dnf.conf", "reposdir=/etc/kubestead-mirror.repos.d")
    beside = find(ROCKY, {**site, "mirror_only": False}, docker=True)[1:]
    assert beside == [
        {**repository, "path": "/etc/yum.repos.d/kubernetes.repo"},
        {**block, "block": ""},
        {"path": "/etc/kubestead-mirror.repos.d/kubernetes.repo", "state": "absent"},
    ]


def test_a_bundle_on_the_machine_itself() -> None:
    settings_file, source = sources.bundle_files(DEBIAN, "file:/var/www/kubestead")
    assert "CAInfo" not in settings_file["content"]
    assert "URIs: file:/var/www/kubestead/packages/debian-13/\n" in source["content"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"mirror": "official"}, "registry.k8s.io"),
        ({"mirror": "aliyun"}, "registry.aliyuncs.com/google_containers"),
        ({"mirror": "official", "image_repository": "r.example.com/k8s"}, "r.example.com/k8s"),
        ({"mirror": "custom"}, ""),
        ({}, ""),
    ],
)
def test_image_repository(values: dict[str, str], expected: str) -> None:
    assert sources.image_repository(values) == expected


@pytest.mark.parametrize(("version", "expected"), [("1.36.3", "1.36"), ("1.36", "1.36"), (1.36, "1.36"), ("", "")])
def test_minor_version(version: Any, expected: str) -> None:
    assert sources.minor_version(version) == expected


VERSIONS = Path(__file__).parents[4] / "roles/cluster/vars/main/versions.yml"
TAGS = yaml.safe_load(VERSIONS.read_text())["__cluster_kubeadm_tags"]


@pytest.mark.parametrize("version", ["1.36.3", "1.37.2"])
def test_the_images_that_kubeadm_lists(version: str) -> None:
    listed = json.loads((FIXTURES / f"kubeadm/{version}_images.json").read_text())["images"]
    assert sources.kubeadm_images(version, "registry.k8s.io", {}, TAGS) == listed


def test_the_images_of_another_registry() -> None:
    found = sources.kubeadm_images("1.36.3", "registry.aliyuncs.com/google_containers", {}, TAGS)
    # Mirrors have all in one folder, and CoreDNS without its own.
    assert "registry.aliyuncs.com/google_containers/coredns:v1.14.2" in found
    own = {
        "dns": {"imageRepository": "r.example.com/dns", "imageTag": "v9"},
        "etcd": {"local": {"imageRepository": "r.example.com/db", "imageTag": "4"}},
    }
    found = sources.kubeadm_images("1.36.3", "registry.k8s.io", own, TAGS)
    assert {"r.example.com/dns/coredns:v9", "r.example.com/db/etcd:4"} < set(found)


def test_every_supported_version_has_its_images() -> None:
    assert set(TAGS) == set(yaml.safe_load(VERSIONS.read_text())["__cluster_supported_minors"])


@pytest.mark.parametrize(
    ("system", "source", "containerd", "engine"),
    [
        ({"family": "debian", "codename": "trixie"}, "auto", False, False),
        ({"family": "debian", "codename": "bookworm"}, "auto", True, False),
        ({"family": "redhat", "codename": ""}, "auto", True, True),
        ({"family": "debian", "codename": "trixie"}, "docker", True, True),
        ({"family": "redhat", "codename": ""}, "distribution", False, False),
    ],
)
def test_whose_packages_the_runtime_is(system: dict[str, str], source: str, containerd: bool, engine: bool) -> None:
    assert sources.containerd_from_docker(system, source) is containerd
    assert sources.engine_from_docker(system, source) is engine


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://get.helm.sh/helm-v4.3.0-linux-amd64.tar.gz", "get.helm.sh/helm-v4.3.0-linux-amd64.tar.gz"),
        ("http://10.0.0.9:8081/a//b+c/../d e?token=x", "10.0.0.9_8081/a/b+c/d_e"),
        ("https://bob:hunter2@repo.example.com/a", "repo.example.com/a"),
    ],
)
def test_files_of_a_bundle_lie_as_their_urls_say(url: str, path: str) -> None:
    assert sources.file_path(url) == path
    assert sources.file_url(url, {"mirror_host": "[fd00::5]:8443"}) == f"https://[fd00::5]:8443/files/{path}"
    assert sources.file_url(url, {"mirror_host": ""}) == url
