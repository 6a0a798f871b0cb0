# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster's CA, and the kubeconfigs that kubeadm makes of it."""

from __future__ import annotations

import base64
import datetime
import ipaddress
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ansible_collections.kubestead.cluster.plugins.module_utils._certificates import ca_cert_hash

DAY = datetime.timedelta(days=1)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class Authority:
    """A CA that signs certificates of clients and of a server at 127.0.0.1."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")])
        self.pem = self._sign(self._name, self._key, 3650, x509.BasicConstraints(ca=True, path_length=None))
        self.hash = ca_cert_hash(self.pem)

    def client(self, name: str = "kubernetes-admin", group: str = "kubeadm:cluster-admins", days: float = 365) -> Any:
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, group),
                x509.NameAttribute(NameOID.COMMON_NAME, name),
            ]
        )
        return self._pair(subject, days, x509.BasicConstraints(ca=False, path_length=None))

    def server(self) -> Any:
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        return self._pair(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kube-apiserver")]),
            1,
            x509.SubjectAlternativeName([address]),
        )

    def admin_conf(self, server: str = "https://192.0.2.100:8443", **client: Any) -> str:
        """As kubeadm writes it."""
        certificate, key = self.client(**client)
        user = {"client-certificate-data": encoded(certificate), "client-key-data": encoded(key)}
        return self.kubeconfig(user, server=server)

    def kubeconfig(self, user: dict[str, Any], **cluster: Any) -> str:
        return str(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [
                        {"name": "kubernetes", "cluster": {"certificate-authority-data": encoded(self.pem), **cluster}}
                    ],
                    "contexts": [{"name": "x", "context": {"cluster": "kubernetes", "user": "kubernetes-admin"}}],
                    "current-context": "x",
                    "users": [{"name": "kubernetes-admin", "user": user}],
                }
            )
        )

    def _pair(self, subject: x509.Name, days: float, extension: x509.ExtensionType) -> tuple[str, str]:
        key = ec.generate_private_key(ec.SECP256R1())
        plain = serialization.NoEncryption()
        text = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain).decode()
        return self._sign(subject, key, days, extension), text

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, days: float, extension: x509.ExtensionType
    ) -> str:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder(self._name, subject, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - DAY).not_valid_after(now + days * DAY)
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
