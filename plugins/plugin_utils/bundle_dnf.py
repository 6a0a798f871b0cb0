# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages of a bundle for RHEL and its kin, by dnf."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.kubestead.cluster.plugins.plugin_utils.bundle import BundleError, Item, place, run
from ansible_collections.kubestead.cluster.plugins.plugin_utils.bundle_packages import System, write
from ansible_collections.kubestead.cluster.plugins.plugin_utils.sources import dnf_files, for_dnf, package_sources

# The Python that a distribution's dnf belongs to.
PYTHON = "/usr/bin/python3"
ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}
# Repositories and their key: https://dl.rockylinux.org/pub/rocky/, https://repo.almalinux.org/almalinux/,
# https://mirror.stream.centos.org/ and https://developer.aliyun.com/mirror/ (looked up 2026-11-25, not fetched).
PLACES = {
    "official": {
        "rocky": "https://dl.rockylinux.org/pub/rocky/{major}",
        "almalinux": "https://repo.almalinux.org/almalinux/{major}",
        "centos": "https://mirror.stream.centos.org/{major}-stream",
    },
    "aliyun": {
        "rocky": "https://mirrors.aliyun.com/rockylinux/{major}",
        "almalinux": "https://mirrors.aliyun.com/almalinux/{major}",
        "centos": "https://mirrors.aliyun.com/centos-stream/{major}-stream",
    },
}
PARTS = ("BaseOS", "AppStream")
KEYS = {
    "official": {
        "rocky": "https://dl.rockylinux.org/pub/rocky/RPM-GPG-KEY-Rocky-{major}",
        "almalinux": "https://repo.almalinux.org/almalinux/RPM-GPG-KEY-AlmaLinux-{major}",
        "centos": "https://www.centos.org/keys/RPM-GPG-KEY-CentOS-Official-SHA256",
        # Its repositories ask for a subscription, so the user has to name some.
        "rhel": "https://access.redhat.com/security/data/fd431d51.txt",
    },
    "aliyun": {
        "rocky": "https://mirrors.aliyun.com/rockylinux/RPM-GPG-KEY-Rocky-{major}",
        "almalinux": "https://mirrors.aliyun.com/almalinux/RPM-GPG-KEY-AlmaLinux-{major}",
        "centos": "https://mirrors.aliyun.com/centos-stream/RPM-GPG-KEY-CentOS-Official",
        "rhel": "https://access.redhat.com/security/data/fd431d51.txt",
    },
}
# https://access.redhat.com/security/team/key, https://rockylinux.org/resources/gpg-key-info,
# https://almalinux.org/security/ and https://www.centos.org/keys/ (looked up 2026-11-25, not compared with the keys)
FINGERPRINTS = {
    "rhel-9": "567E347AD0044ADE55BA8A5F199E2F91FD431D51",
    "rhel-10": "567E347AD0044ADE55BA8A5F199E2F91FD431D51",
    "rocky-9": "21CB256AE16FC54C6E652949702D426D350D275D",
    "rocky-10": "FC226859C0860BF0DDB95B085B106C736FEDFC85",
    "almalinux-9": "BF18AC2876178908D6E71267D36CB86CB86B3716",
    "almalinux-10": "EE6DB7B98F5BF5EDD9DA0DE5DEE5C11CC2A1E572",
    "centos-9": "99DB70FAE1D7CE227FB6488205B555B38483C65D",
    "centos-10": "99DB70FAE1D7CE227FB6488205B555B38483C65D",
}
# Without these rpmkeys takes a package that has no signature at all.
_SIGNED = ["--define", "_pkgverify_level signature", "--define", "_pkgverify_flags 0x0"]
_TIMES = re.compile(rb'<time file="\d+" build="(\d+)"/>')
_REPOMD = """\
<?xml version="1.0" encoding="UTF-8"?>
<repomd xmlns="http://linux.duke.edu/metadata/repo">
  <revision>{time}</revision>
{parts}</repomd>
"""
_PART = """\
  <data type="{kind}">
    <checksum type="sha256">{sha256}</checksum>
    <open-checksum type="sha256">{open_sha256}</open-checksum>
    <location href="repodata/{sha256}-{kind}.xml.gz"/>
    <timestamp>{time}</timestamp>
    <size>{size}</size>
    <open-size>{open_size}</open-size>
  </data>
"""


