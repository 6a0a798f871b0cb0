# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory that a lab gives to Ansible. Every oddity of a node that is a container is a variable here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from . import addons, packages
from .versions import FLANNEL_CNI_IMAGE, FLANNEL_IMAGE, NGINX_IMAGE, NODE_SYSTEMS

if TYPE_CHECKING:
    from .lab import Lab

HEAD = "# Written by `python3 -m tests.lab`: changes are lost.\n"

# Two cores are shared by all machines of the lab; in an emulated one everything takes ten times as long.
TIMEOUTS = {
    "controlPlaneComponentHealthCheck": "8m0s",
    "etcdAPICall": "5m0s",
    "kubeletHealthCheck": "8m0s",
    "kubernetesAPICall": "5m0s",
}
EMULATED_TIMEOUTS = dict.fromkeys(TIMEOUTS, "25m0s")

# All members of etcd write to one disk, whose syncs would cost more than the rest of the cluster. A node that is
# killed loses nothing by it: its files are still in the memory of the computer.
SHARED_DISK: dict[str, Any] = {
    "cluster_configuration": {"etcd": {"local": {"extraArgs": [{"name": "unsafe-no-fsync", "value": "true"}]}}},
}
# What a container can't do or must not do to the computer it runs on, for the whole cluster:
# control groups of version 1 (refused by default since Kubernetes 1.35); no CAP_SYS_RESOURCE, so nothing may lower
# its oom score; connection tracking limits are the computer's; the swap too; and the disk, shared with all else here,
# must not make the kubelet evict pods or collect images.
ODDITIES: dict[str, Any] = {
    "cluster_kubelet_configuration": {
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "0%",
            "nodefs.inodesFree": "0%",
            "imagefs.available": "0%",
        },
        "imageGCHighThresholdPercent": 100,
    },
    "cluster_kube_proxy_configuration": {"conntrack": {"maxPerCore": 0, "min": 0}, "oomScoreAdj": 0},
    "cluster_ignore_preflight_errors": [
        "SystemVerification",
        "Swap",
        "NumCPU",
        "Mem",
        "FileContent--proc-sys-net-bridge-bridge-nf-call-iptables",
    ],
}
# And what is settled for each machine: no loading of kernel modules, and the clock is the computer's.
NODE_ODDITIES: dict[str, Any] = {
    "node_kernel_modules": [],
    "node_time_service": "",
    # It wants CAP_SYS_RESOURCE, or to be told that it has to do without.
    "nfs_server_ganesha_configuration": {"NFS_CORE_PARAM": {"allow_set_io_flusher_fail": True}},
}
# The registries whose images the mirror offers under the same names.
PUBLISHERS = ("docker.io", "ghcr.io", "quay.io", "registry.k8s.io")
# The same for containerd, whose plugin is called so in 1.7 (Debian 13's own) and in 2 (the mirror's for Debian 12).
RUNTIME_PLUGIN = {"debian13": "io.containerd.grpc.v1.cri", "debian12": "io.containerd.cri.v1.runtime"}


def mirror(lab: Lab) -> dict[str, Any]:
    """Where packages and images come from: the lab's mirror, or the official sites by saying nothing."""
    if lab.source == "official":
        return {"cluster_mirror": "official"}
    repository = f"http://{lab.mirror_address}:8081/{NODE_SYSTEMS[lab.os]}"
    registry = f"{lab.mirror_address}:5000"
    return {
        "cluster_mirror": "custom",
        "cluster_mirror_overrides": {
            "kubernetes_repository": f"{repository}/",
            "kubernetes_key": f"{repository}/Release.key",
            "kubernetes_key_fingerprints": [lab.key_fingerprint],
        },
        "cluster_image_repository": registry,
        "containerd_registries": {name: {"server": f"http://{registry}"} for name in (registry, *PUBLISHERS)},
        "network_flannel_image": f"{registry}/{FLANNEL_IMAGE}",
        "network_flannel_cni_image": f"{registry}/{FLANNEL_CNI_IMAGE}",
        "smoke_image": f"{registry}/{NGINX_IMAGE}",
        **helm(lab),
    }


def helm(lab: Lab) -> dict[str, Any]:
    """Where helm comes from, if the mirror has it: it is another build than the publisher's, with a sum of its own."""
    archive = addons.helm.archive()
    if not archive.exists():
        return {}
    with archive.open("rb") as handle:
        checksum = hashlib.file_digest(handle, "sha256").hexdigest()
    return {
        "helm_url": f"http://{lab.mirror_address}:8081/helm/{archive.name}",
        "helm_sha256": {packages.architecture(): checksum},
    }


