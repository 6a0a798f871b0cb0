# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads which primary keys an OpenPGP keyring holds (RFC 4880 and RFC 9580), so that a repository's key is verified
on a machine that has no gpg."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator

from .base import MachineError

_ARMOR = re.compile(
    r"^-----BEGIN PGP PUBLIC KEY BLOCK-----[ \t]*\n(.*?)^-----END PGP PUBLIC KEY BLOCK-----[ \t]*$",
    re.DOTALL | re.MULTILINE,
)
_PUBLIC_KEY = 6
_SECRET_KEYS = (5, 7)


def _crc24(data: bytes) -> int:
    crc = 0xB704CE
    for byte in data:
        crc ^= byte << 16
        for _unused in range(8):
            crc <<= 1
            if crc & 0x1000000:
                crc ^= 0x1864CFB
    return crc


def _dearmor_block(block: str) -> bytes:
    lines = [line.strip() for line in block.split("\n")]
    if "" in lines[:-1]:
        # armor headers ("Version: ...") end with an empty line
        lines = lines[lines.index("") + 1 :]
    checksum = [line[1:] for line in lines if re.match(r"^=[A-Za-z0-9+/]{4}$", line)]
    body = "".join(line for line in lines if not re.match(r"^=[A-Za-z0-9+/]{4}$", line))
    try:
        data = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise MachineError(f"the armored OpenPGP block is not valid base64 ({exc})") from exc
    if checksum and int.from_bytes(base64.b64decode(checksum[0]), "big") != _crc24(data):
        raise MachineError("the checksum of the armored OpenPGP block does not match its content: the file is damaged")
    return data


def dearmor(data: bytes) -> bytes:
    """The binary keyring of a file that is armored (one block or several) or binary already."""
    if data[:1] and data[0] & 0x80:
        return data
    try:
        text = data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError:
        text = ""
    blocks = _ARMOR.findall(text)
    if not blocks:
        shown = data[:40].decode("ascii", "replace").split("\n")[0]
        raise MachineError(f"there is no OpenPGP public key in it (it begins with {shown!r})")
    return b"".join(_dearmor_block(block) for block in blocks)


def armor(data: bytes) -> bytes:
    """The armored form of a keyring; what is armored already stays as it is."""
    if not (data[:1] and data[0] & 0x80):
        return data
    body = base64.b64encode(data).decode("ascii")
    lines = ["-----BEGIN PGP PUBLIC KEY BLOCK-----", ""]
    lines += [body[start : start + 64] for start in range(0, len(body), 64)]
    lines.append("=" + base64.b64encode(_crc24(data).to_bytes(3, "big")).decode("ascii"))
    lines += ["-----END PGP PUBLIC KEY BLOCK-----", ""]
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


def fingerprints(data: bytes) -> list[str]:
    """Fingerprints of the primary keys, in the order of the file, upper case without spaces."""
    found = []
    for tag, body in packets(dearmor(data)):
        if tag in _SECRET_KEYS:
            raise MachineError("it holds a secret key; export the public one (gpg --export)")
        if tag != _PUBLIC_KEY:
            continue
        version = body[0] if body else 0
        if version != 4:
            raise MachineError(f"it holds a key of OpenPGP version {version}; only version 4 can be verified")
        # RFC 9580, section 5.5.4.2
        digest = hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body, usedforsecurity=False)
        found.append(digest.hexdigest().upper())
    if not found:
        raise MachineError("there is no OpenPGP public key in it")
    return found


def normalize(fingerprint: str) -> str:
    """A fingerprint as people write it, without spaces, colons and ``0x``, upper case."""
    text = re.sub(r"[\s:]", "", fingerprint).upper()
    return text[2:] if text.startswith("0X") else text


def verify(data: bytes, expected: list[str]) -> None:
    """Every primary key of the file must be expected, and there must be one."""
    wanted = [normalize(item) for item in expected]
    found = fingerprints(data)
    if any(item not in wanted for item in found):
        raise MachineError("it holds the keys {}, expected only {}".format(", ".join(found), ", ".join(wanted)))
