# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An API that keeps objects, as much of one as the smoke modules need."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ansible_collections.kubestead.cluster.plugins.module_utils._kube import ApiError
from ansible_collections.kubestead.cluster.plugins.module_utils._smoke import namespace
from tests.unit.merge_patch import merged


class FakeApi:
    """Keeps objects by their paths; `hooks` may change one when it is asked for, as controllers would."""

    def __init__(self) -> None:
        self.objects: dict[str, Any] = {}
        self.logs: dict[str, list[str]] = {}
        self.calls: list[tuple[str, str]] = []
        self.conflicts = 0
        self.hook: Callable[[str, Any], None] = lambda _path, _found: None

    def refuse(self, method: str, path: str, status: int) -> ApiError:
        return ApiError(method, path, status, "Because", f"refused {path}")

    def node(self, name: str, **spec: Any) -> dict[str, Any]:
        conditions = [{"type": "Ready", "status": "True"}]
        found = {
            "metadata": {"name": name, "labels": {}, "resourceVersion": "1"},
            "spec": spec,
            "status": {"addresses": [{"type": "InternalIP", "address": f"192.0.2.{len(self.objects) + 1}"}]},
        }
        found["status"]["conditions"] = conditions
        self.objects[f"/api/v1/nodes/{name}"] = found
        return found

    def request(self, method: str, path: str, body: Any = None, content_type: str = "", query: Any = None) -> Any:
        self.calls.append((method, path))
        url = urlsplit(path)
        if method == "POST":
            made = deepcopy(body)
            made["metadata"].setdefault("uid", f"uid-{len(self.calls)}")
            made.setdefault("status", {})
            self.objects[f"{url.path}/{made['metadata']['name']}"] = made
            return made
        if method == "GET" and url.path not in self.objects:
            items = [deepcopy(item) for key, item in self.objects.items() if key.rpartition("/")[0] == url.path]
            if items or self.is_list(url.path):
                wanted = parse_qs(url.query).get("labelSelector", [""])[0]
                pairs = [part.split("=") for part in wanted.split(",") if part]
                return {
                    "items": [
                        item for item in items if all(item["metadata"].get("labels", {}).get(k) == v for k, v in pairs)
                    ]
                }
        if url.path not in self.objects:
            raise self.refuse(method, path, 404)
        found = self.objects[url.path]
        self.hook(url.path, found)
        if method == "PATCH":
            if self.conflicts:
                self.conflicts -= 1
                raise self.refuse(method, path, 409)
            self.objects[url.path] = found = merged(found, body)
        if method == "DELETE":
            for key in [key for key in self.objects if key == url.path or key.startswith(f"{url.path}/")]:
                del self.objects[key]
        return deepcopy(found)

    @staticmethod
    def is_list(path: str) -> bool:
        return path == "/api/v1/nodes" or path.rpartition("/")[2] in {name for _group, name in namespace.KINDS.values()}

    def get(self, path: str) -> Any:
        try:
            return self.request("GET", path)
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    def text(self, path: str) -> str:
        pod = path.split("/")[-2]
        if pod not in self.logs:
            raise self.refuse("GET", path, 400)
        return "".join(f"{line}\n" for line in self.logs[pod])


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> FakeApi:
    """The API, in a world where waiting takes no time."""
    now = [0.0]
    monkeypatch.setattr(namespace.time, "monotonic", lambda: now[0])

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(namespace.time, "sleep", sleep)
    return FakeApi()
