# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Lease that a run holds: who gets it, who is refused, who keeps it, and that it is given back whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.module_utils._kube import ApiError, Unreachable
from ansible_collections.kubestead.cluster.plugins.plugin_utils import run_lease
from ansible_collections.kubestead.cluster.plugins.plugin_utils.run_lease import (
    LeaseHeldError,
    Run,
    keep,
    release,
    take,
)

PATH = f"{run_lease.LEASES}/{run_lease.NAME}"
ALICE = Run("alice", "one", 100, "7", "boot-1")
BOB = Run("bob", "two", 200, "9", "boot-2")


class Leases:
    """The API of leases, with its clock and its optimistic concurrency."""

    def __init__(self) -> None:
        self.now = datetime(2026, 12, 1, 3, 0, 0, tzinfo=UTC)
        self.lease: dict[str, Any] | None = None
        self.version = 0
        self.written: list[str] = []
        self.down = False
        #: What another one does after the next reading.
        self.meanwhile: Callable[[], None] | None = None

    @property
    def date(self) -> str:
        return format_datetime(self.now, usegmt=True)

    @property
    def holder(self) -> str:
        return str((self.lease or {}).get("spec", {}).get("holderIdentity"))

    def get(self, path: str) -> Any:
        assert path == PATH
        self._answers()
        found = self.lease
        if self.meanwhile:
            other, self.meanwhile = self.meanwhile, None
            other()
        return found

    def request(self, method: str, path: str, body: Any) -> Any:
        self._answers()
        assert (method, path) in {("POST", run_lease.LEASES), ("PUT", PATH)}
        known = body["metadata"].get("resourceVersion")
        if (method == "POST") is not (self.lease is None) or known != (self.lease and str(self.version)):
            raise ApiError(method, path, 409, "Conflict", "the object has been modified")
        self.version += 1
        self.lease = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self.version)}}
        self.written.append(f"{method} {self.holder}")
        return self.lease

    def _answers(self) -> None:
        if self.down:
            raise Unreachable("https://cluster: the API did not answer")

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def api() -> Any:
    return Leases()


class TestTaking:
    def test_the_first_run_has_it_and_needs_a_keeper(self, api: Any) -> None:
        assert take(api, ALICE) is True
        assert api.lease["spec"] == {
            "holderIdentity": "alice@one pid 100 (boot-1 7)",
            "leaseDurationSeconds": 60,
            "acquireTime": "2026-12-01T03:00:00.000000Z",
            "renewTime": "2026-12-01T03:00:00.000000Z",
            "leaseTransitions": 0,
        }

    def test_the_same_run_again_has_its_keeper(self, api: Any) -> None:
        take(api, ALICE)
        api.later(12)
        assert take(api, ALICE) is False
        assert api.lease["spec"]["acquireTime"] == "2026-12-01T03:00:00.000000Z"
        assert api.lease["spec"]["renewTime"] == "2026-12-01T03:00:12.000000Z"
        api.later(31)
        assert take(api, ALICE) is True

    def test_a_second_run_is_told_who_has_it_since_when(self, api: Any) -> None:
        take(api, ALICE)
        api.later(4)
        with pytest.raises(LeaseHeldError) as error:
            take(api, BOB)
        assert str(error.value) == (
            "Lease kube-system/kubestead-run: found that another run holds this cluster, alice@one pid 100 (boot-1 7) "
            "since 2026-12-01 03:00:00 UTC (renewed 4 s ago); expected no other run; wait until it has ended. If it "
            "was cut off, run again in 56 s"
        )
        assert api.written == [f"POST {ALICE}"]

    @pytest.mark.parametrize(("age", "refused"), [(59, True), (60, False)])
    def test_it_is_stale_after_a_minute(self, api: Any, age: float, refused: bool) -> None:
        take(api, ALICE)
        api.later(age)
        if refused:
            with pytest.raises(LeaseHeldError):
                take(api, BOB)
            return
        assert take(api, BOB) is True
        assert (api.holder, api.lease["spec"]["leaseTransitions"]) == (str(BOB), 1)
        assert api.lease["spec"]["acquireTime"] == "2026-12-01T03:01:00.000000Z"

    def test_one_that_was_given_back_is_free(self, api: Any) -> None:
        take(api, ALICE)
        release(api, ALICE)
        assert api.holder == ""
        assert take(api, BOB) is True

    @pytest.mark.parametrize("before", [False, True])
    def test_of_two_at_the_same_moment_one_gets_it(self, api: Any, before: bool) -> None:
        """Both read that it is free, or that there is none."""
        if before:
            take(api, ALICE)
            release(api, ALICE)
        api.meanwhile = lambda: take(api, BOB)
        with pytest.raises(LeaseHeldError, match="bob@two"):
            take(api, ALICE)
        assert api.holder == str(BOB)

    def test_another_refusal_is_told(self, api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_arguments: Any) -> None:
            raise ApiError("POST", run_lease.LEASES, 403, "Forbidden", "no")

        monkeypatch.setattr(api, "request", refuse)
        with pytest.raises(ApiError, match="no"):
            take(api, ALICE)

    def test_a_run_of_this_computer_that_has_ended_is_not_waited_for(self, api: Any) -> None:
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        died = Run("alice", "one", child.pid, run_lease.started(child.pid), "boot-1")
        me = Run("alice", "one", 1, "1", "boot-1")
        take(api, died)
        with pytest.raises(LeaseHeldError):
            take(api, me)
        child.kill()
        child.wait()
        with pytest.raises(LeaseHeldError):
            # Elsewhere that number is another process.
            take(api, BOB)
        assert take(api, me) is True


