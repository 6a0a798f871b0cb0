# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lets the cluster through a firewall that is running: firewalld or ufw. Nothing is ever flushed.

Sources that were added here are recorded on the machine, by the name of their owner. So those that are no longer
wanted, such as the address of a machine that left the inventory, are withdrawn, and what others have added stays.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from . import records
from .base import Change, FindProgram, MachineError, Run, line_change, succeed

FIREWALLD = "firewalld.service"
_UFW_SWITCH = "/etc/ufw/ufw.conf"
_UFW_RULES = ("/etc/ufw/user.rules", "/etc/ufw/user6.rules")
_TRUSTED = "trusted"
_PORT = re.compile(r"^(\d+)(?:-(\d+))?/(tcp|udp|sctp|dccp)$")


@dataclass(frozen=True)
class Zone:
    """What matters of a zone of firewalld."""

    interfaces: tuple[str, ...]
    sources: tuple[str, ...]
    ports: tuple[str, ...]


#: The sources that were added here, by the name of the firewall.
Added = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class FirewallRecord:
    """What is written down before the calls are made, so that a killed run leaves no entry unknown, and after."""

    path: str
    during: Added
    after: Added


@dataclass(frozen=True)
class FirewallStep:
    """One call of the firewall's own tool; without arguments only the record changes."""

    argv: tuple[str, ...]
    changes: tuple[Change, ...]


def port_problem(port: str) -> str | None:
    """Why a port is not one, None when it is."""
    found = _PORT.match(port)
    if found is None:
        return f"port {port!r} has to look like 6443/tcp or 30000-32767/tcp"
    first, last = int(found.group(1)), int(found.group(2) or found.group(1))
    if not 0 < first <= last < 65536:
        return f"port {port!r} has to lie within 1-65535"
    return None


def parse_zones(text: str) -> dict[str, Zone]:
    """Output of `firewall-cmd --list-all-zones`."""
    zones: dict[str, Zone] = {}
    for block in re.split(r"\n(?=\S)", text.strip()):
        lines = block.splitlines()
        head = re.match(r"^(\S+)(?: \(.*\))?$", lines[0]) if lines else None
        if head is None:
            raise MachineError(f"firewall-cmd printed a zone that can't be read: {block[:80]!r}")
        values: dict[str, list[str]] = {}
        for line in lines[1:]:
            name, separator, value = line.strip().partition(":")
            if separator:
                values[name] = value.split()
        zones[head.group(1)] = Zone(
            tuple(values.get("interfaces", ())),
            tuple(values.get("sources", ())),
            tuple(values.get("ports", ())),
        )
    return zones


def _covers(present: Sequence[str], port: str) -> bool:
    """Whether a zone's ports hold a port or range (firewalld joins ranges that touch)."""
    found = _PORT.match(port)
    if found is None:
        return False
    first, last = int(found.group(1)), int(found.group(2) or found.group(1))
    for item in present:
        other = _PORT.match(item)
        if other is None or other.group(3) != found.group(3):
            continue
        if int(other.group(1)) <= first and last <= int(other.group(2) or other.group(1)):
            return True
    return False


def plan_firewalld(
    sources: Sequence[str],
    ports: Sequence[str],
    runtime: Mapping[str, Zone],
    permanent: Mapping[str, Zone],
    default: str,
) -> list[FirewallStep]:
    """Sources go to the trusted zone, ports to every zone that traffic from outside comes in by."""
    outside = [name for name, zone in runtime.items() if (zone.interfaces or name == default) and name != _TRUSTED]
    empty = Zone((), (), ())
    steps = []
    for options, zones, label in ((("--permanent",), permanent, "permanent"), ((), runtime, "runtime")):
        missing = [item for item in sources if item not in zones.get(_TRUSTED, empty).sources]
        if missing:
            changes = [_change("firewalld", label, _TRUSTED, "source", item) for item in missing]
            arguments = ["--add-source=" + item for item in missing]
            steps.append(FirewallStep(("firewall-cmd", *options, "--zone=" + _TRUSTED, *arguments), tuple(changes)))
        for name in outside:
            missing = [item for item in ports if not _covers(zones.get(name, empty).ports, item)]
            if missing:
                changes = [_change("firewalld", label, name, "port", item) for item in missing]
                arguments = ["--add-port=" + item for item in missing]
                steps.append(FirewallStep(("firewall-cmd", *options, "--zone=" + name, *arguments), tuple(changes)))
    return steps


