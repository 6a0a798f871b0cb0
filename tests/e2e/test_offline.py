# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site without a way out becomes a cluster from a bundle alone.

The bundle is collected from the lab's mirror and Debian's. Then the lab's mirror is stopped: one machine serves the
bundle to the others.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab import engine
from tests.lab.inventory import inventory as lab_inventory
from tests.lab.lab import load
from tests.lab.packages import architecture

from .cluster import ROOT, SITE_SECONDS, Change, Cluster, fresh, playbook_command, playbook_environment

LAB = "e2e-offline"
MIRROR = "w2"
PORT = 8443


class Site:
    """The machines, and the playbooks run for them."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.folder = cluster.lab.folder
        self.inventory = self.folder / "site.yml"
        self.bundle = self.folder / "bundle"
        self.write_inventory()

    def write_inventory(self, **more: Any) -> None:
        """The lab's inventory, with one machine as the mirror. JSON is YAML."""
        found = lab_inventory(self.cluster.lab)
        host = found["kube_node"]["hosts"].pop(MIRROR)
        found["kube_mirror"] = {"hosts": {MIRROR: host}, "vars": found["kube_node"]["vars"]}
        mirror = self.cluster.lab.mirror_address
        image, _colon, tag = found["all"]["vars"]["smoke_image"].rpartition(":")
        releases = {"repository": "lab/demo", "registry": f"oci://{mirror}:5000/charts/demo"}
        found["all"]["vars"] |= {
            "helm_enabled": True,
            "helm_repositories": [{"name": "lab", "url": f"http://{mirror}:8081/charts"}],
            "helm_registries": [{"host": f"{mirror}:5000", "plain_http": True}],
            "helm_releases": [
                {
                    "name": name,
                    "chart": chart,
                    "version": "0.1.0",
                    "values": {"image": {"repository": image, "tag": tag}},
                }
                for name, chart in releases.items()
            ],
            "bundle_systems": [f"debian-13-{architecture()}"],
            "cluster_mirror_host": f"{host['ansible_host']}:{PORT}",
            **more,
        }
        self.inventory.write_text(json.dumps(found, indent=1))

    def run(self, playbook: str, *options: str, rc: int = 0) -> tuple[set[Change], str]:
        """Run a playbook; returns what it changed and what it said."""
        report = self.folder / "report.json"
        report.unlink(missing_ok=True)
        done = subprocess.run(
            [*playbook_command(playbook, self.inventory), *options],
            cwd=ROOT,
            env=playbook_environment(report),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=SITE_SECONDS,
        )
        output = done.stdout + done.stderr
        assert done.returncode == rc, f"{playbook} ended with {done.returncode}:\n{output[-6000:]}"
        written = json.loads(report.read_text())
        print(f"\n{playbook} {' '.join(options)}: {len(written['changed'])} changed")
        return {tuple(entry) for entry in written["changed"]}, output

    def package(self, name: str) -> Path:
        """A package of the bundle."""
        (found,) = (self.bundle / "packages/debian-13").glob(f"{name}_*.deb")
        return found


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """Three machines that reach nothing but each other and the lab's mirror.

    KUBESTEAD_E2E_OFFLINE_LAB names a lab to use instead, which is not removed.
    """
    name = os.environ.get("KUBESTEAD_E2E_OFFLINE_LAB")
    if name:
        yield Site(Cluster(load(name)))
        return
    with fresh(LAB, 1, 2, "--internal", "--with", "helm") as cluster:
        yield Site(cluster)


@pytest.fixture(scope="module")
def bundle(site: Site) -> Path:
    """The bundle, collected."""
    planned, _output = site.run("bundle.yml", "--check")
    done, _output = site.run("bundle.yml")
    assert len(planned) == len(done) == 1
    return site.bundle


