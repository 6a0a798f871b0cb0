# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exports in the words of both servers."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.kubestead.cluster.plugins.plugin_utils import nfs

NODES = ["10.90.0.11", "10.90.0.21"]


def test_an_export_is_the_nodes_and_writable_unless_told_otherwise() -> None:
    expected = "/data/nfs 10.90.0.11(rw,no_root_squash) 10.90.0.21(rw,no_root_squash)\n"
    assert nfs.kernel_exports([{"path": "/data/nfs"}], NODES) == expected


def test_several_rules_for_a_path_stand_in_one_line() -> None:
    exports = [
        {"path": "/a", "clients": ["10.0.0.0/8"], "options": ["ro", "all_squash"]},
        {"path": "/b"},
        {"path": "/a", "clients": ["*.example.com", "@trusted"], "options": ["rw", "anonuid=65534"]},
    ]
    lines = nfs.kernel_exports(exports, NODES[:1]).splitlines()
    assert lines == [
        "/a 10.0.0.0/8(ro,all_squash) *.example.com(rw,anonuid=65534) @trusted(rw,anonuid=65534)",
        "/b 10.90.0.11(rw,no_root_squash)",
    ]


@pytest.mark.parametrize(
    ("exports", "nodes", "problem"),
    [
        ([{"path": "data"}], NODES, "nfs_server_exports[0]: found the path 'data', expected an absolute"),
        ([{"path": "/"}], NODES, "the path '/', expected an absolute"),
        ([{"path": "/a b"}], NODES, "the path '/a b', expected an absolute one without blanks"),
        ([{"path": "/a/../b"}], NODES, "the path '/a/../b', expected an absolute one without blanks, . and .."),
        ([{"path": "/a/."}], NODES, "the path '/a/.'"),
        ([{"path": "/a/"}], NODES, "without a slash at its end"),
        ([{}], NODES, "the path '', expected an absolute"),
        ([{"path": "/a"}], [], "found no clients of /a, and no nodes in the inventory"),
        ([{"path": "/a", "clients": ["x(rw)"]}], NODES, "the client 'x(rw)', expected an address"),
        ([{"path": "/a", "clients": ["x y"]}], NODES, "the client 'x y', expected an address"),
        ([{"path": "/a", "options": ["rw,sync"]}], NODES, "the option 'rw,sync', expected one of exports(5)"),
        ([{"path": "/b"}, {"path": "/b"}], NODES, "nfs_server_exports[1]: found /b for 10.90.0.11, 10.90.0.21 again"),
    ],
)
def test_what_would_break_the_file_is_refused(exports: list[dict[str, Any]], nodes: list[str], problem: str) -> None:
    for render in (nfs.kernel_exports, nfs.ganesha_exports):
        with pytest.raises(AnsibleFilterError) as refused:
            render(exports, nodes)
        assert problem in str(refused.value)


def test_all_problems_come_at_once() -> None:
    with pytest.raises(AnsibleFilterError, match=r"^3 problems: .*\[0\].*; .*\[1\].*; .*\[0\]: found the option"):
        nfs.ganesha_exports([{"path": "a", "options": ["crossmnt"]}, {"path": "b"}], iter(NODES))


def test_ganesha_gets_the_same_meaning() -> None:
    exports = [{"path": "/data/nfs", "clients": NODES, "options": ["rw", "no_root_squash", "async", "sec=sys:krb5"]}]
    assert nfs.ganesha_exports(exports, []) == (
        "EXPORT {\n"
        "  Export_Id = 51831;\n"
        "  Path = /data/nfs;\n"
        "  Pseudo = /data/nfs;\n"
        "  Protocols = 4;\n"
        "  Access_Type = None;\n"
        "  FSAL {\n"
        "    Name = VFS;\n"
        "  }\n"
        "  CLIENT {\n"
        "    Clients = 10.90.0.11, 10.90.0.21;\n"
        "    Protocols = 4;\n"
        "    Access_Type = RW;\n"
        "    Squash = No_Root_Squash;\n"
        "    PrivilegedPort = true;\n"
        "    SecType = sys, krb5;\n"
        "  }\n"
        "}\n"
    )


def test_ganesha_has_the_kernel_s_defaults() -> None:
    rule = nfs.ganesha_rule(nfs.Rule(("*",), ("insecure", "anonuid=7", "anongid=8")))
    assert rule == {
        "Clients": ["*"],
        "Protocols": 4,
        "Access_Type": "RO",
        "Squash": "Root_Squash",
        "PrivilegedPort": "false",
        "Anonymous_Uid": "7",
        "Anonymous_Gid": "8",
    }


