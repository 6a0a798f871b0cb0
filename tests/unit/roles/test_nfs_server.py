# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which server role nfs_server starts and stops, evaluated by Ansible itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROLE = Path(__file__).parents[3] / "roles/nfs_server"
KERNEL, GANESHA = "nfs-server.service", "nfs-ganesha.service"


def units(nfsd: bool, **changes: Any) -> dict[str, dict[str, Any]]:
    """The units by their name, in the order of the role."""
    variables: dict[str, Any] = {"__cluster_state": {"nfsd": nfsd}}
    for path in (ROLE / "defaults/main.yml", ROLE / "vars/main.yml"):
        variables |= DataLoader().load_from_file(str(path), trusted_as_template=True)
    found = Templar(DataLoader(), variables={**variables, **changes}).template(
        trust_as_template("{{ __nfs_server_units }}")
    )
    return {item["name"]: item for item in found}


@pytest.mark.parametrize(("nfsd", "chosen", "other"), [(True, KERNEL, GANESHA), (False, GANESHA, KERNEL)])
def test_the_other_server_stops_only_where_the_role_has_started_it(nfsd: bool, chosen: str, other: str) -> None:
    found = units(nfsd)
    assert list(found) == [other, chosen]
    assert (found[chosen]["state"], found[chosen]["enabled"]) == ("started", True)
    assert "only_with" not in found[chosen]
    assert "unless" not in found[chosen]
    assert (found[other]["state"], found[other]["enabled"]) == ("stopped", False)
    assert "/kubestead." in found[other]["only_with"]


@pytest.mark.parametrize("nfsd", [True, False])
def test_off(nfsd: bool) -> None:
    found = units(nfsd, nfs_server_enabled=False)
    assert [item["state"] for item in found.values()] == ["stopped", "stopped"]
    assert all("/kubestead." in item["only_with"] for item in found.values())
    # The kernel's server may have exports of others, nfs-ganesha has only ours: the drop-in made it so.
    assert found[KERNEL]["unless"] == ["/etc/exports", "/etc/exports.d/*.exports"]
    assert "unless" not in found[GANESHA]
