# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Members of etcd as its JSON gateway listed them in a lab (etcd 3.6.16), Nodes as recorded, and servers with TLS."""

from __future__ import annotations

import base64
import json
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from ansible_collections.kubestead.cluster.plugins.module_utils import _cluster_state as cluster_state

NODES = Path(__file__).parents[2] / "fixtures/kube/1.36.3_nodes.json"
MEMBERS = {
    "header": {"cluster_id": "9442327820949150763", "member_id": "11315744978294823314", "raft_term": "2"},
    "members": [
        {
            "ID": "5436088275203412427",
            "name": "cp3",
            "peerURLs": ["https://10.90.0.13:2380"],
            "clientURLs": ["https://10.90.0.13:2379"],
        },
        {"ID": "8907957323930578580", "peerURLs": ["https://10.90.0.12:2380"], "isLearner": True},
        {
            "ID": "11315744978294823314",
            "name": "cp1",
            "peerURLs": ["https://10.90.0.11:2380"],
            "clientURLs": ["https://10.90.0.11:2379"],
        },
    ],
}
STATUS = {"header": {}, "version": "3.6.16", "leader": "11315744978294823314", "raftIndex": "1029"}


def test_members_of_etcd() -> None:
    etcd = cluster_state.parse_etcd(MEMBERS, STATUS)
    assert (etcd.healthy, etcd.id) == (True, "9d099a1ab82c5992")
    assert [(item.id, item.name, item.peer, item.learner) for item in etcd.members] == [
        ("4b70dd7c132a51cb", "cp3", "https://10.90.0.13:2380", False),
        ("7b9f6bfd5f38ae94", "", "https://10.90.0.12:2380", True),
        ("9d099a1ab82c5992", "cp1", "https://10.90.0.11:2380", False),
    ]


@pytest.mark.parametrize("ill", [{"leader": None}, {"errors": ["etcdserver: no leader"]}])
def test_a_member_without_a_leader_or_with_errors_is_not_healthy(ill: dict[str, Any]) -> None:
    status = {key: value for key, value in {**STATUS, **ill}.items() if value is not None}
    assert cluster_state.parse_etcd(MEMBERS, status).healthy is False


def condition(status: str) -> dict[str, Any]:
    return {"conditions": [{"type": "Ready", "status": status, "lastTransitionTime": "2026-12-01T02:55:00Z"}]}


@pytest.mark.parametrize(
    ("status", "seconds"),
    [(condition("True"), None), (condition("False"), 60), (condition("Unknown"), 60), ({}, 120)],
)
def test_how_long_a_node_is_not_ready(status: dict[str, Any], seconds: int | None) -> None:
    metadata = {"name": "w1", "creationTimestamp": "2026-12-01T02:54:00Z"}
    now = 1796093700.0 + 60  # 2026-12-01T02:56:00Z
    assert cluster_state.parse_node({"metadata": metadata, "status": status}, now) == cluster_state.Node(
        "w1", False, seconds
    )


class Handler(BaseHTTPRequestHandler):
    answers: ClassVar[dict[str, tuple[int, str]]] = {}

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        status, text = self.answers.get(self.path, (404, "{}"))
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.fixture
def control_plane(tmp_path: Path) -> Iterator[tuple[Path, int, type[Handler]]]:
    """The files of a control plane, and one server for both, which wants the client's certificate."""
    pki = tmp_path / "etc/kubernetes/pki"
    (pki / "etcd").mkdir(parents=True)
    certificate, key = pki / "apiserver-etcd-client.crt", pki / "apiserver-etcd-client.key"
    request = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=test -addext subjectAltName=IP:127.0.0.1"
    subprocess.run([*request.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    for name in ("ca.crt", "etcd/ca.crt"):
        shutil.copy(certificate, pki / name)
    data = {name: base64.b64encode(path.read_bytes()).decode() for name, path in (("c", certificate), ("k", key))}
    (tmp_path / "etc/kubernetes/admin.conf").write_text(
        f"users:\n- user:\n    client-certificate-data: {data['c']}\n    client-key-data: {data['k']}\n"
    )
    (tmp_path / "etc/kubernetes/manifests").mkdir()
    (tmp_path / "etc/kubernetes/manifests/etcd.yaml").touch()

    class Own(Handler):
        answers: ClassVar[dict[str, tuple[int, str]]] = {
            "/v3/cluster/member/list": (200, json.dumps(MEMBERS)),
            "/v3/maintenance/status": (200, json.dumps(STATUS)),
            "/api/v1/nodes?resourceVersion=0": (200, NODES.read_text()),
        }

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    with HTTPServer(("127.0.0.1", 0), Own) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield tmp_path, server.server_port, Own
        server.shutdown()
        thread.join()


def test_both_are_asked_with_the_certificates_of_the_machine(
    control_plane: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, port, handler = control_plane
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    etcd, nodes = cluster_state.read_etcd(root, port), cluster_state.read_nodes(root, port)
    assert etcd
    assert [member.name for member in etcd.members] == ["cp3", "", "cp1"]
    assert nodes
    assert [(node.name, node.control_plane, node.unready_seconds) for node in nodes] == [
        ("cp1", True, None),
        ("w1", False, None),
    ]
    handler.answers = dict.fromkeys(handler.answers, (403, "{}"))
    assert (cluster_state.read_etcd(root, port), cluster_state.read_nodes(root, port)) == (None, None)


def test_machines_that_have_neither_or_where_nothing_answers(control_plane: Any, tmp_path: Path) -> None:
    root, port, _handler = control_plane
    assert (cluster_state.read_etcd(root, 9), cluster_state.read_nodes(root, 9)) == (None, None)
    (root / "etc/kubernetes/admin.conf").write_text("users: []\n")
    assert cluster_state.read_nodes(root, port) is None
    (root / "etc/kubernetes/manifests/etcd.yaml").unlink()
    assert cluster_state.read_etcd(root, port) is None
    bare = tmp_path / "bare"
    assert (cluster_state.read_etcd(bare, port), cluster_state.read_nodes(bare, port)) == (None, None)
