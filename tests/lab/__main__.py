# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's command."""

from __future__ import annotations

import argparse
import functools
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import addons, artifacts, engine, images, nodes, offline, packages, programs, rootfs
from .base import LabError, home, say, timed, write_atomic
from .lab import load, names
from .versions import COMPONENTS, DEFAULT_VERSION, NODE_SYSTEMS, RELEASES, Release

OFFICIAL_SITES = (
    "https://pkgs.k8s.io/core:/stable:/v1.36/deb/InRelease",
    "https://registry.k8s.io/v2/",
)
PARTS = ("flannel", "flannel-cni", "kubernetes-cni", "cri-tools")


def components(release: Release) -> tuple[str, ...]:
    """What every cluster of a version is built from."""
    return (release.kubernetes, release.etcd, release.coredns, *PARTS)


def build_release(version: str, system: str) -> None:
    """Everything that a cluster of this version on this system is made of, in the mirror."""
    release = RELEASES[version]
    for component in components(release):
        artifacts.build(component)
    wanted = packages.of_kubernetes(release.kubernetes)
    if system == "debian12":
        engine.ensure(programs.RUNC)
        artifacts.build("containerd")
        artifacts.build("runc")
        wanted += packages.of_containerd()
    packages.offer(packages.files() / NODE_SYSTEMS[system], wanted)
    manifest = artifacts.path("flannel") / "kube-flannel.yml"
    write_atomic(packages.files() / "flannel" / manifest.name, manifest.read_text())
    images.offer(images.of_release(release))


def prepare(version: str, system: str, wanted_addons: Sequence[str] = ()) -> None:
    """All artifacts of a lab. Root file systems wait for the network and dpkg while Go uses the processors."""
    engine.ensure(programs.LAB)
    with timed("build"), ThreadPoolExecutor(max_workers=1) as beside:
        systems = [beside.submit(make) for make in root_file_systems(system)]
        build_release(version, system)
        for name in wanted_addons:
            addons.build(addons.ADDONS[name], system)
        for made in systems:
            made.result()


def build(targets: Sequence[str]) -> None:
    """Make what is named, or what an ordinary lab needs."""
    for target in targets or (DEFAULT_VERSION,):
        if target in RELEASES:
            prepare(target, next(iter(NODE_SYSTEMS)))
        elif target in NODE_SYSTEMS:
            prepare(DEFAULT_VERSION, target)
        elif target in addons.ADDONS:
            prepare(DEFAULT_VERSION, next(iter(NODE_SYSTEMS)), [target])
        elif target in COMPONENTS:
            print(artifacts.build(target))
        else:
            known = [*RELEASES, *NODE_SYSTEMS, *addons.ADDONS, *COMPONENTS]
            raise LabError(f"nothing is called {target!r}; there are: {', '.join(known)}")


def root_file_systems(system: str) -> Iterator[Callable[[], Path]]:
    """Return what makes each root file system that a lab of this system needs."""
    for name in (system, "mirror", "base", "smoke"):
        yield functools.partial(rootfs.build, name)


def build_programs() -> None:
    """Make what takes the longest when the first lab of the default version is brought up: programs and systems."""
    engine.ensure(programs.LAB)
    of_addons = [component for addon in addons.ADDONS.values() for component in addon.components]
    with ThreadPoolExecutor(max_workers=1) as beside:
        systems = [beside.submit(make) for make in root_file_systems(next(iter(NODE_SYSTEMS)))]
        for component in (*components(RELEASES[DEFAULT_VERSION]), *of_addons):
            artifacts.build(component)
        for made in systems:
            made.result()


def official_sites_answer() -> bool:
    """Whether this computer reaches where Kubernetes is published: then nothing has to be built."""
    for url in OFFICIAL_SITES:
        try:
            with urllib.request.urlopen(url, timeout=3):  # noqa: S310  constants, see above
                continue
        except OSError:
            return False
    return True


def up(arguments: argparse.Namespace) -> None:
    """Make a lab and tell where it is."""
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,20}", arguments.name):
        raise LabError(f"{arguments.name!r} can't be a lab's name: small letters, digits and dashes, at most 21")
    engine.start()
    source = arguments.source
    if source == "auto":
        source = "official" if official_sites_answer() else "mirror"
        say(f"packages and images: {source}")
    if source == "mirror":
        if arguments.version not in RELEASES:
            raise LabError(f"the mirror can't have {arguments.version}; it can have: {', '.join(RELEASES)}")
        wanted_addons = {*arguments.addons, *([arguments.runtime] if arguments.runtime in addons.ADDONS else [])}
        prepare(arguments.version, arguments.os, sorted(wanted_addons))
    if arguments.internal:
        offline.build(arguments.os)
    wanted = [f"cp{number + 1}" for number in range(arguments.control_planes)]
    wanted += [f"w{number + 1}" for number in range(arguments.workers)]
    wanted += [f"m{number + 1}" for number in range(arguments.mirrors)]
    lab = nodes.up(
        arguments.name,
        wanted,
        os=arguments.os,
        user=arguments.user,
        internal=arguments.internal,
        version=arguments.version,
        source=source,
        runtime=arguments.runtime,
        machine=arguments.machine,
    )
    print(lab.folder / "hosts.yml")


def down(arguments: argparse.Namespace) -> None:
    """Remove labs, and with --engine what the lab started for itself."""
    if not arguments.name and not arguments.all and not arguments.engine:
        raise LabError("which lab? Name it, or say --all")
    wanted = names() if arguments.all else [arguments.name] if arguments.name else []
    if wanted:
        engine.start()
    for name in wanted:
        nodes.down(name)
    if arguments.engine:
        if names():
            raise LabError(f"the engine still runs the labs {', '.join(names())}: say --all too")
        engine.stop()


