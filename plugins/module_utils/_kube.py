# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Talking to the API from the controller: JSON over one TLS connection, as a kubeconfig says.

The official client costs over a second of processor time before its first request, because it loads a class for every
kind there is. What this collection asks for needs paths and JSON only
(https://kubernetes.io/docs/reference/using-api/api-concepts/).
"""

from __future__ import annotations

import base64
import binascii
import importlib
import json
import os
import re
import ssl
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlencode

try:
    import urllib3
    import yaml
    from urllib3.exceptions import HTTPError

    IMPORT_ERROR = None
except ImportError:
    IMPORT_ERROR = traceback.format_exc()

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
CONNECT_SECONDS = 5.0
CONTROL_PLANE_LABEL = "node-role.kubernetes.io/control-plane"
_CHECK = re.compile(r"^\[([+-])\](\S+)", re.MULTILINE)
READ_SECONDS = 60.0
# An address that moves to another machine is back in less than this.
RETRIES = 5


class KubeconfigError(Exception):
    """A kubeconfig can't be used."""


class ApiError(Exception):
    """The API refused a request."""

    def __init__(self, method: str, path: str, status: int, reason: str, message: str) -> None:
        self.status = status
        self.reason = reason
        super().__init__(f"the API refused {method} {path}: {status} {reason}: {message}")


class Unreachable(Exception):
    """Nothing answered at the server of the kubeconfig."""


@dataclass(frozen=True)
class Access:
    """What a kubeconfig's current context says, without its secrets in the repr."""

    server: str
    ca: str | None = None
    certificate: str | None = None
    key: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    # May hold a password.
    proxy: str | None = field(default=None, repr=False)
    server_name: str | None = None
    verify: bool = True


def read_access(path: str, text: str) -> Access:
    """Read a kubeconfig (https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/)."""
    try:
        document = yaml.safe_load(text)
        context = _named(document, "contexts", document["current-context"])["context"]
        cluster = _named(document, "clusters", context["cluster"])["cluster"]
        user = _named(document, "users", context["user"])["user"]
        if "exec" in user or "auth-provider" in user:
            raise KubeconfigError(f"{path}: found a user who logs in by a program, expected a certificate or a token")
        return Access(
            server=cluster["server"].rstrip("/"),
            ca=_inline(path, cluster, "certificate-authority"),
            certificate=_inline(path, user, "client-certificate"),
            key=_inline(path, user, "client-key"),
            token=user.get("token"),
            proxy=cluster.get("proxy-url"),
            server_name=cluster.get("tls-server-name"),
            verify=not cluster.get("insecure-skip-tls-verify", False),
        )
    except yaml.MarkedYAMLError as error:
        # The text of such an error quotes the line, which may hold a key.
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        found = f"no YAML in line {line} ({error.problem})"
    except (yaml.YAMLError, LookupError, TypeError, AttributeError) as error:
        found = f"no usable current context ({type(error).__name__}: {error})"
    raise KubeconfigError(f"{path}: found {found}, expected the kubeconfig of a cluster that this user may administer")


def _named(document: Any, kind: str, name: str) -> Any:
    return {item["name"]: item for item in document[kind]}[name]


def _inline(path: str, entry: Mapping[str, str], name: str) -> str | None:
    """Return what stands in a kubeconfig itself or in the file that it names, relative to it."""
    if f"{name}-data" in entry:
        try:
            return base64.b64decode(entry[f"{name}-data"]).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise KubeconfigError(f"{path}: {name}-data: expected PEM in base64") from None
    if name not in entry:
        return None
    return _read(os.path.join(os.path.dirname(path), entry[name]), f"the {name} that {path} names")


def _read(path: str, expected: str) -> str:
    try:
        with open(path, encoding="utf-8") as handle:
            return handle.read()
    except OSError as error:
        raise KubeconfigError(f"{path}: {error.strerror}; expected {expected}") from None
    except UnicodeDecodeError:
        raise KubeconfigError(f"{path}: found bytes that are no text, expected {expected}") from None


class Api:
    """The API of one cluster. Answers are JSON as it comes; a refusal is an :class:`ApiError`."""

    def __init__(self, access: Access, retries: int | None = None) -> None:
        """Prepare connections; none is made yet."""
        self.server = access.server
        #: The header Date of the last answer: the API server's clock.
        self.date = ""
        self._headers = {"Accept": JSON, "User-Agent": "kubestead.cluster"}
        if access.token:
            self._headers["Authorization"] = f"Bearer {access.token}"
        options: dict[str, Any] = {
            "ssl_context": _tls(access),
            # Each is made when it is needed; the smoke tests ask from several threads.
            "maxsize": 16,
            "timeout": urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
            # What was sent may have been done: only what is safe to repeat is sent again.
            "retries": urllib3.Retry(
                RETRIES if retries is None else retries,
                backoff_factor=0.2,
                status_forcelist=[429, 503, 504],
                allowed_methods=["GET", "PATCH", "PUT", "DELETE"],
                raise_on_status=False,
            ),
        }
        if access.server_name:
            options["server_hostname"] = access.server_name
        self._pool = _manager(access.proxy, options)
        proxy = urllib3.util.parse_url(access.proxy) if access.proxy else None
        # Without the name and password that its URL may have.
        self._way = f" through the proxy {proxy.scheme}://{proxy.netloc}" if proxy else ""

    def raw(self, method: str, path: str, body: str | None = None, content_type: str = JSON) -> tuple[int, str]:
        """Return status and text of an answer, whatever they are."""
        try:
            answer = self._pool.request(
                method,
                f"{self.server}{path}",
                body=body,
                headers={**self._headers, **({"Content-Type": content_type} if body is not None else {})},
            )
        except HTTPError as error:
            raise Unreachable(f"{self.server}: the API did not answer{self._way}: {error}") from None
        self.date = answer.headers.get("Date", "")
        return int(answer.status), answer.data.decode("utf-8", errors="replace")

    def text(self, path: str) -> str:
        """GET something that is no JSON, such as a pod's log."""
        status, text = self.raw("GET", path)
        if status >= 400:
            raise _refusal("GET", path, status, text)
        return text

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str = JSON,
        query: Mapping[str, str] | None = None,
    ) -> Any:
        """Send a request and return the answer. `query` are parameters such as dryRun=All."""
        url = f"{path}?{urlencode(query)}" if query else path
        status, text = self.raw(method, url, None if body is None else json.dumps(body), content_type)
        if status >= 400:
            raise _refusal(method, path, status, text)
        try:
            return json.loads(text)
        except ValueError:
            raise Unreachable(f"{self.server}: {method} {path}: found {text[:100]!r}, expected JSON") from None

    def get(self, path: str) -> Any:
        """Return an object or a list, or None if it is not there."""
        try:
            return self.request("GET", path)
        except ApiError as error:
            if error.status != 404:
                raise
            return None


