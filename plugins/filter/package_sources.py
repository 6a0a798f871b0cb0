# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters: where a machine gets packages and files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.kubestead.cluster.plugins.plugin_utils import sources


class FilterModule:
    """Filters over where packages and files come from."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "bundle_source": sources.bundle_files,
            "file_url": sources.file_url,
            "package_sources": sources.package_sources,
            "system_name": sources.system_name,
        }
