# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of a bundle, fetched by skopeo and laid down so that a plain web server can answer a registry's clients.

What a registry serves stays as it is, byte for byte, so that digests hold: of an index of many architectures the index
itself and the wanted ones of its images. Parts are stored once, by their digest
(https://github.com/opencontainers/distribution-spec/blob/main/spec.md):

- ``images/blobs/<sha256>``: configurations and layers
- ``images/manifests/<sha256>.<type>``: manifests and indexes
- ``images/tags/<registry>/<repository>/<tag>.<type>``: the manifest or index of a tag
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ansible_collections.kubestead.cluster.plugins.plugin_utils.bundle import (
    BundleError,
    Item,
    digest,
    of_bytes,
    place,
    run,
)

# The web server tells the media type by the end of a file's name.
TYPES = {
    "application/vnd.oci.image.index.v1+json": "oci-index",
    "application/vnd.oci.image.manifest.v1+json": "oci-manifest",
    "application/vnd.docker.distribution.manifest.list.v2+json": "docker-index",
    "application/vnd.docker.distribution.manifest.v2+json": "docker-manifest",
}
_REFERENCE = re.compile(
    r"(?P<registry>[A-Za-z0-9.-]+(?::\d+)?)/(?P<repository>[a-z0-9._/-]+)"
    r"(?::(?P<tag>[\w][\w.-]{0,127}))?(?:@sha256:(?P<digest>[0-9a-f]{64}))?"
)


@dataclass(frozen=True)
class Reference:
    """An image's name: registry/repository:tag, or @digest, or both."""

    text: str
    registry: str
    repository: str
    tag: str
    sha256: str

    @classmethod
    def of(cls, text: str) -> Reference:
        """Return the parts of a name."""
        match = _REFERENCE.fullmatch(text)
        registry = match["registry"] if match else ""
        if match is None or not ("." in registry or ":" in registry or registry == "localhost"):
            raise BundleError(f"image {text!r}: expected registry/repository:tag, such as docker.io/library/nginx:1.31")
        sha256 = match["digest"] or ""
        return cls(text, registry, match["repository"], match["tag"] or ("" if sha256 else "latest"), sha256)

    def at(self, host: str) -> str:
        """Return the image as skopeo names it at a host; a digest tells more than a tag."""
        end = f"@sha256:{self.sha256}" if self.sha256 else f":{self.tag}"
        return f"docker://{host}/{self.repository}{end}"


def media_type(manifest: Mapping[str, Any], text: str) -> str:
    """Return the media type of a manifest or index, which the older ones of OCI don't name."""
    implied = "application/vnd.oci.image.index.v1+json" if "manifests" in manifest else ""
    implied = "application/vnd.oci.image.manifest.v1+json" if "layers" in manifest else implied
    found = str(manifest.get("mediaType") or implied)
    if found not in TYPES:
        raise BundleError(f"image {text}: found a manifest of type {found or 'unknown'}, expected {', '.join(TYPES)}")
    return found


def of_architectures(index: Mapping[str, Any], architectures: Sequence[str], text: str) -> list[str]:
    """Return the digests of an index's images for Linux on these architectures."""
    found: dict[str, str] = {}
    for entry in index["manifests"]:
        platform = entry.get("platform", {})
        # Of variants the first is the baseline (arm64 has v8 alone).
        if platform.get("os") == "linux":
            found.setdefault(platform.get("architecture", ""), entry["digest"].removeprefix("sha256:"))
    lacking = [arch for arch in architectures if arch not in found]
    if lacking:
        raise BundleError(f"image {text}: not published for {', '.join(lacking)}, only for {', '.join(sorted(found))}")
    return [found[arch] for arch in architectures]


def endpoints(registry: str, settings: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return where a registry's images are asked for, in containerd's order: its mirrors, then itself."""
    shared = {key: settings[key] for key in ("ca", "skip_verify") if key in settings}
    mirrors = [item if isinstance(item, Mapping) else {**shared, "url": item} for item in settings.get("mirrors", [])]
    own = {key: settings[key] for key in ("ca", "skip_verify", "credentials") if key in settings}
    return [*mirrors, {"url": settings.get("server") or f"https://{registry}", **own}]


class Skopeo:
    """skopeo at one endpoint; what the machine's user has logged in to counts as well."""

    def __init__(self, endpoint: Mapping[str, Any], scratch: Path) -> None:
        scheme, _separator, rest = str(endpoint["url"]).partition("://")
        self.host = rest.rstrip("/")
        self.options: list[tuple[str, str]] = []
        if scheme == "http" or endpoint.get("skip_verify"):
            self.options.append(("tls-verify", "false"))
        folder = Path(tempfile.mkdtemp(dir=scratch))
        ca = str(endpoint.get("ca") or "")
        if ca:
            (folder / "ca.crt").write_text(ca if "-----BEGIN" in ca else Path(ca).read_text())
            self.options.append(("cert-dir", str(folder)))
        if endpoint.get("credentials"):
            text = f"{endpoint['credentials']['username']}:{endpoint['credentials']['password']}"
            auth = base64.b64encode(text.encode()).decode()
            # mkdtemp's folder is this user's alone.
            (folder / "auth.json").write_text(json.dumps({"auths": {self.host.partition("/")[0]: {"auth": auth}}}))
            self.options.append(("authfile", str(folder / "auth.json")))

    def raw(self, reference: Reference) -> bytes:
        """Return a manifest or index as the registry has it."""
        options = [f"--{name}={value}" for name, value in self.options]
        text = run(["skopeo", "inspect", "--raw", "--retry-times=3", *options, reference.at(self.host)])
        data = text.encode(errors="surrogateescape")
        actual = hashlib.sha256(data).hexdigest()
        if reference.sha256 not in ("", actual):
            raise BundleError(f"image {reference.text}: its digest is sha256:{actual}, expected {reference.sha256}")
        return data

    def copy(self, reference: Reference, folder: Path) -> None:
        """Download one image into a folder, unchanged."""
        options = [f"--src-{name}={value}" for name, value in self.options]
        run(["skopeo", "copy", "--quiet", "--retry-times=3", *options, reference.at(self.host), f"dir:{folder}"])


@dataclass(frozen=True)
class Manifest:
    """One image of one architecture, and the endpoint that has it."""

    reference: Reference
    skopeo: Skopeo
    items: Sequence[Item]


@dataclass(frozen=True)
class Image:
    """An image as it goes into a bundle; ``documents`` are the manifests' contents by their paths."""

    reference: Reference
    digest: str
    documents: Mapping[str, bytes]
    manifests: Sequence[Manifest]

    @property
    def described(self) -> list[Item]:
        """The manifests."""
        text, version = self.reference.text, self.reference.tag
        return [of_bytes(path, data, text, text, version) for path, data in self.documents.items()]

    @property
    def parts(self) -> list[Item]:
        """The configurations and layers."""
        return [item for manifest in self.manifests for item in manifest.items]

    def fetch(self, bundle: Path, scratch: Path) -> None:
        """Download what a bundle lacks of its parts."""
        for manifest in self.manifests:
            lacking = [item for item in manifest.items if digest(bundle / item.path) != item.sha256]
            if lacking:
                folder = Path(tempfile.mkdtemp(dir=scratch))
                manifest.skopeo.copy(manifest.reference, folder)
                for item in lacking:
                    place(folder / item.sha256, bundle, item)


def tag_path(reference: Reference, kind: str) -> str:
    """Return where a tag is; the web server's configuration knows this, too."""
    return f"images/tags/{reference.registry.replace(':', '_')}/{reference.repository}/{reference.tag}.{kind}"


def blobs(manifest: Mapping[str, Any], reference: Reference) -> list[Item]:
    """Return configuration and layers of one image."""
    found: dict[str, Item] = {}
    for part in [manifest["config"], *manifest["layers"]]:
        sha256 = part["digest"].removeprefix("sha256:")
        found[sha256] = Item(
            f"images/blobs/{sha256}", sha256, part["size"], reference.text, reference.text, reference.tag
        )
    return list(found.values())


def plan_at(skopeo: Skopeo, reference: Reference, architectures: Sequence[str]) -> Image:
    """Return what an image consists of, asked at one endpoint."""
    top = skopeo.raw(reference)
    parsed = json.loads(top)
    kind = TYPES[media_type(parsed, reference.text)]
    documents: dict[str, bytes] = {}
    named = hashlib.sha256(top).hexdigest()
    if reference.tag:
        documents[tag_path(reference, kind)] = top
    documents[f"images/manifests/{named}.{kind}"] = top
    digests = of_architectures(parsed, architectures, reference.text) if kind.endswith("index") else [named]
    manifests = []
    for sha256 in digests:
        single = replace(reference, sha256=sha256)
        data = top if sha256 == named else skopeo.raw(single)
        content = json.loads(data)
        documents[f"images/manifests/{sha256}.{TYPES[media_type(content, reference.text)]}"] = data
        manifests.append(Manifest(single, skopeo, blobs(content, reference)))
    return Image(reference, f"sha256:{named}", documents, manifests)


def plan(
    texts: Iterable[str], registries: Mapping[str, Mapping[str, Any]], architectures: Sequence[str], scratch: Path
) -> list[Image]:
    """Return what all images consist of; those that can't be had are named together."""
    images, problems = [], []
    for text in dict.fromkeys(texts):
        reference = Reference.of(text)
        failures = []
        for endpoint in endpoints(reference.registry, registries.get(reference.registry, {})):
            try:
                images.append(plan_at(Skopeo(endpoint, scratch), reference, architectures))
                break
            except BundleError as error:
                failures.append(str(error))
        else:
            problems.append(f"image {text}: {'; '.join(failures)}")
    if problems:
        raise BundleError("\n".join(problems))
    return images
