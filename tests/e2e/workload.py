# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pods see of a failure: DNS, a Service with two replicas, and how soon new pods run."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kubernetes import client

from tests.lab.versions import NGINX_IMAGE

from . import pod_probe
from .cluster import Cluster, wait_for

LONGEST_SECONDS = 900
STARTED_SECONDS = 120.0
CLOSED_SECONDS = 2.0
ANYWHERE = [{"operator": "Exists", "effect": "NoSchedule"}]
DNS_LABEL = "k8s-app=kube-dns"


@dataclass(frozen=True, order=True)
class PodProbe:
    """One probe from a pod: whether the first try was answered, one with a retry, and one from the same port."""

    start: float
    end: float
    kind: str
    first: bool
    retried: bool
    same_port: bool


@dataclass(frozen=True)
class Reachability:
    """What the probes of one kind saw after a moment."""

    probes: int
    hit: int
    failed_after_retry: int
    failed_from_same_port: int
    # From the moment to the start of the last probe that was hit; 0 without one.
    seconds: float
    # How many were hit in each second after the moment in which one was.
    hit_by_second: dict[int, int]


def reachability(probes: Sequence[PodProbe], kind: str, moment: float, until: float = float("inf")) -> Reachability:
    """Return what the probes of a kind saw that began after a moment, and before another one."""
    of_kind = [probe for probe in probes if probe.kind == kind and moment <= probe.start < until]
    hit = [probe for probe in of_kind if not probe.first]
    return Reachability(
        probes=len(of_kind),
        hit=len(hit),
        failed_after_retry=sum(not probe.retried for probe in hit),
        failed_from_same_port=sum(not probe.same_port for probe in hit),
        seconds=round(max((probe.start - moment for probe in hit), default=0.0), 1),
        hit_by_second=dict(Counter(int(probe.start - moment) for probe in sorted(hit))),
    )


@dataclass
class PodRecording:
    """The probes so far of a pod."""

    probes: list[PodProbe] = field(default_factory=list)

    def steady(self, seconds: float) -> bool:
        """Return whether all probes of the last seconds were answered at once, and most of them were made."""
        now = time.monotonic()
        recent = [probe for probe in self.probes if probe.start >= now - seconds]
        expected = 2 * seconds / pod_probe.INTERVAL
        return len(recent) > 0.7 * expected and all(probe.first for probe in recent)