class TestKeeping:
    @pytest.fixture
    def run(self, api: Any) -> Callable[..., None]:
        """Keep it for a run of so many seconds, in which `events` happen at their seconds."""

        def keep_for(seconds: float, events: dict[float, Callable[[], Any]] | None = None) -> None:
            passed = [0.0]
            left = dict(events or {})

            def sleep(duration: float) -> None:
                passed[0] += duration
                api.later(duration)
                for moment in [moment for moment in left if moment <= passed[0]]:
                    left.pop(moment)()

            keep(api, ALICE, lambda: passed[0] < seconds, lambda: passed[0], sleep)

        return keep_for

    def test_it_is_renewed_while_the_run_lives_and_given_back(self, api: Any, run: Callable[..., None]) -> None:
        take(api, ALICE)
        refused = []

        def bob_tries() -> None:
            with pytest.raises(LeaseHeldError):
                take(api, BOB)
            refused.append(api.now)

        run(185, {float(second): bob_tries for second in range(5, 185, 5)})
        assert len(refused) == 36
        assert api.holder == ""
        # As little as it takes.
        assert len(api.written) == 1 + 18 + 1

    def test_an_api_that_is_away_for_a_while_changes_nothing(self, api: Any, run: Callable[..., None]) -> None:
        take(api, ALICE)

        def down(value: bool) -> Callable[[], None]:
            return lambda: setattr(api, "down", value)

        def bob_tries() -> None:
            with pytest.raises(LeaseHeldError):
                take(api, BOB)

        run(100, {15: down(True), 60: down(False), 65: bob_tries})
        assert api.holder == ""

    def test_one_that_was_taken_over_is_left_alone(self, api: Any, run: Callable[..., None]) -> None:
        take(api, ALICE)

        def resumed_from_sleep() -> None:
            api.later(300)
            take(api, BOB)

        run(60, {5: resumed_from_sleep})
        assert api.holder == str(BOB)

    def test_a_cluster_that_was_reset_has_none(self, api: Any, run: Callable[..., None]) -> None:
        take(api, ALICE)
        run(60, {5: lambda: setattr(api, "lease", None)})
        assert api.lease is None

    def test_giving_it_back_is_tried_again(self, api: Any, run: Callable[..., None]) -> None:
        take(api, ALICE)
        run(10, {9: lambda: setattr(api, "down", True), 20: lambda: setattr(api, "down", False)})
        assert api.holder == ""


