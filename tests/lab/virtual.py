# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines with a kernel of their own: Debian's, emulated by QEMU in a container that lends them its address."""

from __future__ import annotations

import io
import platform
import shutil
import tarfile
from pathlib import Path

from . import engine, rootfs
from .base import HERE, LabError, digest, home, locked, timed

# The container does nothing but emulate: it needs less than a node that is one.
FLAGS = (
    "--cap-add=NET_ADMIN",
    "--device=/dev/net/tun",
    "--volume=/var",
    "--stop-signal=TERM",
    "--stop-timeout=180",
    "--entrypoint=/usr/local/sbin/virtual-entry",
)
CPUS, MEMORY_MIB, DISK = 2, 4096, "12G"
# From power on until sshd answers; 35 s with nothing beside it on two cores.
SSH_SECONDS = 300
SYSTEMS = {"debian13": "debian13-virtual"}
NETWORK = """\
[Match]
Name=eth0

[Network]
Address={address}/24
Gateway={gateway}
"""
# The mirror has an nfs-common for kernels without NFS.
STAND_INS = """\
Package: nfs-common
Pin: origin {mirror}
Pin-Priority: -1
"""


def disk_folder(system: str) -> Path:
    """Return where the disk that all machines of a system begin with is kept, its kernel and its first root."""
    return home() / "virtual" / f"{system}-{rootfs.key(SYSTEMS[system])}-{digest(DISK)}"


def build(system: str) -> None:
    """Make the disk, unless it is there."""
    if system not in SYSTEMS:
        raise LabError(f"virtual machines run {', '.join(SYSTEMS)}, not {system}")
    if platform.machine() != "x86_64":
        raise LabError(f"virtual machines are emulated on x86_64 alone; this computer is {platform.machine()}")
    rootfs.build("hypervisor")
    archive, folder = rootfs.build(SYSTEMS[system]), disk_folder(system)
    with locked(f"build-{SYSTEMS[system]}"):
        if not folder.exists():
            with timed(f"disk of {system}"):
                _build(archive, folder)
            for old in folder.parent.glob(f"{system}-*"):
                if old != folder:
                    shutil.rmtree(old)


def _build(archive: Path, folder: Path) -> None:
    unfinished = folder.with_name(f".{folder.name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    with tarfile.open(archive) as tree:
        for name in ("vmlinuz", "initrd.img"):
            # A link at the root, as Debian has them, to the newest of /boot.
            link = tree.getmember(f"./{name}")
            source = tree.extractfile(f"./{link.linkname}")
            if source is None:
                raise LabError(f"{archive} has no {link.linkname}")
            with source, (unfinished / name).open("wb") as target:
                shutil.copyfileobj(source, target)
    make = ["mkfs.ext4", "-q", "-L", "root", "-d", "/tree.tar", "/out/disk.raw", DISK]
    volumes = [f"--volume={archive}:/tree.tar:ro", f"--volume={unfinished}:/out"]
    # Names in the archive are UTF-8.
    engine.docker("run", "--rm", "--env=LC_ALL=C.UTF-8", *volumes, engine.image("hypervisor"), *make)
    unfinished.rename(folder)


def options(system: str, address: str) -> list[str]:
    """Return what `docker create` needs beside name, network and address: flags and image."""
    numbers = "".join(f":{int(part):02x}" for part in address.split("."))
    variables = {"MACHINE_CPUS": CPUS, "MACHINE_MEMORY": MEMORY_MIB, "MACHINE_MAC": f"52:54{numbers}"}
    return [
        *FLAGS,
        *(f"--env={name}={value}" for name, value in variables.items()),
        f"--volume={disk_folder(system)}:/srv/machine:ro",
        engine.image("hypervisor"),
    ]


def first_files(name: str, address: str, gateway: str, resolvers: list[str], mirror: str) -> dict[str, str]:
    """Return the files that a container gets from the engine and its entry script, and what is only for containers."""
    return {
        "etc/hostname": f"{name}\n",
        "etc/hosts": f"127.0.0.1\tlocalhost\n127.0.1.1\t{name}\n::1\tlocalhost ip6-localhost ip6-loopback\n",
        "etc/resolv.conf": "".join(f"nameserver {server}\n" for server in resolvers),
        "etc/apt/preferences.d/lab.pref": STAND_INS.format(mirror=mirror),
        "etc/systemd/network/lab.network": NETWORK.format(address=address, gateway=gateway),
    }


def container_files(files: bytes) -> bytes:
    """Return what goes into the container, as a tar archive: its first process, and the machine's second disk."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for path, content, mode in (
            ("usr/local/sbin/virtual-entry", (HERE / "virtual-entry.sh").read_bytes(), 0o755),
            ("first-files.tar", files, 0o600),
        ):
            entry = tarfile.TarInfo(path)
            entry.mode, entry.size = mode, len(content)
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()
