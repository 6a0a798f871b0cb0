# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kernel modules and settings; what can be read here is read from this machine's own /proc."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.module_utils._machine import kernel
from ansible_collections.kubestead.cluster.plugins.module_utils._machine.base import MachineError


def test_builtin_modules() -> None:
    text = "kernel/fs/overlayfs/overlay.ko\nkernel/net/bridge/br-netfilter.ko.zst\n\n"
    assert kernel.builtin_modules(text) == ["overlay", "br_netfilter"]


def test_filesystems() -> None:
    assert kernel.filesystems("nodev\tsysfs\nnodev\toverlay\n\text4\n\n") == ["sysfs", "overlay", "ext4"]


def test_missing_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {"/proc/filesystems": "nodev\toverlay\n"}
    monkeypatch.setattr(kernel, "_read", lambda path: texts.get(path, "kernel/net/x/built-in.ko\n"))
    there = {"/sys/module/loaded_one"}
    monkeypatch.setattr("os.path.isdir", there.__contains__)
    monkeypatch.setattr("os.path.exists", lambda path: path == "/proc/sys/net/bridge")
    names = ["loaded-one", "overlay", "br_netfilter", "built_in", "absent", "nf_conntrack"]
    assert kernel.missing_modules(names) == ["absent", "nf_conntrack"]
    assert [change.summary for change in kernel.plan_modules(["absent"])] == ["kernel module absent loaded"]
    assert kernel.missing_modules([]) == []


def test_load_module() -> None:
    seen: list[list[str]] = []

    def run(argv: list[str], **kwargs: Any) -> tuple[int, str, str]:
        seen.append(argv)
        return (0, "", "") if argv[1] == "overlay" else (1, "", "modprobe: FATAL: Module x not found\n")

    kernel.load_module("overlay", lambda name: "/sbin/" + name, run)
    assert seen == [["/sbin/modprobe", "overlay"]]
    with pytest.raises(MachineError, match=r"kernel module x can't be loaded: .*FATAL: Module x not found"):
        kernel.load_module("x", lambda name: "/sbin/" + name, run)
    with pytest.raises(MachineError, match=r"modprobe is not installed \(package kmod\)"):
        kernel.load_module("x", lambda name: None, run)


def test_contents() -> None:
    assert kernel.module_file(["a", "b"]) == b"a\nb\n"
    assert kernel.sysctl_file({"a.b": "1", "c": "x y"}) == b"a.b = 1\nc = x y\n"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("net.ipv4.ip_forward", "net/ipv4/ip_forward"),
        ("net/ipv4/ip_forward", "net/ipv4/ip_forward"),
        ("net.ipv4.conf.eth0/100.rp_filter", "net/ipv4/conf/eth0.100/rp_filter"),
        ("net/ipv4/conf/eth0.100/rp_filter", "net/ipv4/conf/eth0.100/rp_filter"),
    ],
)
def test_sysctl_path(name: str, path: str) -> None:
    assert kernel.sysctl_path(name) == "/proc/sys/" + path


def test_read_sysctls() -> None:
    live = kernel.read_sysctls(["kernel.ostype", "kernel.nothing", "net.ipv4.ip_local_port_range"])
    assert live["kernel.ostype"] == "Linux"
    assert live["kernel.nothing"] is None
    assert " " in str(live["net.ipv4.ip_local_port_range"])
    with pytest.raises(MachineError, match="sysctl kernel can't be read: Is a directory"):
        kernel.read_sysctls(["kernel"])


def test_plan_sysctls() -> None:
    wanted = {"a": "1", "b": "4096  16384", "c": "1"}
    live = {"a": "0", "b": "4096 16384", "c": None}
    steps = kernel.plan_sysctls(wanted, live, loading=True)
    assert [step.change.summary for step in steps] == ["sysctl a 0 -> 1", "sysctl c absent -> 1"]
    assert [step.change.before for step in steps] == ["a = 0\n", ""]
    with pytest.raises(MachineError, match="sysctl c does not exist in the running kernel; load"):
        kernel.plan_sysctls(wanted, live, loading=False)


def test_apply_sysctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "sysctl_path", lambda name: str(tmp_path / name))
    kernel.apply_sysctl(kernel.SysctlStep("a", "0", "1"))
    assert (tmp_path / "a").read_text() == "1"
    (tmp_path / "b").mkdir()
    with pytest.raises(MachineError, match="sysctl b can't be set to '1': Is a directory"):
        kernel.apply_sysctl(kernel.SysctlStep("b", "0", "1"))


def test_overriding() -> None:
    later = [
        ("/etc/sysctl.d/99-sysctl.conf", "# net.ipv4.ip_forward=0\n;x=1\nnet/ipv4/ip_forward = 0\nnet.a=1\nbare\n"),
        ("/etc/sysctl.d/99-z.conf", "-net.ipv4.ip_forward=1\n"),
    ]
    found = kernel.overriding({"net.ipv4.ip_forward": "1"}, later)
    assert found == ["/etc/sysctl.d/99-sysctl.conf sets net/ipv4/ip_forward = 0 at boot, after ours"]


def test_read_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "etc", tmp_path / "lib"
    for folder, names in ((first, ["99-a.conf", "99-z.conf", "99-z.txt"]), (second, ["99-z.conf", "99-y.conf"])):
        folder.mkdir()
        for name in names:
            (folder / name).write_text(f"{folder.name}\n")
    monkeypatch.setattr(kernel, "_FOLDERS", (str(first), str(tmp_path / "none"), str(second)))
    assert kernel.read_later("/etc/sysctl.d/99-kubestead.conf") == [
        (str(second / "99-y.conf"), "lib\n"),
        (str(first / "99-z.conf"), "etc\n"),
    ]
