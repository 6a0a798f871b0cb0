# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading an inventory that may be wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible.errors import AnsibleError, AnsibleUndefinedVariable

from ansible_collections.kubestead.cluster.plugins.plugin_utils import inventory


def undefined(name: str) -> Any:
    raise AnsibleUndefinedVariable(f"'{name}_source' is undefined.\n\nfile.yml:3:4")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("{{ x }}", True),
        ("{% if x %}y{% endif %}", True),
        ("x", False),
        (7, False),
        (None, False),
        ({"a": {"b": ["{{ x }}"]}}, True),
        ({"{{ x }}": 1}, True),
        ([1, ["a"]], False),
    ],
)
def test_has_template(value: object, expected: bool) -> None:
    assert inventory.has_template(value) is expected


def test_values_of_the_wrong_type_are_empty() -> None:
    assert inventory.mapping({"a": 1}) == {"a": 1}
    assert [inventory.mapping(value) for value in ("a", None, [1])] == [{}, {}, {}]
    assert inventory.sequence([1]) == [1]
    assert [inventory.sequence(value) for value in ("abc", None, {"a": 1})] == [(), (), ()]


def test_reason() -> None:
    assert inventory.reason(AnsibleError("first line.\nsecond")) == "first line"
    assert inventory.reason(ValueError()) == "ValueError"


class TestHostVariables:
    def make(self, raw: dict[str, Any], *evaluate: Callable[[str], Any]) -> inventory.HostVariables:
        return inventory.HostVariables(raw, evaluate)

    def test_only_what_holds_a_template_is_evaluated_and_once(self) -> None:
        asked: list[str] = []
        values = self.make({"a": "{{ b }}", "plain": 7}, lambda name: asked.append(name) or "B")
        assert [values.get(name) for name in ("a", "a", "plain", "absent")] == ["B", "B", 7, None]
        assert asked == ["a"]
        assert values.undefined == {}

    def test_the_next_way_is_tried(self) -> None:
        values = self.make({"a": "{{ default_of_a_role }}"}, undefined, lambda name: "found")
        assert values.get("a") == "found"
        assert values.undefined == {}

    def test_what_cannot_be_evaluated_is_kept_with_the_first_reason(self) -> None:
        def other(name: str) -> Any:
            raise AnsibleError("another reason")

        values = self.make({"a": "{{ b }}"}, undefined, other)
        assert values.get("a") is None
        assert values.undefined == {"a": "'a_source' is undefined"}

    def test_text(self) -> None:
        values = self.make({"a": 7, "b": None})
        assert [values.text(name) for name in ("a", "b", "c")] == ["7", "", ""]


def test_settings_are_evaluated_each_by_itself() -> None:
    class Templar:
        def resolve_to_container(self, value: Any) -> Any:
            return {"version": "{{ v }}", "vip": "{{ missing }}"} if value == "{{ settings }}" else value

        def template(self, value: str) -> Any:
            return undefined("vip") if "missing" in value else "1.36.3"

    assert inventory.evaluate_each("{{ settings }}", Templar()) == {
        "version": "1.36.3",
        inventory.UNDEFINED: {"cluster_vip": "'vip_source' is undefined"},
    }
    assert inventory.evaluate_each(["no dictionary"], Templar()) is None
