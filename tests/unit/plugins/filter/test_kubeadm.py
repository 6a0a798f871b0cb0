# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.kubestead.cluster.plugins.filter.kubeadm import FilterModule

FIXTURES = Path(__file__).parents[2] / "fixtures" / "kubeadm"
PLUGINS = Path(__file__).parents[4] / "plugins" / "filter"
FILTERS: dict[str, Callable[[object], dict[str, Any]]] = FilterModule().filters()
TOKEN = "abcdef.0123456789abcdef"
HASH = "sha256:" + "5e" * 32


def sample(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((PLUGINS / f"{name}.yml").read_text())["RETURN"]["_value"]["sample"]
    return found


def test_join_command() -> None:
    found = FILTERS["kubeadm_join_command"](
        f"kubeadm join 10.90.0.100:8443 --token {TOKEN} --discovery-token-ca-cert-hash {HASH} --node-name w1"
    )
    assert found == {
        "endpoint": "10.90.0.100:8443",
        "token": TOKEN,
        "ca_cert_hashes": [HASH],
        "control_plane": False,
        "certificate_key": None,
        "other_flags": ["--node-name", "w1"],
    }
    assert found.keys() == sample("kubeadm_join_command").keys()


def test_init_output() -> None:
    found = FILTERS["kubeadm_init_output"]((FIXTURES / "1.36.3_init_dry_run.txt").read_text())
    assert found["kubernetes_version"] == "1.36.3"
    assert found["certificate_key"] == "0123456789abcdef" * 4
    assert [join["control_plane"] for join in found["control_plane_joins"]] == [True]
    assert [join["token"] for join in found["worker_joins"]] == [TOKEN]
    documented = sample("kubeadm_init_output")
    assert found.keys() == documented.keys()
    assert found["worker_joins"][0].keys() == documented["worker_joins"][0].keys()


@pytest.mark.parametrize("name", FILTERS)
def test_text_that_is_something_else(name: str) -> None:
    with pytest.raises(AnsibleFilterError, match=f"{name}: expected .*, found: token abcdef.<hidden>"):
        FILTERS[name](f"token {TOKEN}")


@pytest.mark.parametrize("name", FILTERS)
def test_no_text(name: str) -> None:
    with pytest.raises(AnsibleFilterError, match=f"{name}: expected text that kubeadm printed, found dict"):
        FILTERS[name]({"stdout": ""})


def test_every_filter_is_documented() -> None:
    assert all((PLUGINS / f"{name}.yml").exists() for name in FILTERS)
