# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a machine: of a recorded control plane, and of the machine that runs the tests."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.kubestead.cluster.plugins.module_utils._machine import state as machine_state
from ansible_collections.kubestead.cluster.plugins.modules import node_state

FIXTURES = Path(__file__).parents[2] / "fixtures"
ADDRESSES = (FIXTURES / "ip/6.15_address.json").read_text()
RPM = "kubeadm 1.36.3-150500.1.1\npackage docker-ce is not installed\ncontainerd.io 2.2.0-1.el9\n"
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch, programs: Any) -> dict[str, str]:
    """The files of a control plane of Debian 13; what is not in here does not exist."""
    texts = {
        "/etc/os-release": (FIXTURES / "os-release/debian_13").read_text(),
        "/etc/machine-id": "088a5f16aa3e46a7ae57ea2088e82330\n",
        "/var/lib/dpkg/status": (FIXTURES / "dpkg/1.22_status").read_text(),
        "/etc/resolv.conf": "nameserver 192.0.2.53\n",
        "/proc/swaps": (FIXTURES / "proc/6.18_swaps").read_text(),
        "/proc/meminfo": (FIXTURES / "proc/6.18_meminfo").read_text(),
    }
    for name in ("route", "arp", "tcp", "tcp6", "udp", "udp6"):
        texts[f"/proc/net/{name}"] = (FIXTURES / f"proc/6.18_net_{name}").read_text()
    monkeypatch.setattr(machine_state, "read_text", lambda path: texts.get(str(path), ""))
    programs.answers["ip -json address show"] = (0, ADDRESSES, "")
    return texts


@pytest.fixture
def run_node_state(machine: Path, files: dict[str, str], run_module: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    read = node_state.read_member
    monkeypatch.setattr(node_state, "read_member", lambda api_port: read(machine, api_port))

    def run(**args: Any) -> dict[str, Any]:
        result = run_module(node_state, **args)
        assert result.get("changed") is False
        state: dict[str, Any] = result["state"]
        return state

    return run


def test_a_control_plane_of_debian(run_node_state: Run, programs: Any) -> None:
    state = run_node_state(packages=["haproxy", "nginx"], ports=[6443, 8472, 1])
    assert state["hostname"] == socket.gethostname()
    assert state["machine_id"] == "088a5f16aa3e46a7ae57ea2088e82330"
    assert (state["os"]["id"], state["os"]["family"]) == ("debian", "debian")
    assert state["cpus"] == os.cpu_count()
    assert state["memory_mib"] == 24105
    assert (state["swap"], state["swap_removable"]) == ([], True)
    assert state["resolver"] == ["192.0.2.53"]
    assert state["default_route"] == {"interface": "eth0", "gateway": "10.90.6.1"}
    assert state["packages"] == {
        "containerd": "1.7.24~ds1-6+deb13u1",
        "haproxy": "3.0.11-1+deb13u5",
        "kubeadm": "1.36.3-1.1",
        "kubelet": "1.36.3-1.1",
    }
    assert state["kube"] == {"kubeadm": "1.36.3", "kubelet": "1.36.3", "kubectl": None}
    assert state["runtime"] == {"containerd": "1.7.24", "docker": None}
    assert [(item["port"], item["protocol"], item["address"]) for item in state["listening"]] == [
        (6443, "tcp", "::"),
        (8472, "udp", "0.0.0.0"),  # noqa: S104 - read, not bound
    ]
    assert state["member"]["state"] == "bare"
    assert (state["routes"], state["vip_answers"]) == ({}, None)
    assert programs.calls == ["ip -json address show"]


def test_interfaces(run_node_state: Run) -> None:
    interfaces = {item["name"]: item for item in run_node_state()["interfaces"]}
    assert interfaces["lo"] == {"name": "lo", "mac": "00:00:00:00:00:00", "addresses": ["127.0.0.1/8"]}
    assert interfaces["eth0"] == {"name": "eth0", "mac": "02:42:0a:5a:06:0b", "addresses": ["10.90.6.11/24"]}
    assert interfaces["flannel.1"]["addresses"] == ["10.244.0.0/32"]
    assert [item["addresses"] for name, item in interfaces.items() if name.startswith("veth")] == [[], []]


def test_interfaces_without_hardware_or_name(run_node_state: Run, programs: Any) -> None:
    answer = '[{}, {"ifname": "tun0", "addr_info": [{"local": "fd00::1", "prefixlen": 64}]}]'
    programs.answers["ip -json address show"] = (0, answer, "")
    assert run_node_state()["interfaces"] == [{"name": "tun0", "mac": None, "addresses": ["fd00::1/64"]}]


def test_a_machine_of_rocky_linux(run_node_state: Run, files: dict[str, str], programs: Any) -> None:
    files["/etc/os-release"] = (FIXTURES / "os-release/rocky_9").read_text()
    programs.answers["rpm -q"] = (1, RPM, "")
    state = run_node_state(packages=["kubeadm"])
    assert state["packages"] == {"kubeadm": "1.36.3-150500.1.1", "containerd.io": "2.2.0-1.el9"}
    assert state["runtime"] == {"containerd": "2.2.0", "docker": None}
    # Each name once, in a fixed order.
    assert programs.calls[0] == (
        "rpm -q --qf %{NAME} %{VERSION}-%{RELEASE}\\n "
        "containerd containerd.io docker-ce docker.io kubeadm kubectl kubelet"
    )


def test_packages_of_other_systems_are_not_known(run_node_state: Run, files: dict[str, str], programs: Any) -> None:
    files["/etc/os-release"] = "ID=alpine\n"
    state = run_node_state(packages=["kubeadm"])
    assert (state["packages"], state["kube"]["kubeadm"]) == ({}, None)


def test_swap_of_the_host_of_a_container_cannot_be_removed(
    run_node_state: Run, files: dict[str, str], tmp_path: Path
) -> None:
    own = tmp_path / "swapfile"
    own.touch()
    files["/proc/swaps"] = f"Filename Type Size Used Priority\n{own} file 2097148 0 -2\n"
    state = run_node_state()
    assert state["swap"] == [{"device": str(own), "kind": "file", "size_mib": 2047}]
    assert state["swap_removable"] is True
    files["/proc/swaps"] += "/dev/no-such-device partition 2097148 0 -2\n"
    assert run_node_state()["swap_removable"] is False


@pytest.mark.parametrize(("vip", "asked"), [("10.90.6.11", []), ("10.90.6.100", [("10.90.6.100", 9443)]), (None, [])])
def test_only_another_machine_is_asked_for_the_vip(
    run_node_state: Run, monkeypatch: pytest.MonkeyPatch, vip: str | None, asked: list[Any]
) -> None:
    calls: list[Any] = []
    answer = {"address": "10.90.6.100", "mac": "02:42:0a:5a:06:0d", "tcp": True}
    monkeypatch.setattr(machine_state, "ask_address", lambda *arguments: calls.append(arguments) or answer)
    state = run_node_state(vip=vip, vip_port=9443)
    assert calls == asked
    assert state["vip_answers"] == (answer if asked else None)


def test_routes(run_node_state: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_state, "has_route", lambda address: address == "10.90.6.21")
    assert run_node_state(peers=["10.90.6.21", "192.0.2.1"])["routes"] == {"10.90.6.21": True, "192.0.2.1": False}


@pytest.mark.parametrize(
    ("present", "texts", "expected"),
    [
        (True, {}, "firewalld"),
        (False, {"/proc/1/comm": "firewalld\n"}, "firewalld"),
        (False, {"/etc/ufw/ufw.conf": "# x\nENABLED=yes\nLOGLEVEL=low\n"}, "ufw"),
        (False, {"/etc/ufw/ufw.conf": "#ENABLED=yes\nENABLED=no\n"}, None),
        (False, {}, None),
    ],
)
def test_firewall(
    files: dict[str, str], monkeypatch: pytest.MonkeyPatch, present: bool, texts: dict[str, str], expected: str | None
) -> None:
    files.update(texts)
    monkeypatch.setattr(node_state.Path, "exists", lambda path: present and str(path) == "/run/firewalld.pid")
    assert node_state.running_firewall() == expected


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("1.36.3-1.1", "1.36.3"),
        ("1.7.24~ds1-6+deb13u1", "1.7.24"),
        ("5:28.5.2-1~debian.13~trixie", "28.5.2"),
        ("v1.36.3", "1.36.3"),
        ("20240101", None),
        (None, None),
    ],
)
def test_upstream_version(version: str | None, expected: str | None) -> None:
    assert node_state.upstream_version(version) == expected


