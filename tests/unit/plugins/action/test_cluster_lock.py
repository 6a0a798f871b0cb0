# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No write to a cluster before it is proven to be the inventory's, and held."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import yaml
from ansible.errors import AnsibleActionFail

from ansible_collections.kubestead.cluster.plugins.action import cluster_lock
from ansible_collections.kubestead.cluster.plugins.modules import cluster_lock as documented
from ansible_collections.kubestead.cluster.plugins.plugin_utils import run_lease
from tests.unit.authority import Authority

OURS, THEIRS = Authority(), Authority()
LEASE = f"{run_lease.LEASES}/{run_lease.NAME}"


class Cluster:
    """An API with kubeadm's record and leases."""

    def __init__(self) -> None:
        self.recorded: str | None = "production"
        self.lease: dict[str, Any] | None = None
        self.port = 0
        self.writes: list[str] = []

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if method != "GET":
            self.writes.append(f"{method} {path}")
            self.lease = body
            return 200, body
        if path == cluster_lock.RECORDED and self.recorded is not None:
            content = yaml.safe_dump({"kind": "ClusterConfiguration", "clusterName": self.recorded})
            return 200, {"data": {"ClusterConfiguration": content}}
        if path == LEASE and self.lease:
            return 200, self.lease
        return 404, {"reason": "NotFound", "message": "not found"}


@contextmanager
def serving(cluster: Cluster, folder: Path) -> Iterator[Cluster]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_arguments: Any) -> None: ...

        def do_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, answer = cluster.answer(self.command, self.path, json.loads(body) if body else None)
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = do_any  # noqa: N815

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (folder / "server.pem").write_text("\n".join(OURS.server()))
    context.load_cert_chain(folder / "server.pem")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.handle_error = lambda *_arguments: None  # type: ignore[method-assign]
        http.socket = context.wrap_socket(http.socket, server_side=True)
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        cluster.port = http.server_port
        try:
            yield cluster
        finally:
            http.shutdown()
            thread.join()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with serving(Cluster(), tmp_path) as made:
        yield made


@pytest.fixture
def keepers(monkeypatch: pytest.MonkeyPatch) -> list[run_lease.Run]:
    started: list[run_lease.Run] = []
    monkeypatch.setattr(run_lease, "start_keeper", lambda _open, me: started.append(me))
    return started


@pytest.fixture
def path(tmp_path: Path, cluster: Cluster) -> Path:
    """A kubeconfig of the cluster."""
    path = tmp_path / "production.kubeconfig"
    path.write_text(OURS.admin_conf(server=f"https://{cluster.endpoint}"))
    return path


def lock(path: Path, cluster: Cluster, check_mode: bool = False, **args: Any) -> Any:
    given = {"kubeconfig": str(path), "name": "production", "endpoint": cluster.endpoint, **args}
    task = mock.Mock(args=given, async_val=0, check_mode=check_mode, delegate_to=None)
    action = cluster_lock.ActionModule(task, mock.Mock(), mock.Mock(), mock.Mock(), mock.Mock(), None)
    return action.run(task_vars={})["held"]


@pytest.mark.parametrize("ca_hashes", [[], [OURS.hash]])
def test_it_is_held_once(path: Path, cluster: Cluster, keepers: list[run_lease.Run], ca_hashes: list[str]) -> None:
    assert lock(path, cluster, ca_hashes=ca_hashes) is True
    assert cluster.writes == [f"POST {run_lease.LEASES}"]
    assert keepers == [run_lease.this_run()]
    assert lock(path, cluster, ca_hashes=ca_hashes) is True
    assert len(keepers) == 1


def test_a_plan_holds_nothing(path: Path, cluster: Cluster, keepers: list[run_lease.Run]) -> None:
    assert lock(path, cluster, check_mode=True) is False
    assert (cluster.writes, keepers) == ([], [])


def test_another_run_has_it(path: Path, cluster: Cluster, keepers: list[run_lease.Run]) -> None:
    cluster.lease = run_lease.taken(None, run_lease.datetime.now(run_lease.UTC), run_lease.Run("bob", "two", 200))
    with pytest.raises(AnsibleActionFail, match="another run holds this cluster, bob@two pid 200 since"):
        lock(path, cluster)
    assert (cluster.writes, keepers) == ([], [])


