# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What role network applies, rendered and looked at."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from ansible_collections.kubestead.cluster.plugins.modules import pod_network
from tests.unit.playbook import run_playbook

ROLE = Path(__file__).parents[3] / "roles/network"
CALICO = Path(__file__).parents[1] / "fixtures/calico/3.28_installation.schema.json"
SETTINGS = ("__network_subnet", "__network_mode")

MANIFEST = """\
apiVersion: v1
kind: Namespace
metadata: {name: tigera-operator}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: tigera-operator, namespace: tigera-operator}
"""
VARIABLES = [
    str(path)
    for role in (ROLE.parent / "cluster", ROLE)
    for path in (role / "defaults/main.yml", *sorted((role / "vars").rglob("*.yml")))
]
FETCH = [
    {
        "hosts": "cp1",
        "gather_facts": False,
        "vars_files": VARIABLES,
        "tasks": [
            {"ansible.builtin.include_tasks": str(ROLE / "tasks/calico.yml")},
            {
                "ansible.builtin.copy": {
                    "content": "{{ __network_calico_operator | map(attribute='kind') | join(' ') }}",
                    "dest": "{{ playbook_dir }}/applied",
                }
            },
        ],
    }
]


def value(expression: str, **changes: Any) -> Any:
    variables: dict[str, Any] = {"cluster_pod_subnet": "10.244.0.0/16"}
    for path in (
        ROLE / "defaults/main.yml",
        ROLE / "vars/main.yml",
        *sorted((ROLE.parent / "cluster/vars/main").iterdir()),
    ):
        variables |= DataLoader().load_from_file(str(path), trusted_as_template=True)
    return Templar(DataLoader(), variables={**variables, **changes}).template(trust_as_template(expression))


def render(name: str, **changes: Any) -> list[dict[str, Any]]:
    text = value((ROLE / f"templates/{name}").read_text(), **changes)
    return [document for document in yaml.safe_load_all(text) if document]


