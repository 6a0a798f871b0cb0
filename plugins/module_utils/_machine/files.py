# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files of a machine: how they are, how they have to be, and what changes. `apply` puts them in place."""

from __future__ import annotations

import glob
import grp
import os
import pwd
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from . import below, openpgp, records
from .base import Change, MachineError, line_change, refuse
from .blocks import replace_block

_HIDDEN = "(sensitive: not shown)\n"
_DOWNLOAD_LIMIT = 256 * 1024 * 1024


@dataclass(frozen=True)
class FileWish:
    """How a path has to be. An attribute that is None stays as it is (0644 root root for a new file)."""

    path: str
    state: str = "file"
    content: bytes | None = None
    block: str | None = None
    block_name: str = ""
    url: str | None = None
    ca: str = ""
    fingerprints: tuple[str, ...] = ()
    mode: int | None = None
    owner: str | None = None
    group: str | None = None
    validate: tuple[str, ...] = ()
    sensitive: bool = False
    # of a download: what it has to be, and which file of an archive is wanted
    sha256: str = ""
    member: str = ""
    # keys of a JSON document that others write too
    document: Mapping[str, Any] | None = None
    # of a file that goes: its folder goes with it when it leaves that empty
    with_folder: bool = False
    # of a directory: the one above it, below which others write
    within: str = ""


@dataclass(frozen=True)
class FileState:
    """How a path is; ``target`` is where a symbolic link leads."""

    kind: str
    target: str
    content: bytes = b""
    mode: int = 0
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True)
class FileStep:
    """One path that changes. ``content`` None: only its attributes do, or it comes from ``wish.url``."""

    wish: FileWish
    state: FileState
    content: bytes | None
    fetch: bool
    mode: int
    uid: int
    gid: int
    changes: tuple[Change, ...]

    @property
    def content_changes(self) -> bool:
        """Whether a service that reads the file has to read it again."""
        return self.content is not None or self.fetch or self.wish.state == "absent"


def read_file(path: str, contents: bool = True) -> FileState:
    """Reads a path; a symbolic link is followed (also one that leads nowhere yet)."""
    target = os.path.realpath(path)
    try:
        found = os.stat(target)
    except FileNotFoundError:
        # a link that leads nowhere is still something that can be removed
        return FileState("link" if os.path.islink(path) else "absent", target)
    except NotADirectoryError:
        raise MachineError(f"{path} can't exist: a part of its path is a file, not a directory") from None
    attributes = (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid)
    if stat.S_ISDIR(found.st_mode):
        return FileState("directory", target, b"", *attributes)
    if not stat.S_ISREG(found.st_mode):
        return FileState("special", target, b"", *attributes)
    if not contents:
        return FileState("file", target, b"", *attributes)
    with open(target, "rb") as stream:
        return FileState("file", target, stream.read(), *attributes)


def read_directory(wish: FileWish) -> FileState:
    """Reads a directory where others write; symbolic links are refused."""
    with below.opened(wish.within, wish.path, create=False) as descriptor:
        if descriptor is None:
            return FileState("absent", wish.path)
        found = os.fstat(descriptor)
        return FileState("directory", wish.path, b"", stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid)


def holding(pattern: str, text: str) -> list[str]:
    """The files of a pattern of paths that hold a text, as the collection's own do."""
    files = (path for path in sorted(glob.glob(pattern)) if os.path.isfile(path) and not os.path.islink(path))
    return [path for path in files if text.encode() in read_file(path).content]


def no_longer_wanted(pattern: str, text: str, wishes: Sequence[FileWish]) -> list[FileWish]:
    """What an earlier run has put below a pattern and this one does not list; its content may be a secret."""
    listed = {wish.path for wish in wishes}
    return [
        FileWish(path, "absent", sensitive=True, with_folder=True)
        for path in holding(pattern, text)
        if path not in listed
    ]


def _lookup(name: str, kind: str) -> int | None:
    if name.isdigit():
        return int(name)
    try:
        return pwd.getpwnam(name).pw_uid if kind == "owner" else grp.getgrnam(name).gr_gid
    except KeyError:
        return None


def stored_key(path: str, data: bytes, fingerprints: Sequence[str]) -> bytes:
    """Return the content of a key file: the verified keys alone, written anew.

    apt reads *.gpg as binary; all else is armored, rpm's files too.
    """
    keyring = openpgp.verify(data, list(fingerprints))
    return keyring if path.endswith(".gpg") else openpgp.armor(keyring)


