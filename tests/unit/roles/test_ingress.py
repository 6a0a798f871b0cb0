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

ROLE = Path(__file__).parents[3] / "roles/ingress"
CONTROL_PLANES = [{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists", "effect": "NoSchedule"}]


@pytest.mark.parametrize(
    ("control_planes", "expected"), [([True], CONTROL_PLANES), ([True, True], CONTROL_PLANES), ([True, False], [])]
)
def test_control_planes_are_tolerated_where_there_is_nothing_else(
    control_planes: list[bool], expected: list[dict[str, str]]
) -> None:
    hosts = {f"h{number}": {"control_plane": value} for number, value in enumerate(control_planes)}
    variables: dict[str, Any] = {}
    for name in ("defaults", "vars"):
        variables |= DataLoader().load_from_file(str(ROLE / name / "main.yml"), trusted_as_template=True)
    templar = Templar(DataLoader(), variables={**variables, "__cluster_view": {"hosts": hosts}})
    assert templar.template(trust_as_template("{{ ingress_tolerations }}")) == expected
