# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client of the API: what goes wrong with it is told as the reason of a failure."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kubernetes.client.exceptions import ApiException

from ansible_collections.kubestead.cluster.plugins.module_utils import _kube


class Failed(Exception):
    """What AnsibleModule.fail_json ends with."""


class Module:
    def __init__(self, kubeconfig: Path) -> None:
        self.params = {"kubeconfig": str(kubeconfig)}

    def fail_json(self, msg: str, **details: Any) -> None:
        raise Failed(msg)


def kubeconfig(folder: Path, port: int) -> Path:
    path = folder / "admin.conf"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_text(json.dumps(content))
    return path


def test_the_server_of_the_kubeconfig_is_asked(tmp_path: Path) -> None:
    with _kube.core_api(Module(kubeconfig(tmp_path, 16443))) as api:
        assert api.api_client.configuration.host == "http://127.0.0.1:16443"


@pytest.mark.parametrize("content", [None, "", "{}"])
def test_no_kubeconfig(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "admin.conf"
    if content is not None:
        path.write_text(content)
    expected = f"^{path}: .*; expected the kubeconfig of a cluster that this user may administer$"
    with pytest.raises(Failed, match=expected), _kube.core_api(Module(path)):
        pytest.fail("entered")


def test_the_api_refuses(tmp_path: Path) -> None:
    with (
        pytest.raises(Failed, match=r"^the API refused: 403 Forbidden: None$"),
        _kube.core_api(Module(kubeconfig(tmp_path, 1))),
    ):
        raise ApiException(status=403, reason="Forbidden")


def test_nobody_answers(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        path = kubeconfig(tmp_path, closed.getsockname()[1])
        expected = f"^the API at the server that {path} names did not answer: .*[Cc]onnection refused"
        with pytest.raises(Failed, match=expected), _kube.core_api(Module(path)) as api:
            api.list_node(_request_timeout=2)


def test_other_errors_are_not_hidden(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), _kube.core_api(Module(kubeconfig(tmp_path, 1))):
        raise ZeroDivisionError


def test_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_kube, "IMPORT_ERROR", "Traceback: No module named 'kubernetes'")
    expected = r"Failed to import the required Python library \(kubernetes\)"
    with pytest.raises(Failed, match=expected), _kube.core_api(Module(tmp_path)):
        pytest.fail("entered")


def node(*conditions: tuple[str, str]) -> SimpleNamespace:
    items = [SimpleNamespace(type=kind, status=status) for kind, status in conditions]
    return SimpleNamespace(status=SimpleNamespace(conditions=items or None))


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ([("MemoryPressure", "False"), ("Ready", "True")], True),
        ([("MemoryPressure", "True"), ("Ready", "False")], False),
        ([("Ready", "Unknown")], False),
        ([], False),
    ],
)
def test_ready(conditions: list[tuple[str, str]], expected: bool) -> None:
    assert _kube.ready(node(*conditions)) is expected
