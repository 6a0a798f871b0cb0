# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Spreading CoreDNS: the patches that an API gets, and how long the module waits for its pods."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.module_utils import _coredns
from ansible_collections.kubestead.cluster.plugins.module_utils._coredns import CONSTRAINT, TOLERATIONS, Placement
from ansible_collections.kubestead.cluster.plugins.module_utils._kube import MERGE_PATCH, ApiError
from ansible_collections.kubestead.cluster.plugins.modules import coredns, coredns_info
from tests.unit.merge_patch import merged

KUBEADM = [{"key": "CriticalAddonsOnly", "operator": "Exists"}]
Objects = dict[str, Any]


class Api:
    """An API with one Deployment. A patch that names an older version of it is a conflict."""

    def __init__(self, **spec: Any) -> None:
        template = {"spec": {"containers": [{"name": "coredns"}], **spec}}
        self.deployment: Any = {"metadata": {"resourceVersion": "7"}, "spec": {"replicas": 2, "template": template}}
        self.patches: list[Any] = []
        # What somebody else does just before the next patch comes.
        self.meanwhile: list[Callable[[Any], None]] = []

    def get(self, path: str) -> Any:
        assert path == _coredns.DEPLOYMENT
        return copy.deepcopy(self.deployment)

    def request(self, method: str, path: str, body: Any, content_type: str) -> Any:
        assert (method, path, content_type) == ("PATCH", _coredns.DEPLOYMENT, MERGE_PATCH)
        if self.meanwhile:
            self.meanwhile.pop(0)(self.deployment)
            self.deployment["metadata"]["resourceVersion"] += "1"
        if body["metadata"]["resourceVersion"] != self.deployment["metadata"]["resourceVersion"]:
            raise ApiError(method, path, 409, "Conflict", "it has changed")
        self.patches.append(body)
        self.deployment = merged(self.deployment, body)

    @property
    def pods(self) -> Objects:
        found: Objects = self.deployment["spec"]["template"]["spec"]
        return found


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Objects]:
    def with_api(api: Api, check_mode: bool = False, **params: Any) -> Objects:
        monkeypatch.setattr(coredns, "connect", lambda _kubeconfig: api)
        defaults = {"kubeconfig": "k", "spread": True, "cluster_exists": True, "patched_by_kubeadm": True}
        return coredns.run({**defaults, **params}, check_mode)

    return with_api


def test_spread_and_in_order_afterwards(run: Callable[..., Objects]) -> None:
    api = Api(tolerations=KUBEADM)
    planned = run(api, check_mode=True)
    assert api.patches == []
    result = run(api)
    assert result == planned
    assert result["changed"] is True
    assert result["diff"]["before"].count("\n") == 2
    assert result["diff"]["after"].count("\n") == 5
    assert api.pods == {
        "containers": [{"name": "coredns"}],
        "topologySpreadConstraints": [CONSTRAINT],
        "tolerations": [*KUBEADM, *TOLERATIONS],
    }
    assert run(api) == {"changed": False, "diff": {"before": "", "after": ""}}
    assert len(api.patches) == 1


def test_taken_back_where_one_node_is_left(run: Callable[..., Objects]) -> None:
    api = Api(tolerations=[*KUBEADM, *TOLERATIONS], topologySpreadConstraints=[CONSTRAINT])
    assert run(api, spread=False)["changed"] is True
    assert (api.pods["tolerations"], api.pods["topologySpreadConstraints"]) == (KUBEADM, [])
    assert run(api, spread=False)["changed"] is False


def test_nothing_of_somebody_else_is_lost(run: Callable[..., Objects]) -> None:
    api = Api(tolerations=KUBEADM)
    other = {"key": "gpu", "operator": "Exists"}
    api.meanwhile.append(lambda deployment: deployment["spec"]["template"]["spec"]["tolerations"].append(other))
    run(api)
    assert other in api.pods["tolerations"]
    assert len(api.patches) == 1


def test_a_refusal_is_an_error(run: Callable[..., Objects], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_self: Api, method: str, path: str, *_more: Any) -> None:
        raise ApiError(method, path, 403, "Forbidden", "no")

    monkeypatch.setattr(Api, "request", refuse)
    with pytest.raises(ApiError, match="403 Forbidden"):
        run(Api())


def test_no_deployment(run: Callable[..., Objects]) -> None:
    api = Api()
    api.deployment = None
    assert run(api)["changed"] is False


@pytest.mark.parametrize(
    ("spread", "patched", "changed"), [(True, True, False), (True, False, True), (False, False, False)]
)
def test_a_plan_before_there_is_a_cluster(
    run: Callable[..., Objects], spread: bool, patched: bool, changed: bool
) -> None:
    result = run(Api(), True, spread=spread, cluster_exists=False, patched_by_kubeadm=patched)
    assert result["changed"] is changed
    assert bool(result["diff"]["after"]) is changed


class TestInfo:
    @pytest.fixture
    def placements(self, monkeypatch: pytest.MonkeyPatch) -> list[Placement | None]:
        """What is read, one after the other, a second apart; the last one stays."""
        found: list[Placement | None] = []
        now = [0.0]

        def read(_api: Any) -> Placement | None:
            now[0] += 1
            return found.pop(0) if len(found) > 1 else found[0]

        monkeypatch.setattr(coredns_info, "connect", lambda _kubeconfig: None)
        monkeypatch.setattr(coredns_info.time, "monotonic", lambda: now[0])
        monkeypatch.setattr(coredns_info.time, "sleep", lambda _seconds: None)
        monkeypatch.setattr(_coredns, "read_placement", read)
        return found

    def info(self, timeout: int) -> Objects:
        return coredns_info.run({"kubeconfig": "k", "timeout": timeout}, False)

    def test_it_waits(self, placements: list[Placement | None]) -> None:
        placements += [Placement(("cp1",), 2, True), Placement(("cp1",), 2, False), Placement(("cp1", "w1"), 2, True)]
        assert self.info(60) == {"changed": False, "nodes": ["cp1", "w1"]}
        assert len(placements) == 1

    def test_it_warns(self, placements: list[Placement | None]) -> None:
        placements += [Placement(("cp1",), 2, False)]
        (warning,) = self.info(60)["warnings"]
        assert warning.startswith(
            "CoreDNS: found Ready pods on cp1 and a rollout that is not complete after 60 s; expected them on 2 nodes; "
        )

    def test_no_pod(self, placements: list[Placement | None]) -> None:
        placements += [Placement((), 1, True)]
        assert "found Ready pods on no node after 5 s" in self.info(5)["warnings"][0]

    @pytest.mark.parametrize("placement", [None, Placement(("cp1",), 2, False)])
    def test_it_does_not_wait(self, placements: list[Placement | None], placement: Placement | None) -> None:
        placements += [placement, Placement(("cp1", "w1"), 2, True)]
        nodes = ["cp1"] if placement else []
        assert self.info(0) == {"changed": False, "nodes": nodes}
