# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ingress controller, and what gives Services of type LoadBalancer their addresses."""

from __future__ import annotations

from .. import artifacts
from ..images import Image
from ..versions import COMPONENTS
from .base import AddOn


def images() -> list[Image]:
    """As their publishers name them, without the registry's name."""
    traefik, metallb = artifacts.path("traefik"), artifacts.path("metallb")
    version = COMPONENTS["metallb"].version
    return [
        Image(f"library/traefik:{COMPONENTS['traefik'].version}", {"/traefik": traefik / "traefik"}, ("/traefik",)),
        *(
            Image(f"metallb/{name}:{version}", {f"/{name}": metallb / name}, (f"/{name}",))
            for name in ("controller", "speaker")
        ),
    ]


ADDON = AddOn(components=("traefik", "metallb"), images=images)
