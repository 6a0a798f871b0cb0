# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a certificate and a private key belong together."""

from __future__ import annotations

import traceback

try:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    IMPORT_ERROR = None
except ImportError:
    IMPORT_ERROR = traceback.format_exc()


def problem(certificate: str, key: str) -> tuple[int, str, str]:
    """(which of both, found, expected); found is empty where they belong together."""
    if IMPORT_ERROR:
        raise ImportError(f"the Python package cryptography, which ansible-core needs, can't be used: {IMPORT_ERROR}")
    try:
        leaf = x509.load_pem_x509_certificates(certificate.encode())[0]
    except ValueError:
        return 0, "no certificate" if certificate else "nothing", "a certificate in PEM"
    try:
        private = serialization.load_pem_private_key(key.encode(), password=None)
    except TypeError:
        return 1, "an encrypted key", "a private key without a passphrase"
    except (ValueError, UnsupportedAlgorithm):
        return 1, "no private key" if key else "nothing", "a private key in PEM"
    encoding = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if leaf.public_key().public_bytes(*encoding) != private.public_key().public_bytes(*encoding):
        return 1, "the key of another certificate", "the key of ingress_default_certificate's first one"
    return 0, "", ""
