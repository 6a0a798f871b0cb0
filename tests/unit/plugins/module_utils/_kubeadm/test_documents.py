# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kubeadm's documents: what is in them, and that kubeadm takes them."""

from __future__ import annotations

import copy
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.kubestead.cluster.plugins.module_utils._kubeadm import documents
from tests.lab import artifacts
from tests.lab.versions import DEFAULT_VERSION, RELEASES

TOKEN = "abcdef.0123456789abcdef"
KEY = "0123456789abcdef" * 4
HASH = "sha256:" + "5e" * 32
CRI = "unix:///run/containerd/containerd.sock"


def init(**changes: Any) -> list[dict[str, Any]]:
    arguments: dict[str, Any] = {
        "version": "1.36.3",
        "endpoint": "10.90.0.100:8443",
        "pod_subnet": "10.244.0.0/16",
        "service_subnet": "10.96.0.0/12",
        "image_repository": "registry.k8s.io",
        "cri_socket": CRI,
        "node_name": "cp1",
        "node_ip": "10.90.0.11",
        "token": TOKEN,
        "certificate_key": KEY,
    }
    return documents.init_documents(**{**arguments, **changes})


def join(**changes: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "endpoint": "10.90.0.100:8443",
        "token": TOKEN,
        "ca_cert_hashes": (HASH,),
        "cri_socket": CRI,
        "node_name": "w1",
        "node_ip": "10.90.0.21",
    }
    (document,) = documents.join_documents(**{**arguments, **changes})
    return document


class TestMerge:
    def test_dictionaries_deeply(self) -> None:
        base = {"a": {"b": 1, "c": {"d": 2}}, "e": 3}
        assert documents.merge(base, {"a": {"c": {"f": 4}}, "e": 5}) == {"a": {"b": 1, "c": {"d": 2, "f": 4}}, "e": 5}

    def test_changes_neither(self) -> None:
        base = {"a": {"b": [1]}, "extraArgs": [{"name": "x", "value": "1"}], "certSANs": ["a"]}
        override = {"a": {"c": 2}, "extraArgs": [{"name": "x", "value": "2"}], "certSANs": ["b"]}
        before = copy.deepcopy((base, override))
        documents.merge(base, override)
        assert (base, override) == before

    @pytest.mark.parametrize(
        ("own", "theirs", "expected"),
        [
            ([1, 2], [3], [3]),
            ({"a": 1}, None, None),
            ({"a": 1}, [1], [1]),
            ([1], {"a": 1}, {"a": 1}),
            (1, {"a": 1}, {"a": 1}),
        ],
    )
    def test_all_else_is_replaced(self, own: Any, theirs: Any, expected: Any) -> None:
        assert documents.merge({"key": own}, {"key": theirs}) == {"key": expected}

    @pytest.mark.parametrize("key", ["extraArgs", "kubeletExtraArgs", "extraEnvs"])
    def test_arguments_by_name(self, key: str) -> None:
        own = [{"name": "node-ip", "value": "10.90.0.11"}, {"name": "v", "value": "2"}]
        theirs = [{"name": "v", "value": "4"}, {"name": "v", "value": "5"}, {"name": "x", "value": "y"}]
        assert documents.merge({key: own}, {key: theirs}) == {key: [own[0], *theirs]}

    @pytest.mark.parametrize("theirs", [{"v": "4"}, None])
    def test_arguments_that_are_no_list_are_left_to_kubeadm(self, theirs: Any) -> None:
        assert documents.merge({"extraArgs": [{"name": "v", "value": "2"}]}, {"extraArgs": theirs}) == {
            "extraArgs": theirs
        }

    def test_arguments_without_name_are_left_to_kubeadm(self) -> None:
        own = [{"name": "v", "value": "2"}]
        assert documents.merge({"extraArgs": own}, {"extraArgs": ["x", {"value": "y"}]}) == {
            "extraArgs": [*own, "x", {"value": "y"}]
        }

    def test_names_of_the_api_are_united(self) -> None:
        assert documents.merge({"certSANs": ["a", "b"]}, {"certSANs": ["c", "a"]}) == {"certSANs": ["a", "b", "c"]}

    def test_names_of_the_api_that_are_no_list(self) -> None:
        assert documents.merge({"certSANs": ["a"]}, {"certSANs": None}) == {"certSANs": None}


