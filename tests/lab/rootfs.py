# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Root file systems made from Debian's packages: nodes, the mirror, and the base of some images."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .base import digest, home, locked, run, timed

DEBIAN = "http://deb.debian.org"
HOST_CERTIFICATES = Path("/usr/local/share/ca-certificates")

NODE_PACKAGES = (
    "systemd,systemd-sysv,dbus,openssh-server,python3,python3-apt,sudo,iproute2,kmod,ca-certificates,curl,"
    "procps,iputils-ping"
)
# A virtual machine boots a kernel of its own, with what Debian's installer puts beside it.
KERNEL_PACKAGES = "linux-image-amd64,initramfs-tools,udev,apparmor,e2fsprogs"


@dataclass(frozen=True)
class Rootfs:
    """One root file system: a Debian suite, packages, and shell lines run on the finished tree ("$1")."""

    suite: str
    variant: str
    include: str
    hooks: tuple[str, ...] = ()


# A node keeps nothing that two machines must not share (host keys, machine-id), and has the user that the lab's
# `--user operator` logs in with.
_NODE_HOOKS = (
    'rm -f "$1"/etc/ssh/ssh_host_* "$1"/var/lib/dbus/machine-id && : > "$1"/etc/machine-id',
    'chroot "$1" useradd --create-home --gid operator --shell /bin/bash operator',
    'echo "operator ALL=(ALL) NOPASSWD: ALL" > "$1"/etc/sudoers.d/operator && chmod 0440 "$1"/etc/sudoers.d/operator',
)
# What it gets at its first boot (see virtual.py) lies on its second disk.
_FIRST_FILES = """\
[Unit]
Description=Files that make this machine one of a lab
DefaultDependencies=no
ConditionPathExists=!/etc/hostname
After=systemd-remount-fs.service systemd-udevd.service dev-vdb.device
Requires=dev-vdb.device
Before=sysinit.target swapfile.swap systemd-networkd.service ssh.service

[Service]
Type=oneshot
ExecStart=/usr/bin/tar --extract --file=/dev/vdb --directory=/
ExecStart=/bin/sh -c "cat /etc/hostname >/proc/sys/kernel/hostname"
ExecStart=/bin/sh -c "umask 077 && dd if=/dev/zero of=/swapfile bs=1M count=256 status=none && mkswap /swapfile"

[Install]
WantedBy=sysinit.target
"""
_KERNEL_HOOKS = (
    'echo "/dev/vda / ext4 errors=remount-ro 0 1" > "$1"/etc/fstab && rm -f "$1"/etc/hostname "$1"/etc/resolv.conf',
    f"""printf %s '{_FIRST_FILES}' > "$1"/etc/systemd/system/first-files.service""",
    'systemctl --root="$1" enable first-files.service systemd-networkd.service',
    # With swap, as an installer makes it; a file that mkfs copies would have holes.
    'echo "/swapfile none swap sw 0 0" >> "$1"/etc/fstab',
)
# What a container image never needs.
_SLIM_HOOKS = ('rm -rf "$1"/usr/share/doc "$1"/usr/share/man "$1"/usr/share/locale "$1"/usr/share/info',)

ROOTFS = {
    "debian13": Rootfs("trixie", "minbase", NODE_PACKAGES, _NODE_HOOKS),
    "debian12": Rootfs("bookworm", "minbase", NODE_PACKAGES, _NODE_HOOKS),
    "debian13-virtual": Rootfs(
        "trixie", "minbase", f"{NODE_PACKAGES},{KERNEL_PACKAGES}", (*_NODE_HOOKS, *_KERNEL_HOOKS)
    ),
    "hypervisor": Rootfs(
        "trixie", "minbase", "qemu-system-x86,qemu-utils,iproute2,e2fsprogs,libarchive13t64", _SLIM_HOOKS
    ),
    "mirror": Rootfs("trixie", "minbase", "docker-registry,python3", _SLIM_HOOKS),
    "base": Rootfs("trixie", "essential", "iptables,nftables,conntrack,kmod,iproute2", _SLIM_HOOKS),
    "smoke": Rootfs("trixie", "essential", "nginx-light,busybox", _SLIM_HOOKS),
}


def sources(suite: str, mirror: str = DEBIAN) -> list[str]:
    """The package sources of an ordinary Debian machine."""
    return [
        f"deb {mirror}/debian {suite} main",
        f"deb {mirror}/debian {suite}-updates main",
        f"deb {mirror}/debian-security {suite}-security main",
    ]


def host_apt_settings() -> str:
    """How this computer reaches Debian (a proxy, a mirror with old dates): nodes need the same."""
    wanted = re.compile(r"^Acquire::((http|https)::Proxy|Check-Valid-Until|Check-Date) ", re.MULTILINE)
    dump = run(["apt-config", "dump"]).stdout
    return "".join(f"{line}\n" for line in dump.splitlines() if wanted.match(line))


def host_certificates() -> list[Path]:
    """Certificate authorities that this computer's administrator added."""
    return sorted(HOST_CERTIFICATES.glob("*.crt"))


def key(name: str) -> str:
    """Changes with everything a root file system is made from."""
    spec = ROOTFS[name]
    return digest(
        repr(spec), *sources(spec.suite), host_apt_settings(), *(path.read_bytes() for path in host_certificates())
    )


def path(name: str) -> Path:
    """Where the tar archive of a root file system is kept."""
    return home() / "rootfs" / f"{name}-{key(name)}.tar"


def build(name: str) -> Path:
    """Make the tar archive, unless it is there."""
    target = path(name)
    if not target.exists():
        with locked(f"build-{name}"):
            if not target.exists():
                _build(name, target)
    return target


def _build(name: str, target: Path) -> None:
    spec = ROOTFS[name]
    target.parent.mkdir(parents=True, exist_ok=True)
    hooks = list(spec.hooks)
    with tempfile.TemporaryDirectory() as folder, timed(f"root file system {name}"):
        settings = Path(folder) / "apt.conf"
        settings.write_text(host_apt_settings())
        if "openssh-server" in spec.include:
            hooks.append(f'cp {settings} "$1"/etc/apt/apt.conf.d/99host')
            if host_certificates():
                hooks.append(f'cp {HOST_CERTIFICATES}/*.crt "$1"{HOST_CERTIFICATES}/')
                hooks.append('chroot "$1" update-ca-certificates')
        unfinished = target.with_name(f".{target.name}")
        command: list[str | Path] = ["mmdebstrap", "--quiet", f"--variant={spec.variant}", f"--include={spec.include}"]
        command += [f"--customize-hook={hook}" for hook in hooks]
        run([*command, spec.suite, unfinished, *sources(spec.suite)])
        unfinished.replace(target)
    for old in target.parent.glob(f"{name}-*.tar"):
        if old != target:
            old.unlink()
