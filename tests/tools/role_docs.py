# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write every role's README.md and docs/variables.md from the roles' meta/argument_specs.yml.

The argument specification is the only source of a role's variables. Therefore this also compares it with
defaults/main.yml: the options with a default are the keys of that file, with the same values. A computed default that
is no text stands in that file alone, for Ansible's documentation takes values of the option's own type only.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.kubestead.cluster.plugins.plugin_utils.variables import scope_of

ROOT = Path(__file__).parents[2]
COLLECTION = "kubestead.cluster"
HEADER = """\
<!--
Copyright: (c) 2026, kubestead contributors
GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
SPDX-License-Identifier: GPL-3.0-or-later
Generated from argument_specs.yml by `make docs`: do not edit.
-->
"""
# The markup of Ansible's documentation that the specifications use.
# https://docs.ansible.com/projects/ansible/latest/dev_guide/ansible_markup.html
MARKUP = [
    (re.compile(r"\b[CVOE]\(((?:[^()\\]|\\.|\([^()]*\))*)\)"), r"`\1`"),
    (re.compile(r"\bM\(([^)]*)\)"), r"`\1`"),
    (re.compile(r"\bB\(([^)]*)\)"), r"**\1**"),
    (re.compile(r"\bI\(([^)]*)\)"), r"*\1*"),
    (re.compile(r"\bU\(([^)]*)\)"), r"<\1>"),
    (re.compile(r"\bL\(([^,)]*),\s*([^)]*)\)"), r"[\1](\2)"),
]


NODES = "kube_control_plane:kube_node"


@dataclass(frozen=True)
class Use:
    """How a role is used: alone on hosts of this pattern, or by a playbook of the collection only."""

    hosts: str = ""
    playbook: str = "site"
    needs: str = ""


CLUSTER = "a cluster that runs and its kubeconfig (`cluster_kubeconfig`) on the controller"
# tests/unit/roles/test_alone.py compares this with what the roles need, and with the scenarios that run each example.
USES = {
    "bundle": Use(
        NODES, needs="skopeo and the package managers of `bundle_systems` on the controller; it changes no host"
    ),
    "cluster": Use(NODES, needs="nothing; it only reads"),
    "containerd": Use(NODES),
    "control_plane": Use(),
    "docker": Use(NODES),
    "helm": Use(NODES, needs=CLUSTER),
    "ingress": Use(NODES, needs=CLUSTER),
    "kube_packages": Use(NODES),
    "load_balancer": Use("kube_control_plane", needs="`cluster_vip`"),
    "metallb": Use(NODES, needs=CLUSTER),
    "metrics_server": Use(NODES, needs=CLUSTER),
    "mirror": Use("kube_mirror", needs="a bundle (role bundle) and `cluster_mirror_host`"),
    "monitoring": Use(NODES, needs=CLUSTER),
    "network": Use(NODES, needs=CLUSTER),
    "nfs_server": Use("nfs_server"),
    "nfs_storage": Use(NODES, needs=CLUSTER),
    "node": Use(NODES),
    "preflight": Use(NODES, needs="nothing; it only reads"),
    "reset": Use(NODES, needs="the confirmation `reset_confirm`"),
    "smoke": Use(NODES, needs=CLUSTER),
    "users": Use(NODES, needs=CLUSTER),
    "worker": Use(),
}


@dataclass(frozen=True)
class Variable:
    """One row of a table; an option inside a dictionary is named with its path."""

    name: str
    kind: str
    default: str
    description: str


@dataclass(frozen=True)
class Role:
    """What the documentation needs of a role."""

    name: str
    title: str
    description: list[str]
    options: dict[str, dict[str, Any]]
    defaults: dict[str, Any]


class UniqueLoader(yaml.SafeLoader):
    """A key that stands twice in a mapping is an error, not the last one's gain."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=deep) for key, _value in node.value]
        double = {key for key in keys if keys.count(key) > 1}
        if double:
            raise yaml.constructor.ConstructorError(None, None, f"twice: {sorted(double)}", node.start_mark)
        return super().construct_mapping(node, deep=deep)


def load_yaml(path: Path) -> Any:
    if not path.exists():
        return {}
    return yaml.load(path.read_text(encoding="utf-8"), Loader=UniqueLoader) or {}  # noqa: S506 a safe loader


def sentences(value: str | list[str] | None) -> list[str]:
    """A description is a string or a list of them."""
    if value is None:
        return []
    return [" ".join(text.split()) for text in ([value] if isinstance(value, str) else value)]


def markdown(text: str) -> str:
    """Ansible's documentation markup as Markdown."""
    for pattern, replacement in MARKUP:
        text = pattern.sub(replacement, text)
    return text


