# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Joining: what is planned, refused, undone and tried again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.module_utils._kubeadm import membership
from ansible_collections.kubestead.cluster.plugins.modules import kubeadm_join
from tests.unit.plugins.modules.conftest import held

PKI = Path(__file__).parents[2] / "fixtures" / "pki"
CA_HASH = "sha256:" + (PKI / "1.36.3_ca.openssl.txt").read_text().split()[-1]
OTHER = "sha256:" + "0" * 64
TOKEN = "abcdef.0123456789abcdef"
KEY = "0123456789abcdef" * 4
ACCESS = {"endpoint": "10.90.0.100:8443", "token": TOKEN, "ca_cert_hashes": [CA_HASH], "certificate_key": KEY}
ARGUMENTS: dict[str, Any] = {
    "join": ACCESS,
    "node_name": "w1",
    "node_ip": "10.90.0.21",
    "cri_socket": "unix:///run/containerd/containerd.sock",
}
# https://github.com/kubernetes/kubernetes/blob/v1.36.3/cmd/kubeadm/app/phases/kubelet and cmd/phases/join/kubelet.go
STILL_READY = (
    'error: error execution phase kubelet-start: a Node with name "w1" and status "Ready" already exists in the '
    "cluster. You must delete the existing Node or change the name of this new joining Node\n"
)
QUESTION = "kubectl --kubeconfig=/etc/kubernetes/kubelet.conf --request-timeout=5s get --raw /api/v1/nodes/w1"
# Of kubectl 1.36.3.
NOT_THERE = (1, "", 'Error from server (NotFound): nodes "w1" not found\n')
Run = Callable[..., dict[str, Any]]


def member(**values: Any) -> membership.Member:
    fields: dict[str, Any] = dict.fromkeys(membership.Member.__dataclass_fields__)
    return membership.Member(**{**fields, "leftovers": [], "certificates": {}, **values})


def put(root: Path, path: str, content: str = "x") -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(content)


