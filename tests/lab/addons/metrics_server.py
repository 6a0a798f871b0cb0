# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""metrics-server, for `kubectl top` and autoscaling."""

from __future__ import annotations

from .. import artifacts, images
from ..versions import COMPONENTS
from .base import AddOn


def _images() -> list[images.Image]:
    component = COMPONENTS["metrics-server"]
    program = artifacts.path("metrics-server") / "metrics-server"
    return [
        images.Image(
            f"metrics-server/metrics-server:{component.version}", {"/metrics-server": program}, ("/metrics-server",)
        )
    ]


ADDON = AddOn(components=("metrics-server",), images=_images)
