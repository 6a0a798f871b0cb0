#!/usr/bin/python
# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start a cluster on its first control plane."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kubeadm_init
short_description: Start a cluster on its first control plane
version_added: 0.1.0
description:
  - Runs C(kubeadm init) with a configuration file that only root can read and that is removed afterwards.
  - A machine that is a member already is left as it is. An init that was interrupted is finished.
  - Returns the kubeconfig of the administrator and, when it started the cluster, what others need to join.
    These are secrets, so use C(no_log) on the task.
author:
  - kubestead contributors (@kubestead)
options:
  cluster:
    description:
      - What the configuration is built from.
    type: dict
    required: true
    suboptions:
      version:
        description: Version of Kubernetes, such as 1.36.3.
        type: str
        required: true
      name:
        description: Name of the cluster.
        type: str
        default: kubernetes
      endpoint:
        description: Where the API is reached, as host:port.
        type: str
        required: true
      api_port:
        description: Port of this machine's kube-apiserver.
        type: int
        default: 6443
      pod_subnet:
        description: Network of the pods.
        type: str
        required: true
      service_subnet:
        description: Network of the services.
        type: str
        required: true
      image_repository:
        description: Where the images come from.
        type: str
        required: true
      cri_socket:
        description: Socket of the container runtime.
        type: str
        required: true
      cert_sans:
        description: Further names and addresses in the API's certificate, such as a virtual IP behind a name.
        type: list
        elements: str
        default: []
      metrics:
        description:
          - Whether components that listen on 127.0.0.1 by default do so where a Prometheus in the cluster reaches them.
        type: bool
        default: false
      ignore_preflight_errors:
        description: Checks of kubeadm whose errors are ignored.
        type: list
        elements: str
        default: []
  node_name:
    description: Name of the node.
    type: str
    required: true
  node_ip:
    description: Address that kube-apiserver advertises and kubelet registers.
    type: str
    required: true
  schedulable:
    description: Whether ordinary pods may run here, that is, whether the control plane's taint is left out.
    type: bool
    default: false
  overrides:
    description: Documents of the user, merged last.
    type: dict
    default: {}
    suboptions:
      init:
        description: For InitConfiguration.
        type: dict
        default: {}
      cluster:
        description: For ClusterConfiguration.
        type: dict
        default: {}
      kubelet:
        description: For KubeletConfiguration.
        type: dict
        default: {}
      kube_proxy:
        description: For KubeProxyConfiguration.
        type: dict
        default: {}
  token_ttl:
    description: How long the token for joining lives, as a Go duration.
    type: str
    default: 1h0m0s
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
    description: Shows the configuration; tokens, keys, and passwords in URLs or under such a name are hidden.
seealso:
  - module: kubestead.cluster.kubeadm_join
  - module: kubestead.cluster.kubeadm_token
"""

EXAMPLES = r"""
- name: Start the cluster
  kubestead.cluster.kubeadm_init:
    cluster:
      version: 1.36.3
      endpoint: 10.90.0.100:8443
      pod_subnet: 10.244.0.0/16
      service_subnet: 10.96.0.0/12
      image_repository: registry.k8s.io
      cri_socket: unix:///run/containerd/containerd.sock
    node_name: cp1
    node_ip: 10.90.0.11
  no_log: true
  register: started
"""

RETURN = r"""
kubeconfig:
  description: The administrator's kubeconfig. Empty in check mode while there is no cluster.
  returned: success
  type: str
  sample: "apiVersion: v1\nclusters: [...]\n"
join:
  description: What others need to join, when this run started the cluster.
  returned: when the cluster was started
  type: dict
  sample:
    ca_cert_hashes: [sha256:5f5b64e9bdca0a7fdd5aa8b4ae63d3e2a2c2e8ac0ee33c9b51f54cbb6fd6a1f0]
    certificate_key: "..."
    endpoint: 10.90.0.100:8443
    token: abcdef.0123456789abcdef
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kubestead.cluster.plugins.module_utils._certificates import ca_cert_hash, read_text
from ansible_collections.kubestead.cluster.plugins.module_utils._kubeadm import membership
from ansible_collections.kubestead.cluster.plugins.module_utils._kubeadm import run as kubeadm
from ansible_collections.kubestead.cluster.plugins.module_utils._kubeadm.documents import init_documents, render
from ansible_collections.kubestead.cluster.plugins.module_utils._redact import redact
from ansible_collections.kubestead.cluster.plugins.module_utils._runner import Runner, guard

# What an interrupted init leaves behind is what these checks of kubeadm's stumble over.
FINISHING_IGNORES = [
    "DirAvailable--var-lib-etcd",
    "FileAvailable--etc-kubernetes-manifests-etcd.yaml",
    "FileAvailable--etc-kubernetes-manifests-kube-apiserver.yaml",
    "FileAvailable--etc-kubernetes-manifests-kube-controller-manager.yaml",
    "FileAvailable--etc-kubernetes-manifests-kube-scheduler.yaml",
    "Port-10250",
    "Port-10257",
    "Port-10259",
    "Port-2379",
    "Port-2380",
]


@dataclass(frozen=True)
class Plan:
    """What is to be done: nothing, a fresh init, or finishing one that was interrupted."""

    run: bool
    finish: bool = False


