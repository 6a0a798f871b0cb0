# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The OpenPGP reader against keyrings that GnuPG wrote, and against damaged ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.kubestead.cluster.plugins.module_utils._machine import openpgp
from ansible_collections.kubestead.cluster.plugins.module_utils._machine.base import MachineError

FIXTURES = Path(__file__).parents[3] / "fixtures" / "openpgp"
RSA = "B10A89BE13F439A0F3C720A632E1B638740BBD51"
ED25519 = "66440C03B4020EA9630468C17924A8E8BDCC25BB"


def keyring(name: str) -> bytes:
    return (FIXTURES / f"gnupg-2.2.40_{name}").read_bytes()


@pytest.mark.parametrize(
    ("name", "expected"),
    [("rsa.asc", [RSA]), ("rsa.gpg", [RSA]), ("ed25519.asc", [ED25519]), ("both.gpg", [RSA, ED25519])],
)
def test_fingerprints_are_gpgs(name: str, expected: list[str]) -> None:
    assert openpgp.fingerprints(keyring(name)) == expected


def test_armored_and_binary_are_each_other() -> None:
    assert openpgp.dearmor(keyring("rsa.asc")) == keyring("rsa.gpg")
    assert openpgp.armor(keyring("rsa.gpg")) == keyring("rsa.asc")
    assert openpgp.armor(keyring("rsa.asc")) == keyring("rsa.asc")


def test_several_blocks_headers_and_dos_line_ends() -> None:
    first = keyring("rsa.asc").replace(b"BLOCK-----\n\n", b"BLOCK-----\nVersion: GnuPG v2\nComment: x\n\n", 1)
    both = b"some text\n" + first + b"between\n" + keyring("ed25519.asc")
    assert openpgp.fingerprints(both.replace(b"\n", b"\r\n")) == [RSA, ED25519]


def test_armor_without_checksum_is_read() -> None:
    lines = [line for line in keyring("rsa.asc").split(b"\n") if not (line.startswith(b"=") and len(line) == 5)]
    assert openpgp.fingerprints(b"\n".join(lines)) == [RSA]


def test_damaged_armor() -> None:
    text = keyring("rsa.asc")
    middle = text.index(b"\n\n") + 30
    swapped = b"A" if text[middle : middle + 1] != b"A" else b"B"
    with pytest.raises(MachineError, match="checksum"):
        openpgp.fingerprints(text[:middle] + swapped + text[middle + 1 :])
    with pytest.raises(MachineError, match="not valid base64"):
        openpgp.fingerprints(text[:middle] + b"!" + text[middle + 1 :])


@pytest.mark.parametrize("data", [b"", b"<html>404</html>\nmore", b"\x7f\xff\xfe"])
def test_no_key_at_all(data: bytes) -> None:
    with pytest.raises(MachineError, match="no OpenPGP public key"):
        openpgp.fingerprints(data)


def packet(tag: int, body: bytes) -> bytes:
    """New format, one length octet."""
    return bytes([0xC0 | tag, len(body)]) + body


@pytest.mark.parametrize("version", [3, 5, 6])
def test_other_versions_are_refused(version: int) -> None:
    with pytest.raises(MachineError, match=f"version {version}; only version 4"):
        openpgp.fingerprints(packet(6, bytes([version]) + b"x" * 8))


@pytest.mark.parametrize("tag", [5, 7])
def test_secret_keys_are_refused(tag: int) -> None:
    with pytest.raises(MachineError, match="secret key"):
        openpgp.fingerprints(packet(tag, b"\x04secret"))


def test_a_user_id_alone_is_no_key() -> None:
    with pytest.raises(MachineError, match="no OpenPGP public key"):
        openpgp.fingerprints(packet(13, b"Somebody"))


@pytest.mark.parametrize(
    ("header", "length"),
    [
        (b"\xc6\x05", 5),
        (b"\xc6\xc0\x00", 192),
        (b"\xc6\xdf\xff", 8383),
        (b"\xc6\xff\x00\x00\x00\x07", 7),
        (b"\x98\x05", 5),
        (b"\x99\x01\x00", 256),
        (b"\x9a\x00\x00\x00\x09", 9),
    ],
)
def test_every_form_of_length(header: bytes, length: int) -> None:
    body = b"\x04" + b"k" * (length - 1)
    assert list(openpgp.packets(header + body + packet(13, b"id"))) == [(6, body), (13, b"id")]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xc6\x05abc", "middle of a packet"),
        (b"\xc6", "middle of a packet"),
        (b"\xc6\xff\x00", "middle of a packet"),
        (b"\xc6\xe1ab", "partial length"),
        (b"\x9bab", "indeterminate length"),
        (b"\xc6\x01\x04\x06", "byte 3 is no OpenPGP packet header"),
    ],
)
def test_damaged_packets(data: bytes, reason: str) -> None:
    with pytest.raises(MachineError, match=reason):
        list(openpgp.packets(data))


def test_verify_names_found_and_expected() -> None:
    spaced = " ".join(RSA.lower()[start : start + 4] for start in range(0, 40, 4))
    openpgp.verify(keyring("rsa.asc"), [spaced, ED25519])
    openpgp.verify(keyring("both.gpg"), ["0x" + RSA, ED25519])
    with pytest.raises(MachineError, match=f"holds the keys {RSA}, {ED25519}, expected only {RSA}"):
        openpgp.verify(keyring("both.gpg"), [RSA])


def test_a_foreign_key_after_a_good_one_in_another_block_is_seen() -> None:
    with pytest.raises(MachineError, match=ED25519):
        openpgp.verify(keyring("rsa.asc") + keyring("ed25519.asc"), [RSA])


def test_armor_without_the_empty_line_is_read() -> None:
    text = keyring("rsa.asc").replace(b"BLOCK-----\n\n", b"BLOCK-----\n", 1)
    assert openpgp.fingerprints(text) == [RSA]
