#!/usr/bin/python
# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""See that a cluster has the wanted pod network, or none yet."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pod_network
short_description: See that a cluster has the wanted pod network, or none yet
version_added: 0.1.0
description:
  - Looks at which network the cluster's pods have, by the DaemonSets that networks run, and fails if it is not the
    wanted one. Pods keep the addresses and routes of the network that they were started in, so one network can't take
    another one's place while they run, nor can flannel change its backend
    (U(https://github.com/flannel-io/flannel/blob/master/Documentation/backends.md)) or Calico its encapsulation.
  - Changes nothing.
author:
  - kubestead contributors (@kubestead)
options:
  plugin:
    description: The wanted network.
    type: str
    choices: [flannel, calico]
    required: true
  subnet:
    description: The wanted network of the pods.
    type: str
    required: true
  mode:
    description: How packets are to get from node to node, flannel's backend or Calico's encapsulation.
    type: str
    required: true
extends_documentation_fragment:
  - kubestead.cluster.cluster
  - kubestead.cluster.attributes.read_only
"""

EXAMPLES = r"""
- name: Expect flannel, or no network yet
  kubestead.cluster.pod_network:
    kubeconfig: "{{ cluster_kubeconfig }}"
    plugin: flannel
    subnet: 10.244.0.0/16
    mode: vxlan
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
networks:
  description: The networks that the cluster has.
  returned: success
  type: list
  elements: str
  sample: [flannel]
"""

import json
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kubestead.cluster.plugins.module_utils._kube import Api, connect
from ansible_collections.kubestead.cluster.plugins.module_utils._runner import guard

# What the DaemonSets of networks are called by their publishers' own manifests.
DAEMON_SETS = {
    "kube-flannel-ds": "flannel",
    "calico-node": "calico",
    "canal": "canal",
    "cilium": "cilium",
    "weave-net": "weave",
    "kube-router": "kube-router",
    "antrea-agent": "antrea",
    "kube-ovn-cni": "kube-ovn",
    "ovnkube-node": "ovn-kubernetes",
    "kindnet": "kindnet",
}
FLANNEL = "/api/v1/namespaces/kube-flannel/configmaps/kube-flannel-cfg"
CALICO = "/apis/operator.tigera.io/v1/installations/default"
VARIABLES = {"flannel": "network_flannel_backend", "calico": "network_calico_encapsulation"}
REMEDY = "keep it as it is, or make another cluster and move what runs here (docs/network.md)"


class Different(Exception):
    """The cluster has another network."""


def networks(daemon_sets: Any) -> list[str]:
    """Return the networks that these DaemonSets are of."""
    names = {item["metadata"]["name"] for item in daemon_sets["items"]}
    return sorted({network for name, network in DAEMON_SETS.items() if name in names})


def flannel_settings(found: Any) -> tuple[str, str] | None:
    """Return flannel's network and backend from its ConfigMap, None where there is none."""
    if found is None:
        return None
    settings = json.loads(found["data"]["net-conf.json"])
    return str(settings.get("Network", "")), str(settings.get("Backend", {}).get("Type", "udp"))


def calico_settings(found: Any) -> tuple[str, str] | None:
    """Return Calico's first pool and its encapsulation, None where another way than the operator installed it."""
    pools = (found or {}).get("spec", {}).get("calicoNetwork", {}).get("ipPools", [])
    return (str(pools[0]["cidr"]), str(pools[0].get("encapsulation", "IPIP"))) if pools else None


def difference(there: list[str], settings: tuple[str, str] | None, wanted: Mapping[str, str]) -> str:
    """Return what is different from the wanted network, nothing where nothing is or there is no network yet."""
    plugin = wanted["plugin"]
    if not there:
        return ""
    if there != [plugin]:
        return f"network_plugin: found {' and '.join(there)} in the cluster, expected {plugin} or none; {REMEDY}"
    if settings is None:
        return ""
    subnet, mode = settings
    if subnet != wanted["subnet"]:
        return f"cluster_pod_subnet: found {subnet} in the cluster, expected {wanted['subnet']}; {REMEDY}"
    if mode != wanted["mode"]:
        return f"{VARIABLES[plugin]}: found {mode} in the cluster, expected {wanted['mode']}; {REMEDY}"
    return ""


def look(api: Api, wanted: Mapping[str, str]) -> list[str]:
    """Return the networks of the cluster, which have to be the wanted one or none."""
    there = networks(api.request("GET", "/apis/apps/v1/daemonsets"))
    flannel = wanted["plugin"] == "flannel"
    settings = flannel_settings(api.get(FLANNEL)) if flannel else calico_settings(api.get(CALICO))
    wrong = difference(there, settings, wanted)
    if wrong:
        raise Different(wrong)
    return there


ARGUMENT_SPEC: dict[str, Any] = {
    "kubeconfig": {"type": "path", "required": True},
    "plugin": {"type": "str", "choices": ["flannel", "calico"], "required": True},
    "subnet": {"type": "str", "required": True},
    "mode": {"type": "str", "required": True},
}


def run(params: Mapping[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Return the module's result; nothing is ever changed."""
    return {"changed": False, "networks": look(connect(params["kubeconfig"]), params)}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    with guard(module):
        module.exit_json(**run(module.params, module.check_mode))


if __name__ == "__main__":
    main()
