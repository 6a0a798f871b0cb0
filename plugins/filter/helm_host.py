# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: the control plane that releases are uninstalled by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def helm_host(control_planes: Sequence[str], seed: str, hostvars: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the first that still has helm, by what was compared of it: the seed if it has, and if none has."""
    for name in dict.fromkeys([seed, *control_planes]):
        compared = hostvars[name].get("__cluster_compared") or {}
        # What is switched off and in order is gone.
        if name in control_planes and "helm" not in (compared.get("in_order") or ()):
            return name
    return seed


class FilterModule:
    """Filters over control planes."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"helm_host": helm_host}
