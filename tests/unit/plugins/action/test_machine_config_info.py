# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the machine is asked of several roles, and when it is not asked at all."""

from __future__ import annotations

from typing import Any
from unittest.mock import MagicMock

import pytest
import yaml
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from ansible_collections.kubestead.cluster.plugins.action.machine_config_info import ROLES, ActionModule
from ansible_collections.kubestead.cluster.plugins.modules import machine_config_info

INSTALLED = {"containerd": "1.7.24", "kubelet": "1.36.3-1.1"}


def run(*, member: bool = False, **configurations: Any) -> tuple[dict[str, Any], MagicMock]:
    loader = DataLoader()
    args = {"configurations": configurations, "installed": INSTALLED, "member": member}
    task = MagicMock(args=args, async_val=0, check_mode=False, delegate_to=None)
    task.get_search_path.return_value = []
    action = ActionModule(
        task=task,
        connection=MagicMock(),
        play_context=MagicMock(),
        loader=loader,
        templar=Templar(loader=loader),
        shared_loader_obj=None,
    )
    execute = MagicMock(return_value={"changed": False, "in_order": ["x"]})
    action._execute_module = execute
    return action.run(task_vars={"inventory_hostname": "cp1"}), execute


@pytest.mark.parametrize("wanted", ["haproxy", "kubelet=1.37.2-*"])
def test_where_packages_are_missing_nothing_is_compared(wanted: str) -> None:
    wishes = {"node": {"packages": ["containerd"]}, "load_balancer": {"packages": [wanted]}}
    result, execute = run(**wishes)
    assert (result["changed"], result["in_order"], result["restarts"]) == (False, [], [])
    execute.assert_not_called()
    # On a node, what a package manager installs or upgrades may restart something.
    result, execute = run(member=True, **wishes)
    assert result["restarts"] == [f"packages installed: {wanted}"]
    execute.assert_not_called()


def test_all_roles_are_compared_in_one_execution() -> None:
    result, execute = run(
        containerd={"packages": ["containerd"], "files": [{"path": "/etc/a", "content": "a"}]},
        kube_packages={"packages": ["kubelet=1.36.3-*"], "held_packages": ["kubelet"]},
        # Not for this host.
        load_balancer={},
    )
    assert result["in_order"] == ["x"]
    execute.assert_called_once()
    found = execute.call_args.kwargs["module_args"]["configurations"]
    assert sorted(found) == ["containerd", "kube_packages"]
    assert [(item["path"], item["content"]) for item in found["containerd"]["files"]] == [("/etc/a", "a")]
    assert found["kube_packages"]["held_packages"] == ["kubelet"]
    assert not any("packages" in configuration for configuration in found.values())


def test_templates_and_sources_are_the_named_role_s() -> None:
    source = ROLES / "docker/files/cri-docker.socket"
    files = [
        {"path": "/etc/b", "template": "haproxy.service.conf.j2"},
        {"path": "/etc/c", "source": str(source)},
    ]
    _result, execute = run(load_balancer={"files": files}, docker={"files": [{"path": "/d", "source": source.name}]})
    found = execute.call_args.kwargs["module_args"]["configurations"]
    assert "[Unit]" in found["load_balancer"]["files"][0]["content"]
    assert found["load_balancer"]["files"][1]["content"] == source.read_text(encoding="utf-8")
    assert found["docker"]["files"][0]["content"] == source.read_text(encoding="utf-8")


def test_secrets_travel_apart() -> None:
    _result, execute = run(containerd={"files": [{"path": "/etc/s", "content": "hunter2", "sensitive": True}]})
    args = execute.call_args.kwargs["module_args"]
    assert args["sensitive_contents"] == {"containerd": {"/etc/s": "hunter2"}}
    assert "hunter2" not in str(args["configurations"])


def test_what_can_t_be_right_is_refused() -> None:
    with pytest.raises(AnsibleActionFail, match="has to be absolute"):
        run(node={"files": [{"path": "etc/a", "content": "a"}]})


def test_the_module_documents_what_it_takes() -> None:
    options = yaml.safe_load(machine_config_info.DOCUMENTATION)["options"]
    assert options.keys() == {"configurations", "installed", "member", "sensitive_contents"}
