#!/usr/bin/python
# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Join a machine to a cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kubeadm_join
short_description: Join a machine to a cluster
version_added: 0.1.0
description:
  - Runs C(kubeadm join) with a configuration file that only root can read and that is removed afterwards, and waits
    until the Node is there.
  - A member of this cluster is left as it is, a machine of another cluster is refused and never touched.
  - A join that was interrupted is undone and done again. What the user had put into /etc/kubernetes is kept.
author:
  - kubestead contributors (@kubestead)
options:
  join:
    description:
      - What M(kubestead.cluster.kubeadm_token) or M(kubestead.cluster.kubeadm_init) returned under this name.
        Needed unless the machine is a member already.
    type: dict
    suboptions:
      endpoint:
        description: Where the API is reached, as host:port.
        type: str
        required: true
      token:
        description: The bootstrap token.
        type: str
        required: true
      ca_cert_hashes:
        description: Hashes of the cluster's CA, as sha256:hex.
        type: list
        elements: str
        required: true
      certificate_key:
        description: Key of the uploaded certificates, for control planes.
        type: str
  control_plane:
    description: Whether the machine becomes a control plane.
    type: bool
    default: false
  node_name:
    description: Name of the node.
    type: str
    required: true
  node_ip:
    description: Address that kubelet registers, and that kube-apiserver advertises on a control plane.
    type: str
    required: true
  api_port:
    description: Port of the kube-apiserver of a control plane.
    type: int
    default: 6443
  cri_socket:
    description: Socket of the container runtime.
    type: str
    required: true
  schedulable:
    description: Whether ordinary pods may run on this control plane.
    type: bool
    default: false
  ignore_preflight_errors:
    description: Checks of kubeadm whose errors are ignored.
    type: list
    elements: str
    default: []
  overrides:
    description: Merged last into JoinConfiguration.
    type: dict
    default: {}
  patches_directory:
    description:
      - Directory of patches that kubeadm applies
        (U(https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/control-plane-flags/#patches)).
        Another one in O(overrides) replaces it.
    type: path
attributes:
  check_mode:
    support: full
    description: Tells whether kubeadm would run.
  diff_mode:
    support: full
    description: Shows what would be joined.
seealso:
  - module: kubestead.cluster.kubeadm_init
"""

EXAMPLES = r"""
- name: Join
  kubestead.cluster.kubeadm_join:
    join: "{{ started.join }}"
    node_name: w1
    node_ip: 10.90.0.21
    cri_socket: unix:///run/containerd/containerd.sock
  no_log: true
"""

RETURN = r"""
undone:
  description: Whether an interrupted join was undone first.
  returned: success
  type: bool
  sample: false
"""

import shutil
import time
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kubestead.cluster.plugins.module_utils._kubeadm import membership
from ansible_collections.kubestead.cluster.plugins.module_utils._kubeadm import run as kubeadm
from ansible_collections.kubestead.cluster.plugins.module_utils._kubeadm.documents import join_documents
from ansible_collections.kubestead.cluster.plugins.module_utils._runner import CommandError, Runner, guard

# kubeadm refuses a node of a name that is Ready. The node controller needs --node-monitor-grace-period (50 s) to see
# that the kubelet of an undone join is gone.
STILL_READY = 'and status "Ready" already exists'
STILL_READY_SECONDS = 120
# kubeadm is done with a worker as soon as kubelet has its certificate: since its feature gate NodeLocalCRISocket it
# writes nothing into the Node any more (https://kep.k8s.io/4656). Kubelet registers the Node after that.
REGISTER_SECONDS = 60


class Unregistered(Exception):
    """Kubelet runs and has not registered its Node."""


@dataclass(frozen=True)
class Plan:
    """What is to be done: nothing, a join, or a join after undoing one that was interrupted."""

    run: bool
    undo: bool = False


def plan(member: membership.Member, ca_cert_hashes: list[str]) -> Plan:
    """Decide by the machine's membership; a machine of another cluster is refused."""
    if member.ca_hash and ca_cert_hashes and member.ca_hash not in ca_cert_hashes and member.state != "bare":
        raise membership.Refused(
            f"found a member of another cluster ({member.server}, CA {member.ca_hash}), expected a bare machine or a "
            f"member of the cluster with CA {', '.join(ca_cert_hashes)}; reset it first, or take it out of the "
            "inventory"
        )
    if member.state == "member":
        return Plan(run=False)
    if member.state == "bare":
        return Plan(run=True)
    if member.partial_of == "join":
        return Plan(run=True, undo=True)
    found = "an interrupted kubeadm init" if member.partial_of == "init" else "traces of an unknown installation"
    raise membership.Refused(f"found {found} ({', '.join(member.leftovers)}), expected a bare machine; reset it first")


def undo(run: Runner, cri_socket: str) -> None:
    """Undo an interrupted join by kubeadm's own means (its etcd member goes too); the user's files come back."""
    run(["kubeadm", "reset", "--force", "--cri-socket", cri_socket])
    # kubeadm leaves certificates of kubelet to their rotation; they belong to the node that is undone.
    shutil.rmtree("/var/lib/kubelet/pki", ignore_errors=True)
    membership.restore_saved()


def join(run: Runner, path: str, cri_socket: str) -> None:
    """Run kubeadm join, waiting while the node of an undone join still counts as Ready."""
    deadline = time.monotonic() + STILL_READY_SECONDS
    while True:
        try:
            run(["kubeadm", "join", "--config", path])
            return
        except CommandError as error:
            if STILL_READY not in str(error) or time.monotonic() > deadline:
                raise
        time.sleep(5)
        # It asks late: its preflight would stumble over what it has put in place by then.
        undo(run, cri_socket)


def await_node(run: Runner, node_name: str) -> None:
    """Wait until kubelet has registered its Node, asking as kubelet does."""
    access = ["--kubeconfig=/etc/kubernetes/kubelet.conf", "--request-timeout=5s"]
    question = ["kubectl", *access, "get", "--raw", f"/api/v1/nodes/{node_name}"]
    deadline = time.monotonic() + REGISTER_SECONDS
    while True:
        answer = run(question, check=False)
        if answer.rc == 0:
            return
        if time.monotonic() > deadline:
            raise Unregistered(
                f"node {node_name}: found that kubelet has joined and no Node {REGISTER_SECONDS} s later "
                f"({answer.stderr.strip()}), expected kubelet to register it; see 'journalctl -u kubelet' on the "
                "machine, then run again: the join is then undone and done again"
            )
        time.sleep(0.5)


def apply(run: Runner, params: dict[str, Any]) -> Plan:
    """Join; return what was done, nothing where another run has joined the machine meanwhile."""
    access = params["join"]
    with membership.exclusive():
        todo = plan(membership.read_member(), access["ca_cert_hashes"])
        if not todo.run:
            return todo
        documents = join_documents(
            endpoint=access["endpoint"],
            token=access["token"],
            ca_cert_hashes=access["ca_cert_hashes"],
            control_plane=params["control_plane"],
            certificate_key=access["certificate_key"],
            node_name=params["node_name"],
            node_ip=params["node_ip"],
            api_port=params["api_port"],
            cri_socket=params["cri_socket"],
            taints=[] if params["control_plane"] and params["schedulable"] else None,
            ignore_preflight_errors=params["ignore_preflight_errors"],
            patches_directory=params["patches_directory"],
            join_overrides=params["overrides"],
        )
        kubeadm.expect_patches(documents)
        if todo.undo:
            undo(run, params["cri_socket"])
        membership.begin("join")
        with kubeadm.configuration(documents, "join.yaml") as path:
            join(run, path, params["cri_socket"])
        await_node(run, params["node_name"])
        membership.end()
    return todo


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "join": {
                "type": "dict",
                "options": {
                    "endpoint": {"type": "str", "required": True},
                    "token": {"type": "str", "required": True, "no_log": True},
                    "ca_cert_hashes": {"type": "list", "elements": "str", "required": True},
                    "certificate_key": {"type": "str", "no_log": True},
                },
            },
            "control_plane": {"type": "bool", "default": False},
            "node_name": {"type": "str", "required": True},
            "node_ip": {"type": "str", "required": True},
            "api_port": {"type": "int", "default": 6443},
            "cri_socket": {"type": "str", "required": True},
            "schedulable": {"type": "bool", "default": False},
            "ignore_preflight_errors": {"type": "list", "elements": "str", "default": []},
            "overrides": {"type": "dict", "default": {}},
            "patches_directory": {"type": "path"},
        },
        supports_check_mode=True,
    )
    with guard(module):
        params = module.params
        hashes = params["join"]["ca_cert_hashes"] if params["join"] else []
        todo = plan(membership.read_member(api_port=params["api_port"]), hashes)
        if todo.run and not module.check_mode:
            if not params["join"]:
                raise membership.Refused(
                    "found a machine that is not a member and no `join`, expected what kubeadm_token returns"
                )
            todo = apply(Runner(module), params)
        role = "control plane" if params["control_plane"] else "worker"
        diff = {"before": "", "after": f"{role} {params['node_name']} joined\n"} if todo.run else {}
        module.exit_json(changed=todo.run, undone=todo.undo, diff=diff)


if __name__ == "__main__":
    main()
