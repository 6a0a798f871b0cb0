# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A namespace that is lent, and waiting."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.module_utils._kube import ApiError
from ansible_collections.kubestead.cluster.plugins.module_utils._smoke.namespace import (
    MANAGED_BY,
    Namespace,
    Refused,
    Unmet,
    expect,
    until,
)

PATH = "/api/v1/namespaces/ours"


def test_it_is_gone_afterwards_whatever_happens(api: Any) -> None:
    left: list[str] = []

    def use() -> None:
        with Namespace(api, "ours", 10).lent(left.append):
            assert api.objects[PATH]["metadata"]["labels"] == {
                **MANAGED_BY,
                "pod-security.kubernetes.io/enforce": "baseline",
            }
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        use()
    assert PATH not in api.objects
    assert not left


def test_what_a_killed_run_left_is_removed_first(api: Any) -> None:
    space = Namespace(api, "ours", 10)
    api.objects[PATH] = {"metadata": {"name": "ours", "labels": MANAGED_BY}}
    api.objects[f"{PATH}/pods/old"] = {"metadata": {"name": "old"}}
    with space.lent(lambda why: None):
        assert space.find("Pod", "old") is None


def test_a_namespace_of_somebody_else_is_left_alone(api: Any) -> None:
    api.objects[PATH] = {"metadata": {"name": "ours", "labels": {"team": "a"}}}
    with pytest.raises(Refused, match="without the label"), Namespace(api, "ours", 10).lent(lambda why: None):
        raise AssertionError("must not be lent")
    assert PATH in api.objects


def test_a_namespace_that_does_not_go_is_told_with_the_reason(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[str] = []
    space = Namespace(api, "ours", 10)
    with space.lent(left.append):
        message = "metrics.k8s.io/v1beta1: stale GroupVersion discovery"
        # With a time of deletion it is not deleted again.
        api.objects[PATH]["metadata"]["deletionTimestamp"] = "now"
        api.objects[PATH]["status"] = {
            "conditions": [
                {"type": "NamespaceDeletionDiscoveryFailure", "status": "True", "message": message},
                {"type": "NamespaceContentRemaining", "status": "False", "message": "All content removed"},
            ]
        }
    assert left == [f"namespace ours is still there 10 s after it was deleted: {message}"]


def test_objects_by_kind(api: Any) -> None:
    space = Namespace(api, "ours", 10)
    space.make("Deployment", "web", {"metadata": {"labels": {"app": "web"}}, "spec": {"replicas": 2}})
    space.make("Deployment", "other", {"spec": {}})
    assert "/apis/apps/v1/namespaces/ours/deployments/web" in api.objects
    assert [item["metadata"]["name"] for item in space.all("Deployment", app="web")] == ["web"]
    assert space.patch("Deployment", "web", {"spec": {"replicas": 3}})["spec"] == {"replicas": 3}
    space.delete("Deployment", "web")
    assert space.find("Deployment", "web") is None
    with pytest.raises(ApiError, match="404"):
        space.get("Deployment", "web")


def test_a_log_has_whole_lines_once_there_is_one(api: Any) -> None:
    space = Namespace(api, "ours", 10)
    assert space.log("web") == []
    api.logs["web"] = ["one", "two"]
    assert space.log("web") == ["one", "two"]
    api.text = lambda path: "one\ntw"
    assert space.log("web") == ["one"]


def test_a_log_that_is_refused_for_another_reason_is_an_error(api: Any) -> None:
    def forbidden(path: str) -> str:
        raise api.refuse("GET", path, 403)

    api.text = forbidden
    with pytest.raises(ApiError, match="403"):
        Namespace(api, "ours", 10).log("web")


def test_attempts_are_repeated_until_the_patience_ends(api: Any) -> None:
    answers: list[Any] = [Unmet("nothing", "it"), OSError("not yet"), "there"]

    def attempt() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    assert until(attempt, 20) == "there"
    answers[:] = [Unmet(number, "it") for number in range(9)]
    with pytest.raises(Unmet, match="found 3, expected it"):
        until(attempt, 1)


def test_other_errors_are_not_waited_for(api: Any) -> None:
    def attempt() -> None:
        raise ValueError("a mistake")

    with pytest.raises(ValueError, match="a mistake"):
        until(attempt, 20)


def test_expect() -> None:
    expect(True, "it", "it")
    with pytest.raises(Unmet, match=r"^found 1 pod, expected 2$"):
        expect(False, "1 pod", 2)
