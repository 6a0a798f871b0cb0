# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parse what kubeadm prints with ``-o json``: tokens and images."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.kubestead.cluster.plugins.module_utils._redact import ParseError

_TOKEN = re.compile(r"[a-z0-9]{6}\.[a-z0-9]{16}")


@dataclass(frozen=True)
class BootstrapToken:
    """One token of ``kubeadm token list``; ``expires`` is RFC 3339 or None for a token that never expires."""

    token: str = field(repr=False)
    token_id: str
    expires: str | None
    usages: tuple[str, ...]
    groups: tuple[str, ...]
    description: str


def _json_documents(text: str, kind: str) -> list[dict[str, Any]]:
    """All JSON objects of a stream; lines before the first one are kubeadm's talk about its configuration."""
    start = re.search(r"^\{", text, re.MULTILINE)
    if start is None:
        raise ParseError(f"JSON of {kind}", text)
    documents: list[dict[str, Any]] = []
    decoder = json.JSONDecoder()
    position = start.start()
    while position < len(text):
        try:
            document, position = decoder.raw_decode(text, position)
        except ValueError as error:
            raise ParseError(f"JSON of {kind} ({error})", text) from error
        if not isinstance(document, dict):
            raise ParseError(f"a JSON object of {kind}", text)
        documents.append(document)
        while position < len(text) and text[position].isspace():
            position += 1
    return documents


def _json_document(text: str, kind: str) -> dict[str, Any]:
    documents = _json_documents(text, kind)
    if len(documents) != 1:
        raise ParseError(f"one JSON object of {kind}, not {len(documents)}", text)
    return documents[0]


def _text(document: dict[str, Any], key: str, kind: str, text: str) -> str:
    value = document.get(key)
    if not isinstance(value, str):
        raise ParseError(f"a text '{key}' in JSON of {kind}", text)
    return value


def _texts(document: dict[str, Any], key: str, kind: str, text: str) -> tuple[str, ...]:
    values = document.get(key) or []
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ParseError(f"a list of texts '{key}' in JSON of {kind}", text)
    return tuple(values)


def parse_token_list(text: str) -> tuple[BootstrapToken, ...]:
    """``kubeadm token list -o json``: one object per token, and nothing at all without tokens."""
    if not text.strip():
        return ()
    kind = "kubeadm token list"
    tokens = []
    for document in _json_documents(text, kind):
        token = _text(document, "token", kind, text)
        if not _TOKEN.fullmatch(token):
            raise ParseError("tokens of the form ID.SECRET", text)
        tokens.append(
            BootstrapToken(
                token=token,
                token_id=token.partition(".")[0],
                expires=_text(document, "expires", kind, text) if document.get("expires") else None,
                usages=_texts(document, "usages", kind, text),
                groups=_texts(document, "groups", kind, text),
                description=_text(document, "description", kind, text) if document.get("description") else "",
            )
        )
    return tuple(tokens)


def parse_images(text: str) -> tuple[str, ...]:
    """``kubeadm config images list -o json``."""
    images = _texts(_json_document(text, "kubeadm config images list"), "images", "kubeadm config images list", text)
    if not images:
        raise ParseError("at least one image", text)
    return images
