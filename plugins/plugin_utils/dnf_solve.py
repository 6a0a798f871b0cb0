# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program for the Python that dnf 4 belongs to: tells the packages that a bare system needs, or downloads some.

dnf's own commands install as root only, and tell no checksums.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

# How this machine reaches a network.
NETWORK = (
    "ip_resolve",
    "proxy",
    "proxy_auth_method",
    "proxy_password",
    "proxy_username",
    "retries",
    "sslcacert",
    "sslclientcert",
    "sslclientkey",
    "sslverify",
    "timeout",
)


def opened(root: str, major: str, arch: str) -> Any:
    """Return dnf with the repositories of a root of its own, for a system on which nothing is installed."""
    import dnf  # noqa: PLC0415  other Pythons only look at this file

    conf = dnf.conf.Conf()
    given = dnf.conf.Conf()
    if os.path.exists(given.config_file_path):
        given.read()
    for name in NETWORK:
        setattr(conf, name, getattr(given, name))
    for name in ("cachedir", "persistdir", "logdir"):
        setattr(conf, name, f"{root}/{name}")
        os.makedirs(f"{root}/{name}", exist_ok=True)
    conf.installroot = root
    conf.reposdir = [f"{root}/etc/yum.repos.d"]
    conf.varsdir = []
    conf.substitutions["releasever"] = major
    conf.arch = arch
    conf.module_platform_id = f"platform:el{major}"
    # As the roles install them.
    conf.install_weak_deps = False
    conf.best = True
    # The Kubernetes repository excludes its own packages, for `dnf upgrade` on a node.
    conf.disable_excludes = ["all"]
    base = dnf.Base(conf)
    base.read_all_repos()
    for repo in base.repos.iter_enabled():
        repo.skip_if_unavailable = False
    base.fill_sack(load_system_repo=False)
    return base


def solve(base: Any, packages: list[str]) -> list[dict[str, Any]]:
    """Return the packages with all that they depend on."""
    base.install_specs(packages)
    base.resolve()
    return [
        {
            "name": package.name,
            "version": package.evr,
            "file": os.path.basename(package.location),
            "source": package.remote_location(),
            "size": package.downloadsize,
            "sha256": checksum(package),
        }
        for package in sorted(base.transaction.install_set)
    ]


def fetch(base: Any, checksums: list[str]) -> list[dict[str, Any]]:
    """Download packages; return where they are, and the key that their repository is signed by."""
    found = {checksum(package): package for package in base.sack.query().available()}
    packages = {sha256: found[sha256] for sha256 in checksums}
    base.download_packages(list(packages.values()))
    return [
        {"sha256": sha256, "path": package.localPkg(), "key": package.repo.gpgkey[0].removeprefix("file://")}
        for sha256, package in packages.items()
    ]


def checksum(package: Any) -> str:
    """Return the SHA-256 that the repository tells of a package."""
    import hawkey  # noqa: PLC0415

    kind, value = package.chksum
    return str(value.hex()) if kind == hawkey.CHKSUM_SHA256 else ""


def main(request: dict[str, Any]) -> list[dict[str, Any]]:
    """Do what the request says."""
    base = opened(request["root"], request["major"], request["arch"])
    return fetch(base, request["fetch"]) if "fetch" in request else solve(base, request["packages"])


if __name__ == "__main__":
    try:
        sys.stdout.write(json.dumps(main(json.loads(Path(sys.argv[1]).read_text()))))
    except ImportError as error:
        sys.exit(f"{sys.executable} has no dnf 4 ({error}): install package dnf, on Fedora python3-dnf")
    except Exception as error:
        sys.exit(str(error))
