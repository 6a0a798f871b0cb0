# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles make of whole inventories, compared with reviewed files in tests/unit/fixtures/rendered.

Everything that a machine gets: files, packages, units, kernel settings, and the documents that kubeadm gets.
tests/unit/golden.py says how to renew the files.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from ansible_collections.kubestead.cluster.plugins.module_utils._kubeadm import documents
from ansible_collections.kubestead.cluster.plugins.modules import kubeadm_init
from ansible_collections.kubestead.cluster.plugins.plugin_utils import view
from tests.unit import golden

ROOT = Path(__file__).parents[3]
ROLES = ROOT / "roles"
REVIEWED = ROOT / "tests/unit/fixtures/rendered"
VARIABLE_ROLES = (
    "cluster",
    "preflight",
    "node",
    "containerd",
    "docker",
    "kube_packages",
    "load_balancer",
    "control_plane",
)
PACKAGES = {"containerd": "1.7.24~ds1-6", "haproxy": "3.0.11-1", "keepalived": "1:2.3.3-1"}
DEBIAN = {"id": "debian", "version_id": "13", "codename": "trixie", "family": "debian"}
TOKEN = "abcdef.0123456789abcdef"
CERTIFICATE_KEY = "0123456789abcdef" * 4
CA_HASH = "sha256:" + "5e" * 32


def inventory(control_planes: int, workers: int) -> dict[str, list[str]]:
    """Return the groups of an inventory; without a worker the control planes run pods."""
    planes = [f"cp{number}" for number in range(1, control_planes + 1)]
    return {"kube_control_plane": planes, "kube_node": [f"w{number}" for number in range(1, workers + 1)] or planes}


def address(host: str) -> str:
    return f"192.0.2.{(10 if host.startswith('cp') else 20) + int(host.lstrip('cpw'))}"


VIP = {"cluster_vip": "192.0.2.100"}
# One file for each of them and each role below it.
TOPOLOGIES: dict[str, tuple[dict[str, list[str]], dict[str, Any]]] = {
    "single": (inventory(1, 0), {}),
    "one": (inventory(1, 1), VIP),
    "two": (inventory(2, 0), VIP),
    "three": (inventory(3, 2), VIP),
    "five": (inventory(5, 1), VIP),
    # Variables that reach into all these files.
    "changed": (
        inventory(3, 1),
        {
            **VIP,
            "cluster_name": "production",
            "cluster_endpoint_port": 9443,
            "cluster_mirror": "aliyun",
            "cluster_kubelet_configuration": {"maxPods": 150},
            "cluster_kube_proxy_configuration": {"mode": "nftables"},
            "containerd_registries": {
                "docker.io": {
                    "server": "https://registry-1.docker.io",
                    "mirrors": ["https://docker-mirror.example.com"],
                }
            },
            "load_balancer_virtual_router_id": 7,
            "load_balancer_metrics": True,
            "monitoring_enabled": True,
            "node_sysctls": {"vm.max_map_count": "262144"},
        },
    ),
}


MACHINE_ROLES = ("node", "containerd", "docker", "kube_packages", "load_balancer")


def variables_of(role: str) -> dict[str, str]:
    """Return the text of each variable of a role."""
    paths = [*sorted((ROLES / role / "vars").rglob("*.yml")), ROLES / role / "defaults/main.yml"]
    return {
        name: str(value) for path in paths for name, value in (DataLoader().load_from_file(str(path)) or {}).items()
    }


@cache
def role_variables() -> dict[str, Any]:
    """Return the defaults and variables of the roles."""
    variables: dict[str, Any] = {}
    for folder in ("defaults", "vars"):
        for role in VARIABLE_ROLES:
            for path in sorted((ROLES / role / folder).rglob("*.yml")):
                variables |= DataLoader().load_from_file(str(path), trusted_as_template=True) or {}
    return variables


