# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every rule against a healthy five-node cluster with one thing wrong."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.plugin_utils import variables
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.cluster import (
    cluster_ca,
    initialised,
    joining,
    seed,
    seeds,
    unknown_control_planes,
    wanted_endpoint,
)
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.context import (
    ClusterIntent,
    HostReport,
    NfsServer,
    build_intent,
)
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.engine import check, merged, rules
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.finding import Finding, listing
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.monitoring import prometheus_size, quantity
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.networks import (
    check_pod_subnet_size,
    check_service_subnet_size,
)
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.parsing import split_endpoint
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.specs import spec_problems

CA = "sha256:5f5b64e9bdca0a7fdd5aa8b4ae63d3e2a2c2e8ac0ee33c9b51f54cbb6fd6a1f0"
OTHER_CA = "sha256:0000000000000a7fdd5aa8b4ae63d3e2a2c2e8ac0ee33c9b51f54cbb6fd6a1f0"


def taint(key: str, value: str) -> dict[str, str]:
    return {"key": key, "value": value, "effect": "NoSchedule"}


BARE = {
    "state": "bare",
    "partial_of": None,
    "role": None,
    "node_name": None,
    "ca_hash": None,
    "server": None,
    "leftovers": [],
    "api_healthy": None,
    "certificates": {},
}
CA = "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n"
SPECS: dict[str, dict[str, Any]] = {
    "cluster_version": {"type": "str"},
    "cluster_vip": {"type": "str"},
    "cluster_endpoint": {"type": "str"},
    "cluster_endpoint_port": {"type": "int"},
    "cluster_pod_subnet": {"type": "str"},
    "cluster_container_runtime": {"type": "str", "choices": ["containerd", "docker"]},
    "cluster_mirror": {"type": "str", "choices": ["official", "aliyun", "custom"]},
    "cluster_mirror_overrides": {"type": "dict", "options": {"kubernetes_key": {}, "kubernetes_repository": {}}},
    "cluster_configuration": {"type": "dict"},
    "cluster_kubelet_configuration": {"type": "dict"},
    "cluster_kube_proxy_configuration": {"type": "dict"},
    "cluster_max": {"type": "float"},
    "node_ip": {"type": "str"},
    "node_name": {"type": "str"},
    "node_manage_hosts_file": {"type": "bool"},
    "node_packages": {"type": "list", "elements": "str"},
    "node_taints": {
        "type": "list",
        "elements": "dict",
        "options": {"key": {"type": "str", "required": True}, "effect": {"type": "str", "choices": ["NoSchedule"]}},
    },
    "node_swap": {"type": "str", "choices": ["off", "keep"]},
    **{
        name: dict(spec)
        for name, spec in variables.argument_specs(variables.collection_root()).items()
        if name.startswith(("helm_", "load_balancer_", "monitoring_", "network_", "nfs_server_", "users_"))
    },
}


def machine(name: str, address: str, number: int) -> dict[str, Any]:
    return {
        "hostname": name,
        "machine_id": f"{number:032x}",
        "python": "3.13.5",
        "kernel": "6.12.57+deb13-amd64",
        "arch": "amd64",
        "os": {
            "id": "debian",
            "version_id": "13",
            "name": "Debian GNU/Linux 13 (trixie)",
            "codename": "trixie",
            "family": "debian",
        },
        "cpus": 2,
        "memory_mib": 4096,
        "filesystems": {
            path: {"total_mib": 65536, "free_mib": 32768}
            for path in ("/", "/var/lib/kubelet", "/var/lib/etcd", "/var/lib/containerd", "/var/lib/docker")
        },
        "cgroup_version": 2,
        "swap": [],
        "swap_removable": True,
        "time": {"epoch": 1000.0, "synchronized": True, "service": "chrony"},
        "resolver": ["192.0.2.53"],
        "interfaces": [
            {"name": "lo", "mac": "00:00:00:00:00:00", "addresses": ["127.0.0.1/8", "::1/128"]},
            {"name": "eth0", "mac": f"02:42:0a:5a:00:{number:02x}", "addresses": [f"{address}/24"]},
        ],
        "default_route": {"interface": "eth0", "gateway": "10.90.0.1"},
        "routes": {},
        "vip_answers": None,
        "listening": [],
        "packages": {},
        "kube": {"kubeadm": None, "kubelet": None, "kubectl": None},
        "member": copy.deepcopy(BARE),
    }


@dataclass
class Cluster:
    """A healthy inventory of three control planes and two workers on bare machines, to be spoilt by a test."""

    settings: dict[str, Any] = field(
        default_factory=lambda: {"version": "1.36.3", "vip": "10.90.0.100", "endpoint_port": 8443}
    )
    others: dict[str, Any] = field(default_factory=lambda: {"specs": SPECS, "prefixes": ("cluster_", "node_")})
    hosts: dict[str, HostReport] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for number, name in enumerate(("cp1", "cp2", "cp3", "w1", "w2"), start=1):
            address = f"10.90.0.{10 + number}" if name.startswith("cp") else f"10.90.0.{17 + number}"
            self.hosts[name] = HostReport(
                name=name,
                groups=frozenset({"kube_control_plane" if name.startswith("cp") else "kube_node"}),
                node_ip=address,
                node_name=name,
                state=machine(name, address, number),
                read_at=(999.5, 1000.5),
            )

    def host(self, name: str, **changes: Any) -> None:
        self.hosts[name] = replace(self.hosts[name], **changes)

    def state(self, name: str, **changes: Any) -> None:
        self.hosts[name].state.update(changes)  # type: ignore[union-attr]

    def member(self, *names: str, **changes: Any) -> None:
        for name in names:
            role = "control_plane" if self.hosts[name].control_plane else "worker"
            self.state(name, kube={"kubeadm": "1.36.3", "kubelet": "1.36.3", "kubectl": "1.36.3"})
            self.hosts[name].state["member"] = {  # type: ignore[index]
                **BARE,
                "state": "member",
                "role": role,
                "node_name": name,
                "ca_hash": CA,
                "server": "https://10.90.0.100:8443",
                "api_healthy": True if role == "control_plane" else None,
                **changes,
            }

    def partial(self, name: str, of: str, **changes: Any) -> None:
        self.hosts[name].state["member"] = {**BARE, "state": "partial", "partial_of": of, **changes}  # type: ignore[index]

    def converged(self) -> None:
        self.member(*self.hosts)

    def listen(self, name: str, port: int, process: str | None, pid: int | None = 812, protocol: str = "tcp") -> None:
        item = {"port": port, "protocol": protocol, "address": "0.0.0.0", "process": process, "pid": pid}  # noqa: S104
        self.state(name, listening=[*self.hosts[name].state["listening"], item])  # type: ignore[index]

    def remove(self, *names: str) -> None:
        for name in names:
            del self.hosts[name]

    @property
    def reports(self) -> list[HostReport]:
        return list(self.hosts.values())

    @property
    def findings(self) -> list[Finding]:
        return check(build_intent(self.settings, **self.others), self.reports)


Spoil = Callable[[Cluster], object]


def settings(**changes: Any) -> Spoil:
    return lambda cluster: cluster.settings.update(changes)


def others(**changes: Any) -> Spoil:
    return lambda cluster: cluster.others.update(changes)


def host(name: str, **changes: Any) -> Spoil:
    return lambda cluster: cluster.host(name, **changes)


def state(name: str, **changes: Any) -> Spoil:
    return lambda cluster: cluster.state(name, **changes)


def both(*spoils: Spoil) -> Spoil:
    return lambda cluster: [spoil(cluster) for spoil in spoils]


def os_release(name: str, version: str, title: str) -> dict[str, str]:
    return {"id": name, "version_id": version, "name": title, "codename": "", "family": "other"}


def clock(name: str, epoch: float) -> Spoil:
    return state(name, time={"epoch": epoch, "synchronized": True, "service": "chrony"})


def free(name: str, path: str, mib: int) -> Spoil:
    return lambda cluster: cluster.state(
        name,
        filesystems={**cluster.hosts[name].state["filesystems"], path: {"total_mib": 9000, "free_mib": mib}},  # type: ignore[index]
    )


def interface(name: str, address: str) -> Spoil:
    return state(name, interfaces=[{"name": "eth0", "mac": "02:42:0a:5a:00:99", "addresses": [address]}])


def blocked(port: int, error: str, protocol: str = "tcp") -> dict[str, Any]:
    return {
        "host": "cp1",
        "address": "10.90.0.11",
        "port": port,
        "protocol": protocol,
        "open": False,
        "error": error,
    }


def every(**changes: Any) -> Spoil:
    return lambda cluster: [cluster.host(name, **changes) for name in cluster.hosts]


def metallb(*addresses: str, **changes: Any) -> Spoil:
    return every(variables={"metallb_enabled": True, "metallb_addresses": list(addresses), **changes})


def network(**changes: Any) -> Spoil:
    return every(variables=changes)


def nfs_server(enabled: bool, address: str = "192.0.2.40") -> Spoil:
    return others(nfs_servers=[NfsServer("store1", address, {"nfs_server_enabled": enabled})])


def exports(*given: Any, server: str = "store1", **changes: Any) -> Spoil:
    return others(nfs_servers=[NfsServer(server, "192.0.2.40", {"nfs_server_exports": list(given), **changes})])


def accounts(*given: Any, **changes: Any) -> Spoil:
    return every(variables={"users_enabled": True, "users_accounts": list(given), **changes})


def releases(*given: Any, **changes: Any) -> Spoil:
    return every(variables={"helm_enabled": True, "helm_releases": list(given), **changes})


def monitoring(kept: Any, room: Any, **changes: Any) -> Spoil:
    sizes = {"monitoring_retention_size": kept, "monitoring_storage_size": room}
    return every(variables={"monitoring_enabled": True, **sizes, **changes})


def calico(*manifests: Any, **changes: Any) -> Spoil:
    return network(network_plugin="calico", network_calico_manifests=list(manifests), **changes)


MANIFEST = {"url": "https://example.com/operator.yaml", "sha256": "0123456789abcdef" * 4}
WEB = {"name": "web", "chart": "lab/web", "version": "1.4.2"}
LAB = {"name": "lab", "url": "https://charts.example.com"}
READER = {
    "name": "reader",
    "namespace": "shop",
    "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
}


def ingress(**changes: Any) -> Spoil:
    return every(variables={"ingress_enabled": True, **changes})


def listens(name: str, port: int) -> Spoil:
    return lambda cluster: cluster.listen(name, port, "java")


def balanced_ingress(address: str) -> Spoil:
    given = {"ingress_enabled": True, "ingress_exposure": "load_balancer", "ingress_address": address}
    return metallb("10.90.0.200-10.90.0.209", **given)


def workers(**variables: Any) -> Spoil:
    return both(host("w1", variables=variables), host("w2", variables=variables))


def api_server(arguments: Any) -> Spoil:
    return every(variables={"cluster_configuration": {"apiServer": {"extraArgs": arguments}}})


def runs(name: str, runtime: str) -> Spoil:
    return host(name, variables={"cluster_container_runtime": runtime})


def joined(name: str, socket: str) -> Spoil:
    return lambda cluster: cluster.member(name, cri_socket=socket)


def single(cluster: Cluster) -> None:
    cluster.remove("cp2", "cp3")
    cluster.settings["vip"] = ""


MEMBERS = {"cp1": "a1", "cp2": "b2", "cp3": "c3"}


def watched(*spoils: Spoil, **members: dict[str, Any]) -> Spoil:
    """A cluster whose control planes were asked for Nodes and members: as they should be, but for these `members`."""

    def spoil(cluster: Cluster) -> None:
        cluster.converged()
        names = {**{name: {"id": identity} for name, identity in MEMBERS.items()}, **members}
        listed = [
            {"name": name, "peer": f"https://{name}.test:2380", "learner": False, **changes}
            for name, changes in names.items()
        ]
        nodes = [
            {"name": name, "control_plane": name.startswith("cp"), "unready_seconds": None} for name in cluster.hosts
        ]
        for name, identity in MEMBERS.items():
            etcd = {"healthy": True, "id": identity, "members": copy.deepcopy(listed)}
            cluster.state(name, cluster={"etcd": etcd, "nodes": copy.deepcopy(nodes)})
        for item in spoils:
            item(cluster)

    return spoil


def node(name: str, unready: int | None) -> Spoil:
    """What the seed's API says of a Node."""

    def spoil(cluster: Cluster) -> None:
        nodes = cluster.hosts["cp1"].state["cluster"]["nodes"]  # type: ignore[index]
        nodes[:] = [item for item in nodes if item["name"] != name]
        nodes.append({"name": name, "control_plane": False, "unready_seconds": unready})

    return spoil


