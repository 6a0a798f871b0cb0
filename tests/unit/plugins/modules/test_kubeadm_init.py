# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting a cluster: what is planned, what kubeadm gets, and what is left by a run that failed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.module_utils._kubeadm import membership
from ansible_collections.kubestead.cluster.plugins.modules import kubeadm_init
from tests.unit.plugins.modules.conftest import held

PKI = Path(__file__).parents[2] / "fixtures" / "pki"
CA_HASH = "sha256:" + (PKI / "1.36.3_ca.openssl.txt").read_text().split()[-1]
KUBEADM_OUTPUT = (PKI.parent / "kubeadm" / "1.36.3_init.txt").read_text()
SLOW_API = (PKI.parent / "kubeadm" / "1.36.3_init_slow_api.stderr.txt").read_text()
ARGUMENTS: dict[str, Any] = {
    "cluster": {
        "version": "1.36.3",
        "endpoint": "10.90.0.100:8443",
        "api_port": 7443,
        "pod_subnet": "10.244.0.0/16",
        "service_subnet": "10.96.0.0/12",
        "image_repository": "registry.k8s.io",
        "cri_socket": "unix:///run/containerd/containerd.sock",
        "ignore_preflight_errors": ["Mem"],
    },
    "node_name": "cp1",
    "node_ip": "10.90.0.11",
}
Run = Callable[..., dict[str, Any]]


def member(**values: Any) -> membership.Member:
    fields: dict[str, Any] = dict.fromkeys(membership.Member.__dataclass_fields__)
    return membership.Member(**{**fields, "leftovers": [], "certificates": {}, **values})


def put(root: Path, path: str, content: str = "x") -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(content)


class Kubeadm:
    """Writes what kubeadm init writes, and keeps what it was told."""

    def __init__(self, root: Path, rc: int = 0) -> None:
        self.root = root
        self.rc = rc
        self.documents: dict[str, Any] = {}
        self.journal: str | None = None
        self.held = False

    def __call__(self, argv: list[str]) -> tuple[int, str, str]:
        text = Path(argv[argv.index("--config") + 1]).read_text()
        documents = [json.loads(part) for part in text.split("---\n")[1:]]
        self.documents = {document["kind"]: document for document in documents}
        self.journal = membership.read_journal(self.root)
        self.held = held(self.root)
        put(self.root, "etc/kubernetes/pki/ca.crt", (PKI / "1.36.3_ca.crt").read_text())
        put(self.root, "etc/kubernetes/admin.conf", "the kubeconfig")
        put(self.root, "etc/kubernetes/manifests/kube-apiserver.yaml")
        if self.rc:
            return self.rc, "", SLOW_API
        put(self.root, "etc/kubernetes/kubelet.conf", (PKI / "1.36.3_kubelet.conf").read_text())
        put(self.root, "var/lib/kubelet/config.yaml")
        return 0, KUBEADM_OUTPUT, ""


@pytest.fixture
def kubeadm(machine: Path, programs: Any, monkeypatch: pytest.MonkeyPatch) -> Kubeadm:
    # The paths that are not membership.py's: the CA and the administrator's kubeconfig.
    def place(path: str) -> Path:
        return machine / path.removeprefix(str(machine)).lstrip("/")

    monkeypatch.setattr(kubeadm_init, "Path", place)
    program = Kubeadm(machine)
    programs.answers.update({"kubeadm init": program, "kubectl": (0, "", "")})
    return program


class TestPlan:
    @pytest.mark.parametrize(
        ("found", "expected"),
        [
            (member(state="bare"), kubeadm_init.Plan(run=True)),
            (member(state="partial", partial_of="init"), kubeadm_init.Plan(run=True, finish=True)),
            (member(state="member", role="control_plane"), kubeadm_init.Plan(run=False)),
        ],
    )
    def test_plan(self, found: membership.Member, expected: kubeadm_init.Plan) -> None:
        assert kubeadm_init.plan(found) == expected

    def test_a_worker_is_refused(self) -> None:
        worker = member(state="member", role="worker", server="https://10.90.0.100:8443")
        expected = "^found a worker of the cluster at https://10.90.0.100:8443, expected a bare machine; reset it"
        with pytest.raises(membership.Refused, match=expected):
            kubeadm_init.plan(worker)

    @pytest.mark.parametrize("origin", ["join", "unknown"])
    def test_traces_of_others_are_refused(self, origin: str) -> None:
        found = member(state="partial", partial_of=origin, leftovers=["/a", "/b"])
        with pytest.raises(membership.Refused, match=r"\(/a, /b\), expected a bare machine; reset it first$"):
            kubeadm_init.plan(found)


