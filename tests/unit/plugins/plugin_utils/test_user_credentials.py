# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys, requests, certificates and kubeconfigs of users, with an authority made for the test."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ansible_collections.kubestead.cluster.plugins.module_utils._kube import read_access
from ansible_collections.kubestead.cluster.plugins.plugin_utils import user_credentials as credentials
from ansible_collections.kubestead.cluster.plugins.plugin_utils import users
from ansible_collections.kubestead.cluster.plugins.plugin_utils.user_credentials import Pair, Place

START = datetime(2026, 11, 23, 12, tzinfo=UTC)
JANE = users.read_accounts([{"name": "jane@example.com", "groups": ["developers", "café"], "lifetime": "90d"}])[0]


class Authority:
    """Signs what it is asked for, as kube-controller-manager does: subject and key of the request."""

    def __init__(self, name: str) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.pem = self._sign(self.name, self.key.public_key())

    def _sign(self, subject: x509.Name, public_key: Any) -> str:
        builder = x509.CertificateBuilder(self.name, subject, public_key, 255, START, START + timedelta(days=90))
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()

    def sign(self, request: str) -> str:
        found = x509.load_pem_x509_csr(request.encode())
        assert found.is_signature_valid
        return self._sign(found.subject, found.public_key())


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority("kubernetes")


@pytest.fixture(scope="module")
def pair(authority: Authority) -> Pair:
    key = credentials.new_key()
    return Pair(authority.sign(credentials.request_pem(key, JANE)), credentials.key_pem(key))


@pytest.fixture
def place(authority: Authority) -> Place:
    # The authority before this one is still let in.
    signers = Authority("old").pem + authority.pem
    return Place("production", "https://192.0.2.100:8443", authority.pem, None, signers)


def write(folder: Path, place: Place, pair: Pair, name: str = "jane") -> str:
    path = str(folder / f"{name}.kubeconfig")
    credentials.write(path, credentials.document(place, name, pair))
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_request_carries_name_and_groups(pair: Pair) -> None:
    found = credentials.read_certificate(pair.certificate)
    assert found == users.Certificate(
        "ff", "jane@example.com", ("developers", "café"), START, START + timedelta(days=90)
    )


def test_a_key_is_in_no_message(pair: Pair) -> None:
    assert "PRIVATE" in pair.key
    assert pair.key not in repr(pair)


def test_what_is_written_is_read(tmp_path: Path, place: Place, pair: Pair) -> None:
    folder = tmp_path / "users"
    path = write(folder, place, pair)
    assert (Path(path).stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o600, 0o700)
    assert names(folder) == ["jane.kubeconfig"]
    found = credentials.read(path, place)
    assert (found.current, found.flaw) == (True, None)
    assert found.certificate == credentials.read_certificate(pair.certificate)
    # As any other program reads it.
    access = read_access(path, Path(path).read_text())
    assert (access.server, access.ca, access.certificate, access.key) == (
        place.server,
        place.authority,
        pair.certificate,
        pair.key,
    )


def test_the_name_of_the_server_s_certificate(place: Place, pair: Pair) -> None:
    other = Place(place.name, place.server, None, "kubernetes", place.signers)
    assert credentials.document(other, "jane", pair)["clusters"][0]["cluster"] == {
        "server": place.server,
        "tls-server-name": "kubernetes",
    }


def test_no_file() -> None:
    assert credentials.read("/nonexistent/jane.kubeconfig", Place("c", "s", None, None, "")) == users.Kubeconfig()


@pytest.mark.parametrize("text", ["", "jane", "a: [", "users: []", "users: [{user: {client-key-data: '!'}}]"])
def test_a_file_that_is_no_kubeconfig(tmp_path: Path, place: Place, text: str) -> None:
    (tmp_path / "jane.kubeconfig").write_text(text)
    found = credentials.read(str(tmp_path / "jane.kubeconfig"), place)
    assert found == users.Kubeconfig(flaw="the kubeconfig can't be read")


def test_a_certificate_that_is_torn(tmp_path: Path, place: Place, pair: Pair) -> None:
    path = write(tmp_path, place, Pair(pair.certificate[:100], pair.key))
    assert credentials.read(path, place).flaw == "the kubeconfig can't be read"


def test_the_key_of_another(tmp_path: Path, place: Place, pair: Pair) -> None:
    path = write(tmp_path, place, Pair(pair.certificate, credentials.key_pem(credentials.new_key())))
    assert credentials.read(path, place).flaw == "the kubeconfig's key is not its certificate's"


def test_the_certificate_of_another_cluster(tmp_path: Path, place: Place, pair: Pair) -> None:
    # Of the same name: what counts is the key.
    rebuilt = Place(place.name, place.server, None, None, Authority("kubernetes").pem)
    assert credentials.read(write(tmp_path, rebuilt, pair), rebuilt).flaw == (
        "the kubeconfig's certificate is not of this cluster"
    )


def test_a_file_that_is_to_be_written_again(tmp_path: Path, place: Place, pair: Pair) -> None:
    path = write(tmp_path, place, pair)
    moved = Place(place.name, "https://192.0.2.200:8443", place.authority, None, place.signers)
    assert not credentials.read(path, moved).current
    Path(path).chmod(0o644)
    found = credentials.read(path, place)
    assert (found.current, found.certificate is not None) == (False, True)


def test_files_by_user(tmp_path: Path, place: Place, pair: Pair) -> None:
    folder = tmp_path / "users"
    assert credentials.names_in(str(folder)) == []
    for name in ("joe", "jane"):
        write(folder, place, pair, name)
    (folder / "notes.txt").touch()
    assert credentials.names_in(str(folder)) == ["jane", "joe"]
    credentials.remove(str(folder), ["joe"])
    (folder / "notes.txt").unlink()
    assert credentials.names_in(str(folder)) == ["jane"]
    credentials.remove(str(folder), ["jane"])
    assert not folder.exists()


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, place: Place, pair: Pair) -> None:
    (tmp_path / "jane.kubeconfig").mkdir()
    with pytest.raises(OSError, match="jane"):
        write(tmp_path, place, pair)
    assert names(tmp_path) == ["jane.kubeconfig"]