class Host:
    """A host of an inventory, whose machine is bare or a member."""

    def __init__(self, topology: str, name: str) -> None:
        groups, changes = TOPOLOGIES[topology]
        self.name = name
        self.variables: dict[str, Any] = {
            **role_variables(),
            "groups": groups,
            "inventory_hostname": name,
            "inventory_dir": "/inventory",
            "ansible_host": address(name),
            "ansible_check_mode": False,
            "ansible_play_hosts": list(dict.fromkeys([*groups["kube_control_plane"], *groups["kube_node"]])),
            "omit": None,
            "__preflight": {"seed": "cp1", "joining": [], "initialised": False},
            "__preflight_delegated": {"results": []},
            "__cluster_node_state": {
                "state": {
                    "os": DEBIAN,
                    "arch": "amd64",
                    "packages": PACKAGES,
                    "member": {"state": "member"},
                    "interfaces": [{"name": "eth0", "addresses": [f"{address(name)}/24"]}],
                }
            },
            **changes,
        }
        hosts = view.build_hosts(groups, lambda host, item: {"ansible_host": address(host)}.get(item), str)
        self.variables["__cluster_derived"] = {"view": view.build(self.value("__cluster_settings"), hosts)}

    @property
    def control_plane(self) -> bool:
        return self.name.startswith("cp")

    def template(self, text: Any, **options: Any) -> Any:
        """Return what Ansible makes of a template."""
        return Templar(DataLoader(), variables=self.variables).template(trust(text), **options)

    def value(self, name: str) -> Any:
        return self.template("{{ " + name + " }}")

    def content(self, role: str, file: dict[str, Any]) -> str:
        """Return what a file will hold, as actions render it."""
        if file.get("template"):
            text = (ROLES / role / "templates" / file["template"]).read_text(encoding="utf-8")
            return str(self.template(text, escape_backslashes=False, overrides={"trim_blocks": True}))
        return str(file.get("content", file.get("block", "")))

    def machine(self, role: str) -> dict[str, str]:
        """Return what the role wants of the machine, by heading: each file, and all the rest."""
        wanted = plain(self.value(f"__{role}_configuration"))
        files = wanted.pop("files", [])
        parts = {"machine": yaml.safe_dump(wanted, width=1000)}
        for file in files:
            rest = {name: value for name, value in file.items() if name not in ("path", "content", "template", "block")}
            attributes = yaml.safe_dump(rest, default_flow_style=True, width=1000).strip() if rest else ""
            parts[f"{file['path']} {attributes}".strip()] = self.content(role, file)
        return parts


def trust(value: Any) -> Any:
    """Return a value whose texts are templates."""
    if isinstance(value, dict):
        return {name: trust(item) for name, item in value.items()}
    if isinstance(value, list):
        return [trust(item) for item in value]
    return trust_as_template(value) if isinstance(value, str) else value


def plain(value: Any) -> Any:
    """Return a value without the types of Ansible, and without what is omitted."""
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    kind = next((kind for kind in (str, float, int) if isinstance(value, kind) and not isinstance(value, bool)), None)
    return kind(value) if kind else value


def task(role: str, file: str, module: str) -> dict[str, Any]:
    """Return the arguments of the only task of a file that calls this module."""
    tasks = yaml.safe_load((ROLES / role / "tasks" / file).read_text(encoding="utf-8"))
    (arguments,) = [item[module] for item in tasks if module in item]
    return dict(arguments)


def init(host: Host) -> list[dict[str, Any]]:
    """Return kubeadm's documents for the first control plane."""
    arguments = plain(host.template(task("control_plane", "start.yml", "kubestead.cluster.kubeadm_init")))
    return kubeadm_init.build_documents({"patches_directory": None, **arguments}, TOKEN, CERTIFICATE_KEY, finish=False)