def closed(schema: Any) -> Any:
    """A schema that knows no other fields than those that it lists: the API drops the others, or refuses them."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    more = {"additionalProperties": False} if "properties" in schema else {}
    return {name: closed(item) for name, item in schema.items()} | more


# Of Calico's own definition what is of interest here.
SPEC = closed(json.loads(CALICO.read_text()))
ENCAPSULATIONS = SPEC["properties"]["calicoNetwork"]["properties"]["ipPools"]["items"]["properties"]["encapsulation"]


def test_every_choice_of_a_plugin_has_a_template() -> None:
    options = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    plugins = set(options["network_plugin"]["choices"]) - {"none"}
    assert {path.name.removesuffix(".yml.j2") for path in (ROLE / "templates").iterdir()} == plugins
    variables = yaml.safe_load((ROLE / "vars/main.yml").read_text())
    assert set(variables["__network_mode"]) == set(variables["__network_subnet"]) == plugins
    assert set(options["network_calico_encapsulation"]["choices"]) == set(ENCAPSULATIONS["enum"])


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


@pytest.mark.parametrize("encapsulation", ENCAPSULATIONS["enum"])
def test_calico(encapsulation: str) -> None:
    (document,) = render("calico.yml.j2", network_calico_encapsulation=encapsulation)
    assert (document["apiVersion"], document["kind"]) == ("operator.tigera.io/v1", "Installation")
    jsonschema.validate(document["spec"], SPEC)
    network = document["spec"]["calicoNetwork"]
    (pool,) = network["ipPools"]
    assert (pool["cidr"], pool["blockSize"], pool["encapsulation"]) == ("10.244.0.0/16", 26, encapsulation)
    # Routes between nodes without VXLAN are what BGP is for.
    assert (network["bgp"] == "Disabled") is encapsulation.startswith("VXLAN")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"bpg": "Disabled"}, "'bpg' was unexpected"), ({"bgp": "disabled"}, "'disabled' is not one of")],
)
def test_what_calico_does_not_know_is_found(wrong: dict[str, Any], said: str) -> None:
    (document,) = render("calico.yml.j2", network_calico_installation={"calicoNetwork": wrong})
    with pytest.raises(jsonschema.ValidationError, match=said):
        jsonschema.validate(document["spec"], SPEC)


def test_calico_as_somebody_wants_it() -> None:
    wanted = {"registry": "registry.example.com/", "calicoNetwork": {"linuxDataplane": "Nftables"}}
    (document,) = render("calico.yml.j2", network_calico_installation=wanted)
    assert document["spec"]["registry"] == "registry.example.com/"
    assert document["spec"]["calicoNetwork"]["linuxDataplane"] == "Nftables"
    assert document["spec"]["calicoNetwork"]["bgp"] == "Disabled"


OWN_POOL = {"cidr": "10.244.128.0/17", "encapsulation": "IPIP"}


@pytest.mark.parametrize(
    ("installation", "subnet", "mode", "bgp"),
    [
        ({}, "10.244.0.0/16", "VXLAN", "Disabled"),
        ({"calicoNetwork": {"linuxDataplane": "Nftables"}}, "10.244.0.0/16", "VXLAN", "Disabled"),
        ({"calicoNetwork": {"ipPools": [OWN_POOL]}}, "10.244.128.0/17", "IPIP", "Enabled"),
        # The operator's own default.
        ({"calicoNetwork": {"ipPools": [{"cidr": "10.244.0.0/16"}]}}, "10.244.0.0/16", "IPIP", "Enabled"),
        ({"calicoNetwork": {"bgp": "Disabled", "ipPools": [OWN_POOL]}}, "10.244.128.0/17", "IPIP", "Disabled"),
    ],
)
def test_a_second_run_expects_the_pools_that_the_first_has_applied(
    installation: dict[str, Any], subnet: str, mode: str, bgp: str
) -> None:
    (document,) = render("calico.yml.j2", network_calico_installation=installation)
    expected = [value(f"{{{{ {name}.calico }}}}", network_calico_installation=installation) for name in SETTINGS]
    assert (subnet, mode) == pod_network.calico_settings(document) == tuple(expected)
    assert document["spec"]["calicoNetwork"]["bgp"] == bgp


def test_only_manifests_that_were_looked_at_are_applied() -> None:
    tasks = {task["name"]: task for task in yaml.safe_load((ROLE / "tasks/calico.yml").read_text())}
    names = list(tasks)
    fetch, verify = names.index("calico | Fetch the manifests"), names.index("calico | Expect what was looked at")
    assert fetch < verify == len(names) - 1
    verified = tasks["calico | Expect what was looked at"]["ansible.builtin.assert"]["that"]
    assert verified == "item.content | hash('sha256') == item.item.sha256"


@pytest.fixture
def publisher(tmp_path: Path) -> Iterator[str]:
    """A server that has Calico's manifest."""
    (tmp_path / "operator.yaml").write_text(MANIFEST)
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/operator.yaml"
        server.shutdown()


@pytest.mark.parametrize("looked_at", [MANIFEST, MANIFEST.replace("apps/v1", "apps/v2")], ids=["same", "other"])
def test_manifests_are_fetched_and_verified(tmp_path: Path, publisher: str, looked_at: str) -> None:
    sha256 = hashlib.sha256(looked_at.encode()).hexdigest()
    given = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "__preflight": {"seed": "cp1", "seeds": ["cp1"]},
        "__preflight_delegated": {"results": []},
        "network_calico_manifests": [{"url": publisher, "sha256": sha256}],
    }
    (tmp_path / "play.yml").write_text(json.dumps(FETCH))
    (tmp_path / "vars.json").write_text(json.dumps(given))
    done = run_playbook(tmp_path, "-i", "cp1,", "-e", "@vars.json", no_proxy="127.0.0.1")
    said = done.stdout + done.stderr
    applied = tmp_path / "applied"
    if looked_at == MANIFEST:
        assert done.returncode == 0, said
        assert applied.read_text() == "Namespace Deployment"
    else:
        found = hashlib.sha256(MANIFEST.encode()).hexdigest()
        assert f"{publisher}: found the checksum {found}, expected {sha256}" in said
        assert "nothing of it was applied" in said
        assert done.returncode != 0
        assert not applied.exists()
