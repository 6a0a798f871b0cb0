# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The preflight rules: pure functions over what the inventory wants and what the machines are.

``check()`` applies every rule to all hosts at once and returns every problem it finds, so that an
operator mends an inventory in one go. Nothing here reads a file, a clock or the network.
"""

from __future__ import annotations

import difflib
import ipaddress
import itertools
import json
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.kubestead.cluster.plugins.plugin_utils import docker, helm, nfs, rollout
from ansible_collections.kubestead.cluster.plugins.plugin_utils.inventory import (
    CONTROL_PLANE_GROUP,
    NODE_GROUP,
    Problem,
    mapping,
)
from ansible_collections.kubestead.cluster.plugins.plugin_utils.sources import (
    containerd_from_docker,
    engine_from_docker,
)
from ansible_collections.kubestead.cluster.plugins.plugin_utils.variable_types import (
    TYPE_NAMES,
    ConversionError,
    convert,
    is_list,
    type_name,
    typed,
)
from ansible_collections.kubestead.cluster.plugins.plugin_utils.variables import scope_of

#: https://kubernetes.io/releases/ on 2026-11-22
KUBEADM_UPGRADE = "https://kubernetes.io/docs/tasks/administer-cluster/kubeadm/kubeadm-upgrade/"
SUPPORTED_MINORS: tuple[str, ...] = ("1.35", "1.36", "1.37")

#: Releases the collection supports: os-release ID -> versions (major ones for EL).
SUPPORTED_OS: Mapping[str, tuple[str, ...]] = {
    "debian": ("12", "13"),
    "ubuntu": ("22.04", "24.04", "26.04"),
    "rhel": ("9", "10"),
    "rocky": ("9", "10"),
    "almalinux": ("9", "10"),
    "centos": ("9", "10"),
}

#: Releases whose maintainer has ended them: (os-release ID, version) -> date of the end.
#: https://www.centos.org/cl-vs-cs/ https://wiki.debian.org/LTS https://ubuntu.com/about/release-cycle
#: https://access.redhat.com/support/policy/updates/errata
ENDED_OS: Mapping[tuple[str, str], str] = {
    ("centos", "6"): "2020-11-30",
    ("centos", "7"): "2024-06-30",
    ("centos", "8"): "2021-12-31 (CentOS Stream 8: 2024-05-31)",
    ("rhel", "7"): "2024-06-30",
    ("debian", "9"): "2022-06-30",
    ("debian", "10"): "2024-06-30",
    ("debian", "11"): "2026-08-31",
    ("ubuntu", "16.04"): "2021-04-30",
    ("ubuntu", "18.04"): "2023-05-31",
    ("ubuntu", "20.04"): "2025-05-31",
}

OS_EXPECTED = "Debian 12 or 13, Ubuntu 22.04, 24.04 or 26.04, or RHEL, Rocky, Alma or CentOS Stream 9 or 10"
SUPPORTED_ARCHITECTURES = ("amd64", "arm64")
MINIMUM_PYTHON = (3, 9)

#: Where a container runtime has its images and containers, and the sockets that kubelet knows it by.
RUNTIME_FOLDERS: Mapping[str, str] = {"containerd": "/var/lib/containerd", "docker": "/var/lib/docker"}
RUNTIME_SOCKETS: Mapping[str, str] = {"containerd.sock": "containerd", "cri-dockerd.sock": "docker"}

#: A Node that is not Ready for so long is not just starting again: its pods have been moved away by now.
NOT_READY_SECONDS = 300

TAINT_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")

#: https://kubernetes.io/docs/reference/networking/ports-and-protocols/ (10256: kube-proxy's health, 2381 and 10249:
#: figures of etcd and kube-proxy, by default at 127.0.0.1)
CONTROL_PLANE_PORTS: Mapping[int, str] = {
    2379: "etcd clients",
    2380: "etcd peers",
    2381: "etcd",
    10249: "kube-proxy",
    10250: "kubelet",
    10256: "kube-proxy",
    10257: "kube-controller-manager",
    10259: "kube-scheduler",
}
WORKER_PORTS: Mapping[int, str] = {10249: "kube-proxy", 10250: "kubelet", 10256: "kube-proxy"}
#: Where there is monitoring: of every node, and of haproxy.
NODE_EXPORTER_PORT = 9100
HAPROXY_METRICS_PORT = 8404

#: kubeadm's constants ControlPlaneNumCPU and ControlPlaneMem; a worker carries kubelet, runtime and kube-proxy.
DEFAULT_MINIMUM: Mapping[str, Any] = {
    "control_plane_cpus": 2,
    "worker_cpus": 1,
    "control_plane_memory_mib": 1700,
    "worker_memory_mib": 700,
    "free_mib": {
        "/": 1024,
        "/var/lib/kubelet": 1024,
        "/var/lib/containerd": 4096,
        "/var/lib/docker": 4096,
        "/var/lib/etcd": 2048,
    },
}

#: The shared settings that rules read, with their types.
SETTINGS: Mapping[str, str] = {
    "version": "str",
    "endpoint": "str",
    "vip": "str",
    "endpoint_port": "int",
    "api_port": "int",
    "pod_subnet": "str",
    "service_subnet": "str",
    "image_repository": "str",
    "mirror": "str",
    "mirror_overrides": "dict",
    "mirror_host": "str",
    "mirror_ca": "str",
    "kubelet_configuration": "dict",
    "ignore_preflight_errors": "list",
    "init_without": "list",
    "supported_minors": "list",
}

DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
QUALIFIED_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
#: No IPv6 address: apt takes the colons in the name of its setting for a host (Acquire::https::HOST) as its own.
MIRROR_HOST = re.compile(r"[A-Za-z0-9.-]+(:\d+)?")
IMAGE_REPOSITORY = re.compile(r"[A-Za-z0-9.-]+(:\d+)?(/[a-z0-9._-]+)*")
VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")

BINARY = Decimal(1024)
#: https://prometheus.io/docs/prometheus/latest/storage/#operational-aspects: powers of 2, whether KB or KiB
PROMETHEUS_SIZE = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(?:([KMGTPE])i?)?B")
#: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
QUANTITY = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(?:([KMGTPE])i|([numkMGTPE])|[eE]([+-]?\d{1,2}))?")

#: How Ansible and the shell say that a machine's Python is missing or too old for any module.
NO_PYTHON = re.compile(
    r"minimum of Python|SyntaxError|python version|module interpreter .* was not found|No python interpreters found",
    re.IGNORECASE,
)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Finding:
    """One problem: where it is, what was found there, what was expected, and what to do."""

    rule: str
    severity: str
    where: str
    found: str
    expected: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: found {self.found}; expected {self.expected}; {self.remedy}"


@dataclass(frozen=True)
class HostReport:
    """A host: what the inventory says of it, and ``state``, what module node_state read from it.

    ``state`` is None for a host that was not read: outside ``--limit``, ``unreachable``, or with the reading failed
    (``failure``). ``read_at`` is the controller's clock before and after the reading. ``variables`` are the host's
    variables that carry a prefix of ours; ``undefined`` those that could not be evaluated, with the reason.
    """

    name: str
    groups: frozenset[str]
    node_ip: str
    node_name: str
    labels: Mapping[Any, Any] = field(default_factory=dict)
    annotations: Mapping[Any, Any] = field(default_factory=dict)
    taints: Sequence[Any] = ()
    variables: Mapping[str, Any] = field(default_factory=dict)
    undefined: Mapping[str, str] = field(default_factory=dict)
    state: Mapping[str, Any] | None = None
    unreachable: bool = False
    failure: str = ""
    read_at: tuple[float, float] | None = None
    reachability: Sequence[Mapping[str, Any]] = ()

    @property
    def control_plane(self) -> bool:
        return CONTROL_PLANE_GROUP in self.groups

    @property
    def role(self) -> str:
        return "control_plane" if self.control_plane else "worker"

    @property
    def runtime(self) -> str:
        """The container runtime that the inventory wants."""
        return str(self.variables.get("cluster_container_runtime", "containerd"))

    @property
    def member(self) -> Mapping[str, Any]:
        return (self.state or {}).get("member") or {}

    @property
    def membership(self) -> str:
        """bare, partial, member, or '' for a host that was not read."""
        return str(self.member.get("state") or "")

    @property
    def initialised(self) -> bool:
        return self.control_plane and self.membership == "member" and self.member.get("role") == "control_plane"

    @property
    def addresses(self) -> list[str]:
        return [str(address) for item in (self.state or {}).get("interfaces") or () for address in item["addresses"]]


@dataclass(frozen=True)
class NfsServer:
    """A host of group nfs_server, which need not be a node: the address at which nodes find its exports, what its
    variables for role nfs_server are, and why some can't be evaluated.
    """

    name: str
    address: str
    variables: Mapping[str, Any] = field(default_factory=dict)
    undefined: Mapping[str, str] = field(default_factory=dict)

    @property
    def enabled(self) -> bool:
        given = self.variables.get("nfs_server_enabled")
        return given is None or is_true(given)


#: Whatever has variables of ours.
Holder = HostReport | NfsServer


@dataclass(frozen=True)
class ClusterIntent:
    """What the inventory wants of the cluster.

    ``settings`` are the shared settings as given, whatever their types: variable cluster_X under the key X. ``specs``
    are the argument specifications of all roles' variables, ``prefixes`` what these variables begin with;
    ``nfs_servers`` are the hosts of that group, ``chart_flaws`` is what is found and expected of Helm's charts on the
    controller that are none.
    """

    version: str = ""
    endpoint: str = ""
    vip: str = ""
    endpoint_port: int = 8443
    api_port: int = 6443
    pod_subnet: str = "10.244.0.0/16"
    service_subnet: str = "10.96.0.0/12"
    image_repository: str = ""
    mirror: str = "official"
    mirror_overrides: Mapping[str, Any] = field(default_factory=dict)
    mirror_host: str = ""
    mirror_ca: str = ""
    kubelet_configuration: Mapping[str, Any] = field(default_factory=dict)
    ignore_preflight_errors: Sequence[str] = ()
    init_without: Sequence[str] = ()
    minimum: Mapping[str, Any] = field(default_factory=lambda: DEFAULT_MINIMUM)
    max_clock_skew: float = 5.0
    ignore: Sequence[str] = ()
    supported_minors: Sequence[str] = SUPPORTED_MINORS
    specs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    prefixes: Sequence[str] = ()
    required: Sequence[str] = ()
    nfs_servers: Sequence[NfsServer] = ()
    chart_flaws: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    undefined: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def minor(self) -> tuple[int, int] | None:
        parsed = parse_version(self.version)
        return parsed[:2] if parsed else None


def build_intent(settings: Mapping[str, Any], **others: Any) -> ClusterIntent:
    """The intent of shared settings as a user gave them.

    A value of a wrong type counts as not given here: rule variable-type reports it, and the other rules go on.
    """
    known: dict[str, Any] = {}
    for item in fields(ClusterIntent):
        value = settings.get(item.name)
        if item.name in SETTINGS and value is not None and type_matches(SETTINGS[item.name], value):
            known[item.name] = convert(SETTINGS[item.name], value)
    return ClusterIntent(settings=settings, **known, **others)


@dataclass(frozen=True)
class Rule:
    """A rule by its stable id. ``fixed`` rules guard what would otherwise be destroyed or cannot work at all."""

    id: str
    apply: Callable[[ClusterIntent, Sequence[HostReport]], Iterable[Finding]]
    fixed: bool = False


# --- small helpers ---------------------------------------------------------------------------------------------------


def parse_version(text: object) -> tuple[int, int, int] | None:
    match = VERSION.fullmatch(str(text or "").strip())
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


def parse_address(text: object) -> Address | None:
    try:
        return ipaddress.ip_address(str(text))
    except ValueError:
        return None


def subnets(text: str) -> list[str]:
    return [part.strip() for part in str(text).split(",") if part.strip()]


def networks(text: str) -> list[Network]:
    """The valid networks of a comma-separated list; the others are the syntax rule's."""
    found: list[Network] = []
    for part in subnets(text):
        try:
            found.append(ipaddress.ip_network(part))
        except ValueError:
            continue
    return found


def overlaps(one: Network, other: Network) -> bool:
    return one.version == other.version and one.overlaps(other)


def split_endpoint(text: str) -> tuple[str, int] | None:
    """host:port, [v6]:port or https://host:port as (host, port)."""
    match = re.fullmatch(r"(?:https://)?(?:\[([0-9A-Fa-f:.]+)\]|([^\s:/\[\]]+)):(\d{1,5})/?", text.strip())
    if not match or not 0 < int(match[3]) < 65536:
        return None
    host = (match[1] or match[2]).lower()
    if match[1]:
        address = parse_address(host)
        return (str(address), int(match[3])) if address else None
    return host, int(match[3])


