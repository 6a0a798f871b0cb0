# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parsers over what kubeadm printed, and what it could print. How the fixtures came about: fixtures/README.md."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.module_utils._kubeadm import output

FIXTURES = Path(__file__).parents[3] / "fixtures" / "kubeadm"
VERSIONS = ["1.34.4", "1.36.3", "1.37.2"]
TOKEN = "abcdef.0123456789abcdef"
KEY = "0123456789abcdef" * 4
HASH = "sha256:" + "5e" * 32
JOIN = f"kubeadm join 10.90.0.100:8443 --token {TOKEN} --discovery-token-ca-cert-hash {HASH}"
SUCCESS = "Your Kubernetes control-plane has initialized successfully!"


def fixture(name: str) -> str:
    return (FIXTURES / name).read_text()


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class TestRedact:
    def test_token_keeps_its_id(self) -> None:
        assert output.redact(f"Using token: {TOKEN}") == "Using token: abcdef.<hidden>"

    @pytest.mark.parametrize(
        "text",
        [
            "abcdef.0123456789abcdefg",
            "abcdef.0123456789ABCDEF",
            "xabcdef.0123456789abcdef",
            f"--discovery-token-ca-cert-hash {HASH}",
            f"registry/etcd@{HASH}",
            "0" * 63,
            "0" * 65,
            "certificateKey: <value withheld>",
        ],
    )
    def test_leaves_what_is_no_secret(self, text: str) -> None:
        assert output.redact(text) == text

    @pytest.mark.parametrize("key", [KEY, KEY.upper()])
    def test_certificate_key(self, key: str) -> None:
        assert output.redact(f"Using certificate key:\n{key}\n[mark]") == "Using certificate key:\n<hidden>\n[mark]"

    @pytest.mark.parametrize(
        ("text", "hidden"),
        [
            ("--certificate-key short x", "--certificate-key <hidden> x"),
            ("--certificate-key=short", "--certificate-key=<hidden>"),
            ('{"certificateKey": "short", "a": 1}', '{"certificateKey": "<hidden>", "a": 1}'),
            ("    client-key-data: LS0tLS1CRUdJTg==\n", "    client-key-data: <hidden>\n"),
            ("  token-secret: MDEyMzQ1Njc4OWFiY2RlZg==", "  token-secret: <hidden>"),
            ("tlsBootstrapToken: nonsense", "tlsBootstrapToken: <hidden>"),
            ("proxy http://me:hunter2@proxy:3128/x", "proxy http://me:<hidden>@proxy:3128/x"),
            ("http://proxy:3128/x a@b https://a@b", "http://proxy:3128/x a@b https://a@b"),
            (
                '"name": "oidc-client-secret",\n  "value": "x y"\n"name": "v",\n"value": "4"',
                '"name": "oidc-client-secret",\n  "value": "<hidden>"\n"name": "v",\n"value": "4"',
            ),
            ('"name": "DB_PASSWORD", "value": "x"', '"name": "DB_PASSWORD", "value": "<hidden>"'),
        ],
    )
    def test_named_secrets_of_any_shape(self, text: str, hidden: str) -> None:
        assert output.redact(text) == hidden

    @pytest.mark.parametrize("kind", ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"])
    def test_private_keys(self, kind: str) -> None:
        text = f"a\n-----BEGIN {kind}-----\nMIIE\nowIB\n-----END {kind}-----\nb"
        assert output.redact(text) == f"a\n-----BEGIN {kind}-----<hidden>-----END {kind}-----\nb"

    def test_private_key_cut_off(self) -> None:
        assert output.redact("-----BEGIN RSA PRIVATE KEY-----\nMIIE") == "-----BEGIN RSA PRIVATE KEY-----<hidden>"

    def test_two_private_keys_do_not_hide_what_is_between(self) -> None:
        key = "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----"
        assert "between" in output.redact(f"{key}\nbetween\n{key}")

    def test_certificates_stay(self) -> None:
        text = "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----"
        assert output.redact(text) == text

    @pytest.mark.parametrize("path", sorted(FIXTURES.iterdir()), ids=lambda path: path.name)
    def test_recorded_outputs(self, path: Path) -> None:
        text = output.redact(path.read_text())
        assert not re.search(r"\b[a-z0-9]{6}\.[a-z0-9]{16}\b", text)
        assert not re.search(r"(?<!sha256:)\b[0-9a-f]{64}\b", text)


class TestParseError:
    def test_says_what_was_expected_and_found(self) -> None:
        error = output.ParseError("a thing", "1\n2\n\n3\n4\n5\n6\n")
        assert error.expected == "a thing"
        assert str(error) == "expected a thing, found: 2\n3\n4\n5\n6"

    def test_no_output(self) -> None:
        assert str(output.ParseError("a thing", " \n")) == "expected a thing, found no output"

    def test_long_text_is_cut(self) -> None:
        assert output.ParseError("a thing", "x" * 5000).excerpt == "..." + "x" * 600

    def test_carries_no_secret(self) -> None:
        error = output.ParseError("a thing", f"{JOIN} --certificate-key {KEY}")
        assert TOKEN not in str(error)
        assert KEY not in str(error)
        assert HASH in error.excerpt


class TestJoinCommand:
    def test_worker(self) -> None:
        command = output.parse_join_command(JOIN)
        assert command == output.JoinCommand("10.90.0.100:8443", TOKEN, (HASH,))
        assert not command.control_plane
        assert command.certificate_key is None
        assert command.other_flags == ()

    @pytest.mark.parametrize("flag", ["--control-plane", "--experimental-control-plane", "--control-plane=true"])
    def test_control_plane(self, flag: str) -> None:
        command = output.parse_join_command(f"{JOIN} {flag} --certificate-key {KEY}")
        assert command.control_plane
        assert command.certificate_key == KEY

    def test_control_plane_false(self) -> None:
        assert not output.parse_join_command(f"{JOIN} --control-plane=false").control_plane

    def test_no_secret_in_repr(self) -> None:
        text = repr(output.parse_join_command(f"{JOIN} --control-plane --certificate-key {KEY}"))
        assert TOKEN not in text
        assert KEY not in text

    @pytest.mark.parametrize("line_end", [" \\\n\t", " \\\n    ", "\\\n", " \\\r\n\t", " \\ \n"])
    def test_line_continuations(self, line_end: str) -> None:
        text = f"  {JOIN} {line_end} --control-plane {line_end} --certificate-key {KEY}\nnext line"
        command = output.parse_join_command(text)
        assert command.certificate_key == KEY
        assert command.other_flags == ()

    def test_text_around(self) -> None:
        assert output.parse_join_command(f"W1122 warning\nuse kubeadm join here\n\t{JOIN} \n\n").token == TOKEN

    @pytest.mark.parametrize(
        "hashes",
        [
            f"--discovery-token-ca-cert-hash {HASH} --discovery-token-ca-cert-hash {HASH[:-1]}0",
            f"--discovery-token-ca-cert-hash={HASH},{HASH[:-1]}0",
        ],
    )
    def test_several_hashes(self, hashes: str) -> None:
        command = output.parse_join_command(f"kubeadm join h:1 --token={TOKEN} {hashes}")
        assert command.ca_cert_hashes == (HASH, HASH[:-1] + "0")

    @pytest.mark.parametrize(
        "endpoint", ["[fd00:90::100]:8443", "[fe80::1%eth0]:6443", "api.example.org:6443", "a:65535", "10.90.0.1:1"]
    )
    def test_endpoints(self, endpoint: str) -> None:
        assert output.parse_join_command(JOIN.replace("10.90.0.100:8443", endpoint)).endpoint == endpoint

    @pytest.mark.parametrize(
        "endpoint",
        [
            "fd00:90::100:8443",
            "10.90.0.100",
            "host:0",
            "host:65536",
            "host:",
            "host:http",
            "https://h:1",
            "",
            "a:1 b:1",
        ],
    )
    def test_bad_endpoints(self, endpoint: str) -> None:
        with pytest.raises(output.ParseError, match="one HOST:PORT"):
            output.parse_join_command(JOIN.replace("10.90.0.100:8443", endpoint))

    @pytest.mark.parametrize(
        ("flags", "kept"),
        [
            ("--node-name n1", ("--node-name", "n1")),
            ("--node-name=n1", ("--node-name=n1",)),
            ("--dry-run", ("--dry-run",)),
            ("--v 5 --dry-run", ("--v", "5", "--dry-run")),
            ("-v=5", ("-v=5",)),
            ("--unknown --cri-socket unix:///a", ("--unknown", "--cri-socket", "unix:///a")),
            ("--last", ("--last",)),
            ("--ignore-preflight-errors a:1", ("--ignore-preflight-errors", "a:1")),
        ],
    )
    def test_other_flags_are_kept(self, flags: str, kept: tuple[str, ...]) -> None:
        assert output.parse_join_command(f"{JOIN} {flags}").other_flags == kept

    def test_unknown_flag_before_the_endpoint(self) -> None:
        command = output.parse_join_command(JOIN.replace("join ", "join --new --node-name n1 --newer "))
        assert command.endpoint == "10.90.0.100:8443"
        assert command.other_flags == ("--new", "--node-name", "n1", "--newer")

    def test_discovery_token_and_no_hash(self) -> None:
        flag = "--discovery-token-unsafe-skip-ca-verification"
        command = output.parse_join_command(f"kubeadm join {flag} h:1 --discovery-token {TOKEN}")
        assert command.endpoint == "h:1"
        assert command.token == TOKEN
        assert command.ca_cert_hashes == ()
        assert command.other_flags == (flag,)

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("nothing", "one 'kubeadm join' command, not 0"),
            (f"{JOIN}\n{JOIN}", "not 2"),
            (f"{JOIN} 'open", "No closing quotation"),
            (f"kubeadm join h:1 --discovery-token-ca-cert-hash {HASH}", "--token"),
            (f"kubeadm join h:1 --discovery-token-ca-cert-hash {HASH} --token x", "--token ID.SECRET"),
            (f"kubeadm join h:1 --discovery-token-ca-cert-hash {HASH} --token", "a value after --token"),
            (f"kubeadm join h:1 --token {TOKEN}", "--discovery-token-ca-cert-hash in"),
            (f"kubeadm join h:1 --token {TOKEN} --discovery-token-ca-cert-hash sha256:12", "64 hexadecimal digits"),
            (f"{JOIN} --certificate-key 12", "--certificate-key of 64"),
        ],
    )
    def test_errors(self, text: str, expected: str) -> None:
        with pytest.raises(output.ParseError, match=expected) as error:
            output.parse_join_command(text)
        assert TOKEN not in str(error.value)

    def test_recorded(self, version: str) -> None:
        worker = output.parse_join_command(fixture(f"{version}_token_create.txt"))
        assert worker.endpoint == "10.90.1.11:6443"
        assert worker.token is not None
        assert not worker.control_plane
        control_plane = output.parse_join_command(fixture(f"{version}_token_create_control_plane.txt"))
        assert control_plane.control_plane
        assert control_plane.certificate_key == KEY
        assert control_plane.ca_cert_hashes == worker.ca_cert_hashes
        assert len(worker.ca_cert_hashes) == 1

    def test_withheld(self) -> None:
        text = f"{JOIN} --control-plane --certificate-key <value withheld>".replace(TOKEN, "<value withheld>")
        command = output.parse_join_command(text)
        assert command.token is None
        assert command.certificate_key is None
        assert command.control_plane


