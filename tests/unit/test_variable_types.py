# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every variable works in the forms that Ansible accepts in a module's arguments: INI, -e key=value and the rest."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from ansible_collections.kubestead.cluster.plugins.action import preflight as action
from ansible_collections.kubestead.cluster.plugins.filter.to_type import to_type
from ansible_collections.kubestead.cluster.plugins.plugin_utils import variables, view
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.context import build_intent
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.finding import Finding
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.registry import RULES
from ansible_collections.kubestead.cluster.plugins.plugin_utils.inventory import HostVariables
from ansible_collections.kubestead.cluster.plugins.plugin_utils.variable_types import ConversionError, convert, typed
from tests.unit import test_examples as examples
from tests.unit.playbook import run_playbook

ROOT = Path(__file__).parents[2]
SPECS = variables.argument_specs(ROOT)
TYPES = ("bool", "int", "float", "list")
TYPED = {name: spec for name, spec in SPECS.items() if spec.get("type") in TYPES}
#: Texts of every type, and what they are.
TEXTS: Mapping[str, tuple[tuple[str, Any], ...]] = {
    "bool": (
        *((text, True) for text in ("true", "True", "yes", "on", "1", "y", "t")),
        *((text, False) for text in ("false", "FALSE", "no", "off", "0", "n", "f")),
    ),
    "int": (("7", 7), ("+7", 7), ("-1", -1), ("0", 0)),
    "float": (("7", 7.0), ("0.5", 0.5), ("1e1", 10.0)),
    "list": (("a", ["a"]), ("a,b", ["a", "b"])),
}
NONSENSE: Mapping[str, tuple[Any, ...]] = {
    "bool": ("maybe", "", 2, [], {}),
    "int": ("7x", "", "7.5", 7.5, True, []),
    "float": ("long", "", "nan", "inf", True, []),
    "list": ("[a", {"a": 1}, True),
}
ROLE_FILES = [
    path
    for folder in ("tasks", "templates", "vars", "defaults")
    for path in sorted(ROOT.glob(f"roles/*/{folder}/**/*"))
    if path.is_file()
] + sorted(ROOT.glob("playbooks/*.yml"))
CONVERSION = r"(?: \| default\((?:[^()]|\([^()]*\))*\))? \| kubestead\.cluster\.to_type\('(\w+)'"


def report(given: Mapping[str, Any]) -> list[Finding]:
    """The findings of rule variable-type for a control plane with these variables."""
    intent = build_intent({}, specs=SPECS, prefixes=variables.prefixes(ROOT))
    values = HostVariables({"ansible_host": "192.0.2.11", **given}, [])
    host = action.build_report("cp1", frozenset({"kube_control_plane"}), values, {}, (), intent, False)
    return list(RULES["variable-type"].findings(intent, [host]))


@pytest.mark.parametrize(("kind", "text", "expected"), [(k, *pair) for k, pairs in TEXTS.items() for pair in pairs])
def test_texts_mean_what_they_mean_to_ansible(kind: str, text: str, expected: Any) -> None:
    validated = ArgumentSpecValidator({"value": {"type": kind}}).validate({"value": text})
    assert validated.error_messages == []
    assert validated.validated_parameters["value"] == expected
    assert convert(kind, text) == expected
    assert type(convert(kind, text)) is type(expected) or kind == "float"


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, values in NONSENSE.items() for value in values])
def test_nonsense_is_refused(kind: str, value: Any) -> None:
    with pytest.raises(ConversionError, match=r"^found .*; expected "):
        convert(kind, value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" a , b ", ["a", "b"]),
        ("", []),
        (None, []),
        ('["a", "b,c"]', ["a", "b,c"]),
        ("['a', 'b']", ["a", "b"]),
        (7, ["7"]),
        ([], []),
    ],
)
def test_lists(text: Any, expected: list[str]) -> None:
    assert convert("list", text) == expected