def runtime(lab: Lab) -> dict[str, Any]:
    """The container runtime. Neither may lower an oom score; Docker has to be given a runc that does not try."""
    if lab.runtime == "docker":
        registry = f"{lab.mirror_address}:5000"
        # Docker knows mirrors of docker.io only.
        reached = {registry: {"server": f"http://{registry}"}, "docker.io": {"mirrors": [f"http://{registry}"]}}
        return {
            "cluster_container_runtime": "docker",
            "docker_source": "distribution",
            "docker_configuration": {
                "default-runtime": "lab",
                "runtimes": {"lab": {"path": "/usr/bin/lab-runc"}},
            },
            **({"containerd_registries": reached} if lab.source == "mirror" else {}),
            "node_packages": ["lab-runc"],
        }
    lowered = {"plugins": {RUNTIME_PLUGIN[lab.os]: {"restrict_oom_score_adj": True}}}
    return {
        # The mirror's repository has one that is new enough for every system.
        "containerd_source": "distribution",
        **({"containerd_configuration": lowered} if "container" in kinds(lab) else {}),
    }


def kinds(lab: Lab) -> set[str]:
    """The kinds of machines that a lab has."""
    return {node.machine for node in lab.nodes.values()}


def variables(lab: Lab) -> dict[str, Any]:
    """The variables of all hosts."""
    control_planes = [name for name, node in lab.nodes.items() if node.role == "kube_control_plane"]
    timeouts = EMULATED_TIMEOUTS if "virtual" in kinds(lab) else TIMEOUTS
    return {
        "cluster_name": lab.name,
        "cluster_version": lab.version,
        **({"cluster_vip": lab.vip} if len(control_planes) > 1 else {}),
        **mirror(lab),
        "cluster_init_configuration": {"timeouts": timeouts},
        "cluster_join_configuration": {"timeouts": timeouts},
        **({**SHARED_DISK, **ODDITIES} if "container" in kinds(lab) else {}),
        **(NODE_ODDITIES if kinds(lab) == {"container"} else {}),
        **runtime(lab),
    }


def of_host(lab: Lab, name: str) -> dict[str, Any]:
    """The variables of one host: its address, and among others of another kind what a container can't do."""
    node = lab.nodes[name]
    odd = node.machine == "container" and len(kinds(lab)) > 1
    return {"ansible_host": node.address, **(NODE_ODDITIES if odd else {})}


def inventory(lab: Lab) -> dict[str, Any]:
    """The whole inventory. How to reach a node stands at the groups: `all` would also be the controller."""
    connection = {
        "ansible_user": lab.user,
        **({"ansible_become": True} if lab.user != "root" else {}),
        "ansible_ssh_private_key_file": str(lab.folder / "id_ed25519"),
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={lab.folder / 'known_hosts'} -o StrictHostKeyChecking=yes",
        "ansible_python_interpreter": "/usr/bin/python3",
    }
    mirrors = [node for node in lab.nodes.values() if node.role == "kube_mirror"]
    groups = ("kube_control_plane", "kube_node", *(["kube_mirror"] if mirrors else []))
    return {
        "all": {"vars": variables(lab)},
        **{
            group: {
                "hosts": {name: of_host(lab, name) for name, node in lab.nodes.items() if node.role == group},
                "vars": connection,
            }
            for group in groups
        },
    }


def to_yaml(value: object, indent: int = 0) -> str:
    """YAML in block style of what JSON can hold; strings are always quoted, so that nothing is taken for a number."""
    margin = "  " * indent
    if isinstance(value, list):
        return "".join(f"{margin}- {json.dumps(item)}\n" for item in value)
    if not isinstance(value, Mapping):
        return f"{margin}{json.dumps(value)}\n"
    lines = []
    for name, item in value.items():
        key = name if name.isidentifier() else json.dumps(name)
        nested = item and isinstance(item, Mapping | list)
        lines.append(
            f"{margin}{key}:\n{to_yaml(item, indent + 1)}" if nested else f"{margin}{key}: {json.dumps(item)}\n"
        )
    return "".join(lines)


def render(lab: Lab) -> str:
    """The text of hosts.yml."""
    return f"{HEAD}{to_yaml(inventory(lab))}"
