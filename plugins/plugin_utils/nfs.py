# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exports of an NFS server, given once in the words of exports(5), for both servers that there are.

Sources: exports(5) of nfs-utils 2.8, ganesha-config(8), ganesha-core-config(8) and ganesha-export-config(8) of
nfs-ganesha 6.5.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.kubestead.cluster.plugins.plugin_utils.inventory import Problem, together

#: What exports(5) says about how the kernel works, and nfs-ganesha has nothing to compare with.
KERNEL_ONLY = frozenset({"sync", "async", "wdelay", "no_wdelay", "subtree_check", "no_subtree_check"})
#: Options of exports(5) in the words of nfs-ganesha.
GANESHA: Mapping[str, tuple[str, str]] = {
    "rw": ("Access_Type", "RW"),
    "ro": ("Access_Type", "RO"),
    "root_squash": ("Squash", "Root_Squash"),
    "no_root_squash": ("Squash", "No_Root_Squash"),
    "all_squash": ("Squash", "All_Squash"),
    "secure": ("PrivilegedPort", "true"),
    "insecure": ("PrivilegedPort", "false"),
}
GANESHA_VALUES = {"anonuid": "Anonymous_Uid", "anongid": "Anonymous_Gid", "sec": "SecType"}
#: What holds at the kernel where nothing is said.
DEFAULTS = ("ro", "root_squash", "secure")
_CLIENT = re.compile(r"[\w.:/*?@\[\]-]+")
_OPTION = re.compile(r"[a-z_0-9]+(=[\w.:/-]+)?")
#: The object that the API refused to change, by the path of the request.
_REFUSED = re.compile(r"/(persistentvolumes|persistentvolumeclaims|storageclasses)/([^/?: ]+)")
# Not what is refused for a lack of rights or a quota: "is forbidden: User ...", "is forbidden: exceeded quota".
_UNCHANGEABLE = re.compile(r" 422 .*(immutable|forbidden|can not be less)|only dynamically provisioned", re.IGNORECASE)
WAYS_OUT: Mapping[str, str] = {
    "persistentvolumes": (
        "nfs_storage_volumes: Kubernetes allows no other server and path of volume {name}; put the old ones back, or "
        "give the volume with the new ones another name"
    ),
    "persistentvolumeclaims": (
        "nfs_storage_volumes: Kubernetes allows no other size and access_modes of claim {name}, which a volume has; "
        "put the old ones back, or give the volume and its claim another name"
    ),
    "storageclasses": (
        "nfs_storage_class: Kubernetes allows no other server, path, parameters and reclaim policy of class {name}; "
        "put the old ones back, or give another nfs_storage_class"
    ),
}
#: Export_Id is a 16-bit number, and 0 is the pseudo file system's.
_IDS = 65535


@dataclass(frozen=True)
class Rule:
    """Some clients of a directory, and what they may."""

    clients: tuple[str, ...]
    options: tuple[str, ...]


def examine(exports: Sequence[Mapping[str, Any]], nodes: Sequence[str]) -> list[Problem]:
    """Tell everything that no server would understand, or would understand otherwise than it is meant."""
    problems: list[Problem] = []
    taken: dict[str, set[str]] = {}
    for number, export in enumerate(exports):
        path, rule = str(export.get("path", "")), _rule(export, nodes)
        where = f"nfs_server_exports[{number}]"
        if not re.fullmatch(r"(/(?!\.{1,2}(/|$))[^/\s\"#\\]+)+", path):
            expected = "an absolute one without blanks, . and .., and without a slash at its end"
            problems.append(Problem(where, f"the path {path!r}", expected))
        if not rule.clients:
            problems.append(
                Problem(where, f"no clients of {path}, and no nodes in the inventory", "clients", "name them")
            )
        problems += [
            Problem(where, f"the client {item!r}", "an address, a network, a host name or *")
            for item in rule.clients
            if not _CLIENT.fullmatch(item)
        ]
        problems += [
            Problem(where, f"the option {item!r}", "one of exports(5), such as rw or anonuid=1000")
            for item in rule.options
            if not _OPTION.fullmatch(item)
        ]
        twice = sorted(taken.setdefault(path, set()) & set(rule.clients))
        if twice:
            problems.append(Problem(where, f"{path} for {', '.join(twice)} again", "each client of a path once"))
        taken[path].update(rule.clients)
    return problems


def examine_for_ganesha(exports: Sequence[Mapping[str, Any]]) -> list[Problem]:
    """Tell which options nfs-ganesha has nothing like."""
    known = ", ".join([*GANESHA, *(f"{key}=" for key in GANESHA_VALUES), *sorted(KERNEL_ONLY)])
    return [
        Problem(
            f"nfs_server_exports[{number}]",
            f"the option {option!r}, which nfs-ganesha has nothing like",
            f"what it knows ({known})",
            "leave it out, or set nfs_server_backend to kernel where the kernel can serve",
        )
        for number, export in enumerate(exports)
        for option in _rule(export, ()).options
        if _OPTION.fullmatch(option) and option not in {*GANESHA, *KERNEL_ONLY} and not _ganesha_value(option)
    ]


