# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What others publish and the roles carry is what it was when it was looked up."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
VERSIONS = yaml.safe_load((ROOT / "roles/cluster/vars/main/versions.yml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("path", "checksum"),
    [
        ("roles/ingress/files/gateway-api.json", "__cluster_gateway_api_sha256"),
        ("roles/metallb/files/crds.json", "__cluster_metallb_crds_sha256"),
    ],
)
def test_checksum(path: str, checksum: str) -> None:
    assert hashlib.sha256((ROOT / path).read_bytes()).hexdigest() == VERSIONS[checksum]


def test_gateway_api_is_of_the_version_that_is_named() -> None:
    documents = json.loads((ROOT / "roles/ingress/files/gateway-api.json").read_text(encoding="utf-8"))["items"]
    annotations = [document["metadata"].get("annotations", {}) for document in documents]
    found = {
        (item.get("gateway.networking.k8s.io/bundle-version"), item.get("gateway.networking.k8s.io/channel"))
        for item in annotations
    }
    assert found == {(VERSIONS["__cluster_gateway_api_version"], "standard")}