class TestRun:
    def test_a_process_is_known_by_its_start(self) -> None:
        me = os.getpid()
        assert Run("a", "b", me, run_lease.started(me)).alive
        assert not Run("a", "b", me, "1").alive

    def test_one_that_nobody_has_waited_for_has_ended(self) -> None:
        child = subprocess.Popen([sys.executable, "-c", ""])
        run = Run("a", "b", child.pid, "x")
        deadline = time.monotonic() + 10
        while run_lease.started(child.pid) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not run.alive
        child.wait()

    def test_the_playbook_is_the_parent_of_a_task(self) -> None:
        script = (
            "import multiprocessing, os\n"
            "from ansible_collections.kubestead.cluster.plugins.plugin_utils.run_lease import this_run\n"
            "context = multiprocessing.get_context('fork')\n"
            "tell = context.SimpleQueue()\n"
            "task = context.Process(target=lambda: tell.put(this_run()))\n"
            "task.start()\n"
            "run = tell.get()\n"
            "task.join()\n"
            "assert run == this_run() and run.pid == os.getpid() and run.alive, run\n"
            "assert '@' in str(run) and f'pid {os.getpid()} (' in str(run), run\n"
        )
        subprocess.run([sys.executable, "-c", script], check=True)


KEEPER = """
import os, signal, sys, time
from ansible_collections.kubestead.cluster.plugins.module_utils._kube import ApiError
from ansible_collections.kubestead.cluster.plugins.plugin_utils import run_lease
run_lease.WATCH_SECONDS = 0.05
# Who runs the tests in the background ignores it, and so would this.
signal.signal(signal.SIGINT, signal.default_int_handler)
me = run_lease.Run("a", "b", os.getpid(), run_lease.started(os.getpid()), run_lease.pid_space())
path = sys.argv[1]
class Api:
    date = ""
    def get(self, _path):
        with open(path, "a") as log:
            log.write(f"get {os.getpid()} {os.getsid(0)}\\n")
        deadline = time.monotonic() + 20
        while not os.path.exists(f"{path}.go") and time.monotonic() < deadline:
            time.sleep(0.02)
        return {"spec": {"holderIdentity": str(me)}}
    def request(self, method, _path, body):
        with open(path, "a") as log:
            log.write(f"{method} {body['spec']['holderIdentity']!r}\\n")
run_lease.start_keeper(Api, me)
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_it_is_given_back_when_the_run_is_killed(tmp_path: Any, end: int) -> None:
    """Its whole group is: the keeper is in none, holds no file of it, and ends itself."""
    log = tmp_path / "log"
    with subprocess.Popen(
        [sys.executable, "-c", KEEPER, str(log)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as run:
        assert run.stdout
        assert run.stdout.readline() == "ready\n"
        os.killpg(run.pid, end)
        # Who reads the output sees its end: the keeper, which is still there, does not have it open.
        assert run.communicate(timeout=10) == ("", None)
        (tmp_path / "log.go").touch()
        deadline = time.monotonic() + 10
        while (not log.exists() or "PUT" not in log.read_text()) and time.monotonic() < deadline:
            time.sleep(0.02)
    asked, returned = log.read_text().splitlines()
    assert returned == "PUT ''"
    _get, keeper, session = asked.split()
    assert int(session) != run.pid
    deadline = time.monotonic() + 10
    while run_lease.started(int(keeper)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert run_lease.started(int(keeper)) == ""


def test_a_run_that_a_run_starts_is_held_with_it() -> None:
    """Of this process and its child, as they are."""
    space = run_lease.pid_space()
    me = run_lease.Run("root", "here", os.getpid(), run_lease.started(os.getpid()), space)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        nested = run_lease.Run("root", "here", child.pid, run_lease.started(child.pid), space)
        assert run_lease.started_by(str(me), nested)
        assert not run_lease.started_by(str(nested), me)
        # Another process had the number before, another computer has it, or the system does not say.
        assert not run_lease.started_by(str(replace(me, began="1")), nested)
        assert not run_lease.started_by(str(replace(me, space="elsewhere")), nested)
        assert not run_lease.started_by(str(me), replace(nested, space=""))
        child.communicate(b"\n")
