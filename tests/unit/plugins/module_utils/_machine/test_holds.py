# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""dpkg's selections."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.module_utils._machine import holds
from ansible_collections.kubestead.cluster.plugins.module_utils._machine.base import MachineError

# entries of /var/lib/dpkg/status of Debian 13
STATUS = """Package: kubelet
Status: hold ok installed
Priority: optional

Package: kubelet-extra
Status: install ok installed

Package: kubeadm
Status: install ok installed

Package: kubectl
Status: deinstall ok config-files
"""


def test_parse_status() -> None:
    names = ["kubelet", "kubeadm", "kubectl", "absent"]
    assert holds.parse_status(STATUS, names) == {"kubelet": "hold", "kubeadm": "install"}


def test_read_selections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "status"
    path.write_text(STATUS)
    monkeypatch.setattr(holds, "_STATUS", str(path))
    assert holds.read_selections(["kubelet"]) == {"kubelet": "hold"}


def test_uses_dpkg(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"/var/lib/dpkg/status"}
    monkeypatch.setattr("os.path.exists", there.__contains__)
    assert not holds.uses_dpkg()
    there.add("/etc/debian_version")
    assert holds.uses_dpkg()


def test_plan() -> None:
    selections = {"kubelet": "hold", "kubeadm": "install"}
    changes = holds.plan_holds(["kubelet", "kubeadm"], selections, check=False)
    assert [(change.summary, change.before) for change in changes] == [("package kubeadm held", "kubeadm: install\n")]
    with pytest.raises(MachineError, match="package kubectl can't be held: it is not installed"):
        holds.plan_holds(["kubectl"], selections, check=False)
    assert [change.before for change in holds.plan_holds(["kubectl"], selections, check=True)] == [""]


def test_apply() -> None:
    seen: list[tuple[list[str], Any]] = []

    def run(argv: list[str], data: str) -> tuple[int, str, str]:
        seen.append((argv, data))
        return 0, "", ""

    holds.apply_holds(["kubelet", "kubeadm"], lambda name: "/usr/bin/" + name, run)
    assert seen == [(["/usr/bin/dpkg", "--set-selections"], "kubelet hold\nkubeadm hold\n")]
    with pytest.raises(MachineError, match="dpkg is not installed"):
        holds.apply_holds(["kubelet"], lambda name: None, run)
