# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles monitoring and metrics_server: what they render hangs together, and what Prometheus' own tool says of it."""

from __future__ import annotations

import base64
import json
import re
import runpy
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from ansible_collections.kubestead.cluster.plugins.plugin_utils import manifests, templates
from tests.lab import artifacts
from tests.lab.addons import monitoring as lab

ROOT = Path(__file__).parents[2]
ROLES = ROOT / "roles"
ALERTS = sorted((Path(__file__).parent / "alerts").glob("*.yml"))
DASHBOARDS = sorted((ROLES / "monitoring/files/dashboards").glob("*.json"))
SCHEMA = json.loads((ROOT / "tests/unit/fixtures/grafana/dashboard.schema.json").read_text())
DATASOURCES_SCHEMA = json.loads((ROOT / "tests/unit/fixtures/grafana/datasources.schema.json").read_text())
PROVIDERS_SCHEMA = json.loads((ROOT / "tests/unit/fixtures/grafana/providers.schema.json").read_text())

IMAGES = ("prometheus", "node_exporter", "blackbox_exporter", "alertmanager", "kube_state_metrics", "grafana")
VIP = "10.90.0.100"
PASSWORD = "correct horse"
RECEIVER = {"route": {"receiver": "mail"}, "receivers": [{"name": "mail"}]}
HIGHLY_AVAILABLE = {"cluster_vip": VIP, "control_planes": 3, "monitoring_alertmanager_configuration": RECEIVER}
CASES: dict[str, dict[str, Any]] = {
    "one control plane": {},
    "highly available": HIGHLY_AVAILABLE,
    "everything": {
        **HIGHLY_AVAILABLE,
        "cluster_kubelet_configuration": {"serverTLSBootstrap": True},
        "monitoring_storage_class": "fast",
        "monitoring_grafana_host": "grafana.example.org",
        "monitoring_ingress_class": "traefik",
        "monitoring_ingress_tls_secret": "grafana-tls",
        "monitoring_grafana_node_port": 30300,
        "monitoring_extra_scrape_configs": [
            {
                "job_name": "own",
                "basic_auth": {"username": "own", "password": PASSWORD},
                "static_configs": [{"targets": ["10.0.0.1:80"]}],
            }
        ],
        "monitoring_extra_rules": [{"name": "own", "rules": [{"alert": "Own", "expr": "up{job='own'} == 0"}]}],
    },
    "control planes only": {"cluster_vip": VIP, "control_planes": 3, "workers": 0, "load_balancer_metrics": False},
    "short-lived users": {
        "users_enabled": True,
        "users_accounts": [{"name": "jane"}, {"name": "robot", "lifetime": "12h"}],
    },
    "an etcd outside": {
        "monitoring_grafana_enabled": False,
        "cluster_configuration": {"etcd": {"external": {"endpoints": ["https://10.0.0.5:2379"]}}},
    },
}


def signing(duration: str) -> dict[str, Any]:
    arguments = [{"name": "cluster-signing-duration", "value": duration}]
    return {"cluster_configuration": {"controllerManager": {"extraArgs": arguments}}}


def trusted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: trusted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [trusted(item) for item in value]
    return trust_as_template(value) if isinstance(value, str) else value


def variables(role: str, given: Mapping[str, Any]) -> dict[str, Any]:
    count = given.get("control_planes", 1)
    names = [f"cp{number + 1}" for number in range(count)] + [
        f"w{number + 1}" for number in range(given.get("workers", 1))
    ]
    hosts = {name: {"ip": f"10.90.0.1{number}", "node_name": name} for number, name in enumerate(names, start=1)}
    groups = {"kube_control_plane": names[:count], "kube_node": names[count:]}
    found: dict[str, Any] = {}
    for path in (
        ROLES / "cluster/defaults/main.yml",
        *(ROLES / "cluster/vars/main").iterdir(),
        ROLES / role / "defaults/main.yml",
        ROLES / role / "vars/main.yml",
    ):
        found |= trusted(yaml.safe_load(path.read_text())) if path.exists() else {}
    view = {
        "control_planes": names[:count],
        "hosts": hosts,
        "endpoint": f"{given.get('cluster_vip', '10.90.0.11')}:8443",
    }
    return {
        **found,
        "groups": groups,
        "monitoring_enabled": True,
        "__cluster_view": view,
        "role_path": str(ROLES / role),
        **given,
    }


