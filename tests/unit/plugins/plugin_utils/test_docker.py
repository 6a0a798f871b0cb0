# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Docker is told of registries, and what it can't be told."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.kubestead.cluster.plugins.filter.docker import FilterModule

FILTER = FilterModule().filters()["docker_registries"]
CA = "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----"
OTHER_CA = CA.replace("MII", "MIJ")


def certificates(found: dict[str, Any]) -> dict[str, str]:
    return {item["path"]: item["content"].partition("\n")[2] for item in found["files"]}


def test_what_docker_has_something_for() -> None:
    found = FILTER(
        {
            "docker.io": {
                "server": "https://registry-1.docker.io",
                "ca": CA,
                "mirrors": ["https://a.example.com", {"url": "https://b.example.com:8443", "ca": OTHER_CA}],
            },
            "plain.example.com:5000": {"server": "http://plain.example.com:5000/"},
            "r.example.com:5000": {"ca": f"{CA}\n", "server": "https://r.example.com:5000"},
            "loose.example.com": {"skip_verify": True},
        },
        ["https://first.example.com"],
    )
    assert found["daemon"] == {
        "registry-mirrors": ["https://first.example.com", "https://a.example.com", "https://b.example.com:8443"],
        "insecure-registries": ["loose.example.com", "plain.example.com:5000"],
    }
    assert certificates(found) == {
        "/etc/docker/certs.d/a.example.com/ca.crt": f"{CA}\n",
        "/etc/docker/certs.d/b.example.com:8443/ca.crt": f"{OTHER_CA}\n",
        "/etc/docker/certs.d/r.example.com:5000/ca.crt": f"{CA}\n",
    }


def test_nothing_given_nothing_told() -> None:
    assert FILTER({}) == {"files": [], "daemon": {}}


@pytest.mark.parametrize(
    ("name", "settings", "where", "remedy"),
    [
        ("ghcr.io", {"mirrors": ["https://m"]}, "[ghcr.io].mirrors: found mirrors of ghcr.io", "by the mirror"),
        ("ghcr.io", {"server": "https://m"}, "[ghcr.io].server: found another server", "by that server"),
        ("ghcr.io", {"server": "https://ghcr.io/path"}, "[ghcr.io].server: found another server", "by that server"),
        ("ghcr.io", {"ca": "/etc/ssl/ca.pem"}, "[ghcr.io].ca: found a path", "give its text"),
        ("ghcr.io", {"credentials": {"password": "s3cret"}}, "[ghcr.io].credentials: found cred", "imagePullSecrets"),
        ("docker.io", {"credentials": {"password": "s3cret"}}, "[docker.io].credentials: found", "imagePullSecrets"),
        ("docker.io", {"server": "https://m"}, "[docker.io].server: found another server", "first of the mirrors"),
        ("ghcr.io", {"cas": CA}, "[ghcr.io].cas: found an unknown key", "take one of ca, cred"),
        ("docker.io", {"mirrors": [{"url": "https://m", "x": 1}]}, "[docker.io].mirrors[0].x: found an", "take one of"),
        ("docker.io", {"ca": CA}, "[docker.io]: found ca of docker.io itself", "to a mirror"),
        (
            "docker.io",
            {"mirrors": [{"url": "https://m", "credentials": {"password": "s3cret"}}]},
            "[docker.io].mirrors[0].credentials: found credentials",
            "imagePullSecrets",
        ),
        ("_default", {"server": "https://m"}, "[_default]: found settings for every", "docker_registry_mirrors"),
    ],
)
def test_what_docker_has_nothing_for(name: str, settings: dict[str, Any], where: str, remedy: str) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        FILTER({name: settings})
    assert str(caught.value).startswith(f"containerd_registries{where}")
    assert remedy in str(caught.value)
    assert "s3cret" not in str(caught.value)
