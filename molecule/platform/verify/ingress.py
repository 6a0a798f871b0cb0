# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks an ingress controller as browsers do: ingress.py ADDRESS HTTP_PORT HTTPS_PORT PAIRS [default] [redirect].

PAIRS is the folder with secure.crt, the certificate of one name, and default.crt, which is expected for all other names
if `default` is said. With `redirect` HTTP leads to HTTPS.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import sys
import time
from pathlib import Path
from typing import Any

# Which service answers for a name.
ROUTES = {"one.example.test": "one", "two.example.test": "two", "three.example.test": "two"}
SECONDS = 60.0


def ask(address: str, port: int, name: str, certificate: Path | None = None) -> tuple[int, str]:
    """Return status and text of the answer for a name, or where it leads.

    A certificate is the only one that is accepted then.
    """
    stream: socket.socket = socket.create_connection((address, port), timeout=5)
    if certificate:
        stream = ssl.create_default_context(cafile=str(certificate)).wrap_socket(stream, server_hostname=name)
    connection = http.client.HTTPConnection(address, port)
    connection.sock = stream
    try:
        connection.request("GET", "/", headers={"Host": name})
        answer = connection.getresponse()
        return answer.status, answer.getheader("Location") or answer.read().decode()
    finally:
        connection.close()


def problem(status: int, start: str, *question: Any) -> str | None:
    """Return how the answer to a question differs from what is expected, once it does so for long."""
    end = time.monotonic() + SECONDS
    while True:
        try:
            found = ask(*question)
        except OSError as error:
            found = (0, str(error))
        if found[0] == status and found[1].startswith(start):
            return None
        if time.monotonic() > end:
            return f"found {found}, expected {status} and {start!r}"
        time.sleep(0.5)


def problems(address: str, http_port: int, https_port: int, pairs: Path, default: bool, redirect: bool) -> list[str]:
    """Return all that is otherwise than it should be."""
    found = {}
    for name, service in ROUTES.items():
        start = f"nginx on {service}-"
        plain = (301, f"https://{name}:{https_port}/") if redirect else (200, start)
        found[f"http://{name}"] = problem(*plain, address, http_port, name)
        # Without a certificate of our own it is one that nobody has to trust, and the Gateway does not listen.
        if default:
            found[f"https://{name}"] = problem(200, start, address, https_port, name, pairs / "default.crt")
    secure = ("secure.example.test", pairs / "secure.crt")
    found[f"https://{secure[0]}"] = problem(200, "nginx on two-", address, https_port, *secure)
    if redirect:
        nobody = ("nobody.example.test", pairs / "default.crt")
        found["https://nobody.example.test"] = problem(404, "", address, https_port, *nobody)
    else:
        found["http://nobody.example.test"] = problem(404, "", address, http_port, "nobody.example.test")
    return [f"{address}: {url}: {text}" for url, text in found.items() if text]


if __name__ == "__main__":
    where, plain, encrypted, folder, *more = sys.argv[1:]
    asked = (where, int(plain), int(encrypted), Path(folder), "default" in more, "redirect" in more)
    sys.exit("\n".join(problems(*asked)) or 0)