def test_unknown_architectures_keep_their_names(run_node_state: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, expected in (("x86_64", "amd64"), ("aarch64", "arm64"), ("riscv64", "riscv64")):
        monkeypatch.setattr(node_state.platform, "machine", lambda name=name: name)
        assert run_node_state()["arch"] == expected


def test_a_member(run_node_state: Run, machine: Path) -> None:
    pki = FIXTURES / "pki"
    for path, content in (
        ("etc/kubernetes/kubelet.conf", (pki / "1.36.3_kubelet.conf").read_text()),
        ("etc/kubernetes/pki/ca.crt", (pki / "1.36.3_ca.crt").read_text()),
        ("etc/kubernetes/manifests/kube-apiserver.yaml", "x"),
        ("var/lib/kubelet/config.yaml", "x"),
    ):
        (machine / path).parent.mkdir(parents=True, exist_ok=True)
        (machine / path).write_text(content)
    member = run_node_state()["member"]
    assert (member["state"], member["role"], member["node_name"]) == ("member", "control_plane", "cp1")
    assert member["api_healthy"] is True
    assert member["certificates"] == {"ca": "2036-11-19T22:30:41Z"}


def test_the_result_is_as_documented(run_node_state: Run) -> None:
    documented = yaml.safe_load(node_state.RETURN)["state"]["sample"]
    state = run_node_state()
    assert state.keys() == documented.keys()
    for name in ("os", "kube", "runtime", "member", "time", "filesystems"):
        assert state[name].keys() == documented[name].keys()


def test_this_machine(run_module: Run, programs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing replaced but the program: the readers run on whatever kernel this is."""
    programs.answers = {"ip -json address show": (0, ADDRESSES, ""), "rpm -q": (0, "", "")}
    monkeypatch.setattr(node_state, "read_member", lambda api_port: machine_state.Swap("", "", 0))
    state = run_module(node_state, ports=[1])["state"]
    assert state["memory_mib"] > 0
    assert state["cgroup_version"] in (1, 2)
    assert state["filesystems"]["/"]["total_mib"] > 0
    assert state["time"]["synchronized"] in (True, False, None)
