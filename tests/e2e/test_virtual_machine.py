# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines with a kernel of their own and the settings that users have: nothing is left out as it is for containers.

They are emulated: the first run takes a quarter of an hour on two cores.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from kubernetes import client, config

from tests.lab.lab import load
from tests.lab.versions import NGINX_IMAGE

from .cluster import API_PORT, ENDPOINT_PORT, Cluster, api_is_ready, lab_command, machines_of, wait_for
from .test_plan import expect_equal

pytestmark = pytest.mark.full

BOOT_SECONDS = 900.0
# Asking costs an emulated machine two seconds of its own.
ASK_SECONDS = 15.0
POD_SECONDS = 600.0
MODULES = ("overlay", "br_netfilter")
SYSCTLS = {
    "net.ipv4.ip_forward": "1",
    "net.bridge.bridge-nf-call-iptables": "1",
    "fs.inotify.max_user_instances": "8192",
}
CLOSED_PORT = 12345
FILE = "written-by-a-pod"
VOLUME = "shared"


@pytest.fixture(scope="module")
def machine() -> Iterator[Cluster]:
    """One bare virtual machine."""
    with machines_of("virtual", 1, 0, "--machine", "virtual") as cluster:
        yield cluster


def expect_settled(cluster: Cluster) -> None:
    """The machine has what the roles gave it, as it has after a boot."""
    assert cluster.on("cp1", "stat", "-f", "-c", "%T", "/sys/fs/cgroup") == "cgroup2fs"
    assert len(cluster.on("cp1", "cat", "/proc/swaps").splitlines()) == 1, "swap is on"
    loaded = {line.split()[0] for line in cluster.on("cp1", "cat", "/proc/modules").splitlines()}
    assert set(MODULES) <= loaded
    found = {name: cluster.on("cp1", "sysctl", "-n", name) for name in SYSCTLS}
    assert found == SYSCTLS
    for unit in ("chrony", "containerd", "kubelet"):
        assert cluster.on("cp1", "systemctl", "is-active", unit) == "active"
        assert cluster.on("cp1", "systemctl", "is-enabled", unit) == "enabled"
    profiles = json.loads(cluster.on("cp1", "aa-status", "--json"))["profiles"]
    assert profiles["cri-containerd.apparmor.d"] == "enforce", "containers run without AppArmor"


def expect_nothing_to_do(cluster: Cluster, *options: str) -> None:
    plan = cluster.site("--check", "--diff", *options).succeeded()
    expect_equal(plan.changed, set(), "--check lists changes")
    expect_equal(cluster.site(*options).succeeded().changed, set(), "a rerun changes something")


def expect_as_planned(cluster: Cluster, *options: str) -> None:
    plan = cluster.site("--check", "--diff", *options).succeeded()
    run = cluster.site(*options).succeeded()
    expect_equal(run.changed, plan.changed, "the run changed something else than --check had listed")


def test_the_plan_is_exact_with_the_defaults_that_users_have(machine: Cluster) -> None:
    assert len(machine.on("cp1", "cat", "/proc/swaps").splitlines()) == 2, "the machine has no swap to turn off"
    expect_as_planned(machine)
    expect_settled(machine)
    expect_nothing_to_do(machine)


def test_all_of_it_survives_a_reboot(machine: Cluster) -> None:
    booted = machine.on("cp1", "cat", "/proc/sys/kernel/random/boot_id")
    machine.act("restart", "cp1")

    def is_up() -> bool:
        address = machine.lab.nodes["cp1"].address
        return api_is_ready(address, API_PORT) and machine.on("cp1", "cat", "/proc/sys/kernel/random/boot_id") != booted

    wait_for("the machine has booted and its API answers", is_up, BOOT_SECONDS, ASK_SECONDS)
    wait_for("the node is Ready", lambda: machine.ready_nodes() == {"cp1"}, BOOT_SECONDS, ASK_SECONDS)
    expect_settled(machine)
    expect_nothing_to_do(machine)


@contextmanager
def options_of(cluster: Cluster, folder: Path) -> Iterator[tuple[str, ...]]:
    """The options of a run with kube-proxy in mode nftables, a virtual address and NFS of the kernel."""
    inventory = folder / "nfs.yml"
    inventory.write_text("nfs_server: {hosts: {cp1: }}\n")
    volume = {"name": VOLUME, "path": "/data/nfs/shared", "mode": "0777", "claim": {"name": VOLUME}}
    variables = {
        "cluster_kube_proxy_configuration": {"mode": "nftables"},
        "cluster_vip": cluster.lab.vip,
        "nfs_storage_enabled": True,
        "nfs_storage_provisioner": "none",
        "nfs_storage_volumes": [volume],
    }
    file = folder / "variables.json"
    file.write_text(json.dumps(variables))
    yield ("--inventory", str(inventory), "--extra-vars", f"@{file}")


