# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters: the ports that nodes must reach on each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.kubestead.cluster.plugins.plugin_utils import ports


class FilterModule:
    """Filters over the ports of nodes."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"node_ports": ports.node_ports, "probe_targets": ports.probe_targets}
