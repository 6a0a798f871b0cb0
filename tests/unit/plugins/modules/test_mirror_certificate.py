# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates made by openssl itself, and read by another TLS library's rules."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.modules import mirror_certificate

Run = Callable[..., dict[str, Any]]
YEAR = 365 * 24 * 3600


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "tls"


def trusted(folder: Path, host: str) -> None:
    """Speak TLS with a server that has the certificate, as a client that trusts the authority alone."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "mirror.crt", folder / "mirror.key")
    client = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    here, there = socket.socketpair()

    def serve() -> None:
        try:
            server.wrap_socket(there, server_side=True).close()
        except ssl.SSLError:
            there.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        client.wrap_socket(here, server_hostname=host).close()
    finally:
        here.close()
        thread.join()


@pytest.mark.parametrize("host", ["10.0.0.5", "mirror.example.com", "fd00::5"])
def test_a_host_proves_itself(run_module: Run, folder: Path, host: str) -> None:
    planned = run_module(mirror_certificate, directory=str(folder), host=host, _ansible_check_mode=True)
    assert (planned["changed"], planned["ca"], planned["made"]) == (True, "", ["ca.crt", "mirror.crt"])
    assert not folder.exists()
    made = run_module(mirror_certificate, directory=str(folder), host=host)
    assert made["made"] == planned["made"]
    assert made["ca"] == (folder / "ca.crt").read_text()
    assert sorted(path.name for path in folder.iterdir()) == ["ca.crt", "ca.key", "mirror.crt", "mirror.key"]
    assert [(folder / name).stat().st_mode & 0o777 for name in ("ca.key", "mirror.key")] == [0o600, 0o600]
    assert folder.stat().st_mode & 0o777 == 0o700
    trusted(folder, host)
    with pytest.raises(ssl.SSLCertVerificationError):
        trusted(folder, "other.example.com")
    again = run_module(mirror_certificate, directory=str(folder), host=host)
    assert (again["changed"], again["made"], again["ca"]) == (False, [], made["ca"])


def test_another_name_keeps_the_authority(run_module: Run, folder: Path) -> None:
    first = run_module(mirror_certificate, directory=str(folder), host="10.0.0.5")
    planned = run_module(mirror_certificate, directory=str(folder), host="10.0.0.6", _ansible_check_mode=True)
    assert (planned["made"], planned["ca"]) == (["mirror.crt"], first["ca"])
    renamed = run_module(mirror_certificate, directory=str(folder), host="10.0.0.6")
    assert (renamed["made"], renamed["ca"]) == (["mirror.crt"], first["ca"])
    trusted(folder, "10.0.0.6")


def test_what_a_killed_run_left_is_made_anew(run_module: Run, folder: Path) -> None:
    first = run_module(mirror_certificate, directory=str(folder), host="10.0.0.5")
    (folder / "mirror.crt").unlink()
    assert run_module(mirror_certificate, directory=str(folder), host="10.0.0.5")["made"] == ["mirror.crt"]
    (folder / "ca.crt").unlink()
    again = run_module(mirror_certificate, directory=str(folder), host="10.0.0.5")
    assert again["made"] == ["ca.crt", "mirror.crt"]
    assert again["ca"] != first["ca"]
    trusted(folder, "10.0.0.5")


@pytest.mark.parametrize(("left", "made"), [(1.1, []), (0.9, ["ca.crt", "mirror.crt"])])
def test_renewed_with_less_than_a_year_left(
    run_module: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, left: float, made: list[str]
) -> None:
    run_module(mirror_certificate, directory=str(folder), host="10.0.0.5")
    later = mirror_certificate.time.time() + (10 - left) * YEAR
    monkeypatch.setattr(mirror_certificate.time, "time", lambda: later)
    planned = run_module(mirror_certificate, directory=str(folder), host="10.0.0.5", _ansible_check_mode=True)
    assert planned["made"] == made


def test_a_bare_machine_has_no_openssl_yet(run_module: Run, folder: Path, programs: Any) -> None:
    programs.missing.add("openssl")
    planned = run_module(mirror_certificate, directory=str(folder), host="10.0.0.5", _ansible_check_mode=True)
    assert planned["changed"]
    failed = run_module(mirror_certificate, directory=str(folder), host="10.0.0.5")
    assert "openssl is not installed" in failed["msg"]