class Workload:
    """Pods of a namespace of their own: a client, and a Service with two replicas on machines that are named."""

    def __init__(self, cluster: Cluster, client_on: str, replicas_on: tuple[str, str]) -> None:
        self._cluster = cluster
        self._core = client.CoreV1Api(cluster.api)
        self._apps = client.AppsV1Api(cluster.api)
        self._client_on = client_on
        self._replicas_on = replicas_on
        self._image = f"{cluster.lab.mirror_address}:5000/{NGINX_IMAGE}"
        self._namespace = ""

    def __enter__(self) -> Workload:
        """Make the pods, and wait until they are Ready."""
        made = self._core.create_namespace({"metadata": {"generateName": "failover-"}})
        self._namespace = made.metadata.name
        pods = {"client": self._client_on, **{f"web-{node}": node for node in self._replicas_on}}
        for name, node in pods.items():
            labels = {"app": name.partition("-")[0]}
            spec = {**self._pod(), "nodeName": node, "tolerations": ANYWHERE}
            self._core.create_namespaced_pod(
                self._namespace, {"metadata": {"name": name, "labels": labels}, "spec": spec}
            )
        service = {"selector": {"app": "web"}, "ports": [{"port": 80}]}
        self._core.create_namespaced_service(self._namespace, {"metadata": {"name": "web"}, "spec": service})
        wait_for("the pods are Ready", lambda: len(self._ready_pods()) == len(pods), STARTED_SECONDS)
        return self

    def __exit__(self, *_error: object) -> None:
        self._core.delete_namespace(self._namespace)

    def _pod(self) -> dict[str, Any]:
        probe = {"tcpSocket": {"port": 80}, "periodSeconds": 1}
        return {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 1,
            "containers": [{"name": "web", "image": self._image, "readinessProbe": probe}],
        }

    def _ready_pods(self, selector: str = "") -> list[str]:
        found = self._core.list_namespaced_pod(self._namespace, label_selector=selector, _request_timeout=5).items
        return [pod.metadata.name for pod in found if is_ready(pod)]

    @contextmanager
    def recording(self) -> Iterator[PodRecording]:
        """Probe DNS and the Service from the client's pod while the body runs."""
        pod = self._cluster.on(
            self._client_on, "crictl", "pods", "--namespace", self._namespace, "--name", "client", "-q"
        )
        inspect = ("crictl", "inspectp", "--output", "go-template", "--template", "{{.info.pid}}", pod)
        process = self._cluster.on(self._client_on, *inspect)
        dns = self._core.read_namespaced_service("kube-dns", "kube-system").spec.cluster_ip
        web = self._core.read_namespaced_service("web", self._namespace).spec.cluster_ip
        program = Path(pod_probe.__file__).read_text(encoding="utf-8")
        container = self._cluster.lab.container(self._client_on)
        inside = ["nsenter", "--target", process, "--net", "python3", "-c", program, dns, web, str(LONGEST_SECONDS)]
        with subprocess.Popen(
            ["docker", "exec", "--interactive", container, *inside],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as prober:
            record = PodRecording()

            def collect() -> None:
                assert prober.stdout is not None
                for line in prober.stdout:
                    kind, start, end, first, retried, same_port = json.loads(line)
                    record.probes.append(PodProbe(start, end, kind, first, retried, same_port))

            reader = threading.Thread(target=collect)
            reader.start()
            try:
                yield record
            finally:
                assert prober.stdin is not None
                prober.stdin.close()
                reader.join()

    def new_pod(self, moment: float) -> float:
        """Create a Deployment of one pod, and return the seconds from a moment until it is Ready."""
        labels = {"app": "new"}
        template = {"metadata": {"labels": labels}, "spec": self._pod()}
        spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
        deployment = {"metadata": {"name": "new"}, "spec": spec}

        def created() -> bool:
            try:
                self._apps.create_namespaced_deployment(self._namespace, deployment, _request_timeout=2)
            except client.ApiException as error:
                # Its answer was lost, and it is there.
                return bool(error.status == 409)
            return True

        wait_for("the API takes a Deployment", created, STARTED_SECONDS, 0.1)
        wait_for("a new pod is Ready", lambda: self._ready_pods("app=new"), STARTED_SECONDS, 0.2)
        return round(time.monotonic() - moment, 1)

    def bring_dns_to(self, node: str) -> None:
        """Move one pod of CoreDNS to a node, unless one runs there."""
        if node in dns_nodes(self._cluster):
            return
        with only_schedulable(self._cluster, node):
            pods = _dns_pods(self._cluster)
            self._core.delete_namespaced_pod(pods[0].metadata.name, "kube-system")
            wait_for_dns(f"CoreDNS runs on {node}", self._cluster, lambda nodes: node in nodes, STARTED_SECONDS)
        wait_for_dns("CoreDNS runs twice", self._cluster, lambda nodes: len(nodes) == 2, STARTED_SECONDS)


@contextmanager
def only_schedulable(cluster: Cluster, node: str) -> Iterator[None]:
    """Let new pods go to this node alone while the body runs."""
    core = client.CoreV1Api(cluster.api)
    others = [name for name in cluster.lab.nodes if name != node]
    try:
        for name in others:
            core.patch_node(name, {"spec": {"unschedulable": True}})
        # A busy scheduler may see a new pod before it has seen that a node is closed.
        time.sleep(CLOSED_SECONDS)
        yield
    finally:
        for name in others:
            core.patch_node(name, {"spec": {"unschedulable": None}})


def dns_nodes(cluster: Cluster) -> list[str]:
    """Return the nodes with a Ready pod of CoreDNS, one for each."""
    return sorted(pod.spec.node_name for pod in _dns_pods(cluster) if is_ready(pod))


def wait_for_dns(what: str, cluster: Cluster, condition: Callable[[list[str]], bool], seconds: float) -> None:
    """Wait until the nodes with a Ready pod of CoreDNS are as wanted; a timeout tells how each pod is."""

    def settled() -> bool:
        if condition(dns_nodes(cluster)):
            return True
        raise AssertionError("; ".join(_state(pod) for pod in _dns_pods(cluster)))

    wait_for(what, settled, seconds)


def _dns_pods(cluster: Cluster) -> list[Any]:
    core = client.CoreV1Api(cluster.api)
    return list(core.list_namespaced_pod("kube-system", label_selector=DNS_LABEL, _request_timeout=5).items)


def _state(pod: Any) -> str:
    told = [
        f"{condition.type}={condition.status} {condition.reason or ''} {condition.message or ''}".strip()
        for condition in pod.status.conditions or []
    ]
    ending = f", ends at {pod.metadata.deletion_timestamp}" if pod.metadata.deletion_timestamp else ""
    return f"{pod.metadata.name} on {pod.spec.node_name}{ending}: {', '.join(told)}"


def is_ready(pod: Any) -> bool:
    """Return whether a pod is Ready and not about to end."""
    conditions = pod.status.conditions or []
    ready = any(condition.type == "Ready" and condition.status == "True" for condition in conditions)
    return ready and pod.metadata.deletion_timestamp is None
