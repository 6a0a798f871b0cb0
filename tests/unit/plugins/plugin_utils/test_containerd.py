# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""config.toml and hosts.toml, as a parser of TOML reads them."""

from __future__ import annotations

import base64
import fnmatch
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.kubestead.cluster.plugins.filter.containerd import FilterModule

FILTERS = FilterModule().filters()
ROLES = Path(__file__).parents[4] / "roles"
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
    kind = type(value[0] if value else value).__name__
    expected = f"a {kind} can't be written as TOML; use text, a number or a list"
    with pytest.raises(AnsibleFilterError, match=f"containerd's configuration: {expected}"):
        config("2.2.0", {"x": value})


PULL = {"capabilities": ["pull", "resolve"]}
CERTS_D = "/etc/containerd/certs.d"
HEADER = "# Managed by kubestead.cluster: changes made here are overwritten.\n"
CA = "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----"


def files(registries: dict[str, Any], settings: dict[str, Any] | None = None) -> dict[str, dict[str, Any]]:
    return {item.pop("path"): item for item in FILTERS["registry_files"](registries, settings)}


def read(content: str) -> dict[str, Any]:
    """A hosts.toml; what stands at its top is how the server is spoken to, as it is the last to be asked."""
    found = tomllib.loads(content)
    top = {key: found.pop(key) for key in set(found) - {"server", "host"}}
    assert top == found["host"][found["server"]]
    return found


def hosts(registries: dict[str, Any], settings: dict[str, Any] | None = None) -> dict[str, Any]:
    found = files(registries, settings).items()
    return {path.split("/")[4]: read(item["content"]) for path, item in found if "content" in item}


def test_registries() -> None:
    found = hosts(
        {
            "docker.io": {"server": "https://registry-1.docker.io", "mirrors": ["https://mirror.example.com"]},
            "10.90.0.2:5000": {"server": "http://10.90.0.2:5000", "skip_verify": True},
            "registry.example.com": {"ca": "/etc/ssl/own.pem"},
        }
    )
    assert found == {
        "10.90.0.2:5000": {
            "server": "http://10.90.0.2:5000",
            "host": {"http://10.90.0.2:5000": {**PULL, "skip_verify": True}},
        },
        "docker.io": {
            "server": "https://registry-1.docker.io",
            "host": {"https://mirror.example.com": PULL, "https://registry-1.docker.io": PULL},
        },
        "registry.example.com": {
            "server": "https://registry.example.com",
            "host": {"https://registry.example.com": {**PULL, "ca": "/etc/ssl/own.pem"}},
        },
    }


def test_a_certificate_given_as_text_becomes_a_file() -> None:
    found = files({"r.example.com:5000": {"ca": CA, "mirrors": ["https://m.example.com:8443"]}})
    folder = f"{CERTS_D}/r.example.com:5000"
    assert found[f"{folder}/r.example.com_5000.crt"] == {"content": f"{HEADER}{CA}\n"}
    assert found[f"{folder}/m.example.com_8443.crt"] == {"content": f"{HEADER}{CA}\n"}
    parsed = read(found[f"{folder}/hosts.toml"]["content"])
    assert parsed["host"]["https://r.example.com:5000"]["ca"] == f"{folder}/r.example.com_5000.crt"
    assert parsed["host"]["https://m.example.com:8443"]["ca"] == f"{folder}/m.example.com_8443.crt"


