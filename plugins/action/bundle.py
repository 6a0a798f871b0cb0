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

from ansible_collections.kubestead.cluster.plugins.plugin_utils import bundle, bundle_images
from ansible_collections.kubestead.cluster.plugins.plugin_utils.bundle import BundleError, Item
from ansible_collections.kubestead.cluster.plugins.plugin_utils.bundle_apt import Apt
from ansible_collections.kubestead.cluster.plugins.plugin_utils.bundle_dnf import Dnf
from ansible_collections.kubestead.cluster.plugins.plugin_utils.bundle_packages import Packages, System, own_sources
from ansible_collections.kubestead.cluster.plugins.plugin_utils.sources import (
    containerd_from_docker,
    kubeadm_images,
    minor_version,
)

SPEC = {
    "directory": {"type": "path", "required": True},
    "version": {"type": "str", "required": True},
    "systems": {"type": "list", "elements": "str", "required": True},
    "packages": {"type": "dict", "required": True},
    "distribution_sources": {"type": "dict", "default": {}},
    "container_runtime": {"type": "str", "choices": ["containerd", "docker"], "default": "containerd"},
    "containerd_source": {"type": "str", "choices": ["auto", "distribution", "docker"], "default": "auto"},
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
            "path": {"type": "str", "required": True},
            "url": {"type": "str", "required": True},
            "sha256": {"type": "str", "required": True},
            "version": {"type": "str", "default": ""},
        },
    },
}


@dataclass
class Plan:
    """What a bundle consists of, and who fetches it."""

    packages: list[tuple[Packages, list[Item]]] = field(default_factory=list)
    images: list[bundle_images.Image] = field(default_factory=list)
    files: list[Item] = field(default_factory=list)

    @property
    def fetched(self) -> dict[str, Item]:
        """The files that come from elsewhere, by path."""
        packages = [item for _manager, items in self.packages for item in items]
        parts = [item for image in self.images for item in image.parts]
        return {item.path: item for item in [*packages, *parts, *self.files]}

    def fetch(self, folder: Path, scratch: Path) -> None:
        """Fetch what is not there as it must be."""
        for manager, items in self.packages:
            absent = lacking(folder, items)
            if absent:
                manager.fetch(absent, folder)
        for image in self.images:
            image.fetch(folder, scratch)
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


def extra(given: dict[str, Any]) -> Item:
    """A file that the user lists."""
    parts = given["path"].split("/")
    if not all(parts) or ".." in parts:
        raise BundleError(f"bundle_files: found path {given['path']!r}, expected a name, or folders and a name")
    return Item(f"files/{given['path']}", given["sha256"], 0, given["url"], given["path"], given["version"])


def wanted_images(arguments: dict[str, Any]) -> list[str]:
    """kubeadm's images and all others."""
    version, tags = arguments["version"], arguments["kubeadm_tags"]
    if minor_version(version) not in tags:
        raise BundleError(f"cluster_version: found {version!r}, expected a version of {', '.join(tags)}")
    own = kubeadm_images(version, arguments["image_repository"], arguments["cluster_configuration"], tags)
    return [*own, *arguments["images"]]


def wanted_packages(arguments: dict[str, Any], system: System) -> tuple[list[str], bool]:
    """The packages for a system, and whether Docker's repository is needed for them."""
    packages = arguments["packages"][system.os["family"]]
    docker = containerd_from_docker(system.os, arguments["containerd_source"])
    return [*packages, "containerd.io" if docker else "containerd"], docker


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
                result.update(self._collect(arguments, Path(scratch)))
        except (BundleError, OSError) as error:
            raise AnsibleActionFail(str(error)) from None
        return result

    def _plan(self, arguments: dict[str, Any], scratch: Path) -> Plan:
        if arguments["container_runtime"] != "containerd":
            # Docker asks mirrors for images of docker.io only.
            found = arguments["container_runtime"]
            raise BundleError(f"cluster_container_runtime: found {found}, expected containerd, which a bundle is for")
        systems = [System.of(name) for name in dict.fromkeys(arguments["systems"])]
        if not systems:
            raise BundleError("bundle_systems: found none, expected those of the machines, such as debian-13-amd64")
        plan = Plan(files=[extra(given) for given in arguments["files"]])
        architectures = list(dict.fromkeys(system.arch for system in systems))
        plan.images = bundle_images.plan(wanted_images(arguments), arguments["registries"], architectures, scratch)
        for system in systems:
            packages, docker = wanted_packages(arguments, system)
            own = own_sources(system, arguments["distribution_sources"])
            kind = Apt if system.os["family"] == "debian" else Dnf
            manager: Packages = kind(scratch / system.name, system, arguments["settings"], docker, own)
            plan.packages.append((manager, manager.plan(packages)))
        return plan

    def _collect(self, arguments: dict[str, Any], scratch: Path) -> dict[str, Any]:
        folder = Path(arguments["directory"])
        before = bundle.parse_checksums((folder / bundle.SUMS).read_text()) if (folder / bundle.SUMS).exists() else {}
        plan = self._plan(arguments, scratch)
        absent = lacking(folder, plan.fetched.values())
        fetched = sorted(item.path for item in absent)
        if self._task.check_mode and absent:
            # What follows from the files is not known before they are there.
            after = {item.path: item.sha256 for item in plan.fetched.values()}
            return {"changed": True, "fetched": fetched, "removed": [], **self._difference(folder, before, after)}
        plan.fetch(folder, scratch)
        facts = {
            "kubernetes": arguments["version"],
            "systems": sorted(manager.system.name for manager, _items in plan.packages),
        }
        files = plan.generated(folder, facts)
        after = bundle.parse_checksums(files[bundle.SUMS].decode())
        different = [path for path, data in files.items() if not bundle.holds(folder / path, data)]
        # Only what an earlier run has put there.
        removed = sorted(path for path in set(before) - set(after) if (folder / path).exists())
        if not self._task.check_mode:
            for path in different:
                bundle.write(folder / path, files[path])
            for path in removed:
                (folder / path).unlink()
        changed = bool(absent or different or removed)
        return {"changed": changed, "fetched": fetched, "removed": removed, **self._difference(folder, before, after)}

    def _difference(self, folder: Path, before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, Any]:
        headers = {"before_header": str(folder), "after_header": str(folder)}
        return {"diff": {"before": lines(before), "after": lines(after), **headers}}