def ill_etcd(cluster: Cluster) -> None:
    slow_etcd(cluster)
    cluster.member("cp2", api_healthy=False)


def slow_etcd(cluster: Cluster) -> None:
    cluster.hosts["cp2"].state["cluster"]["etcd"] = None  # type: ignore[index]


def joins(cluster: Cluster) -> None:
    """A fourth control plane, bare."""
    report = replace(cluster.hosts["cp3"], name="cp4", node_name="cp4", node_ip="10.90.0.14")
    cluster.hosts["cp4"] = replace(report, state=machine("cp4", "10.90.0.14", 14))


def down(name: str) -> Spoil:
    return host(name, state=None, unreachable=True)


def bare(name: str) -> Spoil:
    return lambda cluster: cluster.state(name, member=copy.deepcopy(BARE), cluster={"etcd": None, "nodes": None})


def others_down(cluster: Cluster) -> None:
    for name in ("cp1", "cp2", "cp3"):
        cluster.host(name, state=None, unreachable=True)


# rule, severity, what is spoilt, and what the message must say: where, found, expected, what to do
FAILING: list[tuple[str, str, Spoil, str, str, str, str]] = [
    ("unreachable", "warning", host("w1", state=None, unreachable=True, failure="timed out"),
     "w1", "timed out", "log in", "this run skips it and works on the other machines; check ansible_host"),
    ("unreachable", "error", others_down,
     "cp2", "no answer", "log in", "no control plane answers; check ansible_host"),
    ("unreachable", "warning",
     both(Cluster.converged, host("cp1", state=None, unreachable=True, failure="timed out")),
     "cp1", "timed out", "log in", "(ansible -m ping cp1), then run again"),
    ("node-unknown", "warning", watched(node("old", None)),
     "node old", "a Node of the cluster (Ready) that no host of the inventory is", "only the inventory's hosts",
     "kubectl delete node old"),
    ("node-unknown", "warning", watched(node("old", 7300)),
     "node old", "(not Ready for 2 h)", "only", "kubectl drain old --ignore-daemonsets if it runs"),
    ("node-not-ready", "warning", watched(node("w1", 300)),
     "w1", "a Node that is not Ready for 5 min", "a Ready Node", "run kubectl delete node w1"),
    ("etcd-member", "warning", watched(old={"id": "d4"}),
     "etcd", "member old (d4) that no control plane of the inventory is", "one member for each",
     "or remove it: kubectl -n kube-system exec etcd-cp1 -- etcdctl --endpoints https://127.0.0.1:2379"),
    ("etcd-member", "warning", watched(cp2={"id": "b2", "name": "", "peer": "https://10.90.0.12:2380"}),
     "cp2", "member https://10.90.0.12:2380 (b2) that was added and never started", "one member", "member remove b2"),
    ("etcd-member", "warning", watched(cp2={"id": "b2", "learner": True}),
     "cp2", "member cp2 (b2) that was never promoted and has no vote (learner)", "one member", "member remove b2"),
    ("etcd-member", "error", watched(bare("cp2")),
     "cp2", "member cp2 (b2) whose machine has nothing of it any longer", "one member", "remove it: kubectl"),
    ("etcd-health", "warning", watched(ill_etcd),
     "cp2", "its member of etcd (b2) without a healthy answer", "follows the leader", "crictl ps -a --name etcd"),
    ("etcd-health", "error", watched(ill_etcd, joins),
     "cp4", "to join while members of etcd do not answer (cp2)", "all members alive", "--limit '!cp4'"),
    ("etcd-health", "error", watched(down("cp3"), node("cp3", 60), joins),
     "cp4", "to join while members of etcd do not answer (cp3)", "all members alive", "member remove c3"),
    ("etcd-health", "error", watched(joins, old={"id": "d4"}),
     "cp4", "to join while members of etcd do not answer (old)", "all members alive", "member remove d4"),
    ("unread", "error", host("w1", state=None, failure="ansible-core requires a minimum of Python version 3.8"),
     "w1", "no usable Python", "Python 3.9 or newer", "CentOS 7 (ended 2024-06-30)"),
    ("unread", "error", host("w1", state=None, failure="sudo: a password is required"),
     "w1", "sudo: a password", "root can read", "privilege escalation"),
    ("variable-undefined", "error", others(undefined={"cluster_vip": "'my_vip' is undefined"}),
     "cluster_vip", "'my_vip' is undefined", "all defined", "define what cluster_vip refers to"),
    ("variable-undefined", "error", host("w1", undefined={"node_labels": "'rack' is undefined"}),
     "node_labels", "on w1 ('rack' is undefined)", "all defined", "define what node_labels refers to"),
    ("variable-undefined", "error", others(required=["cluster_site"]),
     "cluster_site", "no value", "a value", "set cluster_site"),
    ("variable-type", "error", settings(version=1.36),
     "cluster_version", "1.36 (a number)", "text (quote it", "correct cluster_version"),
    ("variable-type", "error", settings(endpoint_port="https"),
     "cluster_endpoint_port", "'https' (text)", "a whole number", "correct"),
    ("variable-type", "error", settings(kubelet_configuration=["failSwapOn"]),
     "cluster_kubelet_configuration", "a list", "a dictionary", "correct"),
    ("variable-type", "error", settings(mirror="aliyum"),
     "cluster_mirror", "'aliyum'", "official, aliyun or custom", "did you mean aliyun?"),
    ("variable-type", "error", settings(mirror_overrides={"kubernetes_kye": "https://x/"}),
     "cluster_mirror_overrides.kubernetes_kye", "an unknown key",
     "only the keys kubernetes_key and kubernetes_repository", "kubernetes_key?"),
    ("variable-type", "error", host("w1", variables={"node_taints": [{"effect": "NoSchedule"}]}),
     "node_taints[0]", "no key key", "key, which has no default", "add key to node_taints[0]"),
    ("variable-type", "error", host("w1", variables={"node_manage_hosts_file": "maybe"}),
     "node_manage_hosts_file", "'maybe' (text) on w1", "true or false", "correct"),
    ("variable-type", "error", host("w1", variables={"cluster_max": "much"}),
     "cluster_max", "'much'", "a number", "correct"),
    ("variable-unknown", "error", every(variables={"cluster_verison": None}),
     "cluster_verison", "an unknown variable", "cluster_version", "rename cluster_verison to cluster_version"),
    ("variable-unknown", "error", host("w1", variables={"node_pi": None}),
     "node_pi", "an unknown variable on w1", "node_ip", "rename node_pi to node_ip"),
    ("variable-unknown", "warning", every(variables={"cluster_colour": None}),
     "cluster_colour", "an unknown variable", "collection reads", "remove cluster_colour"),
    ("variable-unknown", "warning", every(variables={"clutser_version": None}),
     "clutser_version", "an unknown variable", "cluster_version", "rename clutser_version to cluster_version"),
    ("variable-scope", "error", workers(cluster_kubelet_configuration={"maxPods": 60}),
     "cluster_kubelet_configuration", 'on cp1, cp2 and cp3 and {"maxPods": 60} on w1 and w2', "one value for the whole",
     "cluster_join_configuration, before they join"),
    ("variable-scope", "error", host("cp2", variables={"load_balancer_virtual_router_id": 7}),
     "load_balancer_virtual_router_id", "0 on cp1 and cp3 and 7 on cp2", "one value for all control planes", "alike"),
    ("variable-scope", "error", workers(cluster_vip="10.90.0.100"),
     "cluster_vip", '"10.90.0.100" on w1 and w2', "one value for the whole cluster", "under [all:vars]"),
    ("variable-scope", "error", host("cp2", variables={"monitoring_enabled": True}),
     "monitoring_enabled", "false on cp1, cp3, w1 and w2 and true on cp2", "one value", "set monitoring_enabled"),
    ("variable-scope", "error", host("cp1", variables={"monitoring_alertmanager_configuration": {"secret": "x"}}),
     "monitoring_alertmanager_configuration", "another value on cp1", "one value", "for all hosts"),
    ("ignore", "error", others(ignore=["memry"]),
     "preflight_skip", "'memry'", "ids of preflight rules", "did you mean memory?"),
    ("ignore", "error", others(ignore=["other-cluster"]),
     "preflight_skip", "cannot be switched off", "may be ignored", "remove other-cluster"),
    ("control-plane-none", "error", lambda cluster: cluster.remove("cp1", "cp2", "cp3"),
     "kube_control_plane", "no host", "at least one", "put one host, or three"),
    ("control-plane-even", "warning", lambda cluster: cluster.remove("cp3"),
     "kube_control_plane", "2 control planes", "an odd number", "add or remove one"),
    ("endpoint-missing", "error", settings(vip=""),
     "cluster_vip", "neither cluster_vip nor cluster_endpoint with 3", "one address", "set cluster_vip"),
    ("endpoint-syntax", "error", settings(endpoint="https://api.example.com:6443"),
     "cluster_endpoint", "https://api", "host:port", "k8s.example.com:6443"),
    ("endpoint-syntax", "error", settings(endpoint="api.example.com"),
     "cluster_endpoint", "'api.example.com'", "host:port", "write it"),
    ("endpoint-syntax", "error", settings(endpoint="api.example.com:70000"),
     "cluster_endpoint", "70000", "host:port", "write it"),
    ("endpoint-port", "error", settings(endpoint_port=6443),
     "cluster_endpoint_port", "6443, the port of kube-apiserver", "free on every control plane", "like 8443"),
    ("endpoint-port", "error", settings(endpoint="k8s.example.com:6443"),
     "cluster_endpoint", "6443, the port of kube-apiserver", "free on every control plane", "k8s.example.com:8443"),
    ("endpoint-port", "error", settings(endpoint="10.90.0.100:2379", api_port=7443),
     "cluster_endpoint", "2379, the port of etcd clients", "free on every control plane", "10.90.0.100:8443"),
    *(
        ("anonymous-auth", "error", api_server(arguments),
         "cluster_configuration.apiServer.extraArgs", f"anonymous-auth: {value}", "for /livez and /readyz",
         "authentication-config (docs/security.md")
        for value, arguments in (
            ("false", [{"name": "anonymous-auth", "value": "false"}]),
            ("False", [{"name": "profiling", "value": "false"}, {"name": "anonymous-auth", "value": False}]),
            ("0", {"anonymous-auth": 0}),
            ("false", {"anonymous-auth": "false", "authentication-config": "/etc/kubernetes/authentication.yaml"}),
        )
    ),
    ("vip-syntax", "error", settings(vip="fd00::100"),
     "cluster_vip", "the IPv6 address fd00::100", "an IPv4 address", "instead, like [fd00::10]:6443"),
    ("vip-subnet", "error", settings(vip="10.90.0.0"),
     "cp1", "10.90.0.0, the network or broadcast address of its subnet 10.90.0.0/24", "can have", "another free"),
    ("vip-subnet", "error", settings(vip="10.90.0.255"),
     "cp1", "10.90.0.255, the network or broadcast", "can have", "another free"),
    ("vip-syntax", "error", settings(vip="10.90.0.100/24"),
     "cluster_vip", "'10.90.0.100/24'", "one IP address", "write a free address"),
    ("vip-subnet", "error", settings(vip="10.91.0.100"),
     "cp1", "10.91.0.100 outside", "inside a subnet", "choose a free address"),
    ("vip-is-node", "error", settings(vip="10.90.0.12"),
     "cluster_vip", "the address of cp2 itself", "of its own", "set cluster_vip"),
    ("vip-answers", "error",
     state("cp1", vip_answers={"address": "10.90.0.100", "mac": "0a:00:00:00:00:01", "tcp": False}),
     "cluster_vip", "MAC 0a:00:00:00:00:01, as cp1 sees it", "nobody answers", "choose a free address"),
    ("vip-answers", "error", state("cp1", vip_answers={"address": "10.90.0.100", "mac": None, "tcp": True}),
     "cluster_vip", "already in use by another machine, as cp1", "nobody answers", "choose a free address"),
    ("node-name", "error", host("w1", node_name="w_1"),
     "w1", "node name 'w_1'", "RFC 1123", "set node_name"),
    ("node-name", "error", host("w1", node_name="w" * 64),
     "w1", "wwww", "RFC 1123", "set node_name"),
    ("duplicate-node-name", "error", host("w2", node_name="w1"),
     "w1 and w2", "one node name, w1", "of its own", "set node_name"),
    ("duplicate-hostname", "error", state("w2", hostname="W1"),
     "w1 and w2", "one host name, w1", "of its own", "hostnamectl set-hostname"),
    ("duplicate-machine-id", "error", state("w2", machine_id=f"{4:032x}"),
     "w1 and w2", f"one machine-id, {4:032x}", "of its own", "systemd-machine-id-setup"),
    ("duplicate-ip", "error", host("w2", node_ip="10.90.0.21"),
     "w1 and w2", "one node address, 10.90.0.21", "of its own", "correct node_ip or ansible_host"),
    ("node-ip", "error", host("w1", node_ip=""),
     "w1", "node_ip ''", "the address under which", "set node_ip"),
    ("node-ip", "error", host("w1", node_ip="127.0.1.1"),
     "w1", "127.0.1.1, usable on the machine only", "the address under which", "set node_ip"),
    ("node-ip", "error", host("w1", node_ip="10.90.0.77"),
     "w1", "on none of its interfaces (which have 10.90.0.21)", "of the machine itself", "set node_ip to one of these"),
    ("labels", "error", host("w1", labels={"-disk": "ssd"}),
     "w1 node_labels", "key '-disk'", "at most 63", "correct the key"),
    ("labels", "error", host("w1", labels={7: "ssd"}),
     "w1 node_labels", "key 7", "at most 63", "correct the key"),
    ("labels", "error", host("w1", labels={"Example.com/disk": "ssd"}),
     "w1 node_labels", "key 'Example.com/disk'", "DNS prefix", "correct the key"),
    ("labels", "error", host("w1", labels={"gpu": True}),
     "w1 node_labels", "gpu: True (a boolean)", "at most 63", "quote it"),
    ("annotations", "error", host("w1", annotations={"a b": "c"}),
     "w1 node_annotations", "key 'a b'", "at most 63", "correct the key"),
    ("annotations", "error", host("w1", annotations={"owner": 1.5}),
     "w1 node_annotations", "owner: 1.5 (a number)", "text", "quote the value"),
    ("taints", "error", host("w1", taints=[{"key": "dedicated", "value": "gpu", "effect": "NoScheduling"}]),
     "w1 node_taints", "effect 'NoScheduling'", "NoSchedule, PreferNoSchedule or NoExecute",
     "did you mean NoSchedule?"),
    ("taints", "error", host("w1", taints=[42]),
     "w1 node_taints", "42", "a dictionary of key", "effect: NoSchedule"),
    ("taints", "error", host("w1", taints=[taint("a", "1"), taint("a", "2")]),
     "w1 node_taints", "a:NoSchedule twice", "one taint for each", "remove one"),
    ("taints", "error", host("w1", taints=[taint("", "1")]),
     "w1 node_taints", "key ''", "a label's key", "correct the key"),
    ("taints", "error", host("w1", taints=[taint("a", "b c")]),
     "w1 node_taints", "value 'b c'", "a label's value", "correct the value"),
    ("subnet-syntax", "error", settings(pod_subnet="10.244.0.0/33"),
     "cluster_pod_subnet", "'10.244.0.0/33'", "a network like", "correct the network"),
    ("subnet-syntax", "error", settings(pod_subnet="10.244.1.0/16"),
     "cluster_pod_subnet", "'10.244.1.0/16'", "without host bits", "write 10.244.0.0/16"),
    ("subnet-syntax", "error", settings(service_subnet="10.96.0.0"),
     "cluster_service_subnet", "'10.96.0.0'", "prefix length", "append the prefix length"),
    ("subnet-syntax", "error", settings(service_subnet=""),
     "cluster_service_subnet", "''", "a network like", "set cluster_service_subnet"),
    ("subnet-families", "error", settings(pod_subnet="10.244.0.0/16,10.245.0.0/16"),
     "cluster_pod_subnet", "'10.244.0.0/16,10.245.0.0/16'", "one of IPv4 and one of IPv6", "leave one"),
    ("subnet-families", "error", settings(service_subnet="fd00:96::/112"),
     "cp1", "node_ip 10.90.0.11 (IPv4)", "the first service subnet in the family",
     "put the subnet of that family first"),
    ("network-family", "error", settings(pod_subnet="10.244.0.0/16,fd00:244::/48"),
     "cluster_pod_subnet", "'10.244.0.0/16,fd00:244::/48' with network_plugin flannel", "one network of IPv4",
     "set network_plugin to none"),
    ("network-family", "error", both(settings(pod_subnet="fd00:244::/48"), network(network_plugin="calico")),
     "cluster_pod_subnet", "with network_plugin calico", "one network of IPv4", "leave one IPv4 network"),
    ("network-routes", "error", both(interface("w2", "10.91.0.19/24"), host("w2", node_ip="10.91.0.19"),
                                     network(network_flannel_backend="host-gw")),
     "network_flannel_backend", "host-gw with nodes in 10.90.0.0/24 (cp1, cp2, cp3 and w1) and 10.91.0.0/24 (w2)",
     "all nodes in one network", "use the backend vxlan"),
    ("subnet-overlap", "error", settings(pod_subnet="10.96.0.0/16"),
     "cluster_pod_subnet", "overlaps cluster_service_subnet 10.96.0.0/12", "do not overlap", "move one"),
    ("subnet-overlap", "error", settings(pod_subnet="10.90.0.0/16"),
     "cluster_pod_subnet", "overlaps the nodes' network 10.90.0.0/24 (cp1", "nothing else uses",
     "another private network"),
    ("subnet-overlap", "error", settings(service_subnet="10.80.0.0/12"),
     "cluster_service_subnet", "overlaps the nodes' network 10.90.0.0/24", "nothing else uses",
     "another private network"),
    ("subnet-overlap", "error", settings(vip="10.244.0.9"),
     "cluster_pod_subnet", "10.244.0.9/32 (cluster_vip)", "nothing else uses", "another private network"),
    ("pod-subnet-size", "error", settings(pod_subnet="10.244.0.0/22"),
     "cluster_pod_subnet", "room for 4 nodes of a /24", "inventory's 5 hosts", "/21 or larger"),
    ("pod-subnet-size", "error", settings(pod_subnet="10.244.0.0/25"),
     "cluster_pod_subnet", "room for 0 nodes", "inventory's 5 hosts", "/21 or larger"),
    ("pod-subnet-size", "error", settings(pod_subnet="fd00::/40"),
     "cluster_pod_subnet", "fd00::/40", "at least 48", "/48 or smaller"),
    ("service-subnet-size", "error", settings(service_subnet="172.0.0.0/8"),
     "cluster_service_subnet", "2^24 addresses", "between /12 and /28", "smaller network, e.g. 172.0.0.0/12"),
    ("service-subnet-size", "error", settings(service_subnet="10.96.0.0/30"),
     "cluster_service_subnet", "2^2 addresses", "between /12 and /28", "larger network, of /28"),
    ("batch", "error", settings(batch="a third"),
     "cluster_batch", "'a third'", "a percentage from 1% to 100%", "write 2 or 20%"),
    ("version", "error", settings(version="1.36"),
     "cluster_version", "'1.36'", "major.minor.patch", "'1.37.0', in quotes"),
    ("version", "error", settings(version="1.34.4"),
     "cluster_version", "1.34.4", "1.35, 1.36 or 1.37", "choose a supported release"),
    ("version-downgrade", "error", state("w1", kube={"kubeadm": "1.36.3", "kubelet": "1.37.2", "kubectl": None}),
     "w1", "kubelet 1.37.2", "nothing newer than cluster_version 1.36.3", "remove the packages"),
    ("version-downgrade", "error",
     both(Cluster.converged, state("w1", kube={"kubeadm": "1.36.4", "kubelet": "1.36.4", "kubectl": None})),
     "w1", "kubelet 1.36.4 and kubeadm 1.36.4", "nothing newer", "does not support downgrades"),
    ("version-skew", "error", both(Cluster.converged, settings(version="1.37.2")),
     "cp1", "kubelet 1.36.3 on a member", "cluster_version 1.37.2", "upgrade the cluster first"),
    ("version-skew", "error",
     both(Cluster.converged, state("cp1", kube={"kubeadm": "1.34.4", "kubelet": "1.34.4", "kubectl": None})),
     "cp1", "kubelet 1.34.4", "cluster_version 1.36.3",
     "one minor at a time, first to 1.35"),
    ("version-skew", "error",
     both(Cluster.converged, state("w1", kube={"kubeadm": "1.32.0", "kubelet": "1.32.0", "kubectl": None})),
     "w1", "kubelet 1.32.0", "cluster_version 1.36.3", "kubelet 1.32 may not talk to an API server of 1.36"),
    ("mirror", "error", settings(mirror="custom", image_repository="registry.example.com"),
     "cluster_mirror_overrides", "no kubernetes_repository", "has no defaults", "set kubernetes_repository"),
    ("mirror", "error", settings(mirror="custom", mirror_overrides={"kubernetes_repository": "http://10.90.0.2/"}),
     "cluster_image_repository", "nothing with cluster_mirror custom", "the registry", "set cluster_image_repository"),
    ("mirror", "error",
     both(settings(mirror="custom", image_repository="r", mirror_overrides={"kubernetes_repository": "http://a/"}),
          host("w1", variables={"containerd_source": "docker"})),
     "cluster_mirror_overrides", "no docker_repository", "has no defaults", "set docker_repository"),
    ("mirror", "error", settings(mirror_host="https://m.example.com/", mirror_ca=CA),
     "cluster_mirror_host", "'https://m.example.com/'", "without a scheme", "write it like"),
    ("mirror", "error", settings(mirror_host="[fd00::5]:8443", mirror_ca=CA),
     "cluster_mirror_host", "'[fd00::5]:8443'", "a name for an IPv6 address", "mirror.example.com"),
    ("mirror", "error", settings(mirror_host="10.0.0.5:8443"),
     "cluster_mirror_ca", "nothing, and no mirror-ca.crt", "PEM", "run mirror.yml first"),
    ("mirror", "error", settings(mirror_host="10.0.0.5:8443", mirror_ca="/etc/ca.crt"),
     "cluster_mirror_ca", "no certificate", "PEM", "run mirror.yml first"),
    ("mirror", "error", settings(mirror="custom", mirror_host="m.example.com", mirror_ca=CA),
     "cluster_image_repository", "nothing with cluster_mirror custom", "whose names", "set it"),
    ("mirror", "error", settings(mirror_overrides={"kubernetes_key": "pkgs.k8s.io/key"}),
     "cluster_mirror_overrides.kubernetes_key", "'pkgs.k8s.io/key'", "a URL", "correct kubernetes_key"),
    ("image-repository", "error", settings(image_repository="https://registry.example.com/"),
     "cluster_image_repository", "'https://registry.example.com/'", "neither scheme", "registry.k8s.io"),
    ("os", "error", state("w1", os=os_release("centos", "7", "CentOS Linux 7 (Core)")),
     "w1", "CentOS Linux 7 (Core), which ended on 2024-06-30", "maintained", "install Debian 12 or 13"),
    ("os", "error", state("w1", os=os_release("centos", "8", "CentOS Linux 8")),
     "w1", "ended on 2021-12-31 (CentOS Stream 8: 2024-05-31)", "maintained", "CentOS Stream 9 or 10"),
    ("os", "error", state("w1", os=os_release("debian", "11", "Debian GNU/Linux 11 (bullseye)")),
     "w1", "ended on 2026-08-31", "maintained", "install Debian 12"),
    ("os", "error", state("w1", os=os_release("ubuntu", "20.04", "Ubuntu 20.04.6 LTS")),
     "w1", "Ubuntu 20.04.6 LTS, which ended on 2025-05-31", "maintained", "Ubuntu 22.04"),
    ("os", "error", state("w1", os=os_release("ubuntu", "21.10", "Ubuntu 21.10")),
     "w1", "Ubuntu 21.10", "Ubuntu 22.04", "install one of these"),
    ("os", "error", state("w1", os=os_release("alpine", "3.22.1", "Alpine Linux v3.22")),
     "w1", "Alpine Linux v3.22", "Debian 12 or 13", "install one of these"),
    ("os", "error", state("w1", os=os_release("rocky", "8.10", "Rocky Linux")),
     "w1", "Rocky Linux 8", "Debian 12 or 13", "install one of these"),
    ("os", "warning", state("w1", os=os_release("debian", "", "Debian GNU/Linux forky/sid")),
     "w1", "forky/sid, which nobody has tried", "Debian 12 or 13", "expect surprises"),
    ("architecture", "error", state("w1", arch="s390x"),
     "w1", "architecture s390x", "amd64 or arm64", "use a machine"),
    ("python", "error", state("w1", python="3.8.20"),
     "w1", "Python 3.8.20", "Python 3.9 or newer", "ansible_python_interpreter"),
    ("cgroup-v1", "error", state("w1", cgroup_version=1),
     "w1", "cgroup v1 with Kubernetes 1.36.3", "cgroup v2",
     "failCgroupV1: false in cluster_kubelet_configuration and SystemVerification in cluster_ignore_preflight_errors"),
    ("cgroup-v1", "error", both(state("w1", cgroup_version=1), settings(kubelet_configuration={"failCgroupV1": False})),
     "w1", "cgroup v1", "cgroup v2", "put SystemVerification in cluster_ignore_preflight_errors"),
    ("cpu", "error", state("cp1", cpus=1),
     "cp1", "1 CPU", "at least 2 for a control plane", "more CPUs"),
    ("memory", "error", state("cp1", memory_mib=1699),
     "cp1", "1699 MiB", "at least 1700 MiB for a control plane", "more memory"),
    ("memory", "error", state("w1", memory_mib=600),
     "w1", "600 MiB", "at least 700 MiB for a worker", "more memory"),
    ("disk", "error", free("w1", "/var/lib/containerd", 4000),
     "w1", "4000 MiB free for /var/lib/containerd", "at least 4096 MiB", "free space there"),
    ("disk", "warning", both(Cluster.converged, free("w1", "/", 9)),
     "w1", "9 MiB free for /", "at least 1024 MiB", "free space there"),
    ("swap", "error",
     state("w1", swap=[{"device": "/dev/sdb2", "kind": "partition", "size_mib": 1}], swap_removable=False),
     "w1", "cannot be turned off here (/dev/sdb2)", "failSwapOn is true", "failSwapOn: false"),
    ("swap", "error",
     both(state("w1", swap=[{"device": "/swap", "kind": "file", "size_mib": 1}]),
          host("w1", variables={"node_swap": "keep"})),
     "w1", "swap (/swap) that node_swap: keep leaves on", "failSwapOn is true", "set node_swap to off"),
    ("port-in-use", "error", lambda cluster: cluster.listen("cp1", 6443, "nginx"),
     "cp1", "TCP port 6443 in use by nginx (pid 812)", "kube-apiserver", "stop nginx"),
    ("port-in-use", "error", lambda cluster: cluster.listen("w1", 10250, None, None),
     "w1", "TCP port 10250 in use by an unknown process", "kubelet", "ss -ltnp"),
    ("port-in-use", "error", lambda cluster: cluster.listen("cp1", 8443, "java"),
     "cp1", "TCP port 8443 in use by java (pid 812)", "haproxy", "stop java"),
    ("port-in-use", "error", lambda cluster: cluster.listen("cp1", 2381, "prometheus"),
     "cp1", "TCP port 2381 in use by prometheus (pid 812)", "etcd", "stop prometheus"),
    ("port-in-use", "error", lambda cluster: cluster.listen("w1", 10249, "java"),
     "w1", "TCP port 10249 in use by java (pid 812)", "kube-proxy", "stop java"),
    ("port-in-use", "error", both(network(monitoring_enabled=True), listens("w1", 9100)),
     "w1", "TCP port 9100 in use by java (pid 812)", "node-exporter", "stop java"),
    ("port-in-use", "error", both(network(monitoring_enabled=True), listens("cp1", 8404)),
     "cp1", "TCP port 8404 in use by java (pid 812)", "haproxy", "stop java"),
    ("port-in-use", "error", both(network(load_balancer_metrics=True), listens("cp1", 8404)),
     "cp1", "TCP port 8404 in use by java (pid 812)", "haproxy", "stop java"),
    ("clock-skew", "error", clock("w1", 1012.3),
     "w1", "12.3 s ahead of the other hosts", "within 5 s", "chronyc makestep"),
    ("clock-skew", "error", clock("w1", 900.0),
     "w1", "100.0 s behind the other hosts", "within 5 s", "timedatectl set-ntp"),
    ("clock-unsynchronised", "warning", state("w1", time={"epoch": 1000.0, "synchronized": False, "service": None}),
     "w1", "not synchronised (by no service)", "time service", "time servers"),
    ("resolver-loopback", "error", state("w1", resolver=["127.0.0.11", "192.0.2.53"]),
     "w1", "name server 127.0.0.11", "Loop detected", "/etc/resolv.conf"),
    ("resolver-loopback", "error", state("w1", resolver=["::1"]),
     "w1", "name server ::1", "Loop detected", "resolvConf"),
    ("resolver-none", "warning", state("w1", resolver=[]),
     "w1", "no name server", "at least one", "write one into /etc/resolv.conf"),
    ("route", "error", state("w1", routes={"10.90.0.11": False, "10.90.0.12": True}),
     "w1", "no route to cp1 (10.90.0.11)", "to every node", "ip route get"),
    ("default-route", "warning", state("w1", default_route=None),
     "w1", "no default route", "Service addresses", "ip route add default"),
    ("ports-blocked", "error",
     both(host("w1", reachability=[blocked(6443, "timed out after 2 s"), blocked(8472, "timed out after 2 s", "udp")]),
          host("w2", reachability=[blocked(6443, "timed out after 2 s"), blocked(8472, "timed out after 2 s", "udp")])),
     "cp1", "TCP 6443 and UDP 8472 not to be reached from w1 and w2 (timed out after 2 s)", "open ports", "firewalls"),
    ("ports-blocked", "error", host("w1", reachability=[blocked(6443, "no route to host")]),
     "cp1", "TCP 6443 not to be reached from w1 (no route to host)", "open ports", "correct the routes"),
    ("new-cluster", "error", host("cp2", state=None, unreachable=True),
     "cp2", "not read", "before cp1 starts a new cluster", "name it in cluster_init_without"),
    ("new-cluster", "error", both(host("cp2", state=None, unreachable=True), host("cp3", state=None),
                                  settings(init_without=["cp2"])),
     "cp3", "not read", "all control planes read", "bring it up"),
    ("new-cluster", "error", host("cp1", state=None, unreachable=True),
     "cp1", "not read", "before cp2 starts a new cluster", "bring it up"),
    ("new-cluster", "error", lambda cluster: cluster.partial("cp2", "join"),
     "cp2", "an interrupted join", "a bare machine before cp1 starts", "kubestead.cluster.reset --limit cp2"),
    ("new-cluster", "error", both(single, lambda cluster: cluster.partial("cp1", "join")),
     "cp1", "an interrupted join", "a bare machine before cp1 starts", "kubestead.cluster.reset --limit cp1"),
    ("new-cluster", "error", lambda cluster: [cluster.partial(name, "init") for name in ("cp1", "cp3")],
     "cp3", "an interrupted init", "a bare machine before cp1 starts", "kubestead.cluster.reset --limit cp3"),
    ("new-cluster", "error", settings(init_without=["cp9"]),
     "cluster_init_without", "cp9", "names of kube_control_plane", "correct"),
    ("new-cluster", "warning", both(Cluster.converged, settings(init_without=["cp2"])),
     "cluster_init_without", "cp2", "nothing", "remove it"),
    ("other-cluster", "error", both(Cluster.converged, lambda cluster: cluster.member("w1", ca_hash=OTHER_CA)),
     "w1", f"another cluster (CA {OTHER_CA[:19]}, at https://10.90.0.100:8443)", f"this cluster (CA {CA[:19]})",
     "leave w1 out of this inventory"),
    ("other-cluster", "error", both(Cluster.converged, lambda cluster: cluster.partial("w1", "join", ca_hash=OTHER_CA)),
     "w1", "another cluster", "this cluster", "kubestead.cluster.reset --limit w1"),
    ("other-cluster", "error", both(Cluster.converged, lambda cluster: cluster.member("cp1", ca_hash=OTHER_CA)),
     "cp1", f"another cluster (CA {OTHER_CA[:19]}", f"this cluster (CA {CA[:19]})", "leave cp1 out"),
    ("other-cluster", "error", lambda cluster: cluster.member("w1"),
     "w1", f"a member of a cluster (CA {CA[:19]}), while no control plane", "bare machines", "kube_control_plane"),
    ("other-cluster", "error",
     both(lambda cluster: cluster.partial("cp1", "init", ca_hash=CA),
          lambda cluster: cluster.member("w1", ca_hash=OTHER_CA)),
     "w1", "another cluster", f"this cluster (CA {CA[:19]})", "leave w1 out"),
    ("role-changed", "error", both(Cluster.converged, host("w1", groups=frozenset({"kube_control_plane"}))),
     "w1", "a worker of the cluster in group kube_control_plane", "group kube_node", "move the host back to kube_node"),
    ("role-changed", "error", both(Cluster.converged, host("cp3", groups=frozenset({"kube_node"}))),
     "cp3", "a control plane of the cluster in group kube_node", "group kube_control_plane", "join anew"),
    ("node-name-changed", "error", both(Cluster.converged, host("w1", node_name="worker1")),
     "w1", "node w1 in the cluster, worker1 in the inventory", "one name for the life", "set node_name: w1"),
    ("runtime-changed", "error", both(Cluster.converged, joined("w1", "unix:///run/cri-dockerd.sock")),
     "w1", "by docker", "cluster_container_runtime, containerd", "reset --limit w1"),
    ("runtime-changed", "error",
     both(Cluster.converged, joined("cp1", "unix:///var/run/containerd/containerd.sock"), runs("cp1", "docker")),
     "cp1", "by containerd", "cluster_container_runtime, docker", "put cluster_container_runtime: containerd back"),
    ("runtime-changed", "error", both(Cluster.converged, joined("w1", "unix:///run/crio/crio.sock")),
     "w1", "by unix:///run/crio/crio.sock", "containerd", "let it join anew"),
    ("disk", "error", both(free("w1", "/var/lib/docker", 4000), runs("w1", "docker")),
     "w1", "4000 MiB free for /var/lib/docker", "at least 4096", "free space"),
    ("mirror", "error",
     both(settings(mirror="custom", image_repository="r", mirror_overrides={"kubernetes_repository": "http://a/"}),
          host("w1", variables={"cluster_container_runtime": "docker", "docker_source": "docker"})),
     "cluster_mirror_overrides", "no docker_repository", "has no defaults", "set docker_repository"),
    ("mirror", "error", both(settings(mirror_host="10.0.0.5:8443", mirror_ca=CA), runs("w1", "docker")),
     "w1", "docker with cluster_mirror_host", "containerd", "only for images of docker.io"),
    ("docker-registries", "error",
     host("w1", variables={"cluster_container_runtime": "docker",
                           "containerd_registries": {"ghcr.io": {"mirrors": ["https://m"]}}}),
     "w1", "containerd_registries[ghcr.io].mirrors has mirrors of ghcr.io", "Docker can be told", "by the mirror"),
    ("docker-registries", "error",
     host("w1", variables={"cluster_container_runtime": "docker",
                           "containerd_registries": {"r.example.com": {"credentials": {"password": "x"}}}}),
     "w1", "containerd_registries[r.example.com].credentials has credentials", "Docker", "imagePullSecrets"),
    ("endpoint-changed", "error", both(Cluster.converged, settings(vip="10.90.0.101")),
     "w1", "API at 10.90.0.100:8443", "10.90.0.101:8443", "cluster_endpoint: 10.90.0.100:8443"),
    ("endpoint-changed", "error", both(Cluster.converged, settings(endpoint="lb.example.com:443")),
     "w1", "API at 10.90.0.100:8443", "lb.example.com:443", "put the old one back"),
    ("leftovers", "error", lambda cluster: cluster.partial("w1", "unknown", leftovers=["/etc/kubernetes/admin.conf"]),
     "w1", "(/etc/kubernetes/admin.conf)", "a bare machine or a member", "kubestead.cluster.reset --limit w1"),
    ("metallb-addresses", "error", metallb(),
     "metallb_addresses", "no addresses", "at least one", "free addresses of the nodes' network"),
    ("metallb-addresses", "error", metallb("10.90.0.200"),
     "metallb_addresses[0]", "'10.90.0.200'", "192.0.2.128/28", "of /32 or /128"),
    ("metallb-addresses", "error", metallb("10.90.0.200-10.90.0.209", "10.90.0.9-10.90.0.1"),
     "metallb_addresses[1]", "'10.90.0.9-10.90.0.1'", "a range like", "correct it"),
    ("metallb-addresses", "error", metallb("10.90.0.90-10.90.0.110"),
     "metallb_addresses[0]", "10.90.0.100, which cluster_vip has", "nothing else has", "leave out"),
    ("metallb-addresses", "error", metallb("10.90.0.16/28"),
     "metallb_addresses[0]", "10.90.0.21, which node w1 has", "nothing else has", "leave out"),
    ("metallb-addresses", "error", metallb("10.90.0.0/29"),
     "metallb_addresses[0]", "10.90.0.1, which the gateway of cp1 has", "nothing else has", "leave out"),
    ("metallb-addresses", "error", metallb("10.244.3.0/24"),
     "metallb_addresses[0]", "addresses of cluster_pod_subnet (10.244.0.0/16)", "nothing else has", "another range"),
    ("metallb-addresses", "error", metallb("10.100.0.0/16"),
     "metallb_addresses[0]", "addresses of cluster_service_subnet (10.96.0.0/12)", "nothing else has", "another range"),
    ("metallb-addresses", "error", metallb("10.90.0.200-10.90.0.209", "10.90.0.208/30"),
     "metallb_addresses[1]", "addresses of 10.90.0.200-10.90.0.209 too", "nothing else has", "leave out"),
    ("metallb-addresses", "error", metallb("10.90.0.240/28"),
     "metallb_addresses[0]", "10.90.0.255, which the nodes' network 10.90.0.0/24 as its broad", "else has", "leave"),
    ("metallb-addresses", "error", metallb("10.90.0.0/32"),
     "metallb_addresses[0]", "10.90.0.0, which the nodes' network 10.90.0.0/24 itself has", "nothing", "leave out"),
    ("metallb-network", "warning", metallb("192.0.2.0/28"),
     "metallb_addresses[0]", "in no network of a node", "that the nodes are in", "unless a router"),
    ("metallb-ipvs", "error", metallb("10.90.0.200/30", cluster_kube_proxy_configuration={"mode": "ipvs"}),
     "cluster_kube_proxy_configuration", "ipvs without strictARP", "strictARP", "set ipvs.strictARP to true"),
    ("ingress-exposure", "warning", ingress(ingress_exposure="load_balancer"),
     "ingress_exposure", "without metallb_enabled", "gives Services their addresses", "set metallb_enabled"),
    ("ingress-exposure", "error", balanced_ingress("10.90.0.210"),
     "ingress_address", "'10.90.0.210'", "one of metallb_addresses", "leave ingress_address empty"),
    ("ingress-exposure", "error", balanced_ingress("ingress.example.com"),
     "ingress_address", "'ingress.example.com'", "one of metallb_addresses", "leave ingress_address empty"),
    ("ingress-ports", "error", ingress(ingress_https_port=30080),
     "ingress_http_port and ingress_https_port", "30080 for both", "two ports", "a port each"),
    ("ingress-ports", "error", ingress(ingress_http_port=80),
     "ingress_http_port", "80", "a node port (30000 to 32767)", "another ingress_exposure"),
    ("ingress-ports", "error", ingress(ingress_exposure="host_port", ingress_https_port=70000),
     "ingress_https_port", "70000", "a port (1 to 65535)", "correct ingress_https_port"),
    ("ingress-ports", "error", ingress(ingress_exposure="host_port", ingress_https_port=8443),
     "ingress_https_port", "8443, which cluster_endpoint_port has", "free on every node", "or the other port"),
    ("ingress-ports", "error", ingress(ingress_exposure="host_port", ingress_http_port=10250),
     "ingress_http_port", "10250, which Kubernetes has", "free on every node", "change ingress_http_port"),
    ("ingress-certificate", "error", ingress(ingress_default_certificate="no PEM"),
     "ingress_default_certificate", "no certificate", "a certificate in PEM", "ansible.builtin.file"),
    ("nfs-storage", "error", network(nfs_storage_enabled=True),
     "nfs_storage_server", "no server", "a host in group nfs_server", "whose exports"),
    ("nfs-storage", "error", network(nfs_storage_enabled=True, nfs_storage_provisioner="none",
                                     nfs_storage_volumes=[{"name": "a", "server": "x"}, {"name": "b"}]),
     "nfs_storage_server", "no server", "a host in group nfs_server", "whose exports"),
    ("nfs-storage", "error", network(nfs_storage_enabled=True, nfs_storage_server="192.0.2.40",
                                     nfs_storage_volumes=[{"name": "a"}, {"name": "b"}, {"name": "a"}]),
     "nfs_storage_volumes", "the name a 2 times", "of its own", "rename"),
    ("nfs-storage", "error", both(network(nfs_storage_enabled=True), nfs_server(True, "")),
     "store1", "no address", "nodes mount", "set node_ip or ansible_host of store1, or nfs_storage_server"),
    ("nfs-storage", "error", both(network(nfs_storage_enabled=True), nfs_server(True, "127.0.1.1")),
     "store1", "the address 127.0.1.1", "nodes mount", "set node_ip or ansible_host of store1, or nfs_storage_server"),
    ("nfs-storage", "error", both(network(nfs_storage_enabled=True), nfs_server(False)),
     "nfs_server_enabled of store1", "false, while nfs_storage_enabled", "as long as", "to false with"),
    ("nfs-storage", "error",
     both(network(nfs_storage_enabled=True, nfs_storage_server="192.0.2.40"), nfs_server(False)),
     "nfs_server_enabled of store1", "false, while nfs_storage_enabled", "as long as", "another server"),
    ("nfs-storage", "error", both(network(nfs_storage_enabled=True, nfs_storage_server="192.0.2.41",
                                          nfs_storage_volumes=[{"name": "a", "server": "192.0.2.40"}]),
                                  nfs_server(False)),
     "nfs_server_enabled of store1", "false, while nfs_storage_enabled", "as long as", "another server"),
    ("nfs-storage", "error", network(nfs_storage_enabled=True, nfs_storage_server="192.0.2.40",
                                     nfs_storage_volumes=[{"name": "a", "path": "/srv/../etc"}]),
     "nfs_storage_volumes: a", "the path /srv/../etc", "without . and ..", "the path that it means"),
    ("variable-type", "error", accounts({"name": "jane"}, None),
     "users_accounts[1]", "nothing", "a dictionary", "remove its dash"),
    ("variable-type", "error", accounts({"name": None}),
     "users_accounts[0]", "no value of name", "name, which has no default", "add name"),
    ("variable-type", "error", exports("/data"),
     "nfs_server_exports[0]", "'/data' (text) on store1", "a dictionary", "correct"),
    ("variable-unknown", "error",
     both(exports(nfs_server_export=None), others(prefixes=("cluster_", "nfs_server_"))),
     "nfs_server_export", "unknown variable on store1", "nfs_server_exports, it seems", "rename nfs_server_export to"),
    ("variable-undefined", "error",
     others(nfs_servers=[NfsServer("store1", "", {}, {"nfs_server_exports": "'disk' is undefined"})]),
     "nfs_server_exports", "on store1 ('disk' is undefined)", "all defined", "define what nfs_server_exports"),
    ("network-manifests", "error", calico(),
     "network_calico_manifests", "none with network_plugin calico", "url and sha256 of each", "looked at"),
    ("network-manifests", "error", network(network_plugin="calico"),
     "network_calico_manifests", "none with network_plugin calico", "url and sha256 of each", "another network_plugin"),
    ("network-manifests", "error", calico(MANIFEST, {**MANIFEST, "sha256": "0123"}),
     "network_calico_manifests[1].sha256", "'0123'", "64 digits", "https://example.com/operator.yaml that you have"),
    ("network-manifests", "error", calico({**MANIFEST, "sha256": MANIFEST["sha256"].upper()}),
     "network_calico_manifests[0].sha256", "ABCDEF", "0 to 9 and a to f", "sha256sum"),
    ("nfs-exports", "error", exports({"path": "data"}),
     "nfs_server_exports[0] of store1", "the path 'data'", "an absolute one", "correct nfs_server_exports"),
    ("nfs-exports", "error", exports({"path": "/a"}, {"path": "/b", "clients": ["10.90.0.0/24", "a b"]}),
     "nfs_server_exports[1] of store1", "the client 'a b'", "a network, a host name", "correct nfs_server_exports"),
    ("nfs-exports", "error", exports({"path": "/a"}, {"path": "/a", "clients": ["10.90.0.21"]}),
     "nfs_server_exports[1] of store1", "/a for 10.90.0.21 again", "each client of a path once", "correct"),
    ("nfs-exports", "error", exports({"path": "/a", "options": ["rw,sync"]}, server="w1"),
     "nfs_server_exports[0] of w1", "the option 'rw,sync'", "one of exports(5)", "correct nfs_server_exports"),
    ("nfs-exports", "error", exports({"path": "/a", "options": ["crossmnt"]}, nfs_server_backend="ganesha"),
     "nfs_server_exports[0] of store1", "'crossmnt', which nfs-ganesha has nothing like", "what it knows (rw, ro",
     "set nfs_server_backend to kernel"),
    ("nfs-exports", "error",
     both(exports({"path": "/a", "options": ["crossmnt"]}, server="w1"), state("w1", nfsd=False)),
     "nfs_server_exports[0] of w1", "'crossmnt', which nfs-ganesha has nothing like", "what it knows", "leave it out"),
    ("helm-releases", "error", releases(WEB),
     "helm_releases default/web", "the chart 'lab/web'", "one of the repositories (there is none)",
     "correct helm_releases"),
    ("helm-releases", "error", releases({**WEB, "version": "1.4", "namespace": "shop"}, helm_repositories=[LAB]),
     "helm_releases shop/web", "version 1.4", "an exact one", "correct helm_releases"),
    ("helm-releases", "error", releases({**WEB, "timeout": "0"}, helm_repositories=[LAB]),
     "helm_releases default/web", "the timeout 0", "at least 1 second", "correct helm_releases"),
    ("helm-releases", "error", releases(WEB, {**WEB, "namespace": "default"}, helm_repositories=[LAB]),
     "helm_releases default/web", "it 2 times", "each once", "correct helm_releases"),
    ("helm-releases", "error", releases(helm_repositories=[{**LAB, "username": "me"}]),
     "helm_repositories lab", "only one of username and password", "both or none", "correct helm_repositories"),
    ("helm-releases", "error", releases(helm_registries=[{"host": "r.example.com"}, {"host": "r.example.com"}]),
     "helm_registries r.example.com", "it 2 times", "each once", "correct helm_registries"),
    ("helm-releases", "error",
     both(releases({"name": "own", "chart": "./own"}), others(chart_flaws={"./own": ("no chart", "an archive")})),
     "helm_releases default/own", "no chart", "an archive", "correct helm_releases"),
    ("monitoring-storage", "error", monitoring("10GB", "10Gi"),
     "monitoring_retention_size", "10GB (10737418240 bytes)", "which is 10Gi (10737418240 bytes)", "or raise monit"),
    ("monitoring-storage", "error", monitoring("8GB", "8G"),
     "monitoring_retention_size", "8GB (8589934592 bytes)", "which is 8G (8000000000 bytes)", "lower monitoring_rete"),
    ("monitoring-storage", "error", every(variables={"monitoring_enabled": True, "monitoring_storage_size": "4Gi"}),
     "monitoring_retention_size", "8GB (", "less than monitoring_storage_size", "lower"),
    ("monitoring-storage", "error", every(variables={"monitoring_enabled": True, "monitoring_retention_size": "1TB"}),
     "monitoring_retention_size", "1TB (", "which is 10Gi", "lower"),
    ("monitoring-storage", "error", monitoring("8Gi", "10Gi"),
     "monitoring_retention_size", "'8Gi'", "as Prometheus has it, such as 8GB", "correct"),
    ("monitoring-storage", "error", monitoring("8GB", "10GB"),
     "monitoring_storage_size", "'10GB'", "as Kubernetes has it, such as 10Gi", "correct"),
    ("monitoring-storage", "error", monitoring("0", "0"),
     "monitoring_storage_size", "'0'", "as Kubernetes has it", "correct"),
    ("users-accounts", "error", accounts({"name": "jane"}, users_reissue=["joe"]),
     "users_reissue", "user joe", "only users of the list: jane", "correct users_reissue"),
    ("users-accounts", "error", accounts({"name": "jane"}, {"name": "a/b"}),
     "users_accounts, user a/b", "the name 'a/b'", "letters, digits and @", "correct users_accounts"),
    ("users-accounts", "error", accounts({"name": "jane", "groups": ["system:masters"]}),
     "users_accounts, user jane", "the group system:masters", "one of your own", "cluster_role: cluster-admin"),
    ("users-accounts", "error", accounts({"name": "jane", "lifetime": "5m"}),
     "users_accounts, user jane", "the lifetime '5m'", "at least 10m", "correct users_accounts"),
    ("users-accounts", "error", accounts({"name": "jane"}, {"name": "joe"}, users_lifetime="forever"),
     "users_lifetime", "the lifetime 'forever'", "at least 10m", "correct users_lifetime"),
    ("users-accounts", "error", accounts({"name": "jane", "roles": [{"role": "deployer"}]}),
     "users_accounts, user jane, roles[0]", "role deployer without its namespace", "both", "correct users_accounts"),
    ("users-accounts", "error", accounts({"name": "jane", "roles": [{**READER, "rules": [{"verbs": ["get"]}]}]}),
     "users_accounts, user jane, roles[0]", 'the rule {"verbs": ["get"]}', "apiGroups and resources", "correct users_"),
    ("users-accounts", "error", accounts({"name": "jane"}, {"name": "jane"}),
     "users_accounts, user jane", "it 2 times", "each user once", "correct users_accounts"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "severity", "spoil", "where", "found", "expected", "remedy"),
    FAILING,
    ids=[f"{number}-{case[0]}" for number, case in enumerate(FAILING)],
)
def test_failing(rule: str, severity: str, spoil: Spoil, where: str, found: str, expected: str, remedy: str) -> None:
    cluster = Cluster()
    spoil(cluster)
    matching = [
        finding
        for finding in cluster.findings
        if finding.rule == rule and finding.where == where and found in finding.found
    ]
    assert len(matching) == 1, [str(finding) for finding in cluster.findings]
    (finding,) = matching
    assert finding.severity == severity
    assert expected in finding.expected
    assert remedy in finding.remedy
    assert str(finding) == f"{where}: found {finding.found}; expected {finding.expected}; {finding.remedy}"
    assert "\n" not in str(finding)


