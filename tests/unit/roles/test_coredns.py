# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which machines get kubeadm's patch for CoreDNS, and what kubeadm is told of it, evaluated by Ansible itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from ansible_collections.kubestead.cluster.plugins.module_utils import _coredns

ROLES = Path(__file__).parents[3] / "roles"
PATH = "/etc/kubernetes/patches/corednsdeployment0+json.yaml"


def host(**values: Any) -> dict[str, Any]:
    return {"taints": [], "control_plane": True, **values}


HOSTS = {"cp1": host(), "w1": host(control_plane=False)}


def evaluated(expression: str, hosts: dict[str, Any], name: str, **changes: Any) -> Any:
    variables: dict[str, Any] = {"inventory_dir": "/inventory", "inventory_hostname": name}
    for role in ("cluster", "kube_packages", "control_plane"):
        for path in (ROLES / role / "defaults/main.yml", *sorted((ROLES / role / "vars").glob("**/*.yml"))):
            variables |= DataLoader().load_from_file(str(path), trusted_as_template=True)
    variables |= {"__cluster_derived": {"view": {"hosts": hosts}}, **changes}
    return Templar(DataLoader(), variables=variables).template(trust_as_template(f"{{{{ {expression} }}}}"))


def files(hosts: dict[str, Any], name: str, **changes: Any) -> dict[str, dict[str, str]]:
    return {item["path"]: item for item in evaluated("__kube_packages_files", hosts, name, **changes)}


def test_a_control_plane_has_the_patch() -> None:
    found = files(HOSTS, "cp1")
    assert found.keys() == {"/etc/crictl.yaml", PATH}
    assert found[PATH] == {"path": PATH, "state": "file", "content": _coredns.patch_file()}
    assert evaluated("__control_plane_patches", HOSTS, "cp1") == "/etc/kubernetes/patches"


def test_a_worker_has_none() -> None:
    assert files(HOSTS, "w1").keys() == {"/etc/crictl.yaml"}


@pytest.mark.parametrize(
    ("hosts", "changes"),
    [
        ({"cp1": host()}, {}),
        ({"cp1": host(), "w1": host(taints=[{"key": "dedicated", "effect": "NoSchedule"}])}, {}),
        (HOSTS, {"cluster_coredns_spread": False}),
        (HOSTS, {"cluster_configuration": {"dns": {"disabled": True}}}),
        (HOSTS, {"cluster_init_configuration": {"skipPhases": ["addon/coredns"]}}),
    ],
)
def test_it_is_removed_where_coredns_is_not_spread(hosts: dict[str, Any], changes: dict[str, Any]) -> None:
    assert files(hosts, "cp1", **changes)[PATH] == {"path": PATH, "state": "absent"}
    assert evaluated("__control_plane_patches", hosts, "cp1", **changes) == ""


def test_other_phases_and_settings_of_dns_are_no_reason() -> None:
    changes = {
        "cluster_configuration": {"dns": {"imageTag": "v1"}},
        "cluster_init_configuration": {"skipPhases": ["addon/kube-proxy"]},
    }
    assert files(HOSTS, "cp1", **changes)[PATH]["state"] == "file"
