# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Verifies OpenPGP keyrings (RFC 4880 and RFC 9580) by their fingerprints, on machines that have no gpg.

Readers of such files differ: apt takes every armored block, whatever its name, and gpg skips unknown packets. So a file
is never installed as it is. It is taken apart here, and what is installed is written anew from the verified packets.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator

from .base import MachineError

_BEGIN = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
_END = "-----END PGP PUBLIC KEY BLOCK-----"
_ARMOR_LINE = re.compile(r"-----\s*(BEGIN|END)\b", re.IGNORECASE)
_ARMOR_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]*:( .*)?")
_CHECKSUM = re.compile(r"=([A-Za-z0-9+/]{4})")
_PUBLIC_KEY = 6
_SECRET_KEYS = (5, 7)
# A transferable public key (RFC 9580, section 10.1): what follows its primary key are signatures, subkeys, user IDs and
# user attributes. None of them is under the fingerprint. gpgv, Sequoia (apt of Debian 13) and rpm accept a subkey only
# with a binding signature of the primary key; a user ID decides nothing.
_FOLLOWING = (2, 14, 13, 17)


def _crc24(data: bytes) -> int:
    crc = 0xB704CE
    for byte in data:
        crc ^= byte << 16
        for _unused in range(8):
            crc <<= 1
            if crc & 0x1000000:
                crc ^= 0x1864CFB
    return crc