@pytest.fixture(scope="module")
def mirror(site: Site, bundle: Path) -> Site:  # noqa: ARG001  the order matters
    """The site whose only source of anything is the bundle that one of its machines serves."""
    planned, _output = site.run("mirror.yml", "--check")
    done, _output = site.run("mirror.yml")
    assert planned == done
    engine.docker("stop", site.cluster.lab.container("mirror"))
    # How the bundle's registries were reached is of no use here.
    site.write_inventory(containerd_registries={})
    return site


@pytest.mark.full
def test_a_bundle_is_whole_and_collected_once(site: Site, bundle: Path) -> None:
    checked = subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=bundle, check=False)
    assert checked.returncode == 0
    listing = json.loads((bundle / "bundle.json").read_text())
    names = {item["name"] for item in listing["files"]}
    assert {"kubelet", "kubeadm", "containerd", "haproxy", "nginx", "libc6"} <= names
    assert all(item["source"] for item in listing["files"] if item["name"] != "index")
    assert site.run("bundle.yml")[0] == set()


@pytest.mark.full
def test_a_flipped_byte_is_refused(site: Site, bundle: Path) -> None:
    package = site.package("kubelet")
    content = package.read_bytes()
    package.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    try:
        changed, output = site.run("mirror.yml", rc=2)
    finally:
        package.write_bytes(content)
    assert changed == set()
    assert f"{package.relative_to(bundle)}: its SHA-256 is" in output
    assert "nothing was changed" in output


@pytest.mark.full
def test_a_missing_file_is_refused(site: Site, bundle: Path) -> None:
    layer = max((bundle / "images/blobs").iterdir(), key=lambda path: path.stat().st_size)
    aside = site.folder / "aside"
    layer.rename(aside)
    try:
        changed, output = site.run("mirror.yml", rc=2)
    finally:
        aside.rename(layer)
    assert changed == set()
    assert f"{layer.relative_to(bundle)}: missing" in output
    assert site.cluster.on(MIRROR, "ls", "-A", "/var/www", check=False) == ""


@pytest.mark.full
def test_a_mirror_keeps_its_keys_and_serves_what_it_has(mirror: Site) -> None:
    assert mirror.run("mirror.yml")[0] == set()
    on = mirror.cluster.on
    keys = on(MIRROR, "stat", "-c", "%a %U", "/etc/nginx/kubestead/ca.key", "/etc/nginx/kubestead/mirror.key")
    assert keys.splitlines() == ["600 root", "600 root"]
    address = mirror.cluster.lab.nodes[MIRROR].address
    trusted = f"curl --silent --show-error --cacert {mirror.folder}/mirror-ca.crt --output /dev/null"
    for path, status in {
        "v2/": "200",
        "packages/debian-13/Packages": "200",
        # What another registry has under the same name is not what was asked for.
        "v2/pause/manifests/3.10.2?ns=quay.io": "404",
        "v2/pause/manifests/3.10.2?ns=../images": "404",
        "images/blobs/": "404",
        "..%2f..%2fetc/passwd": "400",
    }.items():
        command = [*trusted.split(), "--write-out", "%{http_code}", "--path-as-is", f"https://{address}:{PORT}/{path}"]
        assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == status, path


@pytest.mark.full
def test_a_cluster_from_the_bundle_alone(mirror: Site) -> None:
    cluster = mirror.cluster
    assert engine.docker("network", "inspect", "--format", "{{.Internal}}", cluster.lab.network) == "true"
    mirror.run("site.yml")
    assert cluster.ready_nodes() == {"cp1", "w1"}
    mirror.run("smoke.yml")
    # Every package came from the mirror: the machine knows no other source.
    policy = cluster.on("w1", "apt-cache", "policy", "kubelet", "containerd", "socat")
    assert policy.count(f"https://{cluster.lab.nodes[MIRROR].address}:{PORT}/packages/debian-13") == 3
    assert "deb.debian.org" not in policy
    helm = "/opt/kubestead/bin/helm --kubeconfig /etc/kubernetes/admin.conf list --short"
    assert cluster.on("cp1", *helm.split()).split() == ["registry", "repository"]
    assert mirror.run("site.yml")[0] == set()
    assert mirror.run("mirror.yml", "--check")[0] == set()
