# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which control planes may take the virtual IP in this run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class ControlPlane:
    """What decides whether a control plane may take the virtual IP."""

    name: str
    ip: str
    #: It belongs to this run, which gives it the list of all control planes.
    in_run: bool
    #: The peers in its keepalived.conf; None where it has none of this collection, or was not read.
    peers: Sequence[str] | None
    #: It becomes a member of the cluster in this run, by a join.
    joins: bool = False


def waiting(control_planes: Iterable[ControlPlane]) -> list[str]:
    """Return the control planes of this run that a control plane outside it does not list as a peer.

    Such a control plane hears no VRRP advertisements from a holder that does not list it, and would take the address
    while the other one keeps it. A control plane that can't be read is no holder now. When it returns, it hears the
    advertisements of all that list it.
    """
    known = list(control_planes)
    outside = [item for item in known if not item.in_run]
    return [item.name for item in known if item.in_run and not listed(item, outside)]


def late(control_planes: Iterable[ControlPlane]) -> list[str]:
    """Return the control planes of this run that get their part in the virtual IP after all joins.

    These are the control planes that join, and those that another control plane does not list as a peer yet. After the
    joins the others have their new lists.
    """
    known = list(control_planes)
    return [item.name for item in known if item.in_run and (item.joins or not listed(item, known))]


def listed(control_plane: ControlPlane, others: Iterable[ControlPlane]) -> bool:
    """Tell whether all others that have a list of peers list a control plane."""
    return all(
        other.peers is None or control_plane.ip in other.peers for other in others if other.name != control_plane.name
    )
