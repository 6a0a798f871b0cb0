# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of the smoke test, without a cluster."""

from __future__ import annotations

import errno
import json
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.kubestead.cluster.plugins.modules import smoke

ADDRESSES = {"cp1": "192.0.2.11", "w1": "192.0.2.21"}


def api_pod(name: str, node: str | None, ready: bool, **status: Any) -> Any:
    conditions = [SimpleNamespace(type="Ready", status=str(ready), message=status.pop("message", None))]
    defaults = {"pod_ip": "10.244.0.2", "phase": "Pending", "conditions": conditions, "container_statuses": None}
    return SimpleNamespace(
        metadata=SimpleNamespace(name=name),
        spec=SimpleNamespace(node_name=node),
        status=SimpleNamespace(**{**defaults, **status}),
    )


def waiting(reason: str, message: str | None) -> Any:
    return SimpleNamespace(state=SimpleNamespace(waiting=SimpleNamespace(reason=reason, message=message)))


def pod(node: str) -> smoke.Pod:
    return smoke.Pod(f"nginx-{node}", f"10.244.0.{len(node)}", node, ADDRESSES.get(node, "192.0.2.99"))


def test_a_node_without_a_running_pod_is_told_with_the_reason() -> None:
    pods = [
        api_pod("a", "cp1", True),
        api_pod("b", "w1", False, container_statuses=[waiting("ImagePullBackOff", "not found")]),
    ]
    running, checks = smoke.pod_checks(pods, ADDRESSES, ["cp1", "w1", "w2"])
    assert [item.node for item in running] == ["cp1"]
    assert [check.line() for check in checks] == [
        "FAILED  pod        on w1: ImagePullBackOff: not found",
        "FAILED  pod        on w2: not in the cluster, which has cp1, w1; run site.yml to join it",
    ]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (api_pod("a", "w1", False, container_statuses=[waiting("ContainerCreating", None)]), "ContainerCreating"),
        (api_pod("a", None, False, message="0/2 nodes are available"), "0/2 nodes are available"),
        (api_pod("a", "w1", False), "it is Pending"),
    ],
)
def test_pod_problem(found: Any, expected: str) -> None:
    assert smoke.pod_problem(found) == expected


def test_a_pod_that_was_not_scheduled_is_the_reason_for_its_node() -> None:
    pods = [api_pod("a", "cp1", True), api_pod("b", None, False, message="0/2 nodes are available")]
    _running, checks = smoke.pod_checks(pods, ADDRESSES, [])
    assert checks[0].detail == "0/2 nodes are available"
    _running, checks = smoke.pod_checks(pods[:1], ADDRESSES, [])
    assert checks[0].detail == "no pod was made for it"


def test_the_ring_has_every_pod_once_on_each_side() -> None:
    pods = [pod(name) for name in ("a", "b", "c")]
    pairs = [(one.node, other.node) for one, other in smoke.ring(pods)]
    assert pairs == [("a", "b"), ("b", "c"), ("c", "a")]
    assert smoke.ring(pods[:1]) == []


def test_only_the_workload_itself_is_an_answer() -> None:
    assert smoke.answering_pod("HTTP/1.1 200 OK\r\n\r\nkubestead smoke nginx-1\n") == "nginx-1"
    with pytest.raises(smoke.NoAnswer, match="502"):
        smoke.answering_pod("HTTP/1.1 502 Bad Gateway\r\n")


def test_parse_hosts() -> None:
    assert smoke.parse_hosts("10.96.0.1       kubernetes.default.svc.cluster.local\n") == "10.96.0.1"
    assert smoke.parse_hosts("") == ""


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TimeoutError(), True),
        (OSError(errno.EHOSTUNREACH, "no route"), True),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), False),
        (smoke.NoAnswer("something else"), False),
    ],
)
def test_out_of_reach(error: Exception, expected: bool) -> None:
    assert smoke.out_of_reach(error) is expected


