# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every pinned version of the lab, once. The modules' checksums are in components/<folder>/go.sum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

DEFAULT_VERSION = "1.36.3"
DEB_REVISION = "1.1"


@dataclass(frozen=True)
class Copy:
    """A module that is built from a copy without some of its files; ``checksum`` is what go.sum has for a module."""

    module: str
    version: str
    checksum: str
    without: str


@dataclass(frozen=True)
class Component:
    """Programs built from one Go module: ``folder`` holds its go.mod, ``programs`` maps file name to package.

    ``documents`` are files of the module's own folder that are kept beside the programs; ``static`` programs are C in
    part and carry their C libraries with them, because nodes have others than this computer. ``copies`` maps the
    folder that go.mod's ``replace`` names to what is unpacked there; files that ``folder`` has there itself win.
    """

    folder: str
    module: str
    version: str
    programs: Mapping[str, str]
    variables: Mapping[str, str] = field(default_factory=dict)
    cgo: bool = False
    static: bool = False
    tags: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()
    copies: Mapping[str, Copy] = field(default_factory=dict)


@dataclass(frozen=True)
class Release:
    """What one version of Kubernetes is run with; the tags are those that its kubeadm asks for."""

    kubernetes: str
    etcd: str
    etcd_tag: str
    coredns: str
    pause_tag: str


def _kubernetes(version: str, *programs: str) -> Component:
    major, minor, _patch = version.split(".")
    stamp = "k8s.io/component-base/version."
    return Component(
        folder=f"kubernetes-{major}.{minor}",
        module="k8s.io/kubernetes",
        version=f"v{version}",
        programs={program: f"k8s.io/kubernetes/cmd/{program}" for program in programs},
        variables={
            f"{stamp}gitVersion": f"v{version}",
            f"{stamp}gitMajor": major,
            f"{stamp}gitMinor": minor,
            f"{stamp}gitTreeState": "clean",
            f"{stamp}gitCommit": "0" * 40,
            f"{stamp}buildDate": "2026-01-01T00:00:00Z",
            "k8s.io/client-go/pkg/version.gitVersion": f"v{version}",
        },
    )


def _etcd(version: str) -> Component:
    base = "go.etcd.io/etcd"
    return Component(
        folder=f"etcd-{version.rpartition('.')[0]}",
        module=f"{base}/server/v3",
        version=f"v{version}",
        programs={"etcd": f"{base}/server/v3", "etcdctl": f"{base}/etcdctl/v3", "etcdutl": f"{base}/etcdutl/v3"},
        variables={f"{base}/api/v3/version.GitSHA": "0" * 7},
    )


def _coredns(version: str) -> Component:
    return Component(f"coredns-{version}", "github.com/coredns/coredns", version, {"coredns": "."})


_CLIENTS = ("kubeadm", "kubelet", "kubectl")
_SERVERS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")
_CNI = "github.com/containernetworking/plugins"
_CNI_PLUGINS = {
    **{name: f"{_CNI}/plugins/main/{name}" for name in ("bridge", "host-device", "ipvlan", "loopback", "macvlan")},
    **{name: f"{_CNI}/plugins/main/{name}" for name in ("dummy", "ptp", "tap", "vlan")},
    **{name: f"{_CNI}/plugins/ipam/{name}" for name in ("dhcp", "host-local", "static")},
    **{name: f"{_CNI}/plugins/meta/{name}" for name in ("bandwidth", "firewall", "portmap", "sbr", "tuning", "vrf")},
}
_FLANNEL = "github.com/flannel-io/flannel"
_CONTAINERD = "github.com/containerd/containerd/v2"
_RUNC = "github.com/opencontainers/runc"
_TRAEFIK = "github.com/traefik/traefik/v3"
_METALLB = "go.universe.tf/metallb"
_CRI_DOCKERD = "github.com/Mirantis/cri-dockerd"
_METRICS_SERVER = "sigs.k8s.io/metrics-server"
_PROMETHEUS = "github.com/prometheus"
_PROMETHEUS_VERSION = f"{_PROMETHEUS}/common/version.Version"
_KUBE_STATE_METRICS = "k8s.io/kube-state-metrics/v2"

