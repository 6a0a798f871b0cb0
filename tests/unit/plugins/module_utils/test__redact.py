# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ansible_collections.kubestead.cluster.plugins.module_utils import _redact
from tests.unit.kubeadm_outputs import FIXTURES, HASH, JOIN, KEY, TOKEN


class TestRedact:
    def test_token_keeps_its_id(self) -> None:
        assert _redact.redact(f"Using token: {TOKEN}") == "Using token: abcdef.<hidden>"

    @pytest.mark.parametrize(
        "text",
        [
            "abcdef.0123456789abcdefg",
            "abcdef.0123456789ABCDEF",
            "xabcdef.0123456789abcdef",
            f"--discovery-token-ca-cert-hash {HASH}",
            f"registry/etcd@{HASH}",
            "0" * 63,
            "0" * 65,
            "certificateKey: <value withheld>",
        ],
    )
    def test_leaves_what_is_no_secret(self, text: str) -> None:
        assert _redact.redact(text) == text

    @pytest.mark.parametrize("key", [KEY, KEY.upper()])
    def test_certificate_key(self, key: str) -> None:
        assert _redact.redact(f"Using certificate key:\n{key}\n[mark]") == "Using certificate key:\n<hidden>\n[mark]"

    @pytest.mark.parametrize(
        ("text", "hidden"),
        [
            ("--certificate-key short x", "--certificate-key <hidden> x"),
            ("--certificate-key=short", "--certificate-key=<hidden>"),
            ('{"certificateKey": "short", "a": 1}', '{"certificateKey": "<hidden>", "a": 1}'),
            ("    client-key-data: LS0tLS1CRUdJTg==\n", "    client-key-data: <hidden>\n"),
            ("  token-secret: MDEyMzQ1Njc4OWFiY2RlZg==", "  token-secret: <hidden>"),
            ("tlsBootstrapToken: nonsense", "tlsBootstrapToken: <hidden>"),
            ("proxy http://me:hunter2@proxy:3128/x", "proxy http://me:<hidden>@proxy:3128/x"),
            ("http://proxy:3128/x a@b https://a@b", "http://proxy:3128/x a@b https://a@b"),
            (
                '"name": "oidc-client-secret",\n  "value": "x y"\n"name": "v",\n"value": "4"',
                '"name": "oidc-client-secret",\n  "value": "<hidden>"\n"name": "v",\n"value": "4"',
            ),
            ('"name": "DB_PASSWORD", "value": "x"', '"name": "DB_PASSWORD", "value": "<hidden>"'),
        ],
    )
    def test_named_secrets_of_any_shape(self, text: str, hidden: str) -> None:
        assert _redact.redact(text) == hidden

    @pytest.mark.parametrize("kind", ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"])
    def test_private_keys(self, kind: str) -> None:
        text = f"a\n-----BEGIN {kind}-----\nMIIE\nowIB\n-----END {kind}-----\nb"
        assert _redact.redact(text) == f"a\n-----BEGIN {kind}-----<hidden>-----END {kind}-----\nb"

    def test_private_key_cut_off(self) -> None:
        assert _redact.redact("-----BEGIN RSA PRIVATE KEY-----\nMIIE") == "-----BEGIN RSA PRIVATE KEY-----<hidden>"

    def test_two_private_keys_do_not_hide_what_is_between(self) -> None:
        key = "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----"
        assert "between" in _redact.redact(f"{key}\nbetween\n{key}")

    def test_certificates_stay(self) -> None:
        text = "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----"
        assert _redact.redact(text) == text

    @pytest.mark.parametrize("path", sorted(FIXTURES.iterdir()), ids=lambda path: path.name)
    def test_recorded_outputs(self, path: Path) -> None:
        text = _redact.redact(path.read_text())
        assert not re.search(r"\b[a-z0-9]{6}\.[a-z0-9]{16}\b", text)
        assert not re.search(r"(?<!sha256:)\b[0-9a-f]{64}\b", text)


class TestParseError:
    def test_says_what_was_expected_and_found(self) -> None:
        error = _redact.ParseError("a thing", "1\n2\n\n3\n4\n5\n6\n")
        assert error.expected == "a thing"
        assert str(error) == "expected a thing, found: 2\n3\n4\n5\n6"

    def test_no_output(self) -> None:
        assert str(_redact.ParseError("a thing", " \n")) == "expected a thing, found no output"

    def test_long_text_is_cut(self) -> None:
        assert _redact.ParseError("a thing", "x" * 5000).excerpt == "..." + "x" * 600

    def test_carries_no_secret(self) -> None:
        error = _redact.ParseError("a thing", f"{JOIN} --certificate-key {KEY}")
        assert TOKEN not in str(error)
        assert KEY not in str(error)
        assert HASH in error.excerpt