def _change(tool: str, label: str, zone: str, kind: str, item: str) -> Change:
    text = f"{tool} ({label}) zone {zone} {kind} {item}"
    return line_change(text + " added", tool, "", text)


def default_zone(text: str) -> str:
    """DefaultZone in firewalld.conf."""
    found = re.search(r"^DefaultZone=(\S+)", text, re.MULTILINE)
    return found.group(1) if found else "public"


def parse_ufw(text: str) -> list[str]:
    """Rules in ufw's own file: what stands after "### tuple ###" (without comment and direction)."""
    return [
        line.split("### tuple ###", 1)[1].strip().split(" comment=")[0]
        for line in text.splitlines()
        if "### tuple ###" in line
    ]


def _ufw_rules(
    sources: Sequence[str], ports: Sequence[str], ipv6: bool
) -> list[tuple[tuple[str, ...], list[tuple[int, str]]]]:
    """For each rule wanted: the arguments of ufw, and the tuples it leaves (0: user.rules, 1: user6.rules)."""
    rules: list[tuple[tuple[str, ...], list[tuple[int, str]]]] = []
    for source in sources:
        six = 1 if ":" in source else 0
        everywhere = "::/0" if six else "0.0.0.0/0"
        rules.append((("allow", "from", source), [(six, f"allow any any {everywhere} any {source} in")]))
        if "/" in source:
            # pods' traffic is forwarded, not taken in
            forward = "route:allow any any %s any %s in"
            rules.append((("route", "allow", "from", source), [(six, forward % (everywhere, source))]))
            rules.append((("route", "allow", "to", source), [(six, forward % (source, everywhere))]))
    for port in ports:
        number, _unused, protocol = port.replace("-", ":").partition("/")
        tuples = [(0, f"allow {protocol} {number} 0.0.0.0/0 any 0.0.0.0/0 in")]
        if ipv6:
            tuples.append((1, f"allow {protocol} {number} ::/0 any ::/0 in"))
        rules.append((("allow", f"{number}/{protocol}"), tuples))
    return rules


def withdraw_firewalld(
    sources: Sequence[str], runtime: Mapping[str, Zone], permanent: Mapping[str, Zone]
) -> list[FirewallStep]:
    """Sources leave the trusted zone, where they are in it."""
    empty = Zone((), (), ())
    steps = []
    for options, zones, label in ((("--permanent",), permanent, "permanent"), ((), runtime, "runtime")):
        present = [item for item in sources if item in zones.get(_TRUSTED, empty).sources]
        if present:
            texts = [f"firewalld ({label}) zone {_TRUSTED} source {item}" for item in present]
            changes = tuple(line_change(text + " removed", "firewalld", text, "") for text in texts)
            arguments = ["--remove-source=" + item for item in present]
            steps.append(FirewallStep(("firewall-cmd", *options, "--zone=" + _TRUSTED, *arguments), changes))
    return steps


def withdraw_ufw(sources: Sequence[str], present: Sequence[Sequence[str]]) -> list[FirewallStep]:
    """One call for each rule of these sources that is there."""
    steps = []
    for arguments, tuples in _ufw_rules(sources, (), ipv6=False):
        if any(text in present[family] for family, text in tuples):
            route = arguments[0] == "route"
            argv = ("ufw", "route", "delete", *arguments[1:]) if route else ("ufw", "delete", *arguments)
            text = "ufw " + " ".join(arguments)
            steps.append(FirewallStep(argv, (line_change(" ".join(argv), "ufw", text, ""),)))
    return steps


def plan_ufw(
    sources: Sequence[str], ports: Sequence[str], present: Sequence[Sequence[str]], ipv6: bool
) -> list[FirewallStep]:
    """One call for each rule that is missing (ufw takes one at a time)."""
    steps = []
    for arguments, tuples in _ufw_rules(sources, ports, ipv6):
        if any(text not in present[family] for family, text in tuples):
            text = "ufw " + " ".join(arguments)
            steps.append(FirewallStep(("ufw", *arguments), (line_change(text, "ufw", "", text),)))
    return steps


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""


def ufw_enabled(text: str) -> bool:
    """ENABLED in /etc/ufw/ufw.conf; its unit tells nothing: `ufw enable` does not start it, and it may run without."""
    return re.search(r"^ENABLED=[\"']?yes", text, re.MULTILINE | re.IGNORECASE) is not None


def _program(name: str, find: FindProgram) -> str:
    path = find(name)
    if path is None:
        raise MachineError(f"{name} runs as the firewall, but its program is not installed")
    return path


