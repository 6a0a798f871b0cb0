# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parsers over what a control plane of Debian 13 had in /proc (recorded), and the readers on this machine."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.module_utils._machine import state as machine

FIXTURES = Path(__file__).parents[3] / "fixtures"
PROC = FIXTURES / "proc"
ANYWHERE = "0.0.0.0"  # noqa: S104 - read, not bound


def proc(name: str) -> str:
    return (PROC / f"6.18_{name}").read_text()


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The machine's files; what is not in here does not exist."""
    texts: dict[str, str] = {}
    monkeypatch.setattr(machine, "read_text", lambda path: texts.get(str(path), ""))
    return texts


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("debian_12", ("debian", "12", "Debian GNU/Linux 12 (bookworm)", "bookworm", "debian")),
        ("debian_13", ("debian", "13", "Debian GNU/Linux 13 (trixie)", "trixie", "debian")),
        ("ubuntu_22.04", ("ubuntu", "22.04", "Ubuntu 22.04.5 LTS", "jammy", "debian")),
        ("ubuntu_24.04", ("ubuntu", "24.04", "Ubuntu 24.04.3 LTS", "noble", "debian")),
        ("ubuntu_26.04", ("ubuntu", "26.04", "Ubuntu 26.04 LTS", "resolute", "debian")),
        ("rocky_9", ("rocky", "9.6", "Rocky Linux 9.6 (Blue Onyx)", "", "redhat")),
        ("rocky_10", ("rocky", "10.0", "Rocky Linux 10.0 (Red Quartz)", "", "redhat")),
        ("centos_7", ("centos", "7", "CentOS Linux 7 (Core)", "", "redhat")),
    ],
)
def test_os_release(name: str, expected: tuple[str, ...]) -> None:
    text = (FIXTURES / "os-release" / name).read_text()
    assert machine.parse_os_release(text) == machine.OperatingSystem(*expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ID=linuxmint\nID_LIKE='ubuntu debian'\n", "debian"),
        ("ID=amzn\nID_LIKE=fedora\n", "redhat"),
        ("ID=alpine\nNAME='Alpine Linux'\n", "other"),
        ("#ID=debian\nno assignment\n", "other"),
        ("", "other"),
    ],
)
def test_families(text: str, expected: str) -> None:
    assert machine.parse_os_release(text).family == expected


def test_a_system_without_pretty_name_has_a_name() -> None:
    assert machine.parse_os_release("ID=alpine\nNAME='Alpine Linux'\n").name == "Alpine Linux"


def test_swaps() -> None:
    assert machine.parse_swaps(proc("swaps")) == []
    assert machine.parse_swaps("") == []
    header = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
    lines = (
        "/dev/vda2                               partition\t998396\t\t0\t\t-2\n"
        "/swapfile                               file\t\t2097148\t\t0\t\t-3\n"
        "/dev/zram0                              partition\t4194300\t\t0\t\t100\n"
        "torn\n"
    )
    assert machine.parse_swaps(header + lines) == [
        machine.Swap("/dev/vda2", "partition", 974),
        machine.Swap("/swapfile", "file", 2047),
        machine.Swap("/dev/zram0", "zram", 4095),
    ]


def test_meminfo() -> None:
    assert machine.parse_meminfo(proc("meminfo")) == 24683656 // 1024
    assert machine.parse_meminfo("MemFree: 1 kB\n") == 0


def test_nameservers() -> None:
    text = (
        "# nameserver 192.0.2.9\nsearch example.com\nnameserver 192.0.2.1\n nameserver\t2001:db8::1 \noptions edns0\n"
    )
    assert machine.parse_nameservers(text) == ["192.0.2.1", "2001:db8::1"]
    assert machine.parse_nameservers("") == []


@pytest.mark.parametrize(
    ("filesystems", "modules", "expected"),
    [
        ("nodev\tnfs\nnodev\tnfsd\n", "", True),
        ("nodev\tnfs\n", "kernel/fs/nfsd/nfsd.ko\n", True),
        ("", "kernel/fs/ext4/ext4.ko.xz:\nkernel/fs/nfsd/nfsd.ko.xz: kernel/fs/lockd/lockd.ko.xz\n", True),
        # A module that only needs others of that folder, and a client.
        ("nodev\tnfs\n", "kernel/fs/nfs/nfs.ko: kernel/fs/x/nfsd.ko\nkernel/fs/nfsd/other.ko\n", False),
        ("", "", False),
    ],
)
def test_whether_the_kernel_serves_nfs(filesystems: str, modules: str, expected: bool) -> None:
    assert machine.can_serve_nfs(filesystems, modules) is expected