def _refusal(method: str, path: str, status: int, text: str) -> ApiError:
    try:
        answer = json.loads(text)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        answer = {"message": text[:300]}
    return ApiError(method, path, status, str(answer.get("reason", "")), str(answer.get("message", "")))


def _manager(proxy: str | None, options: dict[str, Any]) -> Any:
    if proxy is None:
        return urllib3.PoolManager(**options)
    if proxy.startswith("socks5"):
        try:
            socks = importlib.import_module("urllib3.contrib.socks")
        except ImportError:
            raise KubeconfigError("proxy-url socks5: needs the Python package PySocks on the controller") from None
        return socks.SOCKSProxyManager(proxy, **options)
    password = urllib3.util.parse_url(proxy).auth
    headers = urllib3.make_headers(proxy_basic_auth=unquote(password)) if password else None
    return urllib3.ProxyManager(proxy, proxy_headers=headers, **options)


def _tls(access: Access) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=access.ca)
        # Python 3.13 and later refuse what kubectl takes: certificates of a CA of one's own without all extensions.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if not access.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if access.certificate and access.key:
            # Python reads certificates and keys by a path only.
            with _path_in_memory(access.certificate) as certificate, _path_in_memory(access.key) as key:
                context.load_cert_chain(certificate, key)
    except (ssl.SSLError, ValueError, TypeError) as error:
        raise KubeconfigError(f"the kubeconfig's certificates can't be used: {error}") from None
    return context


@contextmanager
def _path_in_memory(text: str) -> Iterator[str]:
    """Yield a path from which a text can be read once. It has no name in any folder, so a kill leaves no file behind.

    Linux has files in memory (https://man7.org/linux/man-pages/man2/memfd_create.2.html). Elsewhere, such as on macOS,
    a pipe holds the text; PEM of more than a pipe takes at once is refused by a ValueError.
    """
    data = text.encode("ascii")
    if hasattr(os, "memfd_create"):
        folder = "/proc/self/fd"
        descriptor = os.memfd_create("kubestead")
        complete = os.write(descriptor, data) == len(data)
    else:
        folder = "/dev/fd"
        descriptor, writer = os.pipe()
        os.set_blocking(writer, False)
        try:
            complete = os.write(writer, data) == len(data)
        except BlockingIOError:
            complete = False
        finally:
            os.close(writer)
    try:
        if not complete:
            raise ValueError(f"found PEM of {len(data)} bytes, which is too long")
        yield f"{folder}/{descriptor}"
    finally:
        os.close(descriptor)


def connect(kubeconfig: str) -> Api:
    """Return the API that a kubeconfig names."""
    return Api(access_of(kubeconfig))


def access_of(kubeconfig: str) -> Access:
    """Read a kubeconfig by its path."""
    if IMPORT_ERROR:
        raise KubeconfigError(f"{kubeconfig}: reading it needs the Python packages urllib3 and PyYAML: {IMPORT_ERROR}")
    return read_access(kubeconfig, _read(kubeconfig, "the kubeconfig that site.yml writes (cluster_kubeconfig)"))


def ready(node: Mapping[str, Any]) -> bool:
    """Tell whether a node's Ready condition holds."""
    conditions = node.get("status", {}).get("conditions") or []
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


def parse_readyz(text: str) -> dict[str, bool]:
    """Parse /readyz?verbose: a line such as [+]etcd ok for each check."""
    return {name: sign == "+" for sign, name in _CHECK.findall(text)}