def test_what_is_inside_is_converted() -> None:
    spec = SPECS["nfs_storage_volumes"]
    given = [{"name": "a", "path": "/a", "read_only": "yes", "access_modes": "ReadWriteOnce, ReadOnlyMany"}]
    (volume,) = typed(spec, given)
    assert volume == {"name": "a", "path": "/a", "read_only": True, "access_modes": ["ReadWriteOnce", "ReadOnlyMany"]}
    assert typed(SPECS["preflight_minimum"], {"worker_cpus": "2"}) == {"worker_cpus": 2}
    assert typed(spec, [{"name": "a", "read_only": "maybe"}]) == [{"name": "a", "read_only": "maybe"}]


def test_the_filter_keeps_or_refuses_what_it_can_t_convert() -> None:
    assert to_type("maybe", "bool", otherwise=True) is True
    assert to_type([{"a": "1"}], "list", "dict", {"a": "int"}) == [{"a": 1}]
    with pytest.raises(AnsibleFilterError, match=r"^found 'maybe' \(text\); expected true or false$"):
        to_type("maybe", "bool")
    with pytest.raises(AnsibleFilterError) as error:
        to_type({"password": "s3cret"}, "list", "dict")
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize("name", TYPED)
def test_every_variable_is_accepted_as_text_by_preflight(name: str) -> None:
    spec = TYPED[name]
    if spec["type"] == "list" and spec.get("elements") == "dict":
        assert report({name: "[]"}) == []
        return
    for text, _value in TEXTS[spec["type"]]:
        assert report({name: text}) == [], text


@pytest.mark.parametrize("name", TYPED)
def test_what_can_t_be_converted_is_a_finding(name: str) -> None:
    for value in NONSENSE[TYPED[name]["type"]]:
        (finding,) = report({name: value})
        assert (finding.rule, finding.severity, finding.where) == ("variable-type", "error", name)
    assert [finding.found for finding in report({name: None})] == ([] if TYPED[name]["type"] == "list" else ["nothing"])


def uses(name: str) -> Iterator[tuple[Path, str, str]]:
    """Every place where a role or playbook reads a variable: file, line, and what follows the name."""
    for path in ROLE_FILES:
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            code = line.partition(" #")[0]
            if re.match(r"\s*(#|description:|\{#)", line):
                continue
            for found in re.finditer(rf"(?<![\w.]){name}\b(?!:)", code):
                # A word of a message is no use.
                if re.match(rf"\s*\(?{name}\)", code):
                    continue
                yield path, line, code[found.end() :]


@pytest.mark.parametrize("name", TYPED)
def test_no_role_reads_a_variable_without_its_type(name: str) -> None:
    """A conditional takes no text, and a template takes every text for true."""
    found = list(uses(name))
    for path, line, rest in found:
        conversion = re.match(CONVERSION, rest)
        assert conversion, (
            f"{path.relative_to(ROOT)}: {line.strip()!r} reads {name} as it is given; read __{name} instead, or "
            f"{name} | kubestead.cluster.to_type('{TYPED[name]['type']}')"
        )
        assert conversion[1] == TYPED[name]["type"], line
    # Read by the collection's code on the controller.
    assert found or name in {"node_taints"}


def role_variable(name: str) -> Any:
    """Return the internal variable of a role that is no more than a variable in its type; None where it has none."""
    for path in sorted(ROOT.glob("roles/*/vars/**/*.yml")):
        value = DataLoader().load_from_file(str(path), trusted_as_template=True).get(f"__{name}")
        if re.fullmatch(rf"{{{{ {name} \| [^|]*}}}}", str(value)):
            return value
    return None


@pytest.mark.parametrize("name", [name for name in TYPED if role_variable(name)])
def test_roles_see_the_type(name: str) -> None:
    spec = TYPED[name]
    given = {f"__{name}": role_variable(name), "__nfs_storage_volume_types": {"read_only": "bool"}}
    for text, expected in TEXTS[spec["type"]] if spec.get("elements") != "dict" else [('[{"a": 1}]', [{"a": 1}])]:
        found = Templar(DataLoader(), variables={**given, name: text}).template(
            trust_as_template(f"{{{{ __{name} }}}}")
        )
        assert found == expected
        assert isinstance(found, bool) is isinstance(expected, bool)