def test_attempts_are_repeated_until_the_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 8))
    monkeypatch.setattr(smoke.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(smoke.time, "sleep", lambda _seconds: None)
    answers: list[Any] = [smoke.NoAnswer("not yet"), OSError("not yet"), "there"]

    def attempt() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    assert smoke.checked("DNS", "x", attempt) == smoke.Check("DNS", "x", True, "there")
    answers[:] = [smoke.NoAnswer(f"no {number}") for number in range(9)]
    failed = smoke.checked("DNS", "x", attempt)
    assert not failed.ok
    assert "no answer in 20 s: no 2" in failed.detail


class Work:
    """Stands in for the workload: pods ask, and get what is scripted."""

    def __init__(self, names: dict[str, str], answers: dict[str, str]) -> None:
        self.names, self.answers = names, answers
        kubernetes = SimpleNamespace(spec=SimpleNamespace(cluster_ip="10.96.0.1"))
        self.api = SimpleNamespace(read_namespaced_service=lambda _name, _namespace: kubernetes)
        self.asked: list[tuple[str, str]] = []

    def fetch(self, source: smoke.Pod, address: str, _port: int) -> str:
        self.asked.append((source.node, address))
        return self.answers[address]

    def run(self, _source: smoke.Pod, *command: str) -> str:
        return self.names[command[-1]]

    resolve = smoke.Workload.resolve


SERVICE = SimpleNamespace(spec=SimpleNamespace(cluster_ip="10.101.1.1"))


def test_checks_inside_the_pods(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smoke, "until", lambda attempt: attempt())
    pods = [smoke.Pod("a", "10.244.0.2", "cp1", "x"), smoke.Pod("b", "10.244.1.2", "w1", "x")]
    # The names answer wrongly on purpose: DNS gives another address for nginx, and pod b's address is pod a's.
    work = Work(
        {"kubernetes.default": "10.96.0.1 k", "nginx": "10.9.9.9 n"},
        {"nginx": "a", "10.244.1.2": "a", "10.244.0.2": "a"},
    )
    lines = [check.line() for check in smoke.inside_checks(work, pods, SERVICE, dns=True)]  # type: ignore[arg-type]
    assert [line for line in lines if line.startswith("FAILED")] == [
        "FAILED  DNS        in the pod on cp1: no answer in 20 s: found 10.9.9.9 for nginx, expected 10.101.1.1",
        "FAILED  DNS        in the pod on w1: no answer in 20 s: found 10.9.9.9 for nginx, expected 10.101.1.1",
        "FAILED  pod to pod cp1 to w1 at 10.244.1.2: no answer in 20 s: pod a answered, expected b",
    ]
    assert "ok      pod to pod w1 to cp1 at 10.244.0.2: pod a answered" in lines
    assert sum("service" in line for line in lines) == 2


def test_without_dns_the_service_is_asked_by_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work({}, {"10.101.1.1": "a"})
    checks = smoke.inside_checks(work, [pod("cp1")], SERVICE, dns=False)  # type: ignore[arg-type]
    assert [check.kind for check in checks] == ["service"]
    assert work.asked == [("cp1", "10.101.1.1")]


@pytest.mark.parametrize("reach", ["all", "some", "none"])
def test_node_ports_are_asked_from_the_nodes_where_none_is_reached(reach: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smoke, "until", lambda attempt: attempt())

    def get(address: str, _port: int) -> str:
        if reach == "none" or (reach == "some" and address == ADDRESSES["w1"]):
            raise TimeoutError("timed out")
        return "a"

    monkeypatch.setattr(smoke, "get", get)
    work = Work({}, {ADDRESSES["cp1"]: "a", ADDRESSES["w1"]: "b"})
    lines = [check.line() for check in smoke.node_port_checks(work, [pod("cp1"), pod("w1")], 30000)]  # type: ignore[arg-type]
    assert len(lines) == 2
    if reach == "none":
        assert work.asked == [("cp1", "192.0.2.21"), ("w1", "192.0.2.11")]
        assert all(line.startswith("ok") and "asked from" in line for line in lines)
    else:
        assert not work.asked
        failed = "FAILED  NodePort   w1 at 192.0.2.21:30000, asked from here: out of reach"
        assert (failed in lines) is (reach == "some")


class Sequenced:
    """A workload whose steps are recorded."""

    def __init__(self, broken: bool) -> None:
        self.broken, self.steps = broken, []  # type: bool, list[str]

    def remove(self) -> None:
        self.steps.append("remove")

    def create(self, _image: str, _nodes: int, _ipv6: bool) -> Any:
        self.steps.append("create")
        if self.broken:
            raise RuntimeError("the API went away")


def test_it_is_removed_whatever_happens() -> None:
    work = Sequenced(broken=True)
    with pytest.raises(RuntimeError):
        smoke.smoke(work, {"image": "nginx"}, ADDRESSES)  # type: ignore[arg-type]
    assert work.steps == ["remove", "create", "remove"]


def test_one_pod_for_each_node_on_all_nodes() -> None:
    spec = smoke.deployment("nginx:1", 5)["spec"]
    assert spec["replicas"] == 5
    assert spec["template"]["spec"]["tolerations"] == [{"operator": "Exists"}]
    assert "podAntiAffinity" in spec["template"]["spec"]["affinity"]
    assert "listen [::]:80;" in smoke.nginx_configuration(True)
    assert "listen 80;" in smoke.nginx_configuration(False)


def test_check_mode_asks_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = {"kubeconfig": "/nonexistent", "image": "nginx:1", "_ansible_check_mode": True}
    with patch_module_args(arguments), pytest.raises(SystemExit):
        smoke.main()
    result = json.loads(capsys.readouterr().out)
    assert result["changed"] is False
    assert "would run nginx:1" in result["results"][0]
