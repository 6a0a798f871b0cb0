# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An NFS client for nodes whose kernel has none, and a provisioner.

The client comes as Debian's nfs-common, in a version that apt prefers: roles install that package and the kubelet
calls `mount -t nfs`, as on every machine.
"""

from __future__ import annotations

from .. import artifacts, engine, images, packages, programs
from .base import AddOn

HELPERS = ("/usr/sbin/mount.nfs", "/usr/sbin/mount.nfs4")
VERSION = "9:2"
PROVISIONER = "nfs-subdir-external-provisioner"
IMAGE = f"sig-storage/{PROVISIONER}:v4.0.2"


def _packages() -> list[packages.Package]:
    engine.ensure(programs.NFS)
    helper = artifacts.compiled("mount-nfs", "fuse3", "nfs")
    return [packages.Package("nfs-common", VERSION, packages.architecture(), dict.fromkeys(HELPERS, helper))]


def _images() -> list[images.Image]:
    program = artifacts.path("nfs-subdir-provisioner") / PROVISIONER
    return [images.Image(IMAGE, {f"/{PROVISIONER}": program}, (f"/{PROVISIONER}",))]


ADDON = AddOn(components=("nfs-subdir-provisioner",), images=_images, packages=_packages)
