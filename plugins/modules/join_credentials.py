#!/usr/bin/python
# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove the credentials that machines joined with."""

from __future__ import annotations

DOCUMENTATION = r"""
module: join_credentials
short_description: Remove the credentials that machines joined with
version_added: 0.1.0
description:
  - Removes the bootstrap tokens that M(kubestead.cluster.kubeadm_init) and M(kubestead.cluster.kubeadm_token) made,
    also those of earlier runs that were interrupted, and the certificates that they uploaded for control planes.
  - Tokens are recognised by their description, Secret kubeadm-certs by its label. Those of others stay.
author:
  - kubestead contributors (@kubestead)
options:
  cluster_exists:
    description: Whether there is a cluster to ask in check mode.
    type: bool
    default: true
  pending:
    description: Whether a run without check mode would have made credentials by now.
    type: bool
    default: false
extends_documentation_fragment:
  - kubestead.cluster.cluster
attributes:
  check_mode:
    support: full
    description: Lists what would be removed.
  diff_mode:
    support: none
    description: The result lists what is removed.
seealso:
  - module: kubestead.cluster.kubeadm_token
"""

EXAMPLES = r"""
- name: Close the door
  kubestead.cluster.join_credentials:
    kubeconfig: "{{ cluster_kubeconfig }}"
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
removed:
  description: What was removed, or in check mode would be. Of a token only its public id is shown.
  returned: success
  type: list
  elements: str
  sample: [token abcdef, Secret kubeadm-certs]
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kubestead.cluster.plugins.module_utils._kube import Api, ApiError, connect
from ansible_collections.kubestead.cluster.plugins.module_utils._kubeadm.documents import (
    CERTIFICATES,
    CERTIFICATES_LABEL,
    TOKEN_DESCRIPTION,
)
from ansible_collections.kubestead.cluster.plugins.module_utils._runner import guard

SECRETS = "/api/v1/namespaces/kube-system/secrets"
# https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/#bootstrap-token-secret-format
TOKEN_TYPE = "bootstrap.kubernetes.io/token"  # noqa: S105 - a Secret's type
TOKEN_PREFIX = "bootstrap-token-"  # noqa: S105 - what its name begins with


@dataclass(frozen=True)
class Credential:
    """A Secret to remove, as it was read."""

    name: str
    uid: str
    version: str

    def __str__(self) -> str:
        """Return what an operator calls it."""
        is_token = self.name.startswith(TOKEN_PREFIX)
        return f"token {self.name[len(TOKEN_PREFIX) :]}" if is_token else f"Secret {self.name}"


def description(secret: Mapping[str, Any]) -> str:
    """Return the description of a token's Secret, "" where it has none that can be read."""
    try:
        return base64.b64decode((secret.get("data") or {}).get("description", "")).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def plan(tokens: list[Mapping[str, Any]], certificates: Mapping[str, Any] | None) -> list[Credential]:
    """Return the Secrets that are this collection's: its tokens, and its certificates with their token.

    kubeadm makes a token without any usage the owner of the certificates, so that they go when it expires
    (cmd/kubeadm/app/phases/copycerts). Whoever uploads others replaces the label with them.
    """
    ours = [item for item in tokens if description(item).startswith(TOKEN_DESCRIPTION)]
    metadata = (certificates or {}).get("metadata", {})
    if certificates and CERTIFICATES_LABEL.items() <= (metadata.get("labels") or {}).items():
        owners = {item.get("uid") for item in metadata.get("ownerReferences") or ()}
        ours += [item for item in tokens if item["metadata"]["uid"] in owners and item not in ours]
        ours.append(certificates)
    found = [item["metadata"] for item in ours]
    return [Credential(item["name"], item["uid"], item["resourceVersion"]) for item in found]


def read(api: Api) -> list[Credential]:
    """Read what is there."""
    tokens = api.request("GET", SECRETS, query={"fieldSelector": f"type={TOKEN_TYPE}"})["items"]
    return plan(tokens, api.get(f"{SECRETS}/{CERTIFICATES}"))


def remove(api: Api, item: Credential) -> None:
    """Remove a Secret, unless it is gone or somebody has replaced it since it was read."""
    preconditions = {"uid": item.uid, "resourceVersion": item.version}
    try:
        api.request("DELETE", f"{SECRETS}/{item.name}", {"preconditions": preconditions})
    except ApiError as error:
        if error.status not in (404, 409):
            raise


ARGUMENT_SPEC: dict[str, Any] = {
    "kubeconfig": {"type": "path", "required": True},
    "cluster_exists": {"type": "bool", "default": True},
    "pending": {"type": "bool", "default": False},
}


def run(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Read, plan, apply unless in check mode; returns the module's result."""
    if check_mode and not params["cluster_exists"]:
        return {"changed": params["pending"], "removed": []}
    api = connect(params["kubeconfig"])
    found = read(api)
    if not check_mode:
        for item in found:
            remove(api, item)
    return {"changed": bool(found) or (check_mode and params["pending"]), "removed": [str(item) for item in found]}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    with guard(module):
        module.exit_json(**run(module.params, module.check_mode))


if __name__ == "__main__":
    main()
