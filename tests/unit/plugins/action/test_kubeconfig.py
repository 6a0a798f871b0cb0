# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The administrator's kubeconfig on the controller: written in one step, readable by nobody else, over no other's."""

from __future__ import annotations

import base64
import threading
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import yaml
from ansible.errors import AnsibleActionFail
from ansible.template import trust_as_template

from ansible_collections.kubestead.cluster.plugins.action import kubeconfig
from ansible_collections.kubestead.cluster.plugins.modules import kubeconfig as documented
from tests.unit.authority import Authority

OURS, THEIRS = Authority(), Authority()
CONTENT = OURS.admin_conf()
ENDPOINT = "192.0.2.100:8443"
#: As values of an inventory are.
TAGGED = trust_as_template("production")


def run(path: Path, check_mode: bool = False, source: str | None = None, **args: Any) -> dict[str, Any]:
    """Run the action; `source` is what a control plane has, without which it must not be asked."""
    given = {"path": str(path), "name": TAGGED, "endpoint": ENDPOINT, "ca_hashes": [OURS.hash], **args}
    task = mock.Mock(args=given, async_val=0, check_mode=check_mode, delegate_to=None, no_log=False)
    action = kubeconfig.ActionModule(task, mock.Mock(), mock.Mock(), mock.Mock(), mock.Mock(), None)
    asked = {"failed": True, "msg": "nobody may be asked"}
    if source is not None:
        asked = {"content": base64.b64encode(source.encode()).decode()}
    action._execute_module = mock.Mock(return_value=asked)
    result: dict[str, Any] = action.run(task_vars={"inventory_hostname": "cp1"})
    assert "content" not in result
    return result


def user_of(path: Path) -> Any:
    return yaml.safe_load(path.read_text())["users"][0]


def test_it_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "new" / "config"
    assert run(path, content=CONTENT)["changed"] is True
    assert path.stat().st_mode & 0o777 == 0o600
    assert user_of(path)["name"] == "production-admin"
    assert run(path, content=CONTENT)["changed"] is False
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_serves_asks_nobody_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "config"
    assert run(path, source=CONTENT)["changed"] is True
    before = path.read_bytes()
    assert run(path)["changed"] is False
    # After a power cut another control plane may be the first healthy one.
    assert run(path, content=OURS.admin_conf())["changed"] is False
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_text(THEIRS.admin_conf()),
        lambda path: path.write_text(OURS.admin_conf(days=3)),
        lambda path: path.write_text(OURS.admin_conf(server="https://192.0.2.11:6443")),
        lambda path: path.chmod(0o644),
    ],
)
def test_what_does_not_serve_is_mended(tmp_path: Path, spoil: Any) -> None:
    path = tmp_path / "config"
    run(path, content=CONTENT)
    spoil(path)
    assert run(path, check_mode=True, source=CONTENT)["changed"] is True
    assert run(path, source=CONTENT)["changed"] is True
    assert path.stat().st_mode & 0o777 == 0o600
    assert run(path)["changed"] is False


def test_a_new_cluster_at_the_same_endpoint(tmp_path: Path) -> None:
    """Nobody knows its CA before."""
    path = tmp_path / "config"
    path.write_text(THEIRS.admin_conf())
    path.chmod(0o600)
    assert run(path, content=CONTENT, ca_hashes=[])["changed"] is True
    assert run(path)["changed"] is False


@pytest.mark.parametrize("check_mode", [False, True])
@pytest.mark.parametrize("given", [{"content": CONTENT}, {"source": CONTENT}, {"content": CONTENT, "ca_hashes": []}])
def test_another_clusters_file_is_not_overwritten(tmp_path: Path, given: dict[str, Any], check_mode: bool) -> None:
    path = tmp_path / "config"
    text = THEIRS.admin_conf(server="https://192.0.2.99:8443")
    path.write_text(text)
    with pytest.raises(AnsibleActionFail, match=r"cluster_kubeconfig: .*: found the kubeconfig of another cluster"):
        run(path, check_mode=check_mode, **given)
    assert path.read_text() == text


def test_two_runs_side_by_side_do_not_swap_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both see no file; one is slow to write."""
    path = tmp_path / "config"
    write, entered, go_on = kubeconfig.write, threading.Event(), threading.Event()

    def write_late(where: Path, content: str) -> None:
        entered.set()
        go_on.wait(10)
        write(where, content)

    monkeypatch.setattr(kubeconfig, "write", write_late)
    first = threading.Thread(target=run, args=(path,), kwargs={"content": CONTENT})
    first.start()
    assert entered.wait(10)
    refused: list[str] = []

    def second_run() -> None:
        try:
            run(path, content=THEIRS.admin_conf(), endpoint="192.0.2.99:8443", ca_hashes=[])
        except AnsibleActionFail as error:
            refused.append(str(error))

    second = threading.Thread(target=second_run)
    second.start()
    second.join(0.3)
    assert second.is_alive()
    go_on.set()
    first.join(10)
    second.join(10)
    assert "another cluster, at https://192.0.2.100:8443" in refused[0]
    assert ENDPOINT in path.read_text()


def test_a_control_plane_of_another_ca_is_not_believed(tmp_path: Path) -> None:
    with pytest.raises(AnsibleActionFail, match=f"found CA {THEIRS.hash[:19]}; expected the CA of the inventory's"):
        run(tmp_path / "config", source=THEIRS.admin_conf())
    assert list(tmp_path.iterdir()) == []


def test_a_program_never_reaches_the_controller(tmp_path: Path) -> None:
    text = OURS.kubeconfig({"exec": {"command": "/bin/sh"}}, server="https://192.0.2.11:6443")
    with pytest.raises(AnsibleActionFail, match=r"admin\.conf: found no CA, client certificate and client key"):
        run(tmp_path / "config", source=text)
    assert list(tmp_path.iterdir()) == []


def test_a_control_plane_that_has_none(tmp_path: Path) -> None:
    with pytest.raises(AnsibleActionFail, match=r"/etc/kubernetes/admin\.conf: nobody may be asked"):
        run(tmp_path / "config")


def test_check_mode_writes_nothing(tmp_path: Path) -> None:
    assert run(tmp_path / "config", check_mode=True, content=CONTENT)["changed"] is True
    # A cluster that is not there yet has none.
    assert run(tmp_path / "config", check_mode=True, content="")["changed"] is True
    assert list(tmp_path.iterdir()) == []


def test_a_proxy(tmp_path: Path) -> None:
    path = tmp_path / "config"
    proxy = "socks5://127.0.0.1:1080"
    run(path, source=CONTENT)
    assert run(path, source=CONTENT, proxy=proxy)["changed"] is True
    [cluster] = yaml.safe_load(path.read_text())["clusters"]
    assert (cluster["cluster"]["server"], cluster["cluster"]["proxy-url"]) == (f"https://{ENDPOINT}", proxy)
    assert run(path, proxy=proxy)["changed"] is False


def test_a_folder_in_its_place(tmp_path: Path) -> None:
    expected = f"cluster_kubeconfig: {tmp_path}: Is a directory; expected a file that this user can write"
    with pytest.raises(AnsibleActionFail, match=expected):
        run(tmp_path)


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(kubeconfig.os, "rename", refuse)
    with pytest.raises(AnsibleActionFail, match="Operation not permitted"):
        run(tmp_path / "config", content=CONTENT)
    assert list(tmp_path.iterdir()) == []


def test_the_module_documents_what_the_action_takes() -> None:
    assert yaml.safe_load(documented.DOCUMENTATION)["options"].keys() == kubeconfig.ARGUMENTS.keys()