@pytest.mark.parametrize(
    "spoil",
    [
        network(nfs_storage_enabled=False, nfs_storage_volumes=[{"name": "a"}, {"name": "a"}]),
        both(network(nfs_storage_enabled=True), nfs_server(True)),
        both(network(nfs_storage_enabled=False), nfs_server(False)),
        both(network(nfs_storage_enabled=True, nfs_storage_server="192.0.2.41"), nfs_server(False)),
        network(nfs_storage_enabled=True, nfs_storage_server="192.0.2.40"),
        both(network(nfs_storage_enabled=True, nfs_storage_server="192.0.2.41"), nfs_server(True, "")),
        network(
            nfs_storage_enabled=True,
            nfs_storage_provisioner="none",
            nfs_storage_volumes=[{"name": "a", "server": "192.0.2.40"}],
        ),
    ],
)
def test_storage_with_a_server(spoil: Spoil) -> None:
    cluster = Cluster()
    spoil(cluster)
    assert not [finding for finding in cluster.findings if finding.rule == "nfs-storage"]


def test_every_rule_has_a_failing_case() -> None:
    assert {case[0] for case in FAILING} == {rule.id for rule in rules()}


def test_rule_ids_are_unique_and_findings_carry_them() -> None:
    ids = [rule.id for rule in rules()]
    assert len(ids) == len(set(ids))
    for case in FAILING:
        cluster = Cluster()
        case[2](cluster)
        assert {finding.rule for finding in cluster.findings} <= set(ids)