class TestInit:
    @pytest.mark.parametrize(
        ("case", "endpoint"),
        [("init_dry_run", "10.90.0.100:8443"), ("init_dry_run_ipv6_endpoint", "[fd00:90::100]:8443")],
    )
    def test_recorded(self, version: str, case: str, endpoint: str) -> None:
        found = output.parse_init(fixture(f"{version}_{case}.txt"))
        assert found.kubernetes_version == version
        assert found.certificate_key == KEY
        assert found.kubeconfig == "/etc/kubernetes/tmp/kubeadm-init-dryrun0000000000/admin.conf"
        assert len(found.worker_joins) == len(found.control_plane_joins) == 1
        assert found.worker_join.endpoint == endpoint
        assert found.worker_join.token == TOKEN
        assert not found.worker_join.control_plane
        assert found.control_plane_join is not None
        assert found.control_plane_join.control_plane
        assert found.control_plane_join.certificate_key == KEY
        assert found.control_plane_join.ca_cert_hashes == found.worker_join.ca_cert_hashes
        assert TOKEN not in repr(found)
        assert KEY not in repr(found)

    def test_recorded_on_a_node(self) -> None:
        found = output.parse_init(fixture("1.36.3_init.txt"))
        assert found.kubernetes_version == "1.36.3"
        assert found.kubeconfig == "/etc/kubernetes/admin.conf"
        assert found.control_plane_join is not None
        assert found.certificate_key == found.control_plane_join.certificate_key
        assert found.certificate_key is not None
        assert found.worker_join.endpoint == "10.90.1.11:6443"

    def test_two_tokens(self, version: str) -> None:
        found = output.parse_init(fixture(f"{version}_init_dry_run_two_tokens.txt"))
        tokens = [TOKEN, "ghijkl.fedcba9876543210"]
        assert [command.token for command in found.worker_joins] == tokens
        assert [command.token for command in found.control_plane_joins] == tokens
        assert found.worker_join.token == TOKEN

    def test_certificates_not_uploaded(self, version: str) -> None:
        """kubeadm names the key of its configuration all the same."""
        found = output.parse_init(fixture(f"{version}_init_dry_run_no_upload.txt"))
        assert found.certificate_key is None
        assert found.control_plane_join is not None
        assert found.control_plane_join.certificate_key == KEY

    def test_no_endpoint(self, version: str) -> None:
        found = output.parse_init(fixture(f"{version}_init_dry_run_no_endpoint.txt"))
        assert found.control_plane_joins == ()
        assert found.control_plane_join is None
        assert found.certificate_key == KEY
        assert found.worker_join.endpoint == "10.90.0.11:6443"

    def test_secrets_withheld(self, version: str) -> None:
        found = output.parse_init(fixture(f"{version}_init_dry_run_withheld.txt"))
        assert found.certificate_key is None
        assert found.worker_join.token is None

    @pytest.mark.parametrize("name", ["1.13_init.txt", "1.15_init.txt", "1.19_init.txt"])
    def test_older_wording(self, name: str) -> None:
        found = output.parse_init(fixture(name))
        assert found.kubernetes_version is not None
        assert name.startswith(found.kubernetes_version.rpartition(".")[0] + "_")
        assert found.worker_join.endpoint == "10.90.0.100:8443"
        assert found.worker_join.token == TOKEN
        assert found.kubeconfig == "/etc/kubernetes/admin.conf"
        assert (found.control_plane_join is not None) == (name != "1.13_init.txt")
        assert found.certificate_key == (None if name == "1.13_init.txt" else KEY)

    def test_key_of_the_command_without_upload_line(self) -> None:
        text = re.sub(r"\[upload-certs\] Using.*:\n.*\n", "", fixture("1.36.3_init_dry_run.txt"))
        assert "[upload-certs] Using" not in text
        assert output.parse_init(text).certificate_key == KEY

    def test_without_version_and_kubeconfig(self) -> None:
        found = output.parse_init(f"Your Kubernetes control plane has initialized successfully!\n{JOIN}")
        assert found.kubernetes_version is None
        assert found.kubeconfig is None
        assert found.certificate_key is None

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            (JOIN, "initialized successfully"),
            (f"{SUCCESS}\n", "for workers"),
            (f"{SUCCESS}\n{JOIN} --control-plane", "for workers"),
            ("", "found no output"),
        ],
    )
    def test_errors(self, text: str, expected: str) -> None:
        with pytest.raises(output.ParseError, match=expected):
            output.parse_init(text)

    def test_failed_init(self, version: str) -> None:
        with pytest.raises(output.ParseError, match="initialized successfully"):
            output.parse_init(fixture(f"{version}_init_preflight_errors.txt"))


