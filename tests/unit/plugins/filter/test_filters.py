# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters with little behind them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.kubestead.cluster.plugins.filter import ca_cert_hash, coredns, interface_of, node_settings
from ansible_collections.kubestead.cluster.plugins.module_utils import _coredns
from ansible_collections.kubestead.cluster.plugins.modules import node_settings as node_settings_module

PKI = Path(__file__).parents[2] / "fixtures" / "pki"
ROOT = Path(__file__).parents[4]
INTERFACES = [
    {"name": "lo", "addresses": ["127.0.0.1/8", "::1/128"]},
    {"name": "eth0", "addresses": ["10.90.0.11/24", "10.90.0.100/24"]},
]


def test_ca_cert_hash() -> None:
    find = ca_cert_hash.FilterModule().filters()["ca_cert_hash"]
    expected = (PKI / "1.36.3_ca.openssl.txt").read_text().split()[-1]
    assert find((PKI / "1.36.3_ca.crt").read_text()) == f"sha256:{expected}"
    with pytest.raises(AnsibleFilterError, match=r"^ca_cert_hash: expected a PEM certificate, found none$"):
        find("no certificate")


@pytest.mark.parametrize(("address", "expected"), [("10.90.0.11", "eth0"), ("::1", "lo"), ("10.90.0.100", "eth0")])
def test_interface_of(address: str, expected: str) -> None:
    assert interface_of.FilterModule().filters()["interface_of"](INTERFACES, address) == expected


def test_no_interface_has_the_address() -> None:
    with pytest.raises(AnsibleFilterError) as error:
        interface_of.interface_of(INTERFACES, "10.90.0.1")
    assert str(error.value) == (
        "no interface has the address 10.90.0.1; found lo 127.0.0.1/8 ::1/128, eth0 10.90.0.11/24 10.90.0.100/24; "
        "set node_ip to one of these"
    )


def test_node_settings() -> None:
    hosts: dict[str, dict[str, Any]] = {
        name: {
            "node_name": name.lower(),
            "labels": {"a": "b"},
            "annotations": {},
            "taints": [],
            "control_plane": name.startswith("CP"),
            "worker": name != "CP2",
        }
        for name in ("CP1", "CP2", "W1")
    }
    found = node_settings.FilterModule().filters()["node_settings"](hosts, ["W1", "CP2", "CP1"])
    assert [(item["name"], item["control_plane"], item["schedulable"]) for item in found] == [
        ("cp1", True, True),
        ("cp2", True, False),
        ("w1", False, True),
    ]
    assert [item["name"] for item in node_settings.node_settings(hosts, ["W1"])] == ["w1"]
    # It gives what the module of this name takes.
    options = yaml.safe_load(node_settings_module.DOCUMENTATION)["options"]["nodes"]["suboptions"]
    assert found[0].keys() == options.keys()


@pytest.mark.parametrize(
    ("effects", "spread"),
    [
        ([None], False),
        ([None, None], True),
        (["PreferNoSchedule", None], True),
        (["NoSchedule", None], False),
        (["NoExecute", None], False),
        (["NoSchedule", None, None], True),
    ],
)
def test_coredns_patch(effects: list[str | None], spread: bool) -> None:
    hosts = {
        str(number): {"taints": [{"key": "dedicated", "effect": effect}] if effect else []}
        for number, effect in enumerate(effects)
    }
    found = coredns.FilterModule().filters()["coredns_patch"](hosts)
    assert found == (_coredns.patch_file() if spread else "")


def test_every_filter_is_documented() -> None:
    documented = {path.stem for path in (ROOT / "plugins/filter").glob("*.yml")}
    assert documented >= {"ca_cert_hash", "interface_of", "node_settings", "containerd_config", "registry_files"}
    assert documented >= {"coredns_patch", "node_ports", "probe_targets", "package_sources"}
