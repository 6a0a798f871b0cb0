# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bundle's list and checksums, and what is refused by them."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from ansible_collections.kubestead.cluster.plugins.plugin_utils import bundle
from ansible_collections.kubestead.cluster.plugins.plugin_utils.bundle import BundleError, Item

CONTENT = {"packages/debian-13/a_1_all.deb": b"package", "images/blobs/ab": b"layer"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A whole bundle."""
    items = [bundle.of_bytes(path, data, "https://example.com", "a", "1") for path, data in CONTENT.items()]
    for path, data in CONTENT.items():
        bundle.write(tmp_path / path, data)
    listing = bundle.document(items, {"kubernetes": "1.36.3"})
    bundle.write(tmp_path / bundle.LIST, listing)
    bundle.write(tmp_path / bundle.SUMS, bundle.checksums(items, listing))
    return tmp_path


def refusal(folder: Path) -> str:
    with pytest.raises(BundleError) as caught:
        bundle.verified(folder, (folder / bundle.SUMS).read_text())
    return str(caught.value)


def test_the_list_tells_no_passwords() -> None:
    for source, told in {
        "https://bob:hunter2@charts.example.com:8443/web.tgz?signature=hunter2": "https://charts.example.com:8443/web.tgz",
        "docker://registry.example.com/web:1": "docker://registry.example.com/web:1",
        "registry.example.com/web:1": "registry.example.com/web:1",
        "": "",
    }.items():
        item = bundle.of_bytes("a", b"", source, "a", "1")
        assert json.loads(bundle.document([item], {}))["files"][0]["source"] == told


def test_a_whole_bundle(folder: Path) -> None:
    sums, listing = bundle.verified(folder, (folder / bundle.SUMS).read_text())
    assert set(sums) == {*CONTENT, "bundle.json"}
    assert listing["kubernetes"] == "1.36.3"
    assert listing["files"][0] == {
        "path": "images/blobs/ab",
        "sha256": hashlib.sha256(b"layer").hexdigest(),
        "size": 5,
        "source": "https://example.com",
        "name": "a",
        "version": "1",
    }


def test_the_checksums_are_read_by_the_system_s_own_tool(folder: Path) -> None:
    command = ["sha256sum", "--check", "--strict", "--quiet", bundle.SUMS]
    assert subprocess.run(command, cwd=folder, check=False).returncode == 0


def test_every_damage_is_named(folder: Path) -> None:
    (folder / "packages/debian-13/a_1_all.deb").write_bytes(b"packagf")
    (folder / "images/blobs/ab").unlink()
    said = refusal(folder).splitlines()
    assert said[0] == "images/blobs/ab: missing"
    expected = hashlib.sha256(b"package").hexdigest()
    actual = hashlib.sha256(b"packagf").hexdigest()
    assert said[1] == f"packages/debian-13/a_1_all.deb: its SHA-256 is {actual}, expected {expected}"


def test_a_file_whose_checksum_was_cut_off(folder: Path) -> None:
    lines = (folder / bundle.SUMS).read_text().splitlines(keepends=True)
    (folder / bundle.SUMS).write_text("".join(line for line in lines if "blobs" not in line))
    assert refusal(folder) == "images/blobs/ab: listed in bundle.json, not among the checksums"
    (folder / bundle.SUMS).write_text("".join(line for line in lines if "bundle.json" not in line))
    assert refusal(folder) == "bundle.json: not among the checksums"


def test_another_format(folder: Path) -> None:
    listing = json.dumps({"format": 2, "files": []}).encode()
    bundle.write(folder / bundle.LIST, listing)
    bundle.write(folder / bundle.SUMS, bundle.checksums([], listing))
    assert refusal(folder) == "bundle.json: its format is 2, expected 1"


@pytest.mark.parametrize("line", ["abc  a", f"{'0' * 64}  /etc/passwd", f"{'0' * 64}  a/../../b", f"{'0' * 64} a"])
def test_checksums_that_are_none(line: str) -> None:
    with pytest.raises(BundleError, match=r"^SHA256SUMS: line 1 is .*, expected a checksum and a path in the bundle$"):
        bundle.parse_checksums(f"{line}\n")


def test_the_same_content_is_the_same_list() -> None:
    items = [Item("b", "1", 1, "", "", ""), Item("a", "2", 2, "", "", "")]
    assert bundle.document(items, {}) == bundle.document(items[::-1], {})
    assert bundle.checksums(items, b"") == bundle.checksums(items[::-1], b"")


def test_only_what_was_asked_for_is_put_in_place(tmp_path: Path) -> None:
    item = bundle.of_bytes("files/a", b"right", "https://example.com/a", "a", "")
    (tmp_path / "wrong").write_bytes(b"wrong")
    with pytest.raises(BundleError, match=rf"^https://example.com/a: its SHA-256 is .*, expected {item.sha256}$"):
        bundle.place(tmp_path / "wrong", tmp_path, item)
    assert not (tmp_path / "files/a").exists()
    (tmp_path / "right").write_bytes(b"right")
    bundle.place(tmp_path / "right", tmp_path, item)
    assert (tmp_path / "files/a").read_bytes() == b"right"
    assert [path.name for path in (tmp_path / "files").iterdir()] == ["a"]


def test_programs() -> None:
    assert bundle.run(["printf", r"a\r\n\377"]).encode(errors="surrogateescape") == b"a\r\n\xff"
    with pytest.raises(BundleError, match=r"^no-such-program is not installed on this machine"):
        bundle.run(["no-such-program"])
    with pytest.raises(BundleError, match=r"^`ls /no/such/folder` ended with 2: .*No such file"):
        bundle.run(["ls", "/no/such/folder"])
