# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What machine_config takes, and what of it can't be right: checked on the controller before anything is done."""

from __future__ import annotations

import ipaddress
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from . import below, firewall, openpgp
from .files import FileWish
from .units import UnitWish

_SOURCES = ("template", "content", "source", "url", "block", "json")

ARGUMENT_SPEC: dict[str, Any] = {
    "name": {"type": "str", "default": "kubestead"},
    "files": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "path": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["file", "absent", "directory"], "default": "file"},
            "template": {"type": "str"},
            "content": {"type": "str"},
            "source": {"type": "str"},
            "url": {"type": "str"},
            "ca": {"type": "str"},
            "block": {"type": "str"},
            "block_name": {"type": "str"},
            "json": {"type": "dict"},
            "openpgp_fingerprints": {"type": "list", "elements": "str", "default": []},
            "sha256": {"type": "str"},
            "member": {"type": "str"},
            "mode": {"type": "str"},
            "owner": {"type": "str"},
            "group": {"type": "str"},
            "validate": {"type": "raw"},
            "sensitive": {"type": "bool", "default": False},
            "within": {"type": "path"},
        },
    },
    "prune": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "pattern": {"type": "path", "required": True},
            "contains": {"type": "str", "required": True},
        },
    },
    "sensitive_contents": {"type": "dict", "no_log": True, "default": {}},
    "kernel_modules": {"type": "list", "elements": "str"},
    "sysctls": {"type": "dict"},
    "swap": {"type": "str", "choices": ["off"]},
    "selinux": {"type": "str", "choices": ["permissive", "enforcing", "disabled"]},
    "held_packages": {"type": "list", "elements": "str", "default": []},
    "firewall": {
        "type": "dict",
        "options": {
            "mode": {"type": "str", "choices": ["open", "disabled"], "default": "open"},
            "sources": {"type": "list", "elements": "str", "default": []},
            "ports": {"type": "list", "elements": "str", "default": []},
            "owner": {"type": "str", "default": ""},
        },
    },
    "units": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "enabled": {"type": "bool"},
            "state": {"type": "str", "choices": ["started", "stopped"]},
            "restart_on": {"type": "list", "elements": "path", "default": []},
            "reload_on": {"type": "list", "elements": "path", "default": []},
            "only_with": {"type": "path"},
            "unless": {"type": "list", "elements": "path", "default": []},
        },
    },
}


def _repeated(names: Sequence[str]) -> list[str]:
    return sorted({name for name in names if list(names).count(name) > 1})


def _command(value: Any) -> tuple[str, ...]:
    if not value:
        return ()
    return tuple(shlex.split(value) if isinstance(value, str) else [str(part) for part in value])


def _content_problems(item: Mapping[str, Any]) -> list[str]:
    given = [name for name in _SOURCES if item[name] is not None]
    found = []
    if item["state"] == "file" and len(given) != 1:
        found.append(f"exactly one of {', '.join(_SOURCES)} is expected, found {', '.join(given) or 'none'}")
    if item["state"] != "file" and (given or item["validate"] or item["openpgp_fingerprints"]):
        found.append(f"state {item['state']} takes no content")
    if (item["block"] is not None) != (item["block_name"] is not None):
        found.append("block and block_name belong together")
    if item["block_name"] is not None and not re.match(r"^[\w.-]+$", item["block_name"]):
        found.append(f"block_name {item['block_name']!r} may hold letters, digits, '.', '_' and '-' only")
    return found


def _key_problems(item: Mapping[str, Any]) -> list[str]:
    found = []
    if item["url"] is not None:
        if not re.match(r"^https?://\S+$", item["url"]):
            found.append(f"url {item['url']!r} has to begin with https:// or http://")
        if bool(item["openpgp_fingerprints"]) == bool(item["sha256"]):
            found.append("url needs openpgp_fingerprints or sha256: what is downloaded is verified")
        if item["validate"]:
            found.append("validate does not go with url")
    if (item["sha256"] or item["member"]) and item["url"] is None:
        found.append("sha256 and member belong to url")
    if item["member"] and not item["sha256"]:
        found.append("member needs sha256, that of the archive")
    if item["sha256"] and not re.match(r"^[0-9a-f]{64}$", item["sha256"]):
        found.append(f"sha256 {item['sha256']!r} has to be 64 hexadecimal digits in small letters")
    if item["openpgp_fingerprints"] and (item["block"] is not None or item["json"] is not None):
        found.append("openpgp_fingerprints do not go with block or json")
    found += [
        f"fingerprint {text!r} has to be 40 hexadecimal digits"
        for text in item["openpgp_fingerprints"]
        if not re.match(r"^[0-9A-F]{40}$", openpgp.normalize(text))
    ]
    return found


def _ca_problems(item: Mapping[str, Any]) -> list[str]:
    found = ["ca belongs to url"] if item["ca"] and item["url"] is None else []
    if item["ca"] and "-----BEGIN CERTIFICATE-----" not in item["ca"]:
        found.append("ca has to be a certificate as text in PEM format")
    return found


def _command_problems(value: Any) -> list[str]:
    if value is None:
        return []
    try:
        command = _command(value)
    except (TypeError, ValueError) as exc:
        return [f"validate can't be read: {exc}"]
    return [] if any("%s" in part for part in command) else ["validate has to name the file as %s"]


