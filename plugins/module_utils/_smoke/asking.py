# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking who answers: from here, and from pods."""

from __future__ import annotations

import errno
import http.client
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ansible_collections.kubestead.cluster.plugins.module_utils._kube import CONTROL_PLANE_LABEL, Api, ready
from ansible_collections.kubestead.cluster.plugins.module_utils._smoke import pods
from ansible_collections.kubestead.cluster.plugins.module_utils._smoke.namespace import (
    Namespace,
    Object,
    Unmet,
    expect,
    until,
)

# kube-proxy and DNS take a moment to follow the pods.
PATIENCE = 20.0
# Whether it is right, and the answer or why there is none.
Answer = tuple[bool, str]


@dataclass(frozen=True)
class Node:
    """A node, by its own address, and whether ordinary pods may come to it."""

    name: str
    address: str
    control_plane: bool
    schedulable: bool


def node_of(found: Object) -> Node:
    """Return a node as the API tells it."""
    refused = [taint for taint in found["spec"].get("taints", []) if taint["effect"] != "PreferNoSchedule"]
    return Node(
        name=found["metadata"]["name"],
        address=next(item["address"] for item in found["status"]["addresses"] if item["type"] == "InternalIP"),
        control_plane=CONTROL_PLANE_LABEL in found["metadata"].get("labels", {}),
        schedulable=ready(found) and not found["spec"].get("unschedulable", False) and not refused,
    )


def read_nodes(api: Api) -> list[Node]:
    """Return the nodes of the cluster."""
    return [node_of(item) for item in api.request("GET", "/api/v1/nodes")["items"]]


def answering_pod(text: str) -> str:
    """Return the name of the pod that answered (see pods.SERVE)."""
    _before, found, after = text.partition("kubestead ")
    expect(bool(found), repr(text.strip()[-80:]), "the answer of a pod")
    return after.split()[0]


def get(address: str, port: int) -> str:
    """Ask from here, past any proxy; return the name of the pod that answers."""
    connection = http.client.HTTPConnection(address, port, timeout=3)
    try:
        connection.request("GET", "/")
        return answering_pod(connection.getresponse().read().decode("utf-8", "replace"))
    finally:
        connection.close()


def out_of_reach(error: BaseException) -> bool:
    """Tell whether an error means that packets don't get there or back, rather than that nobody answers."""
    return isinstance(error, TimeoutError) or getattr(error, "errno", None) in (errno.EHOSTUNREACH, errno.ENETUNREACH)


def ask_from_here(addresses: Sequence[str], port: int) -> dict[str, Answer] | None:
    """Return who answers at each address, or None where none of them can be reached from here at all."""

    def ask(address: str) -> tuple[bool, Answer]:
        try:
            return True, (True, until(lambda: get(address, port), PATIENCE))
        except (OSError, http.client.HTTPException, Unmet) as error:
            return not out_of_reach(error), (False, f"no answer in {PATIENCE:.0f} s: {error}")

    with ThreadPoolExecutor(max_workers=16) as pool:
        asked = dict(zip(addresses, pool.map(ask, addresses)))
    if not any(reached for reached, _answer in asked.values()):
        return None
    return {address: answer for address, (_reached, answer) in asked.items()}


def start_asking(
    space: Namespace, name: str, image: str, questions: Sequence[pods.Question], **spec: Any
) -> Mapping[str, Any]:
    """Start a pod that asks, each question until it is answered rightly or the patience ends."""
    words = [word for question in questions for word in question.words()]
    asking = pods.container(image, pods.INQUIRE, f"{PATIENCE:.0f}", *words)
    return space.make("Pod", name, {"spec": pods.pod(asking, restartPolicy="Never", **spec)})


def answers_of(space: Namespace, name: str, questions: Sequence[pods.Question]) -> list[Answer]:
    """Return what a pod that asks was answered, once it is through."""

    def through() -> list[str]:
        lines = space.log(name)
        expect(len(lines) >= len(questions), pods.problem(space.get("Pod", name)), f"pod {name} to ask its questions")
        return lines

    lines = until(through, space.timeout + PATIENCE * len(questions))
    return [
        (right, answer if right else f"no answer in {PATIENCE:.0f} s: {question.wrong(answer)}")
        for question, (right, answer) in zip(questions, pods.answers(lines))
    ]
