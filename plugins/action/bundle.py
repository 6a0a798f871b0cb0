# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collect a bundle on the controller: everything is planned first, then only what is lacking is fetched."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.urls import open_url
from ansible.plugins.action import ActionBase

from ansible_collections.kubestead.cluster.plugins.modules.helm_releases import ARGUMENT_SPEC as HELM
from ansible_collections.kubestead.cluster.plugins.plugin_utils import (
    bundle,
    bundle_charts,
    bundle_images,
    bundle_nodes,
    bundle_signature,
)
from ansible_collections.kubestead.cluster.plugins.plugin_utils.bundle import BundleError, Item
from ansible_collections.kubestead.cluster.plugins.plugin_utils.bundle_apt import Apt
from ansible_collections.kubestead.cluster.plugins.plugin_utils.bundle_dnf import Dnf
from ansible_collections.kubestead.cluster.plugins.plugin_utils.bundle_packages import Packages, System, own_sources
from ansible_collections.kubestead.cluster.plugins.plugin_utils.inventory import HostVariables
from ansible_collections.kubestead.cluster.plugins.plugin_utils.sources import (
    file_path,
    kubeadm_images,
    minor_version,
)

SPEC = {
    "directory": {"type": "path", "required": True},
    "signing_key": {"type": "path", "required": True, "no_log": False},
    "signers": {"type": "list", "elements": "str", "default": []},
    "signers_file": {"type": "path", "required": True},
    "version": {"type": "str", "required": True},
    "systems": {"type": "list", "elements": "str", "required": True},
    "packages": {"type": "dict", "required": True},
    "distribution_sources": {"type": "dict", "default": {}},
    "settings": {"type": "dict", "required": True},
    "registries": {"type": "dict", "default": {}, "no_log": True},
    "image_repository": {"type": "str", "required": True},
    "cluster_configuration": {"type": "dict", "default": {}},
    "kubeadm_tags": {"type": "dict", "required": True},
    "images": {"type": "list", "elements": "str", "default": []},
    "files": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "path": {"type": "str", "default": ""},
            "url": {"type": "str", "required": True},
            "sha256": {"type": "str", "required": True},
            "version": {"type": "str", "default": ""},
        },
    },
    "archives": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "url": {"type": "str", "required": True},
            "version": {"type": "str", "required": True},
            "sha256": {"type": "dict", "required": True},
            "variable": {"type": "str", "required": True},
        },
    },
    "charts": {
        "type": "dict",
        "default": {},
        "options": {
            "releases": {**HELM["releases"], "required": False, "default": []},
            "repositories": HELM["repositories"],
            "registries": HELM["registries"],
        },
    },
}


@dataclass
class Plan:
    """What a bundle consists of, and who fetches it."""

    packages: list[tuple[Packages, list[Item]]] = field(default_factory=list)
    images: list[bundle_images.Image] = field(default_factory=list)
    charts: list[bundle_charts.Chart] = field(default_factory=list)
    files: list[Item] = field(default_factory=list)

    @property
    def fetched(self) -> dict[str, Item]:
        """The files that come from elsewhere, by path."""
        packages = [item for _manager, items in self.packages for item in items]
        parts = [item for image in self.images for item in image.parts]
        charts = [chart.item for chart in self.charts]
        return {item.path: item for item in [*packages, *parts, *charts, *self.files]}

    def fetch(self, folder: Path, scratch: Path) -> None:
        """Fetch what is not there as it must be."""
        for manager, items in self.packages:
            absent = lacking(folder, items)
            if absent:
                manager.fetch(absent, folder)
        for image in self.images:
            image.fetch(folder, scratch)
        for chart in self.charts:
            if lacking(folder, [chart.item]):
                chart.fetch(folder, scratch)
        for item in lacking(folder, self.files):
            download(item, folder, scratch)

    def generated(self, folder: Path, facts: dict[str, Any]) -> dict[str, bytes]:
        """The files that follow from the fetched ones, which are all there: indexes, manifests, list, checksums."""
        files = {path: data for image in self.images for path, data in image.documents.items()}
        items = [item for image in self.images for item in image.described]
        # Architectures of one system share a repository.
        repositories: dict[str, tuple[Packages, list[Item]]] = {}
        for manager, packages in self.packages:
            repositories.setdefault(manager.system.folder, (manager, []))[1].extend(packages)
        for manager, packages in repositories.values():
            index = manager.index(packages, folder)
            files |= index
            items += [bundle.of_bytes(path, data, "", "index", "") for path, data in index.items()]
        for chart in self.charts:
            files |= chart.documents
            source, name = f"{chart.item.source}.prov", chart.item.name
            items += [bundle.of_bytes(*named, source, name, chart.item.version) for named in chart.documents.items()]
        index = bundle_charts.indexes(self.charts)
        files |= index
        items += [bundle.of_bytes(path, data, "", "index", "") for path, data in index.items()]
        items += [replace(item, size=(folder / item.path).stat().st_size) for item in self.fetched.values()]
        images = [{"name": image.reference.text, "digest": image.digest} for image in self.images]
        files[bundle.LIST] = bundle.document(items, {**facts, "images": images})
        files[bundle.SUMS] = bundle.checksums(items, files[bundle.LIST])
        return files


