# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The generated documentation of roles and its comparison with their defaults."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
import yaml

from ansible_collections.kubestead.cluster.plugins.plugin_utils import variables
from ansible_collections.kubestead.cluster.tests.tools import role_docs

SPECS = """\
argument_specs:
  main:
    short_description: Clock of a node
    description:
      - Keeps V(chrony) running,
        see O(clock_servers).
    options:
      clock_servers:
        description: [Where the time is from., "Either | or."]
        type: list
        elements: dict
        required: true
        options:
          name:
            description: Its C(name).
            required: true
          kind:
            description: What it is.
            choices: [ntp, ptp]
            default: ntp
      clock_step:
        description: Step at start.
        type: bool
        default: true
"""


@pytest.fixture(autouse=True)
def scopes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cast("dict[str, variables.Scope]", variables.ROLE_SCOPES), "clock", variables.HOST)


def make(root: Path, specs: str = SPECS, defaults: str = "clock_step: true\n") -> Path:
    for name, text in (("meta/argument_specs.yml", specs), ("defaults/main.yml", defaults)):
        path = root / "roles/clock" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def test_readme(tmp_path: Path) -> None:
    text = role_docs.readme(role_docs.load(make(tmp_path) / "roles/clock"))
    assert "# kubestead.cluster.clock\n\nClock of a node.\n\nKeeps `chrony` running, see `clock_servers`.\n" in text
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert rows == [
        "| `clock_servers` | list of dict | required | host | every run | Where the time is from. Either \\| or. |",
        "| `clock_servers[].name` | str | required |  |  | Its `name`. |",
        '| `clock_servers[].kind` | str | `"ntp"` |  |  | What it is. One of `ntp`, `ptp`. |',
        "| `clock_step` | bool | `true` | host | every run | Step at start. |",
    ]
    example = yaml.safe_load(text.split("```yaml\n")[1].split("```")[0])
    assert example[0]["roles"] == [{"role": "kubestead.cluster.clock", "vars": {"clock_servers": "..."}}]


def test_write_then_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = make(tmp_path)
    assert role_docs.main(["--check"], root) == 1
    assert "roles/clock/README.md is not what" in capsys.readouterr().err
    assert role_docs.main([], root) == 0
    assert role_docs.main(["--check"], root) == 0
    assert "## clock\n" in (root / "docs/variables.md").read_text(encoding="utf-8")
    (root / "docs/variables.md").write_text("by hand", encoding="utf-8")
    assert role_docs.main(["--check"], root) == 1
    assert capsys.readouterr().err.splitlines() == [
        "docs/variables.md is not what argument_specs.yml says: run `make docs`"
    ]


@pytest.mark.parametrize(
    ("defaults", "expected"),
    [
        ("clock_step: true\n", []),
        ("", ["role clock: clock_step has a default in argument_specs.yml but is not in defaults/main.yml"]),
        (
            "clock_step: 1\n",
            ["role clock: the default of clock_step is 1 in defaults/main.yml, True in argument_specs.yml"],
        ),
        (
            "clock_step: true\nclock_servers: []\n",
            ["role clock: clock_servers is in defaults/main.yml but has no default in argument_specs.yml"],
        ),
    ],
)
def test_problems(tmp_path: Path, defaults: str, expected: list[str]) -> None:
    assert role_docs.problems(role_docs.load(make(tmp_path, defaults=defaults) / "roles/clock")) == expected


def test_missing_texts_are_problems(tmp_path: Path) -> None:
    specs = "argument_specs: {main: {options: {clock_x: {type: str}}}}"
    assert role_docs.problems(role_docs.load(make(tmp_path, specs, "") / "roles/clock")) == [
        "role clock: clock_x has no description",
        "role clock: short_description is missing",
    ]


def test_no_specification_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"argument_specs\.yml: expected argument_specs\.main, found nothing"):
        role_docs.load(make(tmp_path, specs="") / "roles/clock")


def test_a_key_given_twice_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(yaml.constructor.ConstructorError, match="clock_step"):
        role_docs.load(make(tmp_path, defaults="clock_step: true\nclock_step: false\n") / "roles/clock")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("V(a (b\\) c)", "`a (b\\) c`"),
        ("V(a (b) c) d", "`a (b) c` d"),
        ("B(no) M(kubestead.cluster.node_state)", "**no** `kubestead.cluster.node_state`"),
        ("L(kubeadm, https://x.y/)", "[kubeadm](https://x.y/)"),
        ("DEV(x)", "DEV(x)"),
    ],
)
def test_markdown(text: str, expected: str) -> None:
    assert role_docs.markdown(text) == expected


def test_a_computed_default_stands_in_the_defaults_alone(tmp_path: Path) -> None:
    computed = "clock_step: '{{ not clock_slew }}'\n"
    specs = SPECS.replace("        default: true\n", "")
    assert specs != SPECS
    role = role_docs.load(make(tmp_path, specs, computed) / "roles/clock")
    assert role_docs.problems(role) == []
    assert role.options["clock_step"]["default"] == "{{ not clock_slew }}"


def test_a_variable_without_a_scope_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(cast("dict[str, variables.Scope]", variables.ROLE_SCOPES), "clock")
    assert role_docs.problems(role_docs.load(make(tmp_path) / "roles/clock")) == [
        f"role clock: {name} has no scope in plugins/plugin_utils/variables.py"
        for name in ("clock_servers", "clock_step")
    ]


def test_every_scope_is_of_a_variable_that_there_is() -> None:
    root = variables.collection_root()
    assert variables.VARIABLE_SCOPES.keys() <= variables.argument_specs(root).keys()
    roles = {path.name for path in (root / "roles").iterdir()}
    assert variables.ROLE_SCOPES.keys() - {"clock"} == roles
    kinds = {*variables.ROLE_SCOPES.values(), *variables.VARIABLE_SCOPES.values()}
    assert {kind.where for kind in kinds} == {"cluster", "control planes", "host"}
    assert {kind.effect for kind in kinds} == {"new cluster", "join", "every run"}


@pytest.mark.parametrize(
    ("name", "where", "effect"),
    [
        ("cluster_kubelet_configuration", "cluster", "new cluster"),
        ("cluster_container_runtime", "host", "join"),
        ("nfs_storage_enabled", "cluster", "every run"),
        ("nfs_server_exports", "host", "every run"),
        ("node_ip", "host", "join"),
        ("load_balancer_virtual_router_id", "control planes", "every run"),
    ],
)
def test_scopes(name: str, where: str, effect: str) -> None:
    assert variables.scope_of(name) == (where, effect)


def test_others_variables_have_no_scope() -> None:
    assert variables.scope_of("my_site") is None
