# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's own packages in the mirror, for nodes without a way out."""

from __future__ import annotations

from . import engine, packages
from .base import digest, locked, timed

# What roles may install besides what a node comes with.
PACKAGES = (
    "chrony conntrack containerd ebtables ethtool gpg haproxy ipset iptables ipvsadm keepalived nfs-common nftables "
    "runc socat"
)
KEYRING = "etc/apt/keyrings/mirror.asc"


def build(system: str) -> None:
    """Download the packages and all they need, as a node of this system would, unless that was done."""
    folder = packages.files() / system
    image = engine.image(system)
    stamp = folder / f".{digest(PACKAGES, image)}"
    if stamp.exists():
        return
    with locked("mirror"), timed(f"Debian's packages for {system}"):
        folder.mkdir(parents=True, exist_ok=True)
        script = f"apt-get update -q && apt-get install -q -y --download-only {PACKAGES}"
        engine.docker("run", "--rm", f"--volume={folder}:/var/cache/apt/archives", image, "sh", "-c", script)
        packages.publish(folder)
        stamp.touch()


def sources(system: str, mirror: str) -> dict[str, str]:
    """The files of a node that make the mirror its only source of packages."""
    return {
        KEYRING: (packages.files() / system / packages.KEY_FILE).read_text(),
        "etc/apt/sources.list": f"deb [signed-by=/{KEYRING}] http://{mirror}:8081/{system}/ /\n",
    }
