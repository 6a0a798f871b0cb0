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


def test_several_blocks_headers_and_dos_line_ends() -> None:
    first = keyring("rsa.asc").replace(b"BLOCK-----\n\n", b"BLOCK-----\nVersion: GnuPG v2\nComment: x\n\n", 1)
    both = b"some text\n\n" + first + b"between\n" + keyring("ed25519.asc")
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
    """New format, five length octets: a form that gpg does not write."""
    return bytes([0xC0 | tag, 0xFF]) + len(body).to_bytes(4, "big") + body


@pytest.mark.parametrize("version", [3, 5, 6])
def test_other_versions_are_refused(version: int) -> None:
    with pytest.raises(MachineError, match=f"version {version}; only version 4"):
        openpgp.fingerprints(packet(6, bytes([version]) + b"x" * 8))


@pytest.mark.parametrize("tag", [5, 7])
def test_secret_keys_are_refused(tag: int) -> None:
    with pytest.raises(MachineError, match="secret key"):
        openpgp.fingerprints(packet(tag, b"\x04secret"))


def test_a_user_id_alone_is_no_key() -> None:
    with pytest.raises(MachineError, match="packet of type 13, expected a primary key"):
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


@pytest.mark.parametrize("name", ["rsa.asc", "rsa.gpg", "ed25519.asc", "both.gpg"])
def test_verified_keys_are_written_as_gpg_writes_them(name: str) -> None:
    assert openpgp.verify(keyring(name), [RSA, ED25519]) == openpgp.dearmor(keyring(name))


def test_text_around_a_key_and_unusual_headers_are_not_installed() -> None:
    unusual = b"".join(packet(tag, body) for tag, body in openpgp.packets(keyring("rsa.gpg")))
    assert unusual != keyring("rsa.gpg")
    for data in (unusual, b"Key of somebody\n" + keyring("rsa.asc") + b"\nthe end\n"):
        assert openpgp.verify(data, [RSA]) == keyring("rsa.gpg")


ATTACKER = keyring("ed25519.asc")
GENUINE = keyring("rsa.asc")
# What readers such as apt take for a public key, too.
FOREIGN = [
    ATTACKER.replace(b"PUBLIC KEY BLOCK", name)
    for name in (b"PUBLIC KEY", b"MESSAGE", b"ARMORED FILE", b"PRIVATE KEY BLOCK", b"SIGNATURE", b"PUBLIC  KEY BLOCK")
]
FOREIGN += [
    b"\t" + ATTACKER,
    b"x" + ATTACKER,
    ATTACKER.lower(),
    ATTACKER.replace(b"-----BEGIN PGP", b"-----BEGIN\tPGP"),
    ATTACKER.replace(b"-----END PGP", b"------END PGP"),
    ATTACKER[: ATTACKER.index(b"-----END")],
]


@pytest.mark.parametrize("foreign", FOREIGN)
@pytest.mark.parametrize("join", ["before", "after", "inside", "header"])
def test_another_armored_block_is_refused(foreign: bytes, join: str) -> None:
    head, blank, rest = GENUINE.partition(b"\n\n")
    files = {
        "before": foreign + b"\n" + GENUINE,
        "after": GENUINE + foreign,
        "inside": head + blank + foreign + rest,
        "header": head + b"\n" + foreign.replace(b"\n\n", b"\n") + blank + rest,
    }
    with pytest.raises(MachineError):
        openpgp.verify(files[join], [RSA])


def test_lines_before_the_empty_line_have_to_be_headers() -> None:
    body = b"".join(ATTACKER.split(b"\n")[2:-3])
    with pytest.raises(MachineError, match="where only headers may stand"):
        openpgp.verify(GENUINE.replace(b"BLOCK-----\n\n", b"BLOCK-----\n" + body + b"\n\n", 1), [RSA])


def test_a_block_without_an_end_is_damaged() -> None:
    with pytest.raises(MachineError, match="has no end"):
        openpgp.verify(GENUINE[: GENUINE.index(b"-----END")], [RSA])


# Secret keys apart: compressed, encrypted, literal data, markers, trust, signatures' parts, padding, private use.
@pytest.mark.parametrize("tag", [0, 1, 3, 4, 8, 9, 10, 11, 12, 18, 19, 20, 21, 60, 63])
@pytest.mark.parametrize("behind", [True, False])
def test_packets_that_keys_do_not_have_are_refused(tag: int, behind: bool) -> None:
    genuine, other = keyring("rsa.gpg"), packet(tag, keyring("rsa.gpg"))
    data = genuine + other if behind else other + genuine
    for form in (data, openpgp.armor(data)):
        with pytest.raises(MachineError, match=f"packet of type {tag}"):
            openpgp.verify(form, [RSA])


def test_data_behind_the_keys_is_refused() -> None:
    for data in (b"\n", b"x", GENUINE):
        with pytest.raises(MachineError, match="no OpenPGP packet header"):
            openpgp.verify(keyring("rsa.gpg") + data, [RSA])


def test_a_key_has_to_come_first() -> None:
    with pytest.raises(MachineError, match="begins with an OpenPGP packet of type 13"):
        openpgp.verify(packet(13, b"somebody") + keyring("rsa.gpg"), [RSA])


def test_a_key_that_is_too_long() -> None:
    with pytest.raises(MachineError, match="70000 bytes"):
        openpgp.verify(packet(6, b"\x04" + b"k" * 69999), [RSA])


@pytest.mark.parametrize("size", [1, 191, 192, 8383, 8384, 70000])
def test_user_attributes_of_every_length_stay(size: int) -> None:
    written = openpgp.verify(keyring("rsa.gpg") + packet(17, b"a" * size), [RSA])
    assert list(openpgp.packets(written))[-1] == (17, b"a" * size)
    assert openpgp.verify(written, [RSA]) == written
