# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine is in Kubernetes' terms: bare, half done, or a member of which cluster, in which role.

kubeadm leaves no record of whether it finished. So whoever runs it through this collection holds
the machine with `exclusive()` and keeps a journal from `begin()` to `end()`. A run that was killed leaves its
journal behind, which says what was under way; the kernel drops its lock.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import ssl
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.kubestead.cluster.plugins.module_utils import _certificates, _durable
from ansible_collections.kubestead.cluster.plugins.module_utils._machine.state import read_text

KUBERNETES = "etc/kubernetes"
JOURNAL = "var/lib/kubestead/operation.json"
SAVED = "var/lib/kubestead/saved"
SAVED_NEW = f"{SAVED}.new"
LOCK = "run/kubestead/operation.lock"
OPERATIONS = ("init", "join", "reset")
UNKNOWN = "unknown"
# What kubeadm init and join leave behind (kubeadm reset documents the same list).
TRACES = (
    f"{KUBERNETES}/kubelet.conf",
    f"{KUBERNETES}/bootstrap-kubelet.conf",
    f"{KUBERNETES}/admin.conf",
    f"{KUBERNETES}/super-admin.conf",
    f"{KUBERNETES}/controller-manager.conf",
    f"{KUBERNETES}/scheduler.conf",
    f"{KUBERNETES}/manifests/kube-apiserver.yaml",
    f"{KUBERNETES}/manifests/kube-controller-manager.yaml",
    f"{KUBERNETES}/manifests/kube-scheduler.yaml",
    f"{KUBERNETES}/manifests/etcd.yaml",
    "var/lib/kubelet/config.yaml",
    "var/lib/etcd/member",
)


# kubeadm wrote a flag up to 1.34, and writes kubelet's configuration since (feature gate NodeLocalCRISocket).
CRI_SETTINGS = (
    ("var/lib/kubelet/kubeadm-flags.env", r"--container-runtime-endpoint[= ]([^\s\"']+)"),
    ("var/lib/kubelet/config.yaml", r"^containerRuntimeEndpoint: *[\"']?([^\s\"']+)"),
)


class Busy(Exception):
    """Another run holds this machine."""


class Refused(Exception):
    """The machine is not in a state that a module may change, or go on with."""


@dataclass(frozen=True)
class Member:
    """Membership as read from the machine's own files."""

    state: str
    partial_of: str | None
    role: str | None
    node_name: str | None
    ca_hash: str | None
    server: str | None
    leftovers: list[str]
    api_healthy: bool | None
    certificates: dict[str, str]
    cri_socket: str | None = None


