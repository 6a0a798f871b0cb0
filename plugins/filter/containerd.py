# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters: containerd's configuration files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.kubestead.cluster.plugins.plugin_utils import containerd


class FilterModule:
    """Filters over containerd's configuration."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"containerd_config": containerd.containerd_config, "registry_files": containerd.registry_files}