class TestUploadCerts:
    def test_recorded(self, version: str) -> None:
        assert re.fullmatch("[0-9a-f]{64}", output.parse_upload_certs(fixture(f"{version}_upload_certs.txt")))

    @pytest.mark.parametrize("separator", ["\n", "\r\n", " \n  "])
    def test_key_on_the_next_line(self, separator: str) -> None:
        assert output.parse_upload_certs(f"W1\n[upload-certs] Using certificate key:{separator}{KEY}\n") == KEY

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "[upload-certs] Using certificate key:",
            f"Using:\n{KEY}",
            "[upload-certs] Using certificate key:\nnonsense\n",
        ],
    )
    def test_errors(self, text: str) -> None:
        with pytest.raises(output.ParseError, match="64 hexadecimal digits"):
            output.parse_upload_certs(text)


class TestTokenList:
    FULL: dict[str, Any] = {  # noqa: RUF012
        "kind": "BootstrapToken",
        "token": TOKEN,
        "expires": "2026-11-23T22:00:00Z",
        "usages": ["authentication", "signing"],
        "groups": ["system:bootstrappers:kubeadm:default-node-token"],
        "description": "a node",
    }

    def test_recorded(self, version: str) -> None:
        tokens = output.parse_token_list(fixture(f"{version}_token_list.json"))
        by_description = {token.description: token for token in tokens}
        assert set(by_description) == {"", "never expires", "Proxy for managing TTL for the kubeadm-certs secret"}
        assert by_description["never expires"].expires is None
        assert by_description[""].usages == ("authentication", "signing")
        assert re.fullmatch(r"2026-11-23T\d\d:\d\d:\d\dZ", by_description[""].expires or "")
        proxy = by_description["Proxy for managing TTL for the kubeadm-certs secret"]
        assert proxy.usages == proxy.groups == ()

    def test_stream(self) -> None:
        second = {"token": "ghijkl.fedcba9876543210", "expires": None, "usages": None}
        tokens = output.parse_token_list(json.dumps(self.FULL, indent=4) + "\n" + json.dumps(second) + "\n")
        assert tokens == (
            output.BootstrapToken(
                token=TOKEN,
                token_id="abcdef",
                expires="2026-11-23T22:00:00Z",
                usages=("authentication", "signing"),
                groups=("system:bootstrappers:kubeadm:default-node-token",),
                description="a node",
            ),
            output.BootstrapToken("ghijkl.fedcba9876543210", "ghijkl", None, (), (), ""),
        )
        assert TOKEN not in repr(tokens)

    @pytest.mark.parametrize("text", ["", "\n"])
    def test_no_tokens(self, text: str) -> None:
        assert output.parse_token_list(text) == ()

    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            ({"token": "x"}, "ID.SECRET"),
            ({"token": None}, "a text 'token'"),
            ({"expires": 1}, "a text 'expires'"),
            ({"usages": "signing"}, "a list of texts 'usages'"),
            ({"groups": [1]}, "a list of texts 'groups'"),
            ({"description": 1}, "a text 'description'"),
        ],
    )
    def test_errors(self, change: dict[str, Any], expected: str) -> None:
        with pytest.raises(output.ParseError, match=expected) as error:
            output.parse_token_list(json.dumps({**self.FULL, **change}))
        assert TOKEN not in str(error.value)

    @pytest.mark.parametrize("text", ["TOKEN TTL", '{"token": ', '{"token": "x"} tail', "{} []"])
    def test_no_json(self, text: str) -> None:
        with pytest.raises(output.ParseError, match="of kubeadm token list"):
            output.parse_token_list(text)