def test_check_mode_shows_what_it_would_get(machine: Path, kubeadm: Kubeadm, programs: Any, run_module: Run) -> None:
    result = run_module(kubeadm_init, _ansible_check_mode=True, _ansible_diff=True, **ARGUMENTS)
    assert result["changed"] is True
    assert (result["kubeconfig"], "join" in result) == ("", False)
    assert result["diff"]["before"] == ""
    assert '"kubernetesVersion": "v1.36.3"' in result["diff"]["after"]
    assert '"token": "<token>"' in result["diff"]["after"]
    assert programs.calls == []
    assert list(machine.iterdir()) == []


def test_patches(tmp_path: Path, kubeadm: Kubeadm, run_module: Run) -> None:
    run_module(kubeadm_init, **ARGUMENTS, patches_directory=str(tmp_path))
    assert kubeadm.documents["InitConfiguration"]["patches"] == {"directory": str(tmp_path)}
    assert "patches" not in kubeadm.documents["ClusterConfiguration"]


def test_the_users_patches_win(tmp_path: Path, kubeadm: Kubeadm, run_module: Run) -> None:
    overrides = {"init": {"patches": {"directory": str(tmp_path)}}}
    run_module(kubeadm_init, **ARGUMENTS, patches_directory="/etc/kubernetes/patches", overrides=overrides)
    assert kubeadm.documents["InitConfiguration"]["patches"] == {"directory": str(tmp_path)}


def test_a_directory_of_patches_that_is_missing(
    machine: Path, kubeadm: Kubeadm, programs: Any, run_module: Run
) -> None:
    result = run_module(kubeadm_init, **ARGUMENTS, patches_directory=str(machine / "none"))
    assert result["msg"].startswith(
        f"InitConfiguration, patches.directory: found no directory {machine / 'none'}; expected kubeadm's patches in it"
    )
    assert programs.calls == []
    # Nothing was begun: the machine is bare.
    assert membership.read_journal(machine) is None


def test_a_cluster_is_started(machine: Path, kubeadm: Kubeadm, programs: Any, run_module: Run) -> None:
    result = run_module(kubeadm_init, **ARGUMENTS)
    assert result["changed"] is True
    config = machine / "run/kubestead/init.yaml"
    init_call, label = programs.calls
    assert init_call == f"kubeadm init --config {config} --upload-certs"
    assert label.endswith("label --overwrite secret kubeadm-certs app.kubernetes.io/managed-by=kubestead")
    # Another run would have waited.
    assert kubeadm.held
    assert not held(machine)
    assert not config.exists()
    init, cluster = kubeadm.documents["InitConfiguration"], kubeadm.documents["ClusterConfiguration"]
    token = init["bootstrapTokens"][0]
    assert token["ttl"] == "1h0m0s"
    assert result["join"] == {
        "endpoint": "10.90.0.100:8443",
        "token": token["token"],
        "certificate_key": init["certificateKey"],
        "ca_cert_hashes": [CA_HASH],
    }
    assert result["kubeconfig"] == "the kubeconfig"
    assert init["localAPIEndpoint"] == {"advertiseAddress": "10.90.0.11", "bindPort": 7443}
    assert init["nodeRegistration"]["name"] == "cp1"
    assert init["nodeRegistration"]["ignorePreflightErrors"] == ["Mem"]
    # The taint is kubeadm's own default.
    assert "taints" not in init["nodeRegistration"]
    assert cluster["clusterName"] == "kubernetes"
    assert cluster["networking"] == {"podSubnet": "10.244.0.0/16", "serviceSubnet": "10.96.0.0/12"}
    # The journal was there while kubeadm ran, and is gone.
    assert kubeadm.journal == "init"
    assert membership.read_journal(machine) is None
    # The secrets are in what is returned, not in what is shown.
    assert token["token"] not in result["diff"]["after"]
    assert init["certificateKey"] not in result["diff"]["after"]


