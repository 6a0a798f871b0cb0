# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Container images written by hand (tar and JSON) and pushed to the storage of Debian's docker-registry.

Formats: https://github.com/opencontainers/image-spec and https://github.com/opencontainers/distribution-spec.
Layers are not compressed: they only travel on this computer.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import io
import json
import socket
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import artifacts, rootfs
from .base import LabError, digest, home, locked, say, timed, write_atomic
from .packages import architecture
from .versions import BUSYBOX_IMAGE, COMPONENTS, FLANNEL_CNI_IMAGE, FLANNEL_IMAGE, NGINX_IMAGE, Release

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Answers with the name of its machine, that is, of its pod.
NGINX_CONFIGURATION = """\
error_log stderr;
pid /run/nginx.pid;
events {}
http {
  access_log off;
  server {
    listen 80 default_server;
    listen [::]:80 default_server;
    default_type text/plain;
    return 200 "nginx on $hostname\\n";
  }
}
"""


@dataclass(frozen=True)
class Image:
    """One image: files by their path inside it (from a file or as text), on the root file system ``base`` if any."""

    name: str
    files: Mapping[str, Path | str] = field(hash=False)
    command: tuple[str, ...]
    base: str | None = None


@dataclass(frozen=True)
class Blob:
    """A content-addressed part of an image."""

    media_type: str
    sha256: str
    size: int

    @classmethod
    def of(cls, media_type: str, data: bytes) -> Blob:
        """The description of some bytes."""
        return cls(media_type, hashlib.sha256(data).hexdigest(), len(data))

    @classmethod
    def of_file(cls, media_type: str, path: Path) -> Blob:
        """The description of a file."""
        with path.open("rb") as handle:
            return cls(media_type, hashlib.file_digest(handle, "sha256").hexdigest(), path.stat().st_size)

    def descriptor(self) -> dict[str, Any]:
        """As manifests name it."""
        return {"mediaType": self.media_type, "digest": f"sha256:{self.sha256}", "size": self.size}


def of_release(release: Release) -> list[Image]:
    """All images that a cluster of this release runs, under the names that kubeadm asks for."""
    kubernetes = artifacts.path(release.kubernetes)
    etcd = artifacts.path(release.etcd)
    flannel = artifacts.path("flannel")
    version = COMPONENTS[release.kubernetes].version

    def control(name: str) -> Image:
        return Image(f"{name}:{version}", {f"/usr/local/bin/{name}": kubernetes / name}, (f"/usr/local/bin/{name}",))

    return [
        control("kube-apiserver"),
        control("kube-controller-manager"),
        control("kube-scheduler"),
        Image(
            f"kube-proxy:{version}",
            {"/usr/local/bin/kube-proxy": kubernetes / "kube-proxy"},
            ("/usr/local/bin/kube-proxy",),
            "base",
        ),
        Image(
            f"etcd:{release.etcd_tag}",
            {f"/usr/local/bin/{name}": etcd / name for name in ("etcd", "etcdctl", "etcdutl")},
            ("/usr/local/bin/etcd",),
        ),
        Image(
            f"coredns:{COMPONENTS[release.coredns].version}",
            {"/coredns": artifacts.path(release.coredns) / "coredns"},
            ("/coredns",),
        ),
        Image(f"pause:{release.pause_tag}", {"/pause": artifacts.compiled("pause")}, ("/pause",)),
        Image(
            FLANNEL_IMAGE,
            {
                "/opt/bin/flanneld": flannel / "flanneld",
                "/opt/bin/install-conf": flannel / "install-conf",
            },
            ("/opt/bin/flanneld",),
            "base",
        ),
        Image(FLANNEL_CNI_IMAGE, {"/flannel": artifacts.path("flannel-cni") / "flannel"}, ("/flannel",), "base"),
        Image(NGINX_IMAGE, {"/etc/nginx/nginx.conf": NGINX_CONFIGURATION}, ("nginx", "-g", "daemon off;"), "smoke"),
        Image(BUSYBOX_IMAGE, {}, ("busybox", "sleep", "infinity"), "smoke"),
    ]


def write_layer(files: Mapping[str, Path | str], target: Path) -> None:
    """A layer of these files, the same bytes for the same content. Folders are listed before what is in them."""
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
        folders = {str(parent) for path in files for parent in Path(path.lstrip("/")).parents} - {"."}
        for name in sorted(folders):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(folder)
        for path, content in sorted(files.items()):
            entry = tarfile.TarInfo(path.lstrip("/"))
            if isinstance(content, Path):
                entry.mode, entry.size = 0o755, content.stat().st_size
                with content.open("rb") as handle:
                    archive.addfile(entry, handle)
            else:
                data = content.encode()
                entry.mode, entry.size = 0o644, len(data)
                archive.addfile(entry, io.BytesIO(data))


