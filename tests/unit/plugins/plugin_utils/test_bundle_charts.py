# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Charts of a bundle: which, from where, and how they are listed again."""

from __future__ import annotations

import io
import json
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError

import pytest

from ansible_collections.kubestead.cluster.plugins.plugin_utils import bundle_charts
from ansible_collections.kubestead.cluster.plugins.plugin_utils.bundle import BundleError

SHA = "ab" * 32
# As `helm repo index` of helm 4.3.0 writes it.
INDEX = f"""apiVersion: v1
entries:
  web:
  - apiVersion: v2
    appVersion: 1.10
    created: "2026-11-24T23:00:00.123456789Z"
    digest: {SHA}
    name: web
    type: application
    urls:
    - archives/web-1.4.2.tgz
    version: 1.4.2
  - apiVersion: v2
    digest: {SHA}
    name: web
    urls:
    - https://cdn.example.com/web-1.5.0.tgz
    version: v1.5.0
  bare:
  - name: bare
    urls: [bare-1.0.0.tgz]
    version: 1.0.0
  moved:
  - name: moved
    digest: {SHA}
    urls: ["oci://r.example.com/moved:1.0.0"]
    version: 1.0.0
generated: "2026-11-24T23:00:00.123456789Z"
"""


class Server:
    """Answers by URL, and keeps with which options it was asked."""

    def __init__(self) -> None:
        self.answers = {"https://charts.example.com/a/index.yaml": INDEX.encode()}
        self.asked: dict[str, dict[str, Any]] = {}
        self.errors: dict[str, Exception] = {}

    def open_url(self, url: str, **options: Any) -> io.BytesIO:
        self.asked[url] = options
        if url in self.errors:
            raise self.errors[url]
        if url not in self.answers:
            raise HTTPError(url, 404, "Not Found", Message(), None)
        return io.BytesIO(self.answers[url])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    made = Server()
    monkeypatch.setattr(bundle_charts, "open_url", made.open_url)
    return made


def charts(*releases: tuple[str, str | None], **repository: Any) -> dict[str, Any]:
    lab = {"name": "lab", "url": "https://charts.example.com/a", **repository}
    named = [
        {"name": f"r{number}", "namespace": "n", "timeout": 1, "values": {}, "chart": chart, "version": version}
        for number, (chart, version) in enumerate(releases)
    ]
    return {"releases": named, "repositories": [lab, {"name": "unused", "url": "https://x"}], "registries": []}


