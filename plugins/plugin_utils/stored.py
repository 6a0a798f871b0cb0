# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A text that is remembered in the cluster, in a ConfigMap or, where it is nobody's business, in a Secret."""

from __future__ import annotations

import base64
from typing import Any, Literal

from ansible_collections.kubestead.cluster.plugins.module_utils._kube import Api, ApiError

PLACE = "/api/v1/namespaces/kube-system"


class Meanwhile(Exception):
    """Somebody else has changed it since it was read."""


class Stored:
    """One text under one name in namespace kube-system."""

    def __init__(self, api: Api, kind: Literal["ConfigMap", "Secret"], name: str, key: str) -> None:
        """Read it."""
        self._api = api
        self._kind = kind
        self._name = name
        self._key = key
        self._folder = f"{PLACE}/{kind.lower()}s"
        self._object: Any = api.get(f"{self._folder}/{name}")

    @property
    def text(self) -> str | None:
        """The text, None if nothing is remembered."""
        if self._object is None:
            return None
        found: str = (self._object.get("data") or {}).get(self._key, "")
        return base64.b64decode(found).decode() if self._kind == "Secret" else found

    def write(self, text: str | None) -> None:
        """Remember another text; None forgets it."""
        if text == self.text:
            return
        value = base64.b64encode((text or "").encode()).decode() if self._kind == "Secret" else text
        path = f"{self._folder}/{self._name}"
        document = {"apiVersion": "v1", "kind": self._kind, "metadata": {"name": self._name}}
        try:
            if text is None:
                self._api.request("DELETE", path)
                self._object = None
            elif self._object is None:
                self._object = self._api.request("POST", self._folder, {**document, "data": {self._key: value}})
            else:
                self._object = self._api.request("PUT", path, {**self._object, "data": {self._key: value}})
        except ApiError as error:
            if error.status != 409:
                raise
            raise Meanwhile(
                f"{self._kind} kube-system/{self._name}: found that somebody else changed it meanwhile; run again"
            ) from None
