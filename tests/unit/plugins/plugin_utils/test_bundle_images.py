# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of a bundle, as a registry of one index and one plain image gives them out."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.plugin_utils import bundle_images
from ansible_collections.kubestead.cluster.plugins.plugin_utils.bundle import BundleError
from ansible_collections.kubestead.cluster.plugins.plugin_utils.bundle_images import Reference

OCI = "application/vnd.oci.image"
DOCKER = "application/vnd.docker.distribution.manifest"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def blob(content: bytes) -> dict[str, Any]:
    return {"digest": f"sha256:{sha256(content)}", "size": len(content)}


BLOBS = {sha256(data): data for data in (b"config amd64", b"config arm64", b"layer", b"config pause")}


def manifest(config: bytes, **more: str) -> bytes:
    return json.dumps({**more, "config": blob(config), "layers": [blob(b"layer"), blob(b"layer")]}, indent=3).encode()


IMAGES = {arch: manifest(f"config {arch}".encode(), mediaType=f"{DOCKER}.v2+json") for arch in ("amd64", "arm64")}
ENTRIES = [
    {"digest": f"sha256:{sha256(data)}", "platform": {"os": "linux", "architecture": arch}}
    for arch, data in IMAGES.items()
]
OTHERS = [
    {"digest": "sha256:dd", "platform": {"os": "windows", "architecture": "amd64"}},
    {"digest": "sha256:ee", "platform": {"os": "linux", "architecture": "amd64", "variant": "v3"}},
]
INDEX = json.dumps({"mediaType": f"{DOCKER}.list.v2+json", "manifests": [*ENTRIES, *OTHERS]}).encode()
# Without a media type, as the older ones of OCI are.
PAUSE = manifest(b"config pause")
SERVED = {
    "docker://r.example.com/a/b:v1": INDEX,
    "docker://r.example.com/pause:3": PAUSE,
    **{f"docker://r.example.com/a/b@sha256:{sha256(data)}": data for data in (*IMAGES.values(), INDEX)},
}