@pytest.mark.parametrize(
    ("endpoint", "host"),
    [
        ("10.90.0.100:8443", "10.90.0.100"),
        ("api.example.org:6443", "api.example.org"),
        ("api.example.org", "api.example.org"),
        ("[fd00:90::100]:8443", "fd00:90::100"),
        ("fd00:90::100", "fd00:90::100"),
    ],
)
def test_endpoint_host(endpoint: str, host: str) -> None:
    assert documents.endpoint_host(endpoint) == host


class TestRender:
    def test_is_a_yaml_stream(self) -> None:
        some = [{"a": 1, "b": ["---"]}, {"c": None}]
        assert list(yaml.safe_load_all(documents.render(some))) == some

    def test_each_document_is_json(self) -> None:
        text = documents.render([{"a": 1}, {"b": 2}])
        assert text.startswith("---\n")
        assert [json.loads(part) for part in text.split("---\n")[1:]] == [{"a": 1}, {"b": 2}]


class TestInit:
    def test_documents(self) -> None:
        assert [(document["kind"], document["apiVersion"]) for document in init()] == [
            ("InitConfiguration", "kubeadm.k8s.io/v1beta4"),
            ("ClusterConfiguration", "kubeadm.k8s.io/v1beta4"),
            ("KubeletConfiguration", "kubelet.config.k8s.io/v1beta1"),
            ("KubeProxyConfiguration", "kubeproxy.config.k8s.io/v1alpha1"),
        ]

    def test_init_configuration(self) -> None:
        document = init(token_ttl="1h0m0s", api_port=7443, ignore_preflight_errors=("Swap",))[0]
        assert document["bootstrapTokens"][0]["token"] == TOKEN
        assert document["bootstrapTokens"][0]["ttl"] == "1h0m0s"
        assert document["certificateKey"] == KEY
        assert document["localAPIEndpoint"] == {"advertiseAddress": "10.90.0.11", "bindPort": 7443}
        assert document["nodeRegistration"] == {
            "name": "cp1",
            "criSocket": CRI,
            "kubeletExtraArgs": [{"name": "node-ip", "value": "10.90.0.11"}],
            "ignorePreflightErrors": ["Swap"],
        }
        assert "patches" not in document
        assert "timeouts" not in document

    @pytest.mark.parametrize("taints", [[], [{"key": "a", "effect": "NoSchedule"}]])
    def test_taints(self, taints: list[dict[str, str]]) -> None:
        assert init(taints=taints)[0]["nodeRegistration"]["taints"] == taints

    def test_patches_and_timeouts(self) -> None:
        document = init(patches_directory="/etc/kubernetes/patches", timeouts={"kubeletHealthCheck": "5m0s"})[0]
        assert document["patches"] == {"directory": "/etc/kubernetes/patches"}
        assert document["timeouts"] == {"kubeletHealthCheck": "5m0s"}

    @pytest.mark.parametrize("version", ["1.36.3", "v1.36.3"])
    def test_cluster_configuration(self, version: str) -> None:
        document = init(version=version, cluster_name="lab", cert_sans=["10.90.0.100", "api.example.org"])[1]
        assert document == {
            "apiVersion": "kubeadm.k8s.io/v1beta4",
            "kind": "ClusterConfiguration",
            "clusterName": "lab",
            "kubernetesVersion": "v1.36.3",
            "controlPlaneEndpoint": "10.90.0.100:8443",
            "imageRepository": "registry.k8s.io",
            "networking": {"podSubnet": "10.244.0.0/16", "serviceSubnet": "10.96.0.0/12"},
            "apiServer": {"certSANs": ["10.90.0.100", "api.example.org"]},
        }

    def test_overrides_come_last(self) -> None:
        found = init(
            init_overrides={"localAPIEndpoint": {"bindPort": 7443}},
            cluster_overrides={"networking": {"dnsDomain": "lab.local"}, "apiServer": {"certSANs": ["more"]}},
            kubelet_overrides={"cgroupDriver": "cgroupfs", "maxPods": 250},
            kube_proxy_overrides={"mode": "nftables"},
        )
        assert found[0]["localAPIEndpoint"] == {"advertiseAddress": "10.90.0.11", "bindPort": 7443}
        assert found[1]["networking"]["dnsDomain"] == "lab.local"
        assert found[1]["networking"]["podSubnet"] == "10.244.0.0/16"
        assert found[1]["apiServer"]["certSANs"] == ["10.90.0.100", "more"]
        assert found[2]["cgroupDriver"] == "cgroupfs"
        assert found[2]["maxPods"] == 250
        assert found[3]["mode"] == "nftables"

    def test_components_are_private_by_default(self) -> None:
        assert not {"controllerManager", "scheduler", "etcd"} & init()[1].keys()
        assert "metricsBindAddress" not in init()[3]

    def test_metrics(self) -> None:
        _init, cluster, _kubelet, proxy = init(metrics=True)
        everywhere = [{"name": "bind-address", "value": "0.0.0.0"}]  # noqa: S104
        assert [cluster[name] for name in ("controllerManager", "scheduler")] == [{"extraArgs": everywhere}] * 2
        # kubeadm probes the first of them.
        assert cluster["etcd"]["local"]["extraArgs"] == [
            {"name": "listen-metrics-urls", "value": "http://127.0.0.1:2381,http://$(HOST_IP):2381"}
        ]
        assert [env["name"] for env in cluster["etcd"]["local"]["extraEnvs"]] == ["HOST_IP"]
        assert proxy["metricsBindAddress"] == "0.0.0.0:10249"

    def test_metrics_over_ipv6(self) -> None:
        _init, cluster, _kubelet, proxy = init(metrics=True, node_ip="fd00:90::11")
        assert cluster["scheduler"]["extraArgs"][0]["value"] == "::"
        assert cluster["etcd"]["local"]["extraArgs"][0]["value"].endswith(",http://[$(HOST_IP)]:2381")
        assert proxy["metricsBindAddress"] == "[::]:10249"

    def test_metrics_and_the_users_own(self) -> None:
        more = {"extraArgs": [{"name": "x", "value": "1"}], "extraEnvs": [{"name": "Y", "value": "2"}]}
        theirs = {"scheduler": {"extraArgs": [{"name": "bind-address", "value": "10.90.0.11"}]}}
        cluster = init(metrics=True, cluster_overrides={**theirs, "etcd": {"local": more}})[1]
        assert cluster["scheduler"] == theirs["scheduler"]
        assert [item["name"] for item in cluster["etcd"]["local"]["extraArgs"]] == ["listen-metrics-urls", "x"]
        assert [item["name"] for item in cluster["etcd"]["local"]["extraEnvs"]] == ["HOST_IP", "Y"]

    def test_an_etcd_outside_is_left_alone(self) -> None:
        outside = {"etcd": {"external": {"endpoints": ["https://10.90.0.5:2379"]}}}
        assert init(metrics=True, cluster_overrides=outside)[1]["etcd"] == outside["etcd"]


