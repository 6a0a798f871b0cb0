# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Membership over folders with the files that kubeadm made, and the journal and lock with real processes."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.module_utils._kubeadm import membership

PKI = Path(__file__).parents[3] / "fixtures" / "pki"
CA_HASH = "sha256:" + (PKI / "1.36.3_ca.openssl.txt").read_text().split()[-1]
HOLD = """
import sys
from pathlib import Path
from ansible_collections.kubestead.cluster.plugins.module_utils._kubeadm import membership
membership.kubeadm_runs = lambda: False
with membership.exclusive(1.0, Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def put(root: Path, path: str, content: str = "x") -> Path:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(content)
    return target


def worker(root: Path) -> None:
    put(root, "etc/kubernetes/kubelet.conf", (PKI / "1.36.3_kubelet.conf").read_text())
    put(root, "etc/kubernetes/pki/ca.crt", (PKI / "1.36.3_ca.crt").read_text())
    put(root, "var/lib/kubelet/config.yaml")


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The ports at which the local API was asked; it says that it is ready."""
    asked: list[int] = []

    def ready(port: int) -> bool:
        asked.append(port)
        return True

    monkeypatch.setattr(membership, "api_is_ready", ready)
    return asked


@pytest.mark.parametrize(
    ("flags", "configuration", "socket"),
    [
        ("", "kind: x\ncontainerRuntimeEndpoint: unix:///run/a.sock\n", "unix:///run/a.sock"),
        ("", 'containerRuntimeEndpoint: "unix:///run/a.sock"\n', "unix:///run/a.sock"),
        ('KUBELET_KUBEADM_ARGS="--node-ip=10.0.0.1"', "containerRuntimeEndpoint: unix:///run/a.sock", "unix:///run/a.sock"),
        ('KUBELET_KUBEADM_ARGS="--container-runtime-endpoint=unix:///run/b.sock"', "containerRuntimeEndpoint: x", "unix:///run/b.sock"),
        ('KUBELET_KUBEADM_ARGS="--container-runtime-endpoint unix:///run/b.sock --v=1"', "", "unix:///run/b.sock"),
        ("", "nested:\n  containerRuntimeEndpoint: x\ncontainerRuntimeEndpoint: ''\n", None),
    ],
)  # fmt: skip
def test_where_kubelet_finds_the_runtime(tmp_path: Path, flags: str, configuration: str, socket: str | None) -> None:
    put(tmp_path, "var/lib/kubelet/kubeadm-flags.env", flags)
    put(tmp_path, "var/lib/kubelet/config.yaml", configuration)
    assert membership.read_member(tmp_path).cri_socket == socket


