# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's variables, as the argument specifications of its roles define them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml


def collection_root() -> Path:
    return Path(__file__).resolve().parents[2]


@functools.cache
def argument_specs(root: Path) -> Mapping[str, Mapping[str, Any]]:
    """Every variable of every role's entry points, with its specification."""
    specs: dict[str, Mapping[str, Any]] = {}
    for path in sorted(root.glob("roles/*/meta/argument_specs.yml")):
        document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        for entry in (document.get("argument_specs") or {}).values():
            specs.update(entry.get("options") or {})
    return specs


@functools.cache
def prefixes(root: Path) -> tuple[str, ...]:
    """What a role's variables begin with: its name."""
    return tuple(f"{path.name}_" for path in sorted(root.glob("roles/*")) if path.is_dir())
