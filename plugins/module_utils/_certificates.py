# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads what a node's certificates and kubeconfigs say, with the standard library alone.

X.509 in as far as it takes to find validity, subject and public key (RFC 5280, section 4.1), and of
a kubeconfig the few lines that kubeadm writes into it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)

_SEQUENCE = 0x30
_SET = 0x31
_UTC_TIME = 0x17
_GENERALIZED_TIME = 0x18
_OBJECT_IDENTIFIER = 0x06
_EXPLICIT_VERSION = 0xA0
_ENCODINGS = {0x0C: "utf-8", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1E: "utf-16-be"}
# 2.5.4.3 and 2.5.4.10
_COMMON_NAME = bytes.fromhex("550403")
_ORGANIZATION = bytes.fromhex("55040a")


class CertificateError(ValueError):
    """Not a certificate, or not one that can be read."""


@dataclass(frozen=True)
class Certificate:
    """``not_after`` is RFC 3339 in UTC, ``public_key_hash`` kubeadm's discovery-token-ca-cert-hash."""

    not_after: str
    common_name: str | None
    organizations: tuple[str, ...]
    public_key_hash: str


@dataclass(frozen=True)
class Kubeconfig:
    """What a kubeconfig of one cluster and one user says; the certificates as PEM."""

    server: str | None
    user: str | None
    certificate_authority: str | None
    client_certificate: str | None
    client_certificate_path: str | None

    @property
    def node_name(self) -> str | None:
        """The node that a kubelet's kubeconfig is for: kubelets are users of the name system:node:NAME."""
        names = [self.user]
        if self.client_certificate:
            try:
                names.insert(0, read_certificate(self.client_certificate).common_name)
            except CertificateError:
                # Torn by a power cut: that the node can't be told is all that this question needs to know.
                return None
        for name in names:
            if name and name.startswith("system:node:"):
                return name[len("system:node:") :]
        return None


def read_certificates(pem: str) -> tuple[Certificate, ...]:
    """Read all certificates of a PEM text, which may hold a chain, a bundle or a key besides."""
    bodies = _PEM.findall(pem)
    if not bodies:
        raise CertificateError("expected a PEM certificate, found none")
    return tuple(_read_der(_decode(body)) for body in bodies)


def read_certificate(pem: str) -> Certificate:
    """Read the first certificate of a PEM text: in a chain the one that it is about."""
    return read_certificates(pem)[0]


def not_after(pem: str) -> str:
    """The end of validity of the first certificate, such as 2027-11-22T10:00:00Z."""
    return read_certificate(pem).not_after


def ca_cert_hash(pem: str) -> str:
    """The hash of a CA's public key as ``kubeadm join --discovery-token-ca-cert-hash`` takes it.

    https://kubernetes.io/docs/reference/setup-tools/kubeadm/kubeadm-join/#token-based-discovery-with-ca-pinning
    """
    return read_certificate(pem).public_key_hash


def read_kubeconfig(path: Path) -> Kubeconfig:
    """Read a kubeconfig as kubeadm and kubelet write it: block style, one value a line, one cluster and user.

    A kubelet's points to a file that kubelet renews; where that is gone there is no client certificate.
    """
    values: dict[str, str] = {}
    for match in re.finditer(r"^[ \t]*(?:- )?([a-z-]+):[ \t]+(\S.*?)[ \t]*$", read_text(path), re.MULTILINE):
        values.setdefault(match.group(1), match.group(2).strip("\"'"))
    try:
        authority = _decode_text(values.get("certificate-authority-data"))
        client_certificate = _decode_text(values.get("client-certificate-data"))
    except CertificateError as error:
        raise CertificateError(f"{path}: {error}") from error
    certificate_path = values.get("client-certificate")
    if certificate_path and client_certificate is None:
        try:
            client_certificate = Path(certificate_path).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            client_certificate = None
    return Kubeconfig(
        server=values.get("server"),
        user=values.get("user"),
        certificate_authority=authority,
        client_certificate=client_certificate,
        client_certificate_path=certificate_path,
    )


def read_text(path: Path) -> str:
    """Read a file of certificates or a kubeconfig; after a power cut it may hold anything."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise CertificateError(f"{path}: expected text, found bytes that are none") from None


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error as error:
        raise CertificateError(f"expected a certificate in base64: {error}") from error


def _decode_text(text: str | None) -> str | None:
    return None if text is None else _decode(text).decode("utf-8", "replace")


def _element(data: bytes, position: int, tag: int | None = None) -> tuple[bytes, bytes, int]:
    """One DER element: its content, all of it with its header, and where the next one starts."""
    try:
        length = data[position + 1]
        start = position + 2
        if length & 0x80:
            size = length & 0x7F
            length = int.from_bytes(data[start : start + size], "big")
            start += size
        end = start + length
        if end > len(data):
            raise IndexError
        found = data[position]
    except IndexError:
        raise CertificateError("expected a certificate, found one that is cut off") from None
    if tag is not None and found != tag:
        raise CertificateError(f"expected a certificate, found element 0x{found:02x} instead of 0x{tag:02x}")
    return data[start:end], data[position:end], end


def _elements(data: bytes) -> list[tuple[int, bytes]]:
    """Tags and contents of all elements in a row."""
    found = []
    position = 0
    while position < len(data):
        content, whole, position = _element(data, position)
        found.append((whole[0], content))
    return found


def _read_der(data: bytes) -> Certificate:
    certificate = _element(data, 0, _SEQUENCE)[0]
    body = _element(certificate, 0, _SEQUENCE)[0]
    position = 0
    if body[:1] == bytes([_EXPLICIT_VERSION]):
        position = _element(body, 0)[2]
    # Serial number, signature algorithm and issuer are of no interest here.
    for _skipped in range(3):
        position = _element(body, position)[2]
    validity, _whole, position = _element(body, position, _SEQUENCE)
    subject, _whole, position = _element(body, position, _SEQUENCE)
    public_key = _element(body, position, _SEQUENCE)[1]
    times = _elements(validity)
    if len(times) != 2:
        raise CertificateError(f"expected a certificate, found a validity of {len(times)} times")
    names = _names(subject)
    common_names = [value for kind, value in names if kind == _COMMON_NAME]
    return Certificate(
        not_after=_time(*times[1]),
        common_name=common_names[0] if common_names else None,
        organizations=tuple(value for kind, value in names if kind == _ORGANIZATION),
        public_key_hash=f"sha256:{hashlib.sha256(public_key).hexdigest()}",
    )


def _names(subject: bytes) -> list[tuple[bytes, str]]:
    """Type and value of every part of a distinguished name."""
    names = []
    for tag, parts in _elements(subject):
        if tag != _SET:
            raise CertificateError(f"expected a certificate, found element 0x{tag:02x} in its subject")
        for _tag, part in _elements(parts):
            kind, _whole, position = _element(part, 0, _OBJECT_IDENTIFIER)
            value, whole, _end = _element(part, position)
            names.append((kind, value.decode(_ENCODINGS.get(whole[0], "utf-8"), "replace")))
    return names


def _time(tag: int, content: bytes) -> str:
    text = content.decode("ascii", "replace")
    if tag == _UTC_TIME:
        # RFC 5280: two digits below 50 are of this century.
        text = ("20" if text[:2] < "50" else "19") + text
    elif tag != _GENERALIZED_TIME:
        raise CertificateError(f"expected a certificate, found element 0x{tag:02x} as a time")
    try:
        moment = datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=timezone.utc)
    except ValueError as error:
        raise CertificateError(f"expected a certificate, found the time {text!r}") from error
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
