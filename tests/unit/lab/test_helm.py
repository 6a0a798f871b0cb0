# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Helm's archive in the mirror: shaped as the publisher's, the same for the same program."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import yaml

from tests.lab import packages, versions
from tests.lab.addons import helm

ROOT = Path(__file__).parents[3]


def test_the_archive(tmp_path: Path) -> None:
    program = tmp_path / "helm"
    program.write_text("#!/bin/sh\n")
    packed = helm.packed(program, "linux-amd64/helm")
    program.touch()
    assert helm.packed(program, "linux-amd64/helm") == packed
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        [member] = archive.getmembers()
    assert (member.name, member.mode, member.size) == ("linux-amd64/helm", 0o755, 10)


def test_it_is_named_and_pinned_as_the_role_expects() -> None:
    versions_file = yaml.safe_load((ROOT / "roles/cluster/vars/main/versions.yml").read_text())
    pinned = versions_file["__cluster_helm_version"]
    wanted = versions_file["__cluster_helm_url"].format(version=pinned, arch=packages.architecture()).rpartition("/")[2]
    assert helm.archive().name == wanted
    assert versions.COMPONENTS["helm"].version == f"v{pinned}"