def plan(member: membership.Member) -> Plan:
    """Decide by the machine's membership; a machine with someone else's traces is refused."""
    if member.state == "bare":
        return Plan(run=True)
    if member.state == "partial" and member.partial_of == "init":
        return Plan(run=True, finish=True)
    if member.state == "member" and member.role == "control_plane":
        return Plan(run=False)
    if member.state == "member":
        raise membership.Refused(
            f"found a worker of the cluster at {member.server}, expected a bare machine; reset it first"
        )
    raise membership.Refused(
        f"found traces of an unknown installation ({', '.join(member.leftovers)}), "
        "expected a bare machine; reset it first"
    )


def build_documents(params: dict[str, Any], token: str, certificate_key: str, finish: bool) -> list[dict[str, Any]]:
    """Return kubeadm's documents."""
    cluster = params["cluster"]
    ignores = list(cluster["ignore_preflight_errors"])
    if finish:
        ignores += [*FINISHING_IGNORES, f"Port-{cluster['api_port']}"]
    return init_documents(
        version=cluster["version"],
        cluster_name=cluster["name"],
        endpoint=cluster["endpoint"],
        api_port=cluster["api_port"],
        pod_subnet=cluster["pod_subnet"],
        service_subnet=cluster["service_subnet"],
        image_repository=cluster["image_repository"],
        cri_socket=cluster["cri_socket"],
        cert_sans=cluster["cert_sans"],
        metrics=cluster["metrics"],
        ignore_preflight_errors=ignores,
        node_name=params["node_name"],
        node_ip=params["node_ip"],
        taints=[] if params["schedulable"] else None,
        token=token,
        token_ttl=params["token_ttl"],
        certificate_key=certificate_key,
        init_overrides=params["overrides"]["init"],
        cluster_overrides=params["overrides"]["cluster"],
        kubelet_overrides=params["overrides"]["kubelet"],
        patches_directory=params["patches_directory"],
        kube_proxy_overrides=params["overrides"]["kube_proxy"],
    )


def apply(run: Runner, params: dict[str, Any]) -> dict[str, Any] | None:
    """Run kubeadm, and return what others need to join; None where another run has finished it meanwhile."""
    with membership.exclusive():
        todo = plan(membership.read_member(api_port=params["cluster"]["api_port"]))
        if not todo.run:
            return None
        token, certificate_key = kubeadm.new_token(), kubeadm.new_certificate_key()
        documents = build_documents(params, token, certificate_key, todo.finish)
        kubeadm.expect_patches(documents)
        membership.begin("init")
        if todo.finish:
            membership.remove_torn_files()
        with kubeadm.configuration(documents, "init.yaml") as path:
            run(["kubeadm", "init", "--config", path, "--upload-certs"])
        if "upload-certs" not in (documents[0].get("skipPhases") or ()):
            kubeadm.label_certificates(run)
        membership.end()
    return {
        "endpoint": params["cluster"]["endpoint"],
        "token": token,
        "certificate_key": certificate_key,
        "ca_cert_hashes": [ca_cert_hash(read_text(Path("/etc/kubernetes/pki/ca.crt")))],
    }


def read_kubeconfig() -> str:
    """Return the administrator's kubeconfig, "" while there is none."""
    path = Path(kubeadm.ADMIN_CONF)
    return read_text(path) if path.exists() else ""


def main() -> None:
    dictionary = {"type": "dict", "default": {}}
    module = AnsibleModule(
        argument_spec={
            "cluster": {
                "type": "dict",
                "required": True,
                "options": {
                    "version": {"type": "str", "required": True},
                    "name": {"type": "str", "default": "kubernetes"},
                    "endpoint": {"type": "str", "required": True},
                    "api_port": {"type": "int", "default": 6443},
                    "pod_subnet": {"type": "str", "required": True},
                    "service_subnet": {"type": "str", "required": True},
                    "image_repository": {"type": "str", "required": True},
                    "cri_socket": {"type": "str", "required": True},
                    "cert_sans": {"type": "list", "elements": "str", "default": []},
                    "metrics": {"type": "bool", "default": False},
                    "ignore_preflight_errors": {"type": "list", "elements": "str", "default": []},
                },
            },
            "node_name": {"type": "str", "required": True},
            "node_ip": {"type": "str", "required": True},
            "schedulable": {"type": "bool", "default": False},
            "overrides": {
                "type": "dict",
                "default": {},
                "options": {
                    "init": dictionary,
                    "cluster": dictionary,
                    "kubelet": dictionary,
                    "kube_proxy": dictionary,
                },
                "apply_defaults": True,
            },
            "token_ttl": {"type": "str", "default": "1h0m0s", "no_log": False},
            "patches_directory": {"type": "path"},
        },
        supports_check_mode=True,
    )
    with guard(module):
        params = module.params
        todo = plan(membership.read_member(api_port=params["cluster"]["api_port"]))
        result: dict[str, Any] = {"changed": todo.run}
        if todo.run:
            shown = redact(render(build_documents(params, "<token>", "<certificate key>", todo.finish)))
            result["diff"] = {"before": "", "after": shown, "after_header": "kubeadm init"}
            if not module.check_mode:
                join = apply(Runner(module), params)
                result.update({"join": join} if join else {"changed": False})
        module.exit_json(kubeconfig=read_kubeconfig(), **result)


if __name__ == "__main__":
    main()
