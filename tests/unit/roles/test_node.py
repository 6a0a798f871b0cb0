# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What role node asks of a machine's firewall and clock."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from ansible_collections.kubestead.cluster.plugins.plugin_utils import view

VARS = Path(__file__).parents[3] / "roles/node/vars/main.yml"


def trust(value: object) -> object:
    """Return a value of a variables file with all its templates marked as such."""
    if isinstance(value, dict):
        return {name: trust(item) for name, item in value.items()}
    return trust_as_template(value) if isinstance(value, str) else value


@pytest.mark.parametrize("limited", [["w1"], ["cp1", "w1", "w2"]])
def test_every_host_of_the_inventory_is_let_through_whatever_the_limit(limited: list[str]) -> None:
    """What is not listed is withdrawn: a host outside the limit of a run must be."""
    groups = {"kube_control_plane": ["cp1"], "kube_node": ["w1", "w2"]}
    addresses = {"cp1": "10.0.0.11", "w1": "10.0.0.21", "w2": "10.0.0.22"}
    hosts = view.build_hosts(groups, lambda _host, _variable: None, addresses.__getitem__)
    given = {
        "__node_trusted": trust_as_template(yaml.safe_load(VARS.read_text())["__node_trusted"]),
        "__cluster_view": view.build({}, hosts),
        "cluster_pod_subnet": "10.244.0.0/16",
        "cluster_service_subnet": "10.96.0.0/12",
        "groups": groups,
        "ansible_play_hosts": limited,
        "ansible_play_hosts_all": limited,
        "ansible_limit": ",".join(limited),
    }
    sources = Templar(loader=DataLoader(), variables=given).template(trust_as_template("{{ __node_trusted }}"))
    assert sources == [*addresses.values(), "10.244.0.0/16", "10.96.0.0/12"]


UNIT = {"name": "chrony.service", "enabled": True, "state": "started"}


@pytest.mark.parametrize(
    ("service", "family", "installed", "check_mode", "expected"),
    [
        ("chrony", "debian", {}, True, []),
        ("chrony", "debian", {}, False, [UNIT]),
        ("chrony", "debian", {"chrony": "4.6"}, True, [UNIT]),
        ("chrony", "redhat", {}, True, [{**UNIT, "name": "chronyd.service"}]),
        ("", "debian", {}, False, []),
    ],
)
def test_a_plan_leaves_to_debian_s_package_what_it_does_itself(
    service: str, family: str, installed: dict[str, str], check_mode: bool, expected: list[dict[str, object]]
) -> None:
    values = yaml.safe_load(VARS.read_text())
    given = {
        **{name: trust(value) for name, value in values.items() if name.startswith(("__node_time", "__node_units"))},
        "node_time_service": service,
        "ansible_check_mode": check_mode,
        "__cluster_state": {"os": {"family": family}, "packages": installed},
    }
    assert Templar(loader=DataLoader(), variables=given).template(trust_as_template("{{ __node_units }}")) == expected
