# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of registries that containerd takes, as far as Docker can be told the same.

Sources: https://docs.docker.com/engine/security/certificates/, https://docs.docker.com/docker-hub/image-library/mirror/
and https://docs.docker.com/reference/cli/dockerd/#insecure-registries.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from ansible.errors import AnsibleFilterError

from ansible_collections.kubestead.cluster.plugins.plugin_utils.containerd import (
    DEFAULT,
    HEADER,
    MIRROR_OPTIONS,
    REGISTRY_OPTIONS,
)
from ansible_collections.kubestead.cluster.plugins.plugin_utils.inventory import mapping, sequence

CERTS_D = "/etc/docker/certs.d"
HUB = "docker.io"
#: How docker.io itself is reached, whatever it is called.
HUB_SERVERS = frozenset({f"https://{name}" for name in (HUB, f"index.{HUB}", f"registry-1.{HUB}")})


@dataclass(frozen=True)
class Refused:
    """A setting that Docker has nothing like: where it stands, what it is, and what to do instead."""

    where: str
    found: str
    remedy: str


@dataclass
class Registries:
    """What Docker is told: certificates by host, keys of daemon.json, and what it can't be told."""

    certificates: dict[str, str] = field(default_factory=dict)
    mirrors: list[str] = field(default_factory=list)
    insecure: list[str] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)

    def refuse(self, where: str, found: str, remedy: str) -> None:
        self.refused.append(Refused(where, found, remedy))

    def known(self, where: str, settings: Mapping[str, Any], options: frozenset[str]) -> None:
        """No setting is lost, as a misspelt one would be."""
        for key in sorted(set(settings) - options):
            self.refuse(f"{where}.{key}", "an unknown key", f"take one of {', '.join(sorted(options))}")

    def access(self, where: str, host: str, settings: Mapping[str, Any]) -> None:
        """How one host is spoken to."""
        ca = str(settings.get("ca") or "")
        if "-----BEGIN" in ca:
            self.certificates[host] = ca.strip()
        elif ca:
            self.refuse(f"{where}.ca", "a path", "give its text, such as by lookup('ansible.builtin.file', path)")
        if settings.get("skip_verify") and host not in self.insecure:
            self.insecure.append(host)
        if settings.get("credentials"):
            self.refuse(f"{where}.credentials", "credentials", "use imagePullSecrets in the cluster instead")

    def hub(self, where: str, settings: Mapping[str, Any]) -> None:
        """docker.io, of which alone Docker knows mirrors; how itself is spoken to can't be changed."""
        shared = {key: settings[key] for key in ("ca", "skip_verify") if key in settings}
        plain = False
        for number, mirror in enumerate(sequence(settings.get("mirrors"))):
            plain = plain or not isinstance(mirror, Mapping)
            own = mirror if isinstance(mirror, Mapping) else {**shared, "url": mirror}
            self.known(f"{where}.mirrors[{number}]", own, MIRROR_OPTIONS)
            url = str(own.get("url") or "")
            self.mirrors.append(url)
            self.access(f"{where}.mirrors[{number}]", urlsplit(url).netloc, own)
        if settings.get("credentials"):
            self.refuse(f"{where}.credentials", "credentials", "use imagePullSecrets in the cluster instead")
        if shared and not plain:
            remedy = f"give them to a mirror of {HUB}, or make the CA one of the machine's own"
            self.refuse(where, f"{' and '.join(shared)} of {HUB} itself", remedy)
        if str(settings.get("server") or f"https://{HUB}").rstrip("/") not in HUB_SERVERS:
            self.refuse(f"{where}.server", f"another server than {HUB}", "give it as the first of the mirrors")

    def other(self, where: str, name: str, settings: Mapping[str, Any]) -> None:
        """Any other registry, which is asked at the name that the image has and nowhere else."""
        server = urlsplit(str(settings.get("server") or f"https://{name}"))
        if settings.get("mirrors"):
            remedy = "name the images by the mirror, or set cluster_container_runtime: containerd"
            self.refuse(f"{where}.mirrors", f"mirrors of {name}", remedy)
        if server.netloc != name or server.path.strip("/"):
            remedy = "name the images by that server, or set cluster_container_runtime: containerd"
            self.refuse(f"{where}.server", f"another server than {name}", remedy)
        self.access(where, name, {**settings, "skip_verify": settings.get("skip_verify") or server.scheme == "http"})

    def files(self) -> list[dict[str, Any]]:
        """Certificates, as files for machine_config."""
        return [
            {"path": f"{CERTS_D}/{host}/ca.crt", "content": f"{HEADER}{ca}\n"}
            for host, ca in sorted(self.certificates.items())
        ]

    def daemon(self, mirrors: list[str]) -> dict[str, Any]:
        """Keys of daemon.json; other mirrors come first."""
        keys = {"registry-mirrors": [*mirrors, *self.mirrors], "insecure-registries": self.insecure}
        return {key: value for key, value in keys.items() if value}


def read(registries: Mapping[str, Any]) -> Registries:
    """Return what Docker is told of all registries."""
    found = Registries()
    for name in sorted(registries):
        where, settings = f"containerd_registries[{name}]", mapping(registries[name])
        found.known(where, settings, REGISTRY_OPTIONS)
        if name == DEFAULT:
            remedy = f"name the registries, or set docker_registry_mirrors for {HUB}"
            found.refuse(where, "settings for every registry", remedy)
        elif name == HUB:
            found.hub(where, settings)
        else:
            found.other(where, name, settings)
    return found


def docker_registries(registries: Mapping[str, Any], mirrors: list[str] | None = None) -> dict[str, Any]:
    """Return the files and the keys of daemon.json."""
    found = read(registries)
    if found.refused:
        raise AnsibleFilterError("; ".join(sentences(found)))
    return {"files": found.files(), "daemon": found.daemon(mirrors or [])}


def sentences(found: Registries) -> Iterator[str]:
    """What Docker can't be told, for people."""
    for item in found.refused:
        yield f"{item.where}: found {item.found}, which Docker can't have; {item.remedy}"
