# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster that begins with one control plane behind a load balancer of the site's own, and grows.

The machines are reached as an ordinary user who may use sudo.
"""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.lab.lab import load

from .cluster import API_PORT, Cluster, fresh, lab_command

LAB = "e2e-grow"
PORT = 7443


class Forwarder(socketserver.ThreadingTCPServer):
    """The site's load balancer: passes connections to one API server."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: str, target: str) -> None:
        super().__init__((address, PORT), Connection)
        self.target = target


class Connection(socketserver.BaseRequestHandler):
    """One connection, passed on in both directions."""

    server: Forwarder

    def handle(self) -> None:
        """Until either side has ended."""
        with socket.create_connection((self.server.target, API_PORT), timeout=5) as upstream:
            upstream.settimeout(None)
            back = threading.Thread(target=copy, args=(upstream, self.request), daemon=True)
            back.start()
            copy(self.request, upstream)
            back.join()


def copy(source: socket.socket, target: socket.socket) -> None:
    """Pass on what comes, and at last that no more comes."""
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        # The other side is gone.
        source.close()


@contextmanager
def load_balancer(address: str, target: str) -> Iterator[str]:
    """A load balancer on the lab's own bridge; gives its endpoint."""
    with Forwarder(address, target) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"{address}:{PORT}"
        server.shutdown()


@pytest.mark.full
def test_a_cluster_grows() -> None:
    with fresh(LAB, 1, 1, "--user", "operator") as first:
        address = first.lab.nodes["cp1"].address
        with load_balancer(address.rsplit(".", 1)[0] + ".1", address) as endpoint:
            external = ("-e", f"cluster_endpoint={endpoint}", "-e", "cluster_vip=")
            first.site(*external).succeeded()
            assert first.ready_nodes() == {"cp1", "w1"}
            assert f"server: https://{endpoint}" in first.kubeconfig.read_text()

            lab_command("add", LAB, "w2")
            limited = Cluster(load(LAB)).site(*external, "--limit", "w2").succeeded()
            # What runs once is counted to the only host of the play.
            assert {host for _play, _task, host in limited.changed} == {"w2"}
            assert first.ready_nodes() == {"cp1", "w1", "w2"}

            lab_command("add", LAB, "cp2")
            grown = Cluster(load(LAB))
            run = grown.site(*external).succeeded()
            # An even number of etcd members bears no more losses than one less.
            assert "even" in run.output
            assert grown.ready_nodes() == {"cp1", "cp2", "w1", "w2"}
            members = grown.etcd_members()
            assert sorted(member["name"] for member in members) == ["cp1", "cp2"]
            assert not any(member.get("isLearner") for member in members)
            assert grown.site(*external).succeeded().changed == set()
