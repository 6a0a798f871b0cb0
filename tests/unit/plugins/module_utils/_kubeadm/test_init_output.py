# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

import pytest

from ansible_collections.kubestead.cluster.plugins.module_utils._kubeadm import init_output
from ansible_collections.kubestead.cluster.plugins.module_utils._redact import ParseError
from tests.unit.kubeadm_outputs import JOIN, KEY, SUCCESS, TOKEN, fixture


class TestInit:
    @pytest.mark.parametrize(
        ("case", "endpoint"),
        [("init_dry_run", "10.90.0.100:8443"), ("init_dry_run_ipv6_endpoint", "[fd00:90::100]:8443")],
    )
    def test_recorded(self, version: str, case: str, endpoint: str) -> None:
        found = init_output.parse_init(fixture(f"{version}_{case}.txt"))
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
        found = init_output.parse_init(fixture("1.36.3_init.txt"))
        assert found.kubernetes_version == "1.36.3"
        assert found.kubeconfig == "/etc/kubernetes/admin.conf"
        assert found.control_plane_join is not None
        assert found.certificate_key == found.control_plane_join.certificate_key
        assert found.certificate_key is not None
        assert found.worker_join.endpoint == "10.90.1.11:6443"

    def test_two_tokens(self, version: str) -> None:
        found = init_output.parse_init(fixture(f"{version}_init_dry_run_two_tokens.txt"))
        tokens = [TOKEN, "ghijkl.fedcba9876543210"]
        assert [command.token for command in found.worker_joins] == tokens
        assert [command.token for command in found.control_plane_joins] == tokens
        assert found.worker_join.token == TOKEN

    def test_certificates_not_uploaded(self, version: str) -> None:
        """kubeadm names the key of its configuration all the same."""
        found = init_output.parse_init(fixture(f"{version}_init_dry_run_no_upload.txt"))
        assert found.certificate_key is None
        assert found.control_plane_join is not None
        assert found.control_plane_join.certificate_key == KEY

    def test_no_endpoint(self, version: str) -> None:
        found = init_output.parse_init(fixture(f"{version}_init_dry_run_no_endpoint.txt"))
        assert found.control_plane_joins == ()
        assert found.control_plane_join is None
        assert found.certificate_key == KEY
        assert found.worker_join.endpoint == "10.90.0.11:6443"

    def test_secrets_withheld(self, version: str) -> None:
        found = init_output.parse_init(fixture(f"{version}_init_dry_run_withheld.txt"))
        assert found.certificate_key is None
        assert found.worker_join.token is None

    @pytest.mark.parametrize("name", ["1.13_init.txt", "1.15_init.txt", "1.19_init.txt"])
    def test_older_wording(self, name: str) -> None:
        found = init_output.parse_init(fixture(name))
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
        assert init_output.parse_init(text).certificate_key == KEY

    def test_without_version_and_kubeconfig(self) -> None:
        found = init_output.parse_init(f"Your Kubernetes control plane has initialized successfully!\n{JOIN}")
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
        with pytest.raises(ParseError, match=expected):
            init_output.parse_init(text)

    def test_failed_init(self, version: str) -> None:
        with pytest.raises(ParseError, match="initialized successfully"):
            init_output.parse_init(fixture(f"{version}_init_preflight_errors.txt"))


class TestUploadCerts:
    def test_recorded(self, version: str) -> None:
        assert re.fullmatch("[0-9a-f]{64}", init_output.parse_upload_certs(fixture(f"{version}_upload_certs.txt")))

    @pytest.mark.parametrize("separator", ["\n", "\r\n", " \n  "])
    def test_key_on_the_next_line(self, separator: str) -> None:
        assert init_output.parse_upload_certs(f"W1\n[upload-certs] Using certificate key:{separator}{KEY}\n") == KEY

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
        with pytest.raises(ParseError, match="64 hexadecimal digits"):
            init_output.parse_upload_certs(text)