def distribution(system: System, mirror: str, own: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return keys and repositories of a distribution's own packages."""
    name, major = system.os["id"], system.os["version_id"]
    source = {
        "key": own.get("key") or KEYS.get(mirror, KEYS["official"])[name].format(major=major),
        "fingerprints": own.get("key_fingerprints") or [FINGERPRINTS[f"{name}-{major}"]],
    }
    if own:
        parts = {f"distribution-{number}": url for number, url in enumerate(own["repositories"], 1)}
    elif name in PLACES["official"]:
        base = PLACES.get(mirror, PLACES["official"])[name].format(major=major)
        parts = {part.lower(): f"{base}/{part}/$basearch/os/" for part in PARTS}
    else:
        raise BundleError(
            f"bundle_systems: {system.name} needs a subscription or a mirror of the site, expected its repositories in "
            f"bundle_distribution_sources, as {name}-{major}"
        )
    return [file for part, url in parts.items() for file in dnf_files(part, {**source, "repository": url})]


class Dnf:
    """dnf in a root of its own, for one system."""

    def __init__(
        self, root: Path, system: System, settings: Mapping[str, Any], docker: bool, own: Mapping[str, Any]
    ) -> None:
        self.root = root
        self.system = system
        files = distribution(system, str(settings["mirror"]), own)
        for item in [*files, *package_sources(system.os, {**settings, "mirror_host": ""}, docker)]:
            if item.get("state") != "absent" and "block" not in item:
                write(root, item)

    def solve(self, **request: Any) -> list[dict[str, Any]]:
        """Have dnf tell or download packages."""
        path = self.root / "request.json"
        major, arch = self.system.os["version_id"], ARCHITECTURES[self.system.arch]
        path.write_text(json.dumps({"root": str(self.root), "major": major, "arch": arch, **request}))
        try:
            answer = run([PYTHON, str(Path(__file__).with_name("dnf_solve.py")), str(path)])
        except BundleError as error:
            raise BundleError(f"{self.system.name}: {error}") from None
        found: list[dict[str, Any]] = json.loads(answer)
        return found

    def plan(self, packages: Iterable[str]) -> list[Item]:
        """Return the packages with all that they depend on."""
        found = self.solve(packages=sorted({for_dnf(name) for name in packages}))
        return [package_item(self.system.folder, package) for package in found]

    def fetch(self, items: Sequence[Item], bundle: Path) -> None:
        """Download packages into the bundle. Each must be signed by the key of its repository."""
        wanted = {item.sha256: item for item in items}
        fetched = self.solve(fetch=sorted(wanted))
        for found in fetched:
            self.verify(wanted[found["sha256"]], found["path"], Path(found["key"]))
        for found in fetched:
            path = Path(found["path"])
            if not path.is_relative_to(self.root):
                # A repository on this machine's own disk keeps its packages.
                path = Path(shutil.copy(path, self.root))
            place(path, bundle, wanted[found["sha256"]])

    def verify(self, item: Item, path: str, key: Path) -> None:
        """Refuse a package that the key has not signed."""
        keys = self.root / "keys" / key.name
        if not keys.exists():
            run(["rpmkeys", "--dbpath", str(keys), "--import", str(key)])
        try:
            run(["rpmkeys", "--dbpath", str(keys), *_SIGNED, "--checksig", path])
        except BundleError:
            raise BundleError(
                f"{self.system.name}: {item.name} {item.version} ({item.source}) is not signed by the key of its "
                f"repository ({key.name})"
            ) from None

    def index(self, items: Iterable[Item], bundle: Path) -> dict[str, bytes]:
        """Return the index of packages, by path, as dnf reads it."""
        names = sorted({item.path.rpartition("/")[2] for item in items})
        with tempfile.TemporaryDirectory(dir=self.root) as scratch:
            listed = Path(scratch, "packages")
            listed.write_text("".join(f"{name}\n" for name in names))
            options = ["--quiet", "--no-database", "--general-compress-type", "gz", "--pkglist", str(listed)]
            run(["createrepo_c", *options, "--outputdir", scratch, str(bundle / self.system.folder)])
            # The times are those of files on this disk; the same packages give the same index anywhere.
            found = {
                kind: _TIMES.sub(rb'<time file="\1" build="\1"/>', gzip.decompress(path.read_bytes()))
                for kind in ("primary", "filelists")
                for path in Path(scratch, "repodata").glob(f"*-{kind}.xml.gz")
            }
        return {f"{self.system.folder}/repodata/{name}": data for name, data in repodata(found).items()}


def package_item(folder: str, package: Mapping[str, Any]) -> Item:
    """Return a package as a file of the bundle."""
    if not package["sha256"]:
        raise BundleError(f"{package['source']}: its repository tells no SHA-256 of it")
    details = {key: package[key] for key in ("sha256", "size", "source", "name", "version")}
    return Item(f"{folder}/{package['file']}", **details)


def repodata(documents: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files of an index. They are named by what they hold, so readers of an older one still find theirs."""
    files = {}
    parts = ""
    time = max((int(text) for text in _TIMES.findall(documents["primary"])), default=0)
    for kind, document in documents.items():
        data = gzip.compress(document, mtime=0)
        sums = {"sha256": hashlib.sha256(data).hexdigest(), "open_sha256": hashlib.sha256(document).hexdigest()}
        files[f"{sums['sha256']}-{kind}.xml.gz"] = data
        parts += _PART.format(kind=kind, **sums, size=len(data), open_size=len(document), time=time)
    return {**files, "repomd.xml": _REPOMD.format(time=time, parts=parts).encode()}
