# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Helm releases of the inventory: what may be written there, and what the machine that has helm is told."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import re
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# https://helm.sh/docs/chart_template_guide/getting_started/ and RFC 1123
NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?\Z")
MAXIMUM_NAME = 53
MAXIMUM_NAMESPACE = 63
VERSION = re.compile(r"v?[0-9]+\.[0-9]+\.[0-9]+([-+][0-9A-Za-z.+-]+)?\Z")


class Refused(Exception):
    """The lists can't be used; all reasons at once."""


@dataclass(frozen=True)
class Wanted:
    """One release; a chart from the controller comes with its content."""

    name: str
    namespace: str
    chart: str
    version: str | None
    timeout: int
    values: Mapping[str, Any] = field(repr=False)
    archive: bytes | None = field(default=None, repr=False)

    @property
    def key(self) -> str:
        """What it is known by."""
        return f"{self.namespace}/{self.name}"

    @property
    def content(self) -> str:
        """The chart, as far as it matters: where one from the controller lies doesn't."""
        return self.chart if self.archive is None else f"sha256:{hashlib.sha256(self.archive).hexdigest()}"

    @property
    def title(self) -> str:
        """The chart as messages name it."""
        if self.archive is None:
            return f"{self.chart} {self.version}"
        return f"chart {Path(self.chart).name} ({self.content[:19]})"

    @property
    def fingerprint(self) -> str:
        """Changes with everything that makes another release."""
        text = json.dumps([self.content, self.version, self.values], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def read(arguments: Mapping[str, Any]) -> tuple[Wanted, ...]:
    """Read the releases, or tell everything that is wrong with the lists."""
    problems = [
        f"{kind} {item[key]}: found only one of username and password, expected both or none"
        for kind, key in (("repositories", "name"), ("registries", "host"))
        for item in arguments[kind]
        if bool(item.get("username")) != bool(item.get("password"))
    ]
    for kind, key in (("repositories", "name"), ("registries", "host")):
        problems += twice(kind, [item[key] for item in arguments[kind]])
    repositories = [item["name"] for item in arguments["repositories"]]
    base = Path(arguments.get("base") or ".")
    wanted = [_read(item, repositories, base, problems) for item in arguments["releases"]]
    problems += twice("releases", [item.key for item in wanted])
    if problems:
        count = f"{len(problems)} problems: " if len(problems) > 1 else ""
        raise Refused(count + "; ".join(problems))
    return tuple(wanted)


def twice(kind: str, names: Sequence[str]) -> list[str]:
    """Tell which names are listed more than once."""
    return [f"{kind} {name}: listed twice, expected once" for name in sorted({n for n in names if names.count(n) > 1})]


def _read(given: Mapping[str, Any], repositories: Sequence[str], base: Path, problems: list[str]) -> Wanted:
    where = f"release {given['namespace']}/{given['name']}"
    for what, most in (("name", MAXIMUM_NAME), ("namespace", MAXIMUM_NAMESPACE)):
        if not NAME.match(given[what]) or len(given[what]) > most:
            problems.append(
                f"{where}: found the {what} {given[what]!r}, expected at most {most} small letters, digits and dashes"
            )
    if given["timeout"] < 1:
        problems.append(f"{where}: found the timeout {given['timeout']}, expected at least 1 second")
    chart, version = given["chart"], given.get("version")
    archive = None
    if chart.startswith(("/", ".")):
        archive = read_chart(base / chart, where, problems)
        if version is not None:
            problems.append(f"{where}: found version {version}, expected none: {chart} has its own")
    else:
        repository = chart.partition("/")[0]
        if not chart.startswith("oci://") and ("/" not in chart or repository not in repositories):
            problems.append(
                f"{where}: found the chart {chart!r}, expected REPOSITORY/CHART with one of the repositories "
                f"({', '.join(repositories) or 'there is none'}), oci://..., or a path that begins with / or ."
            )
        if version is None or not VERSION.match(version):
            problems.append(f"{where}: found version {version or 'none'}, expected an exact one, such as 1.4.2")
    return Wanted(given["name"], given["namespace"], chart, version, given["timeout"], given["values"] or {}, archive)


def read_chart(path: Path, where: str, problems: list[str]) -> bytes | None:
    """Return a chart of the controller as an archive, the same for the same content."""
    if path.is_dir():
        if not (path / "Chart.yaml").is_file():
            problems.append(f"{where}: found no Chart.yaml in {path}, expected the directory of a chart")
            return None
        return pack(path)
    try:
        content = path.read_bytes()
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz"):
            return content
    except (OSError, tarfile.TarError, EOFError) as error:
        problems.append(f"{where}: found no chart at {path} ({error}), expected its directory or its archive (.tgz)")
        return None


def pack(folder: Path) -> bytes:
    """Return a directory as an archive; neither times nor owners are in it."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(folder.rglob("*")):
            if not path.is_file():
                continue
            member = tarfile.TarInfo(f"{folder.name}/{path.relative_to(folder).as_posix()}")
            content = path.read_bytes()
            member.size, member.mode = len(content), 0o755 if path.stat().st_mode & 0o100 else 0o644
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(plain.getvalue(), mtime=0)


def at_mirror(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the lists as they are at a site whose mirror has a bundle's charts: nobody else is asked."""
    host = arguments.get("mirror_host")
    if not host:
        return {**arguments, "mirror_ca": ""}
    repositories = [
        {"name": item["name"], "url": f"https://{host}/{charts_folder(item['name'])}"}
        for item in arguments["repositories"]
    ]
    return {**arguments, "repositories": repositories, "registries": []}


def charts_folder(repository: str) -> str:
    """Return where a bundle has the charts of a repository."""
    return f"files/charts/{repository}"


def chart_at(mirror_host: str, chart: str) -> str:
    """Return where helm asks for a chart: the mirror's registry has other registries' names before the repository."""
    if not mirror_host or not chart.startswith("oci://"):
        return chart
    registry, _slash, repository = chart.removeprefix("oci://").partition("/")
    return f"oci://{mirror_host}/{registry.replace(':', '_')}/{repository}"


def orders(
    wanted: Sequence[Wanted], recorded: Mapping[str, Mapping[str, Any]], mirror_host: str = ""
) -> dict[str, dict[str, Any]]:
    """Return what the machine is told of every release, also of those that are to go."""
    told = {
        item.key: {
            "name": item.name,
            "namespace": item.namespace,
            "chart": chart_at(mirror_host, item.chart),
            "version": item.version,
            "fingerprint": item.fingerprint,
            "timeout": item.timeout,
            "title": item.title,
            "local": item.archive is not None,
            "recorded": recorded.get(item.key),
        }
        for item in wanted
    }
    for key, entry in recorded.items():
        namespace, _slash, name = key.partition("/")
        gone = {"chart": "", "version": None, "fingerprint": "", "timeout": entry.get("timeout", 300), "title": ""}
        told.setdefault(key, {"name": name, "namespace": namespace, **gone, "local": False, "recorded": entry})
    return told


def changed(wanted: Sequence[Wanted], recorded: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the releases that are not recorded as they are wanted."""
    return [item.key for item in wanted if recorded.get(item.key, {}).get("fingerprint") != item.fingerprint]


def secrets(wanted: Sequence[Wanted], arguments: Mapping[str, Any], charts: Sequence[str]) -> str:
    """Return what is in no log: values, credentials, and the content of these releases' charts of the controller."""

    def credentials(kind: str, key: str) -> dict[str, dict[str, str]]:
        return {
            item[key]: {"username": item["username"], "password": item["password"]}
            for item in arguments[kind]
            if item.get("username")
        }

    return json.dumps(
        {
            "values": {item.key: item.values for item in wanted},
            "charts": {
                item.key: base64.b64encode(item.archive).decode()
                for item in wanted
                if item.archive is not None and item.key in charts
            },
            "repositories": credentials("repositories", "name"),
            "registries": credentials("registries", "host"),
        }
    )


def without_secrets(items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return repositories or registries without their credentials."""
    return [{key: value for key, value in item.items() if key not in ("username", "password")} for item in items]


def intended(wanted: Sequence[Wanted], recorded: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the record before anything is done: what may be there soon must be known to be ours."""
    return {**{item.key: {"timeout": item.timeout} for item in wanted}, **recorded}


def reached(
    wanted: Sequence[Wanted], recorded: Mapping[str, Mapping[str, Any]], answer: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the record of what was done: revision 0 is a release that is gone."""
    revisions = answer.get("revisions") or {}
    record = {key: dict(entry) for key, entry in recorded.items() if revisions.get(key) != 0}
    for key, revision in (answer.get("rolled_back") or {}).items():
        record[key]["revision"] = revision
    for item in wanted:
        if item.key in revisions:
            record[item.key] = {
                "title": item.title,
                "fingerprint": item.fingerprint,
                "revision": revisions[item.key],
                "timeout": item.timeout,
            }
    return record
