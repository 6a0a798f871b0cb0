# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubernetes' own rules in the kernel's packet filter, and how to take out just these. Nothing is ever flushed.

kube-proxy, kubelet, flannel and the CNI plugins keep their rules in chains of their own, whose names begin with KUBE-,
FLANNEL- and CNI- (kube-proxy's pkg/proxy/iptables, kubelet's pkg/util/iptables, flannel's pkg/trafficmngr, the CNI
plugins' pkg/utils), and reach them by jumps from the built-in chains. In nftables they have tables of their own.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional

from ansible_collections.kubestead.cluster.plugins.module_utils._runner import Runner

OWN_CHAIN = re.compile(r"^(KUBE|CNI|FLANNEL)-")
# Family and name: kube-proxy's nftables mode, flannel's, and the CNI plugins' portmap and ipMasq.
OWN_TABLES = frozenset(
    {
        ("ip", "kube-proxy"),
        ("ip6", "kube-proxy"),
        ("ip", "flannel-ipv4"),
        ("ip6", "flannel-ipv6"),
        ("inet", "cni_hostport"),
        ("inet", "cni_plugins_masquerade"),
    }
)
JUMPS = frozenset({"-j", "-g", "--jump", "--goto"})
# A program of the xtables that looks at tables makes the kernel load them: the old kind is asked only where it is used.
LEGACY_TABLES = {"iptables": Path("/proc/net/ip_tables_names"), "ip6tables": Path("/proc/net/ip6_tables_names")}
Find = Callable[[str], Optional[str]]


@dataclass(frozen=True)
class TableRemoval:
    """What goes from one table: jumps that stand in others' chains, and chains with all their rules."""

    table: str
    jumps: tuple[str, ...]
    chains: tuple[str, ...]

    def script(self) -> str:
        """Return the input of iptables-restore --noflush: the table changes as a whole or not at all."""
        lines = [f"*{self.table}"]
        # Naming a chain empties it; so no chain refers to another one when they are deleted.
        lines += [f":{chain} - [0:0]" for chain in self.chains]
        lines += [f"-D{jump[2:]}" for jump in self.jumps]
        lines += [f"-X {chain}" for chain in self.chains]
        return "\n".join([*lines, "COMMIT"]) + "\n"


@dataclass(frozen=True)
class Rules:
    """All that goes by one program, such as iptables-nft."""

    program: str
    tables: tuple[TableRemoval, ...]

    def summary(self) -> str:
        """Return how much goes."""
        jumps = sum(len(part.jumps) for part in self.tables)
        chains = sum(len(part.chains) for part in self.tables)
        return f"{chains} chains of Kubernetes and {jumps} jumps to them ({self.program})"

    def listing(self) -> list[str]:
        """Return what goes, a line each."""
        return [
            f"{self.program} -t {part.table} {what}"
            for part in self.tables
            for what in [*part.jumps, *(f"chain {chain}" for chain in part.chains)]
        ]


def own_jump(rule: str) -> bool:
    """Tell whether a rule of iptables-save stands in somebody else's chain and leads to one of ours."""
    words = shlex.split(rule)
    if OWN_CHAIN.match(words[1]):
        return False
    return any(word in JUMPS and OWN_CHAIN.match(target) for word, target in zip(words, words[1:]))


def parse_save(text: str) -> tuple[TableRemoval, ...]:
    """Return what of iptables-save's output is ours."""
    found = []
    table = ""
    jumps: list[str] = []
    chains: list[str] = []
    for line in text.splitlines():
        if line.startswith("*"):
            table, jumps, chains = line[1:].strip(), [], []
        elif line.startswith(":") and OWN_CHAIN.match(line[1:]):
            chains.append(line[1:].split()[0])
        elif line.startswith("-A ") and own_jump(line):
            jumps.append(line)
        elif line.startswith("COMMIT") and (jumps or chains):
            found.append(TableRemoval(table, tuple(jumps), tuple(chains)))
    return tuple(found)


def parse_tables(text: str) -> list[tuple[str, str]]:
    """Return our tables in the output of `nft list tables` ("table ip kube-proxy" a line)."""
    tables = [tuple(line.split()[1:3]) for line in text.splitlines() if line.startswith("table ")]
    return [(family, name) for family, name in tables if (family, name) in OWN_TABLES]


def programs(find: Find) -> list[str]:
    """Return the names of the programs to ask, without -save: one for each kind that may hold rules."""
    found = []
    for name, legacy_tables in LEGACY_TABLES.items():
        if find(f"{name}-nft-save"):
            found.append(f"{name}-nft")
            legacy_in_use = legacy_tables.exists() and legacy_tables.read_text().strip()
            if legacy_in_use and find(f"{name}-legacy-save"):
                found.append(f"{name}-legacy")
        elif find(f"{name}-save"):
            found.append(name)
    return found


def read_rules(run: Runner, find: Find) -> list[Rules]:
    """Return our rules that are in force."""
    found = [Rules(program, parse_save(run([f"{program}-save"]).stdout)) for program in programs(find)]
    return [rules for rules in found if rules.tables]


def read_tables(run: Runner, find: Find) -> list[tuple[str, str]]:
    """Return our tables of nftables."""
    return parse_tables(run(["nft", "list", "tables"]).stdout) if find("nft") else []


def remove(run: Runner, rules: Sequence[Rules], tables: Sequence[tuple[str, str]]) -> None:
    """Take rules and tables out."""
    for item in rules:
        script = "".join(part.script() for part in item.tables)
        run([f"{item.program}-restore", "--noflush", "--wait", "30"], stdin=script)
    for family, name in tables:
        run(["nft", "delete", "table", family, name])
