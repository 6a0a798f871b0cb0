# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The systems that a bundle can be for, and where the user says that their packages come from."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.plugin_utils import sources
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.host import SUPPORTED_OS
from ansible_collections.kubestead.cluster.plugins.plugin_utils.bundle import BundleError
from ansible_collections.kubestead.cluster.plugins.plugin_utils.bundle_packages import SYSTEMS, System, own_sources


@pytest.mark.parametrize(
    ("name", "codename", "folder", "family"),
    [
        ("debian-13-amd64", "trixie", "packages/debian-13", "debian"),
        ("ubuntu-24.04-arm64", "noble", "packages/ubuntu-24.04", "debian"),
        ("rocky-9-amd64", "", "packages/rocky-9", "redhat"),
        ("centos-10-arm64", "", "packages/centos-10", "redhat"),
    ],
)
def test_systems(name: str, codename: str, folder: str, family: str) -> None:
    system = System.of(name)
    assert (system.os["codename"], system.folder, system.os["family"]) == (codename, folder, family)
    assert name.endswith(system.arch)


def test_a_machine_finds_its_folder_by_what_it_says_of_itself() -> None:
    machine = {"id": "rocky", "version_id": "9.6", "family": "redhat"}
    assert f"packages/{sources.system_name(machine)}" == System.of("rocky-9-amd64").folder


def test_every_supported_system_can_be_collected_for() -> None:
    assert set(SYSTEMS) == {(name, version) for name, versions in SUPPORTED_OS.items() for version in versions}


@pytest.mark.parametrize("name", ["debian-13", "debian-11-amd64", "rocky-9.6-amd64", "ubuntu-24.04-armhf", ""])
def test_systems_that_are_none(name: str) -> None:
    with pytest.raises(BundleError, match=rf"^bundle_systems: found '{name}', expected one of debian-12, debian-13"):
        System.of(name)


def test_sources_of_the_user() -> None:
    own = {"repositories": ["http://m.example.com/"]}
    assert own_sources(System.of("rhel-9-amd64"), {"rhel-9": own}) == own
    assert own_sources(System.of("rhel-10-amd64"), {"rhel-9": own}) == {}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"rhel-9.4": {"repositories": ["x"]}}, "found 'rhel-9.4', expected one of debian-12"),
        ({"rocky-9": {"key": "x"}}, "rocky-9 has no repositories, expected a list of them$"),
    ],
)
def test_sources_that_are_none(given: dict[str, Any], said: str) -> None:
    with pytest.raises(BundleError, match=f"^bundle_distribution_sources: {said}"):
        own_sources(System.of("debian-13-amd64"), given)
