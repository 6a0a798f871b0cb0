# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters: the configuration of an NFS server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.kubestead.cluster.plugins.plugin_utils import nfs


class FilterModule:
    """Filters over exports."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "nfs_directories": nfs.directories,
            "nfs_kernel_exports": nfs.kernel_exports,
            "nfs_ganesha_exports": nfs.ganesha_exports,
            "nfs_ganesha_configuration": nfs.ganesha_configuration,
            "nfs_refusal": nfs.refusal,
        }
