# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the action takes from a role and hands to a cluster."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import yaml
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from ansible_collections.kubestead.cluster.plugins.action import manifests
from ansible_collections.kubestead.cluster.plugins.module_utils._kube import KubeconfigError, Unreachable
from ansible_collections.kubestead.cluster.plugins.modules import manifests as documented

NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo"}}
WEB = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "demo"},
    "spec": {"image": "web:1"},
}
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def role(tmp_path: Path) -> Path:
    for folder in ("templates", "files"):
        (tmp_path / folder).mkdir()
    (tmp_path / "templates/objects.yml.j2").write_text(
        "{% for name in names %}\n---\n"
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ name }}, namespace: demo}\n{% endfor %}\n"
    )
    (tmp_path / "templates/torn.yml.j2").write_text("a: 1\npassword: {{ password }}: x\n")
    (tmp_path / "templates/undefined.yml.j2").write_text("{{ nobody_sets_this }}")
    (tmp_path / "files/crds.yml").write_text("kind: List\nitems:\n- " + yaml.safe_dump(NAMESPACE).replace("\n", "\n  "))
    return tmp_path


@pytest.fixture
def run(role: Path, cluster: Any, monkeypatch: pytest.MonkeyPatch) -> Run:
    opened = []

    def connect(kubeconfig: str) -> Any:
        opened.append(kubeconfig)
        assert kubeconfig == "/root/admin.conf"
        return cluster

    monkeypatch.setattr(manifests, "connect", connect)

    def run_action(check_mode: bool = False, **args: Any) -> dict[str, Any]:
        variables = {
            "names": [trust_as_template("{{ 'b' }}"), "a"],
            "password": "hunter2",
            "ansible_search_path": [str(role)],
        }
        loader = DataLoader()
        loader.set_basedir(str(role))
        task = mock.Mock(args={"part": "demo", "kubeconfig": "/root/admin.conf", **args}, async_val=0)
        task.check_mode = check_mode
        task.get_search_path.return_value = [str(role)]
        templar = Templar(loader=loader, variables=variables)
        action = manifests.ActionModule(task, mock.Mock(), mock.Mock(), loader, templar, None)
        result: dict[str, Any] = action.run(task_vars=variables)
        return result

    return run_action


def test_objects_from_everywhere(run: Run, cluster: Any) -> None:
    # An empty document at the end of a file is none.
    result = run(files=["crds.yml"], templates=["objects.yml.j2"], definitions=[WEB, {}])
    applied = ["Namespace demo", "ConfigMap demo/b", "ConfigMap demo/a", "Deployment demo/web"]
    assert (result["changed"], result["applied"], result["removed"]) == (True, applied, [])
    assert result["parts"] == ["demo"]
    assert [item["after_header"] for item in result["diff"]] == applied
    assert result["diff"][0] == {
        "before": "",
        "after": yaml.safe_dump(NAMESPACE),
        "before_header": "Namespace demo",
        "after_header": "Namespace demo",
    }
    assert "/api/v1/namespaces/demo/configmaps/a" in cluster.objects


def test_again_changes_nothing(run: Run) -> None:
    run(definitions=[NAMESPACE, WEB])
    result = run(definitions=[NAMESPACE, WEB])
    assert result == {"changed": False, "applied": [], "removed": [], "parts": ["demo"], "diff": []}


def test_check_mode_lists_what_a_run_then_does(run: Run, cluster: Any) -> None:
    run(definitions=[NAMESPACE, WEB])
    before = cluster.changes()
    wanted = {"definitions": [NAMESPACE], "templates": ["objects.yml.j2"], "wait": 60}
    planned = run(check_mode=True, **wanted)
    assert cluster.changes() == before
    assert planned["applied"] == ["ConfigMap demo/b", "ConfigMap demo/a"]
    assert planned["removed"] == ["Deployment demo/web"]
    assert run(**wanted) == planned


def test_a_part_that_is_switched_off(run: Run, cluster: Any) -> None:
    run(definitions=[NAMESPACE, WEB])
    result = run()
    assert (result["changed"], result["removed"]) == (True, ["Deployment demo/web", "Namespace demo"])
    assert result["parts"] == []
    assert "/api/v1/namespaces/demo" not in cluster.objects
    assert run()["changed"] is False


