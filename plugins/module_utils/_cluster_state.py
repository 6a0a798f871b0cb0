# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The members of etcd and the Nodes of the API, as a control plane's own etcd and kube-apiserver list them.

Both are asked over the loopback interface, with the credentials that kubeadm has put on the machine.
"""

from __future__ import annotations

import base64
import binascii
import calendar
import http.client
import json
import os
import re
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PKI = "etc/kubernetes/pki"
ADMIN_CONF = "etc/kubernetes/admin.conf"
ETCD_MANIFEST = "etc/kubernetes/manifests/etcd.yaml"
ETCD_PORT = 2379
# A healthy one answers in milliseconds.
SECONDS = 3.0


@dataclass(frozen=True)
class EtcdMember:
    """A member of etcd: its ID as etcdctl writes it, its name ("" before its first start), peer URL, and role."""

    id: str
    name: str
    peer: str
    learner: bool


@dataclass(frozen=True)
class Etcd:
    """etcd as this machine's own member sees it; `healthy` where that member follows a leader without errors."""

    healthy: bool
    id: str
    members: list[EtcdMember]


@dataclass(frozen=True)
class Node:
    """A Node of the API; `unready_seconds` since it is not Ready, None where it is."""

    name: str
    control_plane: bool
    unready_seconds: int | None


def parse_etcd(members: Mapping[str, Any], status: Mapping[str, Any]) -> Etcd:
    """Parse what etcd's JSON gateway says to /v3/cluster/member/list and /v3/maintenance/status.

    64-bit numbers are texts there, and what is 0 or false is left out
    (https://etcd.io/docs/v3.6/dev-guide/api_grpc_gateway/).
    """
    return Etcd(
        healthy=int(status.get("leader", 0)) != 0 and not status.get("errors"),
        id=hexadecimal(members["header"]["member_id"]),
        members=[
            EtcdMember(
                id=hexadecimal(item["ID"]),
                name=item.get("name", ""),
                peer=next(iter(item.get("peerURLs", [])), ""),
                learner=bool(item.get("isLearner", False)),
            )
            for item in members["members"]
        ],
    )


def hexadecimal(number: str) -> str:
    """Return an ID as etcdctl writes and takes it."""
    return f"{int(number):x}"


def parse_node(node: Mapping[str, Any], now: float) -> Node:
    """Parse one item of /api/v1/nodes. A Node that never reported is not Ready since it was made."""
    metadata = node["metadata"]
    conditions = node.get("status", {}).get("conditions") or []
    ready: Mapping[str, Any] = next((item for item in conditions if item["type"] == "Ready"), {})
    since = ready.get("lastTransitionTime") or metadata["creationTimestamp"]
    elapsed = int(now - calendar.timegm(time.strptime(since, "%Y-%m-%dT%H:%M:%SZ")))
    return Node(
        name=metadata["name"],
        control_plane="node-role.kubernetes.io/control-plane" in metadata.get("labels", {}),
        unready_seconds=None if ready.get("status") == "True" else max(0, elapsed),
    )


def read_etcd(root: Path = Path("/"), port: int = ETCD_PORT) -> Etcd | None:
    """Return etcd's members; None where the machine has no member that answers."""
    pki = root / PKI
    if not (root / ETCD_MANIFEST).exists():
        return None
    try:
        context = trusting(pki / "etcd/ca.crt")
        context.load_cert_chain(str(pki / "apiserver-etcd-client.crt"), str(pki / "apiserver-etcd-client.key"))
        members = ask(context, port, "POST", "/v3/cluster/member/list", "{}")
        return parse_etcd(members, ask(context, port, "POST", "/v3/maintenance/status", "{}"))
    except (OSError, http.client.HTTPException, ValueError, LookupError):
        return None


def read_nodes(root: Path = Path("/"), port: int = 6443) -> list[Node] | None:
    """Return the Nodes; None where the machine is no control plane whose API answers its administrator."""
    try:
        text = (root / ADMIN_CONF).read_text(encoding="ascii")
        context = trusting(root / PKI / "ca.crt")
        # kubeadm's certificate names the machine's address and not 127.0.0.1; whom the CA has signed is the API server.
        context.check_hostname = False
        with (
            in_memory(embedded(text, "client-certificate")) as certificate,
            in_memory(embedded(text, "client-key")) as key,
        ):
            context.load_cert_chain(certificate, key)
        # Version 0 is answered from the API server's cache.
        items = ask(context, port, "GET", "/api/v1/nodes?resourceVersion=0", None)["items"]
        return [parse_node(item, time.time()) for item in items]
    except (OSError, http.client.HTTPException, ValueError, LookupError):
        return None


def trusting(authority: Path) -> ssl.SSLContext:
    """Return a context that trusts one of the cluster's own authorities."""
    context = ssl.create_default_context(cafile=str(authority))
    # Python 3.13 and later refuse what kubectl takes: certificates of a CA of one's own without all extensions.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def embedded(kubeconfig: str, name: str) -> bytes:
    """Return the PEM that stands in a kubeconfig of kubeadm's; a ValueError where it does not."""
    found = re.search(rf"^\s*{name}-data: (\S+)\s*$", kubeconfig, re.MULTILINE)
    if not found:
        raise ValueError(f"no {name}-data")
    try:
        return base64.b64decode(found.group(1))
    except binascii.Error as error:
        raise ValueError(f"{name}-data: no base64") from error


@contextmanager
def in_memory(content: bytes) -> Iterator[str]:
    """Yield a path that has the content and no name in any folder, so that nothing is left of a key.

    Python loads keys from paths only (https://man7.org/linux/man-pages/man2/memfd_create.2.html).
    """
    descriptor = os.memfd_create("kubestead")
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def ask(context: ssl.SSLContext, port: int, method: str, path: str, body: str | None) -> Any:
    """Return the JSON of an answer; everything else is an HTTPException. No proxy is used."""
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=SECONDS, context=context)
    try:
        connection.request(method, path, body=body)
        answer = connection.getresponse()
        text = answer.read()
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise http.client.HTTPException(f"{path}: {answer.status}")
    return json.loads(text)