def test_modules_are_looked_up_for_the_running_kernel(files: dict[str, str]) -> None:
    files["/lib/modules/6.12/modules.dep"] = "kernel/fs/nfsd/nfsd.ko: kernel/net/sunrpc/sunrpc.ko\n"
    assert machine.read_nfsd("6.12") is True
    assert machine.read_nfsd("6.11") is False


def test_default_route() -> None:
    assert machine.parse_default_route(proc("net_route")) == {"interface": "eth0", "gateway": "10.90.6.1"}
    header, *others = proc("net_route").splitlines(keepends=True)
    without = header + "".join(line for line in others if line.split()[1] != "00000000")
    assert machine.parse_default_route(without) is None
    assert machine.parse_default_route("") is None


def test_of_several_default_routes_the_smallest_metric_wins() -> None:
    header = proc("net_route").splitlines(keepends=True)[0]
    routes = [
        f"{name} 00000000 {gateway} 0003 0 0 {metric} 00000000 0 0 0\n"
        for name, gateway, metric in (("wlan0", "010200C0", 600), ("eth1", "020200C0", 100), ("eth2", "030200C0", 200))
    ]
    assert machine.parse_default_route(header + "".join(routes)) == {"interface": "eth1", "gateway": "192.0.2.2"}


def test_a_half_of_the_addresses_is_no_default_route() -> None:
    """VPNs route 0.0.0.0/1 and 128.0.0.0/1 around the default route."""
    header = proc("net_route").splitlines(keepends=True)[0]
    assert machine.parse_default_route(header + "tun0 00000000 010200C0 0003 0 0 0 00000080 0 0 0\n") is None


def test_listening_sockets_as_ss_had_them() -> None:
    found = machine.parse_sockets(proc("net_tcp"), machine.TCP_LISTEN)
    assert sorted((port, address) for port, address, _inode in found) == [
        (22, ANYWHERE),
        (2379, "10.90.6.11"),
        (2379, "127.0.0.1"),
        (2380, "10.90.6.11"),
        (2381, "127.0.0.1"),
        (8404, "127.0.0.1"),
        (8443, "10.90.6.100"),
        (10248, "127.0.0.1"),
        (10249, "127.0.0.1"),
        (10257, "127.0.0.1"),
        (10259, "127.0.0.1"),
        (33995, "127.0.0.11"),
        (37301, "127.0.0.1"),
    ]
    assert all(inode > 0 for _port, _address, inode in found)
    wide = machine.parse_sockets(proc("net_tcp6"), machine.TCP_LISTEN)
    assert sorted((port, address) for port, address, _inode in wide) == [
        (22, "::"),
        (6443, "::"),
        (8081, "::"),
        (10250, "::"),
        (10256, "::"),
    ]
    bound = machine.parse_sockets(proc("net_udp"), machine.UDP_BOUND)
    assert [(port, address) for port, address, _inode in bound] == [(38006, "127.0.0.11"), (8472, ANYWHERE)]
    assert machine.parse_sockets(proc("net_udp6"), machine.UDP_BOUND) == []


def test_an_ipv6_address_is_read_word_by_word() -> None:
    line = "0: B80D0120000000000000000001000000:1F90 0:0 0A 0:0 0:0 0 0 0 77 1\n"
    assert machine.parse_sockets("header\n" + line, "0A") == [(8080, "2001:db8::1", 77)]


def test_dpkg_status() -> None:
    text = (FIXTURES / "dpkg" / "1.22_status").read_text()
    # kubeadm is held: "hold ok installed"
    assert machine.parse_dpkg_status(text, {"kubeadm", "containerd", "docker.io", "openssh-server"}) == {
        "kubeadm": "1.36.3-1.1",
        "containerd": "1.7.24~ds1-6+deb13u1",
        "openssh-server": "1:10.0p1-7+deb13u4",
    }
    assert machine.parse_dpkg_status("", {"kubeadm"}) == {}


@pytest.mark.parametrize("status", ["deinstall ok config-files", "install ok half-configured", "install ok unpacked"])
def test_packages_that_are_not_installed_in_full(status: str) -> None:
    text = (
        f"Package: kubeadm\nStatus: {status}\nVersion: 1.36.3-1.1\n\nPackage: kubelet\nStatus: install ok installed\n"
    )
    assert machine.parse_dpkg_status(text, {"kubeadm", "kubelet"}) == {}


def test_a_name_in_the_description_is_no_package() -> None:
    text = "Package: kubeadm-doc\nStatus: install ok installed\nVersion: 1\nDescription: x\n Package: kubeadm\n"
    assert machine.parse_dpkg_status(text, {"kubeadm"}) == {}


def test_rpm_query() -> None:
    text = "kubeadm 1.36.3-150500.1.1\npackage docker-ce is not installed\ncontainerd.io 2.2.0-1.el9\n"
    assert machine.parse_rpm_query(text) == {"kubeadm": "1.36.3-150500.1.1", "containerd.io": "2.2.0-1.el9"}
    assert machine.parse_rpm_query("") == {}