def test_what_the_user_says_is_merged_last(kubeadm: Kubeadm, run_module: Run) -> None:
    overrides = {
        "init": {"skipPhases": ["addon/kube-proxy"]},
        "cluster": {"apiServer": {"extraArgs": [{"name": "v", "value": "4"}]}},
        "kubelet": {"maxPods": 250},
        "kube_proxy": {"mode": "nftables"},
    }
    run_module(kubeadm_init, **ARGUMENTS, schedulable=True, token_ttl="10m0s", overrides=overrides)
    found = kubeadm.documents
    assert found["InitConfiguration"]["skipPhases"] == ["addon/kube-proxy"]
    assert found["InitConfiguration"]["nodeRegistration"]["taints"] == []
    assert found["InitConfiguration"]["bootstrapTokens"][0]["ttl"] == "10m0s"
    assert found["ClusterConfiguration"]["apiServer"]["extraArgs"] == [{"name": "v", "value": "4"}]
    assert found["KubeletConfiguration"]["maxPods"] == 250
    assert found["KubeProxyConfiguration"]["mode"] == "nftables"


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_control_plane_is_left_as_it_is(kubeadm: Kubeadm, programs: Any, run_module: Run, check_mode: bool) -> None:
    run_module(kubeadm_init, **ARGUMENTS)
    programs.calls.clear()
    result = run_module(kubeadm_init, _ansible_check_mode=check_mode, **ARGUMENTS)
    assert (result["changed"], result["kubeconfig"]) == (False, "the kubeconfig")
    assert {"join", "diff"} & result.keys() == set()
    assert programs.calls == []


def test_an_interrupted_init_is_finished(machine: Path, kubeadm: Kubeadm, programs: Any, run_module: Run) -> None:
    kubeadm.rc = 1
    failed = run_module(kubeadm_init, **ARGUMENTS)
    assert failed["failed"] is True
    assert re.match("'kubeadm init --config .* --upload-certs' failed with exit status 1: ", failed["msg"])
    assert "timed out" in failed["msg"] or "timeout" in failed["msg"] or "context deadline" in failed["msg"]
    assert "join" not in failed
    assert not list((machine / "run/kubestead").glob("*.yaml"))
    assert membership.read_journal(machine) == "init"

    # A power cut left an empty file, at which kubeadm would stop.
    put(machine, "etc/kubernetes/scheduler.conf", "")
    planned = run_module(kubeadm_init, _ansible_check_mode=True, **ARGUMENTS)
    assert planned["changed"] is True
    assert (machine / "etc/kubernetes/scheduler.conf").exists()
    kubeadm.rc = 0
    done = run_module(kubeadm_init, **ARGUMENTS)
    assert done["changed"] is True
    assert not (machine / "etc/kubernetes/scheduler.conf").exists()
    ignored = kubeadm.documents["InitConfiguration"]["nodeRegistration"]["ignorePreflightErrors"]
    # What an init that was killed at its last step has left: four static pods, etcd's data, and who listens by then
    # (https://kubernetes.io/docs/reference/networking/ports-and-protocols/). What would say that it is another machine
    # is not ignored.
    pods = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
    assert sorted(ignored) == sorted(
        [
            "Mem",
            "DirAvailable--var-lib-etcd",
            *(f"FileAvailable--etc-kubernetes-manifests-{pod}.yaml" for pod in pods),
            *(f"Port-{port}" for port in (7443, 2379, 2380, 10250, 10257, 10259)),
        ]
    )
    assert membership.read_journal(machine) is None


def test_certificates_that_the_user_does_not_upload_are_not_labelled(
    kubeadm: Kubeadm, programs: Any, run_module: Run
) -> None:
    overrides = {"init": {"skipPhases": ["upload-certs"]}}
    assert run_module(kubeadm_init, **ARGUMENTS, overrides=overrides)["changed"] is True
    assert [call.split()[0] for call in programs.calls] == ["kubeadm"]


def test_another_run_finished_it_while_this_one_waited(
    kubeadm: Kubeadm, programs: Any, run_module: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [member(state="partial", partial_of="init"), member(state="member", role="control_plane")]
    monkeypatch.setattr(membership, "read_member", lambda **_options: answers.pop(0))
    result = run_module(kubeadm_init, **ARGUMENTS)
    assert (result["changed"], "join" in result) == (False, False)
    assert programs.calls == []


def test_refusal_is_a_failure(machine: Path, kubeadm: Kubeadm, programs: Any, run_module: Run) -> None:
    put(machine, "etc/kubernetes/manifests/etcd.yaml")
    result = run_module(kubeadm_init, **ARGUMENTS)
    assert result["msg"] == (
        "found traces of an unknown installation (/etc/kubernetes/manifests/etcd.yaml), "
        "expected a bare machine; reset it first"
    )
    assert programs.calls == []
