# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The administrator's kubeconfig on the controller: whose cluster it is for, and whether it needs to be replaced.

Pure functions over texts. The file format is https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import yaml

from ansible_collections.kubestead.cluster.plugins.module_utils._certificates import (
    Certificate,
    CertificateError,
    ca_cert_hash,
    read_certificate,
)
from ansible_collections.kubestead.cluster.plugins.plugin_utils.inventory import Problem

#: A certificate that lives longer than this is not replaced.
LONG = timedelta(days=30)
#: The groups of kubeadm's administrators: https://kubernetes.io/docs/reference/setup-tools/kubeadm/implementation-details/
ADMINISTRATORS = frozenset({"kubeadm:cluster-admins", "system:masters"})
#: The name of a cluster that nobody has named (https://kubernetes.io/docs/reference/config-api/kubeadm-config.v1beta4/).
UNNAMED = "kubernetes"


class AdminKubeconfigError(Exception):
    """A text is not a kubeconfig of this kind; the message quotes nothing of it."""


@dataclass(frozen=True)
class ClusterIdentity:
    """The cluster that the inventory means.

    ``endpoint`` is host:port, ``ca_hashes`` are those of the inventory's machines, empty where no machine was read.
    """

    name: str
    endpoint: str
    proxy: str = ""
    ca_hashes: Sequence[str] = ()

    @property
    def server(self) -> str:
        """The URL of the endpoint, which may be given with its scheme."""
        return f"https://{self.endpoint.removeprefix('https://').rstrip('/')}"


@dataclass(frozen=True)
class AdminKubeconfig:
    """What a kubeconfig's current context says. ``entries`` is how many clusters and users the file has, at most.

    Files that it names are not followed: ``ca`` and ``certificate`` are PEM, None where the file has no such text.
    ``plain`` means that the user logs in by certificate and key of this file, and the cluster's certificate is verified
    as usual: nothing else of the file has an effect.
    """

    server: str
    ca: str | None
    certificate: str | None
    key: str | None = field(repr=False)
    proxy: str = field(default="", repr=False)
    plain: bool = False
    entries: int = 1

    @property
    def ca_hash(self) -> str:
        """The hash of the CA's key; '' where it has no readable CA."""
        try:
            return ca_cert_hash(self.ca) if self.ca else ""
        except CertificateError:
            return ""

    @property
    def subject(self) -> Certificate | None:
        """The administrator's certificate, None where it has no readable one."""
        try:
            return read_certificate(self.certificate) if self.certificate else None
        except CertificateError:
            return None


def read(text: str) -> AdminKubeconfig:
    """Read a kubeconfig's current context. An AdminKubeconfigError says what is missing."""
    try:
        # YAML takes no text that Ansible has tagged.
        document = yaml.safe_load(str(text))
        context = _named(document, "contexts", document["current-context"])["context"]
        cluster = _named(document, "clusters", context["cluster"])["cluster"]
        user = _named(document, "users", context["user"])["user"]
        return AdminKubeconfig(
            server=str(cluster["server"]).rstrip("/"),
            ca=_data(cluster, "certificate-authority"),
            certificate=_data(user, "client-certificate"),
            key=_data(user, "client-key"),
            proxy=str(cluster.get("proxy-url") or ""),
            plain=cluster.keys() <= {"server", "certificate-authority-data", "proxy-url"}
            and user.keys() == {"client-certificate-data", "client-key-data"},
            entries=max(len(document["clusters"]), len(document["users"])),
        )
    except (yaml.YAMLError, LookupError, TypeError, AttributeError):
        # The error may quote the text, and with it a key.
        raise AdminKubeconfigError("no kubeconfig with a current context") from None
    except (binascii.Error, UnicodeDecodeError):
        raise AdminKubeconfigError("a kubeconfig with data that is not PEM in base64") from None


def _named(document: Any, kind: str, name: str) -> Any:
    return {item["name"]: item for item in document[kind]}[name]


def _data(entry: Mapping[str, str], name: str) -> str | None:
    text = entry.get(f"{name}-data")
    return None if text is None else base64.b64decode(text, validate=True).decode("ascii")


def build(admin: AdminKubeconfig, cluster: ClusterIdentity) -> str:
    """Return a new kubeconfig of CA, certificate and key of this one; nothing else of it is taken over.

    A user entry that starts a program (``exec``) never gets onto the operator's machine in this way, nor does a server
    that is not the inventory's endpoint. Names are those of the cluster, so that the files of several clusters can be
    used together (KUBECONFIG=one:two).
    """
    if admin.subject is None or not admin.ca_hash or not admin.key:
        raise AdminKubeconfigError("no CA, client certificate and client key in the kubeconfig itself")
    user = f"{cluster.name}-admin"
    entry = {"certificate-authority-data": _encode(admin.ca), "server": cluster.server}
    if cluster.proxy:
        entry["proxy-url"] = cluster.proxy
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster.name, "cluster": entry}],
        "contexts": [{"name": cluster.name, "context": {"cluster": cluster.name, "user": user}}],
        "current-context": cluster.name,
        "users": [
            {
                "name": user,
                "user": {
                    "client-certificate-data": _encode(admin.certificate),
                    "client-key-data": _encode(admin.key),
                },
            }
        ],
    }
    return str(yaml.safe_dump(document, sort_keys=False))


