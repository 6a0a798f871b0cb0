# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is missing, how it is asked for, and when the machine is not asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from ansible_collections.kubestead.cluster.plugins.action import packages
from ansible_collections.kubestead.cluster.plugins.action.packages import ActionModule

FIXTURES = Path(__file__).parents[2] / "fixtures"
INSTALLED = {"containerd": "1.7.24~ds1-6+b4", "kubelet": "1.36.1-1.1", "haproxy": "3.0.11"}
NAMES = ["containerd", "kubelet=1.36.3-*", "haproxy=3.0.*", "keepalived"]


def test_missing() -> None:
    assert packages.missing(NAMES, INSTALLED) == ["kubelet=1.36.3-*", "keepalived"]
    assert packages.missing(["kubelet=1.36.1-1.1", "containerd"], INSTALLED) == []
    assert packages.missing(["kubelet=1.36.1"], INSTALLED) == ["kubelet=1.36.1"]


def test_listing() -> None:
    assert packages.listing(["kubelet=1.36.3-*", "keepalived"], INSTALLED) == {
        "before": "kubelet 1.36.1-1.1\n",
        "after": "kubelet 1.36.3-*\nkeepalived (any version)\n",
        "before_header": "packages",
        "after_header": "packages",
    }


@pytest.mark.parametrize("name", ["", "-y", "a b", "a=", "a=1 2", "a;b", "=1"])
def test_bad_names(name: str) -> None:
    assert len(packages.problems([name])) == 1


def test_good_and_repeated_names() -> None:
    assert packages.problems(["libstdc++6", "g++=4:14.2.0-1", "python3.13=3.13.5-*", "NetworkManager"]) == []
    assert packages.problems(["a", "a=1"]) == ["'a' is given twice"]


def test_apt_versions() -> None:
    # As on a terminal, which apt has here.
    text = (FIXTURES / "apt" / "3.0.4_install.txt").read_text().replace("\n", "\r\n")
    assert packages.apt_versions(text) == {"socat": "1.8.0.3-1+deb13u1", "ethtool": "1:6.14.2-1"}
    assert packages.apt_versions("Setting up libc6:amd64 (2.41-12) ...\n") == {"libc6": "2.41-12"}


def test_dnf_versions() -> None:
    results = ["Installed: kubelet-1.36.3-150500.1.1.x86_64", "Removed: kubelet-1.36.1-150500.1.1.x86_64"]
    results += ["Installed: iproute-tc-6.2.0-5.el9.x86_64", "Cache updated"]
    assert packages.dnf_versions(results) == {"kubelet": "1.36.3-150500.1.1", "iproute-tc": "6.2.0-5.el9"}


def run(*answers: dict[str, Any], check: bool = False, **args: Any) -> tuple[dict[str, Any], MagicMock]:
    loader = DataLoader()
    action = ActionModule(
        task=MagicMock(args=args, async_val=0, check_mode=check, diff=True),
        connection=MagicMock(),
        play_context=MagicMock(),
        loader=loader,
        templar=Templar(loader=loader),
        shared_loader_obj=None,
    )
    execute = MagicMock(side_effect=answers)
    action._execute_module = execute
    return action.run(task_vars={}), execute


def test_nothing_missing_asks_nobody() -> None:
    result, execute = run(names=["containerd"], installed=INSTALLED, os_family="debian")
    execute.assert_not_called()
    assert (result["changed"], result["missing"], result["installed"]) == (False, [], INSTALLED)
    assert "diff" not in result


def test_check_mode_asks_nobody() -> None:
    result, execute = run(check=True, names=NAMES, installed=INSTALLED, os_family="debian")
    execute.assert_not_called()
    assert result["changed"]
    assert result["missing"] == ["kubelet=1.36.3-*", "keepalived"]
    assert "kubelet 1.36.3-*" in result["diff"]["after"]


