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
requirements:
  - kubernetes (Python)
options:
  kubeconfig:
    description: Kubeconfig on the host where the module runs.
    type: path
    required: true
  image:
    description: An image with nginx, bash and getent, such as the official one of nginx on Debian.
    type: str
    required: true
  nodes:
    description: Names of nodes that must be in the cluster. All nodes of the cluster are tried, named or not.
    type: list
    elements: str
    default: []
  dns:
    description: Whether the cluster has a DNS to ask.
    type: bool
    default: true
  timeout:
    description: Seconds to wait for the pods (their image is pulled), and for the namespace to be gone.
    type: int
    default: 180
attributes:
  check_mode:
    support: full
    description: Starts nothing; says what it would do.
  diff_mode:
    support: none
    description: There is nothing that stays.
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
    - "ok      DNS        in the pod on w1: kubernetes.default is 10.96.0.1, nginx is 10.101.4.7"
    - "FAILED  pod to pod w1 to w2 at 10.244.4.2: no answer in 20 s: timed out"
"""

import errno
import http.client
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kubestead.cluster.plugins.module_utils._kube import core_api
from ansible_collections.kubestead.cluster.plugins.module_utils._runner import guard

NAMESPACE = "kubestead-smoke"
MANAGED_BY = {"app.kubernetes.io/managed-by": "kubestead"}
APP = {"app": "nginx"}
ANSWER = "kubestead smoke"
# kube-proxy and DNS take a moment to follow the pods.
PATIENCE = 20.0
# Without curl or the like, which not every image has.
FETCH = "exec 3<>/dev/tcp/$0/$1 && printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3 && cat <&3"


class Refused(Exception):
    """The namespace belongs to somebody else."""


class NoAnswer(Exception):
    """A pod did not do what it was asked."""


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


def nginx_configuration(ipv6: bool) -> str:
    """Return a configuration by which nginx answers with the name of its pod, so that it is known who answers."""
    return (
        "pid /tmp/nginx.pid;\nerror_log stderr;\nevents {}\nhttp {\n  access_log off;\n  server {\n"
        f"    listen {'[::]:80' if ipv6 else '80'};\n    default_type text/plain;\n"
        f'    return 200 "{ANSWER} $hostname\\n";\n  }}\n}}\n'
    )


def deployment(image: str, replicas: int) -> dict[str, Any]:
    """Return a Deployment with one pod on each node, on those too that are tainted or cordoned."""
    container = {
        "name": "nginx",
        "image": image,
        "command": ["nginx", "-c", "/etc/kubestead/nginx.conf", "-g", "daemon off;"],
        "ports": [{"containerPort": 80}],
        "readinessProbe": {"tcpSocket": {"port": 80}, "periodSeconds": 1},
        "volumeMounts": [{"name": "configuration", "mountPath": "/etc/kubestead"}],
    }
    apart = {"labelSelector": {"matchLabels": APP}, "topologyKey": "kubernetes.io/hostname"}
    return {
        "metadata": {"name": "nginx"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": APP},
            "template": {
                "metadata": {"labels": APP},
                "spec": {
                    "automountServiceAccountToken": False,
                    "terminationGracePeriodSeconds": 1,
                    "tolerations": [{"operator": "Exists"}],
                    "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart]}},
                    "containers": [container],
                    "volumes": [{"name": "configuration", "configMap": {"name": "nginx"}}],
                },
            },
        },
    }


def pod_problem(pod: Any) -> str:
    """Return why a pod does not run, as the API tells it."""
    for status in pod.status.container_statuses or []:
        if status.state and status.state.waiting:
            waiting = status.state.waiting
            return f"{waiting.reason}: {waiting.message}" if waiting.message else str(waiting.reason)
    for condition in pod.status.conditions or []:
        if condition.status == "False" and condition.message:
            return str(condition.message)
    return f"it is {pod.status.phase}"


def is_ready(pod: Any) -> bool:
    """Tell whether a pod is Ready."""
    return any(item.type == "Ready" and item.status == "True" for item in pod.status.conditions or [])


def pod_checks(pods: Sequence[Any], addresses: dict[str, str], wanted: Sequence[str]) -> tuple[list[Pod], list[Check]]:
    """Return the pods that run, by node, and a check for each node that has none."""
    running = [
        Pod(pod.metadata.name, pod.status.pod_ip, pod.spec.node_name, addresses[pod.spec.node_name])
        for pod in pods
        if pod.spec.node_name in addresses and is_ready(pod)
    ]
    problems = {pod.spec.node_name or "": pod_problem(pod) for pod in pods if not is_ready(pod)}
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


def ring(pods: Sequence[Pod]) -> list[tuple[Pod, Pod]]:
    """Return each pod with its neighbour, the last with the first; one pod alone has none."""
    return [(pod, pods[(index + 1) % len(pods)]) for index, pod in enumerate(pods)] if len(pods) > 1 else []


def answering_pod(text: str) -> str:
    """Return the name of the pod that answered."""
    _before, found, after = text.partition(f"{ANSWER} ")
    if not found:
        raise NoAnswer(f"found {text.strip()[-80:]!r}, expected the answer of a pod")
    return after.split()[0]


def parse_hosts(text: str) -> str:
    """Return the address in a line of `getent hosts`."""
    words = text.split()
    return words[0] if words else ""


def out_of_reach(error: BaseException) -> bool:
    """Tell whether an error means that packets don't get there or back, rather than that nobody answers."""
    return isinstance(error, TimeoutError) or getattr(error, "errno", None) in (errno.EHOSTUNREACH, errno.ENETUNREACH)


