# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every program and file of this computer that the tests and the lab need, with the Debian package that has it.

A package is one name, or several with ``|`` between them, of which the first known to apt is taken. An empty name means
that apt has nothing suitable; HINTS then says where the program comes from. tests/unit/lab/test_programs.py compares
the table with what the code calls.
"""

from __future__ import annotations

import sysconfig
from collections.abc import Collection

# What `make venv` needs of the Python that it is called with: Debian packs it apart.
VENV = {f"{sysconfig.get_path('stdlib')}/ensurepip/__init__.py": "python3-venv"}
# What checks and unit tests call. Python's own programs come with `make venv`.
BASE = {
    "awk": "mawk",
    "bash": "bash",
    "chmod": "coreutils",
    "git": "git",
    "openssl": "openssl",
    "sh": "dash",
    "sha256sum": "coreutils",
    "sleep": "coreutils",
    "ssh-add": "openssh-client",
    "ssh-agent": "openssh-client",
    "ssh-keygen": "openssh-client",
}
NODES = {
    "docker": "docker-cli|docker.io",
    "mmdebstrap": "mmdebstrap",
    "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "dpkg": "dpkg",
    "dpkg-deb": "dpkg",
    "apt-cache": "apt",
    "apt-config": "apt",
    "apt-get": "apt",
}
# Debian's Go is older than Kubernetes asks for.
GO = {"go": ""}
ARTIFACTS = {
    "docker-registry": "docker-registry",
    "gpg": "gnupg",
    "gpgconf": "gnupg",
    "gcc": "gcc",
    "/usr/include/stdio.h": "libc6-dev",
}
NFS = {"/usr/include/nfsc/libnfs.h": "libnfs-dev", "/usr/include/fuse3/fuse.h": "libfuse3-dev"}
RUNC = {"/usr/include/seccomp.h": "libseccomp-dev"}
# What a lab's network is changed with.
NETWORK = {"ip": "iproute2"}
# Only where no container engine answers.
ENGINE = {"dockerd": "docker.io", "iptables": "iptables"}
# The controller of scenario platform closes ports towards the nodes.
FENCE = {"iptables": "iptables"}
# What collects a bundle, and looks at one.
BUNDLE = {"skopeo": "skopeo", "curl": "curl", "head": "coreutils", "mv": "coreutils", "printf": "coreutils"}
BUNDLE_DNF = {
    "dnf": "dnf",
    "createrepo_c": "createrepo-c",
    "rpm": "rpm",
    "rpmbuild": "rpm",
    "rpmkeys": "rpm",
    "rpmsign": "rpm",
    "unshare": "util-linux",
}

HINTS = {"go": "https://go.dev/dl/"}

LAB = {**NODES, **GO, **ARTIFACTS}
MOLECULE = {**BASE, **LAB, **NFS, **FENCE, **BUNDLE}
PACKAGES = {**BASE, **BUNDLE, **BUNDLE_DNF, **{name: NODES[name] for name in NODES if name.startswith(("apt", "dpkg"))}}
E2E = {**PACKAGES, **LAB, **NFS, **RUNC, **NETWORK}

# What each target of `make` needs.
STEPS = {
    "venv": VENV,
    "lint": BASE,
    "unit": BASE,
    "sanity": BASE,
    "packages": {**PACKAGES, "gpg": ARTIFACTS["gpg"], "gpgconf": ARTIFACTS["gpgconf"]},
    "molecule": MOLECULE,
    "e2e": E2E,
    "e2e_full": E2E,
    "bench": {**BASE, **LAB},
    "demo": LAB,
}
TABLE = {**VENV, **BASE, **LAB, **ENGINE, **MOLECULE, **E2E}


def needed(steps: Collection[str]) -> dict[str, str]:
    """Return the programs that these targets need, with their packages."""
    return {program: package for step in steps for program, package in STEPS[step].items()}