def by_path(exports: Sequence[Mapping[str, Any]], nodes: Sequence[str]) -> dict[str, list[Rule]]:
    """Return each directory with its rules; the nodes are the clients where none are named."""
    found: dict[str, list[Rule]] = {}
    for export in exports:
        found.setdefault(str(export["path"]), []).append(_rule(export, nodes))
    return found


def _rule(export: Mapping[str, Any], nodes: Sequence[str]) -> Rule:
    clients = tuple(map(str, export.get("clients") or nodes))
    return Rule(clients, tuple(map(str, export.get("options") or ("rw", "no_root_squash"))))


def _refuse(problems: Sequence[Problem]) -> None:
    if problems:
        raise AnsibleFilterError(together(problems))


def kernel_exports(exports: Sequence[Mapping[str, Any]], nodes: Iterable[str]) -> str:
    """Return the text of a file below /etc/exports.d."""
    everyone = tuple(nodes)
    _refuse(examine(exports, everyone))
    lines = []
    for path, rules in by_path(exports, everyone).items():
        clients = " ".join(f"{client}({','.join(rule.options)})" for rule in rules for client in rule.clients)
        lines.append(f"{path} {clients}\n")
    return "".join(lines)


def export_ids(paths: Iterable[str]) -> dict[str, int]:
    """Return a number for each path that does not depend on the others: clients' file handles hold it."""
    taken: dict[str, int] = {}
    for path in sorted(paths):
        number = zlib.crc32(path.encode()) % _IDS + 1
        while number in taken.values():
            number = number % _IDS + 1
        taken[path] = number
    return taken


def _ganesha_value(option: str) -> tuple[str, Any] | None:
    name, _equals, value = option.partition("=")
    if name not in GANESHA_VALUES or not value:
        return None
    return GANESHA_VALUES[name], value.split(":") if name == "sec" else value


def ganesha_rule(rule: Rule) -> dict[str, Any]:
    """Return a CLIENT block."""
    meanings = [GANESHA.get(option) or _ganesha_value(option) for option in (*DEFAULTS, *rule.options)]
    return {"Clients": list(rule.clients), "Protocols": 4, **dict(filter(None, meanings))}


def ganesha_exports(exports: Sequence[Mapping[str, Any]], nodes: Iterable[str]) -> str:
    """Return the EXPORT blocks of nfs-ganesha: what a reload reads again."""
    everyone = tuple(nodes)
    _refuse([*examine(exports, everyone), *examine_for_ganesha(exports)])
    rules = by_path(exports, everyone)
    ids = export_ids(rules)
    return "".join(
        block(
            "EXPORT",
            {
                "Export_Id": ids[path],
                "Path": path,
                # The path at which clients find it, as with the kernel's server.
                "Pseudo": path,
                "Protocols": 4,
                "Access_Type": "None",
                "FSAL": {"Name": "VFS"},
                "CLIENT": [ganesha_rule(rule) for rule in rules[path]],
            },
        )
        for path in rules
    )


def ganesha_configuration(blocks: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the text of other blocks."""
    return "".join(block(name, content) for name, content in blocks.items())


def block(name: str, content: Mapping[str, Any], indent: str = "") -> str:
    """Return one block; a list of dictionaries is as many blocks of the name."""
    lines = [f"{indent}{name} {{\n"]
    inner = indent + "  "
    for key, value in content.items():
        if isinstance(value, Mapping):
            lines.append(block(key, value, inner))
        elif isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
            lines += [block(key, item, inner) for item in value]
        else:
            lines.append(f"{inner}{key} = {written(value)};\n")
    return "".join([*lines, f"{indent}}}\n"])


def written(value: Any) -> str:
    """Return a value as the configuration has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(map(written, value))
    text = str(value)
    return text if re.fullmatch(r"[\w.:/*?@\[\]-]+", text) else '"' + text.replace('"', '\\"') + '"'


def directories(
    exports: Sequence[Mapping[str, Any]], volumes: Sequence[Mapping[str, Any]] = ()
) -> list[dict[str, Any]]:
    """Return what machine_config has to create, parents first: the exports, and the volumes that lie below one.

    Clients write below an export, so no symbolic link is followed there.
    """
    roots = [str(export["path"]) for export in exports]
    found: dict[str, dict[str, Any]] = {}
    for item in [*exports, *volumes]:
        path = str(item["path"])
        above = min((root for root in roots if path.startswith(f"{root}/")), key=len, default=None)
        if above is None and path not in roots:
            continue
        attributes = {name: item[name] for name in ("mode", "owner", "group") if item.get(name) is not None}
        attributes |= {} if above is None else {"within": above}
        found.setdefault(path, {"path": path, "state": "directory"}).update(attributes)
    return [found[path] for path in sorted(found)]


def refusal(message: str) -> str:
    """Return why the API refused an object of role nfs_storage, with the variable and the way out where it is known."""
    found = _REFUSED.search(message)
    if not found or not _UNCHANGEABLE.search(message):
        return message
    return f"{WAYS_OUT[found[1]].format(name=found[2])} ({message})"