def until(attempt: Callable[[], str], patience: float = PATIENCE) -> str:
    """Return what an attempt brings, repeated until it does; its last error otherwise."""
    deadline = time.monotonic() + patience
    while True:
        try:
            return attempt()
        except (OSError, http.client.HTTPException, NoAnswer):
            if time.monotonic() > deadline:
                raise
        time.sleep(0.5)


def checked(kind: str, what: str, attempt: Callable[[], str]) -> Check:
    """Return the check of an attempt."""
    try:
        return Check(kind, what, True, until(attempt))
    except (OSError, http.client.HTTPException, NoAnswer) as error:
        return Check(kind, what, False, f"no answer in {PATIENCE:.0f} s: {error}")


def get(address: str, port: int) -> str:
    """Ask from here, past any proxy; return the name of the pod that answers."""
    connection = http.client.HTTPConnection(address, port, timeout=3)
    try:
        connection.request("GET", "/")
        return answering_pod(connection.getresponse().read().decode("utf-8", "replace"))
    finally:
        connection.close()


class Workload:
    """The namespace and what runs in it."""

    def __init__(self, api: Any, timeout: float) -> None:
        # core_api() has made sure that the client is installed.
        from kubernetes import client, stream  # noqa: PLC0415
        from kubernetes.client.exceptions import ApiException  # noqa: PLC0415

        self.api = api
        self.apps = client.AppsV1Api(api.api_client)
        self.stream = stream.stream
        self.error = ApiException
        self.timeout = timeout

    def namespace(self) -> Any:
        """Return the namespace, None where there is none."""
        try:
            return self.api.read_namespace(NAMESPACE)
        except self.error as error:
            if error.status != 404:
                raise
            return None

    def remove(self) -> None:
        """Remove the namespace, and wait until all in it is gone."""
        found = self.namespace()
        if found is None:
            return
        if MANAGED_BY.items() - (found.metadata.labels or {}).items():
            raise Refused(
                f"found a namespace {NAMESPACE} without the label {MANAGED_BY}, expected none or one of an earlier "
                "run; remove it, if it is not needed, and run again"
            )
        if not found.metadata.deletion_timestamp:
            self.api.delete_namespace(NAMESPACE)
        deadline = time.monotonic() + self.timeout
        while self.namespace() is not None:
            if time.monotonic() > deadline:
                raise Refused(
                    f"namespace {NAMESPACE} is still there {self.timeout:.0f} s after it was deleted; look at its "
                    f"conditions (`kubectl get namespace {NAMESPACE} -o yaml`) and at the nodes that run its pods"
                )
            time.sleep(0.5)

    def create(self, image: str, nodes: int, ipv6: bool) -> Any:
        """Start nginx on every node; return its service."""
        self.api.create_namespace({"metadata": {"name": NAMESPACE, "labels": MANAGED_BY}})
        configuration = {"metadata": {"name": "nginx"}, "data": {"nginx.conf": nginx_configuration(ipv6)}}
        self.api.create_namespaced_config_map(NAMESPACE, configuration)
        self.apps.create_namespaced_deployment(NAMESPACE, deployment(image, nodes))
        return self.api.create_namespaced_service(
            NAMESPACE,
            {"metadata": {"name": "nginx"}, "spec": {"type": "NodePort", "selector": APP, "ports": [{"port": 80}]}},
        )

    def pods(self, count: int) -> list[Any]:
        """Return the pods once so many are Ready, or what there is when the time is over."""
        deadline = time.monotonic() + self.timeout
        while True:
            found = list(self.api.list_namespaced_pod(NAMESPACE, label_selector="app=nginx").items)
            if sum(map(is_ready, found)) >= count or time.monotonic() > deadline:
                return found
            time.sleep(0.5)

    def run(self, pod: Pod, *command: str) -> str:
        """Run a command in a pod."""
        execution = self.stream(
            self.api.connect_get_namespaced_pod_exec,
            pod.name,
            NAMESPACE,
            command=["timeout", "5", *command],
            stdout=True,
            stderr=True,
            stdin=False,
            tty=False,
            _preload_content=False,
        )
        try:
            execution.run_forever(timeout=10)
            out, err = execution.read_stdout(), execution.read_stderr()
            if execution.is_open() or execution.returncode:
                code = "no end" if execution.is_open() else f"exit status {execution.returncode}"
                raise NoAnswer(f"{command[0]} in pod {pod.name}: {code} {err.strip()}".rstrip())
            return str(out)
        finally:
            execution.close()

    def fetch(self, pod: Pod, address: str, port: int) -> str:
        """Ask from a pod; return the name of the pod that answers."""
        return answering_pod(self.run(pod, "bash", "-c", FETCH, address, str(port)))

    def resolve(self, pod: Pod, name: str, expected: str) -> str:
        """Resolve a name in a pod; return what it is, which has to be what the API says."""
        found = parse_hosts(self.run(pod, "getent", "hosts", name))
        if found != expected:
            raise NoAnswer(f"found {found or 'nothing'} for {name}, expected {expected}")
        return f"{name} is {found}"


