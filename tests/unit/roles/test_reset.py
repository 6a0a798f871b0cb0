# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What role reset removes of package sources, evaluated by Ansible itself: files that are the collection's alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROLES = Path(__file__).parents[3] / "roles"
DEBIAN = {"id": "debian", "family": "debian", "codename": "trixie", "version_id": "13"}
ROCKY = {"id": "rocky", "family": "redhat", "codename": "", "version_id": "9.6"}


def removed(os: dict[str, str], **changes: Any) -> list[dict[str, str]]:
    variables: dict[str, Any] = {"inventory_dir": "/inventory", "inventory_hostname": "w1"}
    for role in ("cluster", "reset"):
        for path in (ROLES / role / "defaults/main.yml", *sorted((ROLES / role / "vars").glob("**/*.yml"))):
            variables |= DataLoader().load_from_file(str(path), trusted_as_template=True)
    member = {"state": "bare", "cri_socket": ""}
    variables |= {"__cluster_node_state": {"state": {"os": os, "member": member}}, **changes}
    found: list[dict[str, str]] = Templar(DataLoader(), variables=variables).template(
        trust_as_template("{{ __reset_files }}")
    )
    return found


def test_the_patch_of_kubeadm() -> None:
    found = {item["path"]: item for item in removed(DEBIAN)}
    # A file of that name may be the user's own.
    assert found["/etc/kubernetes/patches/corednsdeployment0+json.yaml"]["contains"] == "Managed by kubestead.cluster"


def test_the_program_of_the_virtual_ip() -> None:
    found = {item["path"]: item for item in removed(DEBIAN)}
    installed = (ROLES.parent / "plugins/module_utils/_virtual_ip.py").read_text()
    assert found["/usr/local/lib/kubestead/virtual_ip.py"]["contains"] in " ".join(installed.split())
    assert found["/usr/local/lib/kubestead/virtual_ip.py"]["contains"] in installed


@pytest.mark.parametrize("host", ["", "10.0.0.5"])
@pytest.mark.parametrize(
    ("os", "source"),
    [
        (DEBIAN, "/etc/apt/sources.list.d/kubernetes.sources"),
        (ROCKY, "/etc/{}/kubernetes.repo"),
    ],
)
def test_package_sources(os: dict[str, str], source: str, host: str) -> None:
    found = removed(os, cluster_mirror_host=host, cluster_mirror_ca="PEM")
    paths = [item["path"] for item in found]
    assert source.format("kubestead-mirror.repos.d" if host else "yum.repos.d") in paths
    # dnf's settings are not ours: only the block is.
    assert [item for item in found if item["path"] == "/etc/dnf/dnf.conf"] == [
        {"path": "/etc/dnf/dnf.conf", "block_name": "mirror"}
    ]
