# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates that kubeadm made, against what openssl says about them."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest

from ansible_collections.kubestead.cluster.plugins.module_utils import _certificates as certificates

FIXTURES = Path(__file__).parents[2] / "fixtures" / "pki"
CA = (FIXTURES / "1.36.3_ca.crt").read_text()


def der(pem: str) -> bytes:
    return base64.b64decode("".join(pem.split("-----")[2].split()))


def pem(data: bytes) -> str:
    return f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(data).decode()}\n-----END CERTIFICATE-----\n"


def element(tag: int, *contents: bytes) -> bytes:
    content = b"".join(contents)
    return bytes([tag, len(content)]) + content


UTC = element(0x17, b"271122220000Z")


def certificate(subject: bytes = b"", validity: bytes = UTC + UTC, version: bytes = b"") -> str:
    """The least that has the shape of a certificate."""
    body = [version, element(2, b"\1"), element(0x30), element(0x30), element(0x30, validity), element(0x30, subject)]
    return pem(element(0x30, element(0x30, *body, element(0x30, b"key"))))


def name(kind: str, tag: int, value: bytes) -> bytes:
    return element(0x31, element(0x30, element(0x06, bytes.fromhex(kind)), element(tag, value)))


class TestAgainstOpenssl:
    @pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.crt")), ids=lambda path: path.name)
    def test_same_answers(self, path: Path) -> None:
        not_after, subject, key_hash = path.with_suffix(".openssl.txt").read_text().splitlines()
        text = path.read_text()
        found = certificates.read_certificate(text)
        assert "notAfter=" + found.not_after.replace("T", " ") == not_after
        assert ",".join([f"subject=CN={found.common_name}", *(f"O={name}" for name in found.organizations)]) == subject
        assert found.public_key_hash == f"sha256:{key_hash}"
        assert certificates.not_after(text) == found.not_after
        assert certificates.ca_cert_hash(text) == found.public_key_hash

    def test_there_are_both_kinds_of_times_and_keys(self) -> None:
        """UTCTime ends in 2049; the fixtures must hold one certificate that lives longer, and one of an EC key."""
        long = (FIXTURES / "1.36.3_ecdsa-ca.crt").read_text()
        assert certificates.not_after(long) > "2050"
        assert certificates.not_after(CA) < "2050"
        assert len(der(long)) < len(der(CA)) / 1.5


class TestReadCertificates:
    def test_bundle(self) -> None:
        other = (FIXTURES / "1.36.3_ecdsa-ca.crt").read_text()
        key = "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n"
        found = certificates.read_certificates(f"talk\n{CA}{key}{other}")
        assert [item.public_key_hash for item in found] == [
            certificates.ca_cert_hash(CA),
            certificates.ca_cert_hash(other),
        ]
        assert certificates.read_certificate(CA + other) == found[0]

    def test_subject(self) -> None:
        subject = name("550403", 0x0C, "system:node:ñ".encode()) + name("55040a", 0x13, b"system:nodes")
        subject += name("55040a", 0x1E, "a".encode("utf-16-be")) + name("550406", 0x13, b"CH")
        found = certificates.read_certificate(certificate(subject))
        assert found.common_name == "system:node:ñ"
        assert found.organizations == ("system:nodes", "a")

    def test_empty_subject(self) -> None:
        found = certificates.read_certificate(certificate())
        assert found.common_name is None
        assert found.organizations == ()

    def test_with_and_without_version(self) -> None:
        version = element(0xA0, element(2, b"\2"))
        assert certificates.read_certificate(certificate(version=version)) == certificates.read_certificate(
            certificate()
        )

    @pytest.mark.parametrize(
        ("time", "expected"),
        [
            (element(0x17, b"491231235959Z"), "2049-12-31T23:59:59Z"),
            (element(0x17, b"500101000000Z"), "1950-01-01T00:00:00Z"),
            (element(0x18, b"99991231235959Z"), "9999-12-31T23:59:59Z"),
        ],
    )
    def test_times(self, time: bytes, expected: str) -> None:
        assert certificates.not_after(certificate(validity=UTC + time)) == expected

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("", "found none"),
            ("-----BEGIN CERTIFICATE-----\nMIIE\n", "found none"),
            (pem(b"").replace("\n\n", "\n!\n"), "in base64"),
            (pem(b""), "cut off"),
            (pem(b"\x30"), "cut off"),
            (pem(b"\x30\x82"), "cut off"),
            (pem(b"\x30\x05\x30"), "cut off"),
            (pem(der(CA)[:-1]), "cut off"),
            (pem(element(0x31)), "element 0x31 instead of 0x30"),
            (certificate(validity=UTC), "a validity of 1 times"),
            (certificate(validity=UTC + element(0x02, b"1")), "element 0x02 as a time"),
            (certificate(validity=UTC + element(0x17, b"never")), "the time '19never'"),
            (certificate(subject=element(0x30)), "element 0x30 in its subject"),
            (certificate(subject=element(0x31, element(0x30, element(0x02)))), "element 0x02 instead of 0x06"),
        ],
    )
    def test_errors(self, text: str, expected: str) -> None:
        with pytest.raises(certificates.CertificateError, match=re.escape(expected)):
            certificates.read_certificates(text)