# What is in order, though it resembles a problem: nothing at all may be found.
PASSING: dict[str, Spoil] = {
    "bare": lambda _cluster: None,
    "converged": Cluster.converged,
    "members by the runtime of the inventory": both(
        Cluster.converged,
        joined("w1", "unix:///run/containerd/containerd.sock"),
        joined("w2", "unix:///run/cri-dockerd.sock"),
        runs("w2", "docker"),
    ),
    "another runtime on a bare machine": runs("w1", "docker"),
    "mirrors of any registry with containerd": host(
        "w1", variables={"containerd_registries": {"ghcr.io": {"mirrors": ["https://m"]}}}
    ),
    "what Docker can be told of registries": host(
        "w1",
        variables={
            "cluster_container_runtime": "docker",
            "containerd_registries": {"docker.io": {"mirrors": ["https://m"]}, "r:5000": {"server": "http://r:5000"}},
        },
    ),
    "no room for the runtime that is not wanted": both(
        free("w1", "/var/lib/docker", 1), free("w2", "/var/lib/containerd", 1), runs("w2", "docker")
    ),
    "Debian 12 has a Docker of its own": both(
        settings(mirror="custom", image_repository="r", mirror_overrides={"kubernetes_repository": "http://a/"}),
        lambda cluster: cluster.hosts["w1"].state["os"].update(codename="bookworm", version_id="12"),  # type: ignore[index]
        runs("w1", "docker"),
    ),
    "single control plane without endpoint": single,
    "single control plane, converged": both(
        Cluster.converged, single, lambda cluster: cluster.member("cp1", "w1", "w2", server="https://10.90.0.11:6443")
    ),
    "one value, written in several ways": both(
        every(variables={"monitoring_enabled": True, "cluster_kubelet_configuration": {"a": 1, "b": 2}}),
        host("w1", variables={"monitoring_enabled": "yes", "cluster_kubelet_configuration": {"b": 2, "a": 1}}),
    ),
    "the default, given for some hosts": host("w1", variables={"monitoring_enabled": False}),
    "values of all control planes": both(
        *(host(name, variables={"load_balancer_virtual_router_id": 7}) for name in ("cp1", "cp2", "cp3")),
    ),
    "values of single hosts": both(
        host("w1", variables={"cluster_container_runtime": "docker", "node_swap": "keep", "node_packages": ["x"]}),
        host("cp1", variables={"node_swap": "off"}),
    ),
    "anonymous requests for some paths": api_server([{"name": "authentication-config", "value": "/etc/k/a.yaml"}]),
    "anonymous requests for all paths": api_server([{"name": "anonymous-auth", "value": "true"}]),
    "arguments of an older kubeadm": api_server({"anonymous-auth": True}),
    "arguments that are none": api_server("anonymous-auth=false"),
    "a name for the VIP with a port of its own": settings(endpoint="k8s.example.com:8443"),
    "a VIP that ends in 0 in a larger subnet": both(
        settings(vip="10.90.0.0"),
        *(interface(name, f"10.90.0.{number}/14") for name, number in (("cp1", 11), ("cp2", 12), ("cp3", 13))),
    ),
    "external load balancer": settings(vip="", endpoint="lb.example.com:6443"),
    "IPv6 load balancer": settings(vip="", endpoint="[fd00::10]:6443"),
    "name for the VIP": settings(endpoint="api.example.com:8443"),
    "a control plane on its own API server": both(
        Cluster.converged, lambda cluster: cluster.member("cp1", server="https://10.90.0.11:6443")
    ),
    "an interrupted init is finished": lambda cluster: cluster.partial("cp2", "init"),
    "a new cluster without lost control planes": both(
        *(host(name, state=None) for name in ("cp1", "cp3")), settings(init_without=["cp1", "cp3"])
    ),
    "a living cluster with control planes that were not read": both(
        Cluster.converged, *(host(name, state=None) for name in ("cp1", "cp3"))
    ),
    "hosts outside --limit": both(*(host(name, state=None, read_at=None) for name in ("cp1", "cp2", "cp3", "w1"))),
    "member while the control planes are not read": both(
        *(host(name, state=None) for name in ("cp1", "cp2", "cp3")), lambda cluster: cluster.member("w1")
    ),
    "schedulable control plane": host("cp1", groups=frozenset({"kube_control_plane", "kube_node"})),
    "VIP held by one of ours": lambda cluster: [
        interface("cp1", "10.90.0.11/24")(cluster),
        cluster.state(
            "cp1", interfaces=[{"name": "e", "mac": "0a:00", "addresses": ["10.90.0.11/24", "10.90.0.100/32"]}]
        ),
        cluster.state("cp2", vip_answers={"address": "10.90.0.100", "mac": "0a:00", "tcp": True}),
    ],
    "VIP answered by one of ours": state("cp2", vip_answers={"address": "", "mac": "02:42:0A:5A:00:01", "tcp": True}),
    "VIP answers on a living cluster": both(
        Cluster.converged, state("cp2", vip_answers={"address": "", "mac": "0a:00:00:00:00:09", "tcp": True})
    ),
    "dual stack by another network": both(
        settings(pod_subnet="10.244.0.0/16,fd00:244::/48", service_subnet="10.96.0.0/16, fd00:96::/112"),
        network(network_plugin="none"),
    ),
    "routes between nodes of one network": network(network_flannel_backend="host-gw"),
    "a backend that is not used": both(
        interface("w2", "10.91.0.19/24"),
        host("w2", node_ip="10.91.0.19"),
        calico(MANIFEST, network_flannel_backend="host-gw"),
    ),
    "pod network's own bridges on a member": both(
        Cluster.converged,
        lambda cluster: cluster.state(
            "w1",
            interfaces=[
                *cluster.hosts["w1"].state["interfaces"],  # type: ignore[index]
                {"name": "cni0", "mac": "aa:00", "addresses": ["10.244.3.1/24"]},
            ],
        ),
    ),
    "smallest pod subnet for five": settings(pod_subnet="10.244.0.0/21"),
    "smallest service subnet": settings(service_subnet="10.96.0.0/28"),
    "supported minors": settings(version="1.35.4", supported_minors=["1.35"]),
    "v before the version": settings(version="v1.36.3"),
    "older packages on a bare machine": state("w1", kube={"kubeadm": "1.35.4", "kubelet": "1.35.4", "kubectl": None}),
    "mirror of a bundle": settings(mirror="official", mirror_host="m.example.com:8443", mirror_ca=CA),
    "custom mirror": settings(
        mirror="custom",
        image_repository="10.90.0.2:5000/k8s",
        mirror_overrides={"kubernetes_repository": "http://10.90.0.2:8081/{minor}/{format}/"},
    ),
    "EL": state("w1", os=os_release("rocky", "9.6", "Rocky Linux 9.6 (Blue Onyx)")),
    "Ubuntu": state("w1", os=os_release("ubuntu", "24.04", "Ubuntu 24.04.3 LTS")),
    "arm64": state("w1", arch="arm64"),
    "Python 3.9": state("w1", python="3.9.21"),
    "cgroup v1 by choice": both(
        state("w1", cgroup_version=1),
        settings(kubelet_configuration={"failCgroupV1": False}, ignore_preflight_errors=["systemverification"]),
    ),
    "cgroup v1 before 1.35": both(state("w1", cgroup_version=1), settings(version="1.34.4", supported_minors=["1.34"])),
    "a worker of one CPU and little memory": state("w1", cpus=1, memory_mib=700),
    "no etcd on a worker": free("w1", "/var/lib/etcd", 1),
    "removable swap": state("w1", swap=[{"device": "/dev/sdb2", "kind": "partition", "size_mib": 1}]),
    "swap by choice": both(
        state("w1", swap=[{"device": "/dev/sdb2", "kind": "partition", "size_mib": 1}], swap_removable=False),
        host("w1", variables={"node_swap": "keep"}),
        settings(kubelet_configuration={"failSwapOn": False}),
    ),
    "own haproxy": lambda cluster: cluster.listen("cp1", 8443, "haproxy"),
    "own haproxy with figures": both(
        network(monitoring_enabled=True),
        lambda cluster: cluster.listen("cp1", 8443, "haproxy"),
        lambda cluster: cluster.listen("cp1", 8404, "haproxy"),
    ),
    "monitoring's ports without it": both(listens("w1", 9100), listens("cp1", 8404)),
    "haproxy's figures where there is none": both(network(monitoring_enabled=True), listens("w1", 8404)),
    "haproxy without figures": both(
        network(monitoring_enabled=True, load_balancer_metrics=False), listens("cp1", 8404)
    ),
    "etcd's port on a worker": lambda cluster: cluster.listen("w1", 2379, "etcd"),
    "UDP on the kubelet's port": lambda cluster: cluster.listen("w1", 10250, "x", protocol="udp"),
    "ports of a member": both(Cluster.converged, lambda cluster: cluster.listen("cp1", 6443, "kube-apiserver")),
    "clocks within the limit": both(clock("cp1", 998.0), clock("w1", 1002.9)),
    "a reading that took long": both(clock("w1", 1008.0), host("w1", read_at=(999.0, 1009.0))),
    "unknown synchronisation": state("w1", time={"epoch": 1000.0, "synchronized": None, "service": None}),
    "resolvConf by choice": both(
        state("w1", resolver=["127.0.0.53"]), settings(kubelet_configuration={"resolvConf": "/etc/real"})
    ),
    "routes": state("w1", routes={"10.90.0.11": True}),
    "open ports": host("w1", reachability=[{**blocked(6443, ""), "open": True, "error": None}]),
    "interrupted init": lambda cluster: cluster.partial("cp1", "init", role="control_plane", ca_hash=CA),
    "interrupted join": both(Cluster.converged, lambda cluster: cluster.partial("w1", "join", ca_hash=CA)),
    "labels": host("w1", labels={"disk": "ssd", "example.com/rack": 7, "empty": "", "node-role.kubernetes.io/x": "y"}),
    "annotations": host("w1", annotations={"example.com/owner": "anybody, at any length"}),
    "taints": host(
        "w1",
        taints=[
            taint("a", "1"),
            {"key": "a", "effect": "NoExecute"},
            {"key": "example.com/b", "effect": "PreferNoSchedule", "value": None},
        ],
    ),
    "variables": every(
        variables={
            "node_manage_hosts_file": "yes",
            "node_packages": ["vim"],
            "cluster_endpoint_port": "8443",
            "cluster_max": 1,
            "node_exporter_version": None,
            "node_id": None,
            "company": None,
            "node_ip": None,
        },
    ),
    "required": both(others(required=["node_swap"]), every(variables={"node_swap": "off"})),
    "ignored": both(others(ignore=["memory"]), state("w1", memory_mib=1)),
    "addresses of a part that is off": every(variables={"metallb_addresses": ["10.90.0.0/24"]}),
    "addresses beside all others": metallb("10.90.0.200-10.90.0.209", "10.90.0.224/28", "10.90.0.210/32"),
    "addresses of both families": both(
        metallb("10.90.0.200/30", "fd00:90::100/120"),
        state("w2", interfaces=[{"name": "eth0", "mac": "", "addresses": ["10.90.0.22/24", "fd00:90::22/64"]}]),
    ),
    "ipvs with strictARP": metallb(
        "10.90.0.200/30", cluster_kube_proxy_configuration={"mode": "ipvs", "ipvs": {"strictARP": True}}
    ),
    "ingress at node ports": ingress(),
    "ingress at other node ports": ingress(
        ingress_http_port=80,
        ingress_https_port=443,
        cluster_configuration={"apiServer": {"extraArgs": [{"name": "service-node-port-range", "value": "1-999"}]}},
    ),
    "ingress at host ports": ingress(ingress_exposure="host_port"),
    "ingress beside an API without virtual IP": both(
        settings(vip="", endpoint="lb.example.com:6443"), ingress(ingress_exposure="host_port", ingress_https_port=8443)
    ),
    "ingress at an address of the pool": balanced_ingress("10.90.0.209"),
    "ports of a part that is off": every(variables={"ingress_http_port": 1}),
    "calico": calico(MANIFEST),
    "no manifests of another network": network(network_plugin="flannel", network_calico_manifests=[]),
    "exports by default": exports(),
    "an export": both(
        exports({"path": "/a"}, {"path": "/b", "clients": ["*.example.com"], "options": ["ro", "async"]}),
        every(variables={"nfs_server_backend": "auto"}),
    ),
    "exports for hosts without addresses": both(
        others(ignore=["node-ip"]),
        every(node_ip=""),
        settings(endpoint="api.example.com:8443"),
        exports({"path": "/a"}),
    ),
    "exports of a server that is off": exports({"path": "a"}, nfs_server_enabled=False),
    "options of the kernel where it serves": both(
        exports({"path": "/a", "options": ["crossmnt"]}, server="w1"), state("w1", nfsd=True)
    ),
    "options of the kernel where it may serve": exports({"path": "/a", "options": ["crossmnt"]}),
    "options of the kernel where it is wanted": both(
        exports({"path": "/a", "options": ["crossmnt"]}, server="w1", nfs_server_backend="kernel"),
        state("w1", nfsd=False),
    ),
    "releases": both(
        releases(
            {**WEB, "namespace": None, "timeout": "600", "values": {"a": 1}},
            {"name": "web", "namespace": "shop", "chart": "oci://r.example.com/web", "version": "2.0.0"},
            {"name": "own", "chart": "./own"},
            helm_repositories=[{**LAB, "username": "me", "password": "hush"}],
            helm_registries=[{"host": "r.example.com"}],
        ),
        others(chart_flaws={"./other": ("no chart", "an archive")}),
    ),
    "releases of a part that is off": every(variables={"helm_releases": [WEB]}),
    "metrics in less than their room": monitoring("9.3GB", "10G"),
    "metrics bounded by time alone": monitoring("0", "1Gi"),
    "metrics by default": every(variables={"monitoring_enabled": True}),
    "metrics of a part that is off": every(variables={"monitoring_retention_size": "1TB"}),
    "users": accounts({"name": "jane", "groups": ["dev"], "lifetime": "12h", "roles": [READER]}, {"name": "joe"}),
    "no users": every(variables={"users_enabled": True}),
    "users of a part that is off": every(variables={"users_accounts": [{"name": "a/b"}], "users_lifetime": "x"}),
}


