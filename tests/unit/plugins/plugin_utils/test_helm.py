# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases of the inventory: what may be written there, charts of the controller, what is remembered."""

from __future__ import annotations

import base64
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.plugin_utils import helm

LAB = {"name": "lab", "url": "https://charts.example.com", "username": None, "password": None, "ca": None}


def release(**given: Any) -> dict[str, Any]:
    return {
        "name": "web",
        "namespace": "shop",
        "chart": "lab/web",
        "version": "1.4.2",
        "timeout": 300,
        "values": {},
        **given,
    }


def read(*releases: dict[str, Any], **given: Any) -> tuple[helm.Wanted, ...]:
    return helm.read({"releases": list(releases), "repositories": [LAB], "registries": [], "base": None, **given})


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    folder = tmp_path / "web"
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text("name: web\nversion: 0.1.0\n")
    (folder / "templates" / "x.yaml").write_text("a: b\n")
    return folder


def test_charts_of_repositories_and_registries() -> None:
    found = read(release(), release(name="b", chart="oci://registry.example.com/charts/web", version="v2.0.0-rc.1+5"))
    assert [item.title for item in found] == ["lab/web 1.4.2", "oci://registry.example.com/charts/web v2.0.0-rc.1+5"]
    assert [item.key for item in found] == ["shop/web", "shop/b"]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"name": "Web"}, "found the name 'Web'"),
        ({"name": "x" * 54}, "expected at most 53"),
        ({"namespace": "a_b"}, "found the namespace 'a_b'"),
        ({"timeout": 0}, "found the timeout 0"),
        ({"chart": "web"}, r"found the chart 'web', expected REPOSITORY/CHART with one of the repositories \(lab\)"),
        ({"chart": "other/web"}, "found the chart 'other/web'"),
        ({"version": None}, "found version none, expected an exact one"),
        ({"version": ">=1.0.0"}, "found version >=1.0.0"),
        ({"version": "1.4"}, "found version 1.4"),
        ({"chart": "./nowhere", "version": None}, "found no chart at nowhere"),
    ],
)
def test_what_is_wrong(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(helm.Refused, match=reason):
        read(release(**given))


def test_what_is_left_out_or_empty() -> None:
    [found] = read({"name": "web", "chart": "lab/web", "version": "1.4.2", "namespace": None, "timeout": None})
    assert (found.key, found.timeout, found.values) == ("default/web", 300, {})


def test_everything_at_once() -> None:
    repositories = [{**LAB, "username": "me"}, LAB]
    with pytest.raises(helm.Refused) as raised:
        read(release(), release(), repositories=repositories)
    assert str(raised.value) == (
        "3 problems: repositories lab: found only one of username and password, expected both or none; "
        "repositories lab: found it 2 times, expected each once; "
        "releases shop/web: found it 2 times, expected each once"
    )


class TestCharts:
    def test_a_directory(self, chart: Path) -> None:
        [found] = read(release(chart="./web", version=None), base=str(chart.parent))
        assert found.archive is not None
        with tarfile.open(fileobj=io.BytesIO(found.archive)) as archive:
            assert archive.getnames() == ["web/Chart.yaml", "web/templates/x.yaml"]
        assert found.title.startswith("chart web (sha256:")

    def test_only_the_content_counts(self, chart: Path) -> None:
        [before] = read(release(chart=str(chart), version=None))
        os.utime(chart / "Chart.yaml", (1, 1))
        [same] = read(release(chart=str(chart), version=None))
        (chart / "templates" / "x.yaml").write_text("a: c\n")
        [other] = read(release(chart=str(chart), version=None))
        assert before.fingerprint == same.fingerprint != other.fingerprint

    def test_an_archive(self, chart: Path) -> None:
        path = chart.parent / "web-0.1.0.tgz"
        path.write_bytes(helm.pack(chart))
        [found] = read(release(chart=str(path), version=None))
        assert found.archive == path.read_bytes()
        path.write_text("no archive")
        with pytest.raises(helm.Refused, match="found no chart at"):
            read(release(chart=str(path), version=None))

    def test_flaws_without_reading_a_chart(self, chart: Path) -> None:
        releases = [release(chart=text) for text in ("./web", "./nowhere", "lab/web", "oci://r/web")]
        assert list(helm.chart_flaws(releases, chart.parent)) == ["./nowhere"]

    def test_no_chart(self, chart: Path) -> None:
        (chart / "Chart.yaml").unlink()
        with pytest.raises(helm.Refused, match=r"found no Chart\.yaml in"):
            read(release(chart=str(chart), version=None))

    def test_it_has_its_own_version(self, chart: Path) -> None:
        with pytest.raises(helm.Refused, match=r"found version 1\.4\.2, expected none"):
            read(release(chart=str(chart)))


def test_what_makes_another_release() -> None:
    [one] = read(release())
    for given in ({"version": "1.4.3"}, {"values": {"a": 1}}, {"chart": "lab/other"}):
        assert read(release(**given))[0].fingerprint != one.fingerprint
    assert read(release(timeout=10))[0].fingerprint == one.fingerprint


def test_secrets_are_apart() -> None:
    repositories = [{**LAB, "username": "me", "password": "hush"}]
    arguments = {"repositories": repositories, "registries": [{"host": "r", "username": None, "password": None}]}
    wanted = read(release(values={"key": "hush"}), repositories=repositories)
    assert "hush" not in json.dumps([helm.orders(wanted, {}), helm.without_secrets(repositories)])
    assert "hush" not in repr(wanted)
    assert json.loads(helm.secrets(wanted, arguments, [])) == {
        "charts": {},
        "values": {"shop/web": {"key": "hush"}},
        "repositories": {"lab": {"username": "me", "password": "hush"}},
        "registries": {},
    }


def test_orders(chart: Path) -> None:
    wanted = read(release(), release(name="own", chart=str(chart), version=None))
    recorded = {"shop/web": {"revision": 2}, "old/gone": {"revision": 5, "timeout": 60}}
    told = helm.orders(wanted, recorded)
    assert list(told) == ["shop/web", "shop/own", "old/gone"]
    assert (told["shop/web"]["recorded"], told["shop/own"]["recorded"]) == ({"revision": 2}, None)
    assert [item["local"] for item in told.values()] == [False, True, False]
    charts = json.loads(helm.secrets(wanted, {"repositories": [], "registries": []}, ["shop/own"]))["charts"]
    assert base64.b64decode(charts["shop/own"]) == wanted[1].archive
    assert helm.changed(wanted, {"shop/web": {"fingerprint": wanted[0].fingerprint}}) == ["shop/own"]
    assert (told["old/gone"]["chart"], told["old/gone"]["timeout"]) == ("", 60)


class TestRecord:
    def test_what_may_be_there_soon_is_known(self) -> None:
        recorded = {"old/gone": {"revision": 5}}
        assert helm.intended(read(release()), recorded) == {"shop/web": {"timeout": 300}, **recorded}

    def test_what_was_reached(self) -> None:
        [wanted] = read(release())
        recorded = {"shop/web": {"revision": 1}, "old/gone": {"revision": 5}, "old/stays": {"revision": 7}}
        record = helm.reached([wanted], recorded, {"revisions": {"shop/web": 2, "old/gone": 0}})
        assert record == {
            "shop/web": {"title": "lab/web 1.4.2", "fingerprint": wanted.fingerprint, "revision": 2, "timeout": 300},
            "old/stays": {"revision": 7},
        }

    def test_what_was_put_back(self) -> None:
        recorded = {"shop/web": {"revision": 1, "fingerprint": "before"}}
        answer = {"failed": True, "revisions": {}, "rolled_back": {"shop/web": 3}}
        assert helm.reached(read(release()), recorded, answer) == {"shop/web": {"revision": 3, "fingerprint": "before"}}

    def test_nothing_was_heard(self) -> None:
        recorded = {"shop/web": {"revision": 1}}
        assert helm.reached(read(release()), recorded, {"unreachable": True}) == recorded
