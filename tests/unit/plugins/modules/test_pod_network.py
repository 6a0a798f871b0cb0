# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pod network a cluster has, and whether it is the wanted one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.module_utils._kube import ApiError
from ansible_collections.kubestead.cluster.plugins.modules import pod_network

WANTED = {"plugin": "flannel", "subnet": "10.244.0.0/16", "mode": "vxlan"}
CALICO = {"plugin": "calico", "subnet": "10.244.0.0/16", "mode": "VXLAN"}


class Api:
    """Has these DaemonSets, flannel's configuration and Calico's Installation."""

    def __init__(self, *names: str, flannel: Any = None, calico: Any = None) -> None:
        self.items = [{"metadata": {"name": name}} for name in ("kube-proxy", *names)]
        self.documents = {pod_network.FLANNEL: flannel, pod_network.CALICO: calico}

    def request(self, method: str, path: str) -> Any:
        assert (method, path) == ("GET", "/apis/apps/v1/daemonsets")
        return {"items": self.items}

    def get(self, path: str) -> Any:
        return self.documents[path]


def flannel(network: str = "10.244.0.0/16", backend: str = "vxlan") -> Any:
    return {"data": {"net-conf.json": json.dumps({"Network": network, "Backend": {"Type": backend}})}}


def installation(cidr: str = "10.244.0.0/16", encapsulation: str = "VXLAN") -> Any:
    return {"spec": {"calicoNetwork": {"ipPools": [{"cidr": cidr, "encapsulation": encapsulation}]}}}


@pytest.mark.parametrize(
    ("api", "wanted", "expected"),
    [
        (Api(), WANTED, []),
        (Api("kube-flannel-ds", flannel=flannel()), WANTED, ["flannel"]),
        # Half applied: the DaemonSet's configuration is still to come.
        (Api("kube-flannel-ds"), WANTED, ["flannel"]),
        (Api(flannel=flannel(backend="host-gw")), WANTED, []),
        (Api("calico-node", calico=installation()), CALICO, ["calico"]),
        # Installed by the manifest without the operator.
        (Api("calico-node"), CALICO, ["calico"]),
    ],
)
def test_the_wanted_network_or_none_yet(api: Any, wanted: dict[str, str], expected: list[str]) -> None:
    assert pod_network.look(api, wanted) == expected


@pytest.mark.parametrize(
    ("api", "wanted", "found"),
    [
        (
            Api("calico-node"),
            WANTED,
            "network_plugin: found calico in the cluster, expected flannel or none; keep it as it is",
        ),
        (Api("cilium", "kube-flannel-ds"), WANTED, "found cilium and flannel in the cluster"),
        (
            Api("kube-flannel-ds", flannel=flannel(backend="host-gw")),
            WANTED,
            "network_flannel_backend: found host-gw in the cluster, expected vxlan",
        ),
        (
            Api("kube-flannel-ds", flannel=flannel("10.0.0.0/8")),
            WANTED,
            "cluster_pod_subnet: found 10.0.0.0/8 in the cluster, expected 10.244.0.0/16",
        ),
        (
            Api("calico-node", calico=installation(encapsulation="IPIP")),
            CALICO,
            "network_calico_encapsulation: found IPIP in the cluster, expected VXLAN",
        ),
        (Api("kube-flannel-ds", flannel=flannel()), CALICO, "found flannel in the cluster, expected calico or none"),
    ],
)
def test_another_network_is_refused(api: Any, wanted: dict[str, str], found: str) -> None:
    with pytest.raises(pod_network.Different, match=found):
        pod_network.look(api, wanted)


def test_the_module_tells_it(run_module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pod_network, "connect", lambda path: Api("kube-flannel-ds", flannel=flannel()))
    told = run_module(pod_network, kubeconfig="/kubeconfig", **WANTED, _ansible_check_mode=True)
    assert (told["changed"], told["networks"]) == (False, ["flannel"])
    told = run_module(pod_network, kubeconfig="/kubeconfig", **{**WANTED, "mode": "host-gw"})
    assert told["failed"]
    assert "expected host-gw" in told["msg"]


def test_an_api_that_refuses_is_no_missing_network(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Api()

    def refuse(method: str, path: str) -> Any:
        raise ApiError(method, path, 403, "Forbidden", "no")

    api.request = refuse  # type: ignore[method-assign]
    with pytest.raises(ApiError, match="403"):
        pod_network.look(api, WANTED)  # type: ignore[arg-type]