@pytest.mark.parametrize("spoil", PASSING.values(), ids=PASSING.keys())
def test_passing(spoil: Spoil) -> None:
    cluster = Cluster()
    spoil(cluster)
    assert [str(finding) for finding in cluster.findings] == []


def test_all_problems_at_once_errors_first_in_the_order_of_rules_and_hosts() -> None:
    cluster = Cluster()
    cluster.state("w2", default_route=None, memory_mib=1)
    cluster.state("cp1", memory_mib=1, cpus=1)
    cluster.settings["version"] = "1.2"
    assert [(finding.rule, finding.where) for finding in cluster.findings] == [
        ("version", "cluster_version"),
        ("cpu", "cp1"),
        ("memory", "cp1"),
        ("memory", "w2"),
        ("default-route", "w2"),
    ]


def test_a_fixed_rule_stays_whatever_is_ignored() -> None:
    cluster = Cluster()
    cluster.others["ignore"] = ["version-downgrade"]
    cluster.state("w1", kube={"kubeadm": None, "kubelet": "1.37.2", "kubectl": None})
    assert {finding.rule for finding in cluster.findings} == {"ignore", "version-downgrade"}


def test_a_group_variable_is_reported_once() -> None:
    cluster = Cluster()
    for name in cluster.hosts:
        cluster.host(name, variables={"node_packages": "vim"}, undefined={"node_labels": "'x' is undefined"})
    found = [finding for finding in cluster.findings if finding.rule.startswith("variable-")]
    assert [finding.found for finding in found] == [
        "a value that cannot be evaluated ('x' is undefined)",
        "'vim' (text)",
    ]


