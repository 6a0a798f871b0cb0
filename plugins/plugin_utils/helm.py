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

from ansible_collections.kubestead.cluster.plugins.plugin_utils.inventory import Problem, together

# https://helm.sh/docs/chart_template_guide/getting_started/ and RFC 1123
NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?\Z")
MAXIMUM_NAME = 53
MAXIMUM_NAMESPACE = 63
TIMEOUT = 300
#: By the argument of the module, what an item of it is known by.
KEYS: Mapping[str, str] = {"repositories": "name", "registries": "host"}
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
    releases = arguments["releases"]
    base = Path(arguments.get("base") or ".")
    problems = examine(arguments, chart_flaws(releases, base))
    if problems:
        raise Refused(together(problems))
    return tuple(_read(item, base) for item in releases)


def examine(lists: Mapping[str, Any], flaws: Mapping[str, tuple[str, str]]) -> list[Problem]:
    """Tell everything that is wrong with repositories, registries and releases; `flaws` are those of local charts."""
    problems = [
        Problem(f"{kind} {item[key]}", "only one of username and password", "both or none")
        for kind, key in KEYS.items()
        for item in lists[kind]
        if bool(item.get("username")) != bool(item.get("password"))
    ]
    for kind, key in KEYS.items():
        problems += twice(kind, [item[key] for item in lists[kind]])
    repositories = [item["name"] for item in lists["repositories"]]
    for item in lists["releases"]:
        problems += _examine(item, repositories, flaws)
    return problems + twice("releases", [key_of(item) for item in lists["releases"]])


def twice(kind: str, names: Sequence[str]) -> list[Problem]:
    """Tell which names are listed more than once."""
    again = sorted({name for name in names if names.count(name) > 1})
    return [Problem(f"{kind} {name}", f"it {names.count(name)} times", "each once") for name in again]


def namespace_of(release: Mapping[str, Any]) -> str:
    """Return where a release is."""
    return str(release.get("namespace") or "default")


def key_of(release: Mapping[str, Any]) -> str:
    """Return what a release is known by."""
    return f"{namespace_of(release)}/{release['name']}"


def is_local(chart: str) -> bool:
    """Return whether a chart is a path of the controller."""
    return chart.startswith(("/", "."))


def _examine(
    given: Mapping[str, Any], repositories: Sequence[str], flaws: Mapping[str, tuple[str, str]]
) -> list[Problem]:
    where = f"releases {key_of(given)}"
    problems = []
    for what, text, most in (
        ("name", given["name"], MAXIMUM_NAME),
        ("namespace", namespace_of(given), MAXIMUM_NAMESPACE),
    ):
        if not NAME.match(text) or len(text) > most:
            expected = f"at most {most} small letters, digits and dashes"
            problems.append(Problem(where, f"the {what} {text!r}", expected))
    if timeout_of(given) < 1:
        problems.append(Problem(where, f"the timeout {given['timeout']}", "at least 1 second"))
    chart, version = given["chart"], given.get("version")
    if is_local(chart):
        if chart in flaws:
            problems.append(Problem(where, *flaws[chart]))
        if version is not None:
            problems.append(Problem(where, f"version {version}", f"none: {chart} has its own"))
        return problems
    if not chart.startswith("oci://") and ("/" not in chart or chart.partition("/")[0] not in repositories):
        expected = (
            "REPOSITORY/CHART with one of the repositories "
            f"({', '.join(repositories) or 'there is none'}), oci://..., or a path that begins with / or ."
        )
        problems.append(Problem(where, f"the chart {chart!r}", expected))
    if version is None or not VERSION.match(version):
        problems.append(Problem(where, f"version {version or 'none'}", "an exact one, such as 1.4.2"))
    return problems


def timeout_of(release: Mapping[str, Any]) -> int:
    """Return the seconds that its pods have to be ready."""
    given = release.get("timeout")
    return TIMEOUT if given is None else int(given)


def _read(given: Mapping[str, Any], base: Path) -> Wanted:
    chart = given["chart"]
    archive = read_chart(base / chart) if is_local(chart) else None
    return Wanted(
        given["name"],
        namespace_of(given),
        chart,
        given.get("version"),
        timeout_of(given),
        given.get("values") or {},
        archive,
    )


def chart_flaws(releases: Sequence[Mapping[str, Any]], base: Path) -> dict[str, tuple[str, str]]:
    """Return what was found and what was expected of each local chart that is none."""
    flaws = {item["chart"]: chart_flaw(base / item["chart"]) for item in releases if is_local(item["chart"])}
    return {chart: flaw for chart, flaw in flaws.items() if flaw}


def chart_flaw(path: Path) -> tuple[str, str] | None:
    """Return what was found and what was expected, None for a chart."""
    try:
        if path.is_dir():
            there = (path / "Chart.yaml").is_file()
            return None if there else (f"no Chart.yaml in {path}", "the directory of a chart")
        with tarfile.open(path, mode="r:gz"):
            return None
    except (OSError, tarfile.TarError, EOFError) as error:
        return f"no chart at {path} ({error})", "its directory or its archive (.tgz)"


def read_chart(path: Path) -> bytes:
    """Return a chart of the controller as an archive, the same for the same content."""
    return pack(path) if path.is_dir() else path.read_bytes()


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
