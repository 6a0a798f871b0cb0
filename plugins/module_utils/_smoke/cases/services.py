# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services: inside the cluster, at every node, and at an address of their own."""

from __future__ import annotations

from ansible_collections.kubestead.cluster.plugins.module_utils._smoke import asking, pods
from ansible_collections.kubestead.cluster.plugins.module_utils._smoke.namespace import Unmet, expect, until
from ansible_collections.kubestead.cluster.plugins.module_utils._smoke.suite import Case, Scene, Skipped

# How long whatever serves load balancers may take to give an address, where nothing is known to do so.
ADDRESS_SECONDS = 15.0
METALLB_POOLS = "/apis/metallb.io/v1beta1/ipaddresspools"


def ask(scene: Scene, *questions: pods.Question) -> list[str]:
    """Let a pod ask; return the answers, which have to be right."""
    asking.start_asking(scene.space, scene.named("asking"), scene.settings.image, questions, tolerations=pods.ANYWHERE)
    answers = asking.answers_of(scene.space, scene.named("asking"), questions)
    for question, (right, text) in zip(questions, answers):
        expect(right, f"{question.operand}: {text}", "an answer")
    return [text for _right, text in answers]


def cluster_ip(scene: Scene) -> str:
    """See that the service has a name and spreads what it gets over its pods."""
    scene.deploy(scene.server(), 2)
    address = scene.expose()["spec"]["clusterIP"]
    names = {pod["metadata"]["name"] for pod in scene.ready(2)}
    resolved = [pods.Question("resolve", scene.named(), wanted=address)] if scene.settings.dns else []
    ask(scene, *resolved, pods.Question("fetch", scene.named() if scene.settings.dns else address, 80))
    observer = scene.observe(f"fetch {address} 80")
    heard: set[str] = set()

    def both(lines: list[str]) -> bool:
        heard.update(lines)
        return heard >= names

    scene.hears(observer, "an answer of each of the 2 pods", both, 4)
    return f"{scene.named()} is {address}, and both pods answered there"


def node_port(scene: Scene) -> str:
    """Ask at every node, on the one with the pod and on the others."""
    scene.deploy(scene.server(), 1)
    port = scene.expose(type="NodePort")["spec"]["ports"][0]["nodePort"]
    scene.ready(1)
    asked = asking.ask_from_here([node.address for node in scene.nodes], port)
    if asked is None:
        ask(scene, *(pods.Question("fetch", node.address, port) for node in scene.nodes))
        return f"answered at port {port} of {len(scene.nodes)} nodes, asked from a pod"
    wrong = [
        f"{node.name} at {node.address}: {asked[node.address][1]}" for node in scene.nodes if not asked[node.address][0]
    ]
    expect(not wrong, "; ".join(wrong), f"an answer at port {port} of every node")
    return f"answered at port {port} of {len(scene.nodes)} nodes, asked from here"


def load_balancer(scene: Scene) -> str:
    """Ask at the address that something outside of Kubernetes itself gives to the service."""
    scene.deploy(scene.server(), 1)
    scene.expose(type="LoadBalancer")
    served = bool((scene.space.api.get(METALLB_POOLS) or {}).get("items"))

    def given() -> str:
        ingress = scene.space.get("Service", scene.named())["status"].get("loadBalancer", {}).get("ingress", [])
        expect(bool(ingress), "no address", "one from the pools of MetalLB")
        return str(ingress[0].get("ip") or ingress[0]["hostname"])

    try:
        address = until(given, scene.space.timeout if served else ADDRESS_SECONDS)
    except Unmet:
        if served:
            raise
        raise Skipped(f"no address in {ADDRESS_SECONDS:.0f} s: nothing serves services of this type") from None
    scene.ready(1)
    asked = asking.ask_from_here([address], 80)
    if asked is None:
        ask(scene, pods.Question("fetch", address, 80))
        return f"answered at {address}, asked from a pod"
    right, text = asked[address]
    expect(right, f"{address}: {text}", "an answer")
    return f"answered at {address}, asked from here"


CASES = (Case("load-balancer", load_balancer), Case("cluster-ip", cluster_ip), Case("node-port", node_port))
