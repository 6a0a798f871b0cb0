# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a machine: pure parsers over what the kernel and the tools say, and the readers that feed them.

Everything comes from /proc, /sys and /etc where that is possible, so that one call costs little more than the
start of Python.
"""

from __future__ import annotations

import ctypes
import os
import re
import socket
import struct
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

DEBIAN_LIKE = frozenset({"debian", "ubuntu"})
REDHAT_LIKE = frozenset({"rhel", "centos", "rocky", "almalinux", "fedora", "ol"})
# /proc/net/tcp: state 0A is LISTEN; a UDP socket that is only bound is in state 07 (net/tcp_states.h).
TCP_LISTEN = "0A"
UDP_BOUND = "07"
ARP_COMPLETE = 0x2


@dataclass(frozen=True)
class OperatingSystem:
    """What /etc/os-release says (freedesktop os-release specification)."""

    id: str
    version_id: str
    name: str
    codename: str
    family: str


@dataclass(frozen=True)
class Swap:
    """One line of /proc/swaps."""

    device: str
    kind: str
    size_mib: int


@dataclass(frozen=True)
class Listener:
    """A socket that waits for others: the port, where it is bound, and who holds it."""

    port: int
    protocol: str
    address: str
    process: str | None
    pid: int | None


def parse_os_release(text: str) -> OperatingSystem:
    """Parse os-release; distributions derived from Debian or RHEL count to that family."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        key, separator, value = line.strip().partition("=")
        if separator and not key.startswith("#"):
            values[key] = value.strip().strip("\"'")
    family = "other"
    for identity in [values.get("ID", ""), *values.get("ID_LIKE", "").split()]:
        if identity in DEBIAN_LIKE:
            family = "debian"
            break
        if identity in REDHAT_LIKE:
            family = "redhat"
            break
    return OperatingSystem(
        id=values.get("ID", ""),
        version_id=values.get("VERSION_ID", ""),
        name=values.get("PRETTY_NAME", values.get("NAME", "")),
        codename=values.get("VERSION_CODENAME", ""),
        family=family,
    )


