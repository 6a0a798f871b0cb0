# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates and keys that belong together, and others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.kubestead.cluster.plugins.plugin_utils.key_pair import problem

KEY, OTHER = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())


def certificate(key: ec.EllipticCurvePrivateKey) -> str:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "www.example.com")])
    now = datetime(2026, 11, 23, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def private(key: ec.EllipticCurvePrivateKey, password: bytes | None = None) -> str:
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    encoding = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    return key.private_bytes(*encoding, encryption).decode()


def test_a_pair() -> None:
    assert problem(certificate(KEY), private(KEY)) == (0, "", "")


def test_the_first_certificate_of_a_chain_counts() -> None:
    assert problem(certificate(KEY) + certificate(OTHER), private(KEY)) == (0, "", "")
    assert problem(certificate(OTHER) + certificate(KEY), private(KEY))[1] == "the key of another certificate"


@pytest.mark.parametrize(
    ("first", "second", "which", "found"),
    [
        ("", private(KEY), 0, "nothing"),
        ("text", private(KEY), 0, "no certificate"),
        (private(KEY), private(KEY), 0, "no certificate"),
        (certificate(KEY), "", 1, "nothing"),
        (certificate(KEY), certificate(KEY), 1, "no private key"),
        (certificate(KEY), private(KEY, b"secret"), 1, "an encrypted key"),
        (certificate(KEY), private(OTHER), 1, "the key of another certificate"),
    ],
)
def test_no_pair(first: str, second: str, which: int, found: str) -> None:
    result = problem(first, second)
    assert result[:2] == (which, found)
    assert "PRIVATE" not in str(result)
