# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable

import pytest

from ansible_collections.kubestead.cluster.plugins.module_utils._kubeadm import problems
from tests.unit.kubeadm_outputs import TOKEN, fixture


class TestProblems:
    def test_recorded(self, version: str) -> None:
        case = f"{version}_init_preflight_errors"
        found = problems.parse_problems(fixture(f"{case}.txt") + fixture(f"{case}.stderr.txt"))
        errors = {check.name: check.message for check in found.errors}
        assert errors["Port-6443"] == "Port 6443 is in use"
        assert errors["FileAvailable--etc-kubernetes-manifests-kube-apiserver.yaml"].endswith("already exists")
        assert "service-kubelet" in [check.name.lower() for check in found.warnings]

    def test_log_warnings(self, version: str) -> None:
        found = problems.parse_problems(fixture(f"{version}_init_dry_run.stderr.txt"))
        assert found.errors == ()
        assert any("port specified in controlPlaneEndpoint" in warning for warning in found.log_warnings)

    def test_several_lines(self) -> None:
        found = problems.parse_problems(
            "\t[ERROR SystemVerification]: failed to parse kernel config: unable to load kernel module\n"
            f'output: "modprobe: FATAL: {TOKEN}"\n, err: exit status 1\n'
            "[preflight] If you know what you are doing\n"
            "not part of it\n"
            "\t[WARNING Swap]: swap is on\nmore of it\n\nno more\n"
            "\t[WARNING A]: b\nI1122 22:00:00.1 1 a.go:1] info\nno more\n"
            "\t[WARNING C]: d\nerror: e\nno more\n"
            "\t[WARNING D]: e\nTo see the stack trace of this error\nno more\n"
        )
        assert found.errors == (
            problems.Check(
                "SystemVerification",
                "failed to parse kernel config: unable to load kernel module\n"
                'output: "modprobe: FATAL: abcdef.<hidden>"\n, err: exit status 1',
            ),
        )
        assert found.warnings == (
            problems.Check("Swap", "swap is on\nmore of it"),
            problems.Check("A", "b"),
            problems.Check("C", "d"),
            problems.Check("D", "e"),
        )
        assert found.log_warnings == ()

    def test_none(self) -> None:
        assert problems.parse_problems("ok\n") == problems.Problems((), (), ())


class TestErrorSummary:
    @pytest.mark.parametrize(
        ("case", "check"),
        [
            ("init_preflight_errors", lambda text: text.startswith("Port-6443: Port 6443 is in use\nFileAvailable")),
            ("certs_no_ca", lambda text: text.startswith("Error checking external CA condition for etcd/ca")),
            ("join_bad_token", lambda text: text.startswith("[discovery.bootstrapToken.caCertHashes: Invalid value")),
            ("join_no_api", lambda text: text.endswith("dial tcp 10.90.0.11:6443: connect: connection refused")),
            ("unknown_flag", lambda text: text == "unknown flag: --nonsense"),
            ("validate_bad", lambda text: text.endswith('unknown field "certificateDir"')),
            ("validate_old_api", lambda text: "uses an old API spec" in text),
            ("token_list_no_api", lambda text: text.endswith("open /none: no such file or directory")),
        ],
    )
    def test_recorded(self, version: str, case: str, check: Callable[[str], bool]) -> None:
        summary = problems.error_summary(fixture(f"{version}_{case}.stderr.txt"))
        assert check(summary), summary
        assert "--v=5" not in summary

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            (
                "error execution phase x: a\nb\nTo see the stack trace of this error execute",
                "error execution phase x: a b",
            ),
            ("error: one\nmore\nerror: two\nrest", "two rest"),
            ("E1122 22:00:00.000000   1 a.go:1] went wrong\nI1122 22:00:00.000000   1 a.go:1] info", "went wrong"),
            ("a\nthe end\n\nTo see the stack trace of this error execute with --v=5", "the end"),
            (f"error: bad token {TOKEN}", "bad token abcdef.<hidden>"),
            ("panic: runtime error", "panic: runtime error"),
            ("To see the stack trace of this error execute with --v=5", ""),
            ("", ""),
            ("\n \n", ""),
        ],
    )
    def test_texts(self, text: str, expected: str) -> None:
        assert problems.error_summary(text) == expected
