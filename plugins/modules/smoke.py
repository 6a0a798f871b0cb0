#!/usr/bin/python
# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a workload through a cluster, see that it works everywhere, and remove it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: smoke
short_description: See a workload work on every node, and remove it
version_added: 0.1.0
description:
  - Runs nginx on every node, in the namespace C(kubestead-smoke), which is removed afterwards whatever happens. What a
    killed run left of it is removed by the next one.
  - A NodePort has to answer at every node's own address. Where none can be reached from here at all, the nodes
    ask each other instead.
  - In the pod of every node, DNS has to resolve the services C(kubernetes) and C(nginx), and the service has to answer
    by its name.
  - Each pod has to reach the one of the next node by its address, in a ring over all nodes.
  - Reports no change, because it leaves nothing behind.
author:
  - kubestead contributors (@kubestead)
options:
  nodes:
    description: Names of nodes that must be in the cluster. All nodes of the cluster are tried, named or not.
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds to wait for the pods (their image is pulled), and for the namespace to be gone.
    type: int
    default: 180
extends_documentation_fragment:
  - kubestead.cluster.cluster
  - kubestead.cluster.cluster.trial
"""

EXAMPLES = r"""
- name: See the cluster work
  kubestead.cluster.smoke:
    kubeconfig: "{{ cluster_kubeconfig }}"
    image: docker.io/library/nginx:1.31.6
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
results:
  description: One line for each check, in check mode one that says what would be done.
  returned: always
  type: list
  elements: str
  sample:
    - "ok      NodePort   w1 at 10.90.0.21:31234, asked from here: pod nginx-6c9f answered"
    - "ok      DNS        nginx on w1: it is 10.101.4.7"
    - "FAILED  pod to pod w1 to w2 at 10.244.4.2: no answer in 20 s: found no answer in 5 s, expected nginx-6c9f"
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kubestead.cluster.plugins.module_utils._kube import connect
from ansible_collections.kubestead.cluster.plugins.module_utils._runner import guard
from ansible_collections.kubestead.cluster.plugins.module_utils._smoke import asking, pods
from ansible_collections.kubestead.cluster.plugins.module_utils._smoke.namespace import Namespace, Object, Unmet, until

NAMESPACE = "kubestead-smoke"
APP = {"app": "nginx"}


@dataclass(frozen=True)
class Check:
    """The result of one check."""

    kind: str
    what: str
    ok: bool
    detail: str

    def line(self) -> str:
        """Return the check as a line of the result."""
        return f"{'ok' if self.ok else 'FAILED':<7} {self.kind:<10} {self.what}: {self.detail}"


@dataclass(frozen=True)
class Pod:
    """A running pod and its node."""

    name: str
    ip: str
    node: str
    node_ip: str


@dataclass(frozen=True)
class Inquiry:
    """A question to be asked from the pod's node, and what its check is called."""

    kind: str
    what: str
    question: pods.Question

    def check(self, answer: asking.Answer) -> Check:
        """Return the check that an answer makes."""
        right, text = answer
        if not right:
            return Check(self.kind, self.what, False, text)
        resolved = self.question.verb == "resolve"
        return Check(self.kind, self.what, True, f"it is {text}" if resolved else f"pod {text} answered")


def deployment(image: str, replicas: int) -> dict[str, Any]:
    """Return a Deployment with one pod on each node, on those too that are tainted or cordoned."""
    spec = pods.pod(pods.server(image), tolerations=pods.ANYWHERE, affinity=pods.apart(APP))
    return {
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": APP},
            "template": {"metadata": {"labels": APP}, "spec": spec},
        },
    }


def pod_checks(
    found: Sequence[Object], addresses: dict[str, str], wanted: Sequence[str]
) -> tuple[list[Pod], list[Check]]:
    """Return the pods that run, by node, and a check for each node that has none."""
    running = []
    problems: dict[str, str] = {}
    for pod in found:
        node = pod["spec"].get("nodeName", "")
        if not pods.is_ready(pod):
            problems[node] = pods.problem(pod)
        elif node in addresses:
            running.append(Pod(pod["metadata"]["name"], pod["status"]["podIP"], node, addresses[node]))
    there = {pod.node for pod in running}
    checks = []
    for node in sorted({*addresses, *wanted} - there):
        if node in addresses:
            # A pod that was not scheduled has no node yet, but a reason all the same.
            detail = problems.get(node) or problems.get("") or "no pod was made for it"
        else:
            detail = f"not in the cluster, which has {', '.join(sorted(addresses))}; run site.yml to join it"
        checks.append(Check("pod", f"on {node}", False, detail))
    return sorted(running, key=lambda pod: pod.node), checks


def ring(running: Sequence[Pod]) -> dict[str, Pod]:
    """Return each node's next pod, that of the first for the last; one pod alone has none."""
    following = [*running[1:], *running[:1]]
    return {pod.node: other for pod, other in zip(running, following)} if len(running) > 1 else {}


def node_port_checks(running: Sequence[Pod], port: int) -> list[Check]:
    """Ask the NodePort at every node's own address; no check where none of them can be reached from here."""
    asked = asking.ask_from_here([pod.node_ip for pod in running], port) or {}
    found = [(pod, *asked[pod.node_ip]) for pod in running if pod.node_ip in asked]
    return [
        Check(
            "NodePort",
            f"{pod.node} at {pod.node_ip}:{port}, asked from here",
            right,
            f"pod {answer} answered" if right else answer,
        )
        for pod, right, answer in found
    ]


