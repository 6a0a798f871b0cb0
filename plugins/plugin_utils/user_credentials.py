# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys, requests, certificates and kubeconfigs of users, in the memory of the controller.

By the library cryptography, which ansible-core itself needs: a key is never in a file but the user's kubeconfig, and
never in the arguments of a program.
"""

from __future__ import annotations

import base64
import binascii
import os
import stat
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import yaml

from ansible_collections.kubestead.cluster.plugins.module_utils import _durable
from ansible_collections.kubestead.cluster.plugins.plugin_utils.users import Account, Certificate, Kubeconfig

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    IMPORT_ERROR = None
except ImportError:
    IMPORT_ERROR = traceback.format_exc()

MODE = 0o600
FOLDER_MODE = 0o700
SUFFIX = ".kubeconfig"


@dataclass(frozen=True)
class Place:
    """What a user's kubeconfig says of the cluster, and who signs its users (PEM)."""

    name: str
    server: str
    authority: str | None
    server_name: str | None
    signers: str


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, both PEM."""

    certificate: str
    key: str = field(repr=False)


def new_key() -> Any:
    """Make a private key."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: Any) -> str:
    """Return a private key as kubectl reads it."""
    pem: bytes = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem.decode("ascii")


def request_pem(key: Any, account: Account) -> str:
    """Return the request for a certificate of this user in these groups."""
    names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in account.groups]
    names.append(x509.NameAttribute(NameOID.COMMON_NAME, account.name))
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names)).sign(key, hashes.SHA256())
    pem: bytes = request.public_bytes(serialization.Encoding.PEM)
    return pem.decode("ascii")


def read_certificate(pem: str) -> Certificate:
    """Read a user's certificate; a ValueError tells what is wrong with it."""
    return _view(x509.load_pem_x509_certificate(pem.encode()))


def _view(found: Any) -> Certificate:
    names = [attribute.value for attribute in found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    groups = [attribute.value for attribute in found.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    return Certificate(
        serial=f"{found.serial_number:x}",
        name=names[0] if names else "",
        groups=tuple(groups),
        not_before=_utc(found, "not_valid_before"),
        not_after=_utc(found, "not_valid_after"),
    )


def _utc(found: Any, name: str) -> datetime:
    """Read a time; before cryptography 42 it came without its zone, under another name."""
    value = getattr(found, f"{name}_utc", None)
    if value is None:
        value = getattr(found, name).replace(tzinfo=UTC)
    time: datetime = value
    return time


def path_of(directory: str, name: str) -> str:
    """Return where a user's kubeconfig is."""
    return os.path.join(directory, f"{name}{SUFFIX}")


def names_in(directory: str) -> list[str]:
    """Return the users who have a kubeconfig in the directory."""
    try:
        found = os.listdir(directory)
    except FileNotFoundError:
        return []
    return sorted(name[: -len(SUFFIX)] for name in found if name.endswith(SUFFIX) and not name.startswith("."))


def document(place: Place, name: str, pair: Pair) -> dict[str, Any]:
    """Return a kubeconfig (https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/)."""
    cluster: dict[str, str] = {"server": place.server}
    if place.authority is not None:
        cluster["certificate-authority-data"] = _encode(place.authority)
    if place.server_name is not None:
        cluster["tls-server-name"] = place.server_name
    context = f"{name}@{place.name}"
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": place.name, "cluster": cluster}],
        "contexts": [{"name": context, "context": {"cluster": place.name, "user": name}}],
        "current-context": context,
        "users": [
            {
                "name": name,
                "user": {
                    "client-certificate-data": _encode(pair.certificate),
                    "client-key-data": _encode(pair.key),
                },
            }
        ],
    }


def read_pair(path: str) -> Pair:
    """Read certificate and key of a kubeconfig; a ValueError tells what is wrong with it."""
    with open(path, encoding="utf-8") as handle:
        text = handle.read()
    try:
        user = yaml.safe_load(text)["users"][0]["user"]
        return Pair(_decode(user["client-certificate-data"]), _decode(user["client-key-data"]))
    except (yaml.YAMLError, LookupError, TypeError, ValueError, binascii.Error):
        # The error may quote the text, and with it the key.
        raise ValueError("it is no kubeconfig with a certificate and its key") from None


def read(path: str, place: Place) -> Kubeconfig:
    """Look at a user's kubeconfig."""
    if not os.path.lexists(path):
        return Kubeconfig()
    try:
        pair = read_pair(path)
        found = x509.load_pem_x509_certificate(pair.certificate.encode())
        key = serialization.load_pem_private_key(pair.key.encode(), None)
    except (ValueError, TypeError):
        return Kubeconfig(flaw="the kubeconfig can't be read")
    if _public(key.public_key()) != _public(found.public_key()):
        return Kubeconfig(flaw="the kubeconfig's key is not its certificate's")
    if not signed_by(found, place.signers):
        return Kubeconfig(flaw="the kubeconfig's certificate is not of this cluster")
    name = os.path.basename(path)[: -len(SUFFIX)]
    with open(path, encoding="utf-8") as handle:
        same = handle.read() == text_of(document(place, name, pair))
    return Kubeconfig(_view(found), current=same and stat.S_IMODE(os.stat(path).st_mode) == MODE)


def signed_by(found: Any, signers: str) -> bool:
    """Tell whether one of these authorities has signed a certificate."""
    for authority in x509.load_pem_x509_certificates(signers.encode()):
        try:
            found.verify_directly_issued_by(authority)
        except (ValueError, TypeError, InvalidSignature):
            continue
        return True
    return False


def text_of(kubeconfig: dict[str, Any]) -> str:
    """Return a kubeconfig as it is written."""
    text: str = yaml.safe_dump(kubeconfig, sort_keys=False)
    return text


def write(path: str, kubeconfig: dict[str, Any]) -> None:
    """Put a kubeconfig in place at once, for nobody else to read."""
    folder = os.path.dirname(path)
    os.makedirs(folder, mode=FOLDER_MODE, exist_ok=True)
    _durable.write(path, text_of(kubeconfig).encode(), MODE)


def remove(directory: str, names: Sequence[str]) -> None:
    """Remove kubeconfigs, and the directory when nothing is left in it."""
    for name in names:
        os.unlink(path_of(directory, name))
    if names and not os.listdir(directory):
        os.rmdir(directory)


def _public(key: Any) -> bytes:
    data: bytes = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return data


def _encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")


def _decode(text: str) -> str:
    return base64.b64decode(text, validate=True).decode("ascii")
