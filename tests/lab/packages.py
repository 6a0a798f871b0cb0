# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian packages and the signed flat repository that offers them, shaped as pkgs.k8s.io's."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

from . import artifacts
from .base import LabError, digest, home, locked, run, timed
from .versions import COMPONENTS, DEB_REVISION

KEY_NAME = "kubestead lab"
KEY_FILE = "Release.key"

# The same content makes the same package: nodes that use the repository meanwhile see no change.
EPOCH = "1767225600"

KUBELET_SERVICE = """\
[Unit]
Description=kubelet: The Kubernetes Node Agent
Documentation=https://kubernetes.io/docs/
Wants=network-online.target
After=network-online.target

[Service]
ExecStart=/usr/bin/kubelet
Restart=always
StartLimitInterval=0
RestartSec=10

[Install]
WantedBy=multi-user.target
"""
KUBEADM_DROPIN = """\
# Note: This dropin only works with kubeadm and kubelet v1.11+
[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf \
--kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
# This is a file that "kubeadm init" and "kubeadm join" generates at runtime, populating the KUBELET_KUBEADM_ARGS
# variable dynamically
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
# This is a file that the user can use for overrides of the kubelet args as a last resort. Preferably, the user should
# use the .NodeRegistration.KubeletExtraArgs object in the configuration files instead. KUBELET_EXTRA_ARGS should be
# sourced from this file.
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
"""


@dataclass(frozen=True)
class Package:
    """One Debian package: what is installed where, from a file (Path) or as text."""

    name: str
    version: str
    architecture: str
    contents: Mapping[str, Path | str] = field(hash=False)
    depends: str = ""

    @property
    def filename(self) -> str:
        """The usual name of a package's file, which leaves the version's epoch out."""
        return f"{self.name}_{self.version.rpartition(':')[2]}_{self.architecture}.deb"

    def control(self) -> str:
        """The control file."""
        fields = {
            "Package": self.name,
            "Version": self.version,
            "Architecture": self.architecture,
            "Maintainer": "kubestead lab <lab@kubestead.invalid>",
            "Section": "admin",
            "Priority": "optional",
            "Depends": self.depends,
            "Description": f"{self.name} of the kubestead lab",
        }
        return "".join(f"{name}: {value}\n" for name, value in fields.items() if value)


def files() -> Path:
    """What the mirror's file server serves."""
    return home() / "mirror" / "files"


def architecture() -> str:
    """This computer's, by Debian's name."""
    return run(["dpkg", "--print-architecture"]).stdout.strip()


def of_component(name: str, folder: str = "/usr/bin") -> Package:
    """A package of all programs of a component."""
    component, programs = COMPONENTS[name], artifacts.path(name)
    contents: dict[str, Path | str] = {f"{folder}/{program}": programs / program for program in component.programs}
    return Package(name, f"{component.version.removeprefix('v')}-{DEB_REVISION}", architecture(), contents)


def of_containerd() -> list[Package]:
    """containerd and runc for distributions whose own are too old, by Debian's names."""
    unit = (artifacts.path("containerd") / "containerd.service").read_text()
    containerd = of_component("containerd")
    contents = {
        **containerd.contents,
        "/usr/lib/systemd/system/containerd.service": unit.replace("/usr/local/bin/", "/usr/bin/"),
    }
    return [replace(containerd, contents=contents, depends="runc"), of_component("runc")]


def of_kubernetes(component: str) -> list[Package]:
    """The packages that pkgs.k8s.io has for a version, named and connected as there."""
    programs = artifacts.path(component)
    version = f"{COMPONENTS[component].version.removeprefix('v')}-{DEB_REVISION}"
    arch = architecture()

    return [
        Package(
            "kubeadm",
            version,
            arch,
            {
                "/usr/bin/kubeadm": programs / "kubeadm",
                "/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf": KUBEADM_DROPIN,
            },
            "cri-tools (>= 1.30.0)",
        ),
        Package(
            "kubelet",
            version,
            arch,
            {
                "/usr/bin/kubelet": programs / "kubelet",
                "/usr/lib/systemd/system/kubelet.service": KUBELET_SERVICE,
            },
            "iptables (>= 1.4.21), kubernetes-cni (>= 1.2.0), iproute2, mount, util-linux",
        ),
        Package("kubectl", version, arch, {"/usr/bin/kubectl": programs / "kubectl"}),
        of_component("cri-tools"),
        of_component("kubernetes-cni", "/opt/cni/bin"),
    ]