def join_endpoint(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_subdomain(text: str) -> bool:
    """RFC 1123 subdomain, as Kubernetes wants node names and label prefixes."""
    return len(text) <= 253 and all(DNS_LABEL.fullmatch(part) for part in text.split("."))


def is_label_key(text: object) -> bool:
    """https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set"""
    if not isinstance(text, str):
        return False
    prefix, slash, name = text.rpartition("/")
    return bool(QUALIFIED_NAME.fullmatch(name)) and (not slash or is_subdomain(prefix))


def is_label_value(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return False
    return str(value) == "" or bool(QUALIFIED_NAME.fullmatch(str(value)))


def listing(items: Iterable[object], limit: int = 6) -> str:
    """'a, b and c'; a long list is cut, with the number of the rest."""
    texts = [str(item) for item in items]
    if len(texts) > limit:
        texts = [*texts[: limit - 1], f"{len(texts) - limit + 1} more"]
    return " and ".join(filter(None, (", ".join(texts[:-1]), texts[-1]))) if texts else "none"


def either(items: Iterable[object]) -> str:
    """'a, b or c'"""
    texts = [str(item) for item in items]
    return " or ".join(filter(None, (", ".join(texts[:-1]), texts[-1])))


def own_ports(cluster: ClusterIntent, *, control_plane: bool) -> dict[int, str]:
    """The TCP ports that Kubernetes itself takes on a machine, and what takes them."""
    return {cluster.api_port: "kube-apiserver", **CONTROL_PLANE_PORTS} if control_plane else dict(WORKER_PORTS)


def is_true(value: object) -> bool:
    """What Ansible takes for true."""
    return str(value).lower() in ("yes", "true", "on", "1")


def short_hash(text: object) -> str:
    return str(text)[:19]


def control_planes(hosts: Sequence[HostReport]) -> list[HostReport]:
    return [host for host in hosts if host.control_plane]


def error(rule: str, where: str, found: str, expected: str, remedy: str) -> Finding:
    return Finding(rule, "error", where, found, expected, remedy)


def warning(rule: str, where: str, found: str, expected: str, remedy: str) -> Finding:
    return Finding(rule, "warning", where, found, expected, remedy)


# --- which control plane leads ---------------------------------------------------------------------------------------


def initialised(hosts: Sequence[HostReport]) -> bool:
    """Whether a control plane of the inventory already is one."""
    return any(host.initialised for host in hosts)


def joining(hosts: Sequence[HostReport]) -> list[str]:
    """The hosts that are not members yet, as far as they could be read."""
    return [host.name for host in hosts if host.state is not None and host.membership != "member"]


def seed(hosts: Sequence[HostReport]) -> str:
    """The control plane that starts the cluster or through which others join; '' when there is none.

    The first healthy initialised one, else the first initialised one, else the first whose init was interrupted,
    else the first that was read: nothing depends on the first host of the inventory being alive. Whether it may start
    a cluster is said by rule new-cluster.
    """
    return next(iter(seeds(hosts)), "")


def seeds(hosts: Sequence[HostReport]) -> list[str]:
    """The control planes that can be the seed, the best first. Only in a cluster that exists there is a choice."""
    candidates = control_planes(hosts)
    ready = [host for host in candidates if host.initialised]
    if ready:
        return [host.name for host in sorted(ready, key=lambda host: host.member.get("api_healthy") is not True)]
    begun = [host for host in candidates if host.membership == "partial" and host.member.get("partial_of") == "init"]
    read = [host for host in candidates if host.state is not None]
    return [host.name for host in (*begun, *read, *candidates)][:1]


def cluster_ca(hosts: Sequence[HostReport]) -> str:
    """The CA hash of the inventory's cluster: that of most healthy initialised control planes; '' when none is known.

    A tie goes to the seed, as everything else does.
    """
    leader = seed(hosts)
    ready = [host for host in control_planes(hosts) if host.initialised and host.member.get("ca_hash")]
    healthy = [host for host in ready if host.member.get("api_healthy") is True]
    votes = Counter(str(host.member["ca_hash"]) for host in healthy or ready)
    if votes:
        most = max(votes.values())
        winners = [ca for ca, count in votes.items() if count == most]
        of_seed = [str(host.member["ca_hash"]) for host in ready if host.name == leader]
        return of_seed[0] if of_seed and of_seed[0] in winners else winners[0]
    for host in hosts:
        if host.name == leader and host.membership == "partial" and host.member.get("partial_of") == "init":
            return str(host.member.get("ca_hash") or "")
    return ""


def wanted_endpoint(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> tuple[str, int] | None:
    """Where nodes reach the API: the external endpoint, the VIP, or the only control plane itself."""
    if cluster.endpoint:
        return split_endpoint(cluster.endpoint)
    if cluster.vip:
        return cluster.vip.lower(), cluster.endpoint_port
    planes = control_planes(hosts)
    return (planes[0].node_ip, cluster.api_port) if len(planes) == 1 and planes[0].node_ip else None


# --- the hosts were read ---------------------------------------------------------------------------------------------


def check_unreachable(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """A machine that is down stops nobody else, unless no control plane answers. Rule new-cluster guards the start."""
    blocks = not any(host.state is not None for host in control_planes(hosts))
    for host in hosts:
        if not host.unreachable:
            continue
        found = f"no answer over SSH ({host.failure})" if host.failure else "no answer over SSH"
        skipped = "no control plane answers" if blocks else "this run skips it and works on the other machines"
        yield (error if blocks else warning)(
            "unreachable",
            host.name,
            found,
            "a machine that Ansible can log in to",
            f"{skipped}; check ansible_host, the SSH key and that the machine runs (ansible -m ping {host.name}), "
            "then run again",
        )


def check_unread(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    for host in hosts:
        if host.state is not None or host.unreachable or not host.failure:
            continue
        if NO_PYTHON.search(host.failure):
            yield error(
                "unread",
                host.name,
                f"no usable Python ({host.failure})",
                "Python 3.9 or newer",
                "install python3 or set ansible_python_interpreter; CentOS 7 (ended 2024-06-30) has none that "
                f"is new enough: use {OS_EXPECTED}",
            )
        else:
            yield error(
                "unread",
                host.name,
                f"its state could not be read ({host.failure})",
                "a machine whose state root can read",
                f"check privilege escalation (ansible -b -m command -a id {host.name}) and the message above",
            )


# --- members that the inventory does not have ------------------------------------------------------------------------


def seen(hosts: Sequence[HostReport], key: str) -> tuple[str, Any]:
    """Return what the best control plane that answers says of the cluster (node_state's cluster), and its name."""
    by_name = {host.name: host for host in hosts}
    for name in seeds(hosts):
        host = by_name[name]
        found = mapping((host.state or {}).get("cluster")).get(key)
        if found and host.initialised:
            return name, found
    return "", None


def member_removal(hosts: Sequence[HostReport], leader: str, identity: str) -> str:
    """Return the command by which etcd gives a member up."""
    node = next(host.node_name for host in hosts if host.name == leader)
    pki = "/etc/kubernetes/pki/etcd"
    return (
        f"kubectl -n kube-system exec etcd-{node} -- etcdctl --endpoints https://127.0.0.1:2379 --cacert {pki}/ca.crt "
        f"--cert {pki}/server.crt --key {pki}/server.key member remove {identity}"
    )


def duration(seconds: int) -> str:
    """Return '4 min', '3 h' or '2 d'."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def check_node_unknown(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    known = {host.node_name for host in hosts}
    for node in seen(hosts, "nodes")[1] or ():
        name, since = node["name"], node["unready_seconds"]
        if name not in known:
            state = "Ready" if since is None else f"not Ready for {duration(since)}"
            yield warning(
                "node-unknown",
                f"node {name}",
                f"a Node of the cluster ({state}) that no host of the inventory is",
                "only the inventory's hosts",
                "put its host back into the inventory, or take it out of the cluster: "
                f"kubectl drain {name} --ignore-daemonsets if it runs, then kubectl delete node {name}",
            )


def check_node_not_ready(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    by_node = {host.node_name: host for host in hosts}
    for node in seen(hosts, "nodes")[1] or ():
        host, since = by_node.get(node["name"]), node["unready_seconds"]
        if host and since is not None and since >= NOT_READY_SECONDS:
            yield warning(
                "node-not-ready",
                host.name,
                f"a Node that is not Ready for {duration(since)}",
                "a Ready Node",
                "start the machine and look at journalctl -u kubelet there; if it is gone for good, take it out of the "
                f"inventory and run kubectl delete node {node['name']}",
            )


def etcd_owner(hosts: Sequence[HostReport], member: Mapping[str, Any]) -> HostReport | None:
    """Return the control plane that an etcd member is: kubeadm names it after the node; before its first start it has
    only a peer URL.
    """
    address = re.sub(r"^https?://\[?|\]?:\d+$", "", str(member["peer"]))
    planes = control_planes(hosts)
    named = [host for host in planes if member["name"] and host.node_name == member["name"]]
    return next(iter(named or [host for host in planes if not member["name"] and host.node_ip == address]), None)


def unknown_control_planes(hosts: Sequence[HostReport]) -> list[str]:
    """Return the addresses of machines that may hold the virtual IP though the inventory does not have them.

    These are the other members of etcd. Where etcd was not read, whoever is listed as a peer so far stays listed: a
    machine that is dropped too early hears no advertisements, and takes the address.
    """
    etcd = seen(hosts, "etcd")[1]
    if etcd:
        found = {str(urlsplit(str(member["peer"])).hostname) for member in etcd["members"]}
    else:
        found = {peer for host in hosts for peer in (host.state or {}).get("vip_peers") or ()}
    return sorted(found - {host.node_ip for host in control_planes(hosts)})


def etcd_flaw(hosts: Sequence[HostReport], member: Mapping[str, Any]) -> str:
    """Return what is wrong with a member of etcd; '' where nothing is, or this run mends it."""
    owner = etcd_owner(hosts, member)
    if owner is None:
        return "that no control plane of the inventory is"
    if owner.membership == "bare":
        return "whose machine has nothing of it any longer"
    # An interrupted join is undone, its member with it.
    if owner.membership == "partial" or owner.state is None:
        return ""
    if not member["name"]:
        return "that was added and never started"
    if member["learner"]:
        return "that was never promoted and has no vote (learner)"
    return ""


def check_etcd_member(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    leader, etcd = seen(hosts, "etcd")
    for member in (etcd or {}).get("members", ()):
        flaw, owner = etcd_flaw(hosts, member), etcd_owner(hosts, member)
        if not flaw:
            continue
        # A machine that was installed anew would start with an empty log under the ID of its old self.
        severity = error if owner and owner.membership == "bare" else warning
        back = "" if owner else "put its host back into kube_control_plane if it is alive, or "
        yield severity(
            "etcd-member",
            owner.name if owner else "etcd",
            f"member {member['name'] or member['peer']} ({member['id']}) {flaw}",
            "one member for each control plane of the cluster",
            f"{back}remove it: {member_removal(hosts, leader, member['id'])}",
        )


def check_etcd_health(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """etcd adds no member while one is away ("unhealthy cluster"), not even a learner."""
    leader, etcd = seen(hosts, "etcd")
    if not etcd:
        return
    reports = {host.node_name: mapping((host.state or {}).get("cluster")).get("etcd") for host in control_planes(hosts)}
    ready = {node["name"] for node in seen(hosts, "nodes")[1] or () if node["unready_seconds"] is None}
    away: list[Mapping[str, Any]] = []
    for member in etcd["members"]:
        owner = etcd_owner(hosts, member)
        if owner is None or owner.state is None:
            if not member["learner"] and member["name"] not in ready:
                away.append(member)
        # A kube-apiserver that is ready has had an answer of the machine's own etcd.
        elif owner.initialised and not (
            mapping(reports[owner.node_name]).get("healthy") or owner.member.get("api_healthy") is True
        ):
            away.append(member)
            yield warning(
                "etcd-health",
                owner.name,
                f"its member of etcd ({member['id']}) without a healthy answer",
                "a member that follows the leader",
                f"look at it: crictl ps -a --name etcd on {owner.name}, then crictl logs",
            )
    coming = [host.name for host in control_planes(hosts) if host.state is not None and host.membership != "member"]
    for name in coming if away else ():
        yield error(
            "etcd-health",
            name,
            f"a control plane that is to join while members of etcd do not answer "
            f"({listing(member['name'] or member['peer'] for member in away)})",
            "all members alive, as etcd admits no further one before",
            f"bring them up or remove them ({member_removal(hosts, leader, away[0]['id'])}), or leave {name} out: "
            f"--limit '!{name}'",
        )


# --- variables -------------------------------------------------------------------------------------------------------


def holders(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> list[Holder]:
    """All that have variables of ours: the nodes, and NFS servers that are none."""
    names = {host.name for host in hosts}
    return [*hosts, *(server for server in cluster.nfs_servers if server.name not in names)]


def by_variable(hosts: Sequence[Holder]) -> dict[str, dict[str, list[Holder]]]:
    """Variable -> its value's text -> the hosts that have it, so that a group's variable is reported once."""
    found: dict[str, dict[str, list[Holder]]] = defaultdict(lambda: defaultdict(list))
    for host in hosts:
        for name, value in host.variables.items():
            found[name][repr(value)].append(host)
    return found


def of_hosts(some: Sequence[Holder], hosts: Sequence[HostReport]) -> str:
    """Which they are, if not all nodes."""
    names = [host.name for host in some]
    return "" if {host.name for host in hosts} <= set(names) else f" on {listing(names)}"


def has_wrong_type(cluster: ClusterIntent, hosts: Sequence[HostReport], name: str) -> bool:
    """Return whether rule variable-type reports a variable of these hosts."""
    given = (host.variables.get(name) for host in hosts)
    return any(any(spec_problems(name, cluster.specs[name], value)) for value in given if name in cluster.specs)


def check_undefined(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    reasons: dict[tuple[str, str], list[Holder]] = {
        (name, why): [] for name, why in cluster.undefined.items() if not has_wrong_type(cluster, hosts, name)
    }
    for host in holders(cluster, hosts):
        for name, why in host.undefined.items():
            if name not in cluster.undefined:
                reasons.setdefault((name, why), []).append(host)
    for (name, why), some in reasons.items():
        yield error(
            "variable-undefined",
            name,
            f"a value that cannot be evaluated{of_hosts(some, hosts) if some else ''} ({why})",
            "a template whose variables are all defined",
            f"define what {name} refers to, or write the value itself",
        )
    for name in cluster.required:
        missing = [host for host in hosts if host.variables.get(name) in (None, "")]
        if missing:
            yield error(
                "variable-undefined",
                name,
                f"no value{of_hosts(missing, hosts)}",
                "a value, as nothing can be assumed for it",
                f"set {name} in group_vars/all.yml or for the hosts",
            )


def type_matches(kind: str, value: object) -> bool:
    """Return whether a value has a type, or is a text that Ansible takes for a boolean or number."""
    if kind in ("str", "path"):
        return isinstance(value, str)
    if kind == "list":
        return is_list(value)
    try:
        convert(kind, value)
    except ConversionError:
        return False
    return True


def spec_problems(name: str, spec: Mapping[str, Any], value: object) -> Iterator[tuple[str, str, str, str]]:
    """(where, found, expected, remedy) of a value that its argument specification does not allow."""
    if value is None:
        return
    kind = str(spec.get("type", "str"))
    secret = holds_secrets(spec)
    shown = type_name(value) if secret else f"{value!r} ({type_name(value)})"
    if not type_matches(kind, value):
        yield name, shown, TYPE_NAMES.get(kind, kind), f"correct {name}"
        return
    choices = spec.get("choices")
    if choices and kind != "list" and str(value) not in [str(choice) for choice in choices]:
        shown = type_name(value) if secret else repr(value)
        yield name, shown, either(choices), f"set {name} to one of these{suggestion(str(value), choices)}"
    options: Mapping[str, Mapping[str, Any]] = spec.get("options") or {}
    if isinstance(value, Mapping) and options:
        inside = {key: {**option, "no_log": True} for key, option in options.items()} if spec.get("no_log") else options
        yield from option_problems(name, inside, value)
    if kind == "list" and is_list(value):
        element: dict[str, Any] = {
            "type": spec.get("elements", "raw"),
            "options": options,
            "choices": choices,
            "no_log": spec.get("no_log"),
        }
        for index, item in enumerate(value):
            if item is None and element["type"] != "raw":
                yield f"{name}[{index}]", "nothing", TYPE_NAMES[element["type"]], "write it, or remove its dash"
            yield from spec_problems(f"{name}[{index}]", element, item)


def holds_secrets(spec: Mapping[str, Any]) -> bool:
    """Whether a value may not be shown, as it is a secret or has one somewhere inside."""
    return bool(spec.get("no_log")) or any(holds_secrets(option) for option in (spec.get("options") or {}).values())


def option_problems(
    name: str, options: Mapping[str, Mapping[str, Any]], value: Mapping[Any, Any]
) -> Iterator[tuple[str, str, str, str]]:
    for key, item in value.items():
        if key in options:
            yield from spec_problems(f"{name}.{key}", options[key], item)
        else:
            expected = f"only the keys {listing(sorted(options), 20)}"
            remedy = f"remove or rename the key{suggestion(str(key), options)}"
            yield f"{name}.{key}", "an unknown key", expected, remedy
    for key, option in options.items():
        if option.get("required") and value.get(key) is None:
            found = f"no value of {key}" if key in value else f"no key {key}"
            yield name, found, f"{key}, which has no default", f"add {key} to {name}"


def suggestion(word: str, known: Iterable[object]) -> str:
    close = difflib.get_close_matches(word, [str(item) for item in known], n=1, cutoff=0.6)
    return f" (did you mean {close[0]}?)" if close else ""


def check_types(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    settings = {f"cluster_{key}": value for key, value in cluster.settings.items()}
    for name, value in settings.items():
        for where, found, expected, remedy in spec_problems(name, cluster.specs.get(name) or {"type": "raw"}, value):
            yield error("variable-type", where, found, expected, remedy)
    for name, values in by_variable(holders(cluster, hosts)).items():
        spec = cluster.specs.get(name)
        if spec is None or name in settings:
            continue
        for some in values.values():
            value = some[0].variables[name]
            if value is None and spec.get("type") in ("bool", "int", "float"):
                expected = TYPE_NAMES[spec["type"]]
                yield error(
                    "variable-type", name, f"nothing{of_hosts(some, hosts)}", expected, "write it, or remove the line"
                )
            for where, found, expected, remedy in spec_problems(name, spec, value):
                yield error("variable-type", where, found + of_hosts(some, hosts), expected, remedy)


def check_scope(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """A value that counts for the whole cluster is read from one host: another one's would be ignored."""
    for name in sorted({name for host in hosts for name in host.variables}):
        scope, spec = scope_of(name), cluster.specs.get(name)
        if spec is None or scope is None or scope.where == "host":
            continue
        readers = control_planes(hosts) if scope.where == "control planes" else hosts
        if any(name in host.undefined for host in readers):
            continue
        texts: dict[str, list[str]] = defaultdict(list)
        for host in readers:
            texts[shown_value(spec, host.variables.get(name, spec.get("default")))].append(host.name)
        if len(texts) < 2:
            continue
        secret = holds_secrets(spec)
        values = [
            f"{'another value' if secret else text if len(text) <= 60 else text[:57] + '...'} on {listing(names)}"
            for text, names in texts.items()
        ]
        whole = "the whole cluster" if readers is hosts else "all control planes"
        remedy = f"set {name} for all hosts alike, in group_vars/all.yml or under [all:vars]"
        if name == "cluster_kubelet_configuration":
            remedy += "; what single nodes need goes into their cluster_join_configuration, before they join"
        yield error("variable-scope", name, listing(values), f"one value for {whole}", remedy)


def shown_value(spec: Mapping[str, Any], value: object) -> str:
    """Return a value as text, the same for all ways to write it."""
    return (
        "no value" if value is None else json.dumps(typed(spec, value), sort_keys=True, default=str, ensure_ascii=False)
    )


def near(name: str, prefix: str, known: Iterable[str]) -> str:
    """The known variable that a name of the same prefix is a slip of; '' when none is near.

    Only what follows the prefix is compared: a long common prefix would make any short names look alike.
    """
    rest = name[len(prefix) :]
    rests = {item[len(prefix) :]: item for item in known if item.startswith(prefix)}
    close = difflib.get_close_matches(rest, rests, n=1, cutoff=0.8)
    swapped = [item for item in rests if sorted(item) == sorted(rest)]
    return next((rests[item] for item in (*close, *swapped)), "")


def check_unknown(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    known = set(cluster.specs)
    for name, values in by_variable(holders(cluster, hosts)).items():
        if name in known:
            continue
        some = [host for found in values.values() for host in found]
        prefix = max((item for item in cluster.prefixes if name.startswith(item)), key=len, default="")
        found = f"an unknown variable{of_hosts(some, hosts)}"
        meant = near(name, prefix, known) if prefix else ""
        if meant:
            remedy = f"rename {name} to {meant}, or remove it"
            yield error("variable-unknown", name, found, f"{meant}, it seems", remedy)
            continue
        if not prefix:
            # A slip in the prefix itself. Other people's variables live here too: no more than a warning.
            close = difflib.get_close_matches(name, known, n=1, cutoff=0.9)
            if close:
                remedy = f"rename {name} to {close[0]}, if that was meant"
                yield warning("variable-unknown", name, found, f"{close[0]}, it seems", remedy)
        elif prefix == "cluster_":
            remedy = f"remove {name}, or give it a prefix of your own{suggestion(name, known)}"
            yield warning("variable-unknown", name, found, "a variable that the collection reads", remedy)


def check_ignore(cluster: ClusterIntent, _hosts: Sequence[HostReport]) -> Iterator[Finding]:
    rules = {rule.id: rule for rule in RULES}
    for item in cluster.ignore:
        if item not in rules:
            found = f"{item!r}, which no rule has as its id"
            remedy = f"correct the id{suggestion(item, rules)}"
            yield error("ignore", "preflight_skip", found, "ids of preflight rules", remedy)
        elif rules[item].fixed:
            found = f"{item!r}, which cannot be switched off"
            remedy = f"remove {item} from the list and mend what it reports"
            yield error("ignore", "preflight_skip", found, "ids of rules that may be ignored", remedy)


# --- the shape of the cluster ----------------------------------------------------------------------------------------


def check_control_plane_none(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    if not control_planes(hosts):
        yield error(
            "control-plane-none",
            CONTROL_PLANE_GROUP,
            "no host in the group",
            "at least one control plane",
            f"put one host, or three for high availability, into the inventory group {CONTROL_PLANE_GROUP}",
        )


def check_control_plane_even(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    count = len(control_planes(hosts))
    if count and count % 2 == 0:
        yield warning(
            "control-plane-even",
            CONTROL_PLANE_GROUP,
            f"{count} control planes",
            "an odd number (1, 3, 5)",
            f"add or remove one: etcd on {count} members survives no more failures than on {count - 1}",
        )


def check_endpoint_missing(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    count = len(control_planes(hosts))
    if count > 1 and not cluster.vip and not cluster.endpoint:
        yield error(
            "endpoint-missing",
            "cluster_vip",
            f"neither cluster_vip nor cluster_endpoint with {count} control planes",
            "one address for the API that outlives each of them",
            "set cluster_vip to a free address of the control planes' subnet, "
            "or cluster_endpoint to the host:port of a load balancer of yours",
        )


def check_endpoint_syntax(cluster: ClusterIntent, _hosts: Sequence[HostReport]) -> Iterator[Finding]:
    if not cluster.endpoint:
        return
    parsed = split_endpoint(cluster.endpoint)
    valid = parsed is not None and (parse_address(parsed[0]) is not None or is_subdomain(parsed[0]))
    if not valid or "/" in cluster.endpoint:
        yield error(
            "endpoint-syntax",
            "cluster_endpoint",
            repr(cluster.endpoint),
            "host:port, with neither scheme nor path",
            "write it like k8s.example.com:6443 or [fd00::10]:6443",
        )


def check_vip_syntax(cluster: ClusterIntent, _hosts: Sequence[HostReport]) -> Iterator[Finding]:
    vip = parse_address(cluster.vip)
    if cluster.vip and vip is None:
        yield error(
            "vip-syntax",
            "cluster_vip",
            repr(cluster.vip),
            "one IP address without prefix length",
            "write a free address of the control planes' subnet, like 192.0.2.100; a name goes into cluster_endpoint",
        )
    elif vip is not None and vip.version == 6:
        yield error(
            "vip-syntax",
            "cluster_vip",
            f"the IPv6 address {vip}",
            "an IPv4 address: role load_balancer moves no other",
            "choose an IPv4 address of the control planes' subnet, or set cluster_endpoint to a load balancer of yours "
            "instead, like [fd00::10]:6443",
        )


def check_endpoint_port(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """haproxy listens at the VIP on every control plane; kube-apiserver has its port at all addresses."""
    endpoint = wanted_endpoint(cluster, hosts)
    if not cluster.vip or endpoint is None:
        return
    name, port = "cluster_endpoint" if cluster.endpoint else "cluster_endpoint_port", endpoint[1]
    own = own_ports(cluster, control_plane=True)
    if port in own or not 0 < port < 65536:
        taken = own.get(port, "")
        other = "set cluster_endpoint_port to another one, like 8443"
        yield error(
            "endpoint-port",
            name,
            f"{port}, the port of {taken} on the same machines" if taken else str(port),
            "a port between 1 and 65535 that is free on every control plane",
            f"give {name} another port, like {join_endpoint(endpoint[0], 8443)}" if cluster.endpoint else other,
        )


def check_vip_subnet(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    vip = parse_address(cluster.vip)
    if vip is None:
        return
    for host in control_planes(hosts):
        if host.state is None:
            continue
        # Where keepalived already holds it, the VIP is an interface's address itself: that says nothing of subnets.
        found = [ipaddress.ip_interface(text) for text in host.addresses]
        attached = [item.network for item in found if item.ip != vip and not item.ip.is_loopback]
        reserved = [
            network
            for network in attached
            if network.num_addresses > 2 and vip in (network.network_address, network.broadcast_address)
        ]
        if reserved:
            yield error(
                "vip-subnet",
                host.name,
                f"cluster_vip {vip}, the network or broadcast address of its subnet {reserved[0]}",
                "a VIP that a machine of the subnet can have",
                "choose another free address of that subnet",
            )
        elif not any(vip in network for network in attached):
            yield error(
                "vip-subnet",
                host.name,
                f"cluster_vip {vip} outside its interfaces' subnets ({listing(sorted(set(map(str, attached))))})",
                "a VIP inside a subnet that every control plane is attached to",
                "choose a free address of that subnet, or set cluster_endpoint to a load balancer instead",
            )


def check_vip_is_node(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    vip = parse_address(cluster.vip)
    for host in hosts:
        if vip is not None and parse_address(host.node_ip) == vip:
            yield error(
                "vip-is-node",
                "cluster_vip",
                f"{vip}, the address of {host.name} itself",
                "an address of its own, which moves between the control planes",
                "set cluster_vip to a free address of the same subnet",
            )


def check_vip_answers(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    vip = parse_address(cluster.vip)
    if vip is None or initialised(hosts):
        return
    # A control plane of ours that holds the address after an interrupted run is no stranger.
    if any(ipaddress.ip_interface(text).ip == vip for host in hosts for text in host.addresses):
        return
    ours = {
        str(item.get("mac") or "").lower() for host in hosts for item in (host.state or {}).get("interfaces") or ()
    } - {""}
    macs: dict[str, list[str]] = defaultdict(list)
    for host in hosts:
        answer = (host.state or {}).get("vip_answers")
        if answer and str(answer.get("mac") or "").lower() not in ours:
            macs[str(answer.get("mac") or "")].append(host.name)
    for mac, names in macs.items():
        yield error(
            "vip-answers",
            "cluster_vip",
            f"{vip} already in use by another machine{f' with MAC {mac}' if mac else ''}, as {listing(names)} sees it",
            "an address that nobody answers at before the cluster exists",
            "choose a free address, or stop what holds this one",
        )


# --- names and addresses of the nodes --------------------------------------------------------------------------------


def check_node_name(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    for host in hosts:
        if not is_subdomain(host.node_name):
            yield error(
                "node-name",
                host.name,
                f"node name {host.node_name!r}",
                "lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit (RFC 1123)",
                "set node_name for the host, or rename it in the inventory",
            )


def duplicates(values: Iterable[tuple[str, HostReport]]) -> Iterator[tuple[str, list[HostReport]]]:
    seen: dict[str, list[HostReport]] = defaultdict(list)
    for value, host in values:
        if value:
            seen[value].append(host)
    return ((value, some) for value, some in seen.items() if len(some) > 1)


def check_duplicate_node_name(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    for value, some in duplicates((host.node_name.lower(), host) for host in hosts):
        yield error(
            "duplicate-node-name",
            listing(host.name for host in some),
            f"one node name, {value}",
            "a node name of its own for each host",
            "set node_name for all but one of them",
        )


def check_duplicate_hostname(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    for value, some in duplicates((str((host.state or {}).get("hostname") or "").lower(), host) for host in hosts):
        yield error(
            "duplicate-hostname",
            listing(host.name for host in some),
            f"one host name, {value}",
            "a host name of its own for each machine",
            "rename the machines (hostnamectl set-hostname NAME); "
            "if they are one machine, leave one of the hosts out of the inventory",
        )


def check_duplicate_machine_id(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    for value, some in duplicates((str((host.state or {}).get("machine_id") or ""), host) for host in hosts):
        yield error(
            "duplicate-machine-id",
            listing(host.name for host in some),
            f"one machine-id, {value}",
            "a machine-id of its own for each machine",
            "on all clones but one: rm -f /etc/machine-id /var/lib/dbus/machine-id, systemd-machine-id-setup, reboot; "
            "if they are one machine, leave one of the hosts out of the inventory",
        )


def check_duplicate_ip(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    for value, some in duplicates((str(parse_address(host.node_ip) or ""), host) for host in hosts):
        yield error(
            "duplicate-ip",
            listing(host.name for host in some),
            f"one node address, {value}",
            "an address of its own for each host",
            "correct node_ip or ansible_host of all but one of them",
        )


def check_node_ip(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    for host in hosts:
        address = parse_address(host.node_ip)
        expected = "the address under which the other nodes reach it"
        if address is None:
            remedy = "set node_ip to an IP address of the host, or ansible_host to a name that resolves"
            yield error("node-ip", host.name, f"node_ip {host.node_ip!r}", expected, remedy)
        elif address.is_loopback or address.is_unspecified or address.is_multicast or address.is_link_local:
            remedy = "set node_ip to the host's address in the nodes' network"
            yield error("node-ip", host.name, f"node_ip {address}, usable on the machine only", expected, remedy)
        elif host.state is not None:
            found = [ipaddress.ip_interface(text) for text in host.addresses]
            if address not in [item.ip for item in found]:
                present = listing(str(item.ip) for item in found if not item.ip.is_loopback)
                yield error(
                    "node-ip",
                    host.name,
                    f"node_ip {address} on none of its interfaces (which have {present})",
                    "an address of the machine itself",
                    "set node_ip to one of these, or correct ansible_host",
                )


def check_labels(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    for host in hosts:
        for key, value in host.labels.items():
            if not is_label_key(key):
                yield error(
                    "labels",
                    f"{host.name} node_labels",
                    f"key {key!r}",
                    "[DNS prefix/]name, the name at most 63 letters, digits, '-', '_' and '.'",
                    "correct the key",
                )
            if not is_label_value(value):
                yield error(
                    "labels",
                    f"{host.name} node_labels",
                    f"{key}: {value!r} ({type_name(value)})",
                    "text of at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit",
                    "correct the value, and quote it if it is true, false or a number",
                )


def check_annotations(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    for host in hosts:
        for key, value in host.annotations.items():
            if not is_label_key(key):
                expected = "[DNS prefix/]name, the name at most 63 letters, digits, '-', '_' and '.'"
                yield error("annotations", f"{host.name} node_annotations", f"key {key!r}", expected, "correct the key")
            if not isinstance(value, (str, int)) or isinstance(value, bool):
                found = f"{key}: {value!r} ({type_name(value)})"
                yield error("annotations", f"{host.name} node_annotations", found, "text", "quote the value")


def split_taint(taint: object) -> tuple[str, object, str] | None:
    """Key, value and effect of a dictionary of these; None for anything else."""
    if isinstance(taint, Mapping) and set(taint) <= {"key", "value", "effect"}:
        return str(taint.get("key", "")), taint.get("value") or "", str(taint.get("effect", ""))
    return None


def check_taints(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    for host in hosts:
        where = f"{host.name} node_taints"
        seen: set[tuple[str, str]] = set()
        for taint in host.taints:
            parts = split_taint(taint)
            if parts is None:
                remedy = "write it like {key: dedicated, value: gpu, effect: NoSchedule}"
                yield error("taints", where, repr(taint), "a dictionary of key, value and effect", remedy)
                continue
            key, value, effect = parts
            if not is_label_key(key):
                yield error("taints", where, f"key {key!r} in {taint!r}", "a label's key", "correct the key")
            if not is_label_value(value):
                yield error("taints", where, f"value {value!r} in {taint!r}", "a label's value", "correct the value")
            if effect not in TAINT_EFFECTS:
                remedy = f"correct the effect{suggestion(effect, TAINT_EFFECTS)}"
                yield error("taints", where, f"effect {effect!r} in {taint!r}", either(TAINT_EFFECTS), remedy)
            if (key, effect) in seen:
                expected = "one taint for each key and effect"
                yield error("taints", where, f"{key}:{effect} twice", expected, "remove one of them")
            seen.add((key, effect))


# --- subnets ---------------------------------------------------------------------------------------------------------


def subnet_variables(cluster: ClusterIntent) -> tuple[tuple[str, str], ...]:
    return (("cluster_pod_subnet", cluster.pod_subnet), ("cluster_service_subnet", cluster.service_subnet))


def check_subnet_syntax(cluster: ClusterIntent, _hosts: Sequence[HostReport]) -> Iterator[Finding]:
    for variable, text in subnet_variables(cluster):
        if not subnets(text):
            yield error("subnet-syntax", variable, repr(text), "a network like 10.244.0.0/16", f"set {variable}")
        for part in subnets(text):
            try:
                if "/" not in part:
                    raise ValueError
                ipaddress.ip_network(part)
            except ValueError:
                yield error("subnet-syntax", variable, repr(part), *subnet_remedy(part))


def subnet_remedy(part: str) -> tuple[str, str]:
    try:
        loose = ipaddress.ip_network(part, strict=False)
    except ValueError:
        return "a network like 10.244.0.0/16 or fd00:10:244::/48", "correct the network"
    if "/" not in part:
        return "a network with its prefix length", f"append the prefix length, like {part}/16"
    return "a network without host bits", f"write {loose}"


def check_subnet_families(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    for variable, text in subnet_variables(cluster):
        versions = [network.version for network in networks(text)]
        if len(versions) > 2 or len(set(versions)) != len(versions):
            yield error(
                "subnet-families",
                variable,
                repr(text),
                "one network, or one of IPv4 and one of IPv6",
                "leave one network of each family",
            )
    service = networks(cluster.service_subnet)
    for host in control_planes(hosts):
        address = parse_address(host.node_ip)
        if address is not None and service and address.version != service[0].version:
            yield error(
                "subnet-families",
                host.name,
                f"node_ip {address} (IPv{address.version}) with cluster_service_subnet {cluster.service_subnet!r}",
                "the first service subnet in the family of the control planes' addresses",
                "put the subnet of that family first, or set node_ip to an address of the other family",
            )


def node_network(host: HostReport) -> Network | None:
    """The network that holds the node's own address.

    Not those of the other interfaces: on a member these are the pod network's own bridges.
    """
    address = parse_address(host.node_ip)
    if address is None:
        return None
    for text in host.addresses:
        item = ipaddress.ip_interface(text)
        if item.ip == address:
            return item.network
    return ipaddress.ip_network(address)


def check_subnet_overlap(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    pods, services = networks(cluster.pod_subnet), networks(cluster.service_subnet)
    for pod, service in itertools.product(pods, services):
        if overlaps(pod, service):
            yield error(
                "subnet-overlap",
                "cluster_pod_subnet",
                f"{pod}, which overlaps cluster_service_subnet {service}",
                "networks that do not overlap",
                "move one of them, e.g. pods to 10.244.0.0/16 and services to 10.96.0.0/12",
            )
    taken: dict[Network, list[str]] = defaultdict(list)
    for host in hosts:
        network = node_network(host)
        if network is not None:
            taken[network].append(host.name)
    vip = parse_address(cluster.vip)
    if vip is not None and not any(vip in network for network in taken):
        taken[ipaddress.ip_network(vip)].append("cluster_vip")
    for variable, text in subnet_variables(cluster):
        for subnet, (network, names) in itertools.product(networks(text), taken.items()):
            if overlaps(subnet, network):
                yield error(
                    "subnet-overlap",
                    variable,
                    f"{subnet}, which overlaps the nodes' network {network} ({listing(names)})",
                    "a network that nothing else uses",
                    f"set {variable} to another private network",
                )


def check_pod_subnet_size(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """kube-controller-manager gives each node a /24 (IPv6: /64); kubeadm refuses a mask more than 16 bits longer."""
    for network in networks(cluster.pod_subnet):
        mask = 24 if network.version == 4 else 64
        room = 2 ** (mask - network.prefixlen) if network.prefixlen <= mask else 0
        if room < len(hosts):
            bits = (len(hosts) - 1).bit_length()
            yield error(
                "pod-subnet-size",
                "cluster_pod_subnet",
                f"{network}, which has room for {room} node{'' if room == 1 else 's'} of a /{mask} each",
                f"room for the inventory's {len(hosts)} hosts",
                f"use a network of /{mask - bits} or larger",
            )
        elif mask - network.prefixlen > 16:
            yield error(
                "pod-subnet-size",
                "cluster_pod_subnet",
                str(network),
                f"a prefix length of at least {mask - 16}, as each node gets a /{mask}",
                f"use a network of /{mask - 16} or smaller",
            )


def check_network_family(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """Role network sets its networks up for one network of IPv4."""
    plugin = shared(cluster, hosts, "network_plugin", "flannel")
    found = networks(cluster.pod_subnet)
    if plugin != "none" and found and [network.version for network in found] != [4]:
        yield error(
            "network-family",
            "cluster_pod_subnet",
            f"{cluster.pod_subnet!r} with network_plugin {plugin}",
            "one network of IPv4, which is what the collection sets up pod networks for",
            "leave one IPv4 network, or set network_plugin to none and bring a network for IPv6 yourself",
        )


def check_network_routes(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """https://github.com/flannel-io/flannel/blob/master/Documentation/backends.md#host-gw"""
    if shared(cluster, hosts, "network_plugin", "flannel") != "flannel":
        return
    if shared(cluster, hosts, "network_flannel_backend", "vxlan") != "host-gw":
        return
    places: dict[Network, list[str]] = defaultdict(list)
    for host in hosts:
        network = node_network(host) if host.state is not None else None
        if network is not None:
            places[network].append(host.name)
    if len(places) > 1:
        yield error(
            "network-routes",
            "network_flannel_backend",
            f"host-gw with nodes in {listing(f'{network} ({listing(names)})' for network, names in places.items())}",
            "all nodes in one network, where each is the others' gateway",
            "use the backend vxlan",
        )


def check_network_manifests(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    manifests = sound(cluster, hosts, "network_calico_manifests")
    if shared(cluster, hosts, "network_plugin", "flannel") != "calico" or manifests is None:
        return
    rule, name = "network-manifests", "network_calico_manifests"
    if not manifests:
        expected = "the url and sha256 of each manifest of Calico's operator"
        remedy = "take them from a release that you have looked at, or take another network_plugin"
        yield error(rule, name, "none with network_plugin calico", expected, remedy)
    for index, item in enumerate(manifests):
        if not re.fullmatch(r"[0-9a-f]{64}", str(item["sha256"])):
            expected = "its SHA-256, 64 digits of 0 to 9 and a to f"
            remedy = f"take that of the file behind {item['url']} that you have looked at (sha256sum)"
            yield error(rule, f"{name}[{index}].sha256", repr(item["sha256"]), expected, remedy)


def check_service_subnet_size(cluster: ClusterIntent, _hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """kubeadm's MaximumBitsForServiceSubnet (20) and MinimumAddressesInServiceSubnet (10)."""
    for network in networks(cluster.service_subnet):
        bits = network.max_prefixlen - network.prefixlen
        shortest, longest = network.max_prefixlen - 20, network.max_prefixlen - 4
        if not 4 <= bits <= 20:
            yield error(
                "service-subnet-size",
                "cluster_service_subnet",
                f"{network}, of 2^{bits} addresses",
                f"a prefix length between /{shortest} and /{longest}",
                f"use a {'smaller' if bits > 20 else 'larger'} network, e.g. {network.network_address}/{shortest}"
                if bits > 20
                else f"use a larger network, of /{longest} at least",
            )


def check_batch(cluster: ClusterIntent, _hosts: Sequence[HostReport]) -> Iterator[Finding]:
    value = cluster.settings.get("batch")
    if value is not None and rollout.parse_batch(value) is None:
        yield error(
            "batch",
            "cluster_batch",
            repr(value),
            "a number of workers from 1, or a percentage from 1% to 100%",
            "write 2 or 20%",
        )


# --- versions --------------------------------------------------------------------------------------------------------


def check_version(cluster: ClusterIntent, _hosts: Sequence[HostReport]) -> Iterator[Finding]:
    minors = list(cluster.supported_minors)
    version = parse_version(cluster.version)
    if version is None:
        yield error(
            "version",
            "cluster_version",
            repr(cluster.version),
            "a full version, major.minor.patch",
            f"write it like '{minors[-1]}.0', in quotes",
        )
    elif f"{version[0]}.{version[1]}" not in minors:
        yield error(
            "version",
            "cluster_version",
            cluster.version,
            f"a release of {either(minors)}",
            "choose a supported release; a cluster of an older one goes up by one minor at a time",
        )


def installed(host: HostReport) -> dict[str, tuple[int, int, int]]:
    kube = (host.state or {}).get("kube") or {}
    parsed = {name: parse_version(kube.get(name)) for name in ("kubelet", "kubeadm")}
    return {name: version for name, version in parsed.items() if version is not None}


def dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def check_downgrade(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    wanted = parse_version(cluster.version)
    for host in hosts:
        newer = {name: version for name, version in installed(host).items() if wanted and version > wanted}
        if not newer or not wanted:
            continue
        newest = dotted(max(newer.values()))
        if host.membership == "member":
            remedy = f"set cluster_version to {newest} or newer: Kubernetes does not support downgrades"
        else:
            remedy = f"set cluster_version to {newest} or newer, or remove the packages from the machine first"
        yield error(
            "version-downgrade",
            host.name,
            listing(f"{name} {dotted(version)}" for name, version in newer.items()),
            f"nothing newer than cluster_version {dotted(wanted)}",
            remedy,
        )


def check_skew(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """https://kubernetes.io/releases/version-skew-policy/: kubelet at most 3 minors older than the API server."""
    wanted = parse_version(cluster.version)
    for host in hosts:
        kubelet = installed(host).get("kubelet")
        if wanted is None or kubelet is None or host.membership != "member" or kubelet >= wanted:
            continue
        behind = wanted[1] - kubelet[1] if wanted[0] == kubelet[0] else 4
        if behind > 3 and not host.control_plane:
            remedy = (
                f"put cluster_version back to what the control planes run, then replace the node: kubelet {kubelet[0]}."
                f"{kubelet[1]} may not talk to an API server of {wanted[0]}.{wanted[1]}"
            )
        elif behind > 1:
            following = f"{kubelet[0]}.{kubelet[1] + 1}"
            remedy = f"set cluster_version back; kubeadm upgrades by one minor at a time, first to {following}"
        else:
            remedy = f"set cluster_version back, or upgrade the cluster first ({KUBEADM_UPGRADE})"
        yield error(
            "version-skew",
            host.name,
            f"kubelet {dotted(kubelet)} on a member of the cluster",
            f"cluster_version {dotted(wanted)}, as site.yml does not upgrade members",
            remedy,
        )


# --- the machines ----------------------------------------------------------------------------------------------------


def check_cpu(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    for host in hosts:
        least = int(cluster.minimum[f"{host.role}_cpus"])
        if host.state is not None and int(host.state.get("cpus") or 0) < least:
            what = "control plane" if host.control_plane else "worker"
            yield error(
                "cpu",
                host.name,
                f"{host.state.get('cpus')} CPU",
                f"at least {least} for a {what}",
                f"give the machine more CPUs, or lower preflight_minimum.{host.role}_cpus",
            )


def check_memory(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    for host in hosts:
        least = int(cluster.minimum[f"{host.role}_memory_mib"])
        if host.state is not None and int(host.state.get("memory_mib") or 0) < least:
            what = "control plane" if host.control_plane else "worker"
            yield error(
                "memory",
                host.name,
                f"{host.state.get('memory_mib')} MiB of memory",
                f"at least {least} MiB for a {what}",
                f"give the machine more memory, or lower preflight_minimum.{host.role}_memory_mib",
            )


def check_disk(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """A member has already put its images on the disk: short space there is a warning."""
    for host in hosts:
        for path, least in cluster.minimum["free_mib"].items():
            filesystem = ((host.state or {}).get("filesystems") or {}).get(path)
            if filesystem is None or (path == "/var/lib/etcd" and not host.control_plane):
                continue
            if path in RUNTIME_FOLDERS.values() and path != RUNTIME_FOLDERS.get(host.runtime):
                continue
            if int(filesystem["free_mib"]) < int(least):
                yield (warning if host.membership == "member" else error)(
                    "disk",
                    host.name,
                    f"{filesystem['free_mib']} MiB free for {path}",
                    f"at least {least} MiB",
                    f"free space there or mount a larger file system at {path}",
                )


def check_ports(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    monitored = shared(cluster, hosts, "monitoring_enabled", False)
    measured = shared(cluster, hosts, "load_balancer_metrics", monitored)
    for host in hosts:
        if host.membership != "bare" or host.state is None:
            continue
        wanted = own_ports(cluster, control_plane=host.control_plane)
        balanced = host.control_plane and bool(cluster.vip) and not cluster.endpoint
        haproxy = {cluster.endpoint_port, *((HAPROXY_METRICS_PORT,) if measured else ())} if balanced else set()
        wanted |= dict.fromkeys(haproxy, "haproxy")
        if monitored:
            wanted[NODE_EXPORTER_PORT] = "node-exporter"
        seen: set[tuple[int, str]] = set()
        for item in host.state.get("listening") or ():
            port, process = int(item["port"]), str(item.get("process") or "")
            if item.get("protocol") != "tcp" or port not in wanted or (port, process) in seen:
                continue
            if port in haproxy and process in ("haproxy", "keepalived"):
                continue
            seen.add((port, process))
            by = f"{process} (pid {item['pid']})" if process and item.get("pid") else process or "an unknown process"
            yield error(
                "port-in-use",
                host.name,
                f"TCP port {port} in use by {by}",
                f"a free port for {wanted[port]}",
                f"stop {process or 'what listens there (ss -ltnp)'} or move it to another port",
            )


def clock_offsets(hosts: Sequence[HostReport]) -> list[tuple[float, float, HostReport]]:
    """(offset, uncertainty) of each host's clock against the controller's.

    The machine read its clock somewhere between the two readings of the controller's: half of that is not known.
    """
    found: list[tuple[float, float, HostReport]] = []
    for host in hosts:
        epoch = ((host.state or {}).get("time") or {}).get("epoch")
        if epoch is not None and host.read_at is not None:
            before, after = host.read_at
            found.append((float(epoch) - (before + after) / 2, (after - before) / 2, host))
    return sorted(found, key=lambda item: item[0])


def check_clock_skew(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    offsets = clock_offsets(hosts)
    if len(offsets) < 2:
        return
    spread = offsets[-1][0] - offsets[-1][1] - offsets[0][0] - offsets[0][1]
    if spread <= cluster.max_clock_skew:
        return
    middle = statistics.median_low([item[0] for item in offsets])
    for offset, uncertainty, host in offsets:
        away = offset - middle
        if abs(away) - uncertainty > cluster.max_clock_skew / 2:
            yield error(
                "clock-skew",
                host.name,
                f"a clock {abs(away):.1f} s {'ahead of' if away > 0 else 'behind'} the other hosts",
                f"clocks within {cluster.max_clock_skew:g} s of each other",
                "set the clock (chronyc makestep, or timedatectl set-ntp true) and keep it synchronised",
            )


def check_clock_synchronised(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    for host in hosts:
        time = (host.state or {}).get("time") or {}
        if time.get("synchronized") is False:
            service = f"though {time['service']} is there" if time.get("service") else "by no service"
            yield warning(
                "clock-unsynchronised",
                host.name,
                f"a clock that is not synchronised ({service})",
                "a clock that a time service keeps",
                "let the machine reach its time servers (chronyc sources, timedatectl status)",
            )


def check_swap(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    if cluster.kubelet_configuration.get("failSwapOn", True) is False:
        return
    for host in hosts:
        swap = (host.state or {}).get("swap") or ()
        if swap and host.variables.get("node_swap") == "keep":
            yield error(
                "swap",
                host.name,
                f"swap ({listing(item['device'] for item in swap)}) that node_swap: keep leaves on",
                "no swap, as kubelet's failSwapOn is true",
                "set node_swap to off, or failSwapOn: false in cluster_kubelet_configuration",
            )
            continue
        if swap and (host.state or {}).get("swap_removable") is False:
            yield error(
                "swap",
                host.name,
                f"swap that cannot be turned off here ({listing(item['device'] for item in swap)})",
                "no swap, as kubelet's failSwapOn is true",
                "turn it off where it is made (swapoff -a on the container's host, the machine's image), "
                "or set failSwapOn: false in cluster_kubelet_configuration",
            )


def os_title(os: Mapping[str, Any]) -> str:
    return str(os.get("name") or f"{os.get('id')} {os.get('version_id')}")


def check_os(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    for host in hosts:
        if host.state is None:
            continue
        os = host.state.get("os") or {}
        name, version = str(os.get("id") or ""), str(os.get("version_id") or "")
        if name not in ("debian", "ubuntu"):
            version = version.split(".", maxsplit=1)[0]
        title = " ".join(filter(None, (os_title(os), version if version not in os_title(os) else "")))
        if version in SUPPORTED_OS.get(name, ()):
            continue
        ended = ENDED_OS.get((name, version))
        if ended:
            found, remedy = f"{title}, which ended on {ended}", f"install {OS_EXPECTED} on the machine"
            yield error("os", host.name, found, "a release that is maintained", remedy)
        elif name in ("debian", "ubuntu") and not older(version, SUPPORTED_OS[name][0]):
            remedy = f"expect surprises, or install {OS_EXPECTED}"
            yield warning("os", host.name, f"{title}, which nobody has tried here", OS_EXPECTED, remedy)
        else:
            yield error("os", host.name, title, OS_EXPECTED, "install one of these on the machine")


def older(version: str, other: str) -> bool:
    """Whether a release is older; one without a number (Debian's testing and unstable) is not."""
    try:
        return [int(part) for part in version.split(".")] < [int(part) for part in other.split(".")]
    except ValueError:
        return False


def check_architecture(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    for host in hosts:
        if host.state is not None and host.state.get("arch") not in SUPPORTED_ARCHITECTURES:
            yield error(
                "architecture",
                host.name,
                f"architecture {host.state.get('arch')}",
                either(SUPPORTED_ARCHITECTURES),
                "use a machine of one of these architectures",
            )


def check_python(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    for host in hosts:
        text = str((host.state or {}).get("python") or "")
        match = re.match(r"(\d+)\.(\d+)", text)
        if match and (int(match[1]), int(match[2])) < MINIMUM_PYTHON:
            yield error(
                "python",
                host.name,
                f"Python {text}",
                f"Python {dotted(MINIMUM_PYTHON)} or newer",
                "install a newer python3 and point ansible_python_interpreter at it, or use a newer operating system",
            )


def check_cgroup(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """KEP-5573: from 1.35 kubelet's failCgroupV1 is true, and kubeadm's SystemVerification refuses cgroup v1."""
    minor = cluster.minor
    if minor is None or minor < (1, 35):
        return
    missing = []
    if cluster.kubelet_configuration.get("failCgroupV1", True) is not False:
        missing.append("failCgroupV1: false in cluster_kubelet_configuration")
    if not {"systemverification", "all"} & {str(item).lower() for item in cluster.ignore_preflight_errors}:
        missing.append("SystemVerification in cluster_ignore_preflight_errors")
    for host in hosts:
        if missing and (host.state or {}).get("cgroup_version") == 1:
            yield error(
                "cgroup-v1",
                host.name,
                f"cgroup v1 with Kubernetes {cluster.version}",
                "cgroup v2, which kubelet needs from 1.35 on",
                "boot with systemd.unified_cgroup_hierarchy=1 or use a newer operating system; "
                f"to stay on v1 for now, put {' and '.join(missing)}",
            )


def check_resolver_loopback(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """https://coredns.io/plugins/loop/: CoreDNS that forwards to a loopback address forwards to itself and stops."""
    if cluster.kubelet_configuration.get("resolvConf"):
        return
    for host in hosts:
        servers = [str(server) for server in (host.state or {}).get("resolver") or ()]
        loops = [text for text in servers if (address := parse_address(text.split("%")[0])) and address.is_loopback]
        if loops:
            yield error(
                "resolver-loopback",
                host.name,
                f"name server {listing(loops)} in what pods inherit as resolv.conf",
                "name servers that a pod can reach, or CoreDNS stops with 'Loop detected'",
                "write the real name servers into /etc/resolv.conf, "
                "or set resolvConf in cluster_kubelet_configuration to a file that holds them",
            )


def check_resolver_none(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    if cluster.kubelet_configuration.get("resolvConf"):
        return
    for host in hosts:
        if host.state is not None and not host.state.get("resolver"):
            yield warning(
                "resolver-none",
                host.name,
                "no name server",
                "at least one, for names outside the cluster",
                "write one into /etc/resolv.conf, unless nothing outside the cluster is to be resolved",
            )


# --- the network between the machines --------------------------------------------------------------------------------


def check_routes(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    names = {host.node_ip: host.name for host in hosts}
    for host in hosts:
        routes = (host.state or {}).get("routes") or {}
        missing = [f"{names[peer]} ({peer})" if peer in names else peer for peer, there in routes.items() if not there]
        if missing:
            yield error(
                "route",
                host.name,
                f"no route to {listing(missing)}",
                "a route to every node",
                "correct the machine's routes or netmask (ip route get ADDRESS), or the node_ip of the other",
            )


def check_default_route(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    for host in hosts:
        if host.state is not None and not host.state.get("default_route"):
            yield warning(
                "default-route",
                host.name,
                "no default route",
                "one, as connections to Service addresses need a route before kube-proxy redirects them",
                "add one (ip route add default via GATEWAY), which need not lead to the Internet",
            )


def check_blocked(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """One finding for each target and reason, however many nodes see it."""
    sources: dict[tuple[str, str], dict[tuple[str, int], list[str]]] = defaultdict(lambda: defaultdict(list))
    for host in hosts:
        for item in host.reachability:
            if not item["open"]:
                reason = str(item.get("error") or "no answer")
                port = (str(item["protocol"]).upper(), int(item["port"]))
                sources[str(item["host"]), reason][port].append(host.name)
    for (target, reason), ports in sources.items():
        alike: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for (protocol, number), names in sorted(ports.items()):
            alike[tuple(names)].append(f"{protocol} {number}")
        for names_of, texts in alike.items():
            cause = (
                "correct the routes between the machines"
                if "route" in reason
                else "open the ports between the nodes in the firewalls on and between the machines (security groups)"
            )
            yield error(
                "ports-blocked",
                target,
                f"{listing(texts, 12)} not to be reached from {listing(names_of)} ({reason})",
                "open ports between the nodes",
                cause,
            )


# --- membership ------------------------------------------------------------------------------------------------------


def check_other_cluster(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    ours = cluster_ca(hosts)
    planes = control_planes(hosts)
    # A control plane that was not read may be the one that the others belong to.
    none_initialised = not initialised(hosts) and all(host.state is not None for host in planes)
    for host in hosts:
        theirs = host.member.get("ca_hash")
        if host.membership not in ("member", "partial"):
            continue
        remedy = (
            f"leave {host.name} out of this inventory; only if it is to be taken from its cluster: drain and delete it "
            f"there, then kubestead.cluster.reset --limit {host.name}"
        )
        if ours and theirs and theirs != ours:
            server = f", at {host.member['server']}" if host.member.get("server") else ""
            yield error(
                "other-cluster",
                host.name,
                f"a machine of another cluster (CA {short_hash(theirs)}{server})",
                f"a bare machine or a member of this cluster (CA {short_hash(ours)})",
                remedy,
            )
        elif not ours and none_initialised and planes and host.membership == "member":
            yield error(
                "other-cluster",
                host.name,
                f"a member of a cluster (CA {short_hash(theirs)}), while no control plane here is initialised",
                "bare machines, or the control planes of that cluster in the inventory",
                f"put the control planes of its cluster into {CONTROL_PLANE_GROUP}, or {remedy}",
            )


def check_new_cluster(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """kubeadm init only where no control plane of the inventory can have a cluster already.

    A control plane that was not read may be the last one of the cluster. The seed of an interrupted init is finished.
    """
    rule, planes = "new-cluster", control_planes(hosts)
    unknown = [name for name in cluster.init_without if name not in {host.name for host in planes}]
    if unknown:
        expected = f"names of {CONTROL_PLANE_GROUP}"
        yield error(rule, "cluster_init_without", listing(unknown), expected, "correct cluster_init_without")
    if initialised(hosts):
        if cluster.init_without:
            found, expected = listing(cluster.init_without), "nothing, as the cluster has been started"
            remedy = "remove it: a later loss of control planes must not start another cluster"
            yield warning(rule, "cluster_init_without", found, expected, remedy)
        return
    leader = next((host for host in planes if host.name == seed(hosts)), None)
    if leader is None or leader.state is None:
        return
    for host in planes:
        if host.state is None and host.name not in cluster.init_without:
            yield error(
                rule,
                host.name,
                "a control plane that was not read, while no other one is initialised",
                f"all control planes read before {leader.name} starts a new cluster",
                "bring it up and run again; only if it never had a cluster, or its cluster is lost for good: name it "
                "in cluster_init_without",
            )
        elif host.membership == "partial" and (host.member.get("partial_of") == "join" or host is not leader):
            yield error(
                rule,
                host.name,
                f"an interrupted {host.member.get('partial_of')}, while no control plane is initialised",
                f"a bare machine before {leader.name} starts a new cluster",
                "bring up the control planes of its cluster; if there are none any more, "
                f"kubestead.cluster.reset --limit {host.name}",
            )


def check_role(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    names = {"control_plane": ("control plane", CONTROL_PLANE_GROUP), "worker": ("worker", NODE_GROUP)}
    for host in hosts:
        role = host.member.get("role")
        if host.membership == "member" and role in names and role != host.role:
            yield error(
                "role-changed",
                host.name,
                f"a {names[role][0]} of the cluster in group {names[host.role][1]}",
                f"group {names[role][1]}, as a machine keeps the role it joined with",
                f"move the host back to {names[role][1]}, or remove it from the cluster (drain, delete, "
                f"kubestead.cluster.reset --limit {host.name}) and let it join anew",
            )


def check_node_name_changed(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    for host in hosts:
        name = host.member.get("node_name")
        if host.membership == "member" and name and name != host.node_name:
            yield error(
                "node-name-changed",
                host.name,
                f"node {name} in the cluster, {host.node_name} in the inventory",
                "one name for the life of a node",
                f"set node_name: {name} for the host, or remove it from the cluster and let it join anew",
            )


def check_runtime_changed(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """Images and containers don't move from one runtime to another, and a kubelet that changes it loses its pods."""
    for host in hosts:
        socket = str(host.member.get("cri_socket") or "")
        used = RUNTIME_SOCKETS.get(socket.rpartition("/")[2], socket)
        if host.membership == "member" and used and used != host.runtime:
            yield error(
                "runtime-changed",
                host.name,
                f"a member whose kubelet runs containers by {used}",
                f"the inventory's cluster_container_runtime, {host.runtime}",
                f"put cluster_container_runtime: {used} back for the host; to move the node: drain it, remove it from "
                f"the cluster (kubestead.cluster.reset --limit {host.name} deletes the node, too) and let it join anew",
            )


def check_endpoint_changed(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """A control plane's kubelet may as well talk to its own API server (as kubeadm sets it up from 1.35 on)."""
    wanted = wanted_endpoint(cluster, hosts)
    for host in hosts:
        server = str(host.member.get("server") or "")
        used = split_endpoint(server)
        if wanted is None or used is None or host.membership != "member" or used == wanted:
            continue
        if host.control_plane and used == (host.node_ip, cluster.api_port):
            continue
        yield error(
            "endpoint-changed",
            host.name,
            f"a member that reaches the API at {join_endpoint(*used)}",
            f"the inventory's endpoint, {join_endpoint(*wanted)}",
            f"put the old one back (cluster_vip, or cluster_endpoint: {join_endpoint(*used)}); to move the node: drain "
            f"and delete it, kubestead.cluster.reset --limit {host.name}, and let it join anew by the new endpoint",
        )


def check_leftovers(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    for host in hosts:
        if host.membership == "partial" and host.member.get("partial_of") == "reset":
            yield error(
                "leftovers",
                host.name,
                "an interrupted reset",
                "a bare machine or a member of the cluster",
                f"finish it with kubestead.cluster.reset --limit {host.name}",
            )
        elif host.membership == "partial" and host.member.get("partial_of") not in ("init", "join"):
            yield error(
                "leftovers",
                host.name,
                f"remains that neither an interrupted init nor join explains "
                f"({listing(host.member.get('leftovers') or ())})",
                "a bare machine or a member of the cluster",
                f"look at them, then remove them with kubestead.cluster.reset --limit {host.name}",
            )


# --- sources ---------------------------------------------------------------------------------------------------------


def takes_docker_packages(host: HostReport) -> bool:
    """Whether the runtime is Docker's package: where the user says so, or the system has none that is fit."""
    system = (host.state or {}).get("os", {})
    if host.runtime == "docker":
        return engine_from_docker(system, str(host.variables.get("docker_source", "auto")))
    return containerd_from_docker(system, str(host.variables.get("containerd_source", "auto")))


def check_bundle_mirror(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """A mirror of a bundle has all packages; images keep the names that they have elsewhere."""
    for host in hosts:
        if host.runtime == "docker":
            found, expected = "cluster_container_runtime docker with cluster_mirror_host", "containerd"
            remedy = "set cluster_container_runtime: containerd, as Docker asks a mirror only for images of docker.io"
            yield error("mirror", host.name, found, expected, remedy)
    if not MIRROR_HOST.fullmatch(cluster.mirror_host):
        found, remedy = repr(cluster.mirror_host), "write it like mirror.example.com or 10.0.0.5:8443"
        expected = "host or host:port, without a scheme; apt needs a name for an IPv6 address"
        yield error("mirror", "cluster_mirror_host", found, expected, remedy)
    if "-----BEGIN CERTIFICATE-----" not in cluster.mirror_ca:
        found = "no certificate" if cluster.mirror_ca else "nothing, and no mirror-ca.crt beside the inventory"
        expected = "the certificate of the authority behind cluster_mirror_host, in PEM format"
        yield error("mirror", "cluster_mirror_ca", found, expected, "run mirror.yml first, or set cluster_mirror_ca")
    if cluster.mirror == "custom" and not cluster.image_repository:
        expected = "the repository of kubeadm's images whose names the bundle's have"
        yield error("mirror", "cluster_image_repository", "nothing with cluster_mirror custom", expected, "set it")


def check_mirror(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """A site's own mirror has no defaults; keys are looked for beside the Kubernetes packages."""
    if cluster.mirror_host:
        yield from check_bundle_mirror(cluster, hosts)
        return
    docker = any(takes_docker_packages(host) for host in hosts)
    for key in ("kubernetes_repository", *(("docker_repository", "docker_key") if docker else ())):
        if cluster.mirror == "custom" and not cluster.mirror_overrides.get(key):
            found, expected = f"no {key} with cluster_mirror custom", f"{key}, as a site's own mirror has no defaults"
            yield error("mirror", "cluster_mirror_overrides", found, expected, f"set {key} in cluster_mirror_overrides")
    if cluster.mirror == "custom" and not cluster.image_repository:
        yield error(
            "mirror",
            "cluster_image_repository",
            "nothing with cluster_mirror custom",
            "the registry that holds kubeadm's images, as a site's own mirror has no defaults",
            "set cluster_image_repository, to registry.k8s.io if that is reached",
        )
    for key in ("kubernetes_repository", "kubernetes_key", "docker_repository", "docker_key"):
        url = cluster.mirror_overrides.get(key)
        if url and not re.fullmatch(r"(https?|file)://\S+", str(url)):
            where, expected = f"cluster_mirror_overrides.{key}", "a URL (https://, http:// or file://)"
            yield error("mirror", where, repr(url), expected, f"correct {key}")


def check_docker_registries(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """The setting is containerd's, and one for both runtimes: what Docker has nothing like would be lost silently."""
    for host in hosts:
        if host.runtime != "docker":
            continue
        for item in docker.read(mapping(host.variables.get("containerd_registries"))).refused:
            found = f"{item.where} has {item.found}"
            yield error("docker-registries", host.name, found, "what Docker can be told of registries", item.remedy)


def check_image_repository(cluster: ClusterIntent, _hosts: Sequence[HostReport]) -> Iterator[Finding]:
    if cluster.image_repository and not IMAGE_REPOSITORY.fullmatch(cluster.image_repository):
        yield error(
            "image-repository",
            "cluster_image_repository",
            repr(cluster.image_repository),
            "registry[:port][/path], with neither scheme nor trailing slash",
            "write it like registry.k8s.io or registry.example.com:5000/k8s",
        )


# --- the platform ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class AddressRange:
    """Addresses from the first to the last one, of one family."""

    first: Address
    last: Address

    def has(self, address: Address) -> bool:
        return address.version == self.first.version and int(self.first) <= int(address) <= int(self.last)

    def overlaps(self, network: Network) -> bool:
        return self.has(network[0]) or (
            network.version == self.first.version and int(network[0]) <= int(self.first) <= int(network[-1])
        )


def parse_range(text: object) -> AddressRange | None:
    """A network, or first-last, as MetalLB's address pools have them."""
    first, dash, last = (part.strip() for part in str(text).partition("-"))
    try:
        if not dash:
            network = ipaddress.ip_network(first, strict=False)
            return AddressRange(network[0], network[-1]) if "/" in first else None
        found = AddressRange(ipaddress.ip_address(first), ipaddress.ip_address(last))
    except ValueError:
        return None
    return found if found.has(found.last) else None


def shared(cluster: ClusterIntent, hosts: Sequence[HostReport], name: str, default: Any) -> Any:
    """A variable that counts for the whole cluster. One of a wrong type is as if it were not given."""
    kind = str((cluster.specs.get(name) or {}).get("type", "raw"))
    values = (host.variables.get(name) for host in hosts)
    value = next((item for item in values if item is not None and type_matches(kind, item)), default)
    if kind == "bool":
        return is_true(value)
    return int(value) if kind == "int" else value


def sound(cluster: ClusterIntent, hosts: Sequence[Holder], name: str) -> Any:
    """A variable that counts for the whole cluster, or its role's default.

    None where rule variable-undefined or variable-type tells of it: nothing can be said of what it holds.
    """
    spec = cluster.specs.get(name) or {"type": "raw"}
    given = (host.variables.get(name) for host in hosts)
    value = next((item for item in given if item is not None), spec.get("default"))
    unknown = any(name in host.undefined for host in hosts) or any(spec_problems(name, spec, value))
    return None if unknown else value


def as_finding(rule: str, where: str, problem: Problem, remedy: str) -> Finding:
    return error(rule, where, problem.found, problem.expected, problem.remedy or remedy)


def used_addresses(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> dict[Address, str]:
    """Addresses that something has, and what that is."""
    candidates: list[tuple[object, str]] = [(cluster.vip, "cluster_vip")]
    for host in hosts:
        candidates += [(host.node_ip, f"node {host.name}")]
        candidates += [(address.partition("/")[0], f"node {host.name}") for address in host.addresses]
        route = (host.state or {}).get("default_route") or {}
        candidates += [(route.get("gateway"), f"the gateway of {host.name}")]
    used: dict[Address, str] = {}
    for text, owner in candidates:
        address = parse_address(text)
        if address:
            used.setdefault(address, owner)
    # Those of a network itself are nobody's, and MetalLB would hand them out.
    own = (ipaddress.ip_network(text, strict=False) for host in hosts for text in host.addresses)
    for network in dict.fromkeys(own):
        if isinstance(network, ipaddress.IPv4Network) and network.prefixlen <= 30:
            used.setdefault(network.network_address, f"the nodes' network {network} itself")
            used.setdefault(network.broadcast_address, f"the nodes' network {network} as its broadcast address")
    return used


def check_nfs_storage(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    if not shared(cluster, hosts, "nfs_storage_enabled", False):
        return
    volumes = [mapping(item) for item in shared(cluster, hosts, "nfs_storage_volumes", ())]
    served_elsewhere = shared(cluster, hosts, "nfs_storage_provisioner", "csi") == "none" and all(
        item.get("server") for item in volumes
    )
    given = str(shared(cluster, hosts, "nfs_storage_server", ""))
    first = next(iter(cluster.nfs_servers), None)
    if not (given or first or served_elsewhere):
        yield error(
            "nfs-storage",
            "nfs_storage_server",
            "no server",
            "an address, or a host in group nfs_server",
            "say whose exports the volumes are on",
        )
    if first and not (given or served_elsewhere or first.address):
        yield error(
            "nfs-storage",
            first.name,
            "no address, as its name is not to be resolved here",
            "the address at which nodes mount its exports",
            f"set node_ip or ansible_host of {first.name}, or nfs_storage_server",
        )
    address = parse_address(first.address) if first and not (given or served_elsewhere) else None
    if first and address and (address.is_loopback or address.is_unspecified or address.is_link_local):
        yield error(
            "nfs-storage",
            first.name,
            f"the address {address}, which means another machine on each node",
            "the address at which nodes mount its exports",
            f"set node_ip or ansible_host of {first.name}, or nfs_storage_server",
        )
    wanted = {str(item["server"]) for item in volumes if item.get("server")}
    wanted |= set() if served_elsewhere else {given or (first.name if first else "")}
    for server in cluster.nfs_servers:
        if not server.enabled and wanted & {server.name, server.address}:
            yield error(
                "nfs-storage",
                f"nfs_server_enabled of {server.name}",
                "false, while nfs_storage_enabled has volumes there",
                "a server as long as there are volumes: mounts without one hang",
                "set nfs_storage_enabled to false with it, give the volumes another server first, or leave it enabled",
            )
    for item in volumes:
        if {".", ".."} & set(str(item.get("path")).split("/")):
            yield error(
                "nfs-storage",
                f"nfs_storage_volumes: {item.get('name')}",
                f"the path {item.get('path')}",
                "one without . and ..",
                "write the path that it means",
            )
    names = [str(item.get("name")) for item in volumes]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield error(
            "nfs-storage",
            "nfs_storage_volumes",
            f"the name {name} {names.count(name)} times",
            "a name of its own for each volume",
            "rename all but one",
        )


def check_nfs_exports(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """Which server it is, is decided on the machine: known in advance where it is a node, or where the user says it."""
    # That a host has no address is rule node-ip's.
    nodes = [host.node_ip or host.name for host in hosts]
    kernels = {host.name: host.state.get("nfsd") for host in hosts if host.state}
    for server in cluster.nfs_servers:
        exports = sound(cluster, [server], "nfs_server_exports")
        if not server.enabled or exports is None:
            continue
        backend = server.variables.get("nfs_server_backend") or "auto"
        ganesha = backend == "ganesha" or (backend == "auto" and kernels.get(server.name) is False)
        for problem in [*nfs.examine(exports, nodes), *(nfs.examine_for_ganesha(exports) if ganesha else ())]:
            where = f"{problem.where} of {server.name}"
            yield as_finding("nfs-exports", where, problem, "correct nfs_server_exports")


def helm_lists(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """What role helm is told of repositories, registries and releases; nothing where it is off or can't be read."""
    lists = {name: sound(cluster, hosts, f"helm_{name}") for name in (*helm.KEYS, "releases")}
    return lists if shared(cluster, hosts, "helm_enabled", False) and None not in lists.values() else {}


def check_helm_releases(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    lists = helm_lists(cluster, hosts)
    for problem in helm.examine(lists, cluster.chart_flaws) if lists else ():
        variable, _blank, item = f"helm_{problem.where}".partition(" ")
        yield as_finding("helm-releases", f"{variable} {item}", problem, f"correct {variable}")


def prometheus_size(text: str) -> Decimal | None:
    """The bytes of a size as Prometheus writes it; None for what is none."""
    if not re.fullmatch(f"0|(?:{PROMETHEUS_SIZE.pattern})+", text):
        return None
    parts = PROMETHEUS_SIZE.findall(text)
    return sum((Decimal(number) * BINARY ** "_KMGTPE".index(unit or "_") for number, unit in parts), Decimal())


def quantity(text: str) -> Decimal | None:
    """The bytes of a quantity of Kubernetes; None for what is none."""
    match = QUANTITY.fullmatch(text)
    if not match:
        return None
    number, binary, decimal, exponent = match.groups()
    if binary:
        return Decimal(number) * BINARY ** "_KMGTPE".index(binary)
    return Decimal(number).scaleb(int(exponent or 3 * ("num_kMGTPE".index(decimal or "_") - 3)))


def check_monitoring_storage(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """A pod that fills more than it may is evicted, and without a volume its data go with it."""
    if not shared(cluster, hosts, "monitoring_enabled", False):
        return
    rule, names = "monitoring-storage", ("monitoring_retention_size", "monitoring_storage_size")
    kept, room = (sound(cluster, hosts, name) for name in names)
    kept_bytes, room_bytes = prometheus_size(str(kept)), quantity(str(room))
    if kept is not None and kept_bytes is None:
        expected = "a size as Prometheus has it, such as 8GB, which are 8 * 1024^3 bytes"
        yield error(rule, names[0], repr(kept), expected, f"correct {names[0]}")
    if room is not None and not room_bytes:
        expected = "a quantity as Kubernetes has it, such as 10Gi"
        yield error(rule, names[1], repr(room), expected, f"correct {names[1]}")
    if kept_bytes and room_bytes and kept_bytes >= room_bytes:
        yield error(
            rule,
            names[0],
            f"{kept} ({kept_bytes:.0f} bytes)",
            f"less than {names[1]}, which is {room} ({room_bytes:.0f} bytes)",
            f"lower {names[0]} or raise {names[1]}: what is written before older data go needs room, too",
        )


def check_users_accounts(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    if not shared(cluster, hosts, "users_enabled", False):
        return
    # Loading what this needs takes longer than all rules together: only for those who have users.
    from ansible_collections.kubestead.cluster.plugins.plugin_utils import users  # noqa: PLC0415

    rule, lifetime = "users-accounts", sound(cluster, hosts, "users_lifetime")
    for problem in users.examine_lifetime("users_lifetime", lifetime) if lifetime is not None else ():
        yield as_finding(rule, problem.where, problem, f"correct {problem.where}")
        lifetime = None
    # One that is wrong is told once, and not for each user.
    common = {"lifetime": lifetime or "1d"}
    for problem in users.examine([common | item for item in sound(cluster, hosts, "users_accounts") or ()])[1]:
        yield as_finding(rule, f"users_accounts, {problem.where}", problem, "correct users_accounts")
    names = sound(cluster, hosts, "users_reissue") or ()
    for problem in users.examine_reissue(names, sound(cluster, hosts, "users_accounts") or ()):
        yield as_finding(rule, problem.where, problem, "correct users_reissue")


def check_metallb_addresses(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    if not shared(cluster, hosts, "metallb_enabled", False):
        return
    rule = "metallb-addresses"
    ranges = shared(cluster, hosts, "metallb_addresses", ())
    if not ranges:
        expected = "at least one network or range of addresses"
        yield error(
            rule, "metallb_addresses", "no addresses", expected, "give Services free addresses of the nodes' network"
        )
    used = used_addresses(cluster, hosts)
    known: list[tuple[str, AddressRange]] = []
    for index, text in enumerate(ranges):
        where = f"metallb_addresses[{index}]"
        found = parse_range(text)
        if not found:
            expected = "a network like 192.0.2.128/28 or a range like 192.0.2.100-192.0.2.120"
            yield error(rule, where, repr(text), expected, "correct it; a single address is a network of /32 or /128")
            continue
        taken = [
            f"addresses of {setting} ({network})"
            for setting, value in (
                ("cluster_pod_subnet", cluster.pod_subnet),
                ("cluster_service_subnet", cluster.service_subnet),
            )
            for network in networks(value)
            if found.overlaps(network)
        ]
        taken += [f"addresses of {other} too" for other, one in known if one.has(found.first) or found.has(one.first)]
        taken += [f"{address}, which {owner} has" for address, owner in used.items() if found.has(address)]
        known.append((str(text), found))
        if taken:
            remedy = "leave out what is in use, or take another range"
            yield error(rule, where, f"{text} with {listing(taken)}", "addresses that nothing else has", remedy)


def check_metallb_network(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """Layer 2: who asks for an address has to be in a network with a node that answers."""
    local = [ipaddress.ip_network(address, strict=False) for host in hosts for address in host.addresses]
    if not local or not shared(cluster, hosts, "metallb_enabled", False):
        return
    for index, text in enumerate(shared(cluster, hosts, "metallb_addresses", ())):
        found = parse_range(text)
        if found and not any(found.overlaps(network) for network in local):
            yield warning(
                "metallb-network",
                f"metallb_addresses[{index}]",
                f"{text}, which is in no network of a node",
                "addresses of a network that the nodes are in",
                "choose addresses of the nodes' network, unless a router sends these to it",
            )


def check_metallb_ipvs(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """https://metallb.io/installation/#preparation"""
    proxy = shared(cluster, hosts, "cluster_kube_proxy_configuration", {})
    strict = proxy.get("ipvs", {}).get("strictARP") if isinstance(proxy.get("ipvs", {}), Mapping) else None
    if proxy.get("mode") == "ipvs" and strict is not True and shared(cluster, hosts, "metallb_enabled", False):
        yield error(
            "metallb-ipvs",
            "cluster_kube_proxy_configuration",
            "mode ipvs without strictARP",
            "strictARP, without which every node answers for the addresses of Services",
            "set ipvs.strictARP to true, or take mode iptables or nftables",
        )


def check_ingress_exposure(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    exposure = shared(cluster, hosts, "ingress_exposure", "node_port")
    if not shared(cluster, hosts, "ingress_enabled", False) or exposure != "load_balancer":
        return
    rule = "ingress-exposure"
    if not shared(cluster, hosts, "metallb_enabled", False):
        yield warning(
            rule,
            "ingress_exposure",
            "load_balancer without metallb_enabled",
            "something that gives Services their addresses",
            "set metallb_enabled and metallb_addresses, unless the cluster has another one",
        )
        return
    wanted = shared(cluster, hosts, "ingress_address", "")
    address = parse_address(wanted)
    ranges = [parse_range(text) for text in shared(cluster, hosts, "metallb_addresses", ())]
    if wanted and not (address and any(item and item.has(address) for item in ranges)):
        expected = "one of metallb_addresses"
        yield error(rule, "ingress_address", repr(wanted), expected, "take one of them, or leave ingress_address empty")


def check_ingress_ports(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    if not shared(cluster, hosts, "ingress_enabled", False):
        return
    rule = "ingress-ports"
    exposure = shared(cluster, hosts, "ingress_exposure", "node_port")
    defaults = {"http": 30080, "https": 30443} if exposure == "node_port" else {"http": 80, "https": 443}
    ports = {
        f"ingress_{name}_port": shared(cluster, hosts, f"ingress_{name}_port", port) for name, port in defaults.items()
    }
    if len(set(ports.values())) == 1:
        found = f"{ports['ingress_http_port']} for both"
        yield error(rule, listing(ports), found, "two ports", "give HTTP and HTTPS a port each")
    # Host ports are redirected before a program of the host sees them, even at the virtual IP.
    own = {cluster.api_port: "cluster_api_port", cluster.endpoint_port: "cluster_endpoint_port" if cluster.vip else ""}
    own |= dict.fromkeys(CONTROL_PLANE_PORTS, "Kubernetes")
    lowest, highest = node_port_range(shared(cluster, hosts, "cluster_configuration", {}))
    for name, port in ports.items():
        if exposure == "node_port" and not lowest <= port <= highest:
            expected = f"a node port ({lowest} to {highest})"
            yield error(
                rule, name, str(port), expected, f"take one of these, or another ingress_exposure than {exposure}"
            )
        elif not 0 < port < 65536:
            yield error(rule, name, str(port), "a port (1 to 65535)", f"correct {name}")
        elif exposure == "host_port" and own.get(port):
            found = f"{port}, which {own[port]} has on control planes"
            yield error(rule, name, found, "a port that is free on every node", f"change {name} or the other port")


def node_port_range(configuration: Mapping[str, Any]) -> tuple[int, int]:
    """The first and the last node port, as kube-apiserver is told or assumes."""
    for name, value in api_server_arguments(configuration):
        if name == "service-node-port-range":
            first, _dash, last = value.partition("-")
            if first.isdigit() and last.isdigit():
                return int(first), int(last)
    return 30000, 32767


def api_server_arguments(configuration: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the names and values of kube-apiserver's extraArgs: a list in kubeadm's v1beta4, a dictionary before."""
    arguments = mapping(configuration.get("apiServer")).get("extraArgs")
    if isinstance(arguments, Mapping):
        yield from ((str(name), str(value)) for name, value in arguments.items())
    elif isinstance(arguments, Sequence) and not isinstance(arguments, str):
        yield from ((str(item.get("name")), str(item.get("value"))) for item in arguments if isinstance(item, Mapping))


def check_anonymous_auth(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """kubeadm's probes and haproxy's checks send no credentials, and a join reads cluster-info without any.

    kube-apiserver reads booleans as Go does (https://pkg.go.dev/strconv#ParseBool).
    """
    for name, value in api_server_arguments(mapping(shared(cluster, hosts, "cluster_configuration", {}))):
        if name == "anonymous-auth" and value not in ("1", "t", "T", "true", "TRUE", "True"):
            yield error(
                "anonymous-auth",
                "cluster_configuration.apiServer.extraArgs",
                f"anonymous-auth: {value}",
                "anonymous requests for /livez and /readyz: kubelet restarts a kube-apiserver whose probes are refused "
                "and haproxy takes it out of service",
                "remove it, and allow anonymous requests for the health paths alone, by the file of "
                "authentication-config (docs/security.md, section Anonymous requests)",
            )


def check_ingress_certificate(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """The messages never show the key."""
    names = ("ingress_default_certificate", "ingress_default_certificate_key")
    certificate, key = (str(shared(cluster, hosts, name, "")) for name in names)
    if not shared(cluster, hosts, "ingress_enabled", False) or not (certificate or key):
        return
    # Loading what this needs takes longer than all rules together: only for those who give a certificate.
    from ansible_collections.kubestead.cluster.plugins.plugin_utils.key_pair import problem  # noqa: PLC0415

    where, found, expected = problem(certificate, key)
    if found:
        remedy = "give both in PEM, such as by lookup('ansible.builtin.file', path)"
        yield error("ingress-certificate", names[where], found, expected, remedy)


RULES: tuple[Rule, ...] = (
    Rule("unreachable", check_unreachable),
    Rule("unread", check_unread, fixed=True),
    Rule("node-unknown", check_node_unknown),
    Rule("node-not-ready", check_node_not_ready),
    Rule("etcd-member", check_etcd_member),
    Rule("etcd-health", check_etcd_health),
    Rule("variable-undefined", check_undefined, fixed=True),
    Rule("variable-type", check_types),
    Rule("variable-unknown", check_unknown),
    Rule("variable-scope", check_scope),
    Rule("ignore", check_ignore, fixed=True),
    Rule("control-plane-none", check_control_plane_none, fixed=True),
    Rule("control-plane-even", check_control_plane_even),
    Rule("endpoint-missing", check_endpoint_missing, fixed=True),
    Rule("endpoint-syntax", check_endpoint_syntax, fixed=True),
    Rule("endpoint-port", check_endpoint_port),
    Rule("anonymous-auth", check_anonymous_auth, fixed=True),
    Rule("vip-syntax", check_vip_syntax, fixed=True),
    Rule("vip-subnet", check_vip_subnet),
    Rule("vip-is-node", check_vip_is_node, fixed=True),
    Rule("vip-answers", check_vip_answers),
    Rule("node-name", check_node_name, fixed=True),
    Rule("duplicate-node-name", check_duplicate_node_name, fixed=True),
    Rule("duplicate-hostname", check_duplicate_hostname),
    Rule("duplicate-machine-id", check_duplicate_machine_id),
    Rule("duplicate-ip", check_duplicate_ip, fixed=True),
    Rule("node-ip", check_node_ip),
    Rule("labels", check_labels),
    Rule("annotations", check_annotations),
    Rule("taints", check_taints),
    Rule("subnet-syntax", check_subnet_syntax, fixed=True),
    Rule("subnet-families", check_subnet_families),
    Rule("subnet-overlap", check_subnet_overlap),
    Rule("pod-subnet-size", check_pod_subnet_size),
    Rule("network-family", check_network_family, fixed=True),
    Rule("network-routes", check_network_routes),
    Rule("network-manifests", check_network_manifests, fixed=True),
    Rule("service-subnet-size", check_service_subnet_size),
    Rule("batch", check_batch),
    Rule("version", check_version),
    Rule("version-downgrade", check_downgrade, fixed=True),
    Rule("version-skew", check_skew),
    Rule("mirror", check_mirror, fixed=True),
    Rule("docker-registries", check_docker_registries, fixed=True),
    Rule("image-repository", check_image_repository),
    Rule("os", check_os),
    Rule("architecture", check_architecture),
    Rule("python", check_python),
    Rule("cgroup-v1", check_cgroup),
    Rule("cpu", check_cpu),
    Rule("memory", check_memory),
    Rule("disk", check_disk),
    Rule("swap", check_swap),
    Rule("port-in-use", check_ports),
    Rule("clock-skew", check_clock_skew),
    Rule("clock-unsynchronised", check_clock_synchronised),
    Rule("resolver-loopback", check_resolver_loopback),
    Rule("resolver-none", check_resolver_none),
    Rule("route", check_routes),
    Rule("default-route", check_default_route),
    Rule("ports-blocked", check_blocked),
    Rule("other-cluster", check_other_cluster, fixed=True),
    Rule("new-cluster", check_new_cluster, fixed=True),
    Rule("role-changed", check_role, fixed=True),
    Rule("node-name-changed", check_node_name_changed, fixed=True),
    Rule("runtime-changed", check_runtime_changed, fixed=True),
    Rule("endpoint-changed", check_endpoint_changed),
    Rule("leftovers", check_leftovers),
    Rule("metallb-addresses", check_metallb_addresses),
    Rule("metallb-network", check_metallb_network),
    Rule("metallb-ipvs", check_metallb_ipvs),
    Rule("ingress-exposure", check_ingress_exposure),
    Rule("ingress-ports", check_ingress_ports),
    Rule("ingress-certificate", check_ingress_certificate),
    Rule("nfs-storage", check_nfs_storage),
    Rule("nfs-exports", check_nfs_exports),
    Rule("helm-releases", check_helm_releases),
    Rule("monitoring-storage", check_monitoring_storage),
    Rule("users-accounts", check_users_accounts),
)


def check(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> list[Finding]:
    """All problems at once: errors first, then in the order of the rules and of the inventory."""
    ignored = {rule.id for rule in RULES if rule.id in cluster.ignore and not rule.fixed}
    found = [finding for rule in RULES if rule.id not in ignored for finding in rule.apply(cluster, hosts)]
    return sorted(found, key=lambda finding: finding.severity != "error")


def merged(findings: Iterable[Finding]) -> list[Finding]:
    """The same problem on many hosts as one finding, for people: machines from one image share their faults."""
    alike: dict[Finding, list[str]] = {}
    for finding in findings:
        alike.setdefault(replace(finding, where=""), []).append(finding.where)
    return [replace(finding, where=listing(places, 12)) for finding, places in alike.items()]