def test_charts_of_a_repository(server: Server, tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.touch()
    given = charts(
        ("lab/web", "1.4.2"),
        ("lab/web", "1.4.2"),
        ("lab/web", "1.5.0"),
        ("./own", None),
        username="me",
        password="hush",
        ca=str(ca),
    )
    found = bundle_charts.of_repositories(given)
    assert [(chart.item.path, chart.item.sha256, chart.item.source) for chart in found] == [
        ("files/charts/lab/web-1.4.2.tgz", SHA, "https://charts.example.com/a/archives/web-1.4.2.tgz"),
        ("files/charts/lab/web-v1.5.0.tgz", SHA, "https://cdn.example.com/web-1.5.0.tgz"),
    ]
    server.answers |= {chart.item.source: b"other" for chart in found}
    for chart in found:
        with pytest.raises(BundleError, match=f"its SHA-256 is .*, expected {SHA}"):
            chart.fetch(tmp_path / "b", tmp_path)
    # Who is not the repository learns no password.
    told = {url: (options.get("url_password"), options["ca_path"]) for url, options in server.asked.items()}
    told = {url: options for url, options in told.items() if not url.endswith(".prov") or options != told[url[:-5]]}
    assert told == {
        "https://charts.example.com/a/index.yaml": ("hush", str(ca)),
        "https://charts.example.com/a/archives/web-1.4.2.tgz": ("hush", str(ca)),
        "https://cdn.example.com/web-1.5.0.tgz": (None, str(ca)),
    }
    assert "hush" not in repr(found)
    ((path, data),) = bundle_charts.indexes(found).items()
    assert path == "files/charts/lab/index.yaml"
    first = {"apiVersion": "v2", "name": "web", "version": "1.4.2", "digest": SHA, "urls": ["web-1.4.2.tgz"]}
    assert json.loads(data)["entries"]["web"][0] == first


WEB = "https://charts.example.com/a/archives/web-1.4.2.tgz"


def test_the_publisher_s_signature_goes_with_a_chart(server: Server) -> None:
    (chart,) = bundle_charts.of_repositories(charts(("lab/web", "1.4.2")))
    assert chart.documents == {}
    server.answers[f"{WEB}.prov"] = b"signature"
    (chart,) = bundle_charts.of_repositories(charts(("lab/web", "1.4.2"), username="me", password="hush"))
    assert chart.documents == {"files/charts/lab/web-1.4.2.tgz.prov": b"signature"}
    assert server.asked[f"{WEB}.prov"]["url_password"] == "hush"
    for code in (403, 410):
        server.errors[f"{WEB}.prov"] = HTTPError(WEB, code, "no", Message(), None)
        (chart,) = bundle_charts.of_repositories(charts(("lab/web", "1.4.2")))
        assert chart.documents == {}
    for error in (HTTPError(WEB, 500, "broken", Message(), None), URLError("unreachable"), OSError("reset")):
        server.errors[f"{WEB}.prov"] = error
        with pytest.raises(BundleError, match=rf"{WEB}.prov can't be fetched"):
            bundle_charts.of_repositories(charts(("lab/web", "1.4.2")))


def test_what_can_not_be_had_is_named_together(server: Server) -> None:
    given = charts(("lab/web", "9.9.9"), ("lab/none", "1.0.0"), ("lab/bare", "1.0.0"), ("lab/moved", "1.0.0"))
    with pytest.raises(BundleError) as caught:
        bundle_charts.of_repositories(given)
    assert str(caught.value).splitlines() == [
        "chart lab/web 9.9.9: not in the index, which has 2 versions of it",
        "chart lab/none 1.0.0: not in the index, which has 0 versions of it",
        "chart lab/bare 1.0.0: found digest none in the index, expected a URL and a SHA-256; use its archive as a file",
        "chart lab/moved 1.0.0: it lies in a registry, so write the release's chart as oci://r.example.com/moved",
    ]


@pytest.mark.parametrize(
    ("repository", "said"),
    [
        ({"url": "https://other"}, "https://other/index.yaml can't be fetched: HTTP Error 404"),
        ({"ca": "/no/ca.pem"}, "ca /no/ca.pem is not on this machine"),
        ({"name": "a b"}, "found the name 'a b'"),
    ],
)
def test_repositories_that_do_not_answer(server: Server, repository: dict[str, Any], said: str) -> None:
    chart = f"{repository.get('name', 'lab')}/web"
    with pytest.raises(BundleError, match=said):
        bundle_charts.of_repositories(charts((chart, "1.4.2"), **repository))
    server.answers["https://charts.example.com/a/index.yaml"] = b"<html>"
    with pytest.raises(BundleError, match="is no index of charts"):
        bundle_charts.of_repositories(charts(("lab/web", "1.4.2")))


def test_releases_that_can_not_be() -> None:
    with pytest.raises(BundleError, match="helm_releases: releases n/r0: found version none"):
        bundle_charts.of_registries(charts(("oci://r/web", None)))


def test_charts_of_registries() -> None:
    given = charts(("oci://r:5000/charts/web", "1.0.0+b"), ("lab/web", "1.4.2"))
    assert bundle_charts.of_registries(given) == ["r:5000/charts/web:1.0.0_b"]
    registries = [
        {"host": "r:5000", "plain_http": True},
        {"host": "s", "ca": "/ca.pem", "username": "me", "password": "hush"},
    ]
    assert bundle_charts.endpoints(registries) == {
        "r:5000": {"server": "http://r:5000"},
        "s": {"server": "https://s", "ca": "/ca.pem", "credentials": {"username": "me", "password": "hush"}},
    }