# --- the examples as INI ----------------------------------------------------------------------------------------------


def ini(inventory: dict[str, Any]) -> str:
    """An inventory as INI, all its variables below [all:vars] or beside their hosts."""
    hosts = inventory["_meta"]["hostvars"]
    shared = {
        name: value
        for name, value in next(iter(hosts.values())).items()
        if all(other.get(name) == value for other in hosts.values())
    }
    lines = []
    for group in (*examples.GROUPS, "nfs_server"):
        lines += [f"[{group}]", *examples.members(inventory, group), ""]
    lines += ["[all:vars]", *(f"{name}={text(value)}" for name, value in shared.items())]
    own = [
        f"{host} "
        + " ".join(f"{name}={json.dumps(text(value))}" for name, value in values.items() if name not in shared)
        for host, values in hosts.items()
    ]
    return "\n".join([*own, "", *lines, ""])


def text(value: Any) -> str:
    """A value as an operator writes it into INI."""
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(value) if isinstance(value, list) and all(isinstance(item, str) for item in value) else str(value)


@pytest.mark.parametrize("example", examples.EXAMPLES, ids=lambda path: path.name)
def test_the_examples_mean_the_same_as_ini(example: Path, tmp_path: Path) -> None:
    from_yaml = examples.read_inventory(example / "hosts")
    (tmp_path / "hosts").write_text(ini(from_yaml))
    from_ini = examples.read_inventory(tmp_path / "hosts")
    for host, values in from_yaml["_meta"]["hostvars"].items():
        given = from_ini["_meta"]["hostvars"][host]
        assert set(given) == set(values)
        assert {name: typed(SPECS.get(name, {}), value) for name, value in given.items()} == values
        assert report({name: value for name, value in given.items() if not name.startswith("ansible_")}) == []
    if example.name == "ha":
        raw = from_ini["_meta"]["hostvars"]["cp1"]
        assert (raw["metallb_enabled"], raw["metallb_addresses"]) == ("true", "192.0.2.200-192.0.2.209")


def test_the_cluster_is_derived_of_texts_too() -> None:
    def given(_host: str, name: str) -> Any:
        return {"ansible_host": "192.0.2.21", "node_taints": '[{"key": "a", "effect": "NoSchedule"}]'}.get(name)

    host = next(iter(view.build_hosts({"kube_node": ["w1"]}, given, str).values()))
    assert host.taints == [{"key": "a", "effect": "NoSchedule"}]


# --- switches, as Ansible itself sees them ---------------------------------------------------------------------------

SWITCHES = sorted(
    name for name in TYPED if name.endswith("_enabled") and f"{name.removesuffix('_enabled')}_" in examples.PARTS
)
ADDONS = {name.removesuffix("_enabled") for name in SWITCHES}


def collection_of_names(folder: Path) -> None:
    """A collection whose roles' tasks only say that they run; variables, conditions and plugins are the real ones."""
    root = folder / "collections/ansible_collections/kubestead/cluster"
    root.mkdir(parents=True)
    for name in ("plugins", "meta", "galaxy.yml"):
        (root / name).symlink_to(ROOT / name)
    for path in (*ROOT.glob("roles/*/defaults/**/*.yml"), *ROOT.glob("roles/*/vars/**/*.yml")):
        target = root / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(path)
    for path in ROOT.glob("roles/*/tasks/*.yml"):
        target = root / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        role = path.parts[-3]
        task = {"name": f"RUNS {role} {path.stem}", "ansible.builtin.debug": {"msg": f"{{{{ __{role}_enabled }}}}"}}
        target.write_text(json.dumps([task] if f"{role}_enabled" in TYPED else []))


