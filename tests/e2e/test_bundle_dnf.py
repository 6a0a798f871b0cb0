# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bundle for RHEL's kin, which no lab node runs: collected, and installed from, by dnf, rpm and createrepo_c.

Small packages stand for the distribution's, Kubernetes' and Docker's; they are built and signed here.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.kubestead.cluster.plugins.action.packages import dnf_args
from ansible_collections.kubestead.cluster.plugins.module_utils._machine.blocks import replace_block
from ansible_collections.kubestead.cluster.plugins.plugin_utils import bundle_signature, sources

from .cluster import PROGRAM, ROOT, Playbook
from .publishers import ARCH, Publisher, Web, run

ROCKY = {"id": "rocky", "version_id": "9.6", "codename": "", "family": "redhat"}
BASEOS = {
    **dict.fromkeys(
        ("conntrack-tools", "ethtool", "iptables-nft", "iproute-tc", "nftables", "socat", "keepalived"), ""
    ),
    **dict.fromkeys(("nginx", "openssl", "chrony", "container-selinux", "libshared"), ""),
    "haproxy": "Requires: libshared >= 1\nRecommends: haproxy-manual",
    "haproxy-manual": "",
}
KUBERNETES = {
    "kubeadm": "Requires: kubelet >= 1.36\nRequires: cri-tools",
    "kubelet": "Requires: kubernetes-cni\nRequires: conntrack-tools",
    **dict.fromkeys(("kubectl", "cri-tools", "kubernetes-cni"), ""),
}
DOCKER = {"containerd.io": "Requires: container-selinux"}


class World:
    """The publishers, and the playbook that collects from them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.web = Web(folder / "www")
        self.baseos = Publisher(folder / "www/baseos", "distribution")
        self.kubernetes = Publisher(folder / "www/kubernetes/rpm", "kubernetes")
        self.docker = Publisher(folder / "www/docker/centos/9", "docker")
        self.baseos.build(BASEOS, "1", "1.el9")
        for version in ("1.36.3", "1.36.4"):
            self.kubernetes.build(KUBERNETES, version, "150500.1.1")
        self.docker.build(DOCKER, "2", "1.el9")

    def inventory(self, name: str) -> Path:
        """The inventory of a site, in a folder of its own. JSON is YAML."""
        url, host = f"http://{self.web.host}", self.web.host
        values = {
            "ansible_connection": "local",
            "bundle_signing_key": str(self.folder / "signing/key"),
            "bundle_systems": [f"rocky-9-{ARCH}"],
            "bundle_distribution_sources": {"rocky-9": self.source(f"{url}/baseos/", self.baseos)},
            "cluster_version": "1.36.3",
            "cluster_mirror": "custom",
            "cluster_mirror_overrides": {
                "kubernetes_repository": f"{url}/kubernetes/{{format}}/",
                "kubernetes_key": f"{url}/kubernetes/rpm/key.asc",
                "kubernetes_key_fingerprints": [self.kubernetes.fingerprint],
                "docker_repository": f"{url}/docker/{{os}}/{{major}}/",
                "docker_key": f"{url}/docker/centos/9/key.asc",
                "docker_key_fingerprints": [self.docker.fingerprint],
            },
            "cluster_image_repository": f"{host}/k8s",
            "network_flannel_image": f"{host}/flannel:1",
            "network_flannel_cni_image": f"{host}/flannel-cni:1",
            "smoke_image": f"{host}/nginx:1",
            "containerd_registries": {host: {"server": url}},
        }
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        found = {"all": {"vars": values, "children": {"kube_control_plane": {"hosts": {"m1": {}}}}}}
        (folder / "hosts.yml").write_text(json.dumps(found))
        return folder / "hosts.yml"

    def source(self, url: str, publisher: Publisher) -> dict[str, Any]:
        key = {"key": f"{url}key.asc", "key_fingerprints": [publisher.fingerprint]}
        return {"repositories": [url], **key}

    def collect(self, name: str, *options: str, rc: int = 0) -> tuple[int, str]:
        """Run bundle.yml; returns how many tasks changed something, and what it said."""
        done = Playbook("bundle.yml", self.inventory(name), *options).finish()
        assert done.rc == rc, done.output
        return len(done.changed), done.output


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch:
        # gpg's own sockets have short paths only.
        home = folder / "gnupg"
        home.mkdir(mode=0o700)
        patch.setenv("GNUPGHOME", str(home))
        made = World(folder)
        yield made
        made.web.close()
        run("gpgconf", "--kill", "gpg-agent")


@pytest.fixture(scope="module")
def collected(world: World) -> Path:
    """The bundle, collected."""
    assert world.collect("site", "--check")[0] == 1
    assert not (world.folder / "site/bundle").exists()
    assert world.collect("site")[0] == 1
    return world.folder / "site/bundle"


def signers(bundle: Path) -> list[str]:
    """What the inventory beside a bundle says."""
    return (bundle.parent / "bundle-signers").read_text().splitlines()


def copy(bundle: Path, target: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Have a bundle as the machine that serves it has it."""
    arguments = {"source": str(bundle), "signers": signers(bundle), "directory": str(target), "system": "rocky-9"}
    module = ["-m", "kubestead.cluster.bundle_copy", "-a", json.dumps(arguments), *options]
    command = [str(PROGRAM.with_name("ansible")), "localhost", *module]
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)


