# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The arguments: what is refused, all at once, and what they become."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.kubestead.cluster.plugins.module_utils._machine import spec
from ansible_collections.kubestead.cluster.plugins.module_utils._machine.files import FileWish
from ansible_collections.kubestead.cluster.plugins.module_utils._machine.units import UnitWish

CA = "-----BEGIN CERTIFICATE-----"
RSA = "B10A89BE13F439A0F3C720A632E1B638740BBD51"


def params(**values: Any) -> dict[str, Any]:
    validated = ArgumentSpecValidator(spec.ARGUMENT_SPEC).validate(values)
    assert validated.error_messages == []
    found: dict[str, Any] = validated.validated_parameters
    return found


def test_good_arguments() -> None:
    good = params(
        name="kubestead-node",
        files=[
            {"path": "/a", "content": "", "mode": "0644", "validate": "x -f %s"},
            {"path": "/b", "url": "https://x/y", "openpgp_fingerprints": [RSA.lower()]},
            {"path": "/c", "block": "", "block_name": "n.o-d_e", "validate": ["x", "a %s"]},
            {"path": "/d", "state": "absent"},
            {"path": "/e", "state": "directory", "mode": "01777"},
            {"path": "/e/f", "state": "directory", "within": "/e"},
            {"path": "/f", "template": "x.j2"},
            {"path": "/g", "url": "https://x/y.tgz", "sha256": "0" * 64, "member": "y/y"},
            {"path": "/h", "json": {}, "validate": "x %s"},
        ],
        kernel_modules=["br_netfilter", "nf-x"],
        sysctls={"net.ipv4.ip_forward": 1, "net/ipv4/conf/eth0.1/x": "4096 16384"},
        swap="off",
        held_packages=["libstdc++6", "kubelet"],
        firewall={"sources": ["10.0.0.1", "10.0.0.0/8", "fd00::1", "fd00::/64"], "ports": ["1-2/tcp"]},
        units=[{"name": r"dev-a\x2db.swap"}, {"name": "getty@tty1.service", "restart_on": ["/a"]}],
    )
    assert spec.problems(good) == []


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"name": "a/b"}, "name 'a/b' may hold"),
        ({"files": [{"path": "a", "content": ""}]}, "files: a: the path has to be absolute"),
        ({"files": [{"path": "/a/", "content": ""}]}, "without a slash at its end"),
        ({"files": [{"path": "/a"}]}, "source, url, block, json is expected, found none"),
        ({"files": [{"path": "/a", "content": "", "block": "", "block_name": "n"}]}, "found content, block"),
        ({"files": [{"path": "/a", "state": "absent", "content": ""}]}, "state absent takes no content"),
        ({"files": [{"path": "/a", "state": "directory", "validate": "x %s"}]}, "state directory takes no content"),
        ({"files": [{"path": "/a/b", "content": "", "within": "/a"}]}, "within goes with state directory only"),
        ({"files": [{"path": "/a/../b", "state": "directory", "within": "/a"}]}, "the path has to lie below /a"),
        ({"files": [{"path": "/a", "block": "x"}]}, "block and block_name belong together"),
        ({"files": [{"path": "/a", "content": "x", "block_name": "n"}]}, "block and block_name belong together"),
        ({"files": [{"path": "/a", "block": "x", "block_name": "a b"}]}, "block_name 'a b' may hold"),
        ({"files": [{"path": "/a", "url": "file:///x", "openpgp_fingerprints": [RSA]}]}, "has to begin with https://"),
        ({"files": [{"path": "/a", "url": "https://x"}]}, "url needs openpgp_fingerprints or sha256"),
        (
            {"files": [{"path": "/a", "url": "https://x", "openpgp_fingerprints": [RSA], "sha256": "0" * 64}]},
            "url needs openpgp_fingerprints or sha256",
        ),
        ({"files": [{"path": "/a", "url": "https://x", "sha256": "0"}]}, "sha256 '0' has to be 64"),
        ({"files": [{"path": "/a", "content": "", "sha256": "0" * 64}]}, "sha256 and member belong to url"),
        ({"files": [{"path": "/a", "content": "", "ca": CA}]}, "ca belongs to url"),
        ({"files": [{"path": "/a", "url": "https://x", "sha256": "0" * 64, "ca": "/a.crt"}]}, "ca has to be a certif"),
        (
            {"files": [{"path": "/a", "url": "https://x", "openpgp_fingerprints": [RSA], "member": "m"}]},
            "member needs sha256",
        ),
        ({"files": [{"path": "/a", "json": {}, "openpgp_fingerprints": [RSA]}]}, "do not go with block or json"),
        (
            {"files": [{"path": "/a", "url": "https://x", "openpgp_fingerprints": [RSA], "validate": "x %s"}]},
            "validate does not go with url",
        ),
        (
            {"files": [{"path": "/a", "block": "x", "block_name": "n", "openpgp_fingerprints": [RSA]}]},
            "openpgp_fingerprints do not go with block or json",
        ),
        (
            {"files": [{"path": "/a", "content": "x", "openpgp_fingerprints": ["32E1B638740BBD51"]}]},
            "fingerprint '32E1B638740BBD51' has to be 40",
        ),
        ({"files": [{"path": "/a", "content": "x", "mode": 420}]}, "mode '420' has to be a quoted octal string"),
        ({"files": [{"path": "/a", "content": "x", "mode": "u=rw"}]}, "mode 'u=rw' has to be a quoted octal string"),
        ({"files": [{"path": "/a", "content": "x", "validate": "x"}]}, "validate has to name the file as %s"),
        ({"files": [{"path": "/a", "content": "x", "validate": "x '%s"}]}, "can't be read: No closing quotation"),
        ({"files": [{"path": "/a", "content": "x", "validate": 5}]}, "validate can't be read"),
        ({"files": [{"path": "/a", "content": ""}, {"path": "/a", "state": "absent"}]}, "files: /a is given twice"),
        ({"kernel_modules": ["a b"]}, "kernel_modules: 'a b' is no name of a module"),
        ({"sysctls": {"a b": 1}}, "sysctls: 'a b' is no name of a setting"),
        ({"sysctls": {"../x": 1}}, "sysctls: '../x' is no name of a setting"),
        ({"sysctls": {"a": True}}, "sysctls: a needs a number or a line of text, found True"),
        ({"sysctls": {"a": " "}}, "sysctls: a needs"),
        ({"sysctls": {"a": "1\nb = 2"}}, "sysctls: a needs"),
        ({"sysctls": {"a": None}}, "sysctls: a needs"),
        ({"prune": [{"pattern": "/etc/x", "contains": "a"}]}, "prune: '/etc/x' has to be an absolute path with a *"),
        ({"held_packages": ["a=1"]}, "held_packages: 'a=1' is no name of a package"),
        ({"firewall": {"sources": ["x"]}}, "firewall: source 'x' is no address or network"),
        ({"firewall": {"sources": ["10.0.0.1/8"]}}, "has host bits set"),
        ({"firewall": {"sources": ["10.0.0.1/32"]}}, "write the source 10.0.0.1/32 without its prefix length"),
        ({"firewall": {"sources": ["10.0.0.0/255.0.0.0"]}}, "write the source 10.0.0.0/255.0.0.0 as 10.0.0.0/8"),
        ({"firewall": {"sources": ["FD00::1"]}}, "write the source FD00::1 as fd00::1"),
        ({"firewall": {"ports": ["22"]}}, "firewall: port '22' has to look like"),
        ({"units": [{"name": "haproxy"}]}, "units: 'haproxy' needs its full name"),
        ({"units": [{"name": "-x.service; rm"}]}, "needs its full name"),
        ({"units": [{"name": "-x.service"}]}, "needs its full name"),
        ({"units": [{"name": "a.service", "restart_on": ["x"]}]}, "a.service: restart_on 'x' has to be an absolute"),
        ({"units": [{"name": "a.service", "restart_on": ["/x"], "state": "stopped"}]}, "restart_on does not go with"),
        ({"units": [{"name": "a.service", "only_with": "/x"}]}, "only_with goes with state stopped only"),
        ({"units": [{"name": "a.service", "only_with": "x", "state": "stopped"}]}, "only_with 'x' has to be"),
        ({"units": [{"name": "a.service", "unless": ["x"], "state": "stopped"}]}, "unless 'x' has to be an absolute"),
        ({"units": [{"name": "a.service"}, {"name": "a.service"}]}, "units: a.service is given twice"),
    ],
)  # fmt: skip
def test_bad_arguments(values: dict[str, Any], reason: str) -> None:
    found = spec.problems(params(**values))
    assert len(found) == 1
    assert reason in found[0]


