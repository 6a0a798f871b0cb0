# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever writes to a cluster through the API comes after the proof that it is the inventory's cluster."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.unit.roles.test_alone import ROLES, ROOT, Reach

WRITERS = (
    *(f"kubestead.cluster.{name}:" for name in ("helm_releases", "kube_user", "manifests", "node_settings")),
    *(f"kubestead.cluster.{name}:" for name in ("smoke", "workloads")),
    "kubernetes.core.k8s:",
)
LOCK = "kubestead.cluster.cluster_lock:"


def writes(role: str, main: str = "main") -> bool:
    """Whether a file of a role's tasks writes; it must not do so before the lock."""
    texts = Reach(role, main).needed
    first = next((number for number, text in enumerate(texts) if any(writer in text for writer in WRITERS)), None)
    if first is not None and main != "apply":
        locked = [number for number, text in enumerate(texts) if LOCK in text]
        assert locked, f"{role}: writes without {LOCK}"
        assert locked[0] < first, f"{role}: writes before {LOCK}"
    return first is not None


def test_roles_that_are_used_alone() -> None:
    roles = {path.name for path in ROLES.iterdir() if (path / "tasks/main.yml").exists()}
    assert {role for role in roles if writes(role)} == {
        *("helm", "ingress", "metallb", "metrics_server", "monitoring", "network"),
        *("nfs_storage", "reset", "smoke", "users"),
    }
    assert writes("smoke", "workloads")


@pytest.mark.parametrize("playbook", sorted(ROOT.glob("playbooks/*.yml")), ids=lambda path: path.stem)
def test_playbooks(playbook: Path) -> None:
    """Tags can leave out everything but preflight, which is where site.yml has its lock."""
    locked = False
    for play in yaml.safe_load(playbook.read_text()):
        for item in [*(play.get("roles") or []), *(play.get("tasks") or [])]:
            role = item.get("ansible.builtin.import_role") or {"name": item.get("role", "")}
            name, main = role["name"].rpartition(".")[2], role.get("tasks_from", "main")
            texts = Reach(name, main).needed
            if any(writer in text for text in texts for writer in WRITERS):
                assert locked or any(LOCK in text for text in texts), f"{playbook.name}: {name} {main}"
            if any(LOCK in text for text in texts) and "always" in play.get("tags", []):
                locked = True
    assert locked is (playbook.stem == "site")