class TestVersion:
    def test_recorded(self, version: str) -> None:
        found = output.parse_version(fixture(f"{version}_version.json"))
        assert found == output.KubeadmVersion(version, "linux/amd64", "0" * 40)

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("{}", "clientVersion"),
            ('{"clientVersion": {}}', "gitVersion"),
            ('{"clientVersion": {"gitVersion": "1.36.3"}}', "like v1.36.3"),
            ("{}\n{}", "one JSON object"),
            ("kubeadm version: v1.36.3", "JSON of kubeadm version"),
        ],
    )
    def test_errors(self, text: str, expected: str) -> None:
        with pytest.raises(output.ParseError, match=expected):
            output.parse_version(text)


class TestImages:
    def test_recorded(self, version: str) -> None:
        images = output.parse_images(fixture(f"{version}_images.json"))
        assert images[0] == f"registry.k8s.io/kube-apiserver:v{version}"
        assert len(images) == 7

    def test_talk_before_the_document(self) -> None:
        text = 'I1122 22:00:00.000000 1 version.go:252] remote version\n{"images": ["a:1"]}\n'
        assert output.parse_images(text) == ("a:1",)

    @pytest.mark.parametrize("text", ['{"images": []}', "{}"])
    def test_none(self, text: str) -> None:
        with pytest.raises(output.ParseError, match="at least one image"):
            output.parse_images(text)