def configuration(image: Image, layers: Sequence[Blob], arch: str) -> bytes:
    """The configuration of an image."""
    return json.dumps(
        {
            "architecture": arch,
            "os": "linux",
            "created": "2026-01-01T00:00:00Z",
            "config": {"Entrypoint": list(image.command), "Env": [f"PATH={PATH}"], "WorkingDir": "/"},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.sha256}" for layer in layers]},
        },
        sort_keys=True,
    ).encode()


def manifest(config: Blob, layers: Sequence[Blob]) -> bytes:
    """The manifest of an image."""
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config.descriptor(),
            "layers": [layer.descriptor() for layer in layers],
        },
        sort_keys=True,
    ).encode()


class Registry:
    """Pushes to a registry on this computer."""

    def __init__(self, port: int) -> None:
        """Remember where it listens."""
        self.port = port

    def request(
        self, method: str, url: str, body: bytes | io.BufferedReader = b"", headers: Mapping[str, str] | None = None
    ) -> http.client.HTTPResponse:
        """One request; anything but success is an error."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.request(method, url, body=body, headers=dict(headers or {}))
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        if answer.status >= 400 and not (method == "HEAD" and answer.status == 404):
            raise LabError(f"registry: {method} {url} answered {answer.status}: {text.decode(errors='replace')[:300]}")
        return answer

    def push_blob(self, name: str, blob: Blob, content: bytes | Path) -> None:
        """Upload a part, unless the image's repository has it."""
        if self.request("HEAD", f"/v2/{name}/blobs/sha256:{blob.sha256}").status == 200:
            return
        place = self.request("POST", f"/v2/{name}/blobs/uploads/").headers["Location"]
        place = place[place.index("/v2/") :]
        url = f"{place}{'&' if '?' in place else '?'}digest=sha256:{blob.sha256}"
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(blob.size)}
        if isinstance(content, bytes):
            self.request("PUT", url, content, headers)
        else:
            with content.open("rb") as handle:
                self.request("PUT", url, handle, headers)

    def push(self, image: Image, arch: str) -> str:
        """Push an image; returns its digest."""
        name, _colon, tag = image.name.partition(":")
        with tempfile.TemporaryDirectory(dir=home(), prefix=".layer-") as folder:
            parts: list[Path] = [rootfs.build(image.base)] if image.base else []
            if image.files:
                own = Path(folder) / "layer.tar"
                write_layer(image.files, own)
                parts.append(own)
            layers = [Blob.of_file(LAYER, part) for part in parts]
            for layer, part in zip(layers, parts, strict=True):
                self.push_blob(name, layer, part)
        config = configuration(image, layers, arch)
        self.push_blob(name, Blob.of(CONFIG, config), config)
        data = manifest(Blob.of(CONFIG, config), layers)
        self.request("PUT", f"/v2/{name}/manifests/{tag}", data, {"Content-Type": MANIFEST})
        return f"sha256:{hashlib.sha256(data).hexdigest()}"


def storage() -> Path:
    """The registry's storage, as the mirror serves it."""
    return home() / "mirror" / "registry"


@contextlib.contextmanager
def registry() -> Iterator[Registry]:
    """A registry on a free port of the loopback address, for as long as images are pushed."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    storage().mkdir(parents=True, exist_ok=True)
    settings = home() / "mirror" / "push.yml"
    content = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(storage())}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    write_atomic(settings, json.dumps(content))
    log = home() / "mirror" / "push.log"
    with log.open("w") as output:
        try:
            server = subprocess.Popen(["docker-registry", "serve", settings], stdout=output, stderr=output)
        except FileNotFoundError as error:
            raise LabError("docker-registry is not installed: apt-get install docker-registry") from error
    try:
        for _attempt in range(100):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            if server.poll() is not None:
                raise LabError(f"docker-registry ended at once; see {log}")
            time.sleep(0.05)
        yield Registry(port)
    finally:
        server.terminate()
        server.wait()


def offer(images: Sequence[Image]) -> None:
    """Push the images whose inputs changed since they were pushed."""
    stamps = home() / "mirror" / "images"
    stamps.mkdir(parents=True, exist_ok=True)
    wanted = {
        stamps / image.name.replace("/", "_"): (
            image,
            digest(repr(image), rootfs.key(image.base) if image.base else ""),
        )
        for image in images
    }
    missing = {stamp: entry for stamp, entry in wanted.items() if not stamp.exists() or stamp.read_text() != entry[1]}
    if not missing:
        return
    arch = architecture()
    with locked("mirror"), timed(f"{len(missing)} images"), registry() as target:
        for stamp, (image, key) in missing.items():
            say(f"  {image.name} {target.push(image, arch)}")
            write_atomic(stamp, key)
