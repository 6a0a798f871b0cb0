# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prometheus, its exporters and Alertmanager. Grafana's server can't be built from what module proxies serve."""

from __future__ import annotations

from .. import artifacts, images
from ..versions import COMPONENTS
from .base import AddOn

PROGRAMS = {
    f"prometheus/node-exporter:{COMPONENTS['node-exporter'].version}": ("node-exporter", "node_exporter"),
    f"prometheus/blackbox-exporter:{COMPONENTS['blackbox-exporter'].version}": (
        "blackbox-exporter",
        "blackbox_exporter",
    ),
    f"kube-state-metrics/kube-state-metrics:{COMPONENTS['kube-state-metrics'].version}": (
        "kube-state-metrics",
        "kube-state-metrics",
    ),
    # Modules of Prometheus 3.16 are numbered 0.316.
    "prometheus/prometheus:v3.16.0": ("prometheus", "prometheus"),
    f"prometheus/alertmanager:{COMPONENTS['alertmanager'].version}": ("alertmanager", "alertmanager"),
}


def _images() -> list[images.Image]:
    return [
        images.Image(name, {f"/bin/{program}": artifacts.path(component) / program}, (f"/bin/{program}",))
        for name, (component, program) in PROGRAMS.items()
    ]


ADDON = AddOn(components=tuple(component for component, _program in PROGRAMS.values()), images=_images)
