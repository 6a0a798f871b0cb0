# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The configuration that kubeadm gets, as documents of its API v1beta4.

https://kubernetes.io/docs/reference/config-api/kubeadm-config.v1beta4/

What the user says is merged last: everything that kubeadm, kubelet and kube-proxy can be told,
they can tell it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

API_VERSION = "kubeadm.k8s.io/v1beta4"
#: What the description of every token of this collection begins with.
TOKEN_DESCRIPTION = "kubestead: "  # noqa: S105 - not a token
#: The Secret with the certificates for control planes, and its label where this collection has uploaded them. kubeadm
#: replaces the whole Secret, so the label goes when somebody else uploads others.
CERTIFICATES = "kubeadm-certs"
CERTIFICATES_LABEL = {"app.kubernetes.io/managed-by": "kubestead"}
KUBELET_API_VERSION = "kubelet.config.k8s.io/v1beta1"
KUBE_PROXY_API_VERSION = "kubeproxy.config.k8s.io/v1alpha1"

# Lists of {name, ...}: the user's arguments replace ours of the same name and leave the others alone.
_NAMED_LISTS = ("extraArgs", "kubeletExtraArgs", "extraEnvs")
# Where monitoring finds etcd's own figures, on a port that serves nothing else.
ETCD_METRICS_PORT = 2381
# Names that the API is reached by: one more does not make the others wrong.
_UNITED_LISTS = ("certSANs",)