COMPONENTS: dict[str, Component] = {
    "kubernetes-1.36": _kubernetes("1.36.3", *_CLIENTS, *_SERVERS),
    "kubernetes-1.35": _kubernetes("1.35.4", *_CLIENTS, *_SERVERS),
    "kubernetes-1.37": _kubernetes("1.37.2", *_CLIENTS, *_SERVERS),
    # To record what they print.
    "kubeadm-1.34": _kubernetes("1.34.4", "kubeadm"),
    "kubeadm-1.37": _kubernetes("1.37.2", "kubeadm"),
    "etcd-3.6": _etcd("3.6.16"),
    "etcd-3.7": _etcd("3.7.3"),
    "coredns-v1.13.1": _coredns("v1.13.1"),
    "coredns-v1.14.2": _coredns("v1.14.2"),
    "coredns-v1.14.6": _coredns("v1.14.6"),
    "flannel": Component(
        "flannel",
        _FLANNEL,
        "v0.28.10",
        {"flanneld": _FLANNEL, "install-conf": f"{_FLANNEL}/cmd/install_conf"},
        {f"{_FLANNEL}/pkg/version.Version": "v0.28.10"},
        cgo=True,
        # All but its own C as others have it, so that the compiler does not work twice.
        tags=("netgo", "osusergo"),
        documents=("Documentation/kube-flannel.yml",),
    ),
    # The plugin of this name was last part of containernetworking/plugins in 0.9.1.
    "flannel-cni": Component("flannel-cni", _CNI, "v0.9.1", {"flannel": f"{_CNI}/plugins/meta/flannel"}),
    "kubernetes-cni": Component(
        "kubernetes-cni", _CNI, "v1.9.1", _CNI_PLUGINS, {f"{_CNI}/pkg/utils/buildversion.BuildVersion": "v1.9.1"}
    ),
    "cri-tools": Component(
        "cri-tools",
        "sigs.k8s.io/cri-tools",
        "v1.36.0",
        {"crictl": "sigs.k8s.io/cri-tools/cmd/crictl"},
        {"sigs.k8s.io/cri-tools/pkg/version.Version": "1.36.0"},
    ),
    # For nodes whose distribution's own are too old.
    "containerd": Component(
        "containerd",
        _CONTAINERD,
        "v2.3.7",
        {program: f"{_CONTAINERD}/cmd/{program}" for program in ("containerd", "containerd-shim-runc-v2", "ctr")},
        {f"{_CONTAINERD}/version.Version": "2.3.7"},
        documents=("containerd.service",),
    ),
    "runc": Component(
        "runc", _RUNC, "v1.4.3", {"runc": _RUNC}, cgo=True, static=True, tags=("seccomp", "netgo", "osusergo")
    ),
    "traefik": Component(
        "traefik",
        _TRAEFIK,
        "v3.7.13",
        {"traefik": f"{_TRAEFIK}/cmd/traefik"},
        {f"{_TRAEFIK}/pkg/version.Version": "3.7.13"},
        # lego's providers need the SDKs of two hundred DNS services, not all of which every module proxy serves.
        copies={
            "lego": Copy(
                "github.com/go-acme/lego/v5",
                "v5.4.1",
                "h1:Jt6xAP9xQrJ3SLLGgxejfDDd3pzdrmuLCWe4oTqHHQc=",
                without="providers/dns/*/*",
            )
        },
    ),
    "metallb": Component(
        "metallb",
        _METALLB,
        "v0.15.3",
        {"controller": f"{_METALLB}/controller", "speaker": f"{_METALLB}/speaker"},
        {f"{_METALLB}/internal/version.gitCommit": "0" * 7, f"{_METALLB}/internal/version.gitBranch": "v0.15.3"},
    ),
    "cri-dockerd": Component(
        "cri-dockerd",
        _CRI_DOCKERD,
        "v0.4.4",
        {"cri-dockerd": _CRI_DOCKERD},
        {f"{_CRI_DOCKERD}/cmd/version.Version": "0.4.4", f"{_CRI_DOCKERD}/cmd/version.GitCommit": "0" * 7},
        documents=("packaging/systemd/cri-docker.service", "packaging/systemd/cri-docker.socket"),
    ),
    # Its own module is not to be had: components/nfs-subdir-provisioner/main.go stands in for it.
    "nfs-subdir-provisioner": Component(
        "nfs-subdir-provisioner",
        "sigs.k8s.io/sig-storage-lib-external-provisioner/v13",
        "v13.0.0",
        {"nfs-subdir-external-provisioner": "."},
    ),
    "metrics-server": Component(
        "metrics-server",
        _METRICS_SERVER,
        "v0.9.0",
        {"metrics-server": f"{_METRICS_SERVER}/cmd/metrics-server"},
        {"k8s.io/client-go/pkg/version.gitVersion": "v0.9.0"},
    ),
    "helm": Component(
        "helm",
        "helm.sh/helm/v4",
        "v4.3.0",
        {"helm": "helm.sh/helm/v4/cmd/helm"},
        {"helm.sh/helm/v4/internal/version.version": "v4.3.0"},
    ),
    "node-exporter": Component(
        "node-exporter",
        f"{_PROMETHEUS}/node_exporter",
        "v1.12.1",
        {"node_exporter": f"{_PROMETHEUS}/node_exporter"},
        {_PROMETHEUS_VERSION: "1.12.1"},
    ),
    "blackbox-exporter": Component(
        "blackbox-exporter",
        f"{_PROMETHEUS}/blackbox_exporter",
        "v0.28.0",
        {"blackbox_exporter": f"{_PROMETHEUS}/blackbox_exporter"},
        {_PROMETHEUS_VERSION: "0.28.0"},
    ),
    "kube-state-metrics": Component(
        "kube-state-metrics",
        _KUBE_STATE_METRICS,
        "v2.18.0",
        {"kube-state-metrics": _KUBE_STATE_METRICS},
        {_PROMETHEUS_VERSION: "v2.18.0"},
    ),
    # Of service discovery only what a cluster needs: the SDKs of all clouds can't be had everywhere. Its modules are
    # versioned 0.316 for 3.16.
    "prometheus": Component(
        "prometheus",
        f"{_PROMETHEUS}/prometheus",
        "v0.316.0",
        {program: f"{_PROMETHEUS}/prometheus/cmd/{program}" for program in ("prometheus", "promtool")},
        {_PROMETHEUS_VERSION: "3.16.0"},
        tags=("remove_all_sd", "enable_kubernetes_sd"),
    ),
    "alertmanager": Component(
        "alertmanager",
        f"{_PROMETHEUS}/alertmanager",
        "v0.34.2",
        {"alertmanager": f"{_PROMETHEUS}/alertmanager/cmd/alertmanager"},
        {_PROMETHEUS_VERSION: "0.34.2"},
        # It wants to carry its web interface, which its module does not have built: the folder has a page instead.
        copies={
            "module": Copy(
                f"{_PROMETHEUS}/alertmanager", "v0.34.2", "h1:4oOnHs4J41X9n+7MucFjA3I5i5MtasjWTnIY27q5Qkw=", without=""
            )
        },
    ),
}
RELEASES: dict[str, Release] = {
    "1.35.4": Release("kubernetes-1.35", "etcd-3.6", "3.6.6-0", "coredns-v1.13.1", "3.10.1"),
    "1.36.3": Release("kubernetes-1.36", "etcd-3.6", "3.6.8-0", "coredns-v1.14.2", "3.10.2"),
    "1.37.2": Release("kubernetes-1.37", "etcd-3.7", "3.7.0-0", "coredns-v1.14.6", "3.10.2"),
}

FLANNEL_IMAGE = f"flannel-io/flannel:{COMPONENTS['flannel'].version}"
FLANNEL_CNI_IMAGE = "flannel-io/flannel-cni-plugin:v1.9.1-flannel3"
# Named after what is inside; they are the lab's own.
NGINX_IMAGE = "nginx:1.26"
BUSYBOX_IMAGE = "busybox:1.37"

# The systems of nodes, with the repository that has their packages of Kubernetes: Debian 12's own containerd is too
# old, so its repository has one too.
NODE_SYSTEMS = {"debian13": "deb", "debian12": "deb-debian12"}