def _dearmor_block(lines: list[str]) -> bytes:
    if "" in lines[:-1]:
        # armor headers ("Version: ...") end with an empty line
        headers, lines = lines[: lines.index("")], lines[lines.index("") + 1 :]
        for line in headers:
            if not _ARMOR_HEADER.fullmatch(line):
                raise MachineError(f"the armored OpenPGP block has {line[:40]!r} where only headers may stand")
    while lines and not lines[-1]:
        lines = lines[:-1]
    checksum = _CHECKSUM.fullmatch(lines[-1]) if lines else None
    try:
        data = base64.b64decode("".join(lines[:-1] if checksum else lines), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise MachineError(f"the armored OpenPGP block is not valid base64 ({exc})") from exc
    if checksum and int.from_bytes(base64.b64decode(checksum.group(1)), "big") != _crc24(data):
        raise MachineError("the checksum of the armored OpenPGP block does not match its content: the file is damaged")
    return data


def _blocks(text: str) -> Iterator[list[str]]:
    """Lines of each armored public key block; text around the blocks is skipped, other armor is refused."""
    block: list[str] | None = None
    for number, full in enumerate(text.split("\n"), 1):
        line = full.rstrip()
        if block is None and line == _BEGIN:
            block = []
        elif block is not None and line == _END:
            yield block
            block = None
        elif _ARMOR_LINE.search(line):
            raise MachineError(
                f"line {number} is {line[:60]!r}; expected OpenPGP public key blocks alone, each between the lines "
                f"{_BEGIN!r} and {_END!r}"
            )
        elif block is not None:
            block.append(line.strip())
    if block is not None:
        raise MachineError("the armored OpenPGP block has no end: the file is damaged")


def dearmor(data: bytes) -> bytes:
    """The binary keyring of a file that is armored (one block or several) or binary already."""
    if data[:1] and data[0] & 0x80:
        return data
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    blocks = [_dearmor_block(lines) for lines in _blocks(text)]
    if not blocks:
        shown = data[:40].decode("ascii", "replace").split("\n")[0]
        raise MachineError(f"there is no OpenPGP public key in it (it begins with {shown!r})")
    return b"".join(blocks)


def armor(data: bytes) -> bytes:
    """The armored form of a binary keyring, one block."""
    body = base64.b64encode(data).decode("ascii")
    lines = [_BEGIN, ""]
    lines += [body[start : start + 64] for start in range(0, len(body), 64)]
    lines.append("=" + base64.b64encode(_crc24(data).to_bytes(3, "big")).decode("ascii"))
    lines += [_END, ""]
    return "\n".join(lines).encode("ascii")


def _take(data: bytes, position: int, count: int) -> bytes:
    taken = data[position : position + count]
    if len(taken) != count:
        raise MachineError("the OpenPGP data ends in the middle of a packet: the file is damaged")
    return taken


def packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and body of every packet (RFC 9580, section 4.2: both header formats)."""
    position = 0
    while position < len(data):
        header = data[position]
        position += 1
        if not header & 0x80:
            raise MachineError(f"byte {position - 1} is no OpenPGP packet header: the file is damaged")
        if header & 0x40:
            tag = header & 0x3F
            first = _take(data, position, 1)[0]
            position += 1
            if first < 192:
                length = first
            elif first < 224:
                length = ((first - 192) << 8) + _take(data, position, 1)[0] + 192
                position += 1
            elif first == 255:
                length = int.from_bytes(_take(data, position, 4), "big")
                position += 4
            else:
                raise MachineError("an OpenPGP packet of partial length, which keys do not have")
        else:
            tag = (header >> 2) & 0x0F
            width = (1, 2, 4, 0)[header & 0x03]
            if width == 0:
                raise MachineError("an OpenPGP packet of indeterminate length, which keys do not have")
            length = int.from_bytes(_take(data, position, width), "big")
            position += width
        yield tag, _take(data, position, length)
        position += length


def _encoded(tag: int, body: bytes) -> bytes:
    """A packet with the header that gpg writes: the old format where it has the tag, and the shortest length."""
    size = len(body)
    if tag < 16:
        width = 0 if size < 1 << 8 else 1 if size < 1 << 16 else 2
        return bytes([0x80 | tag << 2 | width]) + size.to_bytes(1 << width, "big") + body
    if size < 192:
        length = bytes([size])
    elif size < 8384:
        length = bytes([((size - 192) >> 8) + 192, (size - 192) & 0xFF])
    else:
        length = b"\xff" + size.to_bytes(4, "big")
    return bytes([0xC0 | tag]) + length + body


def _fingerprint(body: bytes) -> str:
    version = body[0] if body else 0
    if version != 4:
        raise MachineError(f"it holds a key of OpenPGP version {version}; only version 4 can be verified")
    if len(body) > 0xFFFF:
        raise MachineError(f"it holds a key of {len(body)} bytes, which no key has: the file is damaged")
    # RFC 9580, section 5.5.4.2
    digest = hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body, usedforsecurity=False)
    return digest.hexdigest().upper()


def _read(data: bytes) -> tuple[list[str], bytes]:
    """Fingerprints of the primary keys, in the order of the file, and the keyring written anew."""
    found: list[str] = []
    written = b""
    for tag, body in packets(dearmor(data)):
        if tag in _SECRET_KEYS:
            raise MachineError("it holds a secret key; export the public one (gpg --export)")
        if tag == _PUBLIC_KEY:
            found.append(_fingerprint(body))
        elif tag not in _FOLLOWING:
            raise MachineError(
                f"it holds an OpenPGP packet of type {tag}, expected public keys with their user IDs, subkeys and "
                "signatures alone; export the keys anew (gpg --export)"
            )
        elif not found:
            raise MachineError(f"it begins with an OpenPGP packet of type {tag}, expected a primary key")
        written += _encoded(tag, body)
    if not found:
        raise MachineError("there is no OpenPGP public key in it")
    return found, written


def fingerprints(data: bytes) -> list[str]:
    """Fingerprints of the primary keys, in the order of the file, upper case without spaces."""
    return _read(data)[0]


def normalize(fingerprint: str) -> str:
    """A fingerprint as people write it, without spaces, colons and ``0x``, upper case."""
    text = re.sub(r"[\s:]", "", fingerprint).upper()
    return text[2:] if text.startswith("0X") else text


def verify(data: bytes, expected: list[str]) -> bytes:
    """Return the binary keyring of a file in which every primary key is expected. It is what may be installed.

    Raises MachineError for another primary key, no key at all, and whatever else is in the file.
    """
    wanted = [normalize(item) for item in expected]
    found, keyring = _read(data)
    if any(item not in wanted for item in found):
        raise MachineError("it holds the keys {}, expected only {}".format(", ".join(found), ", ".join(wanted)))
    return keyring
