# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: a variable's value in the type that its argument specification gives it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.kubestead.cluster.plugins.plugin_utils.variable_types import ConversionError, typed

#: `otherwise` is not given: nothing that a variable can hold.
REFUSE = object()


def to_type(
    value: Any,
    kind: str,
    elements: str = "raw",
    options: Mapping[str, str] | None = None,
    otherwise: Any = REFUSE,
) -> Any:
    """Return a value as a bool, int, float, list or dict; `otherwise`, or an error, where it can't be converted."""
    spec = {"type": kind, "elements": elements, "options": {name: {"type": of} for name, of in (options or {}).items()}}
    try:
        return typed(spec, value, strict=True)
    except ConversionError as error:
        if otherwise is not REFUSE:
            return otherwise
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    """Filters over values of variables."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"to_type": to_type}
