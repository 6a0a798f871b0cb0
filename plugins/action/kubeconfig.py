# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep the administrator's kubeconfig on the controller."""

from __future__ import annotations

import base64
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.kubestead.cluster.plugins.module_utils import _durable
from ansible_collections.kubestead.cluster.plugins.plugin_utils.admin_kubeconfig import (
    AdminKubeconfigError,
    ClusterIdentity,
    build,
    flaw,
    other_cluster,
    read,
    replaces,
)

display = Display()

MODE = 0o600
RENEW = "make it anew on the control plane (remove it, then kubeadm init phase kubeconfig admin)"
ARGUMENTS: dict[str, Any] = {
    "path": {"type": "path", "required": True},
    "name": {"type": "str", "required": True},
    "endpoint": {"type": "str", "required": True},
    "ca_hashes": {"type": "list", "elements": "str", "default": []},
    "content": {"type": "str", "no_log": True},
    "source": {"type": "path", "default": "/etc/kubernetes/admin.conf"},
    "proxy": {"type": "str", "default": ""},
}


class OtherClusterError(Exception):
    """The file at the path must not be replaced, or the one from the control plane must not be used."""


class ActionModule(ActionBase):
    """Writes the file itself; the task's host is only asked where the file does not serve, and for nothing else."""

    _supports_check_mode = True
    _supports_async = False
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validated, arguments = self.validate_argument_spec(ARGUMENTS)
        # YAML takes no text that Ansible has tagged.
        arguments = json.loads(json.dumps(arguments))
        path = Path(arguments["path"])
        cluster = ClusterIdentity(
            arguments["name"], arguments["endpoint"], arguments["proxy"], tuple(arguments["ca_hashes"])
        )
        try:
            content = arguments["content"]
            if content is None and serves(path, cluster):
                return {**result, "changed": False, "path": str(path)}
            if content is None:
                content = self._fetch(arguments["source"], task_vars)
            # A plan knows that there will be one.
            changed = not content and self._task.check_mode
            if content or not changed:
                changed = put(path, content, cluster, dry_run=self._task.check_mode)
        except (OtherClusterError, AdminKubeconfigError) as error:
            message = str(error)
            if isinstance(error, AdminKubeconfigError):
                message = f"{arguments['source']}: found {error}; expected kubeadm's; {RENEW}"
            if self._task.no_log:
                display.error(message, wrap_text=False)
            raise AnsibleActionFail(message) from None
        except OSError as error:
            raise AnsibleActionFail(
                f"cluster_kubeconfig: {path}: {error.strerror}; expected a file that this user can write"
            ) from None
        return {**result, "changed": changed, "path": str(path)}

    def _fetch(self, source: str, task_vars: dict[str, Any] | None) -> str:
        """Read the administrator's kubeconfig of the task's host. It is in no result."""
        read_there = self._execute_module(
            module_name="ansible.builtin.slurp", module_args={"src": source}, task_vars=task_vars
        )
        if read_there.get("failed") or "content" not in read_there:
            raise AnsibleActionFail(f"{source}: {read_there.get('msg', 'not read')}")
        return base64.b64decode(read_there["content"]).decode("utf-8", errors="replace")


def text_of(path: Path) -> str | None:
    """Return the file's text, None where there is no file."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


def serves(path: Path, cluster: ClusterIdentity) -> bool:
    """Whether the file is as it should be, as far as it can be told without the control plane's. Refuse another's."""
    text = text_of(path)
    if text is None:
        return False
    refuse_other(text, cluster, path)
    return not flaw(read(text), cluster, datetime.now(UTC)) and path.stat().st_mode & 0o777 == MODE


def refuse_other(text: str, cluster: ClusterIdentity, path: Path) -> None:
    """Raise an OtherClusterError for what must not be overwritten."""
    problem = other_cluster(text, cluster, str(path))
    if problem:
        raise OtherClusterError(str(problem))


def put(path: Path, content: str, cluster: ClusterIdentity, *, dry_run: bool) -> bool:
    """Build the file of a control plane's kubeconfig and put it in place; return whether anything changes."""
    admin = read(content)
    if cluster.ca_hashes and admin.ca_hash not in cluster.ca_hashes:
        raise OtherClusterError(
            f"the control plane's kubeconfig: found CA {admin.ca_hash[:19] or 'none'}; expected the CA of the "
            f"inventory's machines, {cluster.ca_hashes[0][:19]}; {RENEW}"
        )
    wanted = build(admin, cluster)
    made_anew = replace(cluster, ca_hashes=(admin.ca_hash,))
    with alone(path.parent, dry_run=dry_run):
        before = text_of(path)
        if before is not None:
            refuse_other(before, cluster, path)
            if not replaces(admin, read(before), made_anew, datetime.now(UTC)):
                wanted = before
        changed = before != wanted or path.stat().st_mode & 0o777 != MODE
        if changed and not dry_run:
            write(path, wanted)
    return changed


@contextmanager
def alone(folder: Path, *, dry_run: bool) -> Iterator[None]:
    """Keep other runs on this controller from looking at the folder and writing there at the same time."""
    if dry_run:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def write(path: Path, content: str) -> None:
    """Replace the file at once; nobody else can read it at any time."""
    _durable.write(str(path), content.encode(), MODE)
