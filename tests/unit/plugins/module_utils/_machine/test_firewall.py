# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""firewalld and ufw: what they printed and wrote (recorded), what is planned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.module_utils._machine import firewall
from ansible_collections.kubestead.cluster.plugins.module_utils._machine.base import MachineError
from ansible_collections.kubestead.cluster.plugins.module_utils._machine.firewall import Zone

FIXTURES = Path(__file__).parents[3] / "fixtures"
ZONES = (FIXTURES / "firewalld" / "2.3.1_opened").read_text()
USER_RULES = [(FIXTURES / "ufw" / f"0.36.2_{name}").read_text() for name in ("user_rules", "user6_rules")]
# what the recorded firewalls were given
SOURCES = ["10.90.0.11", "10.244.0.0/16", "fd00::11", "fd01::/64"]
PORTS = ["6443/tcp", "30000-32767/tcp", "30000-32767/udp"]


@pytest.mark.parametrize("port", ["6443/tcp", "30000-32767/udp", "1-65535/sctp", "53/dccp"])
def test_ports(port: str) -> None:
    assert firewall.port_problem(port) is None


@pytest.mark.parametrize("port", ["22", "22/icmp", "tcp/22", "0/tcp", "65536/tcp", "9-8/tcp", "1-/tcp", ""])
def test_bad_ports(port: str) -> None:
    assert firewall.port_problem(port)


def test_parse_zones() -> None:
    zones = firewall.parse_zones(ZONES)
    assert list(zones) == ["block", "dmz", "drop", "external", "home", "internal", "public", "trusted", "work"]
    assert zones["trusted"] == Zone((), tuple(SOURCES), ())
    assert zones["public"] == Zone((), (), tuple(PORTS))
    older = "public (active)\n  target: default\n\tbare line\n  interfaces: eth0 eth1\n  sources: \n  ports: 80/tcp\n"
    assert firewall.parse_zones(older) == {"public": Zone(("eth0", "eth1"), (), ("80/tcp",))}
    with pytest.raises(MachineError, match="can't be read: 'a b c"):
        firewall.parse_zones("a b c\n  x: y\n")
    with pytest.raises(MachineError, match="can't be read: ''"):
        firewall.parse_zones("")


def test_what_firewalld_has_is_in_order() -> None:
    zones = firewall.parse_zones(ZONES)
    assert firewall.plan_firewalld(SOURCES, PORTS, zones, zones, "public") == []
    assert firewall.plan_firewalld([], ["30001-30002/tcp", "32767/udp"], zones, zones, "public") == []


def test_plan_firewalld() -> None:
    runtime = {
        "public": Zone(("eth0",), (), ("30000-32767/tcp",)),
        "internal": Zone(("eth1",), (), ()),
        "home": Zone((), (), ()),
        "trusted": Zone(("lo",), ("10.90.0.11",), ()),
    }
    permanent = {"public": Zone((), (), ("bad",))}
    steps = firewall.plan_firewalld(["10.90.0.11"], ["30000-32767/tcp"], runtime, permanent, "home")
    assert [" ".join(step.argv) for step in steps] == [
        "firewall-cmd --permanent --zone=trusted --add-source=10.90.0.11",
        "firewall-cmd --permanent --zone=public --add-port=30000-32767/tcp",
        "firewall-cmd --permanent --zone=internal --add-port=30000-32767/tcp",
        "firewall-cmd --permanent --zone=home --add-port=30000-32767/tcp",
        "firewall-cmd --zone=internal --add-port=30000-32767/tcp",
        "firewall-cmd --zone=home --add-port=30000-32767/tcp",
    ]
    assert steps[0].changes[0].summary == "firewalld (permanent) zone trusted source 10.90.0.11 added"
    assert firewall.plan_firewalld([], ["x"], runtime, runtime, "home") != []


def test_default_zone() -> None:
    assert firewall.default_zone("# DefaultZone=x\nDefaultZone=work\n") == "work"
    assert firewall.default_zone("") == "public"