@pytest.mark.parametrize(
    ("switch", "name", "wrong"),
    [
        ("users_enabled", "users_accounts", [{"name": "a/b"}, {"name": 7}]),
        ("users_enabled", "users_lifetime", 90),
        ("helm_enabled", "helm_releases", [{**WEB, "timeout": "long"}]),
        ("helm_enabled", "helm_repositories", [LAB, LAB, {"url": "https://x.example.com"}]),
        ("helm_enabled", "helm_registries", "r.example.com"),
        ("monitoring_enabled", "monitoring_retention_size", 8),
        ("monitoring_enabled", "monitoring_storage_size", ["1Gi"]),
        ("network_plugin", "network_calico_manifests", [{"url": "https://example.com"}]),
        ("nfs_server_enabled", "nfs_server_exports", [{"path": "a"}, {}]),
    ],
)
def test_a_part_that_can_t_be_read_is_told_of_once(switch: str, name: str, wrong: Any) -> None:
    """By the rules for all variables, and not by that of its part, too."""
    on = {switch: "calico" if switch == "network_plugin" else True}
    for rule, given, why in (
        ("variable-type", {name: wrong}, {}),
        ("variable-undefined", {}, {name: "'x' is undefined"}),
    ):
        cluster = Cluster()
        if name.startswith("nfs_server_"):
            cluster.others["nfs_servers"] = [NfsServer("store1", "192.0.2.40", {**on, **given}, why)]
        else:
            every(variables={**on, **given}, undefined=why)(cluster)
        assert {finding.rule for finding in cluster.findings} == {rule}