def build_package(package: Package, folder: Path) -> None:
    """Make a package, uncompressed: it only travels on this computer."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".") as name:
        tree = Path(name) / "tree"
        for target, content in package.contents.items():
            path = tree / target.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Path):
                shutil.copyfile(content, path)
                path.chmod(0o755)
            else:
                path.write_text(content)
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "DEBIAN" / "control").write_text(package.control())
        run(["chmod", "-R", "u=rwX,go=rX", tree])
        made = Path(name) / package.filename
        run(["dpkg-deb", "-Znone", "--root-owner-group", "--build", tree, made], env={"SOURCE_DATE_EPOCH": EPOCH})
        made.rename(folder / package.filename)


def index(folder: Path) -> str:
    """The Packages file of a flat repository."""
    stanzas = []
    for deb in sorted(folder.glob("*.deb")):
        with deb.open("rb") as handle:
            checksum = hashlib.file_digest(handle, "sha256").hexdigest()
        control = run(["dpkg-deb", "--field", deb]).stdout.rstrip()
        stanzas.append(f"{control}\nFilename: ./{deb.name}\nSize: {deb.stat().st_size}\nSHA256: {checksum}\n")
    return "\n".join(stanzas)


def release(files: Mapping[str, bytes], now: datetime) -> str:
    """The Release file that vouches for the index files."""
    lines = ["Origin: kubestead lab", "Label: kubestead lab", f"Date: {format_datetime(now, usegmt=True)}", "SHA256:"]
    lines += [f" {hashlib.sha256(data).hexdigest()} {len(data)} {name}" for name, data in sorted(files.items())]
    return "\n".join(lines) + "\n"


@contextlib.contextmanager
def _gpg() -> Iterator[list[str]]:
    """The command of a GnuPG that has the lab's own key and leaves no agent behind."""
    folder = home() / "gnupg"
    command = ["gpg", "--homedir", str(folder), "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]
    with locked("gnupg"):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            if not run([*command, "--list-secret-keys"]).stdout.strip():
                run([*command, "--quick-generate-key", KEY_NAME, "ed25519", "sign", "never"])
            yield command
        finally:
            run(["gpgconf", "--homedir", folder, "--kill", "gpg-agent"])


def fingerprint() -> str:
    """The fingerprint of the key that signs the lab's repositories."""
    with _gpg() as gpg:
        for line in run([*gpg, "--with-colons", "--fingerprint"]).stdout.splitlines():
            if line.startswith("fpr:"):
                return line.split(":")[9]
    raise LabError(f"no key in {home() / 'gnupg'}: remove that folder, the lab makes a new one")


def publish(folder: Path) -> None:
    """(Re)write the index of a repository and sign it; nodes may be reading it meanwhile."""
    packages = index(folder).encode()
    files = {"Packages": packages, "Packages.gz": gzip.compress(packages, mtime=0)}
    if all((folder / name).exists() and (folder / name).read_bytes() == data for name, data in files.items()):
        return
    with tempfile.TemporaryDirectory(dir=folder, prefix=".") as name, _gpg() as gpg:
        new = Path(name)
        for file, data in files.items():
            (new / file).write_bytes(data)
        (new / "Release").write_text(release(files, datetime.now(UTC)))
        run([*gpg, "--clearsign", "--output", new / "InRelease", new / "Release"])
        run([*gpg, "--armor", "--detach-sign", "--output", new / "Release.gpg", new / "Release"])
        run([*gpg, "--armor", "--export", "--output", new / KEY_FILE])
        for path in new.iterdir():
            path.chmod(0o644)
            path.replace(folder / path.name)


def offer(folder: Path, packages: list[Package]) -> None:
    """Put packages into a repository, unless just these are there (their paths name what they were built from)."""
    folder.mkdir(parents=True, exist_ok=True)
    stamp = folder / f".{packages[0].filename}.{digest(*(repr(package) for package in packages))}"
    if stamp.exists():
        return
    with locked("mirror"), timed(f"packages {', '.join(f'{package.name} {package.version}' for package in packages)}"):
        for package in packages:
            build_package(package, folder)
        publish(folder)
    for old in folder.glob(f".{packages[0].filename}.*"):
        old.unlink()
    stamp.touch()