def test_all_at_once() -> None:
    found = spec.problems(params(name="a/b", kernel_modules=["a b"], files=[{"path": "a", "mode": "1"}]))
    assert len(found) == 5


def wish(**values: Any) -> FileWish:
    return spec.file_wish(params(files=[{"path": "/a", **values}])["files"][0], {"/s": "secret"})


def test_file_wish() -> None:
    assert wish(content="x", validate="a '%s b'", sensitive=True) == FileWish(
        "/a", content=b"x", mode=0o644, owner="root", group="root", validate=("a", "%s b"), sensitive=True
    )
    assert wish(state="directory") == FileWish("/a", "directory")
    assert wish(state="directory", mode="0700", owner="1", group="2") == FileWish(
        "/a", "directory", mode=0o700, owner="1", group="2"
    )
    assert wish(block="b", block_name="n") == FileWish("/a", block="b", block_name="n")
    assert wish(block="b", block_name="n", mode="0600").mode == 0o600
    assert wish(json={"a": 1}) == FileWish("/a", document={"a": 1})
    assert wish(url="https://x", sha256="0" * 64, member="m", ca=CA) == FileWish(
        "/a", url="https://x", sha256="0" * 64, member="m", ca=CA, mode=0o644, owner="root", group="root"
    )
    assert wish(url="https://x", openpgp_fingerprints=["0x" + RSA.lower()]).fingerprints == (RSA,)
    secret = params(files=[{"path": "/s", "content": "", "sensitive": True, "validate": ["x", "%s"]}])["files"][0]
    assert spec.file_wish(secret, {"/s": "secret"}).content == b"secret"


def test_unit_wish() -> None:
    item = params(units=[{"name": "a.service", "enabled": True, "restart_on": ["/x"], "reload_on": ["/y"]}])["units"][0]
    assert spec.unit_wish(item) == UnitWish("a.service", True, None, ("/x",), ("/y",))
    leaving = {"name": "a.service", "state": "stopped", "reload_on": ["/y"], "only_with": "/y", "unless": ["/z*"]}
    assert not spec.problems(params(units=[leaving]))
    assert spec.unit_wish(params(units=[leaving])["units"][0]) == UnitWish(
        "a.service", None, "stopped", (), ("/y",), "/y", ("/z*",)
    )
