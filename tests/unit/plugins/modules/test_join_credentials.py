# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials for joining: which are recognised, and that those of others stay."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.module_utils._kube import ApiError
from ansible_collections.kubestead.cluster.plugins.module_utils._kubeadm.documents import init_documents
from ansible_collections.kubestead.cluster.plugins.modules import join_credentials

Run = Callable[..., dict[str, Any]]
#: What kubeadm writes, cmd/kubeadm/app/phases/copycerts/copycerts.go
PROXY = "Proxy for managing TTL for the kubeadm-certs secret"
OURS = {"app.kubernetes.io/managed-by": "kubestead"}


def token(name: str, description: str | None) -> dict[str, Any]:
    data = {} if description is None else {"description": base64.b64encode(description.encode()).decode()}
    metadata = {"name": f"bootstrap-token-{name}", "uid": f"uid-{name}", "resourceVersion": f"1{name}"}
    return {"metadata": metadata, "type": "bootstrap.kubernetes.io/token", "data": data}


def certificates(owner: str, labels: dict[str, str] | None) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": "kubeadm-certs", "uid": "uid-certs", "resourceVersion": "7"}
    metadata["ownerReferences"] = [{"kind": "Secret", "name": f"bootstrap-token-{owner}", "uid": f"uid-{owner}"}]
    return {"metadata": {**metadata, **({"labels": labels} if labels else {})}, "data": {}}


class Api:
    """Secrets of namespace kube-system. A deletion of an older version is a conflict."""

    def __init__(self, *secrets: dict[str, Any]) -> None:
        self.secrets = {item["metadata"]["name"]: item for item in secrets}
        self.deleted: list[str] = []
        self.refuse = 0

    def get(self, path: str) -> Any:
        return self.secrets.get(path.removeprefix("/api/v1/namespaces/kube-system/secrets/"))

    def request(self, method: str, path: str, body: Any = None, query: Any = None) -> Any:
        if method == "GET":
            assert path == "/api/v1/namespaces/kube-system/secrets"
            assert query == {"fieldSelector": "type=bootstrap.kubernetes.io/token"}
            return {"items": [item for item in self.secrets.values() if item.get("type")]}
        assert method == "DELETE"
        name = path.removeprefix("/api/v1/namespaces/kube-system/secrets/")
        metadata = self.secrets[name]["metadata"]
        assert body == {"preconditions": {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}}
        if self.refuse:
            raise ApiError(method, path, self.refuse, "Reason", "why")
        self.deleted.append(name)
        return {}


@pytest.fixture
def run(run_module: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    def with_api(api: Api, **arguments: Any) -> dict[str, Any]:
        monkeypatch.setattr(join_credentials, "connect", lambda _kubeconfig: api)
        return run_module(join_credentials, kubeconfig="/kubeconfig", **arguments)

    return with_api


def test_those_of_an_interrupted_run_are_removed_and_those_of_others_stay(run: Run) -> None:
    api = Api(
        token("aaaaaa", "kubestead: machines join"),
        token("bbbbbb", "kubestead: first token of the cluster"),
        token("cccccc", PROXY),
        token("dddddd", "for the new rack, not kubestead: by hand"),
        token("eeeeee", None),
        certificates("cccccc", OURS),
    )
    result = run(api)
    assert result["changed"] is True
    assert result["removed"] == ["token aaaaaa", "token bbbbbb", "token cccccc", "Secret kubeadm-certs"]
    assert api.deleted == [
        "bootstrap-token-aaaaaa",
        "bootstrap-token-bbbbbb",
        "bootstrap-token-cccccc",
        "kubeadm-certs",
    ]


@pytest.mark.parametrize("labels", [None, {"app.kubernetes.io/managed-by": "ops"}])
def test_certificates_that_somebody_else_has_uploaded_stay(run: Run, labels: dict[str, str] | None) -> None:
    api = Api(token("aaaaaa", "kubestead: machines join"), token("cccccc", PROXY), certificates("cccccc", labels))
    assert run(api)["removed"] == ["token aaaaaa"]


def test_nothing_to_remove(run: Run) -> None:
    result = run(Api(token("dddddd", "never expires")), pending=True)
    assert (result["changed"], result["removed"]) == (False, [])


@pytest.mark.parametrize("pending", [True, False])
@pytest.mark.parametrize("left", [True, False])
def test_check_mode(run: Run, left: bool, pending: bool) -> None:
    api = Api(*([token("aaaaaa", "kubestead: machines join")] if left else []))
    result = run(api, _ansible_check_mode=True, pending=pending)
    assert (result["changed"], len(result["removed"]), api.deleted) == (left or pending, int(left), [])
    # Nobody is asked before there is a cluster.
    monkey = run(api, _ansible_check_mode=True, pending=pending, cluster_exists=False)
    assert (monkey["changed"], monkey["removed"]) == (pending, [])


@pytest.mark.parametrize(("status", "failed"), [(404, False), (409, False), (403, True)])
def test_what_is_gone_or_was_replaced_meanwhile_is_no_failure(run: Run, status: int, failed: bool) -> None:
    api = Api(token("aaaaaa", "kubestead: machines join"))
    api.refuse = status
    assert run(api).get("failed", False) is failed


def test_the_token_of_an_init_is_recognised() -> None:
    init, *_others = init_documents(
        version="1.36.3",
        cluster_name="c",
        endpoint="10.0.0.1:6443",
        pod_subnet="10.244.0.0/16",
        service_subnet="10.96.0.0/12",
        image_repository="registry.k8s.io",
        cri_socket="unix:///run/containerd/containerd.sock",
        node_name="cp1",
        node_ip="10.0.0.1",
        token="abcdef.0123456789abcdef",
        certificate_key="00",
    )
    (made,) = init["bootstrapTokens"]
    (found,) = join_credentials.plan([token("abcdef", made["description"])], None)
    assert str(found) == "token abcdef"