def _shown(data: bytes) -> str:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return f"(binary, {len(data)} bytes)\n"
    return text


def _kept_key(wish: FileWish, state: FileState) -> bytes | None:
    """What a key file has to be by the keys that it holds; None where it has to be fetched."""
    try:
        return stored_key(wish.path, state.content, wish.fingerprints) if state.kind == "file" else None
    except MachineError:
        # another key, or more than keys
        return None


def read_record(path: str) -> dict[str, Any]:
    """What was put into a file before, empty where that is not known."""
    state = read_file(records.path_of(path))
    return records.parse(state.content) if state.kind == "file" else {}


def _document(wish: FileWish, state: FileState) -> tuple[dict[str, Any], dict[str, Any]]:
    """A document that others write too: as it is, and as it has to be."""
    current = records.load(state.content)
    wanted = wish.document or {}
    given = read_record(wish.path).get("document", {})
    return current, records.merged(records.without(current, given, wanted), wanted)


def _new_content(wish: FileWish, state: FileState) -> tuple[bytes | None, bool]:
    """The content to write (None: stays) and whether it has to be fetched."""
    if wish.sha256:
        return None, state.kind != "file" or read_record(wish.path).get("sha256") != wish.sha256
    if wish.document is not None:
        current, document = _document(wish, state)
        return (None if state.kind == "file" and document == current else records.dump(document)), False
    if wish.url is not None:
        found = _kept_key(wish, state)
        if found is None:
            return None, True
        content = found
    elif wish.block is not None:
        try:
            text = state.content.decode("utf-8")
        except UnicodeDecodeError:
            raise MachineError("it is not UTF-8 text, so no block can be put into it") from None
        content = replace_block(text, wish.block_name, wish.block).encode("utf-8")
        if state.kind == "absent" and not content:
            return None, False
    else:
        content = wish.content or b""
        if wish.fingerprints:
            content = stored_key(wish.path, content, wish.fingerprints)
    if state.kind == "file" and content == state.content:
        return None, False
    return content, False


def _content_change(wish: FileWish, state: FileState, content: bytes | None) -> Change:
    exists = state.kind == "file"
    summary = "file {} {}".format(wish.path, "changed" if exists else "created")
    if wish.sha256:
        what = f"{wish.member} of {wish.url}" if wish.member else wish.url
        before = f"(SHA-256 {read_record(wish.path).get('sha256', 'not known')})\n" if exists else ""
        return Change(summary, wish.path, before, f"{what} (SHA-256 {wish.sha256})\n")
    if content is None:
        after = "OpenPGP keys {} from {}\n".format(", ".join(wish.fingerprints), wish.url)
        return Change(summary, wish.path, _shown(state.content) if exists else "", after)
    if wish.sensitive:
        return Change(summary, wish.path, _HIDDEN if exists else "", "(new content, sensitive: not shown)\n")
    return Change(summary, wish.path, _shown(state.content) if exists else "", _shown(content))


def _attribute_changes(wish: FileWish, state: FileState, mode: int, uid: int, gid: int) -> list[Change]:
    if state.kind not in ("file", "directory"):
        return []
    found = [("mode", f"{state.mode:04o}", f"{mode:04o}")]
    found.append(("owner", str(state.uid), str(uid) if uid >= 0 else str(wish.owner)))
    found.append(("group", str(state.gid), str(gid) if gid >= 0 else str(wish.group)))
    return [
        line_change(
            f"{state.kind} {wish.path} {name} {before} -> {after}",
            wish.path,
            f"{name}: {before}",
            f"{name}: {after}",
        )
        for name, before, after in found
        if before != after
    ]


def _plan_absent(wish: FileWish, state: FileState) -> FileStep | None:
    if state.kind == "absent":
        return None
    if state.kind == "directory":
        raise MachineError("it is a directory; only files are removed")
    before = _HIDDEN if wish.sensitive else _shown(state.content)
    change = Change(f"file {wish.path} removed", wish.path, before, "")
    return FileStep(wish, state, None, False, 0, 0, 0, (change,))