def test_apt() -> None:
    answer = {"changed": True, "stdout": "Setting up kubelet (1.36.3-1.1) ...\nSetting up keepalived (1:2.3.3-1) ...\n"}
    result, execute = run(answer, names=NAMES, installed=INSTALLED, os_family="debian")
    assert execute.call_args.kwargs["module_name"] == "ansible.builtin.apt"
    args = execute.call_args.kwargs["module_args"]
    assert args["name"] == ["kubelet=1.36.3-*", "keepalived"]
    assert args["dpkg_options"] == "force-confdef,force-confold"
    assert "allow_downgrade" not in args
    assert result["changed"]
    assert result["installed"] == {**INSTALLED, "kubelet": "1.36.3-1.1", "keepalived": "1:2.3.3-1"}
    answer = {"changed": True, "stdout": "Setting up a (1) ...\n"}
    execute = run(answer, names=["a"], installed={}, os_family="debian", conffiles="replace")[1]
    assert execute.call_args.kwargs["module_args"]["dpkg_options"] == "force-confnew"


def test_dnf() -> None:
    answer = {"changed": True, "results": ["Installed: kubelet-1.36.3-150500.1.1.x86_64"]}
    result, execute = run(answer, names=["kubelet=1.36.3-*"], installed={}, os_family="redhat")
    assert execute.call_args.kwargs["module_name"] == "ansible.builtin.dnf"
    args = execute.call_args.kwargs["module_args"]
    assert (args["name"], args["disable_excludes"]) == (["kubelet-1.36.3-*"], "kubernetes")
    assert result["installed"] == {"kubelet": "1.36.3-150500.1.1"}


INTERRUPTED = {
    "failed": True,
    "msg": "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem. ",
}


def test_an_interrupted_dpkg_is_completed_first() -> None:
    done = {"changed": True, "stdout": "Setting up haproxy (3.0.11-1) ...\n"}
    result, execute = run(INTERRUPTED, {"rc": 0}, done, names=["haproxy"], installed={}, os_family="debian")
    modules = [call.kwargs["module_name"] for call in execute.call_args_list]
    assert modules == ["ansible.builtin.apt", "ansible.builtin.command", "ansible.builtin.apt"]
    repair = execute.call_args_list[1].kwargs["module_args"]["argv"]
    assert repair[-2:] == ["--configure", "-a"]
    assert "--force-confold" in repair
    assert result["installed"] == {"haproxy": "3.0.11-1"}


def test_a_dpkg_that_can_not_be_completed() -> None:
    broken = {"failed": True, "msg": "non-zero return code"}
    result, execute = run(INTERRUPTED, broken, names=["haproxy"], installed={}, os_family="debian")
    assert execute.call_count == 2
    assert result["msg"] == "haproxy can't be installed: non-zero return code"


@pytest.mark.parametrize(
    ("family", "answer", "tool"),
    [("debian", {"changed": False, "stdout": ""}, "dpkg-query"), ("redhat", {"changed": False, "results": []}, "rpm")],
)
def test_what_another_run_has_installed_meanwhile(family: str, answer: dict[str, Any], tool: str) -> None:
    query = {"stdout": "containerd 1.7.24~ds1-6+b4\npackage runc is not installed\nhaproxy 3.0.11-1"}
    result, execute = run(answer, query, names=["haproxy=3.*", "containerd"], installed={}, os_family=family)
    argv = execute.call_args.kwargs["module_args"]["argv"]
    assert argv[0] == tool
    assert argv[-2:] == ["containerd", "haproxy"]
    assert result["installed"]["containerd"] == "1.7.24~ds1-6+b4"
    assert result["installed"]["haproxy"] == "3.0.11-1"


def test_a_failure_names_the_packages() -> None:
    answer = {"failed": True, "msg": "No package matching 'nix' is available"}
    result = run(answer, names=["nix"], installed={}, os_family="debian")[0]
    assert result["failed"]
    assert result["msg"] == "nix can't be installed: No package matching 'nix' is available"


@pytest.mark.parametrize(
    ("args", "reasons"),
    [
        ({}, ["names", "installed", "os_family"]),
        ({"names": ["a b", "c d"], "installed": {}, "os_family": "debian"}, ["'a b' is no package", "'c d'"]),
    ],
)
def test_bad_arguments(args: dict[str, Any], reasons: list[str]) -> None:
    with pytest.raises(AnsibleActionFail) as caught:
        run(**args)
    for reason in reasons:
        assert reason in str(caught.value)
