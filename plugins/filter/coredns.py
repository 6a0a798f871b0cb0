# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: kubeadm's patch for CoreDNS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.kubestead.cluster.plugins.module_utils import _coredns


def coredns_patch(hosts: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the file for kubeadm, '' where fewer than two hosts take pods of CoreDNS.

    A control plane takes them, as kubeadm's Deployment tolerates its taint; a host with taints of its own does not.
    """
    taking = [
        name
        for name, host in hosts.items()
        if not any(taint["effect"] in _coredns.REPELLING_EFFECTS for taint in host["taints"])
    ]
    return _coredns.patch_file() if len(taking) >= _coredns.SPREAD_NODES else ""


class FilterModule:
    """Filters over the hosts of the cluster."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"coredns_patch": coredns_patch}