class Skopeo:
    """Answers as the registry's content says, at whatever host."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.broken: set[str] = set()

    def __call__(self, command: list[str]) -> str:
        self.calls.append(command)
        name = next(word for word in command if word.startswith("docker://"))
        host = name.split("/")[2]
        data = SERVED.get(name.replace(host, "r.example.com"))
        if host in self.broken or data is None:
            raise BundleError(f"`skopeo {host}` ended with 1: it is gone")
        if command[1] == "inspect":
            return data.decode()
        folder = Path(command[-1].removeprefix("dir:"))
        for part in [json.loads(data)["config"], *json.loads(data)["layers"]]:
            digest = part["digest"].removeprefix("sha256:")
            (folder / digest).write_bytes(BLOBS[digest])
        return ""


@pytest.fixture
def skopeo(monkeypatch: pytest.MonkeyPatch) -> Skopeo:
    scripted = Skopeo()
    monkeypatch.setattr(bundle_images, "run", scripted)
    return scripted


@pytest.fixture
def plan(skopeo: Skopeo, tmp_path: Path) -> Callable[..., list[bundle_images.Image]]:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return lambda names, registries=None, arches=("amd64",): bundle_images.plan(
        names, registries or {}, list(arches), scratch
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("docker.io/library/nginx:1.31", ("docker.io", "library/nginx", "1.31", "")),
        ("10.90.0.2:5000/pause:3.10", ("10.90.0.2:5000", "pause", "3.10", "")),
        ("registry.k8s.io/pause", ("registry.k8s.io", "pause", "latest", "")),
        (f"quay.io/a/b@sha256:{'a' * 64}", ("quay.io", "a/b", "", "a" * 64)),
        (f"quay.io/a/b:1@sha256:{'a' * 64}", ("quay.io", "a/b", "1", "a" * 64)),
    ],
)
def test_names(text: str, expected: tuple[str, ...]) -> None:
    found = Reference.of(text)
    assert (found.registry, found.repository, found.tag, found.sha256) == expected


@pytest.mark.parametrize("text", ["nginx:1", "library/nginx:1", "docker.io/", "docker.io/a:b c", "https://a.b/c:1"])
def test_names_that_are_none(text: str) -> None:
    with pytest.raises(BundleError, match=r"expected registry/repository:tag"):
        Reference.of(text)


def test_an_index_stays_as_it_is_and_has_the_wanted_images(plan: Any) -> None:
    (image,) = plan(["r.example.com/a/b:v1"])
    digest = sha256(IMAGES["amd64"])
    assert image.digest == f"sha256:{sha256(INDEX)}"
    assert image.documents == {
        "images/tags/r.example.com/a/b/v1.docker-index": INDEX,
        f"images/manifests/{sha256(INDEX)}.docker-index": INDEX,
        f"images/manifests/{digest}.docker-manifest": IMAGES["amd64"],
    }
    assert [item.path for item in image.parts] == [
        f"images/blobs/{sha256(b'config amd64')}",
        f"images/blobs/{sha256(b'layer')}",
    ]
    (both,) = plan(["r.example.com/a/b:v1"], arches=("amd64", "arm64"))
    assert len(both.documents) == 4
    assert {item.size for item in both.parts} == {12, 5}


def test_a_plain_image(plan: Any) -> None:
    (image,) = plan(["r.example.com/pause:3", "r.example.com/pause:3"])
    assert set(image.documents) == {
        "images/tags/r.example.com/pause/3.oci-manifest",
        f"images/manifests/{sha256(PAUSE)}.oci-manifest",
    }


def test_the_port_of_a_registry_is_no_colon_on_disk() -> None:
    assert bundle_images.tag_path(Reference.of("r:5000/a:1"), "x") == "images/tags/r_5000/a/1.x"


def test_an_image_named_by_its_digest_has_no_tag(plan: Any) -> None:
    (image,) = plan([f"r.example.com/a/b@sha256:{sha256(INDEX)}"])
    assert not [path for path in image.documents if path.startswith("images/tags")]


def test_what_can_not_be_had_is_named(plan: Any) -> None:
    with pytest.raises(BundleError) as caught:
        plan(["r.example.com/a/b:v1", "r.example.com/no:1", "r.example.com/a/b:v1"], arches=("s390x",))
    first, second = str(caught.value).splitlines()
    assert first == (
        "image r.example.com/a/b:v1: image r.example.com/a/b:v1: not published for s390x, only for amd64, arm64"
    )
    assert second.startswith("image r.example.com/no:1: `skopeo r.example.com` ended with 1")


def test_a_registry_that_answers_with_something_else(plan: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"docker://r.example.com/a/b@sha256:{sha256(IMAGES['amd64'])}"
    monkeypatch.setitem(SERVED, name, PAUSE)
    with pytest.raises(BundleError, match=rf"its digest is sha256:{sha256(PAUSE)}, expected {sha256(IMAGES['amd64'])}"):
        plan(["r.example.com/a/b:v1"])
    monkeypatch.setitem(SERVED, "docker://r.example.com/a/b:v1", b'{"schemaVersion": 1}')
    with pytest.raises(BundleError, match="found a manifest of type unknown"):
        plan(["r.example.com/a/b:v1"])


def test_mirrors_are_asked_first_then_the_registry(plan: Any, skopeo: Skopeo) -> None:
    registries = {"r.example.com": {"mirrors": ["http://m.example.com:5000"], "skip_verify": True}}
    plan(["r.example.com/pause:3"], registries)
    assert skopeo.calls[-1][-1] == "docker://m.example.com:5000/pause:3"
    assert "--tls-verify=false" in skopeo.calls[-1]
    skopeo.broken.add("m.example.com:5000")
    plan(["r.example.com/pause:3"], registries)
    assert skopeo.calls[-1][-1] == "docker://r.example.com/pause:3"


def test_credentials_stay_out_of_the_command_line(plan: Any, skopeo: Skopeo, tmp_path: Path) -> None:
    ca = "-----BEGIN CERTIFICATE-----"
    own = {"server": "https://other.example.com", "ca": ca, "credentials": {"username": "u", "password": "secret"}}
    plan(["r.example.com/pause:3"], {"r.example.com": own})
    (call,) = skopeo.calls
    assert call[-1] == "docker://other.example.com/pause:3"
    assert "secret" not in " ".join(call)
    options = dict(word.removeprefix("--").split("=", 1) for word in call if word.startswith("--") and "=" in word)
    auth = json.loads(Path(options["authfile"]).read_text())["auths"]["other.example.com"]["auth"]
    assert base64.b64decode(auth) == b"u:secret"
    assert Path(options["authfile"]).parent.stat().st_mode & 0o777 == 0o700
    assert (Path(options["cert-dir"]) / "ca.crt").read_text() == ca
    assert bundle_images.endpoints("r.example.com", {"mirrors": ["https://m"], "credentials": {}, "ca": "x"})[0] == {
        "url": "https://m",
        "ca": "x",
    }


def test_only_what_is_lacking_is_fetched(plan: Any, skopeo: Skopeo, tmp_path: Path) -> None:
    (image,) = plan(["r.example.com/a/b:v1"])
    bundle, scratch = tmp_path / "bundle", tmp_path / "scratch"
    image.fetch(bundle, scratch)
    assert (bundle / f"images/blobs/{sha256(b'layer')}").read_bytes() == b"layer"
    assert skopeo.calls[-1][1] == "copy"
    assert skopeo.calls[-1][-2] == f"docker://r.example.com/a/b@sha256:{sha256(IMAGES['amd64'])}"
    count = len(skopeo.calls)
    image.fetch(bundle, scratch)
    assert len(skopeo.calls) == count
    (bundle / f"images/blobs/{sha256(b'layer')}").write_bytes(b"damaged")
    image.fetch(bundle, scratch)
    assert (bundle / f"images/blobs/{sha256(b'layer')}").read_bytes() == b"layer"
