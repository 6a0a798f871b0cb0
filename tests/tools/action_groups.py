# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep the action group `all` of meta/runtime.yml equal to the modules of the collection.

With it a playbook can set `module_defaults` for `group/kubestead.cluster.all`.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
GROUP = re.compile(r"^  all:.*\n(?:    .*\n)*", re.MULTILINE)


def modules(root: Path) -> list[str]:
    """Names of the modules, also of those that are action plugins with a module as documentation."""
    return sorted(path.stem for path in (root / "plugins/modules").glob("*.py") if path.stem != "__init__")


def rendered(runtime: str, names: list[str]) -> str:
    """`runtime` with the group's members replaced by `names`."""
    members = "".join(f"    - {name}\n" for name in names)
    text, count = GROUP.subn(f"  all:\n{members}" if members else "  all: []\n", runtime)
    if count != 1:
        raise ValueError(f"meta/runtime.yml: expected one line '  all:' below action_groups, found {count}")
    return text


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, fail when the file is not current")
    options = parser.parse_args(arguments)
    path = ROOT / "meta/runtime.yml"
    found = path.read_text(encoding="utf-8")
    wanted = rendered(found, modules(ROOT))
    if found == wanted:
        return 0
    if options.check:
        print("meta/runtime.yml: action_groups.all is not the list of modules: run `make docs`", file=sys.stderr)
        return 1
    path.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
