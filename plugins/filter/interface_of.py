# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: the interface that has an address."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError


def interface_of(interfaces: Sequence[Mapping[str, Any]], address: str) -> str:
    """Return the name of the interface that has `address`."""
    for interface in interfaces:
        if any(own.split("/")[0] == address for own in interface["addresses"]):
            return str(interface["name"])
    found = ", ".join(f"{item['name']} {' '.join(item['addresses'])}" for item in interfaces)
    raise AnsibleFilterError(f"no interface has the address {address}; found {found}; set node_ip to one of these")


class FilterModule:
    """Filters over the interfaces of a machine."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"interface_of": interface_of}
