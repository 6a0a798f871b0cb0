# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.module_utils._kubeadm import json_output
from ansible_collections.kubestead.cluster.plugins.module_utils._redact import ParseError
from tests.unit.kubeadm_outputs import TOKEN, fixture


class TestTokenList:
    FULL: dict[str, Any] = {  # noqa: RUF012
        "kind": "BootstrapToken",
        "token": TOKEN,
        "expires": "2026-11-23T22:00:00Z",
        "usages": ["authentication", "signing"],
        "groups": ["system:bootstrappers:kubeadm:default-node-token"],
        "description": "a node",
    }

    def test_recorded(self, version: str) -> None:
        tokens = json_output.parse_token_list(fixture(f"{version}_token_list.json"))
        by_description = {token.description: token for token in tokens}
        assert set(by_description) == {"", "never expires", "Proxy for managing TTL for the kubeadm-certs secret"}
        assert by_description["never expires"].expires is None
        assert by_description[""].usages == ("authentication", "signing")
        assert re.fullmatch(r"2026-11-23T\d\d:\d\d:\d\dZ", by_description[""].expires or "")
        proxy = by_description["Proxy for managing TTL for the kubeadm-certs secret"]
        assert proxy.usages == proxy.groups == ()

    def test_stream(self) -> None:
        second = {"token": "ghijkl.fedcba9876543210", "expires": None, "usages": None}
        tokens = json_output.parse_token_list(json.dumps(self.FULL, indent=4) + "\n" + json.dumps(second) + "\n")
        assert tokens == (
            json_output.BootstrapToken(
                token=TOKEN,
                token_id="abcdef",
                expires="2026-11-23T22:00:00Z",
                usages=("authentication", "signing"),
                groups=("system:bootstrappers:kubeadm:default-node-token",),
                description="a node",
            ),
            json_output.BootstrapToken("ghijkl.fedcba9876543210", "ghijkl", None, (), (), ""),
        )
        assert TOKEN not in repr(tokens)

    @pytest.mark.parametrize("text", ["", "\n"])
    def test_no_tokens(self, text: str) -> None:
        assert json_output.parse_token_list(text) == ()

    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            ({"token": "x"}, "ID.SECRET"),
            ({"token": None}, "a text 'token'"),
            ({"expires": 1}, "a text 'expires'"),
            ({"usages": "signing"}, "a list of texts 'usages'"),
            ({"groups": [1]}, "a list of texts 'groups'"),
            ({"description": 1}, "a text 'description'"),
        ],
    )
    def test_errors(self, change: dict[str, Any], expected: str) -> None:
        with pytest.raises(ParseError, match=expected) as error:
            json_output.parse_token_list(json.dumps({**self.FULL, **change}))
        assert TOKEN not in str(error.value)

    @pytest.mark.parametrize("text", ["TOKEN TTL", '{"token": ', '{"token": "x"} tail', "{} []"])
    def test_no_json(self, text: str) -> None:
        with pytest.raises(ParseError, match="of kubeadm token list"):
            json_output.parse_token_list(text)


class TestImages:
    def test_recorded(self, version: str) -> None:
        images = json_output.parse_images(fixture(f"{version}_images.json"))
        assert images[0] == f"registry.k8s.io/kube-apiserver:v{version}"
        assert len(images) == 7

    def test_talk_before_the_document(self) -> None:
        text = 'I1122 22:00:00.000000 1 version.go:252] remote version\n{"images": ["a:1"]}\n'
        assert json_output.parse_images(text) == ("a:1",)

    @pytest.mark.parametrize("text", ['{"images": []}', "{}"])
    def test_none(self, text: str) -> None:
        with pytest.raises(ParseError, match="at least one image"):
            json_output.parse_images(text)

    @pytest.mark.parametrize(
        ("text", "expected"),
        [("{}\n{}", "one JSON object"), ("registry.k8s.io/pause:3.10", "JSON of kubeadm config images list")],
    )
    def test_errors(self, text: str, expected: str) -> None:
        with pytest.raises(ParseError, match=expected):
            json_output.parse_images(text)