@pytest.mark.parametrize("check_mode", [False, True])
@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"endpoint": "192.0.2.100:8443"}, r"expected production at https://192\.0\.2\.100:8443; run site\.yml"),
        ({"ca_hashes": [THEIRS.hash]}, r"found the kubeconfig of a cluster with CA .*, expected the CA of the inv"),
        ({"name": "staging"}, r"cluster_name: found staging, while the cluster at .* was made as production"),
    ],
)
def test_another_cluster(
    path: Path, cluster: Cluster, keepers: list[run_lease.Run], args: Any, message: str, check_mode: bool
) -> None:
    with pytest.raises(AnsibleActionFail, match=message):
        lock(path, cluster, check_mode=check_mode, **args)
    assert (cluster.writes, keepers) == ([], [])


def test_whoever_else_answers_at_the_endpoint(path: Path, cluster: Cluster, keepers: list[run_lease.Run]) -> None:
    """A kubeconfig with the right address, of another CA: TLS finds it out."""
    path.write_text(THEIRS.admin_conf(server=f"https://{cluster.endpoint}"))
    with pytest.raises(AnsibleActionFail, match="CERTIFICATE_VERIFY_FAILED"):
        lock(path, cluster)
    assert (cluster.writes, keepers) == ([], [])


def test_an_api_that_is_not_verified_proves_nothing(path: Path, cluster: Cluster) -> None:
    user = yaml.safe_load(path.read_text())["users"][0]["user"]
    options = {"server": f"https://{cluster.endpoint}", "insecure-skip-tls-verify": True}
    path.write_text(OURS.kubeconfig(user, **options))
    with pytest.raises(AnsibleActionFail, match="found no CA by which the API is verified"):
        lock(path, cluster)


@pytest.mark.parametrize("recorded", ["kubernetes", None])
def test_a_cluster_that_nobody_has_named(
    path: Path, cluster: Cluster, keepers: list[run_lease.Run], recorded: str | None
) -> None:
    cluster.recorded = recorded
    assert lock(path, cluster) is True
    assert keepers


def test_an_api_that_does_not_answer(
    path: Path, cluster: Cluster, keepers: list[run_lease.Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    display = mock.Mock()
    monkeypatch.setattr(cluster_lock, "display", display)
    monkeypatch.setattr(cluster_lock, "RETRIES", 0)
    path.write_text(OURS.admin_conf(server="https://127.0.0.1:1"))
    away: Any = mock.Mock(endpoint="127.0.0.1:1")
    with pytest.raises(AnsibleActionFail, match="the API did not answer"):
        lock(path, away)
    assert lock(path, away, required=False) is False
    assert "goes on without holding the cluster" in display.warning.call_args.args[0]
    # It is not taken for the inventory's for all that.
    with pytest.raises(AnsibleActionFail, match="found the kubeconfig of a cluster at"):
        lock(path, cluster, required=False)
    assert keepers == []


class TestBeforeThereIsACluster:
    def test_nothing_is_asked(self, tmp_path: Path, cluster: Cluster) -> None:
        assert lock(tmp_path / "none", cluster, cluster_exists=False) is False

    def test_the_file_of_the_one_before(self, path: Path, cluster: Cluster) -> None:
        assert lock(path, cluster, cluster_exists=False) is False
        assert cluster.writes == []

    def test_the_file_of_another(self, path: Path, cluster: Cluster) -> None:
        """Found before the machines are changed, and not when the new one is to be written."""
        with pytest.raises(AnsibleActionFail, match=r"the kubeconfig of another cluster, at https://127\.0\.0\.1"):
            lock(path, cluster, cluster_exists=False, endpoint="192.0.2.100:8443")

    def test_a_folder(self, tmp_path: Path, cluster: Cluster) -> None:
        with pytest.raises(AnsibleActionFail, match=r"Is a directory; expected a file or none"):
            lock(tmp_path, cluster, cluster_exists=False)


def test_no_kubeconfig(tmp_path: Path, cluster: Cluster) -> None:
    with pytest.raises(AnsibleActionFail, match=r"No such file or directory; expected the kubeconfig that site\.yml"):
        lock(tmp_path / "none", cluster)
    # A plan of the first run from this controller.
    assert lock(tmp_path / "none", cluster, check_mode=True) is False


def test_the_module_documents_what_the_action_takes() -> None:
    assert yaml.safe_load(documented.DOCUMENTATION)["options"].keys() == cluster_lock.ARGUMENTS.keys()
