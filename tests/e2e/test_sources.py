# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The package sources of systems that no lab node runs, read by the package managers themselves."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.plugin_utils.sources import package_sources

KEY = {"kubernetes_key_fingerprints": ["DE15B14486CD377B9E876E1A234654DA9A296436"], "docker_key_fingerprints": []}
MIRRORS = {
    "official": ("https://pkgs.k8s.io/core:/stable:/v1.36", "https://download.docker.com/linux"),
    "aliyun": (
        "https://mirrors.aliyun.com/kubernetes-new/core/stable/v1.36",
        "https://mirrors.aliyun.com/docker-ce/linux",
    ),
}


def settings(mirror: str) -> dict[str, Any]:
    return {"version": "1.36.3", "mirror": mirror, "mirror_overrides": {}, **KEY}


def write(folder: Path, files: list[dict[str, Any]], suffix: str) -> Path:
    """Put the repository files into a folder of their own."""
    for file in files:
        if file["path"].endswith(suffix) and "content" in file:
            (folder / Path(file["path"]).name).write_text(file["content"])
    return folder


@pytest.mark.parametrize("mirror", MIRRORS)
@pytest.mark.parametrize(
    ("identity", "version", "published"),
    [
        ("rhel", "9.6", "rhel/9"),
        ("rocky", "9.6", "centos/9"),
        ("almalinux", "10.1", "centos/10"),
        ("centos", "10", "centos/10"),
    ],
)
def test_dnf_reads_the_repositories(tmp_path: Path, mirror: str, identity: str, version: str, published: str) -> None:
    system = {"id": identity, "version_id": version, "codename": "", "family": "redhat"}
    folder = write(tmp_path, package_sources(system, settings(mirror), docker=True), ".repo")
    command = [
        "dnf",
        f"--setopt=reposdir={folder}",
        f"--setopt=cachedir={tmp_path / 'cache'}",
        "--releasever=9",
        "--forcearch=x86_64",
    ]
    listed = subprocess.run([*command, "repolist", "--all"], check=True, capture_output=True, text=True).stdout
    assert [line.split()[0] for line in listed.splitlines()[1:]] == ["docker", "kubernetes"]
    kubernetes, docker = MIRRORS[mirror]
    places = {"kubernetes": f"{kubernetes}/rpm", "docker": f"{docker}/{published}/x86_64/stable"}
    # Without a network dnf can only fail to fetch, and says from where.
    unreachable = ["--setopt=timeout=1", "--setopt=retries=1", "--setopt=proxy=http://127.0.0.1:9"]
    for name, place in places.items():
        one = [*command, *unreachable, "--disablerepo=*", f"--enablerepo={name}", "makecache"]
        fetched = subprocess.run(one, check=False, capture_output=True, text=True)
        said = fetched.stdout + fetched.stderr
        assert f" {place}/repodata/repomd.xml " in said, said


@pytest.mark.parametrize("mirror", MIRRORS)
@pytest.mark.parametrize(
    ("identity", "codename"),
    [("debian", "bookworm"), ("debian", "trixie"), ("ubuntu", "jammy"), ("ubuntu", "noble"), ("ubuntu", "resolute")],
)
def test_apt_reads_the_repositories(tmp_path: Path, mirror: str, identity: str, codename: str) -> None:
    system = {"id": identity, "version_id": "1", "codename": codename, "family": "debian"}
    folder = write(tmp_path, package_sources(system, settings(mirror), docker=True), ".sources")
    options = ["-o", "Dir::Etc::sourcelist=/dev/null", "-o", f"Dir::Etc::sourceparts={folder}"]
    command = ["apt-get", *options, "-o", "APT::Architecture=amd64", "--print-uris", "update"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    kubernetes, docker = MIRRORS[mirror]
    assert f"'{kubernetes}/deb/InRelease'" in said
    assert f"'{docker}/{identity}/dists/{codename}/InRelease'" in said
