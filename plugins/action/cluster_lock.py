# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prove that a kubeconfig is that of the inventory's cluster, and hold the cluster for this run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.kubestead.cluster.plugins.module_utils._certificates import CertificateError, ca_cert_hash
from ansible_collections.kubestead.cluster.plugins.module_utils._kube import (
    Access,
    Api,
    ApiError,
    KubeconfigError,
    Unreachable,
    access_of,
)
from ansible_collections.kubestead.cluster.plugins.plugin_utils import run_lease
from ansible_collections.kubestead.cluster.plugins.plugin_utils.admin_kubeconfig import (
    ClusterIdentity,
    other_cluster,
    unproven,
)

display = Display()

ARGUMENTS: dict[str, Any] = {
    "kubeconfig": {"type": "path", "required": True},
    "name": {"type": "str", "required": True},
    "endpoint": {"type": "str", "required": True},
    "ca_hashes": {"type": "list", "elements": "str", "default": []},
    "cluster_exists": {"type": "bool", "default": True},
    "required": {"type": "bool", "default": True},
}
RECORDED = "/api/v1/namespaces/kube-system/configmaps/kubeadm-config"
#: An API that does not answer is told soon: the run may be there to repair it.
RETRIES = 1


class ActionModule(ActionBase):
    """Talks to the API from the controller: no connection to a host is made."""

    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validated, arguments = self.validate_argument_spec(ARGUMENTS)
        path = arguments["kubeconfig"]
        cluster = ClusterIdentity(arguments["name"], arguments["endpoint"], ca_hashes=tuple(arguments["ca_hashes"]))
        held = False
        try:
            if not arguments["cluster_exists"]:
                refuse_other(path, cluster)
            elif Path(path).exists() or not self._task.check_mode:
                access = access_of(path)
                refuse(access, None, cluster, path)
                held = self._hold(access, cluster, path, required=arguments["required"])
        except (ApiError, KubeconfigError, Unreachable, run_lease.LeaseHeldError) as error:
            raise AnsibleActionFail(str(error)) from None
        return {**result, "changed": False, "held": held}

    def _hold(self, access: Access, cluster: ClusterIdentity, path: str, *, required: bool) -> bool:
        """Ask the cluster for its name and take the Lease; return whether the run has it."""
        me = run_lease.this_run()
        try:
            api = Api(access, RETRIES)
            refuse(access, recorded_name(api), cluster, path)
            if self._task.check_mode:
                return False
            if run_lease.take(api, me):
                run_lease.start_keeper(lambda: Api(access, RETRIES), me)
            return True
        except Unreachable as error:
            if required:
                raise
            display.warning(f"{error}. This run goes on without holding the cluster: let no other run work on it")
            return False


def refuse(access: Access, recorded: str | None, cluster: ClusterIdentity, path: str) -> None:
    """Fail unless it is the inventory's cluster, as far as it is known by now."""
    try:
        ca_hash = ca_cert_hash(access.ca) if access.ca and access.verify else ""
    except CertificateError:
        ca_hash = ""
    problem = unproven(access.server, ca_hash, recorded, cluster, path)
    if problem:
        raise AnsibleActionFail(str(problem))


def refuse_other(path: str, cluster: ClusterIdentity) -> None:
    """Fail where another cluster's file stands at the place of the one that a new cluster will have."""
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return
    except OSError as error:
        raise KubeconfigError(f"cluster_kubeconfig: {path}: {error.strerror}; expected a file or none") from None
    problem = other_cluster(text, cluster, path)
    if problem:
        raise AnsibleActionFail(str(problem))


def recorded_name(api: Api) -> str | None:
    """Return the name under which kubeadm has made the cluster, None where it has no record of it."""
    record = api.get(RECORDED) or {}
    try:
        return str(yaml.safe_load(record["data"]["ClusterConfiguration"])["clusterName"])
    except (yaml.YAMLError, LookupError, TypeError):
        return None