class TestJoin:
    def test_worker(self) -> None:
        assert join() == {
            "apiVersion": "kubeadm.k8s.io/v1beta4",
            "kind": "JoinConfiguration",
            "discovery": {
                "bootstrapToken": {"token": TOKEN, "apiServerEndpoint": "10.90.0.100:8443", "caCertHashes": [HASH]}
            },
            "nodeRegistration": {
                "name": "w1",
                "criSocket": CRI,
                "kubeletExtraArgs": [{"name": "node-ip", "value": "10.90.0.21"}],
                "ignorePreflightErrors": [],
            },
        }

    def test_control_plane(self) -> None:
        document = join(control_plane=True, certificate_key=KEY, api_port=7443, taints=[])
        assert document["controlPlane"] == {
            "localAPIEndpoint": {"advertiseAddress": "10.90.0.21", "bindPort": 7443},
            "certificateKey": KEY,
        }
        assert document["nodeRegistration"]["taints"] == []

    def test_control_plane_with_certificates_in_place(self) -> None:
        assert "certificateKey" not in join(control_plane=True)["controlPlane"]

    def test_overrides_of_a_control_plane(self) -> None:
        overrides = {"controlPlane": {"localAPIEndpoint": {"bindPort": 7443}}, "timeouts": {"discovery": "1m0s"}}
        document = join(control_plane=True, timeouts={"tlsBootstrap": "2m0s"}, join_overrides=overrides)
        assert document["controlPlane"]["localAPIEndpoint"] == {"advertiseAddress": "10.90.0.21", "bindPort": 7443}
        assert document["timeouts"] == {"tlsBootstrap": "2m0s", "discovery": "1m0s"}

    def test_a_worker_stays_a_worker(self) -> None:
        overrides = {"controlPlane": {"certificateKey": KEY}, "patches": {"directory": "/b"}}
        document = join(join_overrides=overrides, patches_directory="/a")
        assert "controlPlane" not in document
        assert "controlPlane" in overrides
        assert document["patches"] == {"directory": "/b"}


