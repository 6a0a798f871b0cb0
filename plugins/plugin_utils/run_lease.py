# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run per cluster: a Lease in the cluster that the run holds, renews, and gives back when it ends.

The Lease is kube-system/kubestead-run (https://kubernetes.io/docs/concepts/architecture/leases/). Tasks of a run are
processes that end, and a callback plugin would have to be enabled by every user; so a process of its own, the keeper,
renews it. It watches the process of the playbook and gives the Lease back when that ends, in whatever way. Where the
keeper dies too (the controller lost its power), the Lease is stale after DURATION.

All times are those of the API servers, as the header Date tells them: clocks of two controllers may differ.
"""

from __future__ import annotations

import contextlib
import email.utils
import getpass
import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ansible_collections.kubestead.cluster.plugins.module_utils._kube import (
    Api,
    ApiError,
    KubeconfigError,
    Unreachable,
)

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
NAME = "kubestead-run"
DURATION = timedelta(seconds=60)
RENEW_SECONDS = 10.0
WATCH_SECONDS = 0.5
#: How often to try again when another run is quicker: then it holds the Lease, which the next reading shows.
ATTEMPTS = 5


class LeaseHeldError(Exception):
    """Another run holds the cluster."""


@dataclass(frozen=True)
class Run:
    """A run of a playbook: its process on the controller.

    ``space`` names the boot and the namespace in which ``pid`` is the number of a process, ``began`` when that process
    was started: together they tell whether the process of a run still lives. '' where the system does not say.
    """

    user: str
    host: str
    pid: int
    began: str = ""
    space: str = ""

    def __str__(self) -> str:
        """The holder as the Lease has it."""
        return f"{self.user}@{self.host} pid {self.pid}" + (f" ({self.space} {self.began})" if self.space else "")

    @property
    def alive(self) -> bool:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return not self.began or started(self.pid) == self.began


def this_run() -> Run:
    """Return the run that this process belongs to: Ansible forks one for each task from that of the playbook."""
    parent = multiprocessing.parent_process()
    pid = parent.pid if parent and parent.pid else os.getpid()
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return Run(user, socket.gethostname(), pid, started(pid), pid_space())


def started(pid: int) -> str:
    """Return when a process was started, in ticks since the boot; '' where the system does not say.

    https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html (field 22; the second one may hold spaces)
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    # A process that has ended and was not waited for counts as ended.
    return "" if fields[0] in ("Z", "X") else fields[19]


def pid_space() -> str:
    """Return what tells where the number of a process is valid: this boot and this namespace; '' if unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot[:8]}-{os.readlink('/proc/self/ns/pid')[5:-1]}"
    except OSError:
        return ""


# --- what the Lease says ---------------------------------------------------------------------------------------------


def timestamp(moment: datetime) -> str:
    """Return a time as the API has it (MicroTime)."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: object) -> datetime | None:
    """Read a time of the API."""
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return None


def on_this_computer(holder: str, me: Run) -> Run | None:
    """Return the run that a Lease names, None where the number of its process says nothing here."""
    number = holder.rpartition(" pid ")[2].split(" ")[0]
    space, _blank, began = holder.rpartition("(")[2].rstrip(")").partition(" ")
    if not me.space or space != me.space or not number.isdigit():
        return None
    return Run("", "", int(number), began, space)


def died_here(holder: str, me: Run) -> bool:
    """Whether a holder was a process of this very computer that has ended: its Lease need not be waited for."""
    run = on_this_computer(holder, me)
    return run is not None and bool(run.began) and not run.alive


def parent_of(pid: int) -> int:
    """Return the parent of a process, 0 where the system does not say (proc_pid_stat(5), field 4)."""
    try:
        return int(
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1]
        )
    except (OSError, ValueError, IndexError):
        return 0


def started_by(holder: str, me: Run) -> bool:
    """Whether this run was started by the holder: a playbook that runs another one holds the cluster for both."""
    run = on_this_computer(holder, me)
    if run is None:
        return False
    pid = parent_of(me.pid)
    while pid > 1 and pid != run.pid:
        pid = parent_of(pid)
    return pid == run.pid and started(pid) == run.began


def holder_of(lease: Mapping[str, Any] | None, now: datetime, me: Run) -> str:
    """Return another run that holds the Lease; '' where it is free, stale, or this run's."""
    spec = (lease or {}).get("spec") or {}
    holder = str(spec.get("holderIdentity") or "")
    renewed = parse_time(spec.get("renewTime"))
    if holder in ("", str(me)) or renewed is None or died_here(holder, me):
        return ""
    duration = timedelta(seconds=int(spec.get("leaseDurationSeconds") or DURATION.total_seconds()))
    return holder if now - renewed < duration else ""


def kept(lease: Mapping[str, Any], now: datetime, me: Run) -> bool:
    """Whether this run holds the Lease and a keeper renews it."""
    renewed = parse_time(lease["spec"].get("renewTime"))
    late = timedelta(seconds=3 * RENEW_SECONDS)
    return lease["spec"].get("holderIdentity") == str(me) and renewed is not None and now - renewed < late