def read_journal(root: Path = Path("/")) -> str | None:
    """Return the step ("init", "join" or "reset") that was begun and never ended, None where there is none.

    A journal that can't be read is of a step all the same: "unknown".
    """
    try:
        operation = json.loads((root / JOURNAL).read_text(encoding="utf-8"))["operation"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return UNKNOWN
    return operation if operation in OPERATIONS else UNKNOWN


@contextmanager
def exclusive(timeout: float = 600.0, root: Path = Path("/")) -> Iterator[None]:
    """Hold the machine: one run of kubeadm at a time.

    When a controller is killed, its module and kubeadm go on here for a while. So the next run waits for both, and
    must look at the machine again afterwards.
    """
    deadline = time.monotonic() + timeout
    lock = root / LOCK
    lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with lock.open("w") as handle:
        while True:
            try:
                fcntl.flock(handle.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                wait_until(deadline, f"another run holds /{LOCK}", timeout)
        while kubeadm_runs():
            wait_until(deadline, "kubeadm runs already", timeout)
        yield


def wait_until(deadline: float, reason: str, timeout: float) -> None:
    """Sleep a little, or raise `Busy` when the deadline is over."""
    if time.monotonic() > deadline:
        raise Busy(f"{reason}, and has for {timeout:.0f} s: let it end, or end it, and run again")
    time.sleep(0.5)


def kubeadm_runs() -> bool:
    """Return whether a kubeadm works on this machine's files (a child that outlived the run that started it).

    One in a container has another root directory, and does not count.
    """
    here = os.stat("/")
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                if (process / "comm").read_text().strip() == "kubeadm":
                    root = os.stat(process / "root")
                    if (root.st_dev, root.st_ino) == (here.st_dev, here.st_ino):
                        return True
            except OSError:
                # It ended meanwhile.
                continue
    return False


def begin(operation: str, root: Path = Path("/")) -> None:
    """Put aside what the user has in /etc/kubernetes, then write the journal, durably, before anything changes."""
    journal = root / JOURNAL
    journal.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if read_journal(root) is None:
        for folder in (SAVED, SAVED_NEW):
            if (root / folder).exists():
                shutil.rmtree(root / folder)
        if (root / KUBERNETES).exists():
            shutil.copytree(root / KUBERNETES, root / SAVED_NEW, symlinks=True)
            _durable.sync_tree(str(root / SAVED_NEW))
            (root / SAVED_NEW).rename(root / SAVED)
    document = {"operation": operation, "since": int(time.time())}
    _durable.write(str(journal), json.dumps(document).encode())


def end(root: Path = Path("/")) -> None:
    """The step is complete: remove the journal and what was put aside."""
    if (root / JOURNAL).parent.is_dir():
        _durable.remove(str(root / JOURNAL))
    shutil.rmtree(root / SAVED, ignore_errors=True)


def restore_saved(root: Path = Path("/")) -> None:
    """Bring back what the user had in /etc/kubernetes before a step that is undone."""
    if (root / SAVED).exists():
        shutil.copytree(root / SAVED, root / KUBERNETES, symlinks=True, dirs_exist_ok=True)


def remove_torn_files(root: Path = Path("/")) -> None:
    """Remove empty files of /etc/kubernetes: a power cut leaves such, and kubeadm stops at them."""
    for path in (root / KUBERNETES).glob("**/*"):
        if path.is_file() and not path.is_symlink() and path.stat().st_size == 0:
            path.unlink()


def read_member(root: Path = Path("/"), api_port: int = 6443) -> Member:
    """Read the membership; see the module's docstring for what makes it partial."""
    present = [f"/{path}" for path in TRACES if (root / path).exists()]
    begun = read_journal(root)
    kubelet_conf = root / KUBERNETES / "kubelet.conf"
    if begun:
        state, partial_of = "partial", begun
    elif not present:
        state, partial_of = "bare", None
    elif kubelet_conf.exists() and (root / "var/lib/kubelet/config.yaml").exists():
        state, partial_of = "member", None
    else:
        state, partial_of = "partial", "unknown"

    is_control_plane = (root / KUBERNETES / "manifests/kube-apiserver.yaml").exists()
    kubeconfig = read_kubeconfig(kubelet_conf)
    ca_file = root / KUBERNETES / "pki/ca.crt"
    role = None
    if state != "bare":
        role = "control_plane" if is_control_plane else "worker"
    return Member(
        state=state,
        partial_of=partial_of,
        role=role,
        node_name=kubeconfig.node_name if kubeconfig else None,
        ca_hash=hash_of(ca_file),
        server=kubeconfig.server if kubeconfig else None,
        leftovers=leftovers(present, begun) if state == "partial" else [],
        api_healthy=api_is_ready(port=api_port) if is_control_plane else None,
        certificates=read_certificates(root / KUBERNETES / "pki"),
        cri_socket=read_cri_socket(root),
    )


def leftovers(present: list[str], begun: str | None) -> list[str]:
    """Return what is left of a step that was interrupted; a journal that can't be read is named, too."""
    return [*present, f"/{JOURNAL}, which can't be read"] if begun == UNKNOWN else present


def read_cri_socket(root: Path) -> str | None:
    """Return where kubelet reaches the container runtime: a flag of kubeadm's, which wins, or its configuration."""
    for path, setting in CRI_SETTINGS:
        found = re.search(setting, read_text(root / path), re.MULTILINE)
        if found:
            return found.group(1)
    return None


def read_certificates(folder: Path) -> dict[str, str]:
    """Return the end of validity of every certificate in kubeadm's pki folder, by its name there."""
    return {str(path.relative_to(folder))[: -len(".crt")]: end_of(path) for path in sorted(folder.glob("**/*.crt"))}


def read_kubeconfig(path: Path) -> _certificates.Kubeconfig | None:
    """Return a kubeconfig, None where there is none or only a torn one."""
    try:
        return _certificates.read_kubeconfig(path) if path.exists() else None
    except _certificates.CertificateError:
        return None


def hash_of(path: Path) -> str | None:
    """Return the hash of a CA's key, None where there is no certificate or only a torn one."""
    try:
        return _certificates.ca_cert_hash(path.read_text(encoding="utf-8", errors="replace")) if path.exists() else None
    except _certificates.CertificateError:
        return None


def end_of(path: Path) -> str:
    """Return when a certificate ends; a file that is none (a power cut leaves such) is "unreadable"."""
    try:
        return _certificates.not_after(path.read_text(encoding="utf-8", errors="replace"))
    except _certificates.CertificateError:
        return "unreadable"


def api_is_ready(address: str = "127.0.0.1", port: int = 6443, timeout: float = 2.0) -> bool:
    """Ask a kube-apiserver's /readyz, which anyone may read (ClusterRole system:public-info-viewer).

    The certificate is not verified: the question is whether it answers, and nothing secret is sent.
    """
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    host = f"[{address}]" if ":" in address else address
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(f"https://{host}:{port}/readyz", timeout=timeout) as response:
            return bool(response.status == 200)
    except OSError:
        return False
