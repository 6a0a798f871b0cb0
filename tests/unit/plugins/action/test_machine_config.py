# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's half: arguments, templates, sources, secrets. Only the remote execution is replaced."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from ansible_collections.kubestead.cluster.plugins.action.machine_config import ActionModule


@pytest.fixture
def role(tmp_path: Path) -> Path:
    for folder in ("templates", "files"):
        (tmp_path / folder).mkdir()
    (tmp_path / "templates" / "a.j2").write_text(
        "{% if true %}\nname {{ name }}\n{% endif %}\n{% include 'b.j2' %}\n", encoding="utf-8"
    )
    (tmp_path / "templates" / "b.j2").write_text("{{ nested }}\n", encoding="utf-8")
    (tmp_path / "templates" / "number.j2").write_text("{{ 1 + 1 }}", encoding="utf-8")
    (tmp_path / "templates" / "none.j2").write_text("{{ none }}", encoding="utf-8")
    (tmp_path / "templates" / "bad.j2").write_text("{{ undefined_here }}", encoding="utf-8")
    (tmp_path / "templates" / "syntax.j2").write_text("{% if %}", encoding="utf-8")
    (tmp_path / "files" / "plain").write_text("{{ stays }}\n", encoding="utf-8")
    return tmp_path


def run(role: Path, args: dict[str, Any]) -> tuple[dict[str, Any], MagicMock]:
    variables = {
        "name": "x",
        "nested": trust_as_template("<{{ name }}>"),
        "ansible_search_path": [str(role)],
    }
    loader = DataLoader()
    loader.set_basedir(str(role))
    task = MagicMock(args=args, async_val=0, check_mode=False, diff=True)
    task.get_search_path.return_value = [str(role)]
    action = ActionModule(
        task=task,
        connection=MagicMock(),
        play_context=MagicMock(),
        loader=loader,
        templar=Templar(loader=loader, variables=variables),
        shared_loader_obj=None,
    )
    execute = MagicMock(return_value={"changed": True, "changes": ["x"]})
    action._execute_module = execute
    return action.run(task_vars=variables), execute


def sent(role: Path, args: dict[str, Any]) -> dict[str, Any]:
    result, execute = run(role, args)
    assert result["changes"] == ["x"]
    execute.assert_called_once()
    assert execute.call_args.kwargs["module_name"] == "kubestead.cluster.machine_config"
    module_args: dict[str, Any] = execute.call_args.kwargs["module_args"]
    return module_args


def test_templates_are_rendered_as_the_builtin_does(role: Path) -> None:
    files = [{"path": f"/{name}", "template": f"{name}.j2"} for name in ("a", "number", "none")]
    args = sent(role, {"files": files})
    assert [item["content"] for item in args["files"]] == ["name x\n<x>\n", "2", ""]
    assert all("template" not in item for item in args["files"])


def test_sources_are_not_templates(role: Path) -> None:
    assert sent(role, {"files": [{"path": "/a", "source": "plain"}]})["files"][0]["content"] == "{{ stays }}\n"


def test_secrets_travel_apart(role: Path) -> None:
    files = [{"path": "/a", "content": "hunter2", "sensitive": True}, {"path": "/b", "content": "open"}]
    args = sent(role, {"files": files})
    assert args["sensitive_contents"] == {"/a": "hunter2"}
    assert [item["content"] for item in args["files"]] == ["", "open"]


def test_what_is_null_is_left_out(role: Path) -> None:
    args = sent(
        role, {"swap": None, "sysctls": None, "files": [{"path": "/a", "block": "", "block_name": "n", "mode": None}]}
    )
    assert "swap" not in args
    assert "sysctls" not in args
    assert args["files"] == [
        {
            "path": "/a",
            "state": "file",
            "block": "",
            "block_name": "n",
            "openpgp_fingerprints": [],
            "sensitive": False,
        }
    ]


@pytest.mark.parametrize(
    ("args", "reasons"),
    [
        ({"filez": 1, "swap": "on"}, ["2 arguments can't be used", "filez", "must be one of: off"]),
        ({"files": [{"path": "a"}]}, ["2 arguments can't be used", "has to be absolute", "exactly one of"]),
        ({"sensitive_contents": {"/a": "x"}}, ["is filled by the action"]),
        (
            {"files": [{"path": "/a", "template": "bad.j2"}, {"path": "/b", "template": "nix.j2"}]},
            ["files: /a: template", "bad.j2 can't be rendered: 'undefined_here' is undefined", "files: /b: ", "nix.j2"],
        ),
        ({"files": [{"path": "/a", "template": "syntax.j2"}]}, ["syntax.j2 can't be rendered"]),
        ({"files": [{"path": "/a", "source": "nix"}]}, ["files: /a: ", "nix"]),
    ],
)
def test_problems_are_told_before_the_machine_is_asked(role: Path, args: dict[str, Any], reasons: list[str]) -> None:
    with pytest.raises(AnsibleActionFail) as caught:
        run(role, args)
    for reason in reasons:
        assert reason in str(caught.value)