def connects(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=5):
            return True
    except OSError:
        return False


def make_pod(cluster: Cluster, node: str, volume: str = "") -> client.V1Pod:
    """A pod on a node, with the claim of a volume at /shared if one is named; it is Ready."""
    core = client.CoreV1Api(config.new_client_from_config(str(cluster.kubeconfig)))
    image = f"{cluster.lab.mirror_address}:5000/{NGINX_IMAGE}"
    container = {"name": "web", "image": image, "volumeMounts": [{"name": "shared", "mountPath": "/shared"}]}
    source = {"persistentVolumeClaim": {"claimName": volume}} if volume else {"emptyDir": {}}
    spec = {
        "nodeName": node,
        "tolerations": [{"operator": "Exists"}],
        "containers": [container],
        "volumes": [{"name": "shared", **source}],
    }
    body = {"metadata": {"name": "web", "labels": {"app": "web"}}, "spec": spec}
    core.create_namespaced_pod("default", body)

    def is_ready() -> bool:
        conditions = core.read_namespaced_pod("web", "default").status.conditions or []
        return any(one.type == "Ready" and one.status == "True" for one in conditions)

    wait_for("the pod is Ready", is_ready, POD_SECONDS, ASK_SECONDS)
    return core.read_namespaced_pod("web", "default")


def test_a_firewall_nftables_and_nfs_of_the_kernel(machine: Cluster, tmp_path: Path) -> None:
    machine.run("reset.yml", "--extra-vars", f"reset_confirm={machine.lab.name}").succeeded()
    # What the machine's owner has done before.
    machine.on("cp1", "sh", "-c", "apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y ufw")
    machine.on("cp1", "ufw", "allow", "22/tcp")
    machine.on("cp1", "ufw", "--force", "enable")
    address = machine.lab.nodes["cp1"].address
    with options_of(machine, tmp_path) as options:
        expect_as_planned(machine, *options)
        expect_nothing_to_do(machine, *options)

    assert machine.on("cp1", "curl", "-fsS", "http://127.0.0.1:10249/proxyMode") == "nftables"
    assert "kube-proxy" in machine.on("cp1", "nft", "list", "tables")
    # Open: the API at each of its addresses and NodePorts. Closed: the rest, etcd too.
    assert "Status: active" in machine.on("cp1", "ufw", "status")
    assert api_is_ready(address, API_PORT)
    assert api_is_ready(machine.lab.vip, ENDPOINT_PORT)
    machine.on("cp1", "systemd-run", "--unit=closed", "python3", "-m", "http.server", str(CLOSED_PORT))
    wait_for("the port listens", lambda: f":{CLOSED_PORT} " in machine.on("cp1", "ss", "-lnt"), 60)
    assert not connects(address, CLOSED_PORT)
    assert not connects(address, 2379)

    make_pod(machine, "cp1", VOLUME)
    core = client.CoreV1Api(config.new_client_from_config(str(machine.kubeconfig)))
    ports = [{"port": 80, "nodePort": 30080}]
    service = {
        "metadata": {"name": "web"},
        "spec": {"type": "NodePort", "selector": {"app": "web"}, "ports": ports},
    }
    core.create_namespaced_service("default", service)
    wait_for("the NodePort answers", lambda: connects(address, 30080), 120, 2)
    kubectl = ("kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf")
    machine.on("cp1", *kubectl, "exec", "web", "--", "touch", f"/shared/{FILE}")
    assert machine.on("cp1", "ls", "/data/nfs/shared") == FILE
    assert "nfs4" in machine.on("cp1", "findmnt", "--types", "nfs4", "--noheadings", "--output", "FSTYPE")
    assert machine.on("cp1", "systemctl", "is-active", "nfs-server") == "active"


def test_a_virtual_worker_joins_a_cluster_of_containers() -> None:
    with machines_of("mixed", 1, 0) as cluster:
        lab_command("add", cluster.lab.name, "w1", "--machine", "virtual")
        mixed = Cluster(load(cluster.lab.name))
        expect_as_planned(mixed)
        expect_nothing_to_do(mixed)
        kernels = {
            node.metadata.name: node.status.node_info.kernel_version
            for node in client.CoreV1Api(mixed.api).list_node().items
        }
        assert kernels["w1"] == mixed.on("w1", "uname", "-r") != kernels["cp1"]
        pod = make_pod(mixed, "w1")
        # From one kernel's network to the other's.
        assert "nginx" in mixed.on("cp1", "curl", "-fsS", f"http://{pod.status.pod_ip}/")
