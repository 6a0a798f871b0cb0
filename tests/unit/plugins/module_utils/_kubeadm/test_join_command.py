# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.kubestead.cluster.plugins.module_utils._kubeadm import join_command
from ansible_collections.kubestead.cluster.plugins.module_utils._redact import ParseError
from tests.unit.kubeadm_outputs import HASH, JOIN, KEY, TOKEN, fixture


class TestJoinCommand:
    def test_worker(self) -> None:
        command = join_command.parse_join_command(JOIN)
        assert command == join_command.JoinCommand("10.90.0.100:8443", TOKEN, (HASH,))
        assert not command.control_plane
        assert command.certificate_key is None
        assert command.other_flags == ()

    @pytest.mark.parametrize("flag", ["--control-plane", "--experimental-control-plane", "--control-plane=true"])
    def test_control_plane(self, flag: str) -> None:
        command = join_command.parse_join_command(f"{JOIN} {flag} --certificate-key {KEY}")
        assert command.control_plane
        assert command.certificate_key == KEY

    def test_control_plane_false(self) -> None:
        assert not join_command.parse_join_command(f"{JOIN} --control-plane=false").control_plane

    def test_no_secret_in_repr(self) -> None:
        text = repr(join_command.parse_join_command(f"{JOIN} --control-plane --certificate-key {KEY}"))
        assert TOKEN not in text
        assert KEY not in text

    @pytest.mark.parametrize("line_end", [" \\\n\t", " \\\n    ", "\\\n", " \\\r\n\t", " \\ \n"])
    def test_line_continuations(self, line_end: str) -> None:
        text = f"  {JOIN} {line_end} --control-plane {line_end} --certificate-key {KEY}\nnext line"
        command = join_command.parse_join_command(text)
        assert command.certificate_key == KEY
        assert command.other_flags == ()

    def test_text_around(self) -> None:
        assert join_command.parse_join_command(f"W1122 warning\nuse kubeadm join here\n\t{JOIN} \n\n").token == TOKEN

    @pytest.mark.parametrize(
        "hashes",
        [
            f"--discovery-token-ca-cert-hash {HASH} --discovery-token-ca-cert-hash {HASH[:-1]}0",
            f"--discovery-token-ca-cert-hash={HASH},{HASH[:-1]}0",
        ],
    )
    def test_several_hashes(self, hashes: str) -> None:
        command = join_command.parse_join_command(f"kubeadm join h:1 --token={TOKEN} {hashes}")
        assert command.ca_cert_hashes == (HASH, HASH[:-1] + "0")

    @pytest.mark.parametrize(
        "endpoint", ["[fd00:90::100]:8443", "[fe80::1%eth0]:6443", "api.example.org:6443", "a:65535", "10.90.0.1:1"]
    )
    def test_endpoints(self, endpoint: str) -> None:
        assert join_command.parse_join_command(JOIN.replace("10.90.0.100:8443", endpoint)).endpoint == endpoint

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
        with pytest.raises(ParseError, match="one HOST:PORT"):
            join_command.parse_join_command(JOIN.replace("10.90.0.100:8443", endpoint))

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
        assert join_command.parse_join_command(f"{JOIN} {flags}").other_flags == kept

    def test_unknown_flag_before_the_endpoint(self) -> None:
        command = join_command.parse_join_command(JOIN.replace("join ", "join --new --node-name n1 --newer "))
        assert command.endpoint == "10.90.0.100:8443"
        assert command.other_flags == ("--new", "--node-name", "n1", "--newer")

    def test_discovery_token_and_no_hash(self) -> None:
        flag = "--discovery-token-unsafe-skip-ca-verification"
        command = join_command.parse_join_command(f"kubeadm join {flag} h:1 --discovery-token {TOKEN}")
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
        with pytest.raises(ParseError, match=expected) as error:
            join_command.parse_join_command(text)
        assert TOKEN not in str(error.value)

    def test_recorded(self, version: str) -> None:
        worker = join_command.parse_join_command(fixture(f"{version}_token_create.txt"))
        assert worker.endpoint == "10.90.1.11:6443"
        assert worker.token is not None
        assert not worker.control_plane
        control_plane = join_command.parse_join_command(fixture(f"{version}_token_create_control_plane.txt"))
        assert control_plane.control_plane
        assert control_plane.certificate_key == KEY
        assert control_plane.ca_cert_hashes == worker.ca_cert_hashes
        assert len(worker.ca_cert_hashes) == 1

    def test_withheld(self) -> None:
        text = f"{JOIN} --control-plane --certificate-key <value withheld>".replace(TOKEN, "<value withheld>")
        command = join_command.parse_join_command(text)
        assert command.token is None
        assert command.certificate_key is None
        assert command.control_plane
