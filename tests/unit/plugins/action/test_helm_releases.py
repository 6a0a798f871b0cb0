# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the machine that has helm is told, and what is remembered of its answer."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import yaml
from ansible.errors import AnsibleActionFail

from ansible_collections.kubestead.cluster.plugins.action import helm_releases as action
from ansible_collections.kubestead.cluster.plugins.module_utils._kube import ApiError
from ansible_collections.kubestead.cluster.plugins.modules import helm_releases as module

RECORD = "/api/v1/namespaces/kube-system/secrets/kubestead-helm"
PARTS = "/api/v1/namespaces/kube-system/configmaps/kubestead-parts"
LAB = {"name": "lab", "url": "https://charts.example.com", "username": "me", "password": "hush"}
WEB = {"name": "web", "namespace": "shop", "chart": "lab/web", "version": "1.4.2", "values": {"key": "hush"}}
DONE = {"changed": True, "revisions": {"shop/web": 1}, "rolled_back": {}}


class Api:
    """Has one Secret, or none, and the ConfigMap of the parts."""

    def __init__(self, record: dict[str, Any] | None = None) -> None:
        self.object: Any = None
        self.parts: dict[str, str] = {"network": "[]"}
        self.writes: list[str] = []
        self.conflict = False
        if record is not None:
            self.keep({"data": {"releases.json": base64.b64encode(json.dumps(record).encode()).decode()}})

    def keep(self, document: Any) -> None:
        self.object = {**document, "metadata": {"name": "kubestead-helm", "resourceVersion": "1"}}

    def get(self, path: str) -> Any:
        assert path in (RECORD, PARTS)
        return self.object if path == RECORD else {"metadata": {"resourceVersion": "7"}, "data": dict(self.parts)}

    def request(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        if path == PARTS:
            assert (method, content_type) == ("PATCH", "application/merge-patch+json")
            assert body["metadata"] == {"resourceVersion": "7"}
            merged = {**self.parts, **body["data"]}
            self.parts = {name: text for name, text in merged.items() if text is not None}
            return self.get(path)
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
    execute = mock.Mock(side_effect=answer) if callable(answer) else mock.Mock(return_value=dict(answer or DONE))
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
    assert json.loads(api.parts["helm"]) == [["v1", "Secret", "kube-system", "kubestead-helm"]]
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
    assert api.parts.keys() == {"network"}


def test_a_failure_remembers_what_was_done() -> None:
    api = Api({"old/gone": {"revision": 3}})
    answer = {"failed": True, "msg": "why", "revisions": {"old/gone": 0}}
    result, _execute = run(api, WEB, answer=answer)
    assert (result["failed"], result["msg"]) == (True, "why")
    assert api.remembered() == {"shop/web": {"timeout": 300}}


def test_the_record_goes_with_the_last_release() -> None:
    api = Api({"shop/web": {"revision": 1}})
    result, execute = run(api, answer={"changed": True, "revisions": {"shop/web": 0}})
    assert (result["changed"], api.object, api.parts.keys()) == (True, None, {"network"})
    assert list(execute.call_args.kwargs["module_args"]["orders"]) == ["shop/web"]
    result, execute = run(api)
    assert (result["changed"], execute.call_count) == (False, 0)


def test_charts_go_to_the_machine_when_they_are_needed(tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "web/Chart.yaml").write_text("name: web\nversion: 0.1.0\n")
    (tmp_path / "web/values.yaml").write_text("password: hush\n")
    own = {"name": "own", "namespace": "shop", "chart": "./web"}
    done = {"changed": True, "revisions": {"shop/own": 1}}

    def sent(call: Any) -> list[str]:
        arguments = call.kwargs["module_args"]
        charts = json.loads(arguments.pop("secrets"))["charts"]
        assert not charts or charts["shop/own"] not in json.dumps(arguments)
        return list(charts)

    api = Api()
    _result, execute = run(api, own, check_mode=True, base=str(tmp_path), answer={"changed": True})
    assert [sent(call) for call in execute.call_args_list] == [[]]
    _result, execute = run(api, own, base=str(tmp_path), answer=done)
    assert [sent(call) for call in execute.call_args_list] == [["shop/own"]]
    _result, execute = run(api, own, base=str(tmp_path), answer={"changed": False, "revisions": {"shop/own": 1}})
    assert [sent(call) for call in execute.call_args_list] == [[]]
    # Somebody else has upgraded it.
    answers = iter([{"changed": False, "lacking": ["shop/own"]}, {"changed": True, "revisions": {"shop/own": 3}}])
    result, execute = run(api, own, base=str(tmp_path), answer=lambda **_arguments: next(answers))
    assert [sent(call) for call in execute.call_args_list] == [[], ["shop/own"]]
    assert (result["changed"], "lacking" in result) == (True, False)
    assert api.remembered()["shop/own"]["revision"] == 3


def test_at_a_site_with_a_mirror_nobody_else_is_asked() -> None:
    oci = {"name": "cache", "namespace": "shop", "chart": "oci://r:5000/charts/cache", "version": "0.3.0"}
    registries = [{"host": "r:5000", "username": "me", "password": "hush", "plain_http": True}]
    api = Api()
    _result, execute = run(api, WEB, oci, registries=registries)
    orders = execute.call_args.kwargs["module_args"]["orders"]
    before = {key: item["fingerprint"] for key, item in orders.items()}
    mirror = {"mirror_host": "10.0.0.5:8443", "mirror_ca": "-----BEGIN"}
    _result, execute = run(api, WEB, oci, registries=registries, **mirror)
    arguments = execute.call_args.kwargs["module_args"]
    assert arguments["repositories"] == [{"name": "lab", "url": "https://10.0.0.5:8443/files/charts/lab"}]
    assert (arguments["registries"], arguments["mirror_ca"]) == ([], "-----BEGIN")
    secrets = json.loads(arguments["secrets"])
    assert (secrets["repositories"], secrets["registries"]) == ({}, {})
    found = arguments["orders"]
    assert found["shop/web"]["chart"] == "lab/web"
    assert found["shop/cache"]["chart"] == "oci://10.0.0.5:8443/r_5000/charts/cache"
    # It is no reason to upgrade.
    assert {key: item["fingerprint"] for key, item in found.items()} == before


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
    with pytest.raises(AnsibleActionFail, match="helm_releases: releases shop/web: found version none"):
        run(Api(), {**WEB, "version": None})
    with pytest.raises(AnsibleActionFail, match="charts"):
        run(Api(), {**WEB, "charts": "x"})


def test_the_documentation_has_all_arguments() -> None:
    options = yaml.safe_load(module.DOCUMENTATION)["options"]
    assert options.keys() == module.ARGUMENT_SPEC.keys()
    for name in ("releases", "repositories", "registries"):
        assert options[name]["suboptions"].keys() == module.ARGUMENT_SPEC[name]["options"].keys()