def switched(folder: Path, source: str, value: str) -> list[str]:
    """What runs of site.yml's plays for the platform, with all add-ons switched by texts of this source."""
    collection_of_names(folder)
    plays = [
        play
        for play in yaml.safe_load((ROOT / "playbooks/site.yml").read_text())
        if "platform" in play.get("tags", ()) and play["name"] != "Prepare"
    ]
    for play in plays:
        # `become` needs sudo.
        play["become"] = False
    (folder / "play.yml").write_text(json.dumps(plays))
    switches = [f"{name}={value}" for name in SWITCHES]
    known = {
        "__network_applied": {"parts": []},
        "__cluster_derived": {"view": {"hosts": {"cp1": {"control_plane": True}}}},
    }
    lines = ["[kube_control_plane]", "cp1 ansible_connection=local", "[nfs_server]", "cp1", "[all:vars]"]
    if source == "ini":
        lines += switches
    (folder / "hosts").write_text("\n".join([*lines, ""]))
    options = ["-i", "hosts", "-e", json.dumps(known)]
    for switch in switches if source == "-e" else ():
        options += ["-e", switch]
    done = run_playbook(folder, *options, ANSIBLE_COLLECTIONS_PATH=str(folder / "collections"))
    assert done.returncode == 0, done.stdout + done.stderr
    ran = re.findall(r"^TASK \[(?:\S+ : )?RUNS (\S+) \S+\] \**\n(ok|skipping)", done.stdout, re.MULTILINE)
    assert ran, done.stdout
    return [role for role, result in ran if result == "ok"]


@pytest.mark.parametrize("source", ["ini", "-e"])
@pytest.mark.parametrize("value", ["true", "yes", "false", "no"])
def test_every_addon_is_switched_by_text(source: str, value: str, tmp_path: Path) -> None:
    ran = switched(tmp_path, source, value)
    if value in ("true", "yes"):
        assert set(ran) == ADDONS
        assert ran.count("nfs_storage") == ran.count("nfs_server") == 1
    else:
        # Switched off and not in the cluster: helm's program is removed, and the NFS server.
        assert set(ran) == {"helm", "nfs_server"}


WRONG = {
    "cluster_endpoint_port": "8443x",
    "cluster_mirror_only": "maybe",
    "metrics_server_enabled": "perhaps",
    "preflight_check_ports": "sometimes",
    "preflight_max_clock_skew": "long",
    "smoke_timeout": "",
}


@pytest.mark.parametrize("source", ["ini", "-e"])
def test_all_that_can_t_be_converted_is_found_at_once(source: str, tmp_path: Path) -> None:
    """With the roles' own variables, from which the cluster is derived before the rules are applied."""
    play = {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            {"ansible.builtin.import_role": {"name": "kubestead.cluster.cluster", "tasks_from": "view"}},
            {
                "kubestead.cluster.preflight": {
                    "settings": "{{ __cluster_settings }}",
                    "max_clock_skew": "{{ __preflight_max_clock_skew }}",
                },
                "vars": {
                    name: value
                    for name, value in yaml.safe_load((ROOT / "roles/preflight/vars/main.yml").read_text()).items()
                    if name == "__preflight_max_clock_skew"
                },
                "register": "found",
                "failed_when": False,
            },
            {"ansible.builtin.debug": {"msg": "FOUND {{ found.findings | to_json }} ENDED"}},
        ],
    }
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    given = [f"{name}={value}" for name, value in WRONG.items()]
    lines = ["[kube_control_plane]", "cp1 ansible_connection=local", "[all:vars]"]
    (tmp_path / "hosts").write_text("\n".join([*lines, *(given if source == "ini" else []), ""]))
    options = [word for item in given if source == "-e" for word in ("-e", item)]
    done = run_playbook(tmp_path, "-i", "hosts", *options, ANSIBLE_CALLBACK_RESULT_FORMAT="json")
    assert done.returncode == 0, done.stdout + done.stderr
    text = re.search(r'FOUND (.*) ENDED"', done.stdout)
    assert text, done.stdout
    findings = json.loads(json.loads(f'"{text[1]}"'))
    assert sorted(item["where"] for item in findings if item["rule"] == "variable-type") == sorted(WRONG)
    assert [item["where"] for item in findings if item["rule"] == "variable-undefined"] == []