def test_what_is_not_remembered_is_a_change(run: Run, cluster: Any) -> None:
    run(definitions=[NAMESPACE])
    cluster.objects.pop("/api/v1/namespaces/kube-system/configmaps/kubestead-parts")
    planned = run(check_mode=True, definitions=[NAMESPACE])
    assert (planned["changed"], planned["applied"]) == (True, [])
    assert run(definitions=[NAMESPACE])["changed"] is True
    assert run(definitions=[NAMESPACE])["changed"] is False


@pytest.mark.parametrize(("wait", "seconds"), [(0, 0), (60, 8)])
def test_rollouts_are_waited_for(run: Run, cluster: Any, wait: int, seconds: int) -> None:
    cluster.slowness = 8
    run(definitions=[NAMESPACE, WEB], wait=wait)
    assert cluster.seconds == seconds


def test_a_rollout_that_does_not_end(run: Run, cluster: Any) -> None:
    cluster.slowness = 80
    with pytest.raises(
        AnsibleActionFail, match=r"^demo: Deployment demo/web: not seen by its controller yet after 5 s"
    ):
        run(definitions=[NAMESPACE, WEB], wait=5)


class TestWithoutACluster:
    def test_check_mode_lists_everything(self, run: Run, cluster: Any) -> None:
        result = run(check_mode=True, definitions=[WEB, NAMESPACE], cluster_exists=False)
        assert cluster.requests == []
        assert result == {
            "changed": True,
            "applied": ["Namespace demo", "Deployment demo/web"],
            "removed": [],
            "diff": [{"before": "", "after": "Namespace demo\n"}, {"before": "", "after": "Deployment demo/web\n"}],
        }

    def test_nothing_is_no_change(self, run: Run) -> None:
        assert run(check_mode=True, cluster_exists=False)["changed"] is False

    def test_a_run_has_made_it_by_then(self, run: Run, cluster: Any) -> None:
        assert run(definitions=[NAMESPACE], cluster_exists=False)["applied"] == ["Namespace demo"]
        assert "/api/v1/namespaces/demo" in cluster.objects


@pytest.mark.parametrize(
    "error",
    [KubeconfigError("/root/admin.conf: No such file"), Unreachable("https://10.0.0.1: the API did not answer")],
)
def test_errors_name_the_part(run: Run, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.setattr(manifests, "connect", mock.Mock(side_effect=error))
    with pytest.raises(AnsibleActionFail, match=f"^demo: {error}$"):
        run(definitions=[NAMESPACE])


def test_refusals(run: Run, cluster: Any) -> None:
    cluster.refusals.append(lambda path, _wanted: cluster.refusal(422, "Invalid", "no", path=path))
    expected = "^demo: the API refused PATCH /api/v1/namespaces/demo: 422 Invalid: no$"
    with pytest.raises(AnsibleActionFail, match=expected):
        run(definitions=[NAMESPACE])


def test_a_template_that_is_no_yaml(run: Run) -> None:
    with pytest.raises(AnsibleActionFail) as caught:
        run(templates=["torn.yml.j2"])
    assert str(caught.value) == "demo: torn.yml.j2: line 2 is no YAML: mapping values are not allowed in this context"


def test_a_template_that_can_t_be_rendered(run: Run) -> None:
    with pytest.raises(AnsibleError, match=r"undefined\.yml\.j2 can't be rendered: 'nobody_sets_this' is undefined"):
        run(templates=["undefined.yml.j2"])


def test_without_the_library(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifests, "IMPORT_ERROR", "Traceback")
    with pytest.raises(AnsibleActionFail, match=r"Failed to import the required Python library \(urllib3\)"):
        run(definitions=[NAMESPACE])


def test_arguments(run: Run) -> None:
    with pytest.raises(AnsibleActionFail, match=r"Unsupported parameters for \(.*\) module: definition\."):
        run(definition=NAMESPACE)


def test_the_module_documents_what_the_action_takes() -> None:
    options = yaml.safe_load(documented.DOCUMENTATION)["options"]
    for option in options.values():
        option.pop("description")
    assert options == manifests.SPEC