def merge(base: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two documents, ours first, theirs last; neither is changed.

    Dictionaries are merged deeply and all else is replaced, except extraArgs, kubeletExtraArgs and extraEnvs, merged
    by name (with all values of a name that the user gives, as flags may be repeated), and certSANs, which are united.
    """
    merged = dict(base)
    for key, value in override.items():
        own = merged.get(key)
        if isinstance(own, Mapping) and isinstance(value, Mapping):
            merged[key] = merge(own, value)
        elif key in _NAMED_LISTS and isinstance(own, list) and isinstance(value, list):
            # An item without a name is for kubeadm to complain about.
            names = {item.get("name") for item in value if isinstance(item, Mapping)}
            merged[key] = [item for item in own if item["name"] not in names] + value
        elif key in _UNITED_LISTS and isinstance(own, list) and isinstance(value, list):
            merged[key] = own + [item for item in value if item not in own]
        else:
            merged[key] = value
    return merged


def render(documents: Iterable[Mapping[str, Any]]) -> str:
    """Write documents as kubeadm reads them: a YAML stream, of JSON as that is YAML too."""
    return "".join(f"---\n{json.dumps(document, indent=2)}\n" for document in documents)


def endpoint_host(endpoint: str) -> str:
    """The host of HOST, HOST:PORT or [IPV6]:PORT."""
    if endpoint.startswith("["):
        return endpoint[1:].partition("]")[0]
    # A bare IPv6 address has colons, but no port.
    return endpoint if endpoint.count(":") > 1 else endpoint.partition(":")[0]


def init_documents(
    *,
    version: str,
    endpoint: str,
    pod_subnet: str,
    service_subnet: str,
    image_repository: str,
    cri_socket: str,
    node_name: str,
    node_ip: str,
    token: str,
    certificate_key: str,
    cluster_name: str = "kubernetes",
    api_port: int = 6443,
    token_ttl: str = "24h0m0s",  # noqa: S107 - a time, not a token
    taints: Sequence[Mapping[str, Any]] | None = None,
    cert_sans: Iterable[str] = (),
    metrics: bool = False,
    ignore_preflight_errors: Iterable[str] = (),
    patches_directory: str | None = None,
    timeouts: Mapping[str, str] | None = None,
    init_overrides: Mapping[str, Any] | None = None,
    cluster_overrides: Mapping[str, Any] | None = None,
    kubelet_overrides: Mapping[str, Any] | None = None,
    kube_proxy_overrides: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """The four documents of ``kubeadm init``.

    ``taints`` None leaves the control plane's taint to kubeadm, an empty list makes the node schedulable.
    kubeadm itself adds the node's name and address and the endpoint's host to the certificate of the API;
    ``cert_sans`` are more, such as the virtual IP behind a name. ``metrics`` opens what kubeadm binds to 127.0.0.1 to
    a Prometheus in the cluster (see metrics_documents).
    """
    init = {
        "apiVersion": API_VERSION,
        "kind": "InitConfiguration",
        "bootstrapTokens": [
            {"token": token, "ttl": token_ttl, "description": f"{TOKEN_DESCRIPTION}first token of the cluster"}
        ],
        "certificateKey": certificate_key,
        "localAPIEndpoint": {"advertiseAddress": node_ip, "bindPort": api_port},
        "nodeRegistration": _node_registration(node_name, node_ip, cri_socket, taints, ignore_preflight_errors),
        **_optional(patches_directory, timeouts),
    }
    cluster: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "ClusterConfiguration",
        "clusterName": cluster_name,
        "kubernetesVersion": f"v{version.lstrip('v')}",
        "controlPlaneEndpoint": endpoint,
        "imageRepository": image_repository,
        "networking": {"podSubnet": pod_subnet, "serviceSubnet": service_subnet},
        "apiServer": {"certSANs": list(dict.fromkeys([endpoint_host(endpoint), *cert_sans]))},
    }
    kubelet = {
        "apiVersion": KUBELET_API_VERSION,
        "kind": "KubeletConfiguration",
        # The container runtime's is set to the same, see the containerd role.
        "cgroupDriver": "systemd",
    }
    kube_proxy: dict[str, Any] = {"apiVersion": KUBE_PROXY_API_VERSION, "kind": "KubeProxyConfiguration"}
    if metrics:
        own_etcd = "external" not in ((cluster_overrides or {}).get("etcd") or {})
        opened, proxy = metrics_documents(node_ip, own_etcd=own_etcd)
        cluster, kube_proxy = merge(cluster, opened), merge(kube_proxy, proxy)
    return [
        merge(init, init_overrides or {}),
        merge(cluster, cluster_overrides or {}),
        merge(kubelet, kubelet_overrides or {}),
        merge(kube_proxy, kube_proxy_overrides or {}),
    ]


def metrics_documents(node_ip: str, *, own_etcd: bool = True) -> tuple[dict[str, Any], dict[str, Any]]:
    """What ClusterConfiguration and KubeProxyConfiguration add so that Prometheus reaches every component.

    Controller manager and scheduler answer on all addresses: theirs is TLS that asks who wants to know, and one
    document serves all machines. etcd's and kube-proxy's figures are for anyone who asks, so etcd serves them on the
    node's own address only (a static pod is told it by the kubelet); kube-proxy can't be told the node's address.
    The first of etcd's URLs is the one that kubeadm probes.
    https://kubernetes.io/docs/concepts/cluster-administration/system-metrics/
    """
    everywhere, host_ip = ("::", "[$(HOST_IP)]") if ":" in node_ip else ("0.0.0.0", "$(HOST_IP)")  # noqa: S104
    server = {"extraArgs": [{"name": "bind-address", "value": everywhere}]}
    urls = f"http://127.0.0.1:{ETCD_METRICS_PORT},http://{host_ip}:{ETCD_METRICS_PORT}"
    etcd = {
        "extraArgs": [{"name": "listen-metrics-urls", "value": urls}],
        "extraEnvs": [{"name": "HOST_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}}],
    }
    cluster = {"controllerManager": server, "scheduler": server, **({"etcd": {"local": etcd}} if own_etcd else {})}
    return cluster, {"metricsBindAddress": f"[{everywhere}]:10249" if ":" in everywhere else f"{everywhere}:10249"}


def join_documents(
    *,
    endpoint: str,
    token: str,
    ca_cert_hashes: Iterable[str],
    cri_socket: str,
    node_name: str,
    node_ip: str,
    control_plane: bool = False,
    certificate_key: str | None = None,
    api_port: int = 6443,
    taints: Sequence[Mapping[str, Any]] | None = None,
    ignore_preflight_errors: Iterable[str] = (),
    patches_directory: str | None = None,
    timeouts: Mapping[str, str] | None = None,
    join_overrides: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """The document of ``kubeadm join``; one set of overrides serves control planes and workers."""
    join: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "JoinConfiguration",
        "discovery": {
            "bootstrapToken": {
                "token": token,
                "apiServerEndpoint": endpoint,
                "caCertHashes": list(ca_cert_hashes),
            }
        },
        "nodeRegistration": _node_registration(node_name, node_ip, cri_socket, taints, ignore_preflight_errors),
        **_optional(patches_directory, timeouts),
    }
    overrides = dict(join_overrides or {})
    if control_plane:
        join["controlPlane"] = {
            "localAPIEndpoint": {"advertiseAddress": node_ip, "bindPort": api_port},
            # Without a key the certificates have to be there already.
            **({"certificateKey": certificate_key} if certificate_key else {}),
        }
    else:
        # It would make a control plane of the worker.
        overrides.pop("controlPlane", None)
    return [merge(join, overrides)]


def _node_registration(
    name: str,
    address: str,
    cri_socket: str,
    taints: Sequence[Mapping[str, Any]] | None,
    ignore_preflight_errors: Iterable[str],
) -> dict[str, Any]:
    registration: dict[str, Any] = {
        "name": name,
        "criSocket": cri_socket,
        "kubeletExtraArgs": [{"name": "node-ip", "value": address}],
        "ignorePreflightErrors": list(ignore_preflight_errors),
    }
    if taints is not None:
        registration["taints"] = list(taints)
    return registration


def _optional(patches_directory: str | None, timeouts: Mapping[str, str] | None) -> dict[str, Any]:
    optional: dict[str, Any] = {}
    if patches_directory:
        optional["patches"] = {"directory": patches_directory}
    if timeouts:
        optional["timeouts"] = dict(timeouts)
    return optional