def refusal(lease: Mapping[str, Any], now: datetime) -> str:
    """Say who holds the Lease."""
    spec = lease["spec"]
    since, renewed = parse_time(spec.get("acquireTime")), parse_time(spec.get("renewTime"))
    age = max(0, round((now - renewed).total_seconds())) if renewed else 0
    rest = max(1, int(spec.get("leaseDurationSeconds") or DURATION.total_seconds()) - age)
    return (
        f"Lease kube-system/{NAME}: found that another run holds this cluster, {spec['holderIdentity']} since "
        f"{since.strftime('%Y-%m-%d %H:%M:%S') if since else 'an unknown time'} UTC (renewed {age} s ago); expected no "
        f"other run; wait until it has ended. If it was cut off, run again in {rest} s"
    )


def taken(lease: Mapping[str, Any] | None, now: datetime, me: Run) -> dict[str, Any]:
    """Return the Lease as this run holds it."""
    before = lease or {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": NAME, "namespace": "kube-system"},
    }
    spec = before.get("spec") or {}
    mine = spec.get("holderIdentity") == str(me)
    return {
        **before,
        "spec": {
            **spec,
            "holderIdentity": str(me),
            "leaseDurationSeconds": int(DURATION.total_seconds()),
            "acquireTime": spec.get("acquireTime") if mine else timestamp(now),
            "renewTime": timestamp(now),
            "leaseTransitions": int(spec.get("leaseTransitions") or 0) + (0 if mine or not lease else 1),
        },
    }


# --- holding it ------------------------------------------------------------------------------------------------------


def server_time(api: Api) -> datetime:
    """Return the time of the API's last answer."""
    try:
        return email.utils.parsedate_to_datetime(api.date).astimezone(UTC)
    except (TypeError, ValueError):
        return datetime.now(UTC)


def take(api: Api, me: Run) -> bool:
    """Take or renew the Lease, and return whether nobody keeps it for this run. A LeaseHeldError says who has it."""
    for _attempt in range(ATTEMPTS):
        lease = api.get(f"{LEASES}/{NAME}")
        now = server_time(api)
        holder = holder_of(lease, now, me)
        if holder and started_by(holder, me):
            return False
        if holder:
            raise LeaseHeldError(refusal(lease, now))
        try:
            if lease is None:
                api.request("POST", LEASES, taken(None, now, me))
            else:
                # It carries the version that was read: whoever is second is told so.
                api.request("PUT", f"{LEASES}/{NAME}", taken(lease, now, me))
        except ApiError as error:
            if error.status != 409:
                raise
            continue
        return lease is None or not kept(lease, now, me)
    raise LeaseHeldError(
        f"Lease kube-system/{NAME}: found that others changed it {ATTEMPTS} times meanwhile; expected no other run; "
        "run again when they have ended"
    )


def release(api: Api, me: Run) -> None:
    """Give the Lease back, unless somebody else has it by now."""
    lease = api.get(f"{LEASES}/{NAME}")
    if lease is None or (lease.get("spec") or {}).get("holderIdentity") != str(me):
        return
    with contextlib.suppress(ApiError):
        # Refused where somebody was quicker, who has it then.
        api.request("PUT", f"{LEASES}/{NAME}", {**lease, "spec": {**lease["spec"], "holderIdentity": ""}})


def keep(
    api: Api,
    me: Run,
    alive: Callable[[], bool],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Renew the Lease while the run lives, then give it back. Ends early when the Lease is somebody else's, or gone."""
    renewed = clock()
    while alive():
        if clock() - renewed >= RENEW_SECONDS:
            try:
                lease = api.get(f"{LEASES}/{NAME}")
                if lease is None or (lease.get("spec") or {}).get("holderIdentity") != str(me):
                    return
                api.request("PUT", f"{LEASES}/{NAME}", taken(lease, server_time(api), me))
                renewed = clock()
            except (ApiError, Unreachable):
                # A control plane restarts, or an address moves: try again soon, there is time until it is stale.
                renewed = clock() - RENEW_SECONDS + 2
        sleep(WATCH_SECONDS)
    ended = clock()
    while clock() - ended < DURATION.total_seconds():
        try:
            release(api, me)
            return
        except (ApiError, Unreachable):
            sleep(2)


def start_keeper(open_api: Callable[[], Api], me: Run) -> None:
    """Start the process that keeps the Lease; it belongs to nobody and says nothing."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    # Nothing of what Ansible does at the end of its own processes may happen here.
    try:
        os.setsid()
        if os.fork():
            return
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        _close_files()
        with contextlib.suppress(KubeconfigError, ApiError, Unreachable):
            keep(open_api(), me, lambda: me.alive)
    finally:
        os._exit(0)


def _close_files() -> None:
    """Let go of everything inherited, so that nobody waits for this process to close it."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nothing, number)
    for name in os.listdir("/dev/fd"):
        if int(name) > 2:
            with contextlib.suppress(OSError):
                os.close(int(name))
