# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client of the API against servers of this machine: TLS, logins, proxies, retries, and what is told of errors."""

from __future__ import annotations

import base64
import datetime
import importlib.util
import ipaddress
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ansible_collections.kubestead.cluster.plugins.module_utils import _kube
from ansible_collections.kubestead.cluster.plugins.module_utils._kube import Access, Api, KubeconfigError, read_access

#: Dies while the TLS library has certificate and key before it.
KILLED = """
import json, os, signal, ssl, sys
from ansible_collections.kubestead.cluster.plugins.module_utils._kube import Access, Api
given = json.load(sys.stdin)
if given.pop("system") == "macos":
    del os.memfd_create
load = ssl.SSLContext.load_cert_chain
def read_and_die(context, *paths):
    load(context, *paths)
    print("the key is read", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
ssl.SSLContext.load_cert_chain = read_and_die
Api(Access("https://192.0.2.1", **given))
"""
SECRET = "c2VjcmV0LXRva2Vu.hunter2"
Answer = tuple[int, str]


class Pki:
    """A CA with the certificate of a server, known as 127.0.0.1 and as kubernetes, and of an administrator."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ca")])
        self.ca = self._sign(self._name, self._key, x509.BasicConstraints(ca=True, path_length=None))
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        self.server = self.issue("server", x509.SubjectAlternativeName([address, x509.DNSName("kubernetes")]))
        self.nameless = self.issue("nameless", x509.SubjectAlternativeName([x509.DNSName("kubernetes")]))
        self.admin = self.issue("admin", x509.BasicConstraints(ca=False, path_length=None))

    def issue(self, name: str, extension: x509.ExtensionType) -> tuple[str, str]:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key, extension)
        plain = serialization.NoEncryption()
        text = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain).decode()
        return certificate, text

    def _sign(self, name: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType) -> str:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder(self._name, name, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(hours=1))
        builder = builder.not_valid_after(now + datetime.timedelta(hours=1))
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture(scope="module")
def pki() -> Pki:
    return Pki()


class Server:
    """Answers as told, one answer after the other, the last one forever; remembers what it was asked."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers) or [(200, '{"kind": "Status"}')]
        self.requests: list[tuple[str, str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.clients: list[str | None] = []
        self.names: list[str | None] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length", 0))).decode()
        self.requests.append((request.command, request.path, body))
        self.headers.append(dict(request.headers))
        peer = request.connection.getpeercert() if isinstance(request.connection, ssl.SSLSocket) else None
        names = [value for ((_kind, value),) in peer["subject"]] if peer else [None]  # type: ignore[misc]
        self.clients += names
        status, text = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if status == 0:
            # The connection breaks after the request was read.
            request.close_connection = True
            request.connection.shutdown(socket.SHUT_RDWR)
            return
        request.send_response(status)
        request.send_header("Content-Length", str(len(text.encode())))
        request.end_headers()
        request.wfile.write(text.encode())


@contextmanager
def served(handler: type[BaseHTTPRequestHandler], context: ssl.SSLContext | None = None) -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        http.handle_error = lambda *_arguments: None  # type: ignore[method-assign]
        if context:
            http.socket = context.wrap_socket(http.socket, server_side=True)
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield http.server_port
        finally:
            http.shutdown()
            thread.join()


@contextmanager
def running(
    folder: Path, server: Server, certificate: tuple[str, str] | None, client_ca: str | None = None
) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_arguments: Any) -> None: ...

        def do_any(self) -> None:
            server.answer(self)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = do_any  # noqa: N815

    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        path = folder / "server.pem"
        path.write_text("\n".join(certificate))
        context.load_cert_chain(path)
        context.sni_callback = lambda _socket, name, _context: server.names.append(name)
        if client_ca:
            context.verify_mode = ssl.CERT_OPTIONAL
            context.load_verify_locations(cadata=client_ca)
    with served(Handler, context) as port:
        server.port = port
        yield server


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors are waited for a little only."""
    monkeypatch.setattr(_kube, "RETRIES", 1)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def kubeconfig(cluster: dict[str, Any], user: Any = None, **changes: Any) -> str:
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "other", "cluster": {"server": "https://192.0.2.1"}},
            {"name": "c", "cluster": {"server": "https://192.0.2.2:6443", **cluster}},
        ],
        "users": [{"name": "u", "user": {} if user is None else user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
        **changes,
    }
    return json.dumps(content)


class TestKubeconfig:
    def test_all_of_it(self) -> None:
        text = kubeconfig(
            {
                "server": "https://10.0.0.1:6443/",
                "certificate-authority-data": encoded("CA"),
                "proxy-url": "http://me:hunter2@proxy:3128",
                "tls-server-name": "kubernetes",
            },
            {"client-certificate-data": encoded("CERT"), "client-key-data": encoded("KEY"), "token": SECRET},
        )
        access = read_access("/etc/admin.conf", text)
        assert access == Access(
            server="https://10.0.0.1:6443",
            ca="CA",
            certificate="CERT",
            key="KEY",
            token=SECRET,
            proxy="http://me:hunter2@proxy:3128",
            server_name="kubernetes",
        )
        for secret in ("KEY", SECRET, "hunter2"):
            assert secret not in repr(access)

    def test_the_least(self) -> None:
        assert read_access("x", kubeconfig({})) == Access("https://192.0.2.2:6443")
        assert read_access("x", kubeconfig({"insecure-skip-tls-verify": True})).verify is False

    def test_files_stand_beside_the_kubeconfig(self, tmp_path: Path) -> None:
        for name in ("ca.crt", "admin.crt", "admin.key"):
            (tmp_path / name).write_text(name.upper())
        user = {"client-certificate": "admin.crt", "client-key": str(tmp_path / "admin.key")}
        text = kubeconfig({"certificate-authority": "ca.crt"}, user)
        access = read_access(str(tmp_path / "admin.conf"), text)
        assert (access.ca, access.certificate, access.key) == ("CA.CRT", "ADMIN.CRT", "ADMIN.KEY")

    def test_data_wins_over_a_file(self) -> None:
        cluster = {"certificate-authority": "/nonexistent", "certificate-authority-data": encoded("CA")}
        assert read_access("x", kubeconfig(cluster)).ca == "CA"

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        expected = f"^{tmp_path}/ca.crt: No such file or directory; expected the certificate-authority that .* names$"
        with pytest.raises(KubeconfigError, match=expected):
            read_access(f"{tmp_path}/admin.conf", kubeconfig({"certificate-authority": "ca.crt"}))

    @pytest.mark.parametrize("data", ["a", base64.b64encode(b"\xff\xfe").decode()])
    def test_data_that_is_none(self, data: str) -> None:
        with pytest.raises(KubeconfigError, match=r"^x: client-key-data: expected PEM in base64$"):
            read_access("x", kubeconfig({}, {"client-key-data": data}))

    @pytest.mark.parametrize("login", ["exec", "auth-provider"])
    def test_programs_are_not_started(self, login: str) -> None:
        with pytest.raises(KubeconfigError, match=r"^x: found a user who logs in by a program, expected a certificate"):
            read_access("x", kubeconfig({}, {login: {"command": "gke"}}))

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("", "no usable current context (TypeError: "),
            ("{}", "no usable current context (KeyError: 'current-context')"),
            ("[]", "no usable current context (TypeError: "),
            (kubeconfig({}, **{"current-context": "y"}), "no usable current context (KeyError: 'y')"),
            (kubeconfig({"server": 6443}), "no usable current context (AttributeError: "),
            (kubeconfig({}, users=[{"name": "u", "user": None}]), "no usable current context (TypeError: "),
            (f"a:\n  token: {SECRET}: x", "no YAML in line 2 (mapping values are not allowed here)"),
            ("a: \0", "no usable current context (ReaderError: "),
        ],
    )
    def test_what_is_none(self, text: str, found: str) -> None:
        with pytest.raises(KubeconfigError) as caught:
            read_access("/etc/admin.conf", text)
        assert str(caught.value).startswith(f"/etc/admin.conf: found {found}")
        assert str(caught.value).endswith(", expected the kubeconfig of a cluster that this user may administer")
        assert SECRET not in str(caught.value)

    def test_a_mistake_without_a_place(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def load(_text: str) -> None:
            raise _kube.yaml.MarkedYAMLError(problem="too deep")

        monkeypatch.setattr(_kube.yaml, "safe_load", load)
        with pytest.raises(KubeconfigError, match=r"found no YAML in line 0 \(too deep\)"):
            read_access("x", "")

    def test_no_kubeconfig(self, tmp_path: Path) -> None:
        path = tmp_path / "admin.conf"
        expected = f"^{path}: No such file or directory; expected the kubeconfig that site.yml writes"
        with pytest.raises(KubeconfigError, match=expected):
            _kube.connect(str(path))
        path.write_bytes(b"\xff\xfe")
        with pytest.raises(KubeconfigError, match=f"^{path}: found bytes that are no text, expected the kubeconfig"):
            _kube.connect(str(path))

    def test_connect(self, tmp_path: Path) -> None:
        path = tmp_path / "admin.conf"
        path.write_text(kubeconfig({}))
        assert _kube.connect(str(path)).server == "https://192.0.2.2:6443"


class TestTls:
    def test_the_ca_of_the_kubeconfig_and_a_client_certificate(self, tmp_path: Path, pki: Pki) -> None:
        with running(tmp_path, Server(), pki.server, client_ca=pki.ca) as server:
            Api(Access(server.url, ca=pki.ca, certificate=pki.admin[0], key=pki.admin[1])).get("/version")
            Api(Access(server.url, ca=pki.ca)).get("/version")
        assert server.clients == ["admin", None]

    def test_another_ca(self, tmp_path: Path, pki: Pki) -> None:
        with running(tmp_path, Server(), pki.server) as server:
            expected = f"^{server.url}: the API did not answer: .*CERTIFICATE_VERIFY_FAILED"
            with pytest.raises(_kube.Unreachable, match=expected):
                Api(Access(server.url, ca=Pki().ca)).get("/version")
        assert server.requests == []

    def test_another_name(self, tmp_path: Path, pki: Pki) -> None:
        with running(tmp_path, Server(), pki.nameless) as server:
            with pytest.raises(_kube.Unreachable, match="IP address mismatch"):
                Api(Access(server.url, ca=pki.ca)).get("/version")
            with pytest.raises(_kube.Unreachable, match="Hostname mismatch"):
                Api(Access(server.url, ca=pki.ca, server_name="other")).get("/version")
            assert server.requests == []
            Api(Access(server.url, ca=pki.ca, server_name="kubernetes")).get("/version")
        assert server.names[-1] == "kubernetes"
        assert len(server.requests) == 1

    def test_unverified_if_the_kubeconfig_says_so(self, tmp_path: Path, pki: Pki) -> None:
        with (
            running(tmp_path, Server(), pki.nameless) as server,
            pytest.warns(urllib3.exceptions.InsecureRequestWarning),
        ):
            Api(Access(server.url, verify=False)).get("/version")
        assert len(server.requests) == 1

    @pytest.mark.parametrize("ca", ["no PEM", "-----BEGIN CERTIFICATE-----\n\xe9\n-----END CERTIFICATE-----\n"])
    def test_a_ca_that_is_none(self, ca: str) -> None:
        with pytest.raises(KubeconfigError, match=r"^the kubeconfig's certificates can't be used: "):
            Api(Access("https://192.0.2.1", ca=ca))

    def test_a_key_of_another_certificate(self, pki: Pki) -> None:
        access = Access("https://192.0.2.1", ca=pki.ca, certificate=pki.admin[0], key=pki.server[1])
        with pytest.raises(KubeconfigError, match="KEY_VALUES_MISMATCH"):
            Api(access)

    @pytest.mark.parametrize("system", ["linux", "macos"])
    def test_a_kill_while_the_key_is_read_leaves_no_file(self, system: str, tmp_path: Path, pki: Pki) -> None:
        (tmp_path / "temporary").mkdir()
        given = {"ca": pki.ca, "certificate": pki.admin[0], "key": pki.admin[1], "system": system}
        done = subprocess.run(
            [sys.executable, "-c", KILLED],
            input=json.dumps(given),
            text=True,
            check=False,
            capture_output=True,
            timeout=60,
            cwd=tmp_path / "temporary",
            env={"TMPDIR": str(tmp_path / "temporary"), "HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)},
        )
        assert (done.returncode, done.stdout) == (-signal.SIGKILL, "the key is read\n"), done.stderr
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []

    def test_a_pipe_holds_the_key_where_there_are_no_files_in_memory(
        self, tmp_path: Path, pki: Pki, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delattr(os, "memfd_create")
        with running(tmp_path, Server(), pki.server, client_ca=pki.ca) as server:
            Api(Access(server.url, ca=pki.ca, certificate=pki.admin[0], key=pki.admin[1])).get("/version")
        assert server.clients == ["admin"]
        with pytest.raises(KubeconfigError, match="found PEM of 1000000 bytes, which is too long"):
            Api(Access("https://192.0.2.1", ca=pki.ca, certificate=pki.admin[0], key="x" * 1000000))

    def test_no_descriptor_stays_open(self, pki: Pki) -> None:
        before = len(list(Path("/proc/self/fd").iterdir()))
        Api(Access("https://192.0.2.1", ca=pki.ca, certificate=pki.admin[0], key=pki.admin[1]))
        assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.fixture
def api(tmp_path: Path, pki: Pki) -> Iterator[Callable[..., tuple[Api, Server]]]:
    """Gives an API and the server that answers for it."""
    with running(tmp_path, Server(), pki.server) as server:

        def make(*answers: Answer, **access: Any) -> tuple[Api, Server]:
            server.answers = list(answers) or server.answers
            return Api(Access(server.url, ca=pki.ca, **access)), server

        yield make


class TestRequests:
    def test_a_token(self, api: Any) -> None:
        client, server = api(token=SECRET)
        client.get("/version")
        assert server.headers[0]["Authorization"] == f"Bearer {SECRET}"
        assert server.headers[0]["Accept"] == "application/json"

    def test_without_a_token(self, api: Any) -> None:
        client, server = api()
        client.get("/version")
        assert "Authorization" not in server.headers[0]
        assert "Content-Type" not in server.headers[0]

    def test_a_body_and_parameters(self, api: Any) -> None:
        client, server = api((200, '{"a": "ä"}'))
        answer = client.request(
            "PATCH", "/api/v1/x", {"b": None}, _kube.MERGE_PATCH, {"dryRun": "All", "force": "true"}
        )
        assert answer == {"a": "ä"}
        assert server.requests == [("PATCH", "/api/v1/x?dryRun=All&force=true", '{"b": null}')]
        assert server.headers[0]["Content-Type"] == "application/merge-patch+json"

    def test_text(self, api: Any) -> None:
        client, _server = api((200, "a line\nof a log\n"))
        assert client.text("/log") == "a line\nof a log\n"
        client, _server = api((404, "nothing here"))
        with pytest.raises(_kube.ApiError, match=r"^the API refused GET /log: 404 : nothing here$"):
            client.text("/log")

    def test_raw_takes_every_status(self, api: Any) -> None:
        client, server = api((500, "[-]etcd failed"))
        assert client.raw("GET", "/readyz?verbose") == (500, "[-]etcd failed")
        assert len(server.requests) == 1

    def test_what_is_not_there(self, api: Any) -> None:
        client, _server = api((404, '{"kind": "Status", "reason": "NotFound"}'))
        assert client.get("/api/v1/namespaces/x") is None

    def test_a_refusal_says_what_the_api_says(self, api: Any) -> None:
        status = {"kind": "Status", "reason": "Forbidden", "message": 'pods is forbidden: User "x" cannot list'}
        client, _server = api((403, json.dumps(status)))
        with pytest.raises(_kube.ApiError) as caught:
            client.get("/api/v1/pods")
        assert str(caught.value) == (
            'the API refused GET /api/v1/pods: 403 Forbidden: pods is forbidden: User "x" cannot list'
        )
        assert (caught.value.status, caught.value.reason) == (403, "Forbidden")

    @pytest.mark.parametrize("text", ["<html>" + "x" * 400, "[1]"])
    def test_a_refusal_by_somebody_else(self, api: Any, text: str) -> None:
        client, _server = api((502, text))
        with pytest.raises(_kube.ApiError) as caught:
            client.get("/version")
        assert str(caught.value) == f"the API refused GET /version: 502 : {text[:300]}"

    def test_an_answer_of_somebody_else(self, api: Any) -> None:
        client, server = api((200, "<html>Log in first</html>"))
        expected = f"^{server.url}: GET /version: found '<html>Log in first</html>', expected JSON$"
        with pytest.raises(_kube.Unreachable, match=expected):
            client.get("/version")


class TestRetries:
    @pytest.mark.parametrize("method", ["GET", "PATCH", "PUT", "DELETE"])
    @pytest.mark.parametrize("status", [0, 429, 503, 504])
    def test_what_may_be_repeated_is(self, api: Any, method: str, status: int) -> None:
        client, server = api((status, ""), (200, "{}"))
        assert client.request(method, "/x", None if method == "GET" else {}) == {}
        assert len(server.requests) == 2

    def test_an_object_is_not_created_twice(self, api: Any) -> None:
        client, server = api((0, ""), (200, "{}"))
        with pytest.raises(_kube.Unreachable):
            client.request("POST", "/x", {})
        client, server = api((503, "{}"), (200, "{}"))
        with pytest.raises(_kube.ApiError, match="503"):
            client.request("POST", "/x", {})
        assert len(server.requests) == 2

    def test_patience_ends_with_the_answer(self, api: Any) -> None:
        client, server = api((503, '{"reason": "ServiceUnavailable", "message": "no leader"}'))
        with pytest.raises(_kube.ApiError, match="503 ServiceUnavailable: no leader"):
            client.get("/x")
        assert len(server.requests) == 2

    def test_a_refusal_is_final(self, api: Any) -> None:
        client, server = api((409, "{}"))
        with pytest.raises(_kube.ApiError, match="409"):
            client.request("PATCH", "/x", {})
        assert len(server.requests) == 1

    def test_nobody_answers(self) -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            url = f"https://127.0.0.1:{closed.getsockname()[1]}"
            with pytest.raises(_kube.Unreachable, match=f"^{url}: the API did not answer: .*[Cc]onnection refused"):
                Api(Access(url)).get("/version")


@contextmanager
def proxying(seen: list[tuple[str, str | None]]) -> Iterator[int]:
    """A proxy that knows CONNECT only."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_arguments: Any) -> None: ...

        def do_CONNECT(self) -> None:
            seen.append((self.path, self.headers.get("Proxy-Authorization")))
            host, _colon, port = self.path.rpartition(":")
            with socket.create_connection((host, int(port))) as target:
                self.send_response(200)
                self.end_headers()
                back = threading.Thread(target=self.pump, args=(target, self.connection))
                back.start()
                self.pump(self.connection, target)
                back.join()

        @staticmethod
        def pump(source: socket.socket, target: socket.socket) -> None:
            try:
                while data := source.recv(65536):
                    target.sendall(data)
                target.shutdown(socket.SHUT_WR)
            except OSError:
                pass

    with served(Handler) as port:
        yield port


class TestProxies:
    @pytest.mark.parametrize(("login", "authorization"), [("", None), ("me:p%40ss@", f"Basic {encoded('me:p@ss')}")])
    def test_the_tls_goes_through(self, api: Any, login: str, authorization: str | None) -> None:
        seen: list[tuple[str, str | None]] = []
        with proxying(seen) as port:
            client, server = api((200, "{}"), proxy=f"http://{login}127.0.0.1:{port}", token=SECRET)
            client.get("/version")
            client._pool.clear()
        assert seen == [(f"127.0.0.1:{server.port}", authorization)]
        assert server.requests == [("GET", "/version", "")]

    def test_another_server_name_through_a_proxy(self, tmp_path: Path, pki: Pki) -> None:
        seen: list[tuple[str, str | None]] = []
        with running(tmp_path, Server(), pki.nameless) as server, proxying(seen) as port:
            access = Access(server.url, ca=pki.ca, server_name="kubernetes", proxy=f"http://127.0.0.1:{port}")
            client = Api(access)
            client.get("/version")
            client._pool.clear()
        assert server.names == ["kubernetes"]

    def test_no_proxy_there(self) -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            port = closed.getsockname()[1]
            with pytest.raises(
                _kube.Unreachable, match=rf"through the proxy http://127.0.0.1:{port}: .*Unable to connect to proxy"
            ) as caught:
                Api(Access("https://192.0.2.1", proxy=f"http://me:hunter2@127.0.0.1:{port}")).get("/version")
        assert "hunter2" not in str(caught.value)

    def test_socks_needs_a_library(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def missing(name: str) -> None:
            raise ImportError(name)

        monkeypatch.setattr(_kube.importlib, "import_module", missing)
        expected = r"^proxy-url socks5: needs the Python package PySocks on the controller$"
        with pytest.raises(KubeconfigError, match=expected):
            Api(Access("https://192.0.2.1", proxy="socks5://me:hunter2@127.0.0.1:1080"))

    def test_socks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        made = []
        library = SimpleNamespace(SOCKSProxyManager=lambda proxy, **options: made.append((proxy, options)))
        monkeypatch.setattr(_kube.importlib, "import_module", lambda name: library)
        Api(Access("https://192.0.2.1", proxy="socks5h://127.0.0.1:1080", server_name="kubernetes"))
        [(proxy, options)] = made
        assert (proxy, options["server_hostname"]) == ("socks5h://127.0.0.1:1080", "kubernetes")


def test_connecting_as_a_kubeconfig_says(tmp_path: Path) -> None:
    path = tmp_path / "admin.conf"
    path.write_text(kubeconfig({}))
    assert _kube.connect(str(path)).server == "https://192.0.2.2:6443"


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_kube, "IMPORT_ERROR", "Traceback: No module named 'urllib3'")
    expected = r"admin\.conf: reading it needs the Python packages urllib3 and PyYAML: .*No module named 'urllib3'"
    with pytest.raises(_kube.KubeconfigError, match=expected):
        _kube.connect("admin.conf")


def test_without_the_library_the_file_can_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "urllib3", None)
    # Under another name: what others have imported stays.
    spec = importlib.util.spec_from_file_location("without_urllib3", str(_kube.__file__))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "without_urllib3", module)
    spec.loader.exec_module(module)
    assert "urllib3" in module.IMPORT_ERROR


def node(*conditions: tuple[str, str]) -> dict[str, Any]:
    return {"status": {"conditions": [{"type": kind, "status": status} for kind, status in conditions]}}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (node(("MemoryPressure", "False"), ("Ready", "True")), True),
        (node(("MemoryPressure", "True"), ("Ready", "False")), False),
        (node(("Ready", "Unknown")), False),
        (node(), False),
        ({"status": {"conditions": None}}, False),
        ({}, False),
    ],
)
def test_ready(found: dict[str, Any], expected: bool) -> None:
    assert _kube.ready(found) is expected