class Kubeadm:
    """Writes what kubeadm join writes; `failures` come first."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.failures: list[str] = []
        self.document: Any = None
        self.journal: str | None = None
        self.held = False

    def __call__(self, argv: list[str]) -> tuple[int, str, str]:
        self.document = json.loads(Path(argv[-1]).read_text().removeprefix("---"))
        self.journal = membership.read_journal(self.root)
        self.held = held(self.root)
        if (self.root / "etc/kubernetes/pki/ca.crt").exists():
            return 1, "", "[ERROR FileAvailable--etc-kubernetes-pki-ca.crt]: /etc/kubernetes/pki/ca.crt already exists"
        put(self.root, "etc/kubernetes/pki/ca.crt", (PKI / "1.36.3_ca.crt").read_text())
        put(self.root, "var/lib/kubelet/config.yaml")
        if self.failures:
            return 1, "", self.failures.pop(0)
        put(self.root, "etc/kubernetes/kubelet.conf", (PKI / "1.36.3_kubelet.conf").read_text())
        return 0, "", ""


@pytest.fixture
def kubeadm(machine: Path, programs: Any, monkeypatch: pytest.MonkeyPatch) -> Kubeadm:
    def reset(argv: list[str]) -> tuple[int, str, str]:
        for path in ("etc/kubernetes/kubelet.conf", "etc/kubernetes/pki/ca.crt", "var/lib/kubelet/config.yaml"):
            (machine / path).unlink(missing_ok=True)
        (machine / "etc/kubernetes/audit-policy.yaml").unlink(missing_ok=True)
        return 0, "", ""

    program = Kubeadm(machine)
    programs.answers.update({"kubeadm join": program, "kubeadm reset": reset, "kubectl": (0, "{}", "")})
    # It would act on the machine of the tests.
    monkeypatch.setattr(
        kubeadm_join, "shutil", SimpleNamespace(rmtree=lambda path, ignore_errors: removed.append(path))
    )
    removed.clear()
    return program


removed: list[str] = []


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(kubeadm_join.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(kubeadm_join.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    return now


class TestPlan:
    @pytest.mark.parametrize(
        ("found", "expected"),
        [
            (member(state="bare"), kubeadm_join.Plan(run=True)),
            # The certificate of some other CA in the way is for kubeadm to complain about.
            (member(state="bare", ca_hash=OTHER), kubeadm_join.Plan(run=True)),
            (member(state="member", ca_hash=CA_HASH), kubeadm_join.Plan(run=False)),
            (member(state="member", ca_hash=None), kubeadm_join.Plan(run=False)),
            (member(state="partial", partial_of="join"), kubeadm_join.Plan(run=True, undo=True)),
            (member(state="partial", partial_of="join", ca_hash=CA_HASH), kubeadm_join.Plan(run=True, undo=True)),
        ],
    )
    def test_plan(self, found: membership.Member, expected: kubeadm_join.Plan) -> None:
        assert kubeadm_join.plan(found, [CA_HASH]) == expected

    @pytest.mark.parametrize("values", [{"state": "member"}, {"state": "partial", "partial_of": "join"}])
    def test_a_machine_of_another_cluster_is_refused(self, values: dict[str, str]) -> None:
        found = member(ca_hash=OTHER, server="https://192.0.2.1:6443", **values)
        with pytest.raises(membership.Refused) as error:
            kubeadm_join.plan(found, [CA_HASH])
        assert str(error.value) == (
            f"found a member of another cluster (https://192.0.2.1:6443, CA {OTHER}), expected a bare machine or a "
            f"member of the cluster with CA {CA_HASH}; reset it first, or take it out of the inventory"
        )

    def test_a_member_needs_no_hashes(self) -> None:
        assert kubeadm_join.plan(member(state="member", ca_hash=OTHER), []) == kubeadm_join.Plan(run=False)

    @pytest.mark.parametrize(
        ("origin", "text"),
        [("init", "an interrupted kubeadm init"), ("unknown", "traces of an unknown installation")],
    )
    def test_traces_of_others_are_refused(self, origin: str, text: str) -> None:
        found = member(state="partial", partial_of=origin, leftovers=["/a", "/b"])
        expected = rf"^found {text} \(/a, /b\), expected a bare machine; reset it first$"
        with pytest.raises(membership.Refused, match=expected):
            kubeadm_join.plan(found, [CA_HASH])


@pytest.mark.parametrize("join", [ACCESS, None])
def test_check_mode(machine: Path, kubeadm: Kubeadm, programs: Any, run_module: Run, join: Any) -> None:
    result = run_module(kubeadm_join, _ansible_check_mode=True, **{**ARGUMENTS, "join": join})
    assert (result["changed"], result["undone"]) == (True, False)
    assert result["diff"] == {"before": "", "after": "worker w1 joined\n"}
    assert programs.calls == []
    assert list(machine.iterdir()) == []


def test_a_worker_joins(machine: Path, kubeadm: Kubeadm, programs: Any, run_module: Run) -> None:
    result = run_module(kubeadm_join, **ARGUMENTS, ignore_preflight_errors=["Mem"])
    assert (result["changed"], result["undone"]) == (True, False)
    config = machine / "run/kubestead/join.yaml"
    assert programs.calls == [f"kubeadm join --config {config}", QUESTION]
    assert not config.exists()
    assert kubeadm.document["discovery"]["bootstrapToken"] == {
        "token": TOKEN,
        "apiServerEndpoint": "10.90.0.100:8443",
        "caCertHashes": [CA_HASH],
    }
    assert kubeadm.document["nodeRegistration"]["name"] == "w1"
    assert kubeadm.document["nodeRegistration"]["ignorePreflightErrors"] == ["Mem"]
    assert "controlPlane" not in kubeadm.document
    assert KEY not in json.dumps(kubeadm.document)
    assert kubeadm.journal == "join"
    # Another run would have waited.
    assert kubeadm.held
    assert not held(machine)
    assert membership.read_journal(machine) is None
    again = run_module(kubeadm_join, **{**ARGUMENTS, "join": None})
    assert (again["changed"], again["diff"]) == (False, {})
    assert len(programs.calls) == 2


def test_patches(tmp_path: Path, kubeadm: Kubeadm, run_module: Run) -> None:
    run_module(kubeadm_join, **ARGUMENTS, control_plane=True, patches_directory=str(tmp_path))
    assert kubeadm.document["patches"] == {"directory": str(tmp_path)}


def test_a_directory_of_patches_that_is_missing(
    machine: Path, kubeadm: Kubeadm, programs: Any, run_module: Run
) -> None:
    # The user's wins, so it is the one that has to be there.
    overrides = {"patches": {"directory": str(machine / "none")}}
    result = run_module(kubeadm_join, **ARGUMENTS, patches_directory=str(machine), overrides=overrides)
    assert result["msg"].startswith(
        f"JoinConfiguration, patches.directory: found no directory {machine / 'none'}; expected kubeadm's patches in it"
    )
    assert programs.calls == []
    assert membership.read_journal(machine) is None


@pytest.mark.parametrize(("schedulable", "taints"), [(True, []), (False, None)])
def test_a_control_plane_joins(kubeadm: Kubeadm, run_module: Run, schedulable: bool, taints: Any) -> None:
    overrides = {"timeouts": {"controlPlaneComponentHealthCheck": "8m0s"}}
    arguments = {**ARGUMENTS, "control_plane": True, "schedulable": schedulable, "api_port": 7443}
    result = run_module(kubeadm_join, **arguments, overrides=overrides)
    assert result["diff"]["after"] == "control plane w1 joined\n"
    assert kubeadm.document["controlPlane"] == {
        "localAPIEndpoint": {"advertiseAddress": "10.90.0.21", "bindPort": 7443},
        "certificateKey": KEY,
    }
    assert kubeadm.document["nodeRegistration"].get("taints") == taints
    assert kubeadm.document["timeouts"] == overrides["timeouts"]


def test_an_interrupted_join_is_undone_and_done_again(
    machine: Path, kubeadm: Kubeadm, programs: Any, run_module: Run
) -> None:
    put(machine, "etc/kubernetes/audit-policy.yaml", "rules\n")
    kubeadm.failures = [f"error: could not reach it with {TOKEN}\n"]
    failed = run_module(kubeadm_join, **ARGUMENTS)
    assert failed["failed"] is True
    assert "could not reach it" in failed["msg"]
    assert TOKEN not in json.dumps(failed)
    assert not (machine / "run/kubestead/join.yaml").exists()
    assert membership.read_journal(machine) == "join"
    programs.calls.clear()
    assert run_module(kubeadm_join, _ansible_check_mode=True, **ARGUMENTS)["undone"] is True
    assert programs.calls == []

    done = run_module(kubeadm_join, **ARGUMENTS)
    assert (done["changed"], done["undone"]) == (True, True)
    assert programs.calls == [
        "kubeadm reset --force --cri-socket unix:///run/containerd/containerd.sock",
        f"kubeadm join --config {machine}/run/kubestead/join.yaml",
        QUESTION,
    ]
    assert removed == ["/var/lib/kubelet/pki"]
    # What the user had there has come back before the join.
    assert (machine / "etc/kubernetes/audit-policy.yaml").read_text() == "rules\n"
    assert membership.read_member().state == "member"


def test_the_node_of_an_undone_join_still_counts_as_ready(
    kubeadm: Kubeadm, programs: Any, run_module: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(kubeadm_join.time, "sleep", slept.append)
    kubeadm.failures = [STILL_READY, STILL_READY]
    assert run_module(kubeadm_join, **ARGUMENTS)["changed"] is True
    assert [" ".join(call.split()[:2]) for call in programs.calls[:-1]] == [
        "kubeadm join",
        "kubeadm reset",
        "kubeadm join",
        "kubeadm reset",
        "kubeadm join",
    ]
    assert slept == [5, 5]


def test_a_node_that_stays_ready_is_another_machine(
    kubeadm: Kubeadm, programs: Any, run_module: Run, clock: list[float]
) -> None:
    kubeadm.failures = [STILL_READY] * 100
    result = run_module(kubeadm_join, **ARGUMENTS)
    assert 'a Node with name "w1" and status "Ready" already exists' in result["msg"]
    assert clock[0] > kubeadm_join.STILL_READY_SECONDS
    assert len(programs.calls) == 51


def test_kubelet_registers_its_node_after_kubeadm_has_ended(
    machine: Path, kubeadm: Kubeadm, programs: Any, run_module: Run, clock: list[float]
) -> None:
    answers = [NOT_THERE, NOT_THERE, (0, "{}", "")]
    programs.answers["kubectl"] = lambda _argv: answers.pop(0)
    assert run_module(kubeadm_join, **ARGUMENTS)["changed"] is True
    assert (programs.calls.count(QUESTION), clock[0]) == (3, 1.0)
    assert membership.read_journal(machine) is None


def test_a_node_that_is_never_registered_is_not_joined(
    machine: Path, kubeadm: Kubeadm, programs: Any, run_module: Run, clock: list[float]
) -> None:
    programs.answers["kubectl"] = NOT_THERE
    assert run_module(kubeadm_join, **ARGUMENTS)["msg"] == (
        'node w1: found that kubelet has joined and no Node 60 s later (Error from server (NotFound): nodes "w1" not '
        "found), expected kubelet to register it; see 'journalctl -u kubelet' on the machine, then run again: the join "
        "is then undone and done again"
    )
    assert clock[0] > kubeadm_join.REGISTER_SECONDS
    assert membership.read_journal(machine) == "join"


def test_another_run_joined_it_while_this_one_waited(
    kubeadm: Kubeadm, programs: Any, run_module: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [member(state="bare"), member(state="member", ca_hash=CA_HASH)]
    monkeypatch.setattr(membership, "read_member", lambda **_options: answers.pop(0))
    result = run_module(kubeadm_join, **ARGUMENTS)
    assert (result["changed"], result["undone"], result["diff"]) == (False, False, {})
    assert programs.calls == []


def test_a_bare_machine_without_what_a_join_needs(kubeadm: Kubeadm, run_module: Run) -> None:
    result = run_module(kubeadm_join, **{**ARGUMENTS, "join": None})
    assert result["msg"] == ("found a machine that is not a member and no `join`, expected what kubeadm_token returns")


def test_a_member_of_another_cluster_is_not_touched(
    machine: Path, kubeadm: Kubeadm, programs: Any, run_module: Run
) -> None:
    run_module(kubeadm_join, **ARGUMENTS)
    programs.calls.clear()
    before = sorted(machine.rglob("*"))
    result = run_module(kubeadm_join, **{**ARGUMENTS, "join": {**ACCESS, "ca_cert_hashes": [OTHER]}})
    assert result["msg"].startswith("found a member of another cluster (https://10.90.0.11:6443, CA sha256:")
    assert programs.calls == []
    assert sorted(machine.rglob("*")) == before
