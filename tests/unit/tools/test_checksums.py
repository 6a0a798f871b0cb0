# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checksums of archives, compared with those of a server on this machine."""

from __future__ import annotations

import hashlib
import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ansible_collections.kubestead.cluster.tests.tools import checksums

CONTENT = {f"program-1.0-{arch}.tgz": f"archive for {arch}".encode() for arch in ("amd64", "arm64")}
LAST = "program-1.0-arm64.tgz"
SUMS = {name[12:17]: hashlib.sha256(data).hexdigest() for name, data in CONTENT.items()}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The publisher's site, and the folder that it has."""
    folder = tmp_path / "site"
    folder.mkdir()
    for name, data in CONTENT.items():
        (folder / name).write_bytes(data)
        (folder / f"{name}.sha256sum").write_text(f"{hashlib.sha256(data).hexdigest()}  {name}\n")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(folder))  # type: ignore[arg-type]

        def do_GET(self) -> None:
            path = folder / self.path.lstrip("/")
            data = path.read_bytes() if path.exists() else b""
            if data.startswith(b"HTTP "):
                self.send_error(int(data[5:8]))
            elif data == b"cut off":
                self.send_response(200)
                self.send_header("Content-Length", "1000")
                self.end_headers()
                self.wfile.write(data)
            else:
                super().do_GET()

        def log_message(self, *arguments: object) -> None:
            """Not among the tests' words."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", folder
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def publishes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checksums, "PUBLISHED", {"program": "{url}.sha256sum"})


def versions(folder: Path, url: str) -> Path:
    values = {
        "__cluster_program_version": "1.0",
        "__cluster_program_url": f"{url}/program-{{version}}-{{arch}}.tgz",
        "__cluster_program_sha256": SUMS,
        "__cluster_image": "registry.example.com/image:1",
    }
    (folder / "versions.yml").write_text(yaml.safe_dump(values))
    return folder / "versions.yml"


def compared(folder: Path, url: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    code = checksums.main(["--versions", str(versions(folder, url)), "--timeout", "5"])
    return code, [line.replace(url, "") for line in capsys.readouterr().out.splitlines()]


def test_all_are_the_same(tmp_path: Path, site: tuple[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert compared(tmp_path, site[0], capsys) == (
        0,
        [
            "program 1.0 amd64: same: /program-1.0-amd64.tgz.sha256sum",
            "program 1.0 amd64: same: /program-1.0-amd64.tgz",
            "program 1.0 arm64: same: /program-1.0-arm64.tgz.sha256sum",
            "program 1.0 arm64: same: /program-1.0-arm64.tgz",
        ],
    )


def test_a_publisher_without_checksums(
    tmp_path: Path, site: tuple[str, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checksums, "PUBLISHED", {})
    code, lines = compared(tmp_path, site[0], capsys)
    assert (code, [line.rpartition("/")[2] for line in lines]) == (0, list(CONTENT))


@pytest.mark.parametrize(
    ("end", "content", "code", "line"),
    [
        (
            "",
            b"another",
            1,
            f": differs: /{LAST} (ae448ac86c4e8e4dec645729708ef41873ae79c6dff84eff73360989487f08e5, not ",
        ),
        ("", b"", 1, f": differs: /{LAST} (e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855, not "),
        (".sha256sum", b"0" * 64, 1, f": differs: /{LAST}.sha256sum ({'0' * 64}, not "),
        (".sha256sum", b"<html>", 1, f": differs: /{LAST}.sha256sum (no checksum, but '<html>', not "),
        ("", None, 1, f": not there: /{LAST} (HTTP 404)"),
        (".sha256sum", None, 1, f": not there: /{LAST}.sha256sum (HTTP 404)"),
        ("", b"HTTP 503", 3, f": not reachable: /{LAST} (HTTP 503)"),
        ("", b"cut off", 3, f": not reachable: /{LAST} (IncompleteRead"),
    ],
)
def test_one_is_not(
    tmp_path: Path,
    site: tuple[str, Path],
    capsys: pytest.CaptureFixture[str],
    end: str,
    content: bytes | None,
    code: int,
    line: str,
) -> None:
    url, folder = site
    file = folder / f"{LAST}{end}"
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    found, lines = compared(tmp_path, url, capsys)
    others = [text for text in lines if ": same: " not in text]
    assert (found, len(lines), len(others)) == (code, 4, 1)
    assert others[0].startswith(f"program 1.0 arm64{line}")


def test_a_site_that_does_not_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        code, lines = compared(tmp_path, f"http://127.0.0.1:{unused.getsockname()[1]}", capsys)
    assert code == 3
    assert len(lines) == 4
    assert all("not reachable" in line and "differs" not in line for line in lines)


def test_one_that_differs_counts_more_than_one_that_does_not_answer() -> None:
    archive = checksums.Archive("a", "1", "amd64", "http://x", "0")
    outcomes = [checksums.UNREACHABLE, checksums.DIFFERS, checksums.SAME]
    assert checksums.result(checksums.Comparison(archive, "http://x", outcome) for outcome in outcomes) == 1


def test_the_archives_of_the_collection() -> None:
    found = checksums.archives(yaml.safe_load(checksums.VERSIONS.read_text()))
    assert {(archive.name, archive.arch) for archive in found} == {
        (name, arch) for name in ("cri_dockerd", "helm") for arch in ("amd64", "arm64")
    }
    assert all(archive.url.startswith("https://") and "{" not in archive.url for archive in found)
