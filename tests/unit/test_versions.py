# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The versions of role cluster belong together, and to those that the lab builds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from ansible_collections.kubestead.cluster.tests.lab.versions import COMPONENTS, RELEASES

VERSIONS = yaml.safe_load((Path(__file__).parents[2] / "roles/cluster/vars/main/versions.yml").read_text())


def trusted(value: Any) -> Any:
    return trust_as_template(value) if isinstance(value, str) else value


def test_every_supported_version_has_its_images() -> None:
    assert list(VERSIONS["__cluster_kubeadm_tags"]) == VERSIONS["__cluster_supported_minors"]


@pytest.mark.parametrize("version", RELEASES)
def test_the_lab_has_the_same(version: str) -> None:
    release = RELEASES[version]
    own = VERSIONS["__cluster_kubeadm_tags"].get(version.rpartition(".")[0])
    expected = {"etcd": release.etcd_tag, "coredns": COMPONENTS[release.coredns].version, "pause": release.pause_tag}
    assert own == expected


@pytest.mark.parametrize(("minor", "expected"), [("1.35", "3.10.1"), ("1.36", "3.10.2"), ("9.99", "3.10.2")])
def test_the_pause_image(minor: str, expected: str) -> None:
    variables = {name: trusted(value) for name, value in VERSIONS.items()}
    templar = Templar(loader=DataLoader(), variables={**variables, "__cluster_view": {"minor": minor}})
    assert templar.template(trust_as_template("{{ __cluster_pause_version }}")) == expected
