# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was put into files that don't tell it themselves: keys of a document that others write too, and downloads.

A record stands in a folder of the collection under the path of its file. The next run knows by it which keys it gave
before and gives no longer, and of which archive a program is; and a reset knows what is the collection's own.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from typing import Any

from .base import MachineError

FOLDER = "/var/lib/kubestead/records"


def path_of(path: str) -> str:
    """Where the record of a file is."""
    return FOLDER + path


def parse(content: bytes) -> dict[str, Any]:
    """A record; one that can't be read says nothing."""
    try:
        record = json.loads(content)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def dump(document: Mapping[str, Any]) -> bytes:
    """A document as text, in its own order."""
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode("utf-8")


def load(content: bytes) -> dict[str, Any]:
    """A JSON document of others."""
    if not content.strip():
        return {}
    try:
        document = json.loads(content)
    except ValueError as exc:
        raise MachineError(f"it is no JSON document ({exc}), so no keys can be put into it; put it right") from None
    if not isinstance(document, dict):
        raise MachineError(f"it holds a JSON {type(document).__name__}, expected an object with keys; put it right")
    return document


def without(document: Mapping[str, Any], given: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The document without what was given before and is not wanted any more."""
    kept: dict[str, Any] = {}
    for key, value in document.items():
        if key not in given:
            kept[key] = value
        elif isinstance(value, Mapping) and isinstance(given[key], Mapping):
            also_wanted = wanted.get(key)
            rest = without(value, given[key], also_wanted if isinstance(also_wanted, Mapping) else {})
            if rest or key in wanted:
                kept[key] = rest
        elif key in wanted:
            kept[key] = value
    return kept


def merged(document: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The document with everything wanted: objects are merged deeply, all else is replaced."""
    result = dict(document)
    for key, value in wanted.items():
        own = result.get(key)
        result[key] = merged(own, value) if isinstance(own, Mapping) and isinstance(value, Mapping) else value
    return result


def verified(data: bytes, sha256: str, member: str) -> bytes:
    """A download that is what was expected; of an archive, the one file that is wanted."""
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise MachineError(f"its SHA-256 is {found}, expected {sha256}: it was damaged on the way, or is not that file")
    if not member:
        return data
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:*") as archive:
            stream = archive.extractfile(member)
            content = stream.read() if stream is not None else None
    except (tarfile.TarError, KeyError, EOFError, OSError) as exc:
        raise MachineError(f"{member} can't be taken out of it: {exc}") from None
    if content is None:
        raise MachineError(f"{member} is no file in it")
    return content
