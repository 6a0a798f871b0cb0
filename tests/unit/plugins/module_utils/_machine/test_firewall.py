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

    steps, record = firewall.read_and_plan(
        mode, ["10.90.0.11"], ["80/tcp"], firewalld, lambda name: "/bin/" + name, run
    )
    assert record is None
    firewall.apply_all(steps, record, lambda name: "/bin/" + name, run)
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


class Walls:
    """A machine with firewalld and ufw, both running; what the calls say becomes of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, *trusted: str) -> None:
        self.permanent, self.runtime, self.rules = list(trusted), list(trusted), [""]
        self.dies_at = ""
        monkeypatch.setattr(firewall.records, "FOLDER", str(folder))
        read = firewall._read
        texts = {"/etc/ufw/ufw.conf": "ENABLED=yes\n", "/etc/default/ufw": "IPV6=no\n"}
        monkeypatch.setattr(
            firewall,
            "_read",
            lambda path: (
                read(path)
                if path.startswith(str(folder))
                else "\n".join(self.rules)
                if path == "/etc/ufw/user.rules"
                else texts.get(path, "")
            ),
        )
        for source in trusted:
            self.ufw(["allow", "from", source])

    def ufw(self, argv: list[str]) -> None:
        family, delete = "route:" if argv[0] == "route" else "", "delete" in argv
        way, source = [item for item in argv if item not in ("route", "delete", "allow")]
        to, come = (source, "0.0.0.0/0") if way == "to" else ("0.0.0.0/0", source)
        line = f"### tuple ### {family}allow any any {to} any {come} in"
        self.rules = [item for item in self.rules if item != line] + ([] if delete else [line])

    def run(self, argv: list[str], **_options: Any) -> tuple[int, str, str]:
        command = " ".join(argv)
        if self.dies_at and self.dies_at in command:
            raise KeyboardInterrupt
        zone = self.permanent if "--permanent" in argv else self.runtime
        if "--list-all-zones" in argv:
            return 0, f"trusted\n  interfaces: \n  sources: {' '.join(zone)}\n  ports: \n", ""
        if "ufw" in argv[0]:
            self.ufw(argv[1:])
        for item in argv:
            verb, _equals, source = item.partition("=")
            if verb == "--add-source":
                zone.append(source)
            elif verb == "--remove-source":
                zone.remove(source)
        return 0, "", ""

    def converge(self, *sources: str, owner: str = "node") -> list[str]:
        def find(name: str) -> str:
            return "/bin/" + name

        steps, record = firewall.read_and_plan("open", sources, [], True, find, self.run, owner)
        firewall.apply_all(steps, record, find, self.run)
        return [change.summary for step in steps for change in step.changes]

    @property
    def sources(self) -> list[list[str]]:
        """In firewalld's permanent and runtime configuration, and in ufw's rules for incoming traffic."""
        found = [line.split()[-2] for line in self.rules if line.startswith("### tuple ### allow")]
        return [sorted(self.permanent), sorted(self.runtime), sorted(found)]


def test_the_address_of_a_machine_that_left_is_withdrawn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    walls = Walls(monkeypatch, tmp_path)
    walls.converge("10.0.0.1", "10.0.0.2", "10.244.0.0/16")
    assert walls.sources == [["10.0.0.1", "10.0.0.2", "10.244.0.0/16"]] * 3
    assert walls.converge("10.0.0.1", "10.0.0.2", "10.244.0.0/16") == []
    assert walls.converge("10.0.0.1", "10.0.0.3", "10.244.0.0/16") == [
        "firewalld (permanent) zone trusted source 10.0.0.3 added",
        "firewalld (runtime) zone trusted source 10.0.0.3 added",
        "firewalld (permanent) zone trusted source 10.0.0.2 removed",
        "firewalld (runtime) zone trusted source 10.0.0.2 removed",
        "ufw allow from 10.0.0.3",
        "ufw delete allow from 10.0.0.2",
    ]
    assert walls.sources == [["10.0.0.1", "10.0.0.3", "10.244.0.0/16"]] * 3
    assert walls.converge("10.0.0.1", "10.0.0.3", "10.244.0.0/16") == []


def test_what_others_added_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    walls = Walls(monkeypatch, tmp_path, "10.0.0.2", "192.0.2.7")
    walls.converge("10.0.0.1", "10.0.0.2")
    walls.converge("10.0.0.1")
    assert walls.sources == [["10.0.0.1", "10.0.0.2", "192.0.2.7"]] * 3
    # Another owner, and none, know nothing of the first one's.
    assert walls.converge("10.0.0.1", owner="") == []
    assert walls.converge("10.0.0.1", owner="other") == []
    assert walls.converge("10.0.0.9", owner="other") != []
    assert "10.0.0.1" in walls.sources[0]


def test_networks_stay(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    walls = Walls(monkeypatch, tmp_path)
    walls.converge("10.0.0.1", "10.244.0.0/16")
    assert walls.converge("10.0.0.1", "10.245.0.0/16") != []
    assert walls.sources == [["10.0.0.1", "10.244.0.0/16", "10.245.0.0/16"]] * 3


def test_a_killed_run_forgets_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    walls = Walls(monkeypatch, tmp_path)
    both, one = ("10.0.0.1", "10.0.0.2"), ("10.0.0.1",)
    for place, wanted in (("--zone=trusted --add", both), ("ufw allow", both), ("", both), ("ufw delete", one)):
        walls.dies_at = place
        if place:
            with pytest.raises(KeyboardInterrupt):
                walls.converge(*wanted)
        else:
            walls.converge(*wanted)
            assert walls.sources == [list(both)] * 3
    walls.dies_at = ""
    walls.converge(*one)
    assert walls.sources == [["10.0.0.1"]] * 3
    assert walls.converge(*one) == []


def test_what_a_killed_run_added_is_withdrawn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    walls = Walls(monkeypatch, tmp_path)
    walls.dies_at = "ufw allow from 10.0.0.2"
    with pytest.raises(KeyboardInterrupt):
        walls.converge("10.0.0.1", "10.0.0.2")
    assert walls.sources[0] == ["10.0.0.1", "10.0.0.2"]
    walls.dies_at = ""
    walls.converge("10.0.0.1")
    assert walls.sources == [["10.0.0.1"]] * 3


def test_what_is_withdrawn_by_hand_and_added_again_is_somebody_elses(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    walls = Walls(monkeypatch, tmp_path)
    walls.converge("10.0.0.1", "10.0.0.2")
    for zone in (walls.permanent, walls.runtime):
        zone.remove("10.0.0.2")
    walls.ufw(["delete", "allow", "from", "10.0.0.2"])
    assert walls.converge("10.0.0.1") == ["firewall's record of node: 10.0.0.2 forgotten"]
    for zone in (walls.permanent, walls.runtime):
        zone.append("10.0.0.2")
    assert walls.converge("10.0.0.1") == []
    assert "10.0.0.2" in walls.permanent


def test_a_record_that_can_t_be_read_withdraws_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    walls = Walls(monkeypatch, tmp_path)
    walls.converge("10.0.0.1", "10.0.0.2")
    (path,) = (tmp_path / "firewall").iterdir()
    assert path.name == "node.json"
    path.write_text("torn")
    assert walls.converge("10.0.0.1") == []
    assert "10.0.0.2" in walls.permanent