class TestReadMember:
    def test_bare(self, tmp_path: Path, api: list[int]) -> None:
        # What packages and users put there does not make a member.
        put(tmp_path, "etc/kubernetes/audit-policy.yaml")
        put(tmp_path, "etc/kubernetes/pki/ca.crt", (PKI / "1.36.3_ca.crt").read_text())
        found = membership.read_member(tmp_path)
        assert found == membership.Member(
            state="bare",
            partial_of=None,
            role=None,
            node_name=None,
            ca_hash=CA_HASH,
            server=None,
            leftovers=[],
            api_healthy=None,
            certificates={"ca": "2036-11-19T22:30:41Z"},
        )
        assert api == []

    def test_worker(self, tmp_path: Path, api: list[int]) -> None:
        worker(tmp_path)
        found = membership.read_member(tmp_path)
        assert (found.state, found.partial_of, found.role) == ("member", None, "worker")
        assert (found.node_name, found.server, found.ca_hash) == ("cp1", "https://10.90.0.11:6443", CA_HASH)
        assert (found.leftovers, found.api_healthy) == ([], None)
        assert api == []

    def test_control_plane(self, tmp_path: Path, api: list[int]) -> None:
        worker(tmp_path)
        put(tmp_path, "etc/kubernetes/manifests/kube-apiserver.yaml")
        put(tmp_path, "etc/kubernetes/pki/apiserver.crt", (PKI / "1.36.3_apiserver.crt").read_text())
        put(tmp_path, "etc/kubernetes/pki/etcd/server.crt", (PKI / "1.36.3_etcd-server.crt").read_text())
        put(tmp_path, "etc/kubernetes/pki/front-proxy-ca.crt", "torn")
        found = membership.read_member(tmp_path, api_port=16443)
        assert (found.state, found.role, found.api_healthy) == ("member", "control_plane", True)
        assert api == [16443]
        assert found.certificates == {
            "apiserver": "2027-11-22T22:30:41Z",
            "ca": "2036-11-19T22:30:41Z",
            "etcd/server": "2027-11-22T22:30:41Z",
            "front-proxy-ca": "unreadable",
        }

    @pytest.mark.parametrize("missing", ["etc/kubernetes/kubelet.conf", "var/lib/kubelet/config.yaml"])
    def test_without_a_journal_a_half_is_of_unknown_origin(self, tmp_path: Path, api: list[int], missing: str) -> None:
        worker(tmp_path)
        (tmp_path / missing).unlink()
        found = membership.read_member(tmp_path)
        assert (found.state, found.partial_of, found.role) == ("partial", "unknown", "worker")
        remaining = {"etc/kubernetes/kubelet.conf", "var/lib/kubelet/config.yaml"} - {missing}
        assert found.leftovers == [f"/{path}" for path in remaining]

    @pytest.mark.parametrize("operation", ["init", "join"])
    def test_what_was_begun_is_partial_whatever_there_is(self, tmp_path: Path, api: list[int], operation: str) -> None:
        membership.begin(operation, tmp_path)
        found = membership.read_member(tmp_path)
        assert (found.state, found.partial_of, found.leftovers) == ("partial", operation, [])
        # Everything is in place, but kubeadm had not ended.
        worker(tmp_path)
        found = membership.read_member(tmp_path)
        assert (found.state, found.partial_of) == ("partial", operation)
        assert found.leftovers == ["/etc/kubernetes/kubelet.conf", "/var/lib/kubelet/config.yaml"]
        membership.end(tmp_path)
        assert membership.read_member(tmp_path).state == "member"

    def test_files_torn_by_a_power_cut(self, tmp_path: Path, api: list[int]) -> None:
        worker(tmp_path)
        put(tmp_path, "etc/kubernetes/kubelet.conf", "    certificate-authority-data: LS0t!\n")
        put(tmp_path, "etc/kubernetes/pki/ca.crt", "")
        found = membership.read_member(tmp_path)
        assert (found.state, found.node_name, found.server, found.ca_hash) == ("member", None, None, None)
        assert found.certificates == {"ca": "unreadable"}
        (tmp_path / "etc/kubernetes/kubelet.conf").write_bytes(b"server: \xff\n")
        found = membership.read_member(tmp_path)
        assert (found.state, found.node_name, found.server) == ("member", None, None)

    def test_every_trace_counts(self, tmp_path: Path, api: list[int]) -> None:
        for number, trace in enumerate(membership.TRACES):
            root = tmp_path / str(number)
            put(root, trace, "")
            found = membership.read_member(root)
            assert (found.state, found.partial_of, found.leftovers) == ("partial", "unknown", [f"/{trace}"])


