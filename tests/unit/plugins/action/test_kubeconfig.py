# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operator's kubeconfig on the controller: written in one step, for nobody else to read."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import yaml
from ansible.errors import AnsibleActionFail

from ansible_collections.kubestead.cluster.plugins.action import kubeconfig
from ansible_collections.kubestead.cluster.plugins.modules import kubeconfig as documented

CONTENT = """\
apiVersion: v1
clusters:
- cluster: {server: "https://192.0.2.100:8443"}
  name: kubernetes
kind: Config
"""


def run(path: Path, check_mode: bool = False, **args: Any) -> dict[str, Any]:
    given = {"path": str(path), "content": CONTENT, **args}
    task = mock.Mock(args=given, async_val=0, check_mode=check_mode, delegate_to=None)
    action = kubeconfig.ActionModule(task, mock.Mock(), mock.Mock(), mock.Mock(), mock.Mock(), None)
    result: dict[str, Any] = action.run(task_vars={"inventory_hostname": "cp1"})
    return result


def test_it_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "new" / "config"
    assert run(path)["changed"] is True
    assert path.read_text() == CONTENT
    assert path.stat().st_mode & 0o777 == 0o600
    assert run(path)["changed"] is False
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("spoil", [lambda path: path.write_text("x"), lambda path: path.chmod(0o644)])
def test_another_content_or_mode_is_mended(tmp_path: Path, spoil: Any) -> None:
    path = tmp_path / "config"
    run(path)
    spoil(path)
    assert run(path, check_mode=True)["changed"] is True
    assert run(path)["changed"] is True
    assert (path.read_text(), path.stat().st_mode & 0o777) == (CONTENT, 0o600)


def test_check_mode_writes_nothing(tmp_path: Path) -> None:
    assert run(tmp_path / "config", check_mode=True)["changed"] is True
    assert list(tmp_path.iterdir()) == []


def test_a_proxy(tmp_path: Path) -> None:
    path = tmp_path / "config"
    proxy = "socks5://127.0.0.1:1080"
    assert run(path, proxy=proxy)["changed"] is True
    [cluster] = yaml.safe_load(path.read_text())["clusters"]
    assert cluster["cluster"] == {"server": "https://192.0.2.100:8443", "proxy-url": proxy}
    assert run(path, proxy=proxy)["changed"] is False


def test_a_folder_in_its_place(tmp_path: Path) -> None:
    expected = f"cluster_kubeconfig: {tmp_path}: Is a directory; expected a file that this user can write"
    with pytest.raises(AnsibleActionFail, match=expected):
        run(tmp_path)


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(kubeconfig.os, "replace", refuse)
    with pytest.raises(AnsibleActionFail, match="Operation not permitted"):
        run(tmp_path / "config")
    assert list(tmp_path.iterdir()) == []


def test_the_module_documents_what_the_action_takes() -> None:
    assert yaml.safe_load(documented.DOCUMENTATION)["options"].keys() == {"path", "content", "proxy"}
