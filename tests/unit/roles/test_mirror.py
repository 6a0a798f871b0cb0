# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What role mirror takes as its own address: what preflight takes of the machines that use it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.sources import MIRROR_HOST

TASKS = Path(__file__).parents[3] / "roles/mirror/tasks/main.yml"


@pytest.mark.parametrize(
    ("host", "accepted"),
    [
        ("mirror.example.com", True),
        ("10.0.0.5:8443", True),
        ("", False),
        ("https://mirror.example.com", False),
        ("[fd00::5]", False),
        ("[fd00::5]:8443", False),
        ("fd00::5", False),
    ],
)
def test_address(host: str, accepted: bool) -> None:
    first = yaml.safe_load(TASKS.read_text())[0]["ansible.builtin.assert"]["that"]
    templar = Templar(DataLoader(), variables={"cluster_mirror_host": host})
    assert templar.evaluate_conditional(trust_as_template(first)) is accepted
    assert (MIRROR_HOST.fullmatch(host) is not None) is accepted
