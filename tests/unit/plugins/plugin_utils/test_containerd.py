# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""config.toml and hosts.toml, as a parser of TOML reads them."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.kubestead.cluster.plugins.filter.containerd import FilterModule

FILTERS = FilterModule().filters()
PAUSE = "registry.k8s.io/pause:3.10.2"


def config(version: str, overrides: dict[str, Any] | None = None) -> dict[str, Any]:
    return tomllib.loads(FILTERS["containerd_config"](overrides or {}, version, PAUSE))


@pytest.mark.parametrize("version", ["1.7.24~ds1-6+b4", "1.6.20", "0:1.7.1"])
def test_version_1(version: str) -> None:
    found = config(version)
    assert found["version"] == 2
    cri = found["plugins"]["io.containerd.grpc.v1.cri"]
    assert cri["sandbox_image"] == PAUSE
    assert cri["cni"] == {"bin_dir": "/opt/cni/bin"}
    assert cri["registry"] == {"config_path": "/etc/containerd/certs.d"}
    assert cri["containerd"]["runtimes"]["runc"] == {
        "runtime_type": "io.containerd.runc.v2",
        "options": {"SystemdCgroup": True},
    }


@pytest.mark.parametrize("version", ["2.2.0", "2.3.7-1", "10.0.0", ""])
def test_version_2(version: str) -> None:
    found = config(version)
    assert found["version"] == 3
    runtime, images = (found["plugins"][f"io.containerd.cri.v1.{name}"] for name in ("runtime", "images"))
    assert runtime["cni"] == {"bin_dirs": ["/opt/cni/bin"]}
    assert runtime["containerd"]["runtimes"]["runc"]["options"] == {"SystemdCgroup": True}
    assert images == {"pinned_images": {"sandbox": PAUSE}, "registry": {"config_path": "/etc/containerd/certs.d"}}


def test_what_the_user_says_is_merged_last() -> None:
    overrides = {
        "oom_score": -999,
        "plugins": {
            "io.containerd.cri.v1.runtime": {
                "restrict_oom_score_adj": True,
                "containerd": {"runtimes": {"runc": {"options": {"SystemdCgroup": False}}}},
                "cni": {"bin_dirs": ["/usr/lib/cni", "/opt/cni/bin"]},
            }
        },
    }
    found = config("2.2.0", overrides)
    assert found["oom_score"] == -999
    runtime = found["plugins"]["io.containerd.cri.v1.runtime"]
    assert runtime["restrict_oom_score_adj"] is True
    assert runtime["containerd"]["runtimes"]["runc"]["options"] == {"SystemdCgroup": False}
    assert runtime["containerd"]["runtimes"]["runc"]["runtime_type"] == "io.containerd.runc.v2"
    assert runtime["cni"]["bin_dirs"] == ["/usr/lib/cni", "/opt/cni/bin"]


def test_all_kinds_of_values_and_names() -> None:
    values = {
        "text": 'a "b" \\ ü\n',
        "number": 1.5,
        "yes": True,
        "list": [1, [2]],
        "a.b c": "d",
        "empty": {},
        "none": [],
    }
    found = config("2.2.0", {"x": values})
    assert found["x"] == values
    assert config("2.2.0", {"timeouts": {"io.containerd.timeout.shim": "4s"}})["timeouts"] == {
        "io.containerd.timeout.shim": "4s"
    }


def test_the_same_settings_are_the_same_text() -> None:
    one, other = {"b": 1, "a": {"d": 1, "c": {}}}, {"a": {"c": {}, "d": 1}, "b": 1}
    first = FILTERS["containerd_config"](one, "2.2.0", PAUSE)
    assert first == FILTERS["containerd_config"](other, "2.2.0", PAUSE)
    assert first.startswith("# Managed by kubestead.cluster: changes made here are overwritten.\n")


@pytest.mark.parametrize("value", [None, [{"a": 1}]])
def test_what_toml_has_not(value: Any) -> None:
    expected = re.escape(f"{(value[0] if value else value)!r} can't be written as TOML; use text, a number or a list")
    with pytest.raises(AnsibleFilterError, match=f"containerd's configuration: {expected}"):
        config("2.2.0", {"x": value})


def hosts(registries: dict[str, Any]) -> dict[str, Any]:
    return {item["path"]: tomllib.loads(item["content"]) for item in FILTERS["registry_files"](registries)}


def test_registries() -> None:
    found = hosts(
        {
            "docker.io": {"server": "https://registry-1.docker.io", "mirrors": ["https://mirror.example.com"]},
            "10.90.0.2:5000": {"server": "http://10.90.0.2:5000", "skip_verify": True},
            "registry.example.com": {"ca": "/etc/ssl/own.pem"},
        }
    )
    assert list(found) == [
        "/etc/containerd/certs.d/10.90.0.2:5000/hosts.toml",
        "/etc/containerd/certs.d/docker.io/hosts.toml",
        "/etc/containerd/certs.d/registry.example.com/hosts.toml",
    ]
    plain, docker, own = found.values()
    pull = {"capabilities": ["pull", "resolve"]}
    assert plain == {
        "server": "http://10.90.0.2:5000",
        "host": {"http://10.90.0.2:5000": {**pull, "skip_verify": True}},
    }
    assert docker["server"] == "https://registry-1.docker.io"
    assert docker["host"] == {"https://mirror.example.com": pull, "https://registry-1.docker.io": pull}
    assert own == {
        "server": "https://registry.example.com",
        "host": {"https://registry.example.com": {**pull, "ca": "/etc/ssl/own.pem"}},
    }
    assert FILTERS["registry_files"]({}) == []


def test_mirrors_are_asked_in_the_order_of_the_user() -> None:
    """containerd asks the hosts in the order of the file."""
    mirrors = ["https://z.example.com", "https://a.example.com"]
    (item,) = FILTERS["registry_files"]({"docker.io": {"mirrors": mirrors}})
    asked = re.findall(r'^\[host\."(.*)"\]$', item["content"], re.MULTILINE)
    assert asked == [*mirrors, "https://docker.io"]


def test_unknown_options() -> None:
    expected = (
        r"^containerd_registries\[docker.io\]: found insecure, mirror, expected ca, mirrors, server, skip_verify$"
    )
    with pytest.raises(AnsibleFilterError, match=expected):
        FILTERS["registry_files"]({"docker.io": {"mirror": "x", "insecure": True, "ca": "y"}})
