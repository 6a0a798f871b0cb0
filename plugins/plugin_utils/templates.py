# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Templates of a role, rendered by an action as ansible.builtin.template renders them."""

from __future__ import annotations

import os
from typing import Any

from ansible.errors import AnsibleError
from ansible.module_utils.common.text.converters import to_text
from ansible.template import trust_as_template


def render(action: Any, name: str, variables: dict[str, Any]) -> str:
    """Return a template's text, with that action's search path."""
    path = action._find_needle("templates", name)
    places = [*variables.get("ansible_search_path", []), action._loader.get_basedir(), os.path.dirname(path)]
    searchpath = [folder for place in places for folder in (os.path.join(place, "templates"), place)]
    templar = action._templar.copy_with_new_env(searchpath=searchpath, available_variables=variables)
    try:
        text = templar.template(
            trust_as_template(action._loader.get_text_file_contents(path)),
            escape_backslashes=False,
            overrides={"trim_blocks": True},
        )
    except AnsibleError as exc:
        raise AnsibleError(f"template {path} can't be rendered: {exc}") from None
    return "" if text is None else str(to_text(text, nonstring="simplerepr"))
