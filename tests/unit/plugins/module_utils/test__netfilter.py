# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rules are Kubernetes', over what iptables-save printed on a worker that an engine has rules on too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.module_utils import _netfilter
from ansible_collections.kubestead.cluster.plugins.module_utils._runner import Result

FIXTURE = Path(__file__).parents[2] / "fixtures/iptables/1.8.11_nft_save_worker"
FOREIGN = """\
*filter
:INPUT ACCEPT [0:0]
:MY-KUBE-CHAIN - [0:0]
-A INPUT -p tcp -m comment --comment "goes to -j KUBE-SERVICES, not" -j ACCEPT
-A INPUT -j MY-KUBE-CHAIN
COMMIT
"""


def applied(saved: str, parts: tuple[_netfilter.TableRemoval, ...]) -> str:
    """What iptables-restore --noflush leaves of a saved state."""
    by_table = {part.table: part for part in parts}
    part = None
    lines = []
    for line in saved.splitlines():
        if line.startswith("*"):
            part = by_table.get(line[1:])
        gone = part is not None and (
            line in part.jumps or any(line.startswith((f":{chain} ", f"-A {chain} ")) for chain in part.chains)
        )
        if not gone:
            lines.append(line)
    return "\n".join(lines)


def test_all_of_kubernetes_goes_and_nothing_else() -> None:
    saved = FIXTURE.read_text()
    rest = applied(saved, _netfilter.parse_save(saved))
    for own in ("KUBE-", "FLANNEL-", "CNI-"):
        assert own in saved or own == "CNI-"
        assert own not in rest
    foreign = [line for line in saved.splitlines() if "DOCKER_" in line]
    assert len(foreign) >= 8
    assert [line for line in rest.splitlines() if "DOCKER_" in line] == foreign
    assert ":INPUT ACCEPT" in rest


def test_nothing_is_flushed_but_own_chains() -> None:
    for part in _netfilter.parse_save(FIXTURE.read_text()):
        for line in part.script().splitlines():
            if line.startswith(":"):
                assert _netfilter.OWN_CHAIN.match(line[1:])
            else:
                assert line.startswith(("*", "-D ", "-X ", "COMMIT"))
            assert not line.startswith("-F")


def test_a_table_is_emptied_before_chains_are_deleted() -> None:
    chains = ":PREROUTING ACCEPT [0:0]\n:KUBE-A - [0:0]\n:KUBE-B - [1:2]\n"
    text = f"*nat\n{chains}-A PREROUTING -g KUBE-A\n-A KUBE-A -j KUBE-B\nCOMMIT\n"
    (part,) = _netfilter.parse_save(text)
    assert part.script() == (
        "*nat\n:KUBE-A - [0:0]\n:KUBE-B - [0:0]\n-D PREROUTING -g KUBE-A\n-X KUBE-A\n-X KUBE-B\nCOMMIT\n"
    )


def test_foreign_rules_alone_are_nothing_to_remove() -> None:
    assert _netfilter.parse_save(FOREIGN) == ()


def test_tables_of_nftables() -> None:
    text = "table ip kube-proxy\ntable inet filter\ntable ip filter\ntable ip6 flannel-ipv6\ntable inet kube-proxy\n"
    assert _netfilter.parse_tables(text) == [("ip", "kube-proxy"), ("ip6", "flannel-ipv6")]


@pytest.mark.parametrize(
    ("installed", "legacy", "expected"),
    [
        ({"iptables-nft-save", "iptables-legacy-save", "iptables-save"}, "", ["iptables-nft"]),
        ({"iptables-nft-save", "iptables-legacy-save"}, "nat\n", ["iptables-nft", "iptables-legacy"]),
        ({"iptables-save", "ip6tables-save"}, "nat\n", ["iptables", "ip6tables"]),
        (set(), "nat\n", []),
    ],
)
def test_programs(
    installed: set[str], legacy: str, expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = tmp_path / "names"
    names.write_text(legacy)
    monkeypatch.setattr(_netfilter, "LEGACY_TABLES", {"iptables": names, "ip6tables": tmp_path / "absent"})
    assert _netfilter.programs(lambda name: name if name in installed else None) == expected


def test_remove_sends_the_scripts_without_flush() -> None:
    calls: list[tuple[list[str], Any]] = []

    def run(command: list[str], *, check: bool = True, stdin: str | None = None) -> Result:
        calls.append((command, stdin))
        return Result(0, FIXTURE.read_text() if command[0].endswith("-save") else "", "")

    rules = _netfilter.read_rules(run, lambda name: name if name == "iptables-save" else None)  # type: ignore[arg-type]
    _netfilter.remove(run, rules, [("ip", "kube-proxy")])  # type: ignore[arg-type]
    assert [command for command, _stdin in calls] == [
        ["iptables-save"],
        ["iptables-restore", "--noflush", "--wait", "30"],
        ["nft", "delete", "table", "ip", "kube-proxy"],
    ]
    assert "-X KUBE-SERVICES" in str(calls[1][1])
    assert "chains of Kubernetes and" in rules[0].summary()
    assert any(line.endswith("chain KUBE-SERVICES") for line in rules[0].listing())