EVERYTHING: dict[str, Any] = {
    "patches_directory": "/etc/kubernetes/patches",
    "ignore_preflight_errors": ["Swap", "SystemVerification"],
    "timeouts": {"discovery": "1m0s", "tlsBootstrap": "1m0s", "kubeletHealthCheck": "2m0s"},
}
REAL = {
    "init": init(),
    "init with metrics": init(metrics=True, cluster_overrides={"etcd": {"local": {"dataDir": "/var/lib/etcd"}}}),
    "init with everything": init(
        **EVERYTHING,
        cluster_name="lab",
        taints=[{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}],
        cert_sans=["api.example.org"],
        init_overrides={"nodeRegistration": {"kubeletExtraArgs": [{"name": "v", "value": "4"}]}, "skipPhases": []},
        cluster_overrides={
            "apiServer": {"extraArgs": [{"name": "profiling", "value": "false"}]},
            "etcd": {"local": {"dataDir": "/var/lib/etcd"}},
            "certificateValidityPeriod": "8760h0m0s",
        },
        kubelet_overrides={"failCgroupV1": False, "maxPods": 250},
        kube_proxy_overrides={"mode": "nftables", "conntrack": {"maxPerCore": 0, "min": 0}},
    ),
    "init of one schedulable IPv6 node": init(
        endpoint="[fd00:90::11]:6443",
        node_ip="fd00:90::11",
        pod_subnet="fd00:244::/56",
        service_subnet="fd00:96::/112",
        taints=[],
    ),
    "worker": [join(**EVERYTHING)],
    "control plane": [join(**EVERYTHING, control_plane=True, certificate_key=KEY, taints=[])],
}


@pytest.mark.built
class TestKubeadmItself:
    def validate(self, some: list[dict[str, Any]], folder: Path) -> subprocess.CompletedProcess[str]:
        path = folder / "kubeadm.yaml"
        path.write_text(documents.render(some))
        program = artifacts.path(RELEASES[DEFAULT_VERSION].kubernetes) / "kubeadm"
        return subprocess.run(
            [program, "config", "validate", "--config", path], capture_output=True, text=True, check=False
        )

    @pytest.mark.parametrize("name", REAL)
    def test_takes(self, name: str, tmp_path: Path) -> None:
        answer = self.validate(REAL[name], tmp_path)
        assert (answer.returncode, answer.stdout) == (0, "ok\n"), answer.stderr
        assert "unknown field" not in answer.stderr

    def test_would_tell_of_an_unknown_field(self, tmp_path: Path) -> None:
        answer = self.validate([join(join_overrides={"nodeRegistation": {}})], tmp_path)
        assert answer.returncode == 1
        assert 'unknown field "nodeRegistation"' in answer.stderr