class TestJournal:
    def test_begin_and_end(self, tmp_path: Path) -> None:
        assert membership.read_journal(tmp_path) is None
        before = int(time.time())
        membership.begin("join", tmp_path)
        journal = tmp_path / membership.JOURNAL
        assert membership.read_journal(tmp_path) == "join"
        assert before <= json.loads(journal.read_text())["since"] <= time.time()
        # What is put aside holds keys.
        assert journal.parent.stat().st_mode & 0o777 == 0o700
        membership.end(tmp_path)
        assert membership.read_journal(tmp_path) is None
        assert list(journal.parent.iterdir()) == []
        membership.end(tmp_path)

    @pytest.mark.parametrize(
        "text", [b"", b'{"operation": "jo', b"{}", b"null", b"[]", b"3", b'{"operation": "dance"}', b"\xff\x00"]
    )
    def test_a_journal_that_can_t_be_read_is_of_a_step_all_the_same(
        self, tmp_path: Path, api: list[int], text: bytes
    ) -> None:
        worker(tmp_path)
        assert membership.read_member(tmp_path).state == "member"
        put(tmp_path, membership.JOURNAL, "").write_bytes(text)
        assert membership.read_journal(tmp_path) == "unknown"
        found = membership.read_member(tmp_path)
        assert (found.state, found.partial_of) == ("partial", "unknown")
        assert found.leftovers[-1] == f"/{membership.JOURNAL}, which can't be read"

    def test_a_journal_that_is_a_directory(self, tmp_path: Path) -> None:
        (tmp_path / membership.JOURNAL).mkdir(parents=True)
        assert membership.read_journal(tmp_path) == "unknown"

    @pytest.mark.parametrize("cut", ["os.fsync", "os.rename", "os.open"])
    def test_a_kill_while_the_journal_is_written_leaves_the_old_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: str
    ) -> None:
        membership.begin("init", tmp_path)
        before = (tmp_path / membership.JOURNAL).read_bytes()

        def killed(*_arguments: Any) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(cut, killed)
            with pytest.raises(KeyboardInterrupt):
                membership.begin("reset", tmp_path)
        assert (tmp_path / membership.JOURNAL).read_bytes() == before

    def test_what_the_user_had_comes_back(self, tmp_path: Path) -> None:
        policy = put(tmp_path, "etc/kubernetes/audit-policy.yaml", "rules\n")
        policy.chmod(0o600)
        (tmp_path / "etc/kubernetes/link").symlink_to("audit-policy.yaml")
        membership.begin("join", tmp_path)
        # kubeadm reset takes the folder's files, and the next join puts others there.
        shutil.rmtree(tmp_path / "etc/kubernetes")
        put(tmp_path, "etc/kubernetes/kubelet.conf", "new")
        membership.restore_saved(tmp_path)
        assert policy.read_text() == "rules\n"
        assert policy.stat().st_mode & 0o777 == 0o600
        assert (tmp_path / "etc/kubernetes/link").readlink() == Path("audit-policy.yaml")
        assert (tmp_path / "etc/kubernetes/kubelet.conf").read_text() == "new"

    def test_a_second_begin_keeps_what_the_first_put_aside(self, tmp_path: Path) -> None:
        """The interrupted step's own files must not become what the user had."""
        put(tmp_path, "etc/kubernetes/audit-policy.yaml", "rules\n")
        membership.begin("join", tmp_path)
        put(tmp_path, "etc/kubernetes/kubelet.conf", "half")
        membership.begin("join", tmp_path)
        assert [path.name for path in (tmp_path / membership.SAVED).iterdir()] == ["audit-policy.yaml"]

    @pytest.mark.parametrize("folder", [membership.SAVED, membership.SAVED_NEW])
    def test_a_copy_that_was_cut_off_is_made_again(self, tmp_path: Path, folder: str) -> None:
        put(tmp_path, "etc/kubernetes/audit-policy.yaml", "rules\n")
        put(tmp_path, f"{folder}/old.yaml", "of another time")
        membership.begin("init", tmp_path)
        assert not (tmp_path / membership.SAVED_NEW).exists()
        assert [path.name for path in (tmp_path / membership.SAVED).iterdir()] == ["audit-policy.yaml"]

    def test_nothing_to_put_aside(self, tmp_path: Path) -> None:
        membership.begin("init", tmp_path)
        assert not (tmp_path / membership.SAVED).exists()
        membership.restore_saved(tmp_path)
        assert not (tmp_path / "etc").exists()

    def test_torn_files_are_removed_and_nothing_else(self, tmp_path: Path) -> None:
        torn = [put(tmp_path, f"etc/kubernetes/{name}", "") for name in ("admin.conf", "pki/etcd/ca.crt")]
        whole = put(tmp_path, "etc/kubernetes/pki/ca.crt")
        elsewhere = put(tmp_path, "etc/empty", "")
        link = tmp_path / "etc/kubernetes/pki/link"
        link.symlink_to(elsewhere)
        membership.remove_torn_files(tmp_path)
        assert [path.exists() for path in torn] == [False, False]
        assert whole.exists()
        assert elsewhere.exists()
        assert link.is_symlink()
        membership.remove_torn_files(tmp_path / "nowhere")


