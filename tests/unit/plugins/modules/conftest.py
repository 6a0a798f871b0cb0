# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module finds when it runs: programs that answer as scripted, a machine in a folder, an API."""

from __future__ import annotations

import fcntl
import functools
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args

from ansible_collections.kubestead.cluster.plugins.module_utils._kubeadm import membership
from ansible_collections.kubestead.cluster.plugins.module_utils._kubeadm import run as kubeadm
from tests.unit.merge_patch import merged

FIXTURES = Path(__file__).parents[2] / "fixtures"
Answer = tuple[int, str, str]


class Programs:
    """Answers by what a command line begins with; an answer may be a function of the command line."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer | Callable[[list[str]], Answer]] = {}
        self.missing: set[str] = set()
        self.calls: list[str] = []

    def run_command(self, argv: list[str], **options: Any) -> Answer:
        assert options["environ_update"] == {"LC_ALL": "C"}
        self.calls.append(" ".join(argv))
        for beginning, answer in self.answers.items():
            if self.calls[-1].startswith(beginning):
                return answer(argv) if callable(answer) else answer
        raise AssertionError(f"no answer to {argv}")


def held(root: Path) -> bool:
    """Whether a run holds the machine in this moment, as another process would find it."""
    lock = root / membership.LOCK
    if not lock.exists():
        return False
    with lock.open("w") as handle:
        try:
            fcntl.flock(handle.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> Programs:
    scripted = Programs()
    monkeypatch.setattr(
        basic.AnsibleModule, "run_command", lambda _self, argv, **options: scripted.run_command(argv, **options)
    )
    monkeypatch.setattr(
        basic.AnsibleModule, "get_bin_path", lambda _self, name, **_options: None if name in scripted.missing else name
    )
    return scripted


@pytest.fixture
def run_module(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    def run(module: ModuleType, **args: Any) -> dict[str, Any]:
        with patch_module_args(args), pytest.raises(SystemExit) as ended:
            module.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert bool(result.get("failed")) is (ended.value.code == 1)
        return result

    return run


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root folder of a bare machine."""
    root = tmp_path / "root"
    root.mkdir()
    monkeypatch.setattr(kubeadm, "RUN", root / "run/kubestead")
    monkeypatch.setattr(kubeadm, "ADMIN_CONF", str(root / "etc/kubernetes/admin.conf"))
    monkeypatch.setattr(membership, "exclusive", functools.partial(membership.exclusive, 0.1, root))
    monkeypatch.setattr(membership, "kubeadm_runs", lambda: False)
    monkeypatch.setattr(membership, "api_is_ready", lambda **_options: True)
    for name in ("read_member", "end", "restore_saved", "remove_torn_files"):
        monkeypatch.setattr(membership, name, functools.partial(getattr(membership, name), root))
    monkeypatch.setattr(membership, "begin", functools.partial(membership.begin, root=root))
    return root


class Api:
    """An API of two nodes, as recorded. A patch that names an older version of a node is a conflict."""

    def __init__(self) -> None:
        self.nodes: dict[str, Any] = json.loads((FIXTURES / "kube/1.36.3_nodes.json").read_text())
        self.readyz = (FIXTURES / "kube/1.36.3_readyz.txt").read_text()
        self.leases: dict[str, Any] = {"items": []}
        self.patches: list[tuple[str, str, Any]] = []
        self.status = 200
        # What somebody else does just before the next patch comes.
        self.meanwhile: list[Callable[[], None]] = []
        self.kubeconfig = ""
        self.dns_pods: list[dict[str, Any]] = []

    def node(self, name: str) -> Any:
        return next(node for node in self.nodes["items"] if node["metadata"]["name"] == name)

    def change(self, name: str, patch: Any) -> None:
        """Merge a patch into a node, which has a new version then."""
        node = self.node(name)
        version = str(int(node["metadata"]["resourceVersion"]) + 1)
        node.update(merged(node, merged(patch, {"metadata": {"resourceVersion": version}})))

    def patch(self, name: str, kind: str, patch: Any) -> int:
        """Take a patch of somebody who has read the node, and return the status of the answer."""
        if self.meanwhile:
            self.meanwhile.pop(0)()
        if self.status != 200:
            return self.status
        if patch["metadata"]["resourceVersion"] != self.node(name)["metadata"]["resourceVersion"]:
            return 409
        self.patches.append((name, kind, patch))
        self.change(name, patch)
        return 200


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    state = Api()

    class Handler(BaseHTTPRequestHandler):
        def answer(self, status: int, body: str) -> None:
            if status != 200:
                body = json.dumps({"kind": "Status", "reason": f"Reason{status}", "message": "the API says why"})
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def do_GET(self) -> None:
            if self.path == "/readyz?verbose":
                self.answer(state.status, state.readyz)
            elif self.path == "/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3Dkube-dns":
                self.answer(state.status, json.dumps({"items": state.dns_pods}))
            elif self.path == "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases":
                self.answer(state.status, json.dumps(state.leases))
            else:
                assert self.path == "/api/v1/nodes"
                self.answer(state.status, json.dumps(state.nodes))

        def do_PATCH(self) -> None:
            name = self.path.removeprefix("/api/v1/nodes/")
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status = state.patch(name, self.headers["Content-Type"], body)
            self.answer(status, json.dumps(state.node(name)))

        def log_message(self, *_arguments: Any) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        path = tmp_path / "kubeconfig"
        path.write_text(json.dumps(content))
        state.kubeconfig = str(path)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield state
        server.shutdown()
        thread.join()