def test_arp() -> None:
    table = proc("net_arp")
    assert machine.parse_arp(table, "10.90.6.100") == "02:42:0a:5a:06:0d"
    assert machine.parse_arp(table, "10.90.6.99") is None
    # flannel's entries are permanent and complete, 0x6
    assert machine.parse_arp(table, "10.244.2.0") == "9e:37:49:8d:ef:26"


@pytest.mark.parametrize("entry", ["0x0         00:00:00:00:00:00", "0x2         00:00:00:00:00:00"])
def test_an_address_that_did_not_answer_arp(entry: str) -> None:
    table = proc("net_arp").splitlines()[0] + f"\n10.90.6.99       0x1         {entry}     *        eth0\n"
    assert machine.parse_arp(table, "10.90.6.99") is None


def test_read_text(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"caf\xe9\n")
    assert machine.read_text(tmp_path / "a") == "caf\ufffd\n"
    assert machine.read_text(tmp_path / "b") == ""
    assert machine.read_text(tmp_path / "a" / "b") == ""
    with pytest.raises(IsADirectoryError):
        machine.read_text(tmp_path)


def test_a_process_that_ended_while_it_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """/proc/PID/comm can be opened, and its process be gone when it is read."""

    def gone(*_arguments: Any, **_options: Any) -> str:
        raise ProcessLookupError(3, "No such process")

    monkeypatch.setattr(Path, "read_text", gone)
    assert machine.read_text("/proc/4711/comm") == ""


def test_who_listens_here() -> None:
    tcp = socket.create_server(("127.0.0.1", 0))
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    silent = socket.socket()
    silent.bind(("127.0.0.1", 0))
    try:
        port, datagrams, idle = (item.getsockname()[1] for item in (tcp, udp, silent))
        found = machine.read_listeners([port, datagrams, idle])
        name = Path("/proc/self/comm").read_text().strip()
        expected = [
            machine.Listener(port, "tcp", "127.0.0.1", name, os.getpid()),
            machine.Listener(datagrams, "udp", "127.0.0.1", name, os.getpid()),
        ]
        assert [item for item in found if item.pid == os.getpid()] == expected
        assert machine.as_dicts(expected)[0] == {
            "port": port,
            "protocol": "tcp",
            "address": "127.0.0.1",
            "process": name,
            "pid": os.getpid(),
        }
    finally:
        for item in (tcp, udp, silent):
            item.close()


