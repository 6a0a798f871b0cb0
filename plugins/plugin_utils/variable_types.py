# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of variables in the types that argument specifications give them.

INI inventories, `-e key=value` and lookups of the environment give texts. They are converted in the forms that Ansible
accepts in a module's arguments: ansible.module_utils.common.validation (check_type_bool and so on).
"""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

from ansible.module_utils.common.validation import check_type_bool, check_type_float, check_type_int

TYPE_NAMES = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "list": "a list",
    "dict": "a dictionary",
    "str": "text (quote it: 1.30 unquoted is the number 1.3)",
    "path": "text",
}


class ConversionError(ValueError):
    """A value that has another type than its variable, and can't be converted to it."""


def type_name(value: object) -> str:
    """Return what an operator calls a value's type."""
    for kinds, text in ((bool, "a boolean"), (int, "a number"), (float, "a number"), (str, "text")):
        if isinstance(value, kinds):
            return text
    return "a dictionary" if isinstance(value, Mapping) else "a list" if isinstance(value, Sequence) else "nothing"


def is_list(value: object) -> TypeGuard[Sequence[Any]]:
    """Return whether a value is a list, as YAML, JSON and Ansible's lazy containers have it."""
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def convert(kind: str, value: Any) -> Any:
    """Return a value in the type of an argument specification; `ConversionError` where that is not possible.

    A list may be a text: JSON or Python, as INI inventories have it, else items between commas, without the spaces
    around them. Nothing is an empty list. Texts and dictionaries are not made of anything else.
    """
    converters = {"bool": to_bool, "int": to_int, "float": to_float, "list": to_list, "dict": to_dict}
    try:
        return converters[kind](value) if kind in converters else value
    except (TypeError, ValueError, OverflowError, SyntaxError, RecursionError):
        # Without the cause, which may show a secret.
        shown = f"{value!r} ({type_name(value)})" if kind in ("bool", "int", "float") else type_name(value)
        raise ConversionError(f"found {shown}; expected {TYPE_NAMES[kind]}") from None


def to_bool(value: Any) -> bool:
    """Return a boolean of yes, true, on, y, t, 1 and their opposites, in any case."""
    return bool(check_type_bool(value))


def to_int(value: Any) -> int:
    """Return a whole number; a boolean is none."""
    if isinstance(value, bool):
        raise TypeError(value)
    return int(check_type_int(value.strip() if isinstance(value, str) else value))


def to_float(value: Any) -> float:
    """Return a finite number; a boolean is none."""
    if isinstance(value, bool) or not math.isfinite(check_type_float(value)):
        raise TypeError(value)
    # A whole number stays one: files that hold it do not change.
    return value if isinstance(value, int) else float(value)


def to_list(value: Any) -> Any:
    """Return a list: itself, or what a text means."""
    if value is None:
        return []
    if is_list(value):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return [str(value)]
    if not isinstance(value, str):
        raise TypeError(value)
    text = value.strip()
    if not text.startswith("["):
        return [item.strip() for item in text.split(",")] if text else []
    try:
        return json.loads(text)
    except ValueError:
        found = ast.literal_eval(text)
    if not isinstance(found, list):
        raise TypeError(value)
    return found


def to_dict(value: Any) -> Any:
    """Return a dictionary as it is."""
    if not isinstance(value, Mapping):
        raise TypeError(value)
    return value


def typed(spec: Mapping[str, Any], value: Any, strict: bool = False) -> Any:
    """Return a value with everything in it that has a type in its argument specification, in that type.

    What can't be converted stays as it is, for rule variable-type to report, unless `strict`.
    """
    kind = str(spec.get("type", "str"))
    if value is None and kind != "list":
        return None
    try:
        converted = convert(kind, value)
    except ConversionError:
        if strict:
            raise
        return value
    options: Mapping[str, Mapping[str, Any]] = spec.get("options") or {}
    if kind == "dict" and options:
        return {
            key: typed(options[key], item, strict) if key in options and item is not None else item
            for key, item in converted.items()
        }
    if kind == "list":
        element = {"type": spec.get("elements", "raw"), "options": options}
        return [typed(element, item, strict) if item is not None else item for item in converted]
    return converted