def lacking(folder: Path, items: Iterable[Item]) -> list[Item]:
    """Those that are not there as they must be."""
    return [item for item in items if bundle.digest(folder / item.path) != item.sha256]


def download(item: Item, folder: Path, scratch: Path) -> None:
    """Fetch one file by its URL."""
    target = scratch / "download"
    try:
        with open_url(item.source, timeout=60) as answer, target.open("wb") as handle:
            while data := answer.read(1 << 20):
                handle.write(data)
    except OSError as error:
        raise BundleError(f"{item.source} can't be fetched: {error}") from None
    bundle.place(target, folder, item)


def listed_file(given: dict[str, Any]) -> Item:
    """A file that the user lists; without a path it lies as its URL says."""
    path = given["path"] or file_path(given["url"])
    parts = path.split("/")
    if not all(parts) or ".." in parts:
        raise BundleError(f"bundle_files: found path {path!r}, expected a name, or folders and a name")
    return Item(f"files/{path}", given["sha256"], 0, given["url"], path, given["version"])


def of_archives(archives: Iterable[Mapping[str, Any]], architectures: Iterable[str]) -> list[Item]:
    """Programs of no package, for every architecture."""
    found = []
    for arch in architectures:
        for given in archives:
            url = given["url"].replace("{version}", given["version"]).replace("{arch}", arch)
            if not given["sha256"].get(arch):
                raise BundleError(f"{given['variable']}: found nothing for {arch}, expected the SHA-256 of {url}")
            found.append(
                listed_file({"path": "", "url": url, "sha256": given["sha256"][arch], "version": given["version"]})
            )
    return found


def wanted_images(arguments: dict[str, Any]) -> list[str]:
    """kubeadm's images and all others."""
    version, tags = arguments["version"], arguments["kubeadm_tags"]
    if minor_version(version) not in tags:
        raise BundleError(f"cluster_version: found {version!r}, expected a version of {', '.join(tags)}")
    own = kubeadm_images(version, arguments["image_repository"], arguments["cluster_configuration"], tags)
    return [*own, *arguments["images"]]


def lines(sums: Mapping[str, str]) -> str:
    """What the diff shows of a bundle: its files."""
    return "".join(f"{path} {sums[path][:12]}\n" for path in sorted(sums))


