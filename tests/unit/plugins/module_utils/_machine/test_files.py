# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files on a real file system: planned, written, found in order."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.module_utils._machine import apply, files
from ansible_collections.kubestead.cluster.plugins.module_utils._machine.base import MachineError
from ansible_collections.kubestead.cluster.plugins.module_utils._machine.files import FileWish

KEYS = Path(__file__).parents[3] / "fixtures" / "openpgp"
RSA = "B10A89BE13F439A0F3C720A632E1B638740BBD51"
ME = {"owner": str(os.getuid()), "group": str(os.getgid())}


def no_run(argv: list[str], **kwargs: Any) -> tuple[int, str, str]:
    raise AssertionError(argv)


def no_fetch(url: str, ca: str) -> bytes:
    raise AssertionError(url)


def converge(
    wishes: list[FileWish],
    run: Callable[..., tuple[int, str, str]] = no_run,
    fetch: Callable[[str, str], bytes] = no_fetch,
    find: Callable[[str], str | None] = lambda name: "/bin/" + name,
) -> list[str]:
    """What a real run says; the labels that it sets are checked elsewhere."""
    steps = files.plan_files(wishes, check=False)
    for step in steps:
        apply.apply_file(step, fetch, find, run, lambda target, temporary: None)
    return [change.summary for step in steps for change in step.changes]


def wish(path: Path, content: str = "new\n", **values: Any) -> FileWish:
    return FileWish(str(path), content=content.encode(), **{"mode": 0o644, **ME, **values})


