# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens: made with a configuration file, listed without their secrets, removed by their ids."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.modules import kubeadm_token, kubeadm_token_info

FIXTURES = Path(__file__).parents[2] / "fixtures"
CA_HASH = "sha256:" + (FIXTURES / "pki/1.36.3_ca.openssl.txt").read_text().split()[-1]
TOKENS = (FIXTURES / "kubeadm/1.36.3_token_list.json").read_text()
NO_API = (FIXTURES / "kubeadm/1.36.3_token_list_no_api.stderr.txt").read_text()
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def documents(machine: Path, programs: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Any]]:
    """What kubeadm was told, by its command."""
    told: dict[str, list[Any]] = {}

    def kubeadm(argv: list[str]) -> tuple[int, str, str]:
        text = Path(argv[argv.index("--config") + 1]).read_text()
        told[" ".join(argv[1:4])] = [json.loads(part) for part in text.split("---\n")[1:]]
        return 0, "printed secrets", ""

    programs.answers.update(
        {"kubeadm token create": kubeadm, "kubeadm init phase upload-certs": kubeadm, "kubectl": (0, "", "")}
    )
    authority = machine / "etc/kubernetes/pki/ca.crt"
    authority.parent.mkdir(parents=True)
    authority.write_text((FIXTURES / "pki/1.36.3_ca.crt").read_text())
    monkeypatch.setattr(kubeadm_token, "Path", lambda path: machine / path.lstrip("/"))
    return told


def test_a_token_for_workers(machine: Path, programs: Any, documents: dict[str, list[Any]], run_module: Run) -> None:
    result = run_module(kubeadm_token, endpoint="10.90.0.100:8443", version="1.36.3", ttl="10m0s")
    assert result["changed"] is True
    config, admin = machine / "run/kubestead/token.yaml", machine / "etc/kubernetes/admin.conf"
    assert programs.calls == [f"kubeadm token create --config {config} --kubeconfig {admin}"]
    assert not config.exists()
    init, cluster = documents["token create --config"]
    (token,) = init["bootstrapTokens"]
    assert result["join"] == {
        "endpoint": "10.90.0.100:8443",
        "token": token["token"],
        "certificate_key": None,
        "ca_cert_hashes": [CA_HASH],
    }
    assert token["ttl"] == "10m0s"
    assert (token["usages"], token["groups"]) == (
        ["signing", "authentication"],
        ["system:bootstrappers:kubeadm:default-node-token"],
    )
    assert "certificateKey" not in init
    # Else kubeadm would ask the internet for the latest one.
    assert cluster["kubernetesVersion"] == "v1.36.3"


def test_certificates_for_control_planes(programs: Any, documents: dict[str, list[Any]], run_module: Run) -> None:
    result = run_module(kubeadm_token, endpoint="10.90.0.100:8443", version="1.36.3", upload_certs=True)
    key = result["join"]["certificate_key"]
    assert re.fullmatch("[0-9a-f]{64}", key)
    *calls, label = programs.calls
    assert [call.split(" --config")[0] for call in calls] == [
        "kubeadm token create",
        "kubeadm init phase upload-certs --upload-certs",
    ]
    # By this a later run recognises them, should this one be killed.
    assert label.endswith(
        " --namespace kube-system label --overwrite secret kubeadm-certs app.kubernetes.io/managed-by=kubestead"
    )
    assert key not in " ".join(programs.calls)
    assert result["join"]["token"] not in " ".join(programs.calls)
    assert documents["init phase upload-certs"] == documents["token create --config"]
    assert documents["init phase upload-certs"][0]["certificateKey"] == key
    # Each run has its own.
    again = run_module(kubeadm_token, endpoint="10.90.0.100:8443", version="1.36.3", upload_certs=True)
    assert again["join"]["token"] != result["join"]["token"]
    assert again["join"]["certificate_key"] != key


def test_check_mode_makes_nothing(programs: Any, documents: dict[str, list[Any]], run_module: Run) -> None:
    result = run_module(kubeadm_token, _ansible_check_mode=True, endpoint="10.90.0.100:8443", version="1.36.3")
    assert (result["changed"], "join" in result) == (True, False)
    assert programs.calls == []


