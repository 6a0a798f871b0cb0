#!/usr/bin/python
# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create or remove what machines need to join a cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kubeadm_token
short_description: Create or remove what machines need to join a cluster
version_added: 0.1.0
description:
  - Runs on a control plane. With O(state=present) it creates a bootstrap token that expires and, for control planes,
    uploads the certificates anew. Neither appears in any process's arguments.
  - The result is a secret, so use C(no_log) on the task.
author:
  - kubestead contributors (@kubestead)
options:
  state:
    description: V(present) creates a new token each time; V(absent) removes the one named by O(token_id).
    type: str
    choices: [present, absent]
    default: present
  token_id:
    description:
      - The public first part of the token to remove.
      - With C(--check), empty means the one that the run would have created.
    type: str
  endpoint:
    description: Where the API is reached, as host:port. Needed with O(state=present).
    type: str
  version:
    description: Version of the cluster. Needed with O(state=present).
    type: str
  upload_certs:
    description: Whether a control plane is to join, that is, whether the certificates are uploaded for two hours.
    type: bool
    default: false
  ttl:
    description: How long the token lives, as a Go duration.
    type: str
    default: 1h0m0s
attributes:
  check_mode:
    support: full
    description: Tells that a token would be created or removed.
  diff_mode:
    support: none
    description: Tokens are secrets.
seealso:
  - module: kubestead.cluster.kubeadm_join
  - module: kubestead.cluster.kubeadm_token_info
"""

EXAMPLES = r"""
- name: Let workers join
  kubestead.cluster.kubeadm_token:
    endpoint: 10.90.0.100:8443
    version: 1.36.3
  no_log: true
  register: credentials

- name: Close the door
  kubestead.cluster.kubeadm_token:
    state: absent
    token_id: "{{ credentials.join.token[:6] }}"
"""

RETURN = r"""
join:
  description: What M(kubestead.cluster.kubeadm_join) needs.
  returned: when a token was created
  type: dict
  sample:
    ca_cert_hashes: [sha256:5f5b64e9bdca0a7fdd5aa8b4ae63d3e2a2c2e8ac0ee33c9b51f54cbb6fd6a1f0]
    certificate_key: "..."
    endpoint: 10.90.0.100:8443
    token: abcdef.0123456789abcdef
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kubestead.cluster.plugins.module_utils._certificates import ca_cert_hash
from ansible_collections.kubestead.cluster.plugins.module_utils._kubeadm import run as kubeadm
from ansible_collections.kubestead.cluster.plugins.module_utils._kubeadm.documents import API_VERSION, TOKEN_DESCRIPTION
from ansible_collections.kubestead.cluster.plugins.module_utils._kubeadm.json_output import parse_token_list
from ansible_collections.kubestead.cluster.plugins.module_utils._runner import Runner, guard


def create(run: Runner, params: dict[str, Any]) -> dict[str, Any]:
    """Create a token and, where wanted, upload the certificates under a new key."""
    token = kubeadm.new_token()
    certificate_key = kubeadm.new_certificate_key() if params["upload_certs"] else None
    init: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "InitConfiguration",
        "bootstrapTokens": [
            {
                "token": token,
                "ttl": params["ttl"],
                "description": f"{TOKEN_DESCRIPTION}machines join",
                "usages": ["signing", "authentication"],
                "groups": ["system:bootstrappers:kubeadm:default-node-token"],
            }
        ],
    }
    # Without a version kubeadm would ask the internet for one.
    cluster = {"apiVersion": API_VERSION, "kind": "ClusterConfiguration", "kubernetesVersion": f"v{params['version']}"}
    if certificate_key:
        init["certificateKey"] = certificate_key
    with kubeadm.configuration([init, cluster], "token.yaml") as path:
        run(["kubeadm", "token", "create", "--config", path, "--kubeconfig", kubeadm.ADMIN_CONF])
        if certificate_key:
            run(["kubeadm", "init", "phase", "upload-certs", "--upload-certs", "--config", path])
    if certificate_key:
        kubeadm.label_certificates(run)
    return {
        "endpoint": params["endpoint"],
        "token": token,
        "certificate_key": certificate_key,
        "ca_cert_hashes": [ca_cert_hash(Path("/etc/kubernetes/pki/ca.crt").read_text())],
    }


def exists(run: Runner, token_id: str) -> bool:
    """Tell whether the cluster has a token of this id."""
    output = run(["kubeadm", "token", "list", "-o", "json", "--kubeconfig", kubeadm.ADMIN_CONF]).stdout
    return any(item.token_id == token_id for item in parse_token_list(output))


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "token_id": {"type": "str", "no_log": False},
            "endpoint": {"type": "str"},
            "version": {"type": "str"},
            "upload_certs": {"type": "bool", "default": False},
            "ttl": {"type": "str", "default": "1h0m0s"},
        },
        required_if=[("state", "present", ["endpoint", "version"]), ("state", "absent", ["token_id"])],
        supports_check_mode=True,
    )
    with guard(module):
        run = Runner(module)
        params = module.params
        if params["state"] == "present":
            result = {} if module.check_mode else {"join": create(run, params)}
            module.exit_json(changed=True, **result)
        present = exists(run, params["token_id"]) if params["token_id"] else module.check_mode
        if present and not module.check_mode:
            run(["kubeadm", "token", "delete", params["token_id"], "--kubeconfig", kubeadm.ADMIN_CONF])
        module.exit_json(changed=present)


if __name__ == "__main__":
    main()
