# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs built from pinned, checksummed Go modules, and those that are C."""

from __future__ import annotations

import fnmatch
import json
import shutil
import tempfile
import zipfile
from pathlib import Path

from .base import HERE, LabError, digest, home, locked, run, timed
from .versions import COMPONENTS, Component, Copy

OUT = "@OUT@"


def source(component: Component) -> Path:
    """The committed folder that pins a component."""
    return HERE / "components" / component.folder


def commands(component: Component) -> list[list[str]]:
    """The Go commands that build a component into the folder that OUT stands for."""
    variables = [f"-X {name}={value}" for name, value in component.variables.items()]
    linking = ["-s", "-w", *variables, *(["-extldflags -static"] if component.static else [])]
    start = [
        "go",
        "build",
        *(["-tags", ",".join(component.tags)] if component.tags else []),
        # Linking leaves the debug information out: a sixth of the compiler's work is not to write it at all.
        "-gcflags=all=-dwarf=false",
        "-ldflags",
        " ".join(linking),
    ]
    # Go names a program after its package's folder: one command builds all whose name agrees, the rest are named.
    alike = [package for program, package in component.programs.items() if package.endswith(f"/{program}")]
    other = {program: package for program, package in component.programs.items() if package not in alike}
    return [
        *([[*start, "-o", f"{OUT}/", *alike]] if alike else []),
        *([*start, "-o", f"{OUT}/{program}", package] for program, package in other.items()),
    ]


def environment(component: Component) -> dict[str, str]:
    """What the Go commands are run with: nothing but what go.mod and go.sum pin."""
    return {"GOFLAGS": "-mod=readonly -buildvcs=false -trimpath", "CGO_ENABLED": "1" if component.cgo else "0"}


def key(component: Component) -> str:
    """Changes with the pins, the stubs and the way a component is built."""
    folder = source(component)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if not files:
        raise LabError(f"{folder} is empty: the component's go.mod and go.sum belong there")
    way: tuple[object, ...] = (component.version, commands(component), environment(component), component.documents)
    way += (component.copies,) if component.copies else ()
    return digest(repr(way), *(part for path in files for part in (path.name, path.read_bytes())))


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


def unpack(copy: Copy, archive: Path, target: Path) -> None:
    """Put a module's files into a folder, but for those left out and those that the folder has."""
    with zipfile.ZipFile(archive) as files:
        for name in files.namelist():
            inside = name.removeprefix(f"{copy.module}@{copy.version}/")
            path = target / inside
            if not path.exists() and not fnmatch.fnmatchcase(inside, copy.without):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(files.read(name))


def workplace(component: Component, folder: Path) -> Path:
    """Where a component is built: its committed folder, or a copy of that with the modules to change unpacked."""
    if not component.copies:
        return source(component)
    place = folder / "source"
    shutil.copytree(source(component), place)
    for target, copy in component.copies.items():
        found = json.loads(run(["go", "mod", "download", "-json", f"{copy.module}@{copy.version}"], cwd=folder).stdout)
        if found["Sum"] != copy.checksum:
            raise LabError(f"{copy.module} {copy.version}: found checksum {found['Sum']}, expected {copy.checksum}")
        unpack(copy, Path(found["Zip"]), place / target)
    return place


def _build(name: str, target: Path) -> None:
    component = COMPONENTS[name]
    target.parent.mkdir(parents=True, exist_ok=True)

    def go(command: list[str]) -> str:
        return run(command, cwd=place, env=environment(component)).stdout.strip()

    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".") as folder, timed(f"{name} {component.version}"):
        place = workplace(component, Path(folder))
        unfinished = Path(folder) / "out"
        unfinished.mkdir()
        for command in commands(component):
            go([word.replace(OUT, str(unfinished)) for word in command])
        for document in component.documents:
            module = Path(go(["go", "list", "-m", "-f", "{{.Dir}}", component.module]))
            shutil.copyfile(module / document, unfinished / Path(document).name)
        unfinished.rename(target)
    for old in target.parent.glob(f"{name}-{component.version}-*"):
        if old != target:
            shutil.rmtree(old)


def compiled(name: str, *libraries: str) -> Path:
    """A program of one C file, static: what it runs on has other libraries than this computer, or none."""
    code = HERE / "components" / name / f"{name}.c"
    target = home() / "bin" / f"{name}-{digest(code.read_bytes(), *libraries)}" / name
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(f".{name}")
        run(["gcc", "-static", "-Os", "-s", "-o", unfinished, code, *(f"-l{library}" for library in libraries)])
        unfinished.rename(target)
    return target