def plan_file(wish: FileWish, state: FileState, ids: tuple[int, int]) -> FileStep | None:
    """What has to change at a path, None where it is in order. ``ids``: wanted owner and group, -1 where unknown."""
    if wish.document is not None and state.kind in ("file", "absent") and not _document(wish, state)[1]:
        # nothing of anybody is left in it
        wish = replace(wish, state="absent")
    if wish.state == "absent":
        return _plan_absent(wish, state)
    directory = wish.state == "directory"
    expected = "directory" if directory else "file"
    if state.kind not in (expected, "absent", "link"):
        raise MachineError(f"it is a {state.kind}, expected a {expected}; move it away")
    exists = state.kind == expected
    mode = wish.mode if wish.mode is not None else state.mode if exists else 0o755 if directory else 0o644
    uid = ids[0] if wish.owner is not None else state.uid if exists else 0
    gid = ids[1] if wish.group is not None else state.gid if exists else 0
    changes: list[Change] = []
    content, fetch = (None, False) if directory else _new_content(wish, state)
    if directory and not exists:
        changes.append(line_change(f"directory {wish.path} created", wish.path, "", f"directory, mode {mode:04o}"))
    if content is not None or fetch:
        changes.append(_content_change(wish, state, content))
    changes += _attribute_changes(wish, state, mode, uid, gid)
    if not changes:
        return None
    return FileStep(wish, state, content, fetch, mode, uid, gid, tuple(changes))


def record_of(wish: FileWish) -> list[FileWish]:
    """The record that goes with a file. It is written after it: a run that is killed in between does it again."""
    if wish.document:
        record: dict[str, Any] = {"document": wish.document}
    elif wish.sha256 and wish.state == "file":
        record = {"sha256": wish.sha256}
    elif wish.document is not None or (wish.state == "absent" and read_record(wish.path)):
        return [FileWish(records.path_of(wish.path), "absent")]
    else:
        return []
    content = records.dump(record)
    return [FileWish(records.path_of(wish.path), content=content, mode=0o600, sensitive=wish.sensitive)]


def plan_files(wishes: Sequence[FileWish], check: bool) -> list[FileStep]:
    """Reads every path and plans it; all problems at once."""
    steps: list[FileStep] = []
    problems: list[str] = []
    for wish in [each for given in wishes for each in (given, *record_of(given))]:
        ids = []
        for kind, name in (("owner", wish.owner), ("group", wish.group)):
            found = 0 if name is None else _lookup(name, kind)
            # in check mode a package that is yet to be installed may bring the account
            if found is None and not check:
                problems.append(f"{wish.path}: its {kind} {name!r} does not exist on this machine")
            ids.append(-1 if found is None else found)
        try:
            state = read_directory(wish) if wish.within else read_file(wish.path, contents=not wish.sha256)
            step = plan_file(wish, state, (ids[0], ids[1]))
        except MachineError as exc:
            problems.append(f"{wish.path}: {exc}")
            continue
        if step is not None:
            steps.append(step)
    refuse(problems)
    return steps


def fetch_url(url: str, ca: str = "") -> bytes:
    """Downloads a file; proxies come from the environment. With `ca`, these certificates alone are trusted."""
    # only a machine that has to fetch pays for these imports
    import http.client  # noqa: PLC0415
    import tempfile  # noqa: PLC0415
    import time  # noqa: PLC0415

    from ansible.module_utils.urls import open_url  # noqa: PLC0415

    problem: Exception | None = None
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as trusted:
        trusted.write(ca)
        trusted.flush()
        for attempt in range(3):
            if attempt:
                time.sleep(2 * attempt)
            try:
                with open_url(url, timeout=30, ca_path=trusted.name if ca else None) as answer:
                    data: bytes = answer.read(_DOWNLOAD_LIMIT + 1)
            except (OSError, http.client.HTTPException) as exc:
                problem = exc
                continue
            if len(data) > _DOWNLOAD_LIMIT:
                raise MachineError(f"{url} is larger than {_DOWNLOAD_LIMIT >> 20} MiB")
            return data
    raise MachineError(f"{url} can't be fetched: {problem}; check the address and the proxy settings")


def changed_paths(steps: Sequence[FileStep]) -> dict[str, bool]:
    """Every name of the files whose content changes."""
    names: dict[str, bool] = {}
    for step in steps:
        if step.content_changes:
            names[step.wish.path] = names[step.state.target] = True
    return names
