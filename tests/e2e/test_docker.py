# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster whose machines run containers by Docker: cp1's cri-dockerd is a package, w1's a verified download."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from kubernetes import client, config

from tests.lab import artifacts
from tests.lab.versions import BUSYBOX_IMAGE

from .cluster import Cluster, machines_of
from .test_smoke_reset import confirm

pytestmark = pytest.mark.full

DAEMON = "/etc/docker/daemon.json"
# A key that the collection does not set.
FOREIGN = {"max-concurrent-downloads": 5}
DOWNLOAD = """\
docker_cri_dockerd_source: download
docker_cri_dockerd_url: http://{address}:{port}/cri-dockerd.tgz
docker_cri_dockerd_sha256: {{amd64: {sha256}, arm64: {sha256}}}
"""
CONTAINERD = """\
cluster_container_runtime: containerd
containerd_source: distribution
containerd_configuration: {plugins: {io.containerd.grpc.v1.cri: {restrict_oom_score_adj: true}}}
"""


@pytest.fixture(scope="module")
def machines() -> Iterator[Cluster]:
    """A control plane and a worker."""
    with machines_of("docker", 1, 1, "--runtime", "docker") as cluster:
        yield cluster


@pytest.fixture(scope="module")
def cluster(machines: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The machines, beside a site that has cri-dockerd's archive."""
    folder = tmp_path_factory.mktemp("site")
    packed = folder / "cri-dockerd.tgz"
    with tarfile.open(packed, "w:gz", compresslevel=1) as archive:
        archive.add(artifacts.path("cri-dockerd") / "cri-dockerd", "cri-dockerd/cri-dockerd")
    sha256 = hashlib.sha256(packed.read_bytes()).hexdigest()
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer((machines.lab.gateway, 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        host_vars(machines, DOWNLOAD.format(address=machines.lab.gateway, port=server.server_port, sha256=sha256))
        yield machines
        server.shutdown()


def host_vars(cluster: Cluster, text: str) -> None:
    """The variables of w1 alone, by a file beside the lab's inventory."""
    folder = cluster.lab.folder / "host_vars"
    folder.mkdir(exist_ok=True)
    (folder / "w1.yml").write_text(text)


def docker_api(cluster: Cluster, node: str, method: str, path: str, body: object = None) -> str:
    """Ask the Docker of a machine, which has no client."""
    sent = ["-H", "Content-Type: application/json", "-d", json.dumps(body)] if body is not None else []
    return cluster.on(
        node, "curl", "-sS", "-f", "--unix-socket", "/run/docker.sock", "-X", method, *sent, f"http://docker{path}"
    )


def containers(cluster: Cluster, node: str) -> set[str]:
    return {item["Id"] for item in json.loads(docker_api(cluster, node, "GET", "/containers/json"))}


def runtimes(cluster: Cluster) -> dict[str, str]:
    api = client.CoreV1Api(config.new_client_from_config(str(cluster.kubeconfig)))
    versions = {node.metadata.name: node.status.node_info.container_runtime_version for node in api.list_node().items}
    return {name: version.partition(":")[0] for name, version in versions.items()}


def test_the_plan_is_what_the_run_does_and_then_nothing(cluster: Cluster) -> None:
    planned = cluster.site("--check", "--diff").succeeded()
    assert planned.changed
    done = cluster.site().succeeded()
    assert done.changed == planned.changed
    assert runtimes(cluster) == {"cp1": "docker", "w1": "docker"}
    assert cluster.ready_nodes() == {"cp1", "w1"}
    for node, program in (("cp1", "/usr/bin/cri-dockerd"), ("w1", "/usr/local/bin/cri-dockerd")):
        assert cluster.on(node, "find", "/usr/bin", "/usr/local/bin", "-name", "cri-dockerd").split() == [program]
    assert not cluster.site().succeeded().changed


def test_keys_of_others_stay_and_containers_live_on(cluster: Cluster) -> None:
    image = f"{cluster.lab.mirror_address}:5000/{BUSYBOX_IMAGE}"
    docker_api(cluster, "w1", "POST", f"/images/create?fromImage={image}")
    docker_api(cluster, "w1", "POST", "/containers/create?name=own", {"Image": image})
    docker_api(cluster, "w1", "POST", "/containers/own/start")
    before = containers(cluster, "w1")
    document = json.loads(cluster.on("w1", "cat", DAEMON)) | FOREIGN
    cluster.on("w1", "sh", "-c", f"printf %s '{json.dumps(document)}' >{DAEMON}")
    # Nothing of ours differs: only Docker has to read its file again.
    run = cluster.site().succeeded()
    assert {(task, host) for _play, task, host in run.changed} == {("docker : apply | Configure and start", "w1")}
    assert json.loads(cluster.on("w1", "cat", DAEMON)) == document
    assert containers(cluster, "w1") == before
    assert cluster.ready_nodes() == {"cp1", "w1"}


def test_a_node_moves_by_leaving_and_joining_anew(cluster: Cluster) -> None:
    host_vars(cluster, CONTAINERD)
    planned = cluster.run("reset.yml", "--limit", "w1", "--check").succeeded()
    assert planned.changed
    done = cluster.run("reset.yml", "--limit", "w1", "-e", confirm(cluster)).succeeded()
    assert done.changed == planned.changed
    assert json.loads(cluster.on("w1", "cat", DAEMON)) == FOREIGN
    assert [item["Names"] for item in json.loads(docker_api(cluster, "w1", "GET", "/containers/json"))] == [["/own"]]
    left = cluster.on("w1", "sh", "-c", "ls /usr/local/bin/cri-dockerd /etc/systemd/system/cri-docker*", check=False)
    assert left.strip() == ""
    assert not cluster.run("reset.yml", "--limit", "w1", "-e", confirm(cluster)).succeeded().changed
    cluster.site().succeeded()
    assert runtimes(cluster) == {"cp1": "docker", "w1": "containerd"}
    cluster.run("smoke.yml").succeeded()


def test_the_whole_cluster_goes(cluster: Cluster) -> None:
    assert cluster.run("reset.yml", "-e", confirm(cluster)).succeeded().changed
    assert containers(cluster, "cp1") == set()
    left = cluster.on("cp1", "sh", "-c", f"ls {DAEMON} /etc/kubernetes/*.conf /var/lib/etcd/member", check=False)
    assert left.strip() == ""
    assert not cluster.run("reset.yml", "-e", confirm(cluster)).succeeded().changed