def test_a_file_is_created_changed_and_then_in_order(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"
    usual = os.umask(0o077)
    try:
        assert converge([wish(path)]) == [f"file {path} created"]
    finally:
        os.umask(usual)
    assert path.read_text() == "new\n"
    assert path.stat().st_mode & 0o7777 == 0o644
    assert path.parent.stat().st_mode & 0o7777 == path.parent.parent.stat().st_mode & 0o7777 == 0o755
    assert converge([wish(path)]) == []
    assert converge([wish(path, "other\n")]) == [f"file {path} changed"]
    assert path.read_text() == "other\n"
    assert [child.name for child in path.parent.iterdir()] == ["file"]


def test_attributes_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("new\n")
    path.chmod(0o600)
    before = path.stat().st_ino
    step = files.plan_files([wish(path)], check=False)[0]
    assert not step.content_changes
    assert converge([wish(path)]) == [f"file {path} mode 0600 -> 0644"]
    assert path.stat().st_ino == before
    assert path.stat().st_mode & 0o7777 == 0o644


def test_owner_and_group(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("new\n")
    path.chmod(0o644)
    found = files.read_file(str(path))
    step = files.plan_file(wish(path), found, (found.uid + 1, found.gid + 2))
    assert step is not None
    assert [change.summary for change in step.changes] == [
        f"file {path} owner {found.uid} -> {found.uid + 1}",
        f"file {path} group {found.gid} -> {found.gid + 2}",
    ]


def test_accounts(tmp_path: Path) -> None:
    unknown = wish(tmp_path / "file", owner="no-such-user", group="no-such-group")
    with pytest.raises(MachineError) as caught:
        files.plan_files([unknown], check=False)
    assert "owner 'no-such-user' does not exist" in str(caught.value)
    assert "group 'no-such-group' does not exist" in str(caught.value)
    assert len(files.plan_files([unknown], check=True)) == 1
    (tmp_path / "file").write_text("new\n")
    (tmp_path / "file").chmod(0o644)
    step = files.plan_files([unknown], check=True)[0]
    assert step.changes[0].summary.endswith("-> no-such-user")
    assert files.plan_files([wish(tmp_path / "other", owner="root", group="root")], check=True)[0].uid == 0


def test_directories(tmp_path: Path) -> None:
    path = tmp_path / "x" / "dir"
    directory = FileWish(str(path), "directory", mode=0o750, **ME)
    assert converge([directory]) == [f"directory {path} created"]
    assert path.stat().st_mode & 0o7777 == 0o750
    assert converge([directory]) == []
    path.chmod(0o755)
    assert converge([directory]) == [f"directory {path} mode 0755 -> 0750"]
    assert files.changed_paths(files.plan_files([FileWish(str(tmp_path / "y"), "directory")], False)) == {}


def test_absent(tmp_path: Path) -> None:
    path = tmp_path / "file"
    gone = FileWish(str(path), "absent")
    assert converge([gone]) == []
    path.write_text("x")
    steps = files.plan_files([gone], check=False)
    assert files.changed_paths(steps) == {str(path): True}
    assert steps[0].changes[0].before == "x"
    assert converge([gone]) == [f"file {path} removed"]
    path.symlink_to("nowhere")
    assert converge([gone]) == [f"file {path} removed"]
    assert not path.is_symlink()
    path.mkdir()
    with pytest.raises(MachineError, match="it is a directory; only files are removed"):
        files.plan_files([gone], check=False)


def test_sensitive_files_show_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in ("secret one\n", "secret two\n"):
        step = files.plan_files([wish(path, content, sensitive=True)], check=False)[0]
        assert "secret" not in step.changes[0].before + step.changes[0].after
        converge([wish(path, content, sensitive=True)])
    step = files.plan_files([FileWish(str(path), "absent", sensitive=True)], check=False)[0]
    assert "secret" not in step.changes[0].before


def test_symbolic_links_are_followed(tmp_path: Path) -> None:
    target = tmp_path / "real" / "file"
    link = tmp_path / "link"
    link.symlink_to(target)
    assert converge([wish(link)]) == [f"file {link} created"]
    assert link.is_symlink()
    assert target.read_text() == "new\n"
    assert files.changed_paths(files.plan_files([wish(link, "x")], False)) == {str(link): True, str(target): True}


def test_what_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "fifo")
    wishes = [
        wish(tmp_path / "dir"),
        FileWish(str(tmp_path / "file"), "directory"),
        wish(tmp_path / "fifo"),
        wish(tmp_path / "file" / "below"),
    ]
    with pytest.raises(MachineError) as caught:
        files.plan_files(wishes, check=False)
    text = str(caught.value)
    assert "dir: it is a directory, expected a file" in text
    assert "file: it is a file, expected a directory" in text
    assert "fifo: it is a special, expected a file" in text
    assert "a part of its path is a file" in text


def test_binary_content_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"\xff\xfe\x00")
    assert files.plan_files([wish(path)], False)[0].changes[0].before == "(binary, 3 bytes)\n"


BLOCK = "# BEGIN kubestead n\na\n# END kubestead n\n"


