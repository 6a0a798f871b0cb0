# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the platform's parts are made of, one module for each; `up --with NAME` and `build NAME` make it.

Images keep the repository they have at their publisher (docker.io/library/traefik is library/traefik): the lab's
nodes ask its registry instead of the publishers' (see containerd_registries in their inventory).
"""

from __future__ import annotations

from . import docker, helm, ingress, metrics_server, monitoring, nfs
from .base import AddOn, build

ADDONS: dict[str, AddOn] = {
    "docker": docker.ADDON,
    "helm": helm.ADDON,
    "ingress": ingress.ADDON,
    "metrics-server": metrics_server.ADDON,
    "monitoring": monitoring.ADDON,
    "nfs": nfs.ADDON,
}

__all__ = ["ADDONS", "AddOn", "build"]
