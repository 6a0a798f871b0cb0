# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables as the hosts have them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.context import (
    ClusterIntent,
    Holder,
    HostReport,
)
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.finding import listing
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.parsing import is_true
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.specs import spec_problems, type_matches


def holders(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> list[Holder]:
    """All that have variables of ours: the nodes, and NFS servers that are none."""
    names = {host.name for host in hosts}
    return [*hosts, *(server for server in cluster.nfs_servers if server.name not in names)]


def by_variable(hosts: Sequence[Holder]) -> dict[str, dict[str, list[Holder]]]:
    """Variable -> its value's text -> the hosts that have it, so that a group's variable is reported once."""
    found: dict[str, dict[str, list[Holder]]] = defaultdict(lambda: defaultdict(list))
    for host in hosts:
        for name, value in host.variables.items():
            found[name][repr(value)].append(host)
    return found


def of_hosts(some: Sequence[Holder], hosts: Sequence[HostReport]) -> str:
    """Which they are, if not all nodes."""
    names = [host.name for host in some]
    return "" if {host.name for host in hosts} <= set(names) else f" on {listing(names)}"


def has_wrong_type(cluster: ClusterIntent, hosts: Sequence[HostReport], name: str) -> bool:
    """Return whether rule variable-type reports a variable of these hosts."""
    given = (host.variables.get(name) for host in hosts)
    return any(any(spec_problems(name, cluster.specs[name], value)) for value in given if name in cluster.specs)


def shared(cluster: ClusterIntent, hosts: Sequence[HostReport], name: str, default: Any) -> Any:
    """A variable that counts for the whole cluster. One of a wrong type is as if it were not given."""
    kind = str((cluster.specs.get(name) or {}).get("type", "raw"))
    values = (host.variables.get(name) for host in hosts)
    value = next((item for item in values if item is not None and type_matches(kind, item)), default)
    if kind == "bool":
        return is_true(value)
    return int(value) if kind == "int" else value


def sound(cluster: ClusterIntent, hosts: Sequence[Holder], name: str) -> Any:
    """A variable that counts for the whole cluster, or its role's default.

    None where rule variable-undefined or variable-type tells of it: nothing can be said of what it holds.
    """
    spec = cluster.specs.get(name) or {"type": "raw"}
    given = (host.variables.get(name) for host in hosts)
    value = next((item for item in given if item is not None), spec.get("default"))
    unknown = any(name in host.undefined for host in hosts) or any(spec_problems(name, spec, value))
    return None if unknown else value
