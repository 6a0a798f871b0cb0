# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the machine that has helm is told, and what is remembered of its answer."""

from __future__ import annotations

import base64
import json
from typing import Any
from unittest import mock

import pytest
import yaml
from ansible.errors import AnsibleActionFail

from ansible_collections.kubestead.cluster.plugins.action import helm_releases as action
from ansible_collections.kubestead.cluster.plugins.module_utils._kube import ApiError
from ansible_collections.kubestead.cluster.plugins.modules import helm_releases as module

RECORD = "/api/v1/namespaces/kube-system/secrets/kubestead-helm"
LAB = {"name": "lab", "url": "https://charts.example.com", "username": "me", "password": "hush"}
WEB = {"name": "web", "namespace": "shop", "chart": "lab/web", "version": "1.4.2", "values": {"key": "hush"}}
DONE = {"changed": True, "revisions": {"shop/web": 1}, "rolled_back": {}, "invocation": {"module_args": {}}}


class Api:
    """Has one Secret, or none."""

    def __init__(self, record: dict[str, Any] | None = None) -> None:
        self.object: Any = None
        self.writes: list[str] = []
        self.conflict = False
        if record is not None:
            self.keep({"data": {"releases.json": base64.b64encode(json.dumps(record).encode()).decode()}})

    def keep(self, document: Any) -> None:
        self.object = {**document, "metadata": {"name": "kubestead-helm", "resourceVersion": "1"}}

    def get(self, path: str) -> Any:
        assert path == RECORD
        return self.object

    def request(self, method: str, path: str, body: Any = None) -> Any:
        assert RECORD.startswith(path)
        self.writes.append(method)
        if self.conflict:
            raise ApiError(method, path, 409, "Conflict", "the object has been modified")
        if method == "PUT":
            assert body["metadata"]["resourceVersion"] == "1"
        self.keep(body) if body else setattr(self, "object", None)
        return self.object

    def remembered(self) -> Any:
        return self.object and json.loads(base64.b64decode(self.object["data"]["releases.json"]))


def run(
    api: Api, *releases: dict[str, Any], answer: Any = None, check_mode: bool = False, **args: Any
) -> tuple[Any, mock.Mock]:
    given = {"releases": list(releases), "repositories": [LAB], "controller_kubeconfig": "/k", **args}
    task = mock.Mock(args=given, async_val=0, check_mode=check_mode, delegate_to="cp1")
    plugin = action.ActionModule(task, mock.Mock(), mock.Mock(), mock.Mock(), mock.Mock(), None)
    execute = mock.Mock(side_effect=answer if callable(answer) else None, return_value=dict(answer or DONE))
    with mock.patch.object(action, "connect", return_value=api), mock.patch.object(plugin, "_execute_module", execute):
        return plugin.run(task_vars={"inventory_hostname": "cp1"}), execute


def test_what_is_installed_is_remembered() -> None:
    api = Api()
    result, execute = run(api, WEB)
    assert result == {"changed": True, "revisions": {"shop/web": 1}, "rolled_back": {}}
    assert {key: api.remembered()["shop/web"][key] for key in ("title", "revision")} == {
        "title": "lab/web 1.4.2",
        "revision": 1,
    }
    told = execute.call_args.kwargs["module_args"]
    assert "hush" in told.pop("secrets")
    assert "hush" not in json.dumps(told)
    # Before it is done, and after.
    assert api.writes == ["POST", "PUT"]


def test_nothing_new_is_not_written() -> None:
    api = Api()
    run(api, WEB)
    before = api.remembered()
    api.writes.clear()
    run(api, WEB, answer={"changed": False, "revisions": {}})
    assert (api.writes, api.remembered()) == ([], before)


def test_check_mode_writes_nothing() -> None:
    api = Api()
    result, execute = run(api, WEB, check_mode=True)
    assert (result["changed"], api.writes, execute.call_count) == (True, [], 1)


def test_a_failure_remembers_what_was_done() -> None:
    api = Api({"old/gone": {"revision": 3}})
    answer = {"failed": True, "msg": "why", "revisions": {"old/gone": 0}}
    result, _execute = run(api, WEB, answer=answer)
    assert (result["failed"], result["msg"]) == (True, "why")
    assert api.remembered() == {"shop/web": {"timeout": 300}}


def test_the_record_goes_with_the_last_release() -> None:
    api = Api({"shop/web": {"revision": 1}})
    result, execute = run(api, answer={"changed": True, "revisions": {"shop/web": 0}})
    assert (result["changed"], api.object) == (True, None)
    assert list(execute.call_args.kwargs["module_args"]["orders"]) == ["shop/web"]
    result, execute = run(api)
    assert (result["changed"], execute.call_count) == (False, 0)


def test_without_a_cluster_check_mode_lists_them() -> None:
    result, execute = run(Api(), WEB, check_mode=True, cluster_exists=False)
    assert (result["changed"], result["actions"], execute.call_count) == (True, ["install shop/web"], 0)
    assert result["diff"]["after"] == "shop/web: lab/web 1.4.2\n"


def test_somebody_else_at_work() -> None:
    api = Api()
    api.conflict = True
    with pytest.raises(AnsibleActionFail, match="Secret kube-system/kubestead-helm: found that somebody else"):
        run(api, WEB)


def test_arguments() -> None:
    with pytest.raises(AnsibleActionFail, match="helm_releases: release shop/web: found version none"):
        run(Api(), {**WEB, "version": None})
    with pytest.raises(AnsibleActionFail, match="charts"):
        run(Api(), {**WEB, "charts": "x"})


def test_the_documentation_has_all_arguments() -> None:
    options = yaml.safe_load(module.DOCUMENTATION)["options"]
    assert options.keys() == module.ARGUMENT_SPEC.keys()
    for name in ("releases", "repositories", "registries"):
        assert options[name]["suboptions"].keys() == module.ARGUMENT_SPEC[name]["options"].keys()
