# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cri-dockerd, which Debian lacks (Docker Engine is Debian's own), and a runc for nodes that are containers."""

from __future__ import annotations

from dataclasses import replace

from .. import artifacts, packages
from ..base import HERE
from .base import AddOn

UNITS = ("cri-docker.service", "cri-docker.socket")
# Docker has no setting like containerd's restrict_oom_score_adj.
RUNC = packages.Package("lab-runc", "1", "all", {"/usr/bin/lab-runc": HERE / "addons" / "lab-runc.sh"}, "runc")


def offered() -> list[packages.Package]:
    """cri-dockerd as its publisher packs it, with nothing enabled."""
    programs = artifacts.path("cri-dockerd")
    package = packages.of_component("cri-dockerd")
    units = {f"/usr/lib/systemd/system/{unit}": (programs / unit).read_text() for unit in UNITS}
    return [replace(package, contents={**package.contents, **units}), RUNC]


ADDON = AddOn(components=("cri-dockerd",), packages=offered)
