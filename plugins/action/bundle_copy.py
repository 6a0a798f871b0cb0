# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verify a bundle here, and send a machine what it lacks of it."""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.kubestead.cluster.plugins.plugin_utils import bundle, bundle_signature
from ansible_collections.kubestead.cluster.plugins.plugin_utils.bundle import BundleError

SPEC = {
    "source": {"type": "path", "required": True},
    "signers": {"type": "list", "elements": "str", "required": True},
    "directory": {"type": "path", "required": True},
    "system": {"type": "str", "required": True},
}
_MODULE = "kubestead.cluster.bundle_copy"
# An archive is on the disks of both machines for a while.
BATCH_BYTES = 256 << 20


def order(path: str) -> tuple[bool, bool, str]:
    """What others refer to goes first: packages before their index, an image's parts before its tag."""
    index = path.startswith("packages/") and not path.endswith((".deb", ".rpm"))
    index = index or (path.startswith("files/charts/") and path.endswith("/index.yaml"))
    return (path in {bundle.LIST, bundle.SUMS, bundle.SIGNATURE}, index or path.startswith("images/tags/"), path)


def batches(paths: Sequence[str], sizes: Mapping[str, int], limit: int = BATCH_BYTES) -> Iterator[list[str]]:
    """The files in portions that are not too large; a file that is too large is one of its own."""
    batch: list[str] = []
    total = 0
    for path in sorted(paths, key=order):
        if batch and total + sizes[path] > limit:
            yield batch
            batch, total = [], 0
        batch.append(path)
        total += sizes[path]
    if batch:
        yield batch


class ActionModule(ActionBase):
    """The module compares and puts in place; here files are verified, packed and sent."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False
    _requires_connection = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validated, arguments = self.validate_argument_spec(SPEC)
        source = Path(arguments["source"])
        try:
            files = self._verified(source, arguments["system"], arguments["signers"])
        except BundleError as error:
            raise AnsibleActionFail(f"the bundle in {source} can't be used, nothing was changed:\n{error}") from None
        looked = self._module({**arguments, "files": files}, task_vars)
        result.update(looked)
        if not looked.get("failed"):
            result["diff"] = self._difference(arguments["directory"], looked)
        if looked.get("failed") or not looked["missing"] or self._task.check_mode:
            return result
        return {**result, **self._send(source, {**arguments, "files": files}, looked["missing"], task_vars)}

    def _verified(self, source: Path, system: str, signers: Sequence[str]) -> dict[str, str]:
        """The bundle's checksums by path, its own list of them and the signature included."""
        sums, listing = bundle_signature.verified(source, signers)
        if not any(path.startswith(f"packages/{system}/") for path in sums):
            raise BundleError(f"packages/{system}: missing; it was collected for {', '.join(listing['systems'])}")
        return {**sums, **{path: bundle.digest(source / path) for path in (bundle.SUMS, bundle.SIGNATURE)}}

    def _send(
        self, source: Path, arguments: dict[str, Any], missing: Sequence[str], task_vars: dict[str, Any] | None
    ) -> dict[str, Any]:
        sizes = {path: (source / path).stat().st_size for path in missing}
        for paths in batches(missing, sizes):
            remote = self._sent(source, paths)
            answer = self._module({**arguments, "archive": remote}, task_vars)
            if answer.get("failed"):
                return answer
        last = self._module(arguments, task_vars)
        if not last.get("failed") and last["missing"]:
            return {"failed": True, "msg": f"still missing on the machine: {', '.join(last['missing'])}"}
        return {"failed": True, "msg": last.get("msg")} if last.get("failed") else {}

    def _sent(self, source: Path, paths: Sequence[str]) -> str:
        """The path on the machine of an archive of these files."""
        if not self._connection._shell.tmpdir:
            self._make_tmp_path()
        with tempfile.NamedTemporaryFile(prefix="kubestead-bundle-", suffix=".tar") as archive:
            with tarfile.open(fileobj=archive, mode="w") as opened:
                for path in paths:
                    opened.add(source / path, arcname=path)
            archive.flush()
            remote: str = self._connection._shell.join_path(self._connection._shell.tmpdir, "bundle.tar")
            self._transfer_file(archive.name, remote)
        self._fixup_perms2((self._connection._shell.tmpdir, remote))
        return remote

    def _module(self, arguments: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        answer: dict[str, Any] = self._execute_module(module_name=_MODULE, module_args=arguments, task_vars=task_vars)
        return answer

    def _difference(self, directory: str, looked: Mapping[str, Any]) -> dict[str, str]:
        gone = "".join(f"{path}\n" for path in looked["unlisted"])
        new = "".join(f"{path}\n" for path in looked["missing"])
        wrong = "".join(f"{path}: another mode\n" for path in looked["modes"])
        right = "".join(f"{path}: its mode\n" for path in looked["modes"])
        headers = {"before_header": directory, "after_header": directory}
        return {"before": gone + wrong, "after": new + right, **headers}