def test_a_mirror_takes_the_signed_bundle_alone(collected: Path, tmp_path: Path) -> None:
    assert copy(collected, tmp_path / "www").returncode == 0
    assert "changed: false" in copy(collected, tmp_path / "www", "--check").stdout
    run("sha256sum", "--check", "--quiet", "SHA256SUMS", cwd=tmp_path / "www")
    # The attacker's bundle is whole and signed, but not by a key of the inventory.
    attacker = tmp_path / "site/bundle"
    shutil.copytree(collected, attacker)
    (attacker.parent / "bundle-signers").write_text("\n".join(signers(collected)))
    sums = attacker / "SHA256SUMS"
    sums.write_text(sums.read_text().replace("\n", "\n\n", 1))
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key")
    for signed in (False, True):
        if signed:
            (attacker / "SHA256SUMS.sig").unlink()
            run("ssh-keygen", "-q", "-Y", "sign", "-n", "kubestead-bundle", "-f", tmp_path / "key", sums)
        refused = copy(attacker, tmp_path / "other")
        assert refused.returncode != 0
        assert "no signature of this SHA256SUMS by one of cluster_bundle_signers" in " ".join(refused.stdout.split())
        assert not (tmp_path / "other").exists()


def test_a_bundle_has_what_a_bare_system_needs(world: World, collected: Path) -> None:
    run("sha256sum", "--check", "--quiet", "SHA256SUMS", cwd=collected)
    listing = bundle_signature.verified(collected, signers(collected))[1]
    found = {item["name"]: item["version"] for item in listing["files"] if item["path"].endswith(".rpm")}
    assert set(found) == {*BASEOS, *KUBERNETES, *DOCKER} - {"haproxy-manual"}
    assert {name: found[name] for name in ("kubeadm", "kubelet", "kubectl")} == dict.fromkeys(
        ("kubeadm", "kubelet", "kubectl"), "1.36.3-150500.1.1"
    )
    assert listing["systems"] == [f"rocky-9-{ARCH}"]
    # Other times of the same files are no change.
    for path in collected.rglob("*.rpm"):
        os.utime(path, (1, 1))
    assert world.collect("site", "--check")[0] == 0
    assert world.collect("site")[0] == 0


def test_what_is_gone_is_missed_and_fetched_again(world: World, collected: Path) -> None:
    (package,) = collected.glob("packages/rocky-9/haproxy-1-*.rpm")
    before = (collected / "SHA256SUMS").read_bytes()
    package.unlink()
    with pytest.raises(bundle_signature.BundleError, match=rf"^packages/rocky-9/{package.name}: missing$"):
        bundle_signature.verified(collected, signers(collected))
    assert [world.collect("site", "--check")[0], world.collect("site")[0]] == [1, 1]
    assert (collected / "SHA256SUMS").read_bytes() == before
    bundle_signature.verified(collected, signers(collected))


@pytest.mark.parametrize("signer", ["", "kubernetes"])
def test_a_package_without_its_publisher_s_signature_is_refused(world: World, signer: str) -> None:
    """Another repository's key does not count."""
    haproxy = {"haproxy": BASEOS["haproxy"]}
    world.baseos.build(haproxy, "1", "2.el9", key=signer)
    try:
        changed, output = world.collect("refused", rc=2)
    finally:
        for path in world.baseos.folder.glob("haproxy-1-2.el9.*"):
            path.unlink()
        run("createrepo_c", "--quiet", world.baseos.folder)
    assert changed == 0
    assert f"rocky-9-{ARCH}: haproxy 1-2.el9 (http://{world.web.host}/baseos/haproxy-1-2.el9." in " ".join(
        output.split()
    )
    assert "is not signed by the key of its repository" in " ".join(output.split())
    assert not list(world.folder.glob("refused/bundle/packages/rocky-9/*.rpm"))