class TestExclusive:
    @pytest.fixture
    def holder(self, tmp_path: Path) -> Any:
        """Another process that holds the machine."""
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        with subprocess.Popen(
            [sys.executable, "-c", HOLD, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
            process.kill()

    @pytest.fixture(autouse=True)
    def no_kubeadm(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(membership, "kubeadm_runs", lambda: False)

    def test_held_by_another_process(self, tmp_path: Path, holder: Any) -> None:
        expected = (
            "^another run holds /run/kubestead/operation.lock, and has for 0 s: let it end, or end it, and run again$"
        )
        with pytest.raises(membership.Busy, match=expected), membership.exclusive(0.1, tmp_path):
            pytest.fail("entered")

    def test_waits_for_the_other_to_end(self, tmp_path: Path, holder: Any) -> None:
        ending = threading.Timer(0.3, holder.stdin.close)
        ending.start()
        with membership.exclusive(30.0, tmp_path):
            assert holder.wait(5) == 0
        ending.join()

    def test_the_kernel_drops_the_lock_of_a_killed_run(self, tmp_path: Path, holder: Any) -> None:
        holder.kill()
        holder.wait()
        with membership.exclusive(0.0, tmp_path):
            pass

    def test_is_released(self, tmp_path: Path) -> None:
        with pytest.raises(ZeroDivisionError), membership.exclusive(0.0, tmp_path):
            raise ZeroDivisionError
        with membership.exclusive(0.0, tmp_path):
            assert (tmp_path / "run/kubestead").stat().st_mode & 0o777 == 0o700

    def test_waits_for_a_kubeadm_that_outlived_its_run(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        answers = [True, True, False]
        monkeypatch.setattr(membership, "kubeadm_runs", lambda: answers.pop(0))
        monkeypatch.setattr(membership.time, "sleep", lambda seconds: None)
        with membership.exclusive(5.0, tmp_path):
            assert answers == []

    def test_a_kubeadm_that_does_not_end(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(membership, "kubeadm_runs", lambda: True)
        with (
            pytest.raises(membership.Busy, match=r"^kubeadm runs already, and has for 0 s"),
            membership.exclusive(0.1, tmp_path),
        ):
            pytest.fail("entered")


#: A process that is called kubeadm, in a root directory of its own, as a container has.
IN_A_CONTAINER = """
import ctypes, os, sys, time
CLONE_NEWUSER = 0x10000000
if os.geteuid() != 0 and ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER):
    raise OSError(ctypes.get_errno(), "unshare")
open("/proc/self/comm", "w").write("kubeadm")
os.chroot(sys.argv[1])
print("inside", flush=True)
time.sleep(30)
"""


def test_a_kubeadm_in_a_container_is_none_of_the_machine(tmp_path: Path) -> None:
    command = [sys.executable, "-c", IN_A_CONTAINER]
    for root, runs in ((str(tmp_path), False), ("/", True)):
        with subprocess.Popen([*command, root], stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == "inside\n"
                assert Path(f"/proc/{process.pid}/comm").read_text() == "kubeadm\n"
                assert membership.kubeadm_runs() is runs
            finally:
                process.kill()


def test_kubeadm_runs(tmp_path: Path) -> None:
    """A process of that name, whatever it is."""
    program = tmp_path / "kubeadm"
    shutil.copy(shutil.which("sleep") or "", program)
    with subprocess.Popen([str(program), "30"]) as process:
        try:
            comm = Path(f"/proc/{process.pid}/comm")
            deadline = time.monotonic() + 5
            while comm.read_text() != "kubeadm\n" and time.monotonic() < deadline:
                time.sleep(0.01)
            assert membership.kubeadm_runs()
        finally:
            process.kill()


def test_processes_that_are_not_kubeadm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "1/comm", "systemd\n")
    put(tmp_path, "self/comm", "kubeadm\n")
    (tmp_path / "2").mkdir()
    monkeypatch.setattr(membership, "Path", lambda path: tmp_path if path == "/proc" else Path(path))
    assert not membership.kubeadm_runs()
    put(tmp_path, "3/comm", "kubeadm\n")
    (tmp_path / "3/root").symlink_to(tmp_path)
    assert not membership.kubeadm_runs()
    put(tmp_path, "4/comm", "kubeadm\n")
    (tmp_path / "4/root").symlink_to("/")
    assert membership.kubeadm_runs()


class TestApiIsReady:
    """Against a server with a certificate that nobody signed."""

    @pytest.fixture
    def server(self, tmp_path: Path) -> Any:
        key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
        request = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=api -days 1"
        subprocess.run([*request.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)

        class Handler(BaseHTTPRequestHandler):
            status = 200

            def do_GET(self) -> None:
                self.send_response(type(self).status if self.path == "/readyz" else 404)
                self.end_headers()

            def log_message(self, *_arguments: Any) -> None: ...

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        with HTTPServer(("127.0.0.1", 0), Handler) as listener:
            listener.socket = context.wrap_socket(listener.socket, server_side=True)
            thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05})
            thread.start()
            yield listener, Handler
            listener.shutdown()
            thread.join()

    def test_answers(self, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        listener, handler = server
        # A proxy of the environment is for the internet.
        monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
        assert membership.api_is_ready(port=listener.server_port)
        for status in (401, 500, 503):
            handler.status = status
            assert not membership.api_is_ready(port=listener.server_port)

    def test_nobody_listens(self) -> None:
        assert not membership.api_is_ready(port=9)
        assert not membership.api_is_ready("::1", port=9)


def test_certificates_are_named_by_their_place(tmp_path: Path) -> None:
    ca = (PKI / "1.36.3_ca.crt").read_text()
    put(tmp_path, "etcd/ca.crt", ca)
    put(tmp_path, "sa.pub", "no certificate")
    assert membership.read_certificates(tmp_path) == {"etcd/ca": "2036-11-19T22:30:41Z"}
    assert membership.read_certificates(tmp_path / "nowhere") == {}
