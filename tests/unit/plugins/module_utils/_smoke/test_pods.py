# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scripts that pods run, run here by the same shell; and what the API tells of pods."""

from __future__ import annotations

import http.server
import re
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.module_utils._smoke import pods
from ansible_collections.kubestead.cluster.plugins.module_utils._smoke.pods import Question


@pytest.fixture
def server() -> Iterator[http.server.HTTPServer]:
    """Answers with its `body`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.server.body.encode())  # type: ignore[attr-defined]

        def log_message(self, *_arguments: Any) -> None: ...

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as running:
        running.body = "kubestead web-1 two\n"  # type: ignore[attr-defined]
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def inquire(*questions: Question, patience: str = "0") -> list[tuple[bool, str]]:
    words = [word for question in questions for word in question.words()]
    command = pods.container("any", pods.INQUIRE, patience, *words)["command"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    assert not done.stderr
    return pods.answers(done.stdout.splitlines())


def test_a_pod_that_answers_is_known_by_its_name(server: Any) -> None:
    port = server.server_port
    asked = [
        Question("fetch", "127.0.0.1", port),
        Question("fetch", "127.0.0.1", port, "web-1 two"),
        Question("fetch", "127.0.0.1", port, "web-2 two"),
    ]
    assert inquire(*asked) == [(True, "web-1 two"), (True, "web-1 two"), (False, "web-1 two")]
    server.body = "kubestead web-1 \n"
    assert inquire(Question("fetch", "127.0.0.1", port, "web-1")) == [(True, "web-1")]


def test_something_else_is_no_answer(server: Any) -> None:
    server.body = "Welcome to nginx"
    right, answer = inquire(Question("fetch", "127.0.0.1", server.server_port))[0]
    assert not right
    assert answer.startswith("something else than a pod: HTTP/1.0 200")


def test_who_does_not_answer_is_told_in_a_line() -> None:
    right, answer = inquire(Question("fetch", "127.0.0.1", 1))[0]
    assert not right
    assert "Connection refused" in answer


def test_names() -> None:
    asked = [Question("resolve", "localhost", wanted="192.0.2.1"), Question("resolve", "none.invalid", wanted="x")]
    found = inquire(*asked)
    assert found[0][0] is False
    assert found[0][1] in ("127.0.0.1", "::1")
    assert found[1] == (False, "nothing")
    assert inquire(Question("resolve", "localhost", wanted=found[0][1])) == [(True, found[0][1])]


def test_a_question_is_asked_until_it_is_answered_rightly(server: Any) -> None:
    server.body = "kubestead web-1 one\n"
    timer = threading.Timer(0.7, lambda: setattr(server, "body", "kubestead web-1 two\n"))
    timer.start()
    asked = Question("fetch", "127.0.0.1", server.server_port, "web-1 two")
    assert inquire(asked, patience="9") == [(True, "web-1 two")]
    timer.join()


@pytest.mark.parametrize(("address", "listens"), [("10.244.1.2", "listen 80;"), ("fd00::2", "listen [::]:80;")])
def test_the_server_listens_where_its_pod_is(address: str, listens: str, tmp_path: Any) -> None:
    script = pods.SERVE.replace("/tmp/nginx.conf", str(tmp_path / "nginx.conf")).replace("exec nginx", "exec true")
    environment = {"POD_IP": address, "HOSTNAME": "web-1", "ANSWER": "two", "PATH": "/usr/bin:/bin"}
    subprocess.run(["bash", "-c", script], env=environment, check=True, timeout=30)
    written = (tmp_path / "nginx.conf").read_text()
    assert listens in written
    assert 'return 200 "kubestead web-1 two\\n";' in written
    assert written.count("{") == written.count("}")


def test_what_a_wrong_answer_is_called() -> None:
    assert Question("resolve", "web", wanted="10.96.0.5").wrong("nothing") == "found nothing, expected 10.96.0.5"
    assert "expected the answer of a pod" in Question("fetch", "web", 80).wrong("Connection refused")


def test_a_servers_container() -> None:
    made = pods.server("nginx:1", "two", livenessProbe={"tcpSocket": {"port": 80}})
    assert made["command"] == ["bash", "-c", pods.SERVE]
    assert {"name": "ANSWER", "value": "two"} in made["env"]
    assert made["env"][0]["valueFrom"]["fieldRef"] == {"fieldPath": "status.podIP"}
    assert {"readinessProbe", "livenessProbe"} < made.keys()
    assert pods.server("nginx:1", readinessProbe={"exec": {}})["readinessProbe"] == {"exec": {}}


def test_a_pods_specification_can_be_changed() -> None:
    spec = pods.pod({"name": "main"}, terminationGracePeriodSeconds=9, nodeName="w1")
    assert spec["terminationGracePeriodSeconds"] == 9
    assert spec["nodeName"] == "w1"
    assert spec["automountServiceAccountToken"] is False


def conditions(**status: str) -> list[dict[str, str]]:
    return [{"type": kind, "status": value, "message": f"{kind} is {value}"} for kind, value in status.items()]


@pytest.mark.parametrize(
    ("metadata", "status", "expected"),
    [
        ({}, {"conditions": conditions(Ready="True")}, True),
        ({}, {"conditions": conditions(Ready="False", PodScheduled="True")}, False),
        ({"deletionTimestamp": "now"}, {"conditions": conditions(Ready="True")}, False),
        ({}, {}, False),
    ],
)
def test_is_ready(metadata: Any, status: Any, expected: bool) -> None:
    assert pods.is_ready({"metadata": metadata, "status": status}) is expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (
            {"containerStatuses": [{"state": {"waiting": {"reason": "ErrImagePull", "message": "not found"}}}]},
            "ErrImagePull: not found",
        ),
        ({"containerStatuses": [{"state": {"waiting": {"reason": "ContainerCreating"}}}]}, "ContainerCreating"),
        ({"conditions": conditions(PodScheduled="False")}, "PodScheduled is False"),
        ({"phase": "Pending"}, "it is Pending"),
    ],
)
def test_problem(status: Any, expected: str) -> None:
    assert pods.problem({"metadata": {}, "status": status}) == expected


def test_scripts_need_nothing_but_bash_getent_and_nginx() -> None:
    """The official image of nginx has no curl in every variant, and no busybox."""
    words = set(re.findall(r"\b(curl|wget|busybox|awk|python3?|ip|nc)\b", f"{pods.SERVE}{pods.INQUIRE}"))
    assert words == set()