def inquiries(pod: Pod, other: Pod | None, service: str, kubernetes: str, dns: bool) -> list[Inquiry]:
    """Return what is asked on a pod's node: DNS, the service, and the pod of the next node."""
    asked = []
    if dns:
        for name, address in (("kubernetes.default", kubernetes), ("nginx", service)):
            what = f"{name} on {pod.node}"
            asked.append(Inquiry("DNS", what, pods.Question("resolve", name, wanted=address)))
    name = "nginx" if dns else service
    asked.append(Inquiry("service", f"{name} on {pod.node}", pods.Question("fetch", name, 80)))
    if other is not None:
        what = f"{pod.node} to {other.node} at {other.ip}"
        asked.append(Inquiry("pod to pod", what, pods.Question("fetch", other.ip, 80, other.name)))
    return asked


def node_port_inquiry(pod: Pod, other: Pod, port: int) -> Inquiry:
    """Return the NodePort of the next node as a question: what a pod sends there leaves by its own node's address."""
    what = f"{other.node} at {other.node_ip}:{port}, asked from {pod.node}"
    return Inquiry("NodePort", what, pods.Question("fetch", other.node_ip, port))


class Workload:
    """nginx on every node, and pods beside it that ask."""

    def __init__(self, space: Namespace, image: str, dns: bool) -> None:
        """Remember what to run; nothing is started yet."""
        self.space = space
        self.image = image
        self.dns = dns

    def start(self, nodes: int) -> Object:
        """Start nginx on every node; return its service."""
        self.space.make("Deployment", "nginx", deployment(self.image, nodes))
        service = {"spec": {"type": "NodePort", "selector": APP, "ports": [{"port": 80}]}}
        return self.space.make("Service", "nginx", service)

    def pods(self, count: int) -> list[Object]:
        """Return the pods once so many are Ready, or what there is when the time is over."""
        found: list[Object] = []

        def running() -> None:
            found[:] = self.space.all("Pod", **APP)
            ready = sum(map(pods.is_ready, found))
            if ready < count:
                raise Unmet(f"{ready} pods", count)

        # What is missing is told node by node.
        with suppress(Unmet):
            until(running, self.space.timeout)
        return found

    def ask(self, running: Sequence[Pod], service: Object, node_port: int | None) -> list[Check]:
        """Ask from every node; the NodePorts too, where a port is given."""
        kubernetes = self.space.api.request("GET", "/api/v1/namespaces/default/services/kubernetes")
        addresses = service["spec"]["clusterIP"], kubernetes["spec"]["clusterIP"]
        neighbours = ring(running)
        asked = {pod.node: inquiries(pod, neighbours.get(pod.node), *addresses, self.dns) for pod in running}
        for pod in running if node_port else []:
            asked[pod.node].append(node_port_inquiry(pod, neighbours.get(pod.node, pod), node_port or 0))
        questions = {node: [inquiry.question for inquiry in items] for node, items in asked.items()}
        names = {pod.node: f"ask-{number}" for number, pod in enumerate(running)}
        for node, name in names.items():
            spec = {"nodeName": node, "tolerations": pods.ANYWHERE}
            asking.start_asking(self.space, name, self.image, questions[node], **spec)
        return [
            inquiry.check(answer)
            for node, items in asked.items()
            for inquiry, answer in zip(items, asking.answers_of(self.space, names[node], questions[node]))
        ]


def smoke(work: Workload, addresses: dict[str, str], wanted: Sequence[str]) -> list[Check]:
    """Start, look, and remove, whatever comes in between."""
    checks: list[Check] = []
    with work.space.lent(lambda why: checks.append(Check("cleanup", f"of namespace {NAMESPACE}", False, why))):
        service = work.start(len(addresses))
        running, missing = pod_checks(work.pods(len(addresses)), addresses, wanted)
        port = service["spec"]["ports"][0]["nodePort"]
        outside = node_port_checks(running, port)
        checks += [*missing, *outside, *work.ask(running, service, None if outside else port)]
    return checks


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "kubeconfig": {"type": "path", "required": True},
            "image": {"type": "str", "required": True},
            "nodes": {"type": "list", "elements": "str", "default": []},
            "dns": {"type": "bool", "default": True},
            "timeout": {"type": "int", "default": 180},
        },
        supports_check_mode=True,
    )
    params = module.params
    if module.check_mode:
        # Not even the API is asked: in check mode there may be no cluster yet.
        would = f"would run {params['image']} on every node in namespace {NAMESPACE}, look at it, and remove it"
        module.exit_json(changed=False, results=[would])
    with guard(module):
        api = connect(params["kubeconfig"])
        addresses = {node.name: node.address for node in asking.read_nodes(api)}
        work = Workload(Namespace(api, NAMESPACE, params["timeout"]), params["image"], params["dns"])
        checks = smoke(work, addresses, params["nodes"])
        results = [check.line() for check in checks]
        failed = [check.line() for check in checks if not check.ok]
        if failed:
            module.fail_json(msg="\n".join([f"{len(failed)} of {len(checks)} checks failed", *failed]), results=results)
        # What was created is gone again.
        module.exit_json(changed=False, results=results)


if __name__ == "__main__":
    main()
