# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bundle: a folder with all that a site without a network needs, its list and its checksums.

``bundle.json`` says of every file what it is and where it came from; ``SHA256SUMS``, as ``sha256sum --check`` reads it,
is written last, so that what a killed run leaves behind is never taken for a bundle. Its signature
(plugin_utils/bundle_signature.py) vouches for all of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

FORMAT = 1
LIST = "bundle.json"
SUMS = "SHA256SUMS"
SIGNATURE = f"{SUMS}.sig"
_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")


class BundleError(Exception):
    """Why a bundle can't be made or used; each line is one reason."""


@dataclass(frozen=True)
class Item:
    """One file: where it lies in the bundle, what it must be, where it comes from, and what it is."""

    path: str
    sha256: str
    size: int
    source: str
    name: str
    version: str


def run(
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    data: bytes = b"",
) -> str:
    """Run a program of this machine with this standard input; a failure tells the end of what it said."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "LC_ALL": "C", **(environment or {})},
            input=data,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        raise BundleError(f"{command[0]} is not installed on this machine") from None
    # Nothing is lost: a manifest's digest is that of its bytes.
    output, errors = (data.decode(errors="surrogateescape") for data in (done.stdout, done.stderr))
    if done.returncode:
        said = " | ".join((errors.strip() or output.strip()).splitlines()[-5:])
        raise BundleError(f"`{shlex.join(command)}` ended with {done.returncode}: {said}")
    return output


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, '' where there is none."""
    try:
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return ""


def holds(path: Path, data: bytes) -> bool:
    """Whether a file is there with this content."""
    return digest(path) == hashlib.sha256(data).hexdigest()


def of_bytes(path: str, data: bytes, source: str, name: str, version: str) -> Item:
    """Return the item of a file whose content is known."""
    return Item(path, hashlib.sha256(data).hexdigest(), len(data), source, name, version)


def write(path: Path, data: bytes) -> None:
    """Replace a file at once: who reads it meanwhile sees the old or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as handle:
        handle.write(data)
    temporary = Path(handle.name)
    temporary.chmod(0o644)
    temporary.replace(path)


def place(source: Path, bundle: Path, item: Item) -> None:
    """Move a file that was fetched to where it belongs, if it is what it has to be."""
    actual = digest(source)
    if actual != item.sha256:
        raise BundleError(f"{item.source}: its SHA-256 is {actual or 'none'}, expected {item.sha256}")
    target = bundle / item.path
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}")
    shutil.move(source, temporary)
    temporary.chmod(0o644)
    temporary.replace(target)


def told(source: str) -> str:
    """Return a URL as the list may tell it, which anyone at the site reads: without a password or a signed query."""
    found = urlsplit(source)
    return urlunsplit((found.scheme, found.netloc.rpartition("@")[2], found.path, "", "")) if found.netloc else source


def document(items: Iterable[Item], facts: Mapping[str, Any]) -> bytes:
    """Return bundle.json. The same content gives the same text, whenever it was collected."""
    listed = [asdict(item) | {"source": told(item.source)} for item in sorted(items, key=lambda item: item.path)]
    return f"{json.dumps({'format': FORMAT, **facts, 'files': listed}, indent=1, ensure_ascii=False)}\n".encode()


def checksums(items: Iterable[Item], listing: bytes) -> bytes:
    """Return SHA256SUMS: of every file and of the list."""
    sums = {item.path: item.sha256 for item in items} | {LIST: hashlib.sha256(listing).hexdigest()}
    return "".join(f"{sums[path]}  {path}\n" for path in sorted(sums)).encode()


def parse_checksums(text: str) -> dict[str, str]:
    """Return path -> SHA-256 of SHA256SUMS."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        match = _LINE.fullmatch(line)
        path = match.group(2) if match else ""
        if match is None or path.startswith("/") or ".." in path.split("/"):
            raise BundleError(f"{SUMS}: line {number} is {line[:80]!r}, expected a checksum and a path in the bundle")
        found[path] = match.group(1)
    return found


def damage(folder: Path, sums: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the files, each by its name."""
    found = []
    for path, expected in sums.items():
        actual = digest(folder / path)
        if not actual:
            found.append(f"{path}: missing")
        elif actual != expected:
            found.append(f"{path}: its SHA-256 is {actual}, expected {expected}")
    return found


def verified(folder: Path, text: str) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the checksums and the list of a bundle that is what the text of its SHA256SUMS says.

    Anything else is an error that names the files.
    """
    sums = parse_checksums(text)
    found = damage(folder, sums)
    listing: dict[str, Any] = {}
    if LIST not in sums:
        found.append(f"{LIST}: not among the checksums")
    elif not any(line.startswith(f"{LIST}: ") for line in found):
        listing = json.loads((folder / LIST).read_text())
        if listing.get("format") != FORMAT:
            raise BundleError(f"{LIST}: its format is {listing.get('format')!r}, expected {FORMAT}")
        listed = {item["path"]: item["sha256"] for item in listing["files"]}
        found += [f"{path}: listed in {LIST}, not among the checksums" for path in sorted(set(listed) - set(sums))]
    if found:
        raise BundleError("\n".join(found))
    return sums, listing
