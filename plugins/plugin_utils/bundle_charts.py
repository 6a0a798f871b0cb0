# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Helm charts of a bundle.

Of a chart repository the wanted archives are taken, and an index that lists them
(https://helm.sh/docs/topics/chart_repository/), so that they are one again below ``files/charts/<name>``. Charts of OCI
registries are artifacts, which are fetched and served as images are.
"""

from __future__ import annotations

import http.client
import json
import re
import urllib.error
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit, urlunsplit

import yaml
from ansible.module_utils.urls import open_url

from ansible_collections.kubestead.cluster.plugins.plugin_utils import helm
from ansible_collections.kubestead.cluster.plugins.plugin_utils.bundle import BundleError, Item, place

# Nothing in an index is more than text here, and large ones take a while.
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Repository:
    """A chart repository, as helm_repositories has it."""

    name: str
    url: str
    username: str = ""
    password: str = field(default="", repr=False)
    ca: str = ""

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Repository:
        """Return one of the list."""
        if not _NAME.fullmatch(given["name"]):
            raise BundleError(f"helm_repositories: found the name {given['name']!r}, expected letters, digits and -._")
        ca = str(given.get("ca") or "")
        if ca and not Path(ca).exists():
            raise BundleError(
                f"helm_repositories {given['name']}: ca {ca} is not on this machine, which makes the bundle"
            )
        url = f"{given['url'].rstrip('/')}/"
        return cls(given["name"], url, given.get("username") or "", given.get("password") or "", ca)

    def read(self, url: str) -> bytes:
        """Fetch a file."""
        try:
            return self._fetched(url)
        except (OSError, http.client.HTTPException) as error:
            raise BundleError(f"helm_repositories {self.name}: {url} can't be fetched: {error}") from None

    def provenance(self, url: str) -> bytes:
        """Return the publisher's signature of a chart, empty where there is none.

        Source: https://helm.sh/docs/topics/provenance/
        """
        found = urlsplit(url)
        signature = urlunsplit(found._replace(path=f"{found.path}.prov"))
        try:
            return self._fetched(signature)
        except (OSError, http.client.HTTPException) as error:
            # Object stores answer 403 for a file that they do not have.
            if isinstance(error, urllib.error.HTTPError) and error.code in {403, 404, 410}:
                return b""
            if isinstance(error, urllib.error.URLError) and isinstance(error.reason, FileNotFoundError):
                return b""
            raise BundleError(f"helm_repositories {self.name}: {signature} can't be fetched: {error}") from None

    def _fetched(self, url: str) -> bytes:
        """Fetch a file; a server that is not this repository's does not get its password."""
        options: dict[str, Any] = {"timeout": 60, "ca_path": self.ca or None}
        if self.username and urlsplit(url)[:2] == urlsplit(self.url)[:2]:
            options |= {"url_username": self.username, "url_password": self.password, "force_basic_auth": True}
            options["unredirected_headers"] = ["Authorization"]
        with open_url(url, **options) as answer:
            content: bytes = answer.read()
        return content

    def index(self) -> Mapping[str, Any]:
        """Return the versions of its charts, by their names."""
        url = urljoin(self.url, "index.yaml")
        try:
            entries = yaml.load(self.read(url), Loader=_LOADER)["entries"]  # noqa: S506 - it makes texts alone
        except (yaml.YAMLError, TypeError, KeyError) as error:
            raise BundleError(f"helm_repositories {self.name}: {url} is no index of charts ({error})") from None
        return entries if isinstance(entries, Mapping) else {}


@dataclass(frozen=True)
class Chart:
    """A chart of a repository, and how an index lists it."""

    repository: Repository
    item: Item
    entry: Mapping[str, Any]
    provenance: bytes = b""

    @property
    def documents(self) -> dict[str, bytes]:
        """The provenance file beside the chart, where helm looks for it."""
        return {f"{self.item.path}.prov": self.provenance} if self.provenance else {}

    def fetch(self, folder: Path, scratch: Path) -> None:
        """Download it into a bundle."""
        target = scratch / "chart"
        target.write_bytes(self.repository.read(self.item.source))
        place(target, folder, self.item)


def wanted(charts: Mapping[str, Any]) -> list[helm.Wanted]:
    """Return the releases whose charts are fetched; those of the controller are there."""
    releases = [item for item in charts.get("releases") or [] if not item["chart"].startswith(("/", "."))]
    lists = {"repositories": charts.get("repositories") or [], "registries": charts.get("registries") or []}
    try:
        return list(helm.read({**lists, "releases": releases}))
    except helm.Refused as error:
        raise BundleError(f"helm_releases: {error}") from None


def of_repositories(charts: Mapping[str, Any]) -> list[Chart]:
    """Return the charts of repositories, each once; those that can't be had are named together."""
    names: dict[str, dict[tuple[str, str], None]] = {}
    for release in wanted(charts):
        place_of, _slash, name = release.chart.partition("/")
        if not release.chart.startswith("oci://"):
            names.setdefault(place_of, {})[name, str(release.version)] = None
    found, problems = [], []
    for given in charts.get("repositories") or []:
        asked = names.get(given["name"])
        if not asked:
            continue
        try:
            repository = Repository.of(given)
            index = repository.index()
        except BundleError as error:
            problems.append(str(error))
            continue
        for name, version in asked:
            try:
                found.append(listed(repository, index, name, version))
            except BundleError as error:
                problems.append(f"chart {repository.name}/{name} {version}: {error}")
    if problems:
        raise BundleError("\n".join(problems))
    return found


def listed(repository: Repository, index: Mapping[str, Any], name: str, version: str) -> Chart:
    """Return a chart by its entry in an index."""
    entries = [entry for entry in index.get(name) or [] if isinstance(entry, Mapping)]
    same = [entry for entry in entries if str(entry.get("version")).removeprefix("v") == version.removeprefix("v")]
    if not same:
        raise BundleError(f"not in the index, which has {len(entries)} versions of it")
    entry = same[0]
    sha256 = str(entry.get("digest") or "").removeprefix("sha256:")
    urls = [urljoin(repository.url, str(url)) for url in entry.get("urls") or []]
    if not _SHA256.fullmatch(sha256) or not urls:
        lacking = "no URL" if not urls else f"digest {sha256 or 'none'}"
        raise BundleError(f"found {lacking} in the index, expected a URL and a SHA-256; use its archive as a file")
    if urls[0].startswith("oci://"):
        raise BundleError(f"it lies in a registry, so write the release's chart as {urls[0].rpartition(':')[0]}")
    if not _NAME.fullmatch(name):
        raise BundleError("expected a name of letters, digits and -._")
    file = f"{name}-{entry['version']}.tgz"
    path = f"{helm.charts_folder(repository.name)}/{file}"
    shown = {"apiVersion": entry.get("apiVersion", "v1"), "name": name, "version": entry["version"], "digest": sha256}
    item = Item(path, sha256, 0, urls[0], f"{repository.name}/{name}", entry["version"])
    return Chart(repository, item, {**shown, "urls": [file]}, repository.provenance(urls[0]))


def indexes(charts: Iterable[Chart]) -> dict[str, bytes]:
    """Return the index of each repository (JSON is YAML)."""
    entries: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    for chart in charts:
        own = entries.setdefault(chart.repository.name, {})
        own.setdefault(chart.entry["name"], []).append(chart.entry)
    return {
        f"{helm.charts_folder(name)}/index.yaml": json.dumps(
            {"apiVersion": "v1", "entries": own, "generated": "2026-01-01T00:00:00Z"}, indent=1
        ).encode()
        for name, own in entries.items()
    }


def of_registries(charts: Mapping[str, Any]) -> list[str]:
    """Return the charts of OCI registries as images are named: helm has _ for + in their tags."""
    return [
        f"{item.chart.removeprefix('oci://')}:{str(item.version).replace('+', '_')}"
        for item in wanted(charts)
        if item.chart.startswith("oci://")
    ]


def endpoints(registries: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return helm_registries as containerd_registries has them."""
    found: dict[str, dict[str, Any]] = {}
    for given in registries:
        own: dict[str, Any] = {"server": f"{'http' if given.get('plain_http') else 'https'}://{given['host']}"}
        if given.get("ca"):
            own["ca"] = given["ca"]
        if given.get("username"):
            own["credentials"] = {"username": given["username"], "password": given["password"]}
        found[given["host"]] = own
    return found