def node_port_checks(work: Workload, pods: Sequence[Pod], port: int) -> list[Check]:
    """Ask the NodePort at every node's own address: from here, or where that can't work, from the nodes."""
    kind = "NodePort"

    def ask(pod: Pod) -> Check | None:
        """Give None where the address can't be reached."""
        what = f"{pod.node} at {pod.node_ip}:{port}, asked from here"
        try:
            return Check(kind, what, True, f"pod {until(lambda: get(pod.node_ip, port))} answered")
        except (OSError, http.client.HTTPException, NoAnswer) as error:
            return None if out_of_reach(error) else Check(kind, what, False, f"no answer in {PATIENCE:.0f} s: {error}")

    with ThreadPoolExecutor(max_workers=16) as pool:
        asked = list(pool.map(ask, pods))
    if any(asked):
        return [
            found or Check(kind, f"{pod.node} at {pod.node_ip}:{port}, asked from here", False, "out of reach")
            for pod, found in zip(pods, asked)
        ]
    # No node's address is reached from here. What a pod sends to another node leaves by its own node's address.
    neighbours = ring(pods) or [(pod, pod) for pod in pods]
    checks = []
    for pod, other in neighbours:

        def attempt(pod: Pod = pod, other: Pod = other) -> str:
            return f"pod {work.fetch(pod, other.node_ip, port)} answered"

        checks.append(checked(kind, f"{other.node} at {other.node_ip}:{port}, asked from {pod.node}", attempt))
    return checks


def inside_checks(work: Workload, pods: Sequence[Pod], service: Any, dns: bool) -> list[Check]:
    """Ask DNS and the service in every pod, and each pod's neighbour."""
    checks = []
    kubernetes = work.api.read_namespaced_service("kubernetes", "default").spec.cluster_ip
    own = service.spec.cluster_ip
    for pod in pods:

        def names(pod: Pod = pod) -> str:
            return f"{work.resolve(pod, 'kubernetes.default', kubernetes)}, {work.resolve(pod, 'nginx', own)}"

        def by_service(pod: Pod = pod) -> str:
            return f"pod {work.fetch(pod, 'nginx' if dns else own, 80)} answered"

        if dns:
            checks.append(checked("DNS", f"in the pod on {pod.node}", names))
        checks.append(checked("service", f"nginx in the pod on {pod.node}", by_service))
    for pod, other in ring(pods):

        def neighbour(pod: Pod = pod, other: Pod = other) -> str:
            found = work.fetch(pod, other.ip, 80)
            if found != other.name:
                raise NoAnswer(f"pod {found} answered, expected {other.name}")
            return f"pod {found} answered"

        checks.append(checked("pod to pod", f"{pod.node} to {other.node} at {other.ip}", neighbour))
    return checks


def smoke(work: Workload, params: dict[str, Any], addresses: dict[str, str]) -> list[Check]:
    """Start, look, and remove, whatever comes in between."""
    work.remove()
    try:
        ipv6 = any(":" in address for address in addresses.values())
        service = work.create(params["image"], len(addresses), ipv6)
        pods, checks = pod_checks(work.pods(len(addresses)), addresses, params["nodes"])
        checks += node_port_checks(work, pods, service.spec.ports[0].node_port)
        checks += inside_checks(work, pods, service, params["dns"])
        return checks
    finally:
        work.remove()


def node_addresses(nodes: Sequence[Any]) -> dict[str, str]:
    """Return each node's own address."""
    return {
        node.metadata.name: next(item.address for item in node.status.addresses if item.type == "InternalIP")
        for node in nodes
    }


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
    with guard(module), core_api(module) as api:
        addresses = node_addresses(api.list_node().items)
        checks = smoke(Workload(api, params["timeout"]), params, addresses)
        results = [check.line() for check in checks]
        failed = [check.line() for check in checks if not check.ok]
        if failed:
            module.fail_json(msg="\n".join([f"{len(failed)} of {len(checks)} checks failed", *failed]), results=results)
        # What was created is gone again.
        module.exit_json(changed=False, results=results)


if __name__ == "__main__":
    main()
