# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Preflight of site.yml, and reset.yml, while machines do not answer: this machine is one host, SSH to others fails.

No run of site.yml comes further than preflight, which finds an error in each; reset.yml has no machine that answers.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.playbook import run_playbook

PLAYBOOKS = Path(__file__).parents[3] / "playbooks"
UNREACHABLE = 4
FAILED = 2
SSH = "#!/bin/sh\necho 'ssh: connect to host port 22: No route to host' >&2\nexit 255\n"
PLAYBOOK = "- ansible.builtin.import_playbook: kubestead.cluster.{}\n"

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a playbook, site.yml with --check, on hosts that are this machine, or down."""
    ssh = tmp_path / "ssh"
    ssh.write_text(SSH)
    ssh.chmod(0o755)
    down = {"ansible_ssh_executable": str(ssh), "ansible_ssh_retries": 0, "ansible_ssh_transfer_method": "piped"}
    living = {"ansible_connection": "local"}

    def play(
        control_planes: dict[str, bool],
        workers: dict[str, bool],
        *options: str,
        name: str = "site",
        nfs_server: dict[str, bool] | None = None,
        plays: Any = None,
        **variables: Any,
    ) -> Any:
        groups = {
            group: {
                "hosts": {name: {"ansible_host": "127.0.0.1", **(living if up else down)} for name, up in hosts.items()}
            }
            for group, hosts in (
                ("kube_control_plane", control_planes),
                ("kube_node", workers),
                *((("nfs_server", nfs_server),) if nfs_server else ()),
            )
        }
        variables = {"ansible_become": False, "ansible_python_interpreter": "/usr/bin/python3", **variables}
        (tmp_path / "hosts.yml").write_text(yaml.safe_dump({**groups, "all": {"vars": variables}}))
        (tmp_path / "play.yml").write_text(yaml.safe_dump(plays) if plays else PLAYBOOK.format(name))
        look = ("--check",) if name == "site" else ()
        return run_playbook(tmp_path, "--inventory", "hosts.yml", *look, *options)

    return play


def test_a_worker_that_is_down_is_a_warning_and_errors_keep_their_exit_code(run: Run) -> None:
    result = run({"cp1": True}, {"w1": False}, cluster_version="newest")
    assert "w1: found no answer over SSH" in result.stderr, result.stdout + result.stderr
    assert "this run skips it and works on the other machines" in result.stderr
    assert "cluster_version: found 'newest'" in result.stdout
    assert result.returncode == FAILED


def test_a_control_plane_that_is_down_and_outside_the_limit_is_reported(run: Run) -> None:
    planes = {"cp1": False, "cp2": True, "cp3": True}
    result = run(planes, {}, "--limit", "!cp1", cluster_version="newest", cluster_vip="192.0.2.100")
    assert "cp1: found no answer over SSH" in result.stderr, result.stdout + result.stderr
    assert "cp1: found a control plane that was not read" in result.stdout
    assert result.returncode == FAILED


def test_no_machine_at_all(run: Run) -> None:
    assert run({"cp1": False}, {"w1": False}).returncode == UNREACHABLE


def test_an_nfs_server_that_is_down_does_not_end_the_run(run: Run, tmp_path: Path) -> None:
    """The hosts of its play in site.yml, with another task, and a play after it."""
    site = yaml.safe_load((PLAYBOOKS / "site.yml").read_text())
    (hosts,) = {play["hosts"] for play in site if play["name"].startswith("NFS server")}
    task = {"name": "Connect", "ansible.builtin.ping": None}
    plays: list[dict[str, Any]] = [
        {
            "hosts": hosts,
            "gather_facts": False,
            "tasks": [task | {"when": "inventory_hostname in groups['nfs_server']"}],
        },
        {
            "hosts": "kube_control_plane",
            "gather_facts": False,
            "tasks": [{"ansible.builtin.debug": {"msg": "goes on"}}],
        },
    ]
    result = run({"cp1": True}, {}, name="own", plays=plays, nfs_server={"nfs1": False})
    assert "goes on" in result.stdout, result.stdout + result.stderr
    assert result.returncode == UNREACHABLE


def test_a_reset_says_what_was_not_reset(run: Run) -> None:
    result = run({"cp1": False}, {"w1": False}, name="reset", cluster_name="test", reset_confirm="test")
    assert "w1: found no answer over SSH" in result.stdout, result.stdout + result.stderr
    assert "nothing was removed there" in result.stdout
    assert "Everything of the cluster that it has comes up again with it." in result.stdout
    assert result.returncode == FAILED


def test_a_reset_of_one_machine_says_how_it_leaves_the_cluster_when_it_is_gone(run: Run) -> None:
    planes = {"cp1": False, "cp2": False, "cp3": False}
    result = run(planes, {"w1": False}, "--limit", "w1:cp2", name="reset", cluster_vip="192.0.2.100")
    said = " ".join(result.stdout.split())
    assert "w1: found no answer over SSH" in said, result.stdout + result.stderr
    assert "take it out of the inventory and of the cluster: kubectl delete node w1" in said
    assert "kubectl delete node cp2 and remove its member of etcd" in said
    assert result.returncode == FAILED