def certificate(folder: Path) -> tuple[Path, str]:
    """A key and certificate for this machine's own address, and the latter alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mirror")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    text = made.public_bytes(serialization.Encoding.PEM).decode()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "mirror.pem"
    path.write_bytes(private + text.encode())
    return path, text


# Lays a folder over /etc, for one command alone.
OVER_ETC = 'mount -t overlay overlay -o "lowerdir=$0:/etc" /etc && exec "$@"'


class Machine:
    """A root file system with dnf's settings, another repository, and nothing installed."""

    def __init__(self, root: Path, other: str) -> None:
        self.root = root
        (root / "etc/dnf").mkdir(parents=True)
        (root / "etc/yum.repos.d").mkdir()
        (root / "etc/dnf/dnf.conf").write_text("[main]\ngpgcheck=1\nbest=True\nskip_if_unavailable=False")
        (root / "etc/yum.repos.d/baseos.repo").write_text(f"[baseos]\nname=baseos\nbaseurl={other}\ngpgcheck=0\n")

    def configure(self, files: list[dict[str, Any]]) -> None:
        """Put files in place as machine_config does."""
        for file in files:
            path = self.root / file["path"].lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            if file.get("state") == "absent":
                path.unlink(missing_ok=True)
            elif "block" in file:
                path.write_text(replace_block(path.read_text(), file["block_name"], file["block"]))
            elif "content" in file:
                path.write_text(file["content"])

    def install(self, *names: str) -> None:
        """Install packages by ansible.builtin.dnf with the arguments that the roles give it."""
        arguments = {**dnf_args(names), "installroot": str(self.root), "releasever": "9", "use_backend": "dnf4"}
        over = ["unshare", "--mount", "sh", "-c", OVER_ETC, str(self.root / "etc")]
        ansible = ["ansible", "localhost", "-m", "ansible.builtin.dnf", "-a", json.dumps(arguments)]
        run(*over, *ansible, env={**os.environ, "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3"}, cwd=ROOT)

    def installed(self) -> set[str]:
        return set(run("rpm", "--root", self.root, "--query", "--all", "--queryformat=%{NAME}-%{VERSION}\\n").split())


@pytest.fixture
def mirror(collected: Path, tmp_path: Path) -> Iterator[tuple[Web, str]]:
    """The bundle over TLS, and the authority's certificate."""
    path, ca = certificate(tmp_path)
    served = Web(collected, path)
    yield served, ca
    served.close()


def test_machines_install_from_it_alone(world: World, mirror: tuple[Web, str], tmp_path: Path) -> None:
    served, ca = mirror
    machine = Machine(tmp_path / "root", f"http://{world.web.host}/baseos/")
    site = {"mirror_host": served.host, "mirror_ca": ca, "mirror_only": True, "version": "1.36.3"}
    machine.configure(sources.package_sources(ROCKY, site, docker=True))
    world.web.asked.clear()
    machine.install("kubeadm=1.36.3-*", "haproxy", "containerd.io")
    assert {"kubeadm-1.36.3", "kubelet-1.36.3", "libshared-1", "container-selinux-1"} <= machine.installed()
    assert "haproxy-manual-1" not in machine.installed()
    assert "/packages/rocky-9/repodata/repomd.xml" in served.asked
    assert world.web.asked == []


def test_other_sources_count_where_they_are_wanted(world: World, mirror: tuple[Web, str], tmp_path: Path) -> None:
    served, ca = mirror
    machine = Machine(tmp_path / "root", f"http://{world.web.host}/baseos/")
    before = (machine.root / "etc/dnf/dnf.conf").read_text()
    site = {"mirror_host": served.host, "mirror_ca": ca, "mirror_only": True, "version": "1.36.3"}
    for only in (True, False):
        machine.configure(sources.package_sources(ROCKY, {**site, "mirror_only": only}, docker=True))
    assert (machine.root / "etc/dnf/dnf.conf").read_text().strip() == before
    # It is in no bundle.
    machine.install("haproxy-manual", "kubectl")
    assert machine.installed() == {"haproxy-manual-1", "kubectl-1.36.3"}


def test_a_bundle_on_the_machine_s_own_disk(collected: Path, tmp_path: Path) -> None:
    machine = Machine(tmp_path / "root", "http://127.0.0.1:9/")
    machine.configure(sources.bundle_files(ROCKY, f"file:{collected}"))
    machine.install("nginx")
    assert machine.installed() == {"nginx-1"}