def join(host: Host) -> list[dict[str, Any]]:
    """Return kubeadm's documents for a machine that joins, as module kubeadm_join calls for them."""
    role = "control_plane" if host.control_plane else "worker"
    arguments = task(role, "join.yml", "kubestead.cluster.kubeadm_join")
    del arguments["join"]
    given = {"control_plane": False, "schedulable": False, "api_port": 6443, **plain(host.template(arguments))}
    schedulable = given.pop("schedulable") and given["control_plane"]
    return documents.join_documents(
        endpoint=host.value("__cluster_view.endpoint"),
        token=TOKEN,
        ca_cert_hashes=[CA_HASH],
        certificate_key=CERTIFICATE_KEY if host.control_plane else "",
        taints=[] if schedulable else None,
        join_overrides=given.pop("overrides"),
        **given,
    )


def kubeadm(host: Host) -> dict[str, str]:
    """Return the documents that kubeadm gets, by kind."""
    made = init(host) if host.name == "cp1" else join(host)
    return {document["kind"]: yaml.safe_dump(plain(document), sort_keys=False, width=1000) for document in made}


def text(parts: dict[str, dict[str, str]]) -> str:
    """Return the text of a reviewed file: each heading with the hosts for which it has the same lines."""
    same: dict[tuple[str, str], list[str]] = {}
    for host, sections in parts.items():
        for heading, content in sections.items():
            same.setdefault((heading, content), []).append(host)
    order = {heading: number for number, heading in enumerate(dict.fromkeys(heading for heading, _content in same))}
    blocks = sorted(same.items(), key=lambda item: order[item[0][0]])
    return "\n".join(f"=== {' '.join(hosts)}: {heading}\n{content.rstrip()}\n" for (heading, content), hosts in blocks)


def hosts(topology: str) -> list[Host]:
    groups = TOPOLOGIES[topology][0]
    return [Host(topology, name) for name in dict.fromkeys([*groups["kube_control_plane"], *groups["kube_node"]])]


# The load balancer differs with the number of control planes; what the other roles make does not.
CASES = [(topology, "load_balancer") for topology in TOPOLOGIES if topology != "single"] + [
    (topology, case)
    for topology in ("single", "three", "changed")
    for case in ("node", "containerd", "kube_packages", "kubeadm")
]


@pytest.mark.parametrize(("topology", "case"), CASES)
def test_rendered(topology: str, case: str) -> None:
    parts = {
        host.name: kubeadm(host) if case == "kubeadm" else host.machine(case)
        for host in hosts(topology)
        if case != "load_balancer" or host.value("__cluster_balances")
    }
    golden.compare(REVIEWED / topology / f"{case}.txt", text(parts))


def test_what_is_rendered_has_one_order() -> None:
    """Filters over sets (difference, intersect, union) give the same elements in another order in every run."""
    setlike = re.compile(r"\|\s*(difference|intersect|symmetric_difference|union)\(")
    used = {
        name: text
        for role in MACHINE_ROLES
        for name, text in variables_of(role).items()
        if setlike.search(text) and not text.rstrip().endswith("| length }}")
    }
    assert used == {}
    for role in MACHINE_ROLES:
        for path in (ROLES / role / "templates").glob("*"):
            assert not setlike.search(path.read_text(encoding="utf-8")), path


def test_every_reviewed_file_is_compared() -> None:
    assert golden.files(REVIEWED) == {f"{topology}/{case}.txt" for topology, case in CASES}


def test_a_difference_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    monkeypatch.delenv(golden.RENEW, raising=False)
    path.write_text("one\ntwo\n")
    golden.compare(path, "one\ntwo\n")
    with pytest.raises(pytest.fail.Exception, match=r"(?s)-two\n\+three"):
        golden.compare(path, "one\nthree\n")
    assert path.read_text() == "one\ntwo\n"
    monkeypatch.setenv(golden.RENEW, "1")
    with pytest.raises(pytest.fail.Exception, match="is renewed"):
        golden.compare(path, "one\nthree\n")
    assert path.read_text() == "one\nthree\n"