def test_all_problems_of_a_list_come_one_by_one() -> None:
    cluster = Cluster()
    accounts({"name": "a/b", "groups": ["", "system:nodes"]}, {"name": "c", "roles": [{}]})(cluster)
    assert [(finding.where, finding.found) for finding in cluster.findings] == [
        ("users_accounts, user a/b", "the name 'a/b'"),
        ("users_accounts, user a/b", "the group ''"),
        ("users_accounts, user a/b", "the group system:nodes, which is reserved for Kubernetes"),
        ("users_accounts, user c, roles[0]", "none of cluster_role, role and rules"),
    ]


def test_a_lifetime_for_all_is_told_once() -> None:
    cluster = Cluster()
    accounts({"name": "jane"}, {"name": "joe"}, {"name": "a/b"}, users_lifetime="1m")(cluster)
    assert [finding.where for finding in cluster.findings] == ["users_lifetime", "users_accounts, user a/b"]


def test_no_password_is_shown() -> None:
    cluster = Cluster()
    secret = {"username": "me", "password": "s3cret"}
    wrong = {**WEB, "version": "1", "values": {"key": "s3cret"}}
    releases(wrong, helm_repositories=[{**LAB, **secret}, {**LAB, "password": "s3cret"}])(cluster)
    assert len(cluster.findings) == 3
    assert "s3cret" not in str(cluster.findings)


@pytest.mark.parametrize(
    ("given", "enabled"), [(None, True), (True, True), ("yes", True), ("no", False), (False, False)]
)
def test_a_server_serves_unless_it_is_told_not_to(given: Any, enabled: bool) -> None:
    assert NfsServer("store1", "", {"nfs_server_enabled": given}).enabled is enabled


def test_a_server_of_exports_that_is_a_node_is_reported_with_the_nodes() -> None:
    cluster = Cluster()
    every(variables={"nfs_server_exports": "/data"})(cluster)
    cluster.others["nfs_servers"] = [
        NfsServer(name, "192.0.2.40", {"nfs_server_exports": "/data"}) for name in ("w1", "store1")
    ]
    assert [str(finding) for finding in cluster.findings] == [
        "nfs_server_exports: found '/data' (text); expected a list; correct nfs_server_exports"
    ]


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("512B", 512),
        ("1KB", 2**10),
        ("1KiB", 2**10),
        ("1.5GB", 3 * 2**29),
        ("1GB512MB", 3 * 2**29),
        ("2EB", 2**61),
        ("8", None),
        ("8G", None),
        ("8Gi", None),
        ("8gb", None),
        ("8 GB", None),
        ("", None),
    ],
)
def test_sizes_of_prometheus(text: str, size: int | None) -> None:
    assert prometheus_size(text) == size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("10", 10),
        ("1k", 10**3),
        ("1Ki", 2**10),
        ("1.5Gi", 3 * 2**29),
        (".5G", 5 * 10**8),
        ("2E", 2 * 10**18),
        ("2e3", 2000),
        ("2E-1", 0.2),
        ("1500m", 1.5),
        ("10K", None),
        ("10GB", None),
        ("10GiB", None),
        ("10 Gi", None),
        ("-1Gi", None),
        ("ten", None),
        ("", None),
    ],
)
def test_quantities_of_kubernetes(text: str, size: float | None) -> None:
    found = quantity(text)
    assert (found if found is None else float(found)) == size


def test_an_undefined_setting_is_reported_once() -> None:
    cluster = Cluster()
    cluster.others["undefined"] = {"cluster_vip": "'x' is undefined"}
    cluster.host("w1", undefined={"cluster_vip": "'x' is undefined in w1"})
    assert len(cluster.findings) == 1


def test_settings_of_wrong_types_do_not_stop_the_other_rules() -> None:
    cluster = Cluster()
    wrong = {"version": 1.36, "vip": {}, "endpoint_port": "x", "pod_subnet": [], "kubelet_configuration": "x"}
    cluster.settings.update(wrong)
    cluster.state("w1", memory_mib=1)
    rules = [finding.rule for finding in cluster.findings]
    assert rules.count("variable-type") == len(wrong)
    assert "memory" in rules


def test_the_value_of_a_secret_is_not_shown() -> None:
    cluster = Cluster()
    cluster.others["specs"] = {"ingress_default_certificate_key": {"type": "str", "no_log": True}}
    every(variables={"ingress_default_certificate_key": ["PRIVATE"]})(cluster)
    (finding,) = cluster.findings
    assert finding.rule == "variable-type"
    assert finding.found == "a list"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("helm_repositories", [{"name": "a", "url": "https://a", "password": ["s3cret"]}]),
        ("helm_repositories", ["https://me:s3cret@a"]),
        ("helm_registries", {"host": "a", "password": "s3cret"}),
        ("helm_releases", [{"name": "a", "chart": "b", "values": "password: s3cret"}]),
        ("containerd_registries", [{"credentials": {"password": "s3cret"}}]),
        ("containerd_configuration", "s3cret"),
        ("docker_configuration", "s3cret"),
        ("load_balancer_keepalived_extra", ["auth_pass s3cret"]),
    ],
)
def test_no_variable_that_may_hold_secrets_is_shown(name: str, value: Any) -> None:
    specs = variables.argument_specs(variables.collection_root())
    found = list(spec_problems(name, specs[name], value))
    assert found
    assert "s3cret" not in str(found)