def execute(arguments: argparse.Namespace) -> int:
    """Run a command on a node, with this terminal's input and output."""
    lab = load(arguments.name)
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    return subprocess.run(
        nodes.command_on(lab, arguments.node, arguments.command, terminal=terminal), check=False
    ).returncode


def doctor() -> None:
    """Tell what is here and what is missing."""
    root = os.geteuid() == 0
    for program, package in engine.missing(programs.TABLE).items():
        where = f"Debian package {package}{', installed when needed' if root else ''}"
        users = ", ".join(step for step, wanted in programs.STEPS.items() if program in wanted)
        say(
            f"missing: {program} ({where if package else programs.HINTS[program]}), for {users or 'a container engine'}"
        )
    say(f"container engine: {'answers' if engine.answers() else 'does not answer; up starts one as root'}")
    status = os.statvfs(home().parent if not home().exists() else home())
    say(f"home: {home()}, {status.f_bavail * status.f_frsize >> 30} GiB free")
    say(f"labs: {', '.join(names()) or 'none'}")


def inventory(arguments: argparse.Namespace) -> None:
    """Write a lab's inventory again."""
    lab = load(arguments.name)
    nodes.save(lab)
    print(lab.folder / "hosts.yml")


def machine_option(command: argparse.ArgumentParser, what: str) -> None:
    """Give a command the choice of the machines' kind."""
    command.add_argument(
        "--machine",
        choices=("container", "virtual"),
        default="container",
        help=f"{what}: containers, or virtual machines with a kernel of their own, emulated and ten times slower",
    )


def parser() -> argparse.ArgumentParser:
    """The command line; each command carries the function that does it."""
    top = argparse.ArgumentParser(prog="python3 -m tests.lab", description="A real cluster's machines on one computer.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("build", help="make artifacts: what an ordinary lab needs, or what is named")
    command.add_argument("target", nargs="*")
    command.set_defaults(function=lambda given: build(given.target))

    command = commands.add_parser("programs", help="compile and make what takes long, before a lab is brought up")
    command.set_defaults(function=lambda _given: build_programs())

    command = commands.add_parser(
        "provide", help="install, as root on Debian, or name the programs that targets of make need"
    )
    command.add_argument("target", nargs="+", choices=list(programs.STEPS))
    command.set_defaults(function=lambda given: engine.provide(given.target))

    command = commands.add_parser("up", help="make a lab, or bring it up again; prints its inventory's path")
    command.add_argument("name")
    command.add_argument("--control-planes", type=int, default=3)
    command.add_argument("--workers", type=int, default=2)
    command.add_argument("--mirrors", type=int, default=0, help="machines beside the cluster, in group kube_mirror")
    command.add_argument("--os", choices=list(NODE_SYSTEMS), default=next(iter(NODE_SYSTEMS)))
    command.add_argument("--user", choices=("root", "operator"), default="root", help="whom Ansible logs in as")
    command.add_argument(
        "--with",
        dest="addons",
        nargs="+",
        default=[],
        choices=list(addons.ADDONS),
        metavar="PART",
        help=f"what the mirror has for the platform: {', '.join(addons.ADDONS)}",
    )
    command.add_argument("--internal", action="store_true", help="a network without a way out")
    command.add_argument("--version", default=DEFAULT_VERSION, help="of Kubernetes")
    command.add_argument("--runtime", choices=("containerd", "docker"), default="containerd", help="of containers")
    command.add_argument(
        "--source",
        choices=("mirror", "official", "auto"),
        default="mirror",
        help="of packages and images: the lab's own mirror, the official sites, or those if they answer",
    )
    machine_option(command, "what the nodes are")
    command.set_defaults(function=up)

    command = commands.add_parser("down", help="remove a lab")
    command.add_argument("name", nargs="?")
    command.add_argument("--all", action="store_true")
    command.add_argument("--engine", action="store_true", help="end the container engine that the lab started, too")
    command.set_defaults(function=down)

    command = commands.add_parser("add", help="more nodes: cp4 is a control plane, w3 a worker, m1 a mirror")
    command.add_argument("name")
    command.add_argument("node", nargs="+")
    machine_option(command, "what they are")
    command.set_defaults(function=lambda given: nodes.add(load(given.name), given.node, given.machine))

    command = commands.add_parser("show", help="all about a lab, as JSON")
    command.add_argument("name")
    command.set_defaults(function=lambda given: print(json.dumps(nodes.show(load(given.name)), indent=2)))

    command = commands.add_parser("inventory", help="write a lab's hosts.yml again; prints its path")
    command.add_argument("name")
    command.set_defaults(function=inventory)

    command = commands.add_parser("nodes", help="do to a node what happens to machines")
    command.add_argument("name")
    command.add_argument("action", choices=nodes.ACTIONS)
    command.add_argument("node")
    command.set_defaults(function=lambda given: nodes.act(load(given.name), given.action, given.node))

    command = commands.add_parser("exec", help="run a command on a node: exec NAME NODE -- COMMAND")
    command.add_argument("name")
    command.add_argument("node")
    command.add_argument("command", nargs="+")
    command.set_defaults(function=execute)

    command = commands.add_parser("doctor", help="what is here and what is missing")
    command.set_defaults(function=lambda _given: doctor())
    return top


def main() -> int:
    """Run one command; one that is ended cleans up as one that fails."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    arguments = parser().parse_args()
    try:
        return arguments.function(arguments) or 0
    except LabError as error:
        say(f"error: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
