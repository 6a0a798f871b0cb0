# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules: variables of the roles and their values."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.cluster import control_planes
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.context import (
    ClusterIntent,
    Holder,
    HostReport,
)
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.finding import (
    Finding,
    error,
    listing,
    suggestion,
    warning,
)
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.given import (
    by_variable,
    has_wrong_type,
    holders,
    of_hosts,
)
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.registry import RULES, rule
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.specs import (
    holds_secrets,
    shown_value,
    spec_problems,
)
from ansible_collections.kubestead.cluster.plugins.plugin_utils.variable_types import TYPE_NAMES
from ansible_collections.kubestead.cluster.plugins.plugin_utils.variables import scope_of


@rule("variable-undefined", fixed=True)
def check_undefined(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    reasons: dict[tuple[str, str], list[Holder]] = {
        (name, why): [] for name, why in cluster.undefined.items() if not has_wrong_type(cluster, hosts, name)
    }
    for host in holders(cluster, hosts):
        for name, why in host.undefined.items():
            if name not in cluster.undefined:
                reasons.setdefault((name, why), []).append(host)
    for (name, why), some in reasons.items():
        yield error(
            name,
            f"a value that cannot be evaluated{of_hosts(some, hosts) if some else ''} ({why})",
            "a template whose variables are all defined",
            f"define what {name} refers to, or write the value itself",
        )
    for name in cluster.required:
        missing = [host for host in hosts if host.variables.get(name) in (None, "")]
        if missing:
            yield error(
                name,
                f"no value{of_hosts(missing, hosts)}",
                "a value, as nothing can be assumed for it",
                f"set {name} in group_vars/all.yml or for the hosts",
            )


@rule("variable-type")
def check_types(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    settings = {f"cluster_{key}": value for key, value in cluster.settings.items()}
    for name, value in settings.items():
        for where, found, expected, remedy in spec_problems(name, cluster.specs.get(name) or {"type": "raw"}, value):
            yield error(where, found, expected, remedy)
    for name, values in by_variable(holders(cluster, hosts)).items():
        spec = cluster.specs.get(name)
        if spec is None or name in settings:
            continue
        for some in values.values():
            value = some[0].variables[name]
            if value is None and spec.get("type") in ("bool", "int", "float"):
                expected = TYPE_NAMES[spec["type"]]
                yield error(name, f"nothing{of_hosts(some, hosts)}", expected, "write it, or remove the line")
            for where, found, expected, remedy in spec_problems(name, spec, value):
                yield error(where, found + of_hosts(some, hosts), expected, remedy)


@rule("variable-scope")
def check_scope(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """A value that counts for the whole cluster is read from one host: another one's would be ignored."""
    for name in sorted({name for host in hosts for name in host.variables}):
        scope, spec = scope_of(name), cluster.specs.get(name)
        if spec is None or scope is None or scope.where == "host":
            continue
        readers = control_planes(hosts) if scope.where == "control planes" else hosts
        if any(name in host.undefined for host in readers):
            continue
        texts: dict[str, list[str]] = defaultdict(list)
        for host in readers:
            texts[shown_value(spec, host.variables.get(name, spec.get("default")))].append(host.name)
        if len(texts) < 2:
            continue
        secret = holds_secrets(spec)
        values = [
            f"{'another value' if secret else text if len(text) <= 60 else text[:57] + '...'} on {listing(names)}"
            for text, names in texts.items()
        ]
        whole = "the whole cluster" if readers is hosts else "all control planes"
        remedy = f"set {name} for all hosts alike, in group_vars/all.yml or under [all:vars]"
        if name == "cluster_kubelet_configuration":
            remedy += "; what single nodes need goes into their cluster_join_configuration, before they join"
        yield error(name, listing(values), f"one value for {whole}", remedy)


def near(name: str, prefix: str, known: Iterable[str]) -> str:
    """The known variable that a name of the same prefix is a slip of; '' when none is near.

    Only what follows the prefix is compared: a long common prefix would make any short names look alike.
    """
    rest = name[len(prefix) :]
    rests = {item[len(prefix) :]: item for item in known if item.startswith(prefix)}
    close = difflib.get_close_matches(rest, rests, n=1, cutoff=0.8)
    swapped = [item for item in rests if sorted(item) == sorted(rest)]
    return next((rests[item] for item in (*close, *swapped)), "")


@rule("variable-unknown")
def check_unknown(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    known = set(cluster.specs)
    for name, values in by_variable(holders(cluster, hosts)).items():
        if name in known:
            continue
        some = [host for found in values.values() for host in found]
        prefix = max((item for item in cluster.prefixes if name.startswith(item)), key=len, default="")
        found = f"an unknown variable{of_hosts(some, hosts)}"
        meant = near(name, prefix, known) if prefix else ""
        if meant:
            remedy = f"rename {name} to {meant}, or remove it"
            yield error(name, found, f"{meant}, it seems", remedy)
            continue
        if not prefix:
            # A slip in the prefix itself. Other people's variables live here too: no more than a warning.
            close = difflib.get_close_matches(name, known, n=1, cutoff=0.9)
            if close:
                remedy = f"rename {name} to {close[0]}, if that was meant"
                yield warning(name, found, f"{close[0]}, it seems", remedy)
        elif prefix == "cluster_":
            remedy = f"remove {name}, or give it a prefix of your own{suggestion(name, known)}"
            yield warning(name, found, "a variable that the collection reads", remedy)


@rule("ignore", fixed=True)
def check_ignore(cluster: ClusterIntent, _hosts: Sequence[HostReport]) -> Iterator[Finding]:
    for item in cluster.ignore:
        if item not in RULES:
            found = f"{item!r}, which no rule has as its id"
            remedy = f"correct the id{suggestion(item, RULES)}"
            yield error("preflight_skip", found, "ids of preflight rules", remedy)
        elif RULES[item].fixed:
            found = f"{item!r}, which cannot be switched off"
            remedy = f"remove {item} from the list and mend what it reports"
            yield error("preflight_skip", found, "ids of rules that may be ignored", remedy)