def cell(text: str) -> str:
    """Text that stays inside its cell."""
    return text.replace("|", "\\|").replace("\n", " ")


def kind(option: dict[str, Any]) -> str:
    name = str(option.get("type", "str"))
    return f"{name} of {option['elements']}" if "elements" in option else name


def default(option: dict[str, Any]) -> str:
    """The default as one writes it in YAML (JSON is YAML)."""
    if "default" in option:
        return f"`{json.dumps(option['default'], ensure_ascii=False)}`"
    return "required" if option.get("required") else ""


def rows(options: dict[str, dict[str, Any]], prefix: str = "") -> Iterator[Variable]:
    """One row for every option, those inside a dictionary after it."""
    for name, option in options.items():
        path = f"{prefix}{name}"
        description = " ".join(markdown(text) for text in sentences(option.get("description")))
        if "choices" in option:
            choices = ", ".join(f"`{json.dumps(one).strip(chr(34))}`" for one in option["choices"])
            description = f"{description} One of {choices}."
        yield Variable(path, kind(option), default(option), description.strip())
        if "options" in option:
            yield from rows(option["options"], f"{path}[]." if option.get("type") == "list" else f"{path}.")


def table(options: dict[str, dict[str, Any]]) -> list[str]:
    lines = [
        "| Variable | Type | Default | Set for | Takes effect | What it is |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows(options):
        # What is inside a dictionary goes with it.
        where, effect = scope_of(row.name) or ("", "") if row.name in options else ("", "")
        cells = (f"`{row.name}`", row.kind, cell(row.default), where, effect, cell(row.description))
        lines.append(f"| {' | '.join(cells)} |")
    return lines


# https://docs.ansible.com/projects/ansible/latest/playbook_guide/playbooks_variables.html
LEGEND = [
    "| Set for | |",
    "| --- | --- |",
    "| cluster | all hosts alike, in `group_vars/all.yml` or under `[all:vars]`; preflight refuses different values |",
    "| control planes | all control planes alike, there or in group `kube_control_plane` |",
    "| host | each host may have its own, by `host_vars`, in its line of the inventory, or by a group |",
    "",
    "| Takes effect | |",
    "| --- | --- |",
    "| every run | with the next run of the role's playbook, on a cluster that is there, too |",
    "| join | for machines that join after the change; members keep what they joined with |",
    "| new cluster | when the cluster is made; a changed value is refused or ignored later |",
    "",
]


def load(folder: Path) -> Role:
    specs = load_yaml(folder / "meta/argument_specs.yml")
    entry = specs.get("argument_specs", {}).get("main")
    if not isinstance(entry, dict):
        raise ValueError(
            f"{folder / 'meta/argument_specs.yml'}: expected argument_specs.main, found {specs or 'nothing'}"
        )
    defaults = load_yaml(folder / "defaults/main.yml")
    options = entry.get("options") or {}
    return Role(
        name=folder.name,
        title=str(entry.get("short_description", "")),
        description=sentences(entry.get("description")),
        options={
            name: {**option, "default": defaults[name]} if computed(option, defaults.get(name)) else option
            for name, option in options.items()
        },
        defaults=defaults,
    )


def computed(option: dict[str, Any], value: object) -> bool:
    """Whether a default is a template for something that is no text."""
    is_text = option.get("type", "str") in ("str", "path", "raw")
    return isinstance(value, str) and "{{" in value and not is_text and "default" not in option


def problems(role: Role) -> list[str]:
    """Where defaults/main.yml and the specification differ, and what the documentation lacks."""
    where = f"role {role.name}"
    wanted = {name: option["default"] for name, option in role.options.items() if "default" in option}
    found = [f"{where}: short_description is missing"] if not role.title else []
    found += [
        f"{where}: {name} is in defaults/main.yml but has no default in argument_specs.yml"
        for name in role.defaults.keys() - wanted.keys()
    ]
    found += [
        f"{where}: {name} has a default in argument_specs.yml but is not in defaults/main.yml"
        for name in wanted.keys() - role.defaults.keys()
    ]
    found += [
        f"{where}: the default of {name} is {role.defaults[name]!r} in defaults/main.yml, "
        f"{wanted[name]!r} in argument_specs.yml"
        for name in wanted.keys() & role.defaults.keys()
        # 1 == True in Python, not in YAML
        if json.dumps(role.defaults[name], sort_keys=True) != json.dumps(wanted[name], sort_keys=True)
    ]
    found += [f"{where}: {row.name} has no description" for row in rows(role.options) if not row.description]
    found += [
        f"{where}: {name} has no scope in plugins/plugin_utils/variables.py"
        for name in role.options
        if not scope_of(name)
    ]
    return sorted(found)


def readme(role: Role) -> str:
    lines = [HEADER, f"# {COLLECTION}.{role.name}", "", markdown(role.title.rstrip(".")) + ".", ""]
    for paragraph in role.description:
        lines += [markdown(paragraph), ""]
    lines += [
        "## Requirements",
        "",
        "ansible-core 2.19 or newer on the controller, Python 3.9 or newer and root (by `become`) on the hosts.",
        "The supported operating systems are in the collection's [README](../../README.md).",
        "",
        "## Variables",
        "",
    ]
    lines += table(role.options) if role.options else ["This role has none."]
    lines += ["", *usage(role)]
    lines += [
        "## License",
        "",
        "GPL-3.0-or-later",
        "",
    ]
    return "\n".join(lines)


def usage(role: Role) -> list[str]:
    """How the role is used: an example where it can be used alone, else by which playbook."""
    use = USES.get(role.name, Use(NODES))
    if not use.hosts:
        return [
            "## Use",
            "",
            f"This role is for the playbook `{COLLECTION}.{use.playbook}` only. It needs what other roles of it",
            "have read and done.",
            "",
        ]
    needs = f" It needs {use.needs}." if use.needs else ""
    checks = "" if role.name == "preflight" else " Role preflight checks the inventory and the machines: run it first."
    required = [name for name, option in role.options.items() if option.get("required")]
    return [
        "## Example",
        "",
        f"The role can be used alone.{needs}{checks}",
        "",
        "```yaml",
        f"- name: {role.title.rstrip('.')}",
        f"  hosts: {use.hosts}",
        "  gather_facts: false",
        "  become: true",
        "  roles:",
        f"    - role: {COLLECTION}.{role.name}",
        *(["      vars:"] if required else []),
        *(f"        {name}: ...  # required" for name in required),
        "```",
        "",
    ]


def variables(roles: list[Role]) -> str:
    lines = [
        HEADER,
        "# Variables",
        "",
        "Every variable of every role. Shared settings are those of role `cluster`.",
        "",
        "Booleans, numbers and lists may be texts, as INI inventories and `-e key=value` give them:",
        "`metrics_server_enabled=true`, `metallb_addresses=192.0.2.64/28,192.0.2.128/28`. A list may be JSON, too.",
        "",
        *LEGEND,
    ]
    for role in roles:
        title = markdown(role.title.rstrip("."))
        lines += [f"## {role.name}", "", f"{title}. ([role](../roles/{role.name}/README.md))", ""]
        lines += [*(table(role.options) if role.options else ["This role has none."]), ""]
    return "\n".join(lines)


def documents(root: Path) -> tuple[dict[Path, str], list[str]]:
    """The text of every generated file, and all problems."""
    roles = [load(path) for path in sorted((root / "roles").iterdir()) if path.is_dir()]
    texts = {root / "roles" / role.name / "README.md": readme(role) for role in roles}
    texts[root / "docs/variables.md"] = variables(roles)
    return texts, [problem for role in roles for problem in problems(role)]


def main(arguments: list[str], root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, fail when a file is not current")
    options = parser.parse_args(arguments)
    texts, found = documents(root)
    for path, text in texts.items():
        current = path.read_text(encoding="utf-8") if path.exists() else None
        if current == text:
            continue
        if options.check:
            found.append(f"{path.relative_to(root)} is not what argument_specs.yml says: run `make docs`")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
