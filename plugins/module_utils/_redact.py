# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hide secrets in any text before it gets into an error, a diff or a result."""

from __future__ import annotations

import re

HIDDEN = "<hidden>"

_PRIVATE_KEY = re.compile(
    r"(-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----).*?(-----END (?:[A-Z0-9]+ )*PRIVATE KEY-----|\Z)", re.DOTALL
)
# The id names the token in `kubeadm token list` and `delete`; only the second half is secret.
_TOKEN = re.compile(r"(?<![a-zA-Z0-9])([a-z0-9]{6})\.[a-z0-9]{16}(?![a-zA-Z0-9])")
# sha256:... is the public hash of a CA's key or of an image, needed to understand an error.
_CERTIFICATE_KEY = re.compile(r"(?<!sha256:)(?<![0-9a-fA-F])[0-9a-fA-F]{64}(?![0-9a-fA-F])")
# Secrets of any shape after a name that says so: flags, documents, kubeconfigs, Secrets in a dry run.
_NAMED_SECRET = re.compile(
    r"(--certificate-key[= ]\s*|\b(?:certificateKey|client-key-data|token-secret|tlsBootstrapToken)[\"']?:\s*[\"']?)"
    r"(?!<)[^\s\"',]+"
)
# An argument or environment variable of a document, as JSON has it.
_NAMED_VALUE = re.compile(r'("name": "[^"]*(?:secret|passw)[^"]*",\s*"value": ")[^"]+', re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(://[^/\s:@\"']*:)[^/\s@\"']+(?=@)")


def redact(text: str) -> str:
    """Hide bootstrap token secrets, certificate keys, private keys and passwords that are known as such in text."""
    text = _PRIVATE_KEY.sub(rf"\1{HIDDEN}\2", text)
    for named in (_NAMED_SECRET, _NAMED_VALUE, _URL_PASSWORD):
        text = named.sub(rf"\1{HIDDEN}", text)
    text = _TOKEN.sub(rf"\1.{HIDDEN}", text)
    return _CERTIFICATE_KEY.sub(HIDDEN, text)


def excerpt(text: str, lines: int = 5, characters: int = 600) -> str:
    """The last lines of a text, redacted: what fits into an error message."""
    kept = [line.rstrip() for line in redact(text).splitlines() if line.strip()][-lines:]
    joined = "\n".join(kept)
    return joined if len(joined) <= characters else "..." + joined[-characters:]


class ParseError(ValueError):
    """A program printed something else than expected; carries no secret."""

    def __init__(self, expected: str, text: str) -> None:
        self.expected = expected
        self.excerpt = excerpt(text)
        super().__init__(
            f"expected {expected}, found: {self.excerpt}" if self.excerpt else f"expected {expected}, found no output"
        )