def test_what_ufw_has_is_in_order() -> None:
    present = [firewall.parse_ufw(text) for text in USER_RULES]
    assert "allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in" in present[0]
    assert firewall.plan_ufw(SOURCES, PORTS, present, ipv6=True) == []


def test_plan_ufw() -> None:
    assert firewall.parse_ufw("### tuple ### allow any any 0.0.0.0/0 any 10.0.0.1 in comment=6162\n") == [
        "allow any any 0.0.0.0/0 any 10.0.0.1 in"
    ]
    steps = firewall.plan_ufw(["10.244.0.0/16", "fd00::1"], ["80/tcp"], [[], []], ipv6=False)
    assert [" ".join(step.argv) for step in steps] == [
        "ufw allow from 10.244.0.0/16",
        "ufw route allow from 10.244.0.0/16",
        "ufw route allow to 10.244.0.0/16",
        "ufw allow from fd00::1",
        "ufw allow 80/tcp",
    ]
    four = ["allow tcp 80 0.0.0.0/0 any 0.0.0.0/0 in"]
    assert firewall.plan_ufw([], ["80/tcp"], [four, []], ipv6=False) == []
    assert len(firewall.plan_ufw([], ["80/tcp"], [four, []], ipv6=True)) == 1


@pytest.mark.parametrize(
    ("text", "expected"), [("ENABLED=yes\n", True), ("#ENABLED=yes\nENABLED=no\n", False), ("", False)]
)
def test_ufw_enabled(text: str, expected: bool) -> None:
    assert firewall.ufw_enabled(text) is expected


def read_and_plan(
    monkeypatch: pytest.MonkeyPatch, mode: str, firewalld: bool, ufw: bool, calls: list[list[str]]
) -> list[str]:
    texts = {"/etc/ufw/ufw.conf": "ENABLED=yes\n" if ufw else "", "/etc/default/ufw": "IPV6=yes\n"}
    monkeypatch.setattr(firewall, "_read", lambda path: texts.get(path, ""))

    def run(argv: list[str], **kwargs: Any) -> tuple[int, str, str]:
        calls.append(argv)
        return 0, ZONES, ""

    steps = firewall.read_and_plan(mode, ["10.90.0.11"], ["80/tcp"], firewalld, lambda name: "/bin/" + name, run)
    for step in steps:
        firewall.apply_firewall(step, lambda name: "/bin/" + name, run)
    return [change.summary for step in steps for change in step.changes]


def test_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[str]] = []
    assert read_and_plan(monkeypatch, "open", False, False, calls) == []
    assert read_and_plan(monkeypatch, "disabled", False, False, calls) == []
    assert calls == []


def test_open(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[str]] = []
    assert read_and_plan(monkeypatch, "open", True, True, calls) == [
        "firewalld (permanent) zone public port 80/tcp added",
        "firewalld (runtime) zone public port 80/tcp added",
        "ufw allow from 10.90.0.11",
        "ufw allow 80/tcp",
    ]
    assert calls[:2] == [
        ["/bin/firewall-cmd", "--list-all-zones"],
        ["/bin/firewall-cmd", "--permanent", "--list-all-zones"],
    ]
    assert calls[-1] == ["/bin/ufw", "allow", "80/tcp"]


def test_disabled(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[str]] = []
    found = read_and_plan(monkeypatch, "disabled", True, True, calls)
    assert found == ["firewall firewalld disabled", "firewall ufw disabled"]
    assert calls == [["/bin/systemctl", "disable", "--now", "firewalld.service"], ["/bin/ufw", "disable"]]


def test_a_missing_program() -> None:
    with pytest.raises(MachineError, match="firewall-cmd runs as the firewall, but its program is not installed"):
        firewall.read_and_plan("open", [], [], True, lambda name: None, lambda argv: (0, "", ""))


def test_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    assert firewall._read(str(tmp_path / "a")) == "x"
    assert firewall._read(str(tmp_path / "b")) == ""
