# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the steps of `make` do. All tools come from the environment that `make venv` created."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import nox
from ansible_test._internal.python_requirements import get_venv_packages
from nox.command import CommandFailed

nox.options.default_venv_backend = "none"
nox.options.sessions = ["checks", "molecule"]

ROOT = Path(__file__).parent
BUILD = ROOT / "build"
COLLECTION = "ansible_collections/kubestead/cluster"
PLUGINS = "ansible_collections.kubestead.cluster.plugins"
# Stands in for the get-pip.py that ansible-test would download for its own virtual environments:
# Python brings the same pip, and no other site than the package index has to be reached.
GET_PIP = """\
# Made by the kubestead.cluster tests: installs the pip that this Python carries.
import ensurepip

ensurepip.bootstrap()
"""

TYPED = ["noxfile.py", "tests/lab", "tests/bench", "tests/e2e", "tests/tools"]


class Steps:
    """Run every command of a session, say how long each took, and fail at the end if one did."""

    def __init__(self, session: nox.Session) -> None:
        self.session = session
        self.failed: list[str] = []

    def run(self, name: str, *command: str, env: dict[str, str] | None = None) -> None:
        start = time.monotonic()
        try:
            self.session.run(*command, env=env)
        except CommandFailed:
            self.failed.append(name)
        self.session.log(f"{name}: {time.monotonic() - start:.1f} s")

    def finish(self) -> None:
        if self.failed:
            self.session.error(f"failed: {', '.join(self.failed)}")


def provide(session: nox.Session) -> None:
    """Have the programs that this session needs; one message names all that are missing."""
    session.run("python", "-m", "tests.lab", "provide", session.name, env={"PYTHONPATH": str(ROOT)})


def existing(paths: list[str]) -> list[str]:
    return [path for path in paths if (ROOT / path).exists()]


def tracked() -> list[str]:
    """The files of the checkout that git knows, without those deleted in the working tree."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [name for name in listing.split("\0") if name and (ROOT / name).exists()]


@nox.session
def lint(session: nox.Session) -> None:
    """Style, types, YAML, Ansible, generated files and licenses."""
    provide(session)
    steps = Steps(session)
    steps.run("ruff check", "ruff", "check", ".")
    steps.run("ruff format", "ruff", "format", "--check", ".")
    steps.run("mypy plugins", "mypy", "-p", PLUGINS, env={"MYPYPATH": str(BUILD / "collections")})
    steps.run("mypy tests", "mypy", *existing(TYPED), env={"MYPYPATH": str(ROOT), "PYTHONPATH": ""})
    steps.run("yamllint", "yamllint", "--strict", ".")
    steps.run("ansible-lint", "ansible-lint", "--offline", "--strict")
    steps.run("role documentation", "python", "-m", "tests.tools.role_docs", "--check")
    steps.run("action groups", "python", "-m", "tests.tools.action_groups", "--check")
    plugin_docs = ["antsibull-docs", "lint-collection-docs", "--plugin-docs", "--skip-rstcheck"]
    steps.run("plugin documentation", *plugin_docs, str(BUILD / "collections" / COLLECTION))
    steps.run("changelog", "antsibull-changelog", "lint")
    steps.run("licenses", "reuse", "lint", "--quiet")
    steps.finish()


@nox.session
def unit(session: nox.Session) -> None:
    """Unit tests with the coverage of plugins."""
    provide(session)
    (BUILD / "coverage").mkdir(parents=True, exist_ok=True)
    # Some of the tests cover less than all.
    part = ["--cov-fail-under=0"] if session.posargs else []
    session.run("pytest", f"--cov={PLUGINS}", "--cov-report=term-missing:skip-covered", *part, *session.posargs)


@nox.session
def sanity(session: nox.Session) -> None:
    """ansible-test sanity without any ignore file, on a copy of what git knows."""
    provide(session)
    provide_get_pip()
    env = {"ANSIBLE_COLLECTIONS_PATH": "", "PYTHONPATH": "", "PATH": search_path()}
    # A folder of its own: another run may be under way in this checkout.
    with tempfile.TemporaryDirectory(prefix="kubestead-sanity-") as folder:
        # ansible-test only works below a real directory of this name.
        tree = Path(folder, COLLECTION)
        for name in tracked():
            target = tree / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target, follow_symlinks=False)
        with session.chdir(tree):
            # Without one of its own it would look for a repository further up.
            session.run("git", "init", "--quiet")
            session.run("ansible-test", "sanity", "--venv", "--color", "no", *session.posargs, env=env)


@nox.session
def checks(session: nox.Session) -> None:
    """The steps that need no lab: two at a time, as each takes one processor."""
    log = BUILD / "checks.log"
    log.parent.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "nox", "--session"]
    with log.open("w") as output:
        beside = subprocess.Popen([*command, "sanity", "packages"], cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
        first = subprocess.run([*command, "lint", "unit"], cwd=ROOT, check=False).returncode
        second = beside.wait()
    sys.stdout.write(log.read_text())
    sys.stdout.flush()
    if first or second:
        session.error(f"lint and unit ended with {first}, sanity and packages with {second}")


def search_path() -> str:
    """PATH with pyenv's interpreters before its stand-ins, which fail for all versions but the selected ones."""
    folders = os.environ["PATH"].split(os.pathsep)
    if shutil.which("pyenv"):
        root = subprocess.run(["pyenv", "root"], check=True, capture_output=True, text=True).stdout.strip()
        interpreters = sorted(str(folder) for folder in Path(root, "versions").glob("*/bin"))
        folders = [folders[0], *interpreters, *folders[1:]]
    return os.pathsep.join(folders)


