# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the ingress controller may run, evaluated by Ansible itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROLES = Path(__file__).parents[3] / "roles"
FILES = ("ingress/defaults/main.yml", "cluster/vars/main/derived.yml")
CONTROL_PLANES = [{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists", "effect": "NoSchedule"}]


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ({"kube_control_plane": ["cp1"]}, CONTROL_PLANES),
        ({"kube_control_plane": ["cp1"], "kube_node": ["cp1"]}, CONTROL_PLANES),
        ({"kube_control_plane": ["cp1"], "kube_node": ["cp1", "w1"]}, []),
    ],
)
def test_control_planes_are_tolerated_where_there_is_nothing_else(
    groups: dict[str, list[str]], expected: list[dict[str, str]]
) -> None:
    variables: dict[str, Any] = {"groups": groups}
    for name in FILES:
        variables |= DataLoader().load_from_file(str(ROLES / name), trusted_as_template=True)
    templar = Templar(DataLoader(), variables=variables)
    assert templar.template(trust_as_template("{{ ingress_tolerations }}")) == expected