def test_a_block_keeps_the_files_attributes(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    block = FileWish(str(path), block="a", block_name="n")
    assert converge([FileWish(str(path), block="", block_name="n")]) == []
    path.write_text("x\n")
    path.chmod(0o600)
    assert converge([block]) == [f"file {path} changed"]
    assert path.read_text() == "x\n" + BLOCK
    assert path.stat().st_mode & 0o7777 == 0o600
    assert converge([block]) == []
    path.write_bytes(b"\xff")
    with pytest.raises(MachineError, match="not UTF-8"):
        converge([block])


def test_validation(tmp_path: Path) -> None:
    path = tmp_path / "file"
    seen = []

    def run(argv: list[str], **kwargs: Any) -> tuple[int, str, str]:
        seen.append(argv)
        text = Path(argv[-1]).read_text()
        return (0, "", "") if text == "good\n" else (1, "", f"{argv[-1]}:1 bad\nline")

    command = ("judge", "-f", "%s")
    converge([wish(path, "good\n", validate=command)], run)
    assert seen == [["/bin/judge", "-f", str(tmp_path / ".kubestead-new.file")]]
    with pytest.raises(MachineError) as caught:
        converge([wish(path, "bad\n", validate=command)], run)
    assert "the new content is refused by" in str(caught.value)
    assert f"{path}:1 bad | line" in str(caught.value)
    assert path.read_text() == "good\n"
    with pytest.raises(MachineError, match="judge, which has to validate it, is not installed"):
        converge([wish(path, "bad\n", validate=command)], run, find=lambda name: None)
    assert [child.name for child in tmp_path.iterdir()] == ["file"]


def test_validation_in_check_mode(tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    asked = []

    def run(argv: list[str], **kwargs: Any) -> tuple[int, str, str]:
        asked.append(Path(argv[1]).read_text())
        return 1, "", "bad"

    def check(wishes: list[FileWish], installed: bool = True) -> None:
        steps = files.plan_files(wishes, check=True)
        apply.check_validation(steps, str(temporary), lambda name: "/bin/x" if installed else None, run)

    judged = wish(tmp_path / "file", validate=("judge", "%s"))
    check([])
    check([judged], installed=False)
    check([wish(tmp_path / "before"), judged])
    assert asked == []
    with pytest.raises(MachineError, match="refused"):
        check([judged])
    assert asked == ["new\n"]
    assert list(temporary.iterdir()) == []
    assert list(tmp_path.iterdir()) == [temporary]


def test_what_a_killed_run_left_is_replaced(tmp_path: Path) -> None:
    (tmp_path / ".kubestead-new.file").write_text("half")
    converge([wish(tmp_path / "file")])
    assert [child.name for child in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("number", "reason"), [(errno.EBUSY, "mount point of its own"), (errno.EROFS, "can't be written: Read-only")]
)
def test_failing_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, reason: str) -> None:
    def rename(source: str, target: str) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(MachineError, match=reason):
        converge([wish(tmp_path / "file")])
    assert list(tmp_path.iterdir()) == []


def test_the_label_is_set_before_the_file_is_in_place(tmp_path: Path) -> None:
    path = tmp_path / "file"
    labels = []

    def label(target: str, temporary: str) -> None:
        labels.append((target, temporary, path.exists()))

    step = files.plan_files([wish(path)], False)[0]
    apply.apply_file(step, no_fetch, lambda name: None, no_run, label)
    assert labels == [(str(path), str(tmp_path / ".kubestead-new.file"), False)]


def key(path: Path, **values: Any) -> FileWish:
    return FileWish(str(path), fingerprints=(RSA,), mode=0o644, **ME, **values)


@pytest.mark.parametrize(("name", "stored"), [("k.asc", "rsa.asc"), ("k.gpg", "rsa.gpg"), ("RPM-GPG-KEY-k", "rsa.asc")])
@pytest.mark.parametrize("served", ["rsa.asc", "rsa.gpg"])
def test_keys_are_fetched_verified_and_stored_in_the_form_of_their_place(
    tmp_path: Path, name: str, stored: str, served: str
) -> None:
    path = tmp_path / name
    fetched = []

    def fetch(url: str, ca: str) -> bytes:
        assert ca == ""
        fetched.append(url)
        return (KEYS / f"gnupg-2.2.40_{served}").read_bytes()

    wanted = key(path, url="https://example.org/key")
    step = files.plan_files([wanted], check=True)[0]
    assert step.changes[0].after == f"OpenPGP keys {RSA} from https://example.org/key\n"
    assert step.content_changes
    assert converge([wanted], fetch=fetch) == [f"file {path} created"]
    assert path.read_bytes() == (KEYS / f"gnupg-2.2.40_{stored}").read_bytes()
    assert converge([wanted], fetch=fetch) == []
    path.write_text("damaged")
    assert converge([wanted], fetch=fetch) == [f"file {path} changed"]
    assert fetched == ["https://example.org/key"] * 2


def test_a_foreign_key_is_not_stored(tmp_path: Path) -> None:
    foreign = (KEYS / "gnupg-2.2.40_both.gpg").read_bytes()
    with pytest.raises(MachineError, match=r"fetched from https://example.org/key is not accepted: it holds the keys"):
        converge([key(tmp_path / "k", url="https://example.org/key")], fetch=lambda url, ca: foreign)
    with pytest.raises(MachineError, match="expected only"):
        converge([key(tmp_path / "k", content=foreign)])
    assert list(tmp_path.iterdir()) == []
    assert converge([key(tmp_path / "k.gpg", content=(KEYS / "gnupg-2.2.40_rsa.asc").read_bytes())]) != []
    assert (tmp_path / "k.gpg").read_bytes() == (KEYS / "gnupg-2.2.40_rsa.gpg").read_bytes()


def test_a_block_that_others_take_for_a_key_is_neither_stored_nor_kept(tmp_path: Path) -> None:
    genuine = (KEYS / "gnupg-2.2.40_rsa.asc").read_bytes()
    foreign = (KEYS / "gnupg-2.2.40_ed25519.asc").read_bytes().replace(b"PUBLIC KEY BLOCK", b"ARMORED FILE")
    path = tmp_path / "k.asc"
    wanted = key(path, url="https://example.org/key")
    with pytest.raises(MachineError, match=r"is not accepted: line 1 is '-----BEGIN PGP ARMORED FILE-----'"):
        converge([wanted], fetch=lambda url, ca: foreign + genuine)
    with pytest.raises(MachineError, match="ARMORED FILE"):
        converge([key(path, content=foreign + genuine)])
    assert list(tmp_path.iterdir()) == []
    # an earlier release has stored such files
    path.write_bytes(foreign + genuine)
    assert files.plan_files([wanted], check=True)[0].fetch
    assert converge([wanted], fetch=lambda url, ca: genuine) == [f"file {path} changed"]
    assert path.read_bytes() == genuine
    assert converge([wanted]) == []


def test_text_around_a_stored_key_goes_without_the_network(tmp_path: Path) -> None:
    genuine = (KEYS / "gnupg-2.2.40_rsa.asc").read_bytes()
    path = tmp_path / "k.asc"
    path.write_bytes(b"The key of somebody\n" + genuine.replace(b"BLOCK-----\n", b"BLOCK-----\nVersion: 1\n", 1))
    wanted = key(path, url="https://example.org/key")
    step = files.plan_files([wanted], check=True)[0]
    assert (step.content, step.fetch) == (genuine, False)
    assert converge([wanted]) == [f"file {path} changed"]
    assert path.read_bytes() == genuine
    assert converge([wanted]) == []


def test_a_key_in_the_wrong_form_is_put_right_without_the_network(tmp_path: Path) -> None:
    path = tmp_path / "k.asc"
    path.write_bytes((KEYS / "gnupg-2.2.40_rsa.gpg").read_bytes())
    assert converge([key(path, url="https://example.org/key")]) == [f"file {path} changed"]
    assert path.read_bytes() == (KEYS / "gnupg-2.2.40_rsa.asc").read_bytes()


class Answer:
    """What open_url returns."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *unused: object) -> None:
        return

    def read(self, limit: int) -> bytes:
        return self.data[:limit]


def test_fetching(monkeypatch: pytest.MonkeyPatch) -> None:
    trusted: list[str | None] = []
    answers: list[Answer | OSError] = [OSError("refused"), Answer(b"data")]

    def open_url(url: str, timeout: int, ca_path: str | None) -> Answer:
        trusted.append(ca_path and Path(ca_path).read_text())
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    monkeypatch.setattr("ansible.module_utils.urls.open_url", open_url)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    assert files.fetch_url("https://example.org/key") == b"data"
    assert trusted == [None, None]
    answers.append(Answer(b"data"))
    assert files.fetch_url("https://mirror.example.org/key", "PEM") == b"data"
    assert trusted[2:] == ["PEM"]
    answers += [OSError("refused")] * 3
    with pytest.raises(MachineError, match=r"https://example.org/key can't be fetched: refused; check"):
        files.fetch_url("https://example.org/key")
    monkeypatch.setattr(files, "_DOWNLOAD_LIMIT", 3)
    answers.append(Answer(b"data"))
    with pytest.raises(MachineError, match="is larger than"):
        files.fetch_url("https://example.org/key")