def parse_swaps(text: str) -> list[Swap]:
    """Parse /proc/swaps; zram devices are named so, since they come back by a generator and not from fstab."""
    swaps = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) >= 3:
            kind = "zram" if fields[0].startswith("/dev/zram") else fields[1]
            swaps.append(Swap(device=fields[0], kind=kind, size_mib=int(fields[2]) // 1024))
    return swaps


def parse_meminfo(text: str) -> int:
    """Return MemTotal in MiB."""
    match = re.search(r"^MemTotal:\s+(\d+) kB", text, re.MULTILINE)
    return int(match.group(1)) // 1024 if match else 0


def parse_nameservers(text: str) -> list[str]:
    """Return the nameserver lines of a resolv.conf, in order."""
    return re.findall(r"^\s*nameserver\s+(\S+)", text, re.MULTILINE)


def parse_default_route(text: str) -> dict[str, str] | None:
    """Return the default route of /proc/net/route with the smallest metric."""
    best: tuple[int, dict[str, str]] | None = None
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 8 or fields[1] != "00000000" or fields[7] != "00000000":
            continue
        route = {"interface": fields[0], "gateway": socket.inet_ntoa(struct.pack("<L", int(fields[2], 16)))}
        if best is None or int(fields[6]) < best[0]:
            best = (int(fields[6]), route)
    return best[1] if best else None


def parse_sockets(text: str, wanted_state: str) -> list[tuple[int, str, int]]:
    """Return (port, address, inode) of the waiting sockets in /proc/net/{tcp,tcp6,udp,udp6}."""
    sockets = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 10 or fields[3] != wanted_state:
            continue
        raw_address, raw_port = fields[1].split(":")
        words = [raw_address[i : i + 8] for i in range(0, len(raw_address), 8)]
        packed = b"".join(struct.pack("<L", int(word, 16)) for word in words)
        family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
        sockets.append((int(raw_port, 16), socket.inet_ntop(family, packed), int(fields[9])))
    return sockets


def parse_dpkg_status(text: str, names: Iterable[str]) -> dict[str, str]:
    """Return the versions of those of `names` that dpkg's status file has as installed."""
    wanted = set(names)
    versions: dict[str, str] = {}
    for stanza in text.split("\n\n"):
        # The name stands on the first line of a stanza: most are dismissed without a regular expression.
        if not stanza.startswith("Package: ") or stanza[9 : stanza.find("\n")] not in wanted:
            continue
        status = re.search(r"^Status: (.*)$", stanza, re.MULTILINE)
        version = re.search(r"^Version: (.*)$", stanza, re.MULTILINE)
        if status and version and status.group(1).split()[-1] == "installed":
            versions[stanza[9 : stanza.find("\n")]] = version.group(1)
    return versions


def parse_rpm_query(text: str) -> dict[str, str]:
    """Parse `rpm -q --qf '%{NAME} %{VERSION}-%{RELEASE}\\n'`; names that are not installed have more words."""
    return {fields[0]: fields[1] for fields in (line.split() for line in text.splitlines()) if len(fields) == 2}


def read_text(path: str | Path) -> str:
    """Return the file's text, or "" where there is no such file: its feature or its process (/proc/PID) is gone."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError, ProcessLookupError):
        return ""


def socket_owners() -> dict[int, tuple[int, str]]:
    """Map socket inodes to (pid, process name) by walking /proc; processes that end meanwhile are left out."""
    owners: dict[int, tuple[int, str]] = {}
    for process in os.listdir("/proc"):
        if not process.isdigit():
            continue
        try:
            descriptors = os.listdir(f"/proc/{process}/fd")
            name = read_text(f"/proc/{process}/comm").strip()
        except OSError:
            continue
        for descriptor in descriptors:
            try:
                target = os.readlink(f"/proc/{process}/fd/{descriptor}")
            except OSError:
                continue
            if target.startswith("socket:["):
                owners[int(target[8:-1])] = (int(process), name)
    return owners


def read_listeners(ports: Iterable[int]) -> list[Listener]:
    """Return who listens on any of the given ports. Owners are looked up only where something listens."""
    wanted = set(ports)
    found: list[tuple[str, int, str, int]] = []
    for name, state in (("tcp", TCP_LISTEN), ("tcp6", TCP_LISTEN), ("udp", UDP_BOUND), ("udp6", UDP_BOUND)):
        for port, address, inode in parse_sockets(read_text(f"/proc/net/{name}"), state):
            if port in wanted:
                found.append((name[:3], port, address, inode))
    owners = socket_owners() if found else {}
    listeners = []
    for protocol, port, address, inode in found:
        pid, process = owners.get(inode, (None, None))
        listeners.append(Listener(port=port, protocol=protocol, address=address, process=process, pid=pid))
    return sorted(listeners, key=lambda item: (item.protocol, item.port, item.address))


def read_filesystems(paths: Iterable[str]) -> dict[str, dict[str, int]]:
    """Return size and free space, in MiB, of the file system that holds (or will hold) each path."""
    sizes = {}
    for path in paths:
        existing = Path(path)
        while not existing.exists():
            existing = existing.parent
        status = os.statvfs(existing)
        sizes[path] = {
            "total_mib": status.f_blocks * status.f_frsize // 2**20,
            "free_mib": status.f_bavail * status.f_frsize // 2**20,
        }
    return sizes


def read_cgroup_version() -> int:
    """Return 2 for the unified hierarchy, 1 for anything else (kubelet looks at the same file system)."""
    return 2 if Path("/sys/fs/cgroup/cgroup.controllers").exists() else 1


def read_nameservers() -> list[str]:
    """Return the name servers that pods would inherit: kubeadm gives kubelet systemd-resolved's own file if it runs."""
    resolved = read_text("/run/systemd/resolve/resolv.conf")
    return parse_nameservers(resolved or read_text("/etc/resolv.conf"))


def can_serve_nfs(filesystems: str, modules: str) -> bool:
    """Whether the kernel has an NFS server: in use, built in, or as a module."""
    in_use = re.search(r"\tnfsd$", filesystems, re.MULTILINE)
    return bool(in_use or re.search(r"^\S*/nfsd\.ko", modules, re.MULTILINE))


def read_nfsd(release: str) -> bool:
    """Ask /proc/filesystems and the lists of the kernel's modules (built in, and to be loaded)."""
    folder = f"/lib/modules/{release}"
    modules = read_text(f"{folder}/modules.builtin") + read_text(f"{folder}/modules.dep")
    return can_serve_nfs(read_text("/proc/filesystems"), modules)


def has_route(address: str) -> bool:
    """Ask the kernel for a route: connecting a datagram socket sends nothing."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, 9))
        except OSError:
            return False
    return True


def parse_arp(text: str, address: str) -> str | None:
    """Return the hardware address that answered for `address` in /proc/net/arp."""
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) >= 4 and fields[0] == address and int(fields[2], 16) & ARP_COMPLETE:
            return fields[3] if fields[3] != "00:00:00:00:00:00" else None
    return None


def ask_address(address: str, port: int, wait: float = 0.6) -> dict[str, Any] | None:
    """Return who answers at `address` (by ARP, which no firewall hides, or TCP), or None where nobody does."""
    tcp = False
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(wait)
        try:
            probe.connect((address, port))
            tcp = True
        except ConnectionRefusedError:
            pass
        except OSError:
            # No answer at all: the address may still have answered ARP, which is looked up next.
            pass
    mac = parse_arp(read_text("/proc/net/arp"), address)
    return {"address": address, "mac": mac, "tcp": tcp} if tcp or mac else None


def read_time() -> dict[str, Any]:
    """Return the clock, whether the kernel holds it synchronised (adjtimex status), and the service that does it."""
    service = None
    for name, path in (
        ("chrony", "/run/chrony/chronyd.pid"),
        ("chrony", "/var/run/chrony/chronyd.pid"),
        ("systemd-timesyncd", "/run/systemd/timesync/synchronized"),
        ("ntpd", "/run/ntpd.pid"),
    ):
        if Path(path).exists():
            service = name
            break
    return {"epoch": time.time(), "synchronized": clock_is_synchronized(), "service": service}


def clock_is_synchronized() -> bool | None:
    """Return the kernel's own opinion: STA_UNSYNC of adjtimex(2), read with mode 0; None where it can't be asked."""
    buffer = ctypes.create_string_buffer(512)  # struct timex is 208 bytes; modes = 0 reads only
    try:
        result = ctypes.CDLL(None, use_errno=True).adjtimex(buffer)
    except (OSError, AttributeError):
        return None
    time_error = 5  # TIME_ERROR: clock not synchronised
    return None if result < 0 else result != time_error


def read_selinux() -> str | None:
    """Return the mode of SELinux, None where the system has none."""
    enforce = read_text("/sys/fs/selinux/enforce").strip()
    if enforce:
        return "enforcing" if enforce == "1" else "permissive"
    return "disabled" if Path("/etc/selinux/config").exists() else None


def as_dicts(items: Iterable[Any]) -> list[dict[str, Any]]:
    """Turn dataclasses into what a module can return."""
    return [asdict(item) for item in items]
