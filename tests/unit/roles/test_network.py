# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What role network applies, rendered and looked at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml
from ansible.plugins.filter.core import combine

ROLE = Path(__file__).parents[3] / "roles/network"
# Of Calico's own definition (https://docs.tigera.io/calico/latest/reference/installation/api) what is set here: the
# fields there are, and the values that those of a choice may have.
ENUMS = {
    "bgp": {"Enabled", "Disabled"},
    "encapsulation": {"IPIPCrossSubnet", "IPIP", "VXLAN", "VXLANCrossSubnet", "None"},
    "natOutgoing": {"Enabled", "Disabled"},
    "kubernetes": {"NodeInternalIP"},
}
POOL = {"name", "blockSize", "cidr", "encapsulation", "natOutgoing", "nodeSelector"}


def render(name: str, **changes: Any) -> list[dict[str, Any]]:
    environment = jinja2.Environment(trim_blocks=True, undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701
    environment.filters.update(combine=combine, to_json=json.dumps)
    defaults = yaml.safe_load((ROLE / "defaults/main.yml").read_text())
    values = {**defaults, "cluster_pod_subnet": "10.244.0.0/16", **changes}
    text = environment.from_string((ROLE / f"templates/{name}").read_text()).render(values)
    return [document for document in yaml.safe_load_all(text) if document]


def test_every_choice_of_a_plugin_has_a_template() -> None:
    options = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    plugins = set(options["network_plugin"]["choices"]) - {"none"}
    assert {path.name.removesuffix(".yml.j2") for path in (ROLE / "templates").iterdir()} == plugins
    modes = yaml.safe_load((ROLE / "vars/main.yml").read_text())["__network_mode"]
    assert set(modes) == plugins
    assert set(options["network_calico_encapsulation"]["choices"]) == ENUMS["encapsulation"]


@pytest.mark.parametrize("backend", ["vxlan", "host-gw"])
def test_flannel(backend: str) -> None:
    documents = render("flannel.yml.j2", network_flannel_backend=backend)
    by_kind = {document["kind"]: document for document in documents}
    settings = json.loads(by_kind["ConfigMap"]["data"]["net-conf.json"])
    assert settings["Network"] == "10.244.0.0/16"
    assert settings["Backend"] == {"Type": backend}
    assert json.loads(by_kind["ConfigMap"]["data"]["cni-conf.json"])["name"] == "cbr0"
    pod = by_kind["DaemonSet"]["spec"]["template"]
    assert backend in pod["metadata"]["annotations"]["kubestead.io/configuration"]
    # Whatever a node is tainted with, its pods need their network.
    assert pod["spec"]["tolerations"] == [{"operator": "Exists"}]


@pytest.mark.parametrize("encapsulation", sorted(ENUMS["encapsulation"]))
def test_calico(encapsulation: str) -> None:
    (document,) = render("calico.yml.j2", network_calico_encapsulation=encapsulation)
    assert (document["apiVersion"], document["kind"]) == ("operator.tigera.io/v1", "Installation")
    network = document["spec"]["calicoNetwork"]
    assert set(network) == {"bgp", "ipPools", "nodeAddressAutodetectionV4"}
    (pool,) = network["ipPools"]
    assert set(pool) == POOL
    assert (pool["cidr"], pool["blockSize"]) == ("10.244.0.0/16", 26)
    values = {**pool, "bgp": network["bgp"], **network["nodeAddressAutodetectionV4"]}
    assert {name: values[name] for name in ENUMS if values[name] not in ENUMS[name]} == {}
    # Routes between nodes without VXLAN are what BGP is for.
    assert (network["bgp"] == "Disabled") is encapsulation.startswith("VXLAN")


def test_calico_as_somebody_wants_it() -> None:
    wanted = {"registry": "registry.example.com/", "calicoNetwork": {"linuxDataplane": "Nftables"}}
    (document,) = render("calico.yml.j2", network_calico_installation=wanted)
    assert document["spec"]["registry"] == "registry.example.com/"
    assert document["spec"]["calicoNetwork"]["linuxDataplane"] == "Nftables"
    assert document["spec"]["calicoNetwork"]["bgp"] == "Disabled"


def test_only_manifests_that_were_looked_at_are_applied() -> None:
    tasks = {task["name"]: task for task in yaml.safe_load((ROLE / "tasks/calico.yml").read_text())}
    names = list(tasks)
    fetch, verify = names.index("calico | Fetch the manifests"), names.index("calico | Expect what was looked at")
    assert fetch < verify == len(names) - 1
    verified = tasks["calico | Expect what was looked at"]["ansible.builtin.assert"]["that"]
    assert verified == "item.content | hash('sha256') == item.item.sha256"