def provide_get_pip() -> None:
    """Put the bootstrap script where ansible-test looks for it, unless one is there."""
    version = get_venv_packages(SimpleNamespace(version=f"{sys.version_info[0]}.{sys.version_info[1]}"))["pip"]
    script = Path.home() / ".ansible/test/cache" / f"get_pip_{version.replace('.', '_')}.py"
    if not script.exists():
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(GET_PIP, encoding="utf-8")


# Scenarios that run at the same time as those of the other list; within a list one after the other. Those of the first
# share the nodes that scenario default makes, those of the second make their own.
LANES = [["roles", "machine_config", "platform"], ["docker", "offline"]]


@nox.session
def molecule(session: nox.Session) -> None:
    """All scenarios on the nodes of labs; no warning of a deprecation is tolerated."""
    provide(session)
    lanes = [session.posargs] if session.posargs else [[f"--scenario-name={name}" for name in lane] for lane in LANES]
    start = time.monotonic()
    with ThreadPoolExecutor() as pool:
        runs = list(pool.map(run_scenarios, lanes, range(len(lanes))))
    session.log(f"molecule: {time.monotonic() - start:.1f} s")
    failed = [problem for run in runs for problem in run]
    if failed:
        # molecule itself leaves the nodes of a failed create or prepare.
        for lab in sorted(lab_home().glob("labs/molecule*")):
            session.run("python", "-m", "tests.lab", "down", lab.name)
        session.error("; ".join(failed))


def lab_home() -> Path:
    return Path(os.environ.get("KUBESTEAD_LAB_HOME", str(Path.home() / ".cache/kubestead-lab")))


def run_scenarios(options: list[str], lane: int) -> list[str]:
    """Run molecule, and return what is wrong with it. What lanes but the first say is shown when they have ended."""
    env = {
        **os.environ,
        "MOLECULE_GLOB": "molecule/*/molecule.yml",
        # Borders break lines, and with them the words looked for below.
        "MOLECULE_COMMAND_BORDERS": "false",
        # create and destroy act on this machine: the inventory of the nodes is not there yet, or no more.
        "MOLECULE_ANSIBLE_ARGS_STRICT_MODE": "1",
        "KUBESTEAD_LAB_HOME": str(lab_home()),
    }
    deprecated = []
    later = []
    with (
        # A new one each time: in its own, molecule would believe what an interrupted run has left.
        tempfile.TemporaryDirectory(prefix="kubestead-molecule-") as state,
        subprocess.Popen(
            ["molecule", "test", "--report", *options],
            cwd=ROOT,
            env=env | {"MOLECULE_EPHEMERAL_DIRECTORY": state},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as run,
    ):
        assert run.stdout is not None
        for line in run.stdout:
            if lane:
                later.append(line)
            else:
                sys.stdout.write(line)
                sys.stdout.flush()
            if "DEPRECAT" in line:
                deprecated.append(line.strip())
    sys.stdout.write("".join(later))
    sys.stdout.flush()
    problems = [f"molecule {' '.join(options)} ended with {run.returncode}"] if run.returncode else []
    return [*problems, *([f"deprecated features in use: {deprecated}"] if deprecated else [])]


# The life of one cluster: planned, made while it is watched, unchanged, drifted, broken, and at last taken off and
# built again. Then clusters of other kinds.
E2E = [
    "tests/e2e/test_bad_input.py",
    "tests/e2e/test_plan.py",
    "tests/e2e/test_secrets.py",
    "tests/e2e/test_coredns.py",
    "tests/e2e/test_failover.py",
    "tests/e2e/test_machine_down.py",
    "tests/e2e/test_interrupt.py",
    "tests/e2e/test_virtual_ip.py",
    "tests/e2e/test_grow.py",
    "tests/e2e/test_smoke_reset.py",
    "tests/e2e/test_network.py",
    "tests/e2e/test_versions.py",
    "tests/e2e/test_docker.py",
    "tests/e2e/test_monitoring.py",
    "tests/e2e/test_virtual_machine.py",
]


# Package managers on this computer alone: no machine of a lab is needed.
PACKAGES = [
    "tests/e2e/test_sources.py",
    "tests/e2e/test_bundle_dnf.py",
]


@nox.session
def packages(session: nox.Session) -> None:
    """Repositories and bundles, read by apt, dnf and rpm themselves."""
    provide(session)
    session.run("python", "-m", "pytest", "-v", *PACKAGES, *session.posargs)


@nox.session
def e2e(session: nox.Session) -> None:
    """Whole clusters on the nodes of a lab, as far as there is time for in every change."""
    run_e2e(session, "not full")


@nox.session
def e2e_full(session: nox.Session) -> None:
    """Whole clusters on the nodes of a lab, all of it."""
    run_e2e(session, "full or not full")


def run_e2e(session: nox.Session, marker: str) -> None:
    provide(session)
    # -s: what was measured is shown as it comes.
    session.run("python", "-m", "pytest", "-s", "-v", "--durations=0", "-m", marker, *E2E, *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Write what is generated: role READMEs, docs/variables.md, action groups."""
    session.run("python", "-m", "tests.tools.role_docs")
    session.run("python", "-m", "tests.tools.action_groups")


@nox.session
def build(session: nox.Session) -> None:
    """The collection as an installable archive, in build/."""
    session.run("ansible-galaxy", "collection", "build", "--force", "--output-path", str(BUILD))