def _check_file(item: Mapping[str, Any]) -> list[str]:
    found = []
    if not item["path"].startswith("/") or item["path"].endswith("/"):
        found.append("the path has to be absolute, without a slash at its end")
    if item["mode"] is not None and not re.match(r"^0[0-7]{3,4}$", item["mode"]):
        found.append(f'mode {item["mode"]!r} has to be a quoted octal string such as "0644"')
    if item["within"] is not None and item["state"] != "directory":
        found.append("within goes with state directory only")
    if item["within"] is not None and not below.parts_below(item["within"], item["path"]):
        found.append(f"the path has to lie below {item['within']}, without . and ..")
    found += _content_problems(item) + _key_problems(item) + _ca_problems(item) + _command_problems(item["validate"])
    return [f"files: {item['path']}: {text}" for text in found]


def _check_sources(sources: Sequence[str]) -> list[str]:
    problems = []
    for source in sources:
        try:
            network = ipaddress.ip_network(source)
        except ValueError as exc:
            problems.append(f"firewall: source {source!r} is no address or network: {exc}")
            continue
        if "/" in source and network.prefixlen == network.max_prefixlen:
            problems.append(f"firewall: write the source {source} without its prefix length")
        elif str(network.network_address if "/" not in source else network) != source:
            problems.append(f"firewall: write the source {source} as {network}")
    return problems


def _check_kernel(params: Mapping[str, Any]) -> list[str]:
    found = [
        f"kernel_modules: {name!r} is no name of a module"
        for name in params["kernel_modules"] or ()
        if not re.match(r"^[\w-]+$", name)
    ]
    for name, value in (params["sysctls"] or {}).items():
        if not re.match(r"^[\w./-]+$", name) or ".." in name.replace("/", "."):
            found.append(f"sysctls: {name!r} is no name of a setting")
        if value is None or isinstance(value, bool) or not str(value).strip() or "\n" in str(value):
            found.append(f"sysctls: {name} needs a number or a line of text, found {value!r}")
    return found


def _check_unit(item: Mapping[str, Any]) -> list[str]:
    found = []
    if not re.match(r"^[\w:@.\\][\w:@.\\-]*\.(service|socket|timer|path|mount|target|swap)$", item["name"]):
        found.append(f"units: {item['name']!r} needs its full name, such as haproxy.service")
    for option in ("restart_on", "reload_on", "only_with", "unless"):
        paths = item[option] if isinstance(item[option], list) else [item[option] or "/"]
        found += [
            f"units: {item['name']}: {option} {path!r} has to be an absolute path"
            for path in paths
            if not path.startswith("/")
        ]
    for option in ("only_with", "unless"):
        if item[option] and item["state"] != "stopped":
            found.append(f"units: {item['name']}: {option} goes with state stopped only")
    for option in ("restart_on", "reload_on"):
        if item["state"] == "stopped" and item[option] and not item["unless"]:
            found.append(f"units: {item['name']}: {option} does not go with state stopped")
    return found


def problems(params: Mapping[str, Any]) -> list[str]:
    """Everything wrong with the arguments that their types do not tell."""
    found: list[str] = []
    if not re.match(r"^[\w-]+$", params["name"]):
        found.append(f"name {params['name']!r} may hold letters, digits, '_' and '-' only")
    found += [text for item in params["files"] for text in _check_file(item)]
    found += [f"files: {path} is given twice" for path in _repeated([item["path"] for item in params["files"]])]
    found += [
        f"prune: {item['pattern']!r} has to be an absolute path with a * in it"
        for item in params["prune"]
        if not re.match(r"^/.*\*", item["pattern"])
    ]
    found += _check_kernel(params)
    found += [
        f"held_packages: {name!r} is no name of a package"
        for name in params["held_packages"]
        if not re.match(r"^[a-z0-9][a-z0-9.+-]*$", name)
    ]
    if params["firewall"] is not None:
        found += _check_sources(params["firewall"]["sources"])
        if not re.fullmatch(r"[a-z0-9_-]*", params["firewall"]["owner"]):
            found.append(f"firewall: owner {params['firewall']['owner']!r} has to consist of a-z, 0-9, _ and -")
        ports = map(firewall.port_problem, params["firewall"]["ports"])
        found += [f"firewall: {text}" for text in ports if text]
    found += [text for item in params["units"] for text in _check_unit(item)]
    found += [f"units: {name} is given twice" for name in _repeated([item["name"] for item in params["units"]])]
    return found


def file_wish(item: Mapping[str, Any], sensitive_contents: Mapping[str, str]) -> FileWish:
    """A file as the action hands it over: template and source are content by then."""
    content = sensitive_contents.get(item["path"], item["content"])
    # a file that somebody else owns keeps its attributes when only a part of it is ours, and so does a directory
    shared = item["block"] is not None or item["json"] is not None
    defaults = (None, None, None) if shared or item["state"] == "directory" else ("0644", "root", "root")
    mode = item["mode"] or defaults[0]
    return FileWish(
        path=item["path"],
        state=item["state"],
        content=None if content is None else content.encode("utf-8"),
        block=item["block"],
        block_name=item["block_name"] or "",
        url=item["url"],
        ca=item["ca"] or "",
        fingerprints=tuple(openpgp.normalize(text) for text in item["openpgp_fingerprints"]),
        mode=None if mode is None else int(mode, 8),
        owner=item["owner"] or defaults[1],
        group=item["group"] or defaults[2],
        validate=_command(item["validate"]),
        sensitive=item["sensitive"],
        sha256=item["sha256"] or "",
        member=item["member"] or "",
        document=item["json"],
        within=item["within"] or "",
    )


def unit_wish(item: Mapping[str, Any]) -> UnitWish:
    """A unit of the arguments."""
    return UnitWish(
        item["name"],
        item["enabled"],
        item["state"],
        tuple(item["restart_on"]),
        tuple(item["reload_on"]),
        item["only_with"] or "",
        tuple(item["unless"]),
    )