class TestReadKubeconfig:
    def test_administrator(self) -> None:
        found = certificates.read_kubeconfig(FIXTURES / "1.36.3_admin.conf")
        assert found.server == "https://10.90.0.100:8443"
        assert found.user == "kubernetes-admin"
        assert found.node_name is None
        assert found.client_certificate_path is None
        assert found.certificate_authority is not None
        assert certificates.ca_cert_hash(found.certificate_authority) == certificates.ca_cert_hash(CA)
        assert found.client_certificate is not None
        client = certificates.read_certificate(found.client_certificate)
        assert client.common_name == "kubernetes-admin"
        assert client.organizations == ("kubeadm:cluster-admins",)

    def test_kubelet_with_its_certificate_inside(self) -> None:
        found = certificates.read_kubeconfig(FIXTURES / "1.36.3_kubelet.conf")
        # A control plane's kubelet talks to its own API.
        assert found.server == "https://10.90.0.11:6443"
        assert found.user == "system:node:cp1"
        assert found.node_name == "cp1"

    def test_kubelet_that_rotates_its_certificate(self) -> None:
        found = certificates.read_kubeconfig(FIXTURES / "1.36.3_kubelet_rotated.conf")
        assert found.server == "https://10.90.1.11:6443"
        assert found.client_certificate_path == "/var/lib/kubelet/pki/kubelet-client-current.pem"

    def rotated(self, folder: Path, content: str | None) -> certificates.Kubeconfig:
        """As kubelet leaves it after its first rotation: the certificate is in a file of its own."""
        path = folder / "kubelet-client-current.pem"
        if content is not None:
            path.write_text(content)
        conf = folder / "kubelet.conf"
        conf.write_text(
            "clusters:\n- cluster:\n    server: 'https://10.90.0.100:8443'\n  name: default-cluster\n"
            "contexts:\n- context:\n    cluster: default-cluster\n    user: default-auth\n  name: default-context\n"
            f"users:\n- name: default-auth\n  user:\n    client-certificate: {path}\n    client-key: {path}\n"
        )
        return certificates.read_kubeconfig(conf)

    def test_kubelet_with_rotated_certificate(self, tmp_path: Path) -> None:
        content = certificate(name("55040a", 0x13, b"system:nodes") + name("550403", 0x13, b"system:node:w1"))
        found = self.rotated(tmp_path, content)
        assert found.node_name == "w1"
        assert found.server == "https://10.90.0.100:8443"
        assert found.client_certificate == content
        assert found.client_certificate_path == str(tmp_path / "kubelet-client-current.pem")
        assert found.certificate_authority is None

    @pytest.mark.parametrize("content", [None, "", "torn", "-----BEGIN CERTIFICATE-----\nMII"])
    def test_certificate_gone_or_torn(self, tmp_path: Path, content: str | None) -> None:
        found = self.rotated(tmp_path, content)
        assert found.client_certificate == content
        assert found.node_name is None

    def test_empty(self, tmp_path: Path) -> None:
        path = tmp_path / "kubelet.conf"
        path.write_text("")
        assert certificates.read_kubeconfig(path) == certificates.Kubeconfig(None, None, None, None, None)

    def test_bytes_that_are_no_text_name_the_file(self, tmp_path: Path) -> None:
        path = tmp_path / "kubelet.conf"
        path.write_bytes(b"    server: \xff\xfe\n")
        with pytest.raises(certificates.CertificateError, match=f"^{path}: expected text, found bytes that are none$"):
            certificates.read_kubeconfig(path)

    def test_a_certificate_of_such_bytes_is_a_torn_one(self, tmp_path: Path) -> None:
        self.rotated(tmp_path, "")
        (tmp_path / "kubelet-client-current.pem").write_bytes(b"\xff\xfe")
        found = certificates.read_kubeconfig(tmp_path / "kubelet.conf")
        assert (found.server, found.node_name) == ("https://10.90.0.100:8443", None)

    def test_broken_base64_names_the_file(self, tmp_path: Path) -> None:
        path = tmp_path / "kubelet.conf"
        path.write_text("    certificate-authority-data: LS0t!\n")
        with pytest.raises(certificates.CertificateError, match=f"{path}: .*base64"):
            certificates.read_kubeconfig(path)
