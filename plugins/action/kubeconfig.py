# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep a kubeconfig on the controller."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

MODE = 0o600


class ActionModule(ActionBase):
    """Writes the file itself: no connection is made, and the content is in no module's arguments."""

    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validated, arguments = self.validate_argument_spec(
            {
                "path": {"type": "path", "required": True},
                "content": {"type": "str", "required": True, "no_log": True},
                "proxy": {"type": "str", "default": ""},
            }
        )
        path, content = Path(arguments["path"]), through(arguments["proxy"], arguments["content"])
        try:
            changed = differs(path, content)
            if changed and not self._task.check_mode:
                write(path, content)
        except OSError as error:
            raise AnsibleActionFail(
                f"cluster_kubeconfig: {path}: {error.strerror}; expected a file that this user can write"
            ) from None
        result.update(changed=changed, path=str(path))
        return result


def through(proxy: str, content: str) -> str:
    """Return the kubeconfig with a proxy on the way to the API (proxy-url), where one is given."""
    if not proxy:
        return content
    # YAML takes no text that Ansible has tagged.
    document = yaml.safe_load(str(content))
    for item in document["clusters"]:
        item["cluster"]["proxy-url"] = str(proxy)
    return str(yaml.safe_dump(document))


def differs(path: Path, content: str) -> bool:
    """Tell whether the file is not there, or not as it should be."""
    try:
        return path.read_text(encoding="utf-8") != content or path.stat().st_mode & 0o777 != MODE
    except FileNotFoundError:
        return True


def write(path: Path, content: str) -> None:
    """Replace the file at once; nobody else can read it at any time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content)
        os.chmod(name, MODE)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