def _encode(text: str | None) -> str:
    return base64.b64encode((text or "").encode()).decode("ascii")


def flaw(admin: AdminKubeconfig, cluster: ClusterIdentity, now: datetime) -> str:
    """Return why a kubeconfig does not serve; '' for one with an administrator's rights at the endpoint, for long.

    Two control planes have two certificates of one administrator: which of them it is makes no difference.
    """
    subject = admin.subject
    if not admin.plain:
        return "it has another way to log in or to reach the API than certificate, key and endpoint"
    if subject is None or not admin.key:
        return "it has no usable client certificate"
    if address(admin.server) != address(cluster.server):
        return "it is for another endpoint"
    if cluster.ca_hashes and admin.ca_hash not in cluster.ca_hashes:
        return "it is for another CA"
    if admin.proxy != cluster.proxy:
        return "it has another proxy"
    if not ADMINISTRATORS.intersection(subject.organizations):
        return "its user is no administrator"
    return "" if end_of(subject) - now > LONG else "its certificate ends soon"


def replaces(new: AdminKubeconfig, old: AdminKubeconfig, cluster: ClusterIdentity, now: datetime) -> bool:
    """Whether the control plane's kubeconfig is better than the controller's.

    Of two certificates that both end soon, as all of a cluster with short lifetimes do, the new one has to live twice
    as long: control planes renew theirs at different times.
    """
    why = flaw(old, cluster, now)
    if why != "its certificate ends soon" or new.subject is None or old.subject is None:
        return bool(why)
    return end_of(new.subject) - now > 2 * max(end_of(old.subject) - now, timedelta(0))


def end_of(certificate: Certificate) -> datetime:
    """Return the end of a certificate's validity."""
    return datetime.strptime(certificate.not_after, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


# --- whose cluster it is ---------------------------------------------------------------------------------------------


def address(server: str) -> tuple[str, int] | None:
    """Return host and port of a server's URL, None for what is no https URL."""
    try:
        parts = urlsplit(server)
        return (parts.hostname, parts.port or 443) if parts.scheme == "https" and parts.hostname else None
    except ValueError:
        return None


def other_cluster(text: str, cluster: ClusterIdentity, path: str) -> Problem | None:
    """Return why the file at a path must not be overwritten, None for the inventory's cluster at any time of its life.

    The same endpoint is the same cluster: where it was made anew, the file of the one before is of no use. The same CA
    is the same cluster too: its endpoint has changed.
    """
    expected = f"no file there, or the kubeconfig of {cluster.name} at {cluster.server} alone"
    remedy = "move it away, or set cluster_kubeconfig (or a cluster_name of its own for each inventory)"
    where = f"cluster_kubeconfig: {path}"
    try:
        admin = read(text)
    except AdminKubeconfigError as error:
        return Problem(where, str(error), expected, remedy)
    if admin.entries > 1:
        return Problem(where, f"a kubeconfig of {admin.entries} clusters or users", expected, remedy)
    if address(admin.server) == address(cluster.server) or admin.ca_hash in cluster.ca_hashes:
        return None
    return Problem(where, f"the kubeconfig of another cluster, at {admin.server}", expected, remedy)


def unproven(
    server: str, ca_hash: str, recorded_name: str | None, cluster: ClusterIdentity, path: str
) -> Problem | None:
    """Return why a kubeconfig is not proven to be that of the inventory's cluster, None if it is.

    ``server`` and ``ca_hash`` are the kubeconfig's; '' stands for a CA that is missing or not verified.
    ``recorded_name`` is the name that the cluster itself has recorded (clusterName in the ConfigMap kubeadm-config),
    None if it was not asked.

    The server is the inventory's endpoint, and TLS proves that whoever answers there has the CA of the file. That CA is
    the machines', where any was read. Where none was, two networks may use the same address, and the recorded name
    tells their clusters apart. kubeadm's own default tells nothing: clusters have it that nobody has named.
    """
    where = f"cluster_kubeconfig: {path}"
    remedy = "run site.yml of this inventory, which writes its kubeconfig, or correct cluster_kubeconfig"
    if address(server) != address(cluster.server):
        return Problem(where, f"the kubeconfig of a cluster at {server}", f"{cluster.name} at {cluster.server}", remedy)
    if not ca_hash:
        return Problem(where, "no CA by which the API is verified", f"the CA of {cluster.name}", remedy)
    if cluster.ca_hashes and ca_hash not in cluster.ca_hashes:
        found = f"the kubeconfig of a cluster with CA {ca_hash[:19]}"
        return Problem(where, found, f"the CA of the inventory's machines, {cluster.ca_hashes[0][:19]}", remedy)
    if recorded_name not in (None, UNNAMED, cluster.name):
        found = f"{cluster.name}, while the cluster at {cluster.server} was made as {recorded_name}"
        remedy = f"set cluster_name: {recorded_name} if it is this cluster; else correct endpoint and kubeconfig"
        return Problem("cluster_name", found, "the name that the cluster was made with", remedy)
    return None
