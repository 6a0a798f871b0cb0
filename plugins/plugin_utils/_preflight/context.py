# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the rules look at: what the inventory wants of the cluster, and what was read from the hosts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.parsing import is_true, parse_version
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.specs import type_matches
from ansible_collections.kubestead.cluster.plugins.plugin_utils.inventory import CONTROL_PLANE_GROUP
from ansible_collections.kubestead.cluster.plugins.plugin_utils.variable_types import convert

SUPPORTED_MINORS: tuple[str, ...] = ("1.35", "1.36", "1.37")


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