def _plan_disabled(name: str) -> FirewallStep:
    argv = ("ufw", "disable") if name == "ufw" else ("systemctl", "disable", "--now", "firewalld.service")
    return FirewallStep(argv, (line_change(f"firewall {name} disabled", name, "running", "disabled"),))


def record_path(owner: str) -> str:
    """Where the sources are recorded that were added for an owner."""
    return f"{records.FOLDER}/firewall/{owner}.json"


def read_added(path: str) -> dict[str, list[str]]:
    """Return the record; one that can't be read says nothing, so that nothing is withdrawn by it."""
    found = records.parse(_read(path).encode())
    return {name: [str(item) for item in sources] for name, sources in found.items() if isinstance(sources, list)}


def read_and_plan(
    mode: str,
    sources: Sequence[str],
    ports: Sequence[str],
    firewalld: bool,
    find: FindProgram,
    run: Run,
    owner: str = "",
) -> tuple[list[FirewallStep], FirewallRecord | None]:
    """What a firewall that runs still lacks, what it has too much of what was added for `owner`, and the new record.

    ``firewalld``: whether systemd calls it active. Without an owner nothing is recorded, and nothing withdrawn.
    """
    steps: list[FirewallStep] = []
    before = read_added(record_path(owner)) if owner else {}
    during, after = dict(before), dict(before)

    def note(tool: str, missing: Sequence[str]) -> list[str]:
        """Record the sources that are about to be added; return those that are to be withdrawn.

        Networks stay: pods may still be in one that the inventory no longer has.
        """
        known = before.get(tool, [])
        gone = [item for item in known if item not in sources and "/" not in item]
        during[tool] = [*known, *(item for item in missing if item not in known)]
        after[tool] = [item for item in during[tool] if item not in gone]
        return gone

    if firewalld:
        if mode == "disabled":
            steps.append(_plan_disabled("firewalld"))
        else:
            program = _program("firewall-cmd", find)
            what = "firewalld can't be read"
            runtime = parse_zones(succeed(run, [program, "--list-all-zones"], what))
            permanent = parse_zones(succeed(run, [program, "--permanent", "--list-all-zones"], what))
            default = default_zone(_read("/etc/firewalld/firewalld.conf"))
            steps += plan_firewalld(sources, ports, runtime, permanent, default)
            trusted = permanent.get(_TRUSTED, Zone((), (), ())).sources
            gone = note("firewalld", [item for item in sources if item not in trusted])
            steps += withdraw_firewalld(gone, runtime, permanent)
    if ufw_enabled(_read(_UFW_SWITCH)):
        if mode == "disabled":
            steps.append(_plan_disabled("ufw"))
        else:
            ipv6 = re.search(r"^IPV6=[\"']?yes", _read("/etc/default/ufw"), re.MULTILINE | re.IGNORECASE) is not None
            present = [parse_ufw(_read(path)) for path in _UFW_RULES]
            steps += plan_ufw(sources, ports, present, ipv6)
            gone = note("ufw", [item for item in sources if plan_ufw([item], (), present, ipv6)])
            steps += withdraw_ufw(gone, present)
    forgotten = sorted({item for name, known in before.items() for item in known if item not in after[name]})
    if not owner or (not steps and not forgotten) or before == during == after:
        return steps, None
    if not steps:
        # Somebody else has withdrawn them; if they come back, they are somebody else's.
        text = f"firewall's record of {owner}: {', '.join(forgotten)}"
        steps.append(FirewallStep((), (line_change(text + " forgotten", "firewall", text, ""),)))
    return steps, FirewallRecord(record_path(owner), during, after)


def write_record(path: str, added: Added) -> None:
    """Put the record in place at once, durably."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    with open(path + ".new", "w", encoding="utf-8") as stream:
        json.dump(added, stream)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(path + ".new", path)


def apply_all(steps: Sequence[FirewallStep], record: FirewallRecord | None, find: FindProgram, run: Run) -> None:
    """Write down what is about to be added, make the calls, and write down what is left."""
    if record is not None:
        write_record(record.path, record.during)
    for step in steps:
        apply_firewall(step, find, run)
    if record is not None:
        write_record(record.path, record.after)


def apply_firewall(step: FirewallStep, find: FindProgram, run: Run) -> None:
    """One call of the firewall's own tool."""
    if step.argv:
        argv = [_program(step.argv[0], find), *step.argv[1:]]
        succeed(run, argv, step.changes[0].summary)