def test_credentials_are_for_one_host_and_hidden() -> None:
    mirror = {"url": "https://m.example.com", "credentials": {"username": "m", "password": "s:é"}}
    registries = {
        "r.example.com": {
            "credentials": {"username": "robot$a", "password": "secret"},
            "mirrors": ["https://plain.example.com", mirror],
        },
        "open.example.com": {"ca": "/etc/ssl/own.pem"},
    }
    found = hosts(registries)["r.example.com"]
    header = found["host"]["https://r.example.com"]["header"]
    assert base64.b64decode(header["Authorization"].removeprefix("Basic ")) == b"robot$a:secret"
    assert found["host"]["https://plain.example.com"] == PULL
    header = found["host"]["https://m.example.com"]["header"]
    assert base64.b64decode(header["Authorization"].removeprefix("Basic ")).decode() == "m:s:é"
    modes = {path.split("/")[4]: (item.get("mode"), item.get("sensitive")) for path, item in files(registries).items()}
    assert modes["r.example.com"] == ("0600", True)
    assert modes["open.example.com"] == (None, None)


def test_the_mirror_of_a_site_is_asked_first_for_everything() -> None:
    registries = {"docker.io": {"server": "https://registry-1.docker.io", "mirrors": ["https://other.example.com"]}}
    site = {"mirror_host": "10.0.0.5:8443", "mirror_ca": CA}
    found = files(registries, site)
    docker = read(found[f"{CERTS_D}/docker.io/hosts.toml"]["content"])
    assert list(docker["host"]) == [
        "https://10.0.0.5:8443",
        "https://other.example.com",
        "https://registry-1.docker.io",
    ]
    assert docker["host"]["https://10.0.0.5:8443"] == {**PULL, "ca": f"{CERTS_D}/docker.io/10.0.0.5_8443.crt"}
    default = read(found[f"{CERTS_D}/_default/hosts.toml"]["content"])
    # As the server, so that nobody waits for registries that can't be reached.
    access = {**PULL, "ca": f"{CERTS_D}/_default/10.0.0.5_8443.crt"}
    assert default == {"server": "https://10.0.0.5:8443", "host": {"https://10.0.0.5:8443": access}}
    assert found[f"{CERTS_D}/_default/10.0.0.5_8443.crt"]["content"] == f"{HEADER}{CA}\n"


def test_what_is_no_longer_listed_is_known_by_its_header() -> None:
    assert files({}, {"mirror_host": ""}) == {}
    variables = yaml.safe_load((ROLES / "containerd/vars/main.yml").read_text())
    (prune,) = variables["__containerd_prune"]
    assert {"path": prune["pattern"], "contains": prune["contains"]} in reset_files()
    for path, item in files({"_default": {"ca": CA, "mirrors": ["https://m.example.com"]}}).items():
        assert fnmatch.fnmatch(path, prune["pattern"])
        assert prune["contains"] in item["content"]


def reset_files() -> list[dict[str, str]]:
    found = yaml.safe_load((ROLES / "reset/vars/main.yml").read_text())["__reset_marked_files"]
    return [item for item in found if "contains" in item]


def test_mirrors_are_asked_in_the_order_of_the_user() -> None:
    """containerd asks the hosts in the order of the file."""
    mirrors = ["https://z.example.com", "https://a.example.com"]
    item = files({"docker.io": {"mirrors": mirrors}})[f"{CERTS_D}/docker.io/hosts.toml"]
    assert re.findall(r'^\[host\."(.*)"\]$', item["content"], re.MULTILINE) == [*mirrors, "https://docker.io"]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {"mirror": "x", "insecure": True, "ca": "y"},
            "]: found insecure, mirror, expected ca, credentials, mirrors, server, skip_verify",
        ),
        (
            {"mirrors": [{"url": "x", "server": "y"}]},
            "].mirrors: found server, expected ca, credentials, skip_verify, url",
        ),
        ({"mirrors": [{"ca": "y"}]}, "].mirrors: found no url, expected one in each"),
        ({"credentials": {"token": "x"}}, "].credentials: found token, expected password, username"),
        ({"credentials": {"username": "x"}}, "].credentials: found no password, expected username and password"),
    ],
)
def test_wrong_options(settings: dict[str, Any], expected: str) -> None:
    with pytest.raises(AnsibleFilterError, match=f"^{re.escape(f'containerd_registries[docker.io{expected}')}$"):
        FILTERS["registry_files"]({"docker.io": settings})