def test_what_is_inside_of_a_secret_is_one() -> None:
    options = {"user": {"type": "str"}, "kind": {"choices": ["a"]}}
    spec = {"type": "list", "elements": "dict", "no_log": True, "options": options}
    found = list(spec_problems("x", spec, ["s3cret", {"user": ["s3cret"], "kind": "s3cret"}]))
    assert [(where, shown) for where, shown, _expected, _remedy in found] == [
        ("x[0]", "text"),
        ("x[1].user", "a list"),
        ("x[1].kind", "text"),
    ]
    assert next(spec_problems("y", {"type": "str"}, ["shown"]))[1] == "['shown'] (a list)"


def test_one_problem_of_many_hosts_is_merged_for_people() -> None:
    cluster = Cluster()
    cluster.state("w1", memory_mib=1)
    cluster.state("w2", memory_mib=1)
    cluster.state("cp1", memory_mib=1)
    assert [finding.where for finding in cluster.findings] == ["cp1", "w1", "w2"]
    assert [str(finding).split(";", maxsplit=1)[0] for finding in merged(cluster.findings)] == [
        "cp1: found 1 MiB of memory",
        "w1 and w2: found 1 MiB of memory",
    ]


def test_a_long_list_of_hosts_is_cut() -> None:
    assert listing(range(9)) == "0, 1, 2, 3, 4 and 4 more"
    assert listing([]) == "none"


def test_clock_skew_names_both_ends_when_neither_is_alone() -> None:
    cluster = Cluster()
    cluster.remove("cp2", "cp3")
    clock("cp1", 996.0)(cluster)
    clock("w2", 1004.0)(cluster)
    found = {finding.where: finding.found for finding in cluster.findings if finding.rule == "clock-skew"}
    assert found == {
        "cp1": "a clock 4.0 s behind the other hosts",
        "w2": "a clock 4.0 s ahead of the other hosts",
    }


@pytest.mark.parametrize(("apart", "found"), [(5.0, []), (5.25, ["clock-skew", "clock-skew"])])
def test_clocks_may_be_as_far_apart_as_is_said(apart: float, found: list[str]) -> None:
    cluster = Cluster()
    cluster.others["max_clock_skew"] = 5.0
    cluster.remove("cp2", "cp3", "w2")
    # Read in no time, so that nothing is uncertain.
    for name in cluster.hosts:
        cluster.host(name, read_at=(1000.0, 1000.0))
    clock("cp1", 1000.0)(cluster)
    clock("w1", 1000.0 + apart)(cluster)
    assert [finding.rule for finding in cluster.findings] == found[:1]


@pytest.mark.parametrize(
    ("name", "kubelet", "remedy"),
    [
        # https://kubernetes.io/releases/version-skew-policy/#kubelet
        ("w1", "1.35.4", "set cluster_version back, or upgrade the cluster first"),
        ("w1", "1.34.4", "kubeadm upgrades by one minor at a time, first to 1.35"),
        ("w1", "1.33.1", "kubeadm upgrades by one minor at a time, first to 1.34"),
        ("w1", "1.32.0", "may not talk to an API server of 1.36"),
        ("cp1", "1.32.0", "kubeadm upgrades by one minor at a time, first to 1.33"),
    ],
)
def test_what_to_do_about_an_old_kubelet_depends_on_how_old_it_is(name: str, kubelet: str, remedy: str) -> None:
    cluster = Cluster()
    cluster.converged()
    cluster.state(name, kube={"kubeadm": kubelet, "kubelet": kubelet, "kubectl": None})
    (finding,) = [finding for finding in cluster.findings if finding.rule == "version-skew"]
    assert remedy in finding.remedy


@pytest.mark.parametrize(
    ("subnet", "hosts", "remedy"),
    [
        # One /24 (IPv6: /64) for each node, and not one too few.
        ("10.244.0.0/24", 1, None),
        ("10.244.0.0/24", 2, "/23 or larger"),
        ("10.244.0.0/22", 4, None),
        ("10.244.0.0/22", 5, "/21 or larger"),
        ("10.244.0.0/21", 8, None),
        ("10.244.0.0/21", 9, "/20 or larger"),
        ("fd00:244::/61", 8, None),
        ("fd00:244::/61", 9, "/60 or larger"),
        # kubeadm's limit of 16 bits.
        ("10.0.0.0/8", 1, None),
        ("10.0.0.0/7", 1, "/8 or smaller"),
        ("fd00::/48", 1, None),
        ("fd00::/47", 1, "/48 or smaller"),
    ],
)
def test_the_pod_subnet_has_room_for_exactly_as_many_hosts(subnet: str, hosts: int, remedy: str | None) -> None:
    intent = build_intent({"pod_subnet": subnet})
    reports = [HostReport(f"w{number}", frozenset({"kube_node"}), "", "") for number in range(hosts)]
    found = [finding.remedy for finding in check_pod_subnet_size(intent, reports)]
    assert found == ([] if remedy is None else [f"use a network of {remedy}"])


@pytest.mark.parametrize(
    ("subnet", "remedy"),
    [
        ("10.0.0.0/12", None),
        ("10.0.0.0/11", "smaller network, e.g. 10.0.0.0/12"),
        ("10.96.0.0/28", None),
        ("10.96.0.0/29", "larger network, of /28"),
        ("fd00:96::/108", None),
        ("fd00:96::/107", "smaller network, e.g. fd00:96::/108"),
        ("fd00:96::/124", None),
        ("fd00:96::/125", "larger network, of /124"),
    ],
)
def test_the_service_subnet_has_the_bits_that_kubeadm_takes(subnet: str, remedy: str | None) -> None:
    found = [item.remedy for item in check_service_subnet_size(build_intent({"service_subnet": subnet}), [])]
    assert [remedy in text for text in found if remedy] == ([True] if remedy else [])
    assert len(found) == (0 if remedy is None else 1)


def test_no_clocks_no_skew() -> None:
    cluster = Cluster()
    for name in list(cluster.hosts)[1:]:
        cluster.host(name, read_at=None)
    clock("cp1", 5.0)(cluster)
    assert cluster.findings == []


SEEDS: dict[str, tuple[Spoil, str, bool]] = {
    "bare": (lambda _cluster: None, "cp1", False),
    "first is gone, others initialised": (
        both(Cluster.converged, host("cp1", state=None, unreachable=True)),
        "cp2",
        True,
    ),
    "first is sick": (both(Cluster.converged, lambda cluster: cluster.member("cp1", api_healthy=False)), "cp2", True),
    "all are sick": (
        both(Cluster.converged, lambda cluster: cluster.member("cp1", "cp2", "cp3", api_healthy=False)),
        "cp1",
        True,
    ),
    "first was replaced": (
        both(Cluster.converged, lambda cluster: cluster.state("cp1", member=copy.deepcopy(BARE))),
        "cp2",
        True,
    ),
    "interrupted init on the second": (lambda cluster: cluster.partial("cp2", "init"), "cp2", False),
    "interrupted init and an initialised one": (
        lambda cluster: [cluster.partial("cp1", "init"), cluster.member("cp3", api_healthy=False)],
        "cp3",
        True,
    ),
    "interrupted join counts for nothing": (lambda cluster: cluster.partial("cp2", "join"), "cp1", False),
    "a worker by membership is no seed": (
        lambda cluster: cluster.member("cp2", role="worker", api_healthy=None),
        "cp1",
        False,
    ),
    "no control plane": (lambda cluster: cluster.remove("cp1", "cp2", "cp3"), "", False),
}


@pytest.mark.parametrize(("spoil", "name", "there"), SEEDS.values(), ids=SEEDS.keys())
def test_seed(spoil: Spoil, name: str, there: bool) -> None:
    cluster = Cluster()
    spoil(cluster)
    assert seed(cluster.reports) == name
    assert initialised(cluster.reports) is there


def test_no_second_cluster_whatever_is_skipped() -> None:
    """cp1 was installed anew while the others are down: they may have the cluster."""
    cluster = Cluster()
    for name in ("cp2", "cp3"):
        cluster.host(name, state=None, unreachable=True)
    cluster.others["ignore"] = [rule.id for rule in rules()]
    assert [finding.where for finding in cluster.findings if finding.rule == "new-cluster"] == ["cp2", "cp3"]


@pytest.mark.parametrize(
    "spoil",
    [
        watched(),
        watched(joins),
        watched(node("w1", 299)),
        # One that is being joined: its interrupted join is undone, with its member.
        watched(lambda cluster: cluster.partial("cp2", "join"), cp2={"id": "b2", "learner": True}),
        # Its machine is down, and etcd has it: what matters is said by rule unreachable.
        watched(down("cp2"), node("cp2", 100)),
        # It did not answer in time, but kube-apiserver had its answer.
        watched(slow_etcd, joins),
        # Outside the inventory, but alive: etcd admits others.
        watched(joins, node("old", None), old={"id": "d4"}),
    ],
)
def test_members_that_are_no_problem(spoil: Spoil) -> None:
    cluster = Cluster()
    spoil(cluster)
    rules = ("node-not-ready", "etcd-health")
    known = (*rules, "etcd-member", "node-unknown")
    wanted = rules if "old" in str(cluster.hosts["cp1"].state) else known
    assert [str(finding) for finding in cluster.findings if finding.rule in wanted] == []


def test_who_may_hold_the_virtual_ip_beside_the_inventory() -> None:
    cluster = Cluster()
    assert unknown_control_planes(cluster.reports) == []
    peers = {name: {"id": name, "peer": f"https://10.90.0.1{number}:2380"} for number, name in enumerate(MEMBERS, 1)}
    watched(**peers, old={"id": "d4", "peer": "https://10.90.0.14:2380"})(cluster)
    assert unknown_control_planes(cluster.reports) == ["10.90.0.14"]
    # A peer that etcd has no member of has left the cluster.
    cluster.state("cp1", vip_peers=["10.90.0.12", "10.90.0.13", "10.90.0.15"])
    assert unknown_control_planes(cluster.reports) == ["10.90.0.14"]
    # Without etcd's word nobody is dropped.
    cluster.state("cp1", cluster=None)
    cluster.state("cp2", cluster=None)
    cluster.state("cp3", cluster=None)
    assert unknown_control_planes(cluster.reports) == ["10.90.0.15"]


def test_seeds_are_all_control_planes_of_the_cluster_healthy_ones_first() -> None:
    cluster = Cluster()
    assert seeds(cluster.reports) == ["cp1"], "only one may start a cluster"
    cluster.converged()
    cluster.member("cp1", api_healthy=False)
    cluster.host("cp2", state=None, unreachable=True)
    assert seeds(cluster.reports) == ["cp3", "cp1"]


def test_joining_are_those_that_were_read_and_are_no_members() -> None:
    cluster = Cluster()
    cluster.member("cp1", "w1")
    cluster.partial("cp2", "join")
    cluster.host("w2", state=None)
    assert joining(cluster.reports) == ["cp2", "cp3"]


def test_control_planes_that_are_ill_do_not_vote_on_which_cluster_it_is() -> None:
    cluster = Cluster()
    cluster.converged()
    cluster.member("cp2", "cp3", ca_hash=OTHER_CA, api_healthy=False)
    assert cluster_ca(cluster.reports) == CA
    # The seed is the first healthy one wherever it stands.
    cluster.member("cp1", "cp2", ca_hash=OTHER_CA, api_healthy=False)
    cluster.member("cp3")
    assert cluster_ca(cluster.reports) == CA
    # Nobody is healthy: all vote.
    cluster.member("cp3", api_healthy=False)
    assert cluster_ca(cluster.reports) == OTHER_CA


def test_the_majority_of_control_planes_says_which_cluster_it_is_and_a_tie_the_seed() -> None:
    cluster = Cluster()
    cluster.converged()
    cluster.member("cp1", ca_hash=OTHER_CA)
    assert cluster_ca(cluster.reports) == CA
    cluster.remove("cp3")
    assert cluster_ca(cluster.reports) == OTHER_CA
    cluster.member("cp1", ca_hash=OTHER_CA, api_healthy=False)
    assert cluster_ca(cluster.reports) == CA


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("api.example.com:6443", ("api.example.com", 6443)),
        ("https://10.90.0.100:8443/", ("10.90.0.100", 8443)),
        ("[FD00::0010]:6443", ("fd00::10", 6443)),
        ("[nonsense]:6443", None),
        ("[1:2]:6443", None),
        ("api.example.com", None),
        ("api.example.com:0", None),
        ("fd00::10:6443", None),
    ],
)
def test_split_endpoint(text: str, endpoint: tuple[str, int] | None) -> None:
    assert split_endpoint(text) == endpoint


def test_intent_has_the_defaults_of_the_roles() -> None:
    intent: ClusterIntent = build_intent({})
    values: Mapping[str, Any] = vars(intent)
    assert (values["pod_subnet"], values["service_subnet"]) == ("10.244.0.0/16", "10.96.0.0/12")
    assert wanted_endpoint(intent, Cluster().reports) is None