@pytest.mark.parametrize("option", ["fsid=0", "crossmnt", "anonuid", "pnfs"])
def test_what_ganesha_can_t_do_is_refused(option: str) -> None:
    exports = [{"path": "/a"}, {"path": "/b", "options": ["rw", "async", option]}]
    refused = rf"nfs_server_exports\[1\]: found the option '{option}', which nfs-ganesha has nothing like, .* \(rw, ro,"
    with pytest.raises(AnsibleFilterError, match=refused):
        nfs.ganesha_exports(exports, NODES)
    assert nfs.kernel_exports(exports, NODES)


def test_an_export_keeps_its_number_whatever_others_there_are() -> None:
    alone = nfs.export_ids(["/data/nfs"])
    assert nfs.export_ids(["/another", "/data/nfs", "/zoo"])["/data/nfs"] == alone["/data/nfs"]


def test_numbers_are_unique_and_of_16_bits() -> None:
    paths = [f"/data/{number}" for number in range(2000)]
    numbers = nfs.export_ids(paths)
    assert len(set(numbers.values())) == len(paths)
    assert min(numbers.values()) >= 1
    assert max(numbers.values()) <= 65535


def test_blocks() -> None:
    blocks = {"NFS_CORE_PARAM": {"allow": True, "NFS_Port": 2049}, "LOG": {"Facility": {"destination": "a b"}}}
    assert nfs.ganesha_configuration(blocks) == (
        "NFS_CORE_PARAM {\n  allow = true;\n  NFS_Port = 2049;\n}\n"
        'LOG {\n  Facility {\n    destination = "a b";\n  }\n}\n'
    )
    assert nfs.block("A", {"B": [{"c": 1}, {"c": 2}]}) == "A {\n  B {\n    c = 1;\n  }\n  B {\n    c = 2;\n  }\n}\n"


def test_directories() -> None:
    exports = [
        {"path": "/data/nfs/own/deep"},
        {"path": "/data/nfs", "mode": "0775"},
        {"path": "/data/nfs/own"},
        {"path": "/srv"},
        {"path": "/srv", "clients": ["*"]},
    ]
    volumes = [
        {"name": "a", "path": "/data/nfs/a/b", "owner": "1000", "mode": None},
        {"name": "elsewhere", "path": "/data/nfs-other"},
        {"name": "whole", "path": "/srv"},
    ]
    assert nfs.directories(exports, volumes) == [
        {"path": "/data/nfs", "state": "directory", "mode": "0775"},
        {"path": "/data/nfs/a/b", "state": "directory", "owner": "1000", "within": "/data/nfs"},
        # Clients of the export above it can put a link in its place.
        {"path": "/data/nfs/own", "state": "directory", "within": "/data/nfs"},
        {"path": "/data/nfs/own/deep", "state": "directory", "within": "/data/nfs"},
        {"path": "/srv", "state": "directory"},
    ]


@pytest.mark.parametrize(
    ("path", "text", "variable", "name"),
    [
        (
            "/api/v1/persistentvolumes/shared",
            "422 Invalid: spec.persistentvolumesource: Forbidden: is immutable after creation",
            "nfs_storage_volumes: Kubernetes allows no other server and path",
            "volume shared;",
        ),
        (
            "/api/v1/namespaces/default/persistentvolumeclaims/shared",
            '403 Forbidden: persistentvolumeclaims "shared" is forbidden: only dynamically provisioned',
            "nfs_storage_volumes: Kubernetes allows no other size",
            "claim shared,",
        ),
        (
            "/apis/storage.k8s.io/v1/storageclasses/nfs",
            "422 Invalid: parameters: Forbidden: updates to parameters are forbidden.",
            "nfs_storage_class: Kubernetes allows",
            "class nfs;",
        ),
    ],
)
def test_what_kubernetes_never_changes(path: str, text: str, variable: str, name: str) -> None:
    message = f"nfs-storage: the API refused PATCH {path}: {text}"
    found = nfs.refusal(message)
    assert found.startswith(variable)
    assert name in found
    assert "another" in found
    assert message in found


@pytest.mark.parametrize(
    "message",
    [
        "nfs-storage: the API refused PATCH /api/v1/persistentvolumes/shared: 500 InternalError: etcd",
        "nfs-storage: the API refused PATCH /apis/apps/v1/namespaces/a/daemonsets/b: 422 Invalid: field is immutable",
        "nfs-storage: nothing answered",
        'nfs-storage: the API refused PATCH /api/v1/persistentvolumes/a: 403 Forbidden: "a" is forbidden: User "jane"',
    ],
)
def test_other_messages_stay(message: str) -> None:
    assert nfs.refusal(message) == message
