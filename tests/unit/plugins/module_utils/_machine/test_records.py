# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys in documents that others write too, and verified downloads."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.module_utils._machine import apply, files, records
from ansible_collections.kubestead.cluster.plugins.module_utils._machine.base import MachineError
from ansible_collections.kubestead.cluster.plugins.module_utils._machine.files import FileWish

ME = {"owner": str(os.getuid()), "group": str(os.getgid())}
URL = "https://example.org/program.tgz"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(records, "FOLDER", str(tmp_path / "records"))
    return tmp_path / "records"


def no_fetch(url: str) -> bytes:
    raise AssertionError(url)


def converge(wish: FileWish, fetch: Callable[[str], bytes] = no_fetch) -> list[str]:
    """What check mode says, and that the real run does that and then nothing more."""
    planned = [change.summary for step in files.plan_files([wish], check=True) for change in step.changes]
    steps = files.plan_files([wish], check=False)
    for step in steps:
        apply.apply_file(step, fetch, lambda name: None, lambda argv, **kwargs: (0, "", ""), lambda target, new: None)
    assert [change.summary for step in steps for change in step.changes] == planned
    assert files.plan_files([wish], check=True) == []
    return planned


def keys(path: Path, **document: Any) -> FileWish:
    return FileWish(str(path), document=document)


def test_keys_are_merged_into_what_others_wrote(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "daemon.json"
    path.write_text('{"debug": true, "log-opts": {"tag": "x", "max-size": "1k"}, "hosts": ["a"]}')
    path.chmod(0o640)
    record = records.path_of(str(path))
    wanted = keys(path, **{"log-opts": {"max-size": "10m"}, "hosts": ["b"], "live-restore": True})
    assert converge(wanted) == [f"file {path} changed", f"file {record} created"]
    assert json.loads(path.read_text()) == {
        "debug": True,
        "log-opts": {"tag": "x", "max-size": "10m"},
        "hosts": ["b"],
        "live-restore": True,
    }
    assert path.stat().st_mode & 0o777 == 0o640
    assert Path(record).stat().st_mode & 0o777 == 0o600


def test_the_writing_of_a_document_in_order_is_nobodys_business(tmp_path: Path) -> None:
    path = tmp_path / "daemon.json"
    path.write_text('{ "a":1,\n\n "b":2 }')
    converge(keys(path, a=1))
    assert path.read_text() == '{ "a":1,\n\n "b":2 }'


def test_what_is_given_no_longer_goes_and_what_was_never_given_stays(tmp_path: Path) -> None:
    path = tmp_path / "daemon.json"
    path.write_text('{"debug": true}')
    converge(keys(path, a=1, b={"c": 1, "d": {"e": 1}}, f=[1]))
    document = json.loads(path.read_text())
    document["b"]["foreign"] = 2
    path.write_text(json.dumps(document))
    converge(keys(path, b={"c": 2}))
    assert json.loads(path.read_text()) == {"debug": True, "b": {"c": 2, "foreign": 2}}
    converge(keys(path))
    assert json.loads(path.read_text()) == {"debug": True, "b": {"foreign": 2}}
    assert not Path(records.path_of(str(path))).exists()


def test_a_document_in_which_nothing_is_left_goes(tmp_path: Path) -> None:
    path = tmp_path / "etc" / "daemon.json"
    record = records.path_of(str(path))
    assert converge(keys(path, a=1)) == [f"file {path} created", f"file {record} created"]
    assert path.read_text() == '{\n  "a": 1\n}\n'
    assert converge(keys(path)) == [f"file {path} removed", f"file {record} removed"]
    assert not path.exists()


def test_a_run_that_was_killed_before_the_record_does_it_again(tmp_path: Path) -> None:
    path = tmp_path / "daemon.json"
    converge(keys(path, a=1, b=1))
    record = Path(records.path_of(str(path)))
    before = record.read_text()
    converge(keys(path, a=1))
    record.write_text(before)
    assert converge(keys(path, a=1)) == [f"file {record} changed"]
    record.write_text('{"docu')
    assert converge(keys(path, a=1)) == [f"file {record} changed"]


@pytest.mark.parametrize(("text", "reason"), [("{", "it is no JSON document"), ("[1]", "it holds a JSON list")])
def test_what_is_no_document_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "daemon.json"
    path.write_text(text)
    with pytest.raises(MachineError, match=f"{path}: {reason}"):
        converge(keys(path, a=1))
    assert path.read_text() == text


def test_an_empty_file_is_an_empty_document(tmp_path: Path) -> None:
    path = tmp_path / "daemon.json"
    path.write_text("\n")
    converge(keys(path, a=1))
    assert json.loads(path.read_text()) == {"a": 1}


def archive(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(f"program/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        folder = tarfile.TarInfo("program/folder")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
    return stream.getvalue()


def download(path: Path, data: bytes, member: str = "") -> FileWish:
    digest = hashlib.sha256(data).hexdigest()
    return FileWish(str(path), url=URL, sha256=digest, member=member, mode=0o755, **ME)


def test_a_program_is_taken_out_of_an_archive_once(tmp_path: Path) -> None:
    path = tmp_path / "bin" / "program"
    first, second = archive(a=b"one"), archive(a=b"two")
    record = records.path_of(str(path))
    wanted = download(path, first, "program/a")
    change = files.plan_files([wanted], check=True)[0].changes[0]
    assert change.after == f"program/a of {URL} (SHA-256 {wanted.sha256})\n"
    assert converge(wanted, lambda url, _ca: first) == [f"file {path} created", f"file {record} created"]
    assert path.read_bytes() == b"one"
    assert path.stat().st_mode & 0o777 == 0o755
    steps = files.plan_files([download(path, second, "program/a")], check=True)
    assert files.changed_paths(steps)[str(path)]
    converge(download(path, second, "program/a"), lambda url, _ca: second)
    assert path.read_bytes() == b"two"
    path.unlink()
    assert converge(download(path, second, "program/a"), lambda url, _ca: second) == [f"file {path} created"]
    assert converge(FileWish(str(path), "absent")) == [f"file {path} removed", f"file {record} removed"]


def test_a_file_of_others_in_its_place_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "program"
    path.write_bytes(b"own")
    converge(download(path, b"plain"), lambda url, _ca: b"plain")
    assert path.read_bytes() == b"plain"


@pytest.mark.parametrize(
    ("member", "data", "reason"),
    [
        ("", b"damaged", "its SHA-256 is [0-9a-f]{64}, expected"),
        ("program/a", archive(a=b"other"), "its SHA-256 is"),
        ("program/b", archive(a=b"one"), "program/b can't be taken out of it"),
        ("program/folder", archive(a=b"one"), "program/folder is no file in it"),
        ("program/a", b"no archive", "program/a can't be taken out of it"),
    ],
)
def test_a_download_that_is_not_what_was_expected(tmp_path: Path, member: str, data: bytes, reason: str) -> None:
    path = tmp_path / "program"
    wanted = download(path, b"plain" if "SHA" in reason else data, member)
    with pytest.raises(MachineError, match=f"{path}: what was fetched from {URL} is not accepted: {reason}"):
        converge(wanted, lambda url, _ca: data)
    assert list(tmp_path.iterdir()) == []
