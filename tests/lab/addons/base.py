# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An add-on: the programs to build, and what the mirror then offers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .. import artifacts, images, packages
from ..versions import NODE_SYSTEMS


@dataclass(frozen=True)
class AddOn:
    """Components (see versions.py), and the images, packages and files made of them once they are built."""

    components: tuple[str, ...] = ()
    images: Callable[[], list[images.Image]] = list
    packages: Callable[[], list[packages.Package]] = list
    files: Callable[[], None] = lambda: None


def build(addon: AddOn, system: str) -> None:
    """Build an add-on and put it into the mirror, for nodes of this system."""
    for component in addon.components:
        artifacts.build(component)
    wanted = addon.packages()
    if wanted:
        packages.offer(packages.files() / NODE_SYSTEMS[system], wanted)
    images.offer(addon.images())
    addon.files()