class ActionModule(ActionBase):
    """Works on the controller alone; the hosts need not be there."""

    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validated, arguments = self.validate_argument_spec(SPEC)
        try:
            with tempfile.TemporaryDirectory(prefix="kubestead-bundle-") as scratch:
                result.update(self._collect(arguments, self._nodes(task_vars or {}), Path(scratch)))
        except (BundleError, OSError) as error:
            raise AnsibleActionFail(str(error)) from None
        return result

    def _nodes(self, variables: dict[str, Any]) -> list[bundle_nodes.Node]:
        """The hosts of the inventory that take something from a bundle."""
        groups = {name: variables.get("groups", {}).get(name, []) for name in bundle_nodes.NODES + bundle_nodes.OTHERS}
        members = {host for name in bundle_nodes.NODES for host in groups[name]}
        nodes = []
        for host in dict.fromkeys(host for hosts in groups.values() for host in hosts):
            values = HostVariables.of(variables["hostvars"], host, self._templar)
            nodes.append(bundle_nodes.Node.of(host, host in members, values))
        return nodes

    def _plan(self, arguments: dict[str, Any], nodes: list[bundle_nodes.Node], scratch: Path) -> Plan:
        bundle_nodes.check(nodes)
        systems = [System.of(name) for name in bundle_nodes.systems(arguments["systems"], nodes)]
        if not systems:
            raise BundleError("bundle_systems: found none, expected those of the machines, such as debian-13-amd64")
        plan = Plan(files=[listed_file(given) for given in arguments["files"]])
        architectures = list(dict.fromkeys(system.arch for system in systems))
        plan.files += of_archives(arguments["archives"], architectures)
        charts = arguments["charts"]
        plan.charts = bundle_charts.of_repositories(charts)
        plan.images = bundle_images.plan(wanted_images(arguments), arguments["registries"], architectures, scratch)
        registries = bundle_charts.endpoints(charts.get("registries") or [])
        plan.images += bundle_images.plan(bundle_charts.of_registries(charts), registries, architectures, scratch)
        for system in systems:
            own = own_sources(system, arguments["distribution_sources"])
            kind = Apt if system.os["family"] == "debian" else Dnf
            packages = [*arguments["packages"][system.os["family"]], *bundle_nodes.packages(system.name, nodes)]
            for number, (runtime, docker) in enumerate(bundle_nodes.runtimes(system.name, system.os, nodes).items()):
                root = scratch / f"{system.name}-{number}"
                manager: Packages = kind(root, system, arguments["settings"], docker, own)
                plan.packages.append((manager, manager.plan([*packages, runtime])))
        return plan

    def _collect(self, arguments: dict[str, Any], nodes: list[bundle_nodes.Node], scratch: Path) -> dict[str, Any]:
        folder = Path(arguments["directory"])
        key, signers_file = Path(arguments["signing_key"]), Path(arguments["signers_file"])
        signer = bundle_signature.Signer.of(key, arguments["signers"], signers_file, folder)
        before = bundle.parse_checksums((folder / bundle.SUMS).read_text()) if (folder / bundle.SUMS).exists() else {}
        plan = self._plan(arguments, nodes, scratch)
        absent = lacking(folder, plan.fetched.values())
        fetched = sorted(item.path for item in absent)
        if self._task.check_mode and absent:
            # What follows from the files is not known before they are there.
            after = {item.path: item.sha256 for item in plan.fetched.values()}
            difference = self._difference(folder, before, after, signer.plan(b"", folder))
            return {"changed": True, "fetched": fetched, "removed": [], **difference}
        plan.fetch(folder, scratch)
        facts = {
            "kubernetes": arguments["version"],
            "systems": sorted({manager.system.name for manager, _items in plan.packages}),
        }
        files = plan.generated(folder, facts)
        after = bundle.parse_checksums(files[bundle.SUMS].decode())
        different = [path for path, data in files.items() if not bundle.holds(folder / path, data)]
        # Only what an earlier run has put there.
        removed = sorted(path for path in set(before) - set(after) if (folder / path).exists())
        signing = signer.plan(files[bundle.SUMS], folder)
        if not self._task.check_mode:
            for path in different:
                bundle.write(folder / path, files[path])
            signer.sign(files[bundle.SUMS], folder)
            for path in removed:
                (folder / path).unlink()
        changed = bool(absent or different or removed or signing)
        difference = self._difference(folder, before, after, signing)
        return {"changed": changed, "fetched": fetched, "removed": removed, **difference}

    def _difference(
        self, folder: Path, before: Mapping[str, str], after: Mapping[str, str], signing: Iterable[str]
    ) -> dict[str, Any]:
        headers = {"before_header": str(folder), "after_header": str(folder)}
        signed = "".join(f"{line}\n" for line in signing)
        return {"diff": {"before": lines(before), "after": lines(after) + signed, **headers}}