def test_a_listener_whose_owner_cannot_be_seen(files: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    files.update({f"/proc/net/{name}": proc(f"net_{name}") for name in ("tcp", "tcp6", "udp", "udp6")})
    inodes = {port: inode for port, _address, inode in machine.parse_sockets(files["/proc/net/tcp6"], "0A")}
    monkeypatch.setattr(machine, "socket_owners", lambda: {inodes[6443]: (812, "kube-apiserver")})
    assert machine.read_listeners([6443, 8443, 8472, 1]) == [
        machine.Listener(6443, "tcp", "::", "kube-apiserver", 812),
        machine.Listener(8443, "tcp", "10.90.6.100", None, None),
        machine.Listener(8472, "udp", ANYWHERE, None, None),
    ]


def test_owners_are_not_looked_up_for_nothing(files: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "socket_owners", lambda: pytest.fail("walked /proc"))
    assert machine.read_listeners([6443]) == []


def test_processes_and_descriptors_that_end_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    folders = {"/proc": ["1", "2", "self"], "/proc/2/fd": ["0", "1", "2"]}
    links = {"/proc/2/fd/0": "/dev/null", "/proc/2/fd/2": "socket:[77]"}

    def listdir(path: str) -> list[str]:
        if path not in folders:
            raise PermissionError
        return folders[path]

    def readlink(path: str) -> str:
        if path not in links:
            raise FileNotFoundError
        return links[path]

    monkeypatch.setattr(machine.os, "listdir", listdir)
    monkeypatch.setattr(machine.os, "readlink", readlink)
    monkeypatch.setattr(machine, "read_text", lambda path: "kubelet\n")
    assert machine.socket_owners() == {77: (2, "kubelet")}


def test_filesystems(tmp_path: Path) -> None:
    later = str(tmp_path / "not" / "yet" / "there")
    found = machine.read_filesystems([str(tmp_path), later])
    status = os.statvfs(tmp_path)
    assert found[later]["total_mib"] == found[str(tmp_path)]["total_mib"] == status.f_blocks * status.f_frsize // 2**20
    assert 0 <= found[later]["free_mib"] <= found[later]["total_mib"]


@pytest.mark.parametrize(("unified", "expected"), [(True, 2), (False, 1)])
def test_cgroup_version(monkeypatch: pytest.MonkeyPatch, unified: bool, expected: int) -> None:
    asked: list[str] = []
    monkeypatch.setattr(machine.Path, "exists", lambda path: asked.append(str(path)) or unified)
    assert machine.read_cgroup_version() == expected
    assert asked == ["/sys/fs/cgroup/cgroup.controllers"]


def test_pods_inherit_the_name_servers_that_resolved_asks(files: dict[str, str]) -> None:
    files["/etc/resolv.conf"] = "nameserver 127.0.0.53\n"
    assert machine.read_nameservers() == ["127.0.0.53"]
    files["/run/systemd/resolve/resolv.conf"] = "nameserver 192.0.2.1\n"
    assert machine.read_nameservers() == ["192.0.2.1"]


def test_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.has_route("127.0.0.1")

    class Unreachable(socket.socket):
        def connect(self, address: Any) -> None:
            families.append(self.family)
            raise OSError(101, "Network is unreachable")

    families: list[int] = []
    monkeypatch.setattr(machine.socket, "socket", Unreachable)
    assert not machine.has_route("192.0.2.1")
    assert not machine.has_route("2001:db8::1")
    assert families == [socket.AF_INET, socket.AF_INET6]


def test_who_answers_at_an_address(files: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def accept() -> None:
            server.accept()[0].close()

        accepted = threading.Thread(target=accept)
        accepted.start()
        assert machine.ask_address("127.0.0.1", port) == {"address": "127.0.0.1", "mac": None, "tcp": True}
        accepted.join()
    assert machine.ask_address("127.0.0.1", port) is None
    # A host whose firewall drops everything still answers ARP.
    files["/proc/net/arp"] = "header\n127.0.0.1 0x1 0x2 02:42:0a:5a:06:0d * eth0\n"
    assert machine.ask_address("127.0.0.1", port) == {"address": "127.0.0.1", "mac": "02:42:0a:5a:06:0d", "tcp": False}


def test_silence_is_waited_for_a_moment_only(files: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent(socket.socket):
        def connect(self, address: Any) -> None:
            assert self.gettimeout() == 0.25
            raise TimeoutError

    monkeypatch.setattr(machine.socket, "socket", Silent)
    assert machine.ask_address("192.0.2.1", 8443, wait=0.25) is None


@pytest.mark.parametrize(
    ("present", "service"),
    [
        ("/run/chrony/chronyd.pid", "chrony"),
        ("/run/systemd/timesync/synchronized", "systemd-timesyncd"),
        ("/run/ntpd.pid", "ntpd"),
        ("", None),
    ],
)
def test_time(monkeypatch: pytest.MonkeyPatch, present: str, service: str | None) -> None:
    monkeypatch.setattr(machine.Path, "exists", lambda path: str(path) == present)
    monkeypatch.setattr(machine.time, "time", lambda: 1795341600.1)
    monkeypatch.setattr(machine, "clock_is_synchronized", lambda: False)
    assert machine.read_time() == {"epoch": 1795341600.1, "synchronized": False, "service": service}


@pytest.mark.parametrize(("answer", "expected"), [(0, True), (5, False), (-1, None), (1, True)])
def test_the_kernels_opinion_of_its_clock(monkeypatch: pytest.MonkeyPatch, answer: int, expected: bool | None) -> None:
    class Library:
        def __init__(self, name: None, use_errno: bool) -> None: ...

        def adjtimex(self, buffer: Any) -> int:
            # 208 bytes; modes = 0 changes nothing
            assert len(buffer) >= 208
            assert buffer.raw == bytes(len(buffer))
            return answer

    monkeypatch.setattr(machine.ctypes, "CDLL", Library)
    assert machine.clock_is_synchronized() is expected


@pytest.mark.parametrize("error", [OSError, AttributeError])
def test_a_libc_without_adjtimex(monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    def missing(*_arguments: Any, **_options: Any) -> None:
        raise error

    monkeypatch.setattr(machine.ctypes, "CDLL", missing)
    assert machine.clock_is_synchronized() is None


@pytest.mark.parametrize(
    ("enforce", "configured", "expected"),
    [("1\n", True, "enforcing"), ("0", True, "permissive"), ("", True, "disabled"), ("", False, None)],
)
def test_selinux(
    files: dict[str, str], monkeypatch: pytest.MonkeyPatch, enforce: str, configured: bool, expected: str | None
) -> None:
    files["/sys/fs/selinux/enforce"] = enforce
    monkeypatch.setattr(machine.Path, "exists", lambda path: configured and str(path) == "/etc/selinux/config")
    assert machine.read_selinux() == expected