def test_a_failure_leaves_no_file_and_tells_no_secret(machine: Path, programs: Any, run_module: Run) -> None:
    def fail(argv: list[str]) -> tuple[int, str, str]:
        token = re.search(r"[a-z0-9]{6}\.[a-z0-9]{16}", Path(argv[4]).read_text())
        assert token
        secrets.append(token.group())
        return 1, "", f"error: can't create {token.group()}"

    secrets: list[str] = []
    programs.answers["kubeadm token create"] = fail
    result = run_module(kubeadm_token, endpoint="10.90.0.100:8443", version="1.36.3")
    assert result["msg"].endswith(f"failed with exit status 1: can't create {secrets[0][:6]}.<hidden>")
    assert secrets[0] not in json.dumps(result)
    assert list((machine / "run/kubestead").iterdir()) == []


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize(("token_id", "present"), [("fk1zbv", True), ("abcdef", False)])
def test_absent(machine: Path, programs: Any, run_module: Run, token_id: str, present: bool, check_mode: bool) -> None:
    programs.answers.update({"kubeadm token list": (0, TOKENS, ""), "kubeadm token delete": (0, "", "")})
    result = run_module(kubeadm_token, state="absent", token_id=token_id, _ansible_check_mode=check_mode)
    assert result["changed"] is present
    admin = machine / "etc/kubernetes/admin.conf"
    expected = [f"kubeadm token list -o json --kubeconfig {admin}"]
    if present and not check_mode:
        expected.append(f"kubeadm token delete {token_id} --kubeconfig {admin}")
    assert programs.calls == expected


@pytest.mark.parametrize("check_mode", [True, False])
def test_absent_in_a_plan_that_would_have_created_it(programs: Any, run_module: Run, check_mode: bool) -> None:
    assert (
        run_module(kubeadm_token, state="absent", token_id="", _ansible_check_mode=check_mode)["changed"] is check_mode
    )
    assert programs.calls == []


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [({"endpoint": "10.90.0.100:8443"}, "version"), ({"state": "absent"}, "token_id")],
)
def test_arguments_that_belong_together(run_module: Run, arguments: dict[str, str], missing: str) -> None:
    assert f"are missing: {missing}" in run_module(kubeadm_token, **arguments)["msg"]


def test_tokens_are_listed_without_their_secrets(machine: Path, programs: Any, run_module: Run) -> None:
    programs.answers["kubeadm token list"] = (0, TOKENS, "")
    result = run_module(kubeadm_token_info, _ansible_check_mode=True)
    assert result["changed"] is False
    recorded = re.findall(r'"token": "([a-z0-9]{6})\.([a-z0-9]{16})"', TOKENS)
    assert [token["id"] for token in result["tokens"]] == [token_id for token_id, _secret in recorded]
    assert len(recorded) > 3
    assert not [secret for _token_id, secret in recorded if secret in json.dumps(result)]
    first = result["tokens"][0]
    assert first == {
        "id": "euc0qm",
        "expires": "2026-11-23T22:43:43Z",
        "usages": ["authentication", "signing"],
        "description": "",
    }


def test_no_tokens(machine: Path, programs: Any, run_module: Run) -> None:
    programs.answers["kubeadm token list"] = (0, "", "")
    assert run_module(kubeadm_token_info)["tokens"] == []


@pytest.mark.parametrize(
    ("module", "arguments"), [(kubeadm_token_info, {}), (kubeadm_token, {"state": "absent", "token_id": "abcdef"})]
)
def test_no_answer_from_the_api(
    machine: Path, programs: Any, run_module: Run, module: Any, arguments: dict[str, str]
) -> None:
    programs.answers["kubeadm token list"] = (1, "", NO_API)
    message = run_module(module, **arguments)["msg"]
    assert message.startswith("'kubeadm token list -o json --kubeconfig ")
    assert "failed with exit status 1: " in message
