# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values beside the argument specifications of the roles."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.finding import either, listing, suggestion
from ansible_collections.kubestead.cluster.plugins.plugin_utils.variable_types import (
    TYPE_NAMES,
    ConversionError,
    convert,
    is_list,
    type_name,
    typed,
)


def type_matches(kind: str, value: object) -> bool:
    """Return whether a value has a type, or is a text that Ansible takes for a boolean or number."""
    if kind in ("str", "path"):
        return isinstance(value, str)
    if kind == "list":
        return is_list(value)
    try:
        convert(kind, value)
    except ConversionError:
        return False
    return True


def spec_problems(name: str, spec: Mapping[str, Any], value: object) -> Iterator[tuple[str, str, str, str]]:
    """(where, found, expected, remedy) of a value that its argument specification does not allow."""
    if value is None:
        return
    kind = str(spec.get("type", "str"))
    secret = holds_secrets(spec)
    shown = type_name(value) if secret else f"{value!r} ({type_name(value)})"
    if not type_matches(kind, value):
        yield name, shown, TYPE_NAMES.get(kind, kind), f"correct {name}"
        return
    choices = spec.get("choices")
    if choices and kind != "list" and str(value) not in [str(choice) for choice in choices]:
        shown = type_name(value) if secret else repr(value)
        yield name, shown, either(choices), f"set {name} to one of these{suggestion(str(value), choices)}"
    options: Mapping[str, Mapping[str, Any]] = spec.get("options") or {}
    if isinstance(value, Mapping) and options:
        inside = {key: {**option, "no_log": True} for key, option in options.items()} if spec.get("no_log") else options
        yield from option_problems(name, inside, value)
    if kind == "list" and is_list(value):
        element: dict[str, Any] = {
            "type": spec.get("elements", "raw"),
            "options": options,
            "choices": choices,
            "no_log": spec.get("no_log"),
        }
        for index, item in enumerate(value):
            if item is None and element["type"] != "raw":
                yield f"{name}[{index}]", "nothing", TYPE_NAMES[element["type"]], "write it, or remove its dash"
            yield from spec_problems(f"{name}[{index}]", element, item)


def holds_secrets(spec: Mapping[str, Any]) -> bool:
    """Whether a value may not be shown, as it is a secret or has one somewhere inside."""
    return bool(spec.get("no_log")) or any(holds_secrets(option) for option in (spec.get("options") or {}).values())


def option_problems(
    name: str, options: Mapping[str, Mapping[str, Any]], value: Mapping[Any, Any]
) -> Iterator[tuple[str, str, str, str]]:
    for key, item in value.items():
        if key in options:
            yield from spec_problems(f"{name}.{key}", options[key], item)
        else:
            expected = f"only the keys {listing(sorted(options), 20)}"
            remedy = f"remove or rename the key{suggestion(str(key), options)}"
            yield f"{name}.{key}", "an unknown key", expected, remedy
    for key, option in options.items():
        if option.get("required") and value.get(key) is None:
            found = f"no value of {key}" if key in value else f"no key {key}"
            yield name, found, f"{key}, which has no default", f"add {key} to {name}"


def shown_value(spec: Mapping[str, Any], value: object) -> str:
    """Return a value as text, the same for all ways to write it."""
    return (
        "no value" if value is None else json.dumps(typed(spec, value), sort_keys=True, default=str, ensure_ascii=False)
    )
