# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args

from ansible_collections.kubestead.cluster.plugins.module_utils import _runner as runner
from ansible_collections.kubestead.cluster.plugins.module_utils._redact import ParseError

TOKEN = "abcdef.0123456789abcdef"


class Module:
    """Answers like a machine with kubeadm and crictl."""

    def __init__(self, rc: int = 0, stdout: str = "", stderr: str = "") -> None:
        self.answer = (rc, stdout, stderr)
        self.asked: list[str] = []
        self.calls: list[tuple[list[str], dict[str, Any]]] = []

    def get_bin_path(self, name: str) -> str | None:
        self.asked.append(name)
        return f"/usr/bin/{name}" if name in ("kubeadm", "crictl") else None

    def run_command(self, command: list[str], **options: Any) -> tuple[int, str, str]:
        self.calls.append((command, options))
        return self.answer


class TestRunner:
    def test_runs_by_path_in_the_c_locale(self) -> None:
        module = Module(stdout="out", stderr="err")
        result = runner.Runner(module)(["kubeadm", "version", "$HOME"], stdin="in")
        assert result == runner.Result(0, "out", "err")
        assert module.calls == [
            (
                ["/usr/bin/kubeadm", "version", "$HOME"],
                {
                    "data": "in",
                    "environ_update": {"LC_ALL": "C"},
                    "expand_user_and_vars": False,
                    "handle_exceptions": False,
                },
            )
        ]

    def test_looks_a_program_up_once(self) -> None:
        module = Module()
        run = runner.Runner(module)
        for name in ("kubeadm", "crictl", "kubeadm"):
            run([name])
        assert module.asked == ["kubeadm", "crictl"]

    def test_output_is_not_in_the_repr(self) -> None:
        assert repr(runner.Result(0, TOKEN, TOKEN)) == "Result(rc=0)"

    def test_failure(self) -> None:
        module = Module(
            1, f"[preflight] {TOKEN}", f"error: no such token {TOKEN}\nTo see the stack trace of this error"
        )
        with pytest.raises(runner.CommandError) as error:
            runner.Runner(module)(["kubeadm", "token", "delete", TOKEN, "a b"])
        assert str(error.value) == (
            "'kubeadm token delete abcdef.<hidden> 'a b'' failed with exit status 1: no such token abcdef.<hidden>"
        )
        assert error.value.rc == 1
        assert error.value.stdout == "[preflight] abcdef.<hidden>"
        assert TOKEN not in error.value.stderr

    @pytest.mark.parametrize(
        ("stdout", "stderr", "reason"),
        [
            ("out\n", " \n", "out"),
            ("out", "1\nTo see the stack trace of this error", "1\nTo see"),
            ("", "", "it printed"),
        ],
    )
    def test_failure_of_another_program(self, stdout: str, stderr: str, reason: str) -> None:
        with pytest.raises(runner.CommandError, match=f"'crictl' failed with exit status 3: {reason}"):
            runner.Runner(Module(3, stdout, stderr))(["crictl"])

    def test_failure_that_is_no_error(self) -> None:
        assert runner.Runner(Module(3, "inactive"))(["crictl"], check=False) == runner.Result(3, "inactive", "")

    @pytest.mark.parametrize("check", [True, False])
    def test_program_that_is_not_there(self, check: bool) -> None:
        module = Module()
        with pytest.raises(runner.CommandError, match="nonsense is not installed") as error:
            runner.Runner(module)(["nonsense", "x"], check=check)
        assert error.value.rc == 127
        assert module.calls == []

    def test_finds_programs(self) -> None:
        run = runner.Runner(Module())
        assert run.find("kubeadm") == "/usr/bin/kubeadm"
        assert run.find("nonsense") is None

    @pytest.mark.parametrize("raises", [True, False])
    def test_executes_by_path(self, raises: bool) -> None:
        module = Module(3, "out", "err")
        assert runner.Runner(module).execute(["/bin/x", "~"], "in", raises=raises) == (3, "out", "err")
        command, options = module.calls[0]
        assert command == ["/bin/x", "~"]
        assert options == {
            "data": "in",
            "environ_update": {"LC_ALL": "C"},
            "expand_user_and_vars": False,
            "handle_exceptions": not raises,
        }
        assert module.asked == []

    def test_nothing_else_runs_programs(self) -> None:
        plugins = Path(__file__).parents[4] / "plugins"
        callers = [path.name for path in plugins.rglob("*.py") if "run_command(" in path.read_text()]
        assert callers == ["_runner.py"]

    def test_json(self) -> None:
        module = Module(stdout='{"images": []}')
        assert runner.Runner(module).json(["crictl", "images"], stdin="in") == {"images": []}
        assert module.calls[0][1]["data"] == "in"

    def test_no_json(self) -> None:
        with pytest.raises(ParseError, match="JSON from 'crictl images', found: nonsense"):
            runner.Runner(Module(stdout="nonsense")).json(["crictl", "images"])


class RefusedError(Exception):
    """As a module raises it."""


def secret() -> None:
    raise RefusedError(f"found the token {TOKEN}")


def key_error() -> None:
    {}[TOKEN]


def missing_file() -> None:
    raise FileNotFoundError(2, "No such file or directory", "/etc/kubernetes/pki/ca.crt")


def command() -> None:
    raise runner.CommandError(["kubeadm", "init"], 1, "out", f"error: {TOKEN}")


class TestGuard:
    def fail(self, cause: Callable[[], None], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
        with patch_module_args({}):
            module = basic.AnsibleModule(argument_spec={})
            with pytest.raises(SystemExit) as end, runner.guard(module):
                cause()
        assert end.value.code == 1
        text = capsys.readouterr().out
        assert TOKEN not in text
        answer: dict[str, Any] = json.loads(text)
        assert answer["failed"]
        return answer

    def test_own_errors_explain_themselves(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.fail(secret, capsys)["msg"] == "found the token abcdef.<hidden>"

    def test_errors_of_the_system(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.fail(missing_file, capsys)["msg"].endswith(
            "No such file or directory: '/etc/kubernetes/pki/ca.crt'"
        )

    def test_commands(self, capsys: pytest.CaptureFixture[str]) -> None:
        answer = self.fail(command, capsys)
        assert answer["msg"] == "'kubeadm init' failed with exit status 1: abcdef.<hidden>"
        assert answer["cmd"] == "kubeadm init"
        assert answer["rc"] == 1
        assert answer["stdout"] == "out"
        assert answer["stderr"] == "error: abcdef.<hidden>"

    def test_mistakes_in_the_code(self, capsys: pytest.CaptureFixture[str]) -> None:
        answer = self.fail(key_error, capsys)
        assert re.fullmatch(r"unexpected KeyError in test__runner\.py:\d+: 'abcdef\.<hidden>'", answer["msg"])

    def test_ansible_gets_no_traceback_with_secrets(self) -> None:
        given: dict[str, Any] = {}
        module = type("Module", (), {"fail_json": lambda self, **arguments: given.update(arguments)})()
        with runner.guard(module):
            secret()
        assert "in secret\n" in given["exception"]
        assert TOKEN not in given["exception"]

    def test_exit_goes_through(self, capsys: pytest.CaptureFixture[str]) -> None:
        with patch_module_args({}):
            module = basic.AnsibleModule(argument_spec={})
            with pytest.raises(SystemExit) as end, runner.guard(module):
                module.exit_json(changed=True)
        assert end.value.code == 0
        assert json.loads(capsys.readouterr().out)["changed"]