class TestProblems:
    def test_recorded(self, version: str) -> None:
        case = f"{version}_init_preflight_errors"
        problems = output.parse_problems(fixture(f"{case}.txt") + fixture(f"{case}.stderr.txt"))
        errors = {check.name: check.message for check in problems.errors}
        assert errors["Port-6443"] == "Port 6443 is in use"
        assert errors["FileAvailable--etc-kubernetes-manifests-kube-apiserver.yaml"].endswith("already exists")
        assert "service-kubelet" in [check.name.lower() for check in problems.warnings]

    def test_log_warnings(self, version: str) -> None:
        problems = output.parse_problems(fixture(f"{version}_init_dry_run.stderr.txt"))
        assert problems.errors == ()
        assert any("port specified in controlPlaneEndpoint" in warning for warning in problems.log_warnings)

    def test_several_lines(self) -> None:
        problems = output.parse_problems(
            "\t[ERROR SystemVerification]: failed to parse kernel config: unable to load kernel module\n"
            f'output: "modprobe: FATAL: {TOKEN}"\n, err: exit status 1\n'
            "[preflight] If you know what you are doing\n"
            "not part of it\n"
            "\t[WARNING Swap]: swap is on\nmore of it\n\nno more\n"
            "\t[WARNING A]: b\nI1122 22:00:00.1 1 a.go:1] info\nno more\n"
            "\t[WARNING C]: d\nerror: e\nno more\n"
            "\t[WARNING D]: e\nTo see the stack trace of this error\nno more\n"
        )
        assert problems.errors == (
            output.Check(
                "SystemVerification",
                "failed to parse kernel config: unable to load kernel module\n"
                'output: "modprobe: FATAL: abcdef.<hidden>"\n, err: exit status 1',
            ),
        )
        assert problems.warnings == (
            output.Check("Swap", "swap is on\nmore of it"),
            output.Check("A", "b"),
            output.Check("C", "d"),
            output.Check("D", "e"),
        )
        assert problems.log_warnings == ()

    def test_none(self) -> None:
        assert output.parse_problems("ok\n") == output.Problems((), (), ())


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
        summary = output.error_summary(fixture(f"{version}_{case}.stderr.txt"))
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
        assert output.error_summary(text) == expected
