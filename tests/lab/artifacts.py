# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs built from pinned, checksummed Go modules, and the one that is C."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from .base import HERE, LabError, digest, home, locked, run, timed
from .versions import COMPONENTS, PAUSE, Component


def linker_flags(variables: Mapping[str, str]) -> str:
    """Strip debug information and set the version variables of a program."""
    return " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in variables.items())])


def source(component: Component) -> Path:
    """The committed folder that pins a component."""
    return HERE / "components" / component.folder


def key(component: Component) -> str:
    """Changes with the pins, the stubs and the way a component is built."""
    folder = source(component)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if not files:
        raise LabError(f"{folder} is empty: the component's go.mod and go.sum belong there")
    return digest(repr(component), *(part for path in files for part in (path.name, path.read_bytes())))


def path(name: str) -> Path:
    """Where the programs of a component are kept."""
    component = COMPONENTS[name]
    return home() / "bin" / f"{name}-{component.version}-{key(component)}"


def build(name: str) -> Path:
    """Build a component, unless it is there; returns the folder of its programs."""
    target = path(name)
    if not target.exists():
        with locked(f"build-{name}"):
            if not target.exists():
                _build(name, target)
    return target


def _build(name: str, target: Path) -> None:
    component = COMPONENTS[name]
    target.parent.mkdir(parents=True, exist_ok=True)
    environment = {
        "GOFLAGS": "-mod=readonly -buildvcs=false -trimpath",
        "CGO_ENABLED": "1" if component.cgo else "0",
    }

    def go(*arguments: str | Path) -> str:
        return run(["go", *arguments], cwd=source(component), env=environment).stdout.strip()

    flags = linker_flags(component.variables)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".") as folder, timed(f"{name} {component.version}"):
        unfinished = Path(folder) / "out"
        unfinished.mkdir()
        # Go names a program after its package's folder, so one call builds all whose name agrees; the rest one by one.
        alike = [package for program, package in component.programs.items() if package.endswith(f"/{program}")]
        if alike:
            go("build", "-ldflags", flags, "-o", f"{unfinished}/", *alike)
        for program, package in component.programs.items():
            if package not in alike:
                go("build", "-ldflags", flags, "-o", unfinished / program, package)
        for document in component.documents:
            module = Path(go("list", "-m", "-f", "{{.Dir}}", component.module))
            shutil.copyfile(module / document, unfinished / Path(document).name)
        unfinished.rename(target)
    for old in target.parent.glob(f"{name}-{component.version}-*"):
        if old != target:
            shutil.rmtree(old)


def pause() -> Path:
    """The program of the pause image: static C."""
    code = HERE / "components" / "pause" / "pause.c"
    target = home() / "bin" / f"pause-{PAUSE}-{digest(code.read_bytes())}" / "pause"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(".pause")
        run(["gcc", "-static", "-Os", "-s", "-o", unfinished, code])
        unfinished.rename(target)
    return target