def render(role: str, given: Mapping[str, Any], names: list[str] | None = None) -> list[dict[str, Any]]:
    """The objects that a role hands to the cluster."""
    own = variables(role, given)
    templar = Templar(loader=DataLoader(), variables=own)
    wanted = names or templar.template(trust_as_template(f"{{{{ __{role}_templates }}}}"))
    action = SimpleNamespace(
        _find_needle=lambda folder, name: str(ROLES / role / folder / name),
        _loader=DataLoader(),
        _templar=templar,
    )
    texts = [templates.render(action, name, own) for name in wanted]
    return [item for text in texts for item in yaml.safe_load_all(text) if item]


@cache
def monitoring(case: str) -> list[dict[str, Any]]:
    return render("monitoring", CASES[case])


def find(objects: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    (found,) = [item for item in objects if (item["kind"], item["metadata"]["name"]) == (kind, name)]
    return found


def configuration(case: str) -> dict[str, Any]:
    text = find(monitoring(case), "ConfigMap", "prometheus")["data"]["prometheus.yml"]
    parsed: dict[str, Any] = yaml.safe_load(text)
    return parsed


def further_jobs(case: str) -> str:
    """The file with the inventory's own."""
    (text,) = find(monitoring(case), "Secret", "prometheus-scrape-configs")["data"].values()
    return base64.b64decode(text).decode()


def jobs(case: str) -> dict[str, dict[str, Any]]:
    own = yaml.safe_load(further_jobs(case))["scrape_configs"]
    return {job["job_name"]: job for job in configuration(case)["scrape_configs"] + own}


def rules(case: str) -> dict[str, dict[str, Any]]:
    data = find(monitoring(case), "ConfigMap", "prometheus-rules")["data"]
    groups = [group for text in data.values() for group in yaml.safe_load(text)["groups"]]
    return {rule.get("alert") or rule["record"]: rule for group in groups for rule in group["rules"]}


def pods(objects: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for item in objects:
        if item["kind"] in ("Deployment", "DaemonSet"):
            yield item, item["spec"]["template"]["spec"]


@pytest.mark.parametrize("case", CASES)
class TestObjects:
    def test_all_are_in_a_place_of_ours(self, case: str) -> None:
        for item in monitoring(case):
            namespace = item["metadata"].get("namespace")
            assert namespace in (None, "monitoring") or item["kind"] in ("Role", "RoleBinding"), item
            if namespace is None:
                assert item["kind"] in ("Namespace", "ClusterRole", "ClusterRoleBinding"), item

    def test_volumes_exist(self, case: str) -> None:
        objects = monitoring(case)
        there = {(item["kind"], item["metadata"]["name"]) for item in objects}
        for item, pod in pods(objects):
            volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
            mounts = [mount for container in pod["containers"] for mount in container.get("volumeMounts", [])]
            assert {mount["name"] for mount in mounts} == set(volumes), item["metadata"]["name"]
            for volume in volumes.values():
                if "configMap" in volume and volume["configMap"]["name"] != "kube-root-ca.crt":
                    assert ("ConfigMap", volume["configMap"]["name"]) in there
                if "secret" in volume:
                    assert ("Secret", volume["secret"]["secretName"]) in there
                if "persistentVolumeClaim" in volume:
                    assert ("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]) in there

    def test_services_have_pods(self, case: str) -> None:
        objects = monitoring(case)
        labels = [item["spec"]["template"]["metadata"]["labels"] for item, _pod in pods(objects)]
        for item in objects:
            if item["kind"] == "Service":
                assert item["spec"]["selector"] in labels

    def test_no_more_rights_than_needed(self, case: str) -> None:
        for item, pod in pods(monitoring(case)):
            for container in pod["containers"]:
                context = container["securityContext"]
                assert context["runAsNonRoot"] is True, item
                assert context["readOnlyRootFilesystem"] is True
                assert context["allowPrivilegeEscalation"] is False
                assert context["capabilities"] == {"drop": ["ALL"]}
                assert {"requests", "limits"} <= container["resources"].keys()
            if item["metadata"]["name"] not in ("prometheus", "kube-state-metrics"):
                assert pod["automountServiceAccountToken"] is False

    def test_nobody_may_read_secrets(self, case: str) -> None:
        for item in monitoring(case):
            for rule in item.get("rules", []) if item["kind"] in ("ClusterRole", "Role") else []:
                assert "secrets" not in rule.get("resources", [])
                assert set(rule["verbs"]) <= {"get", "list", "watch"}
                assert "*" not in [*rule.get("resources", []), *rule.get("apiGroups", [])]

    def test_rules_annotate_what_they_find(self, case: str) -> None:
        for name, rule in rules(case).items():
            if "alert" in rule and name != "Own":
                assert rule["annotations"]["summary"], name
                assert rule["labels"]["severity"] in ("warning", "critical"), name

    def test_alerts_look_at_jobs_that_are_scraped(self, case: str) -> None:
        known = jobs(case)
        for name, rule in rules(case).items():
            for job in re.findall(r"""job=["']([^"']+)["']""", rule["expr"]):
                assert job in known, name


class Peer(NamedTuple):
    """Where a connection comes from: a pod with its labels, or an address outside the pod network."""

    namespace: str | None
    labels: Mapping[str, str] = {}


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    assert selector.keys() <= {"matchLabels"}
    return selector.get("matchLabels", {}).items() <= labels.items()


def allowed(policies: list[dict[str, Any]], source: Peer, pod: dict[str, Any], port: dict[str, Any]) -> bool:
    """Whether NetworkPolicies let a connection in (https://kubernetes.io/docs/concepts/services-networking/network-policies/)."""
    labels = pod["spec"]["template"]["metadata"]["labels"]
    isolating = [item["spec"] for item in policies if matches(item["spec"]["podSelector"], labels)]
    assert all(spec["policyTypes"] == ["Ingress"] for spec in isolating)
    if not isolating:
        return True

    def is_from(peer: Mapping[str, Any]) -> bool:
        # Without a namespaceSelector only pods of the policy's own namespace are meant.
        assert peer.keys() == {"podSelector"}
        return source.namespace == "monitoring" and matches(peer["podSelector"], source.labels)

    return any(
        any(
            item["port"] in (port["name"], port["containerPort"]) and item["protocol"] == "TCP"
            for item in rule["ports"]
        )
        and ("from" not in rule or any(map(is_from, rule["from"])))
        for spec in isolating
        for rule in spec.get("ingress", [])
    )


@pytest.mark.parametrize("case", CASES)
def test_who_may_connect_to_what(case: str) -> None:
    """Every pod of the namespace, a pod elsewhere that has the same labels, and a machine, to every port."""
    objects = monitoring(case)
    policies = [item for item in objects if item["kind"] == "NetworkPolicy"]
    inside = {item["metadata"]["name"]: item for item, pod in pods(objects) if not pod.get("hostNetwork")}
    sources = {
        name: Peer("monitoring", item["spec"]["template"]["metadata"]["labels"]) for name, item in inside.items()
    }
    sources |= {f"{name} elsewhere": Peer("default", peer.labels) for name, peer in sources.items()}
    sources |= {"another pod of the namespace": Peer("monitoring"), "a machine": Peer(None)}
    found = {
        (source, f"{name}:{port['name']}")
        for name, item in inside.items()
        for container in item["spec"]["template"]["spec"]["containers"]
        for port in container["ports"]
        for source, peer in sources.items()
        if allowed(policies, peer, item, port)
    }
    wanted = {("prometheus", "kube-state-metrics:metrics"), ("prometheus", "blackbox-exporter:metrics")}
    if "alertmanager" in inside:
        wanted.add(("prometheus", "alertmanager:http"))
    if "grafana" in inside:
        wanted |= {("grafana", "prometheus:http"), *((source, "grafana:http") for source in sources)}
    assert found == wanted


def test_connections_that_the_configuration_needs_are_allowed() -> None:
    """What Prometheus scrapes or tells among the pods of the namespace, and what Grafana asks."""
    case = "highly available"
    names = {item["metadata"]["name"] for item, pod in pods(monitoring(case)) if not pod.get("hostNetwork")}
    text = json.dumps(configuration(case))
    asked = {name for name in names if f"app.kubernetes.io/name={name}" in text or f"{name}.monitoring.svc" in text}
    assert asked == {"alertmanager", "blackbox-exporter", "kube-state-metrics"}
    datasources = find(monitoring(case), "ConfigMap", "grafana-provisioning")["data"]["datasources.yml"]
    assert yaml.safe_load(datasources)["datasources"][0]["url"] == "http://prometheus.monitoring.svc:9090"


def test_the_lab_has_the_images() -> None:
    given = variables("monitoring", {})
    images = {name: given[f"__cluster_{name}_image"].partition("/")[2] for name in IMAGES}
    assert set(images.values()) - {images["grafana"]} == set(lab.PROGRAMS)


class TestConfiguration:
    def test_a_cluster_without_virtual_ip(self) -> None:
        case = "one control plane"
        assert "haproxy" not in jobs(case)
        assert not [name for name in rules(case) if name.startswith("VirtualIP")]
        assert "EtcdSlowPeer" not in rules(case)
        assert "alerting" not in configuration(case)
        assert VIP not in json.dumps(configuration(case))

    def test_the_virtual_ip(self) -> None:
        case = "highly available"
        assert {"VirtualIPHeldByNone", "VirtualIPHeldByTwo", "EtcdSlowPeer"} <= rules(case).keys()
        marks, drops = jobs(case)["node-exporter"]["metric_relabel_configs"]
        assert re.fullmatch(marks["regex"], f"node_network_address_info;{VIP}")
        assert not re.fullmatch(marks["regex"], "node_network_address_info;10.90.00100")
        assert (drops["source_labels"], drops["action"]) == (["__name__", "virtual"], "drop")
        args = find(monitoring(case), "DaemonSet", "node-exporter")["spec"]["template"]["spec"]["containers"][0]["args"]
        assert "--collector.netdev.address-info" in args

    def test_a_component_that_is_down_stays_a_target(self) -> None:
        """The API's own list leaves out a server that is dead, and a pod goes with its manifest; a Node stays."""
        (text,) = [
            item["data"]["prometheus.yml"]
            for item in render("monitoring", {**HIGHLY_AVAILABLE, "cluster_api_port": 7443}, ["prometheus.yml.j2"])
            if (item["kind"], item["metadata"]["name"]) == ("ConfigMap", "prometheus")
        ]
        found = {job["job_name"]: job for job in yaml.safe_load(text)["scrape_configs"]}
        ports = {"kube-apiserver": 7443, "kube-controller-manager": 10257, "kube-scheduler": 10259, "etcd": 2381}
        for name, port in ports.items():
            assert found[name]["kubernetes_sd_configs"] == [{"role": "node"}]
            keep, four, six, instance = found[name]["relabel_configs"]
            assert keep["action"] == "keep"
            assert keep["source_labels"][0].endswith("_node_role_kubernetes_io_control_plane")
            assert (four["replacement"], six["replacement"]) == (f"$1:{port}", f"[$1]:{port}")
            assert instance == {"source_labels": ["__meta_kubernetes_node_name"], "target_label": "instance"}
        assert found["kube-apiserver"]["tls_config"].keys() == {"ca_file"}
        assert "scheme" not in found["etcd"]

    def test_it_may_see_pods_where_it_looks_for_them(self) -> None:
        case = "everything"
        looks = {
            name
            for job in configuration(case)["scrape_configs"]
            for one in job.get("kubernetes_sd_configs", [])
            if one["role"] != "node"
            for name in one["namespaces"]["names"]
        }
        assert looks == {item["metadata"]["namespace"] for item in monitoring(case) if item["kind"] == "Role"}

    @pytest.mark.parametrize("verified", [False, True])
    def test_kubelets_certificates(self, verified: bool) -> None:
        case = "everything" if verified else "highly available"
        for name in ("kubelet", "cadvisor"):
            assert ("ca_file" in jobs(case)[name]["tls_config"]) is verified
        assert ("certificate-kubelet" in jobs(case)) is verified

    def test_an_etcd_outside_is_not_ours_to_watch(self) -> None:
        case = "an etcd outside"
        assert not [name for name in jobs(case) if "etcd" in name]
        assert not [name for name in rules(case) if name.startswith("Etcd") and name != "EtcdBackupTooOld"]

    def test_the_inventorys_own(self) -> None:
        assert "own" in jobs("everything")
        assert "Own" in rules("everything")
        mounts = find(monitoring("everything"), "Deployment", "prometheus")["spec"]["template"]["spec"]["containers"][0]
        folder = {mount["name"]: mount["mountPath"] for mount in mounts["volumeMounts"]}["scrape-configs"]
        assert configuration("everything")["scrape_config_files"] == [f"{folder}/*.yml"]

    def test_passwords_of_the_inventorys_own_are_in_secrets_only(self) -> None:
        texts = {manifests.text_of(item) for item in monitoring("everything")}
        assert not [text for text in texts if PASSWORD in text]
        assert PASSWORD in further_jobs("everything")
        options = yaml.safe_load((ROLES / "monitoring/meta/argument_specs.yml").read_text())["argument_specs"]["main"]
        for name in ("extra_scrape_configs", "alertmanager_configuration"):
            assert options["options"][f"monitoring_{name}"]["no_log"] is True

    @pytest.mark.parametrize(
        ("given", "above", "below"),
        [
            ({}, None, "604800"),
            ({"users_enabled": True, "users_accounts": [{"name": "a"}]}, None, "604800"),
            ({"users_enabled": True, "users_lifetime": "10m", "users_accounts": [{"name": "a"}]}, "1800", "604800"),
            ({"users_enabled": False, "users_accounts": [{"name": "a", "lifetime": "12h"}]}, None, "604800"),
            ({"users_enabled": True, "users_accounts": [{"name": "a", "lifetime": "12h"}]}, "43200", "604800"),
            ({"users_enabled": True, "users_accounts": [{"name": "a", "lifetime": "5d"}]}, "604800", "2592000"),
            ({"users_enabled": True, "users_accounts": [{"name": "a", "lifetime": "21d"}]}, None, "604800"),
            (signing("4h0m0s"), "21600", "604800"),
            (signing("8760h"), None, "604800"),
        ],
    )
    def test_buckets_that_no_certificate_is_in_that_is_renewed_in_time(
        self, given: dict[str, Any], above: str | None, below: str
    ) -> None:
        rules = find(render("monitoring", given, ["prometheus.yml.j2"]), "ConfigMap", "prometheus-rules")["data"]
        (rule,) = yaml.safe_load(rules["client-certificates.yml"])["groups"][0]["rules"]
        found = [json.loads(text) for text in re.findall(r'le=~("[^"]+")', rule["expr"])]
        assert len(found) == (2 if above else 1)
        for pattern, bucket in zip(found, [below, above], strict=False):
            assert bucket
            spelt = [bucket, f"{bucket}.0", *(["2.592e+06"] if bucket == "2592000" else [])]
            assert all(re.fullmatch(pattern, text) for text in spelt)
            assert not re.fullmatch(pattern, f"{bucket}0")

    @pytest.mark.parametrize(
        "given",
        [
            {
                "users_enabled": True,
                "users_accounts": [{"name": "a", "lifetime": "10d"}, {"name": "b", "lifetime": "12h"}],
            },
            signing("1000h"),
        ],
    )
    def test_lifetimes_with_which_nothing_can_be_told(self, given: dict[str, Any]) -> None:
        rules = find(render("monitoring", given, ["prometheus.yml.j2"]), "ConfigMap", "prometheus-rules")["data"]
        assert "client-certificates.yml" not in rules

    def test_an_haproxy_without_figures(self) -> None:
        case = "control planes only"
        assert "haproxy" not in jobs(case)
        assert not {"LoadBalancerDown", "APIServerOutOfBalance"} & rules(case).keys()
        assert {"VirtualIPHeldByNone", "VirtualIPHeldByTwo", "KeepalivedDown"} <= rules(case).keys()
        assert {"LoadBalancerDown", "APIServerOutOfBalance", "KeepalivedDown"} <= rules("highly available").keys()

    def test_what_is_asked_when_no_node_is_ready(self) -> None:
        """Then no Service has an endpoint of its own accord, and the cluster's DNS answers nobody."""
        for name in ("prometheus", "alertmanager"):
            assert find(monitoring("highly available"), "Service", name)["spec"]["publishNotReadyAddresses"] is True
        (found,) = configuration("highly available")["alerting"]["alertmanagers"]
        assert [item["role"] for item in found["kubernetes_sd_configs"]] == ["pod"]

    def test_alertmanagers_rules(self) -> None:
        assert "NotificationsFail" in rules("highly available")
        assert "NotificationsFail" not in rules("one control plane")
        assert "PrometheusConfigurationRefused" in rules("one control plane")

    def test_services_of_the_nodes(self) -> None:
        pod = find(monitoring("one control plane"), "DaemonSet", "node-exporter")["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        (units,) = [arg.partition("=")[2] for arg in container["args"] if "systemd.unit-include" in arg]
        for name in ("keepalived", "haproxy", "kubelet", "containerd", "docker", "cri-docker"):
            assert re.fullmatch(units, f"{name}.service")
        assert not re.fullmatch(units, "ssh.service")
        (address,) = [item["value"] for item in container["env"] if item["name"] == "DBUS_SYSTEM_BUS_ADDRESS"]
        root = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"] if mount["readOnly"]}["root"]
        assert address == f"unix:path={root}/run/dbus/system_bus_socket"
        # Docker's and containerd's profiles keep D-Bus from answering.
        assert container["securityContext"]["appArmorProfile"] == {"type": "Unconfined"}

    def test_removal_has_time_enough(self) -> None:
        (task,) = yaml.safe_load((ROLES / "monitoring/tasks/apply.yml").read_text())
        graces = [pod.get("terminationGracePeriodSeconds", 30) for _item, pod in pods(monitoring("everything"))]
        # Until the last pod has ended, and for its volume and the namespace.
        assert task["kubestead.cluster.manifests"]["timeout"] >= max(graces) + 120

    def test_where_nothing_but_control_planes_is(self) -> None:
        taint = {"key": "node-role.kubernetes.io/control-plane", "operator": "Exists", "effect": "NoSchedule"}
        given: dict[str, Any] = {**CASES["control planes only"], "monitoring_alertmanager_configuration": RECEIVER}
        for objects, expected in (
            (render("monitoring", given), [taint]),
            (monitoring("highly available"), None),
            (render("monitoring", {"monitoring_tolerations": [{"operator": "Exists"}]}), [{"operator": "Exists"}]),
        ):
            for item, pod in pods(objects):
                if item["kind"] == "Deployment":
                    assert pod.get("tolerations") == expected, item["metadata"]["name"]

    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            ({}, None),
            ({"monitoring_storage_class": "fast"}, "fast"),
            ({"nfs_storage_enabled": True}, "nfs"),
            ({"nfs_storage_enabled": True, "nfs_storage_class": "shared"}, "shared"),
            ({"nfs_storage_enabled": True, "nfs_storage_provisioner": "none"}, None),
            ({"nfs_storage_enabled": True, "monitoring_storage_class": ""}, None),
        ],
    )
    def test_storage(self, given: dict[str, Any], expected: str | None) -> None:
        objects = render("monitoring", given, ["prometheus.yml.j2"])
        pod = find(objects, "Deployment", "prometheus")["spec"]["template"]["spec"]
        (volume,) = [volume for volume in pod["volumes"] if volume["name"] == "data"]
        claims = [item["spec"]["storageClassName"] for item in objects if item["kind"] == "PersistentVolumeClaim"]
        if expected:
            assert volume["persistentVolumeClaim"] == {"claimName": "prometheus"}
            assert claims == [expected]
        else:
            assert volume["emptyDir"] == {"sizeLimit": "10Gi"}
            assert not claims


class TestGrafana:
    def test_the_password_is_made_once(self) -> None:
        first, second = (find(render("monitoring", {}), "Secret", "grafana-admin") for _time in range(2))
        assert first["metadata"]["annotations"] == {"kubestead.io/create-only": "true"}
        assert first["data"]["admin-password"] != second["data"]["admin-password"]
        assert len(base64.b64decode(first["data"]["admin-password"])) == 32

    def test_datasources(self) -> None:
        objects = monitoring("highly available")
        data = find(objects, "ConfigMap", "grafana-provisioning")["data"]
        parsed = yaml.safe_load(data["datasources.yml"])
        jsonschema.validate(parsed, DATASOURCES_SCHEMA)
        service = find(objects, "Service", "prometheus")
        port = service["spec"]["ports"][0]["port"]
        assert parsed["datasources"][0]["url"] == f"http://prometheus.monitoring.svc:{port}"

    def test_providers(self) -> None:
        objects = monitoring("highly available")
        parsed = yaml.safe_load(find(objects, "ConfigMap", "grafana-provisioning")["data"]["dashboards.yml"])
        jsonschema.validate(parsed, PROVIDERS_SCHEMA)
        container = find(objects, "Deployment", "grafana")["spec"]["template"]["spec"]["containers"][0]
        mounted = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        assert mounted[parsed["providers"][0]["options"]["path"]] == "dashboards"

    def test_every_dashboard_is_provisioned(self) -> None:
        data = find(monitoring("highly available"), "ConfigMap", "grafana-dashboards")["data"]
        assert sorted(data) == [path.name for path in DASHBOARDS]
        assert {name: json.loads(text) for name, text in data.items()} == {
            path.name: json.loads(path.read_text()) for path in DASHBOARDS
        }
        assert (
            "load-balancer.json" not in find(monitoring("one control plane"), "ConfigMap", "grafana-dashboards")["data"]
        )

    def test_ingress(self) -> None:
        spec = find(monitoring("everything"), "Ingress", "grafana")["spec"]
        assert (spec["ingressClassName"], spec["rules"][0]["host"]) == ("traefik", "grafana.example.org")
        assert spec["tls"] == [{"hosts": ["grafana.example.org"], "secretName": "grafana-tls"}]
        assert not [item for item in monitoring("highly available") if item["kind"] == "Ingress"]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
class TestDashboards:
    def test_is_as_grafana_wants_it(self, path: Path) -> None:
        jsonschema.validate(json.loads(path.read_text()), SCHEMA)

    def test_identifiers(self, path: Path) -> None:
        dashboard = json.loads(path.read_text())
        assert dashboard["uid"] == f"kubestead-{path.stem}"
        ids = [panel["id"] for panel in dashboard["panels"]]
        assert len(ids) == len(set(ids))

    def test_asks_our_data_source(self, path: Path) -> None:
        for panel in json.loads(path.read_text())["panels"]:
            if panel["type"] != "row":
                assert panel["datasource"] == {"type": "prometheus", "uid": "prometheus"}, panel["title"]
                assert panel["targets"], panel["title"]

    def test_panels_lie_beside_each_other(self, path: Path) -> None:
        taken: set[tuple[int, int]] = set()
        for panel in json.loads(path.read_text())["panels"]:
            place = panel["gridPos"]
            assert place["x"] + place["w"] <= 24
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert not cells & taken, panel["title"]
            taken |= cells

    def test_variables_are_declared(self, path: Path) -> None:
        dashboard = json.loads(path.read_text())
        declared = {variable["name"] for variable in dashboard["templating"]["list"]}
        text = json.dumps(dashboard["panels"])
        used = set(re.findall(r"\$(?!__)\{?(\w+)", text))
        assert used == declared


# What promtool test rules proves, by the alerts that the requirement names.
PROVED = {
    "NodeNotReady", "EtcdNoLeader", "EtcdQuorumLost", "EtcdSlowSync", "EtcdSlowCommit", "EtcdSlowPeer",
    "ClientCertificateExpiresSoon",
    "CertificateExpiresSoon", "CertificateExpiresNow", "VirtualIPHeldByNone", "VirtualIPHeldByTwo", "KeepalivedDown",
    "APISlow", "DiskAlmostFull", "DiskFull", "DiskFullSoon", "EtcdBackupTooOld", "APIServerDown",
    "ControllerManagerDown", "SchedulerDown", "PodRestarting", "PodCrashLooping", "KubeStateMetricsDown",
    "NodeExporterDown", "ClockOff", "ClockNotSynchronised",
}  # fmt: skip


def test_alerts_are_proved_to_fire_and_not_to() -> None:
    asked = [
        (set(re.findall(r'alertname="(\w+)"', one["expr"])), bool(one["exp_samples"]))
        for path in ALERTS
        for test in yaml.safe_load(path.read_text())["tests"]
        for one in test["promql_expr_test"]
    ]
    for alert in PROVED:
        assert {fires for names, fires in asked if alert in names} == {True, False}, alert


@pytest.mark.built
class TestPromtool:
    def run(self, *arguments: object) -> None:
        promtool = artifacts.path("prometheus") / "promtool"
        done = subprocess.run([promtool, *map(str, arguments)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    @pytest.mark.parametrize("case", CASES)
    def test_takes_the_configuration(self, case: str, tmp_path: Path) -> None:
        text = find(monitoring(case), "ConfigMap", "prometheus")["data"]["prometheus.yml"]
        for name, content in (("prometheus.yml", text), ("further.yml", further_jobs(case))):
            (tmp_path / name).write_text(content)
            # The files that it names are a pod's.
            self.run("check", "config", "--syntax-only", tmp_path / name)

    @pytest.mark.parametrize("case", CASES)
    def test_takes_the_rules(self, case: str, tmp_path: Path) -> None:
        data = find(monitoring(case), "ConfigMap", "prometheus-rules")["data"]
        for name, text in data.items():
            (tmp_path / name).write_text(text)
        self.run("check", "rules", *[tmp_path / name for name in data])

    @pytest.mark.parametrize("path", ALERTS, ids=lambda path: path.stem)
    def test_alerts(self, path: Path, tmp_path: Path) -> None:
        """They fire when they must and not when they must not."""
        if path.stem == "client-certificates":
            # The role makes one of its rules from the users of the inventory.
            path = Path(shutil.copy(path, tmp_path / "test.yml"))
            data = find(monitoring("short-lived users"), "ConfigMap", "prometheus-rules")["data"]
            for name in ("certificates.yml", "client-certificates.yml"):
                (tmp_path / name).write_text(data[name])
        self.run("test", "rules", path)


class Answers:
    """A Prometheus whose answers are given."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers

    def text(self, path: str) -> str:
        name = path.partition("/proxy/api/v1/")[2].partition("?")[0]
        return json.dumps({"status": "success", "data": self.answers[name]})


class TestLiveCheck:
    """The check of the molecule scenario finds what is wrong."""

    check = runpy.run_path(str(ROOT / "molecule/platform/verify/monitoring.py"))

    @pytest.mark.parametrize(
        ("result", "expected"),
        [
            ({"resultType": "vector", "result": []}, []),
            ({"resultType": "vector", "result": [{"value": [1, "NaN"]}]}, []),
            ({"resultType": "vector", "result": [{"value": [1, "NaN"]}, {"value": [1, "0"]}]}, [0.0]),
            ({"resultType": "matrix", "result": [{"values": [[1, "NaN"], [2, "3"]]}]}, [3.0]),
            ({"resultType": "vector", "result": [{"value": [1, "+Inf"]}]}, []),
            ({"resultType": "scalar", "result": [1, "5"]}, [5.0]),
        ],
    )
    def test_numbers(self, result: dict[str, Any], expected: list[float]) -> None:
        assert self.check["Prometheus"](Answers(query=result)).numbers("x") == expected

    @pytest.mark.parametrize(
        ("expression", "expected"),
        [
            ("a / b < 7", "a / b "),
            ("a < 7 unless on () (b < 7)", "a "),
            ('a{b="<"} * (c > 1)', 'a{b="<"} * (c > 1)'),
        ],
    )
    def test_left_side(self, expression: str, expected: str) -> None:
        assert self.check["left_side"](expression) == expected

    @pytest.mark.parametrize("known", [False, True])
    def test_a_metric_that_is_there_only_while_something_is_wrong(self, known: bool) -> None:
        def node(name: str) -> dict[str, Any]:
            matchers = [{"name": "__name__", "type": "=", "value": name}]
            return {"type": "call", "args": [{"type": "matrixSelector", "name": name, "matchers": matchers}]}

        quiet = "kube_pod_container_status_waiting_reason"
        metadata = {quiet: [{"type": "gauge", "help": "", "unit": ""}]} if known else {}

        def asks(query: str, *names: str) -> tuple[list[tuple[str, str]], list[str]]:
            prometheus = self.check["Prometheus"](
                Answers(
                    rules={"groups": [{"rules": [{"name": "A", "health": "ok", "query": query}]}]},
                    parse_query={"type": "binaryExpr", "op": ">", "lhs": [node(name) for name in names]},
                    query={"resultType": "vector", "result": []},
                    targets={"activeTargets": []},
                    metadata=metadata,
                )
            )
            prometheus.files = lambda _pattern: iter(())
            return self.check["asked"](prometheus), self.check["problems"](prometheus, set())[1:]

        # Alone it can't be asked, whole or in part, but has to exist.
        message = f"rule A: no target tells of {quiet}"
        assert asks(f"{quiet} > 0", quiet) == ([("rule A", quiet)], [] if known else [message])
        # What stands beside it has to find something.
        both = [("rule A", f"({quiet} or up) "), ("rule A", quiet), ("rule A", '{__name__="up"}')]
        wanted, problems = asks(f"({quiet} or up) > 0", quiet, "up")
        assert wanted == both
        assert problems == [
            f"rule A: no number found by ({quiet} or up) ",
            *([] if known else [message]),
            'rule A: no number found by {__name__="up"}',
        ]

    @pytest.mark.parametrize(
        ("jobs", "files"),
        [
            (["etcd"], {"cluster", "nodes", "certificates", "backup", "monitoring", "etcd"}),
            (
                ["etcd", "etcd", "haproxy", "alertmanager"],
                {path.stem for path in (ROLES / "monitoring/files/rules").glob("*.yml")},
            ),
        ],
    )
    def test_rules_that_are_not_loaded(self, jobs: list[str], files: set[str]) -> None:
        texts = [(ROLES / "monitoring/files/rules" / f"{name}.yml").read_text() for name in sorted(files)]
        groups = [group for text in texts for group in yaml.safe_load(text)["groups"]]
        loaded = [
            {
                "name": rule.get("alert") or rule["record"],
                "duration": self.check["essence"](rule)[1],
                "labels": rule.get("labels", {}),
            }
            for group in groups
            for rule in group["rules"]
        ]
        targets = {"activeTargets": [{"labels": {"job": job}} for job in jobs]}

        def lacks(rules: list[dict[str, Any]]) -> list[str]:
            prometheus = self.check["Prometheus"](Answers(targets=targets, rules={"groups": [{"rules": rules}]}))
            found: list[str] = self.check["not_loaded"](prometheus)
            return found

        assert not lacks(loaded)
        assert len(lacks(loaded[1:])) == 1
        assert len(lacks([{**loaded[0], "duration": 1}, *loaded[1:]])) == 1


class TestMetricsServer:
    def arguments(self, **given: Any) -> list[str]:
        objects = render("metrics_server", given, ["metrics-server.yml.j2"])
        found: list[str] = find(objects, "Deployment", "metrics-server")["spec"]["template"]["spec"]["containers"][0][
            "args"
        ]
        return found

    def test_kubelets_that_signed_for_themselves(self) -> None:
        assert "--kubelet-insecure-tls" in self.arguments()
        assert not [item for item in self.arguments() if item.startswith("--kubelet-certificate-authority")]

    def test_kubelets_that_the_cluster_signed_for(self) -> None:
        arguments = self.arguments(cluster_kubelet_configuration={"serverTLSBootstrap": True})
        assert "--kubelet-insecure-tls" not in arguments
        assert [item for item in arguments if item.startswith("--kubelet-certificate-authority=")]
