# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Helm's archive as get.helm.sh has it, a chart repository, and a chart in the registry.

In the repository are a chart that `helm create` makes, in two versions, and flannel's own; the registry has the first
as charts/demo.
"""

from __future__ import annotations

import gzip
import io
import json
import shutil
import tarfile
import tempfile
from pathlib import Path

from .. import artifacts, images, packages
from ..base import digest, locked, run, timed, write_atomic
from ..versions import COMPONENTS
from .base import AddOn

VERSIONS = ("0.1.0", "0.2.0")
CHART = "demo"


def archive() -> Path:
    """Where the mirror's file server has helm."""
    name = f"helm-{COMPONENTS['helm'].version}-linux-{packages.architecture()}.tar.gz"
    return packages.files() / "helm" / name


def packed(program: Path, member: str) -> bytes:
    """An archive of one program, the same for the same program; hardly compressed, it only travels on this computer."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as target:
        entry = tarfile.TarInfo(member)
        entry.size, entry.mode = program.stat().st_size, 0o755
        with program.open("rb") as source:
            target.addfile(entry, source)
    return gzip.compress(content.getvalue(), compresslevel=1, mtime=0)


def flannel() -> Path:
    """Flannel's own chart, in the folder of its module."""
    component = COMPONENTS["flannel"]
    command = ["go", "mod", "download", "-json", f"{component.module}@{component.version}"]
    return Path(json.loads(run(command, cwd=artifacts.source(component)).stdout)["Dir"]) / "chart" / "kube-flannel"


def charts(helm: Path, target: Path) -> None:
    """Fill a chart repository."""
    with tempfile.TemporaryDirectory() as folder:
        run([helm, "create", CHART], cwd=Path(folder))
        for version in VERSIONS:
            run([helm, "package", CHART, "--version", version, "--destination", target], cwd=Path(folder))
        # The module's folder can't be written to, and helm wants to.
        shutil.copytree(flannel(), Path(folder) / "flannel", copy_function=shutil.copyfile)
        run([helm, "package", "flannel", "--destination", target], cwd=Path(folder))
    run([helm, "repo", "index", target])


def push(helm: Path, chart: Path) -> None:
    """Put a chart into the mirror's registry."""
    with images.registry() as registry:
        run([helm, "push", chart, f"oci://127.0.0.1:{registry.port}/charts", "--plain-http"])


def offer() -> None:
    """Offer all of it, unless this helm did so already."""
    helm = artifacts.path("helm") / "helm"
    stamp = archive().with_name(f".{digest(str(helm), str(VERSIONS), COMPONENTS['flannel'].version)}")
    if stamp.exists():
        return
    repository = packages.files() / "charts"
    with locked("mirror"), timed("helm and charts"):
        archive().parent.mkdir(parents=True, exist_ok=True)
        unfinished = archive().with_name(".unfinished")
        unfinished.write_bytes(packed(helm, f"linux-{packages.architecture()}/helm"))
        unfinished.rename(archive())
        repository.mkdir(exist_ok=True)
        charts(helm, repository)
        push(helm, repository / f"{CHART}-{VERSIONS[0]}.tgz")
        write_atomic(stamp, "")


ADDON = AddOn(components=("helm",), files=offer)
