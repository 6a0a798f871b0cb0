# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""containerd's configuration, in the scheme of the installed version.

Sources: https://github.com/containerd/containerd/blob/main/docs/cri/config.md and docs/hosts.md.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.kubestead.cluster.plugins.module_utils._kubeadm.documents import merge

CERTS_D = "/etc/containerd/certs.d"
# By this line a later run knows what it may take away again; readers of PEM skip what is around a certificate.
HEADER = "# Managed by kubestead.cluster: changes made here are overwritten.\n"
# kubernetes-cni puts the plugins here; distributions' containerd packages look elsewhere by default.
CNI_BIN = "/opt/cni/bin"
BARE_KEY = re.compile(r"^[A-Za-z0-9_-]+$")
# What stands for every registry that has no settings of its own.
DEFAULT = "_default"
REGISTRY_OPTIONS = frozenset({"server", "mirrors", "ca", "skip_verify", "credentials"})
MIRROR_OPTIONS = frozenset({"url", "ca", "skip_verify", "credentials"})
CREDENTIALS = frozenset({"username", "password"})


def toml_value(value: Any) -> str:
    """Return a TOML value. JSON's strings, numbers and booleans are TOML's too."""
    if isinstance(value, list):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    if isinstance(value, bool | int | float | str):
        return json.dumps(value, ensure_ascii=False)
    raise AnsibleFilterError(
        f"containerd's configuration: a {type(value).__name__} can't be written as TOML; use text, a number or a list"
    )


def toml_key(key: str) -> str:
    """Return a key, quoted where TOML wants that."""
    return key if BARE_KEY.match(key) else json.dumps(key)


def to_toml(table: Mapping[str, Any], path: tuple[str, ...] = ()) -> str:
    """Render nested tables as TOML, in a fixed order: values first, then tables by name."""
    values = {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    tables = {key: value for key, value in table.items() if isinstance(value, Mapping)}
    lines = []
    if path and (values or not tables):
        lines.append("[" + ".".join(toml_key(part) for part in path) + "]")
    lines += [f"{toml_key(key)} = {toml_value(values[key])}" for key in sorted(values)]
    blocks = ["\n".join(lines) + "\n"] if lines else []
    blocks += [to_toml(tables[key], (*path, key)) for key in sorted(tables)]
    return "\n".join(blocks)


def containerd_config(overrides: Mapping[str, Any], installed_version: str, sandbox_image: str) -> str:
    """Return config.toml: what kubelet needs, with the user's own settings merged last."""
    options = {"SystemdCgroup": True}
    major = re.match(r"(?:\d+:)?(\d+)", installed_version)
    if major and int(major.group(1)) < 2:
        cri = {
            "sandbox_image": sandbox_image,
            "cni": {"bin_dir": CNI_BIN},
            "registry": {"config_path": CERTS_D},
            "containerd": {"runtimes": {"runc": {"runtime_type": "io.containerd.runc.v2", "options": options}}},
        }
        base: dict[str, Any] = {"version": 2, "plugins": {"io.containerd.grpc.v1.cri": cri}}
    else:
        runtime = {
            "cni": {"bin_dirs": [CNI_BIN]},
            "containerd": {"runtimes": {"runc": {"runtime_type": "io.containerd.runc.v2", "options": options}}},
        }
        images = {"pinned_images": {"sandbox": sandbox_image}, "registry": {"config_path": CERTS_D}}
        base = {
            "version": 3,
            "plugins": {"io.containerd.cri.v1.runtime": runtime, "io.containerd.cri.v1.images": images},
        }
    return HEADER + to_toml(merge(base, dict(overrides)))


def _unknown(where: str, settings: Mapping[str, Any], known: frozenset[str]) -> None:
    unknown = sorted(set(settings) - known)
    if unknown:
        raise AnsibleFilterError(f"{where}: found {', '.join(unknown)}, expected {', '.join(sorted(known))}")


def _authorization(where: str, credentials: Mapping[str, Any]) -> str:
    """Return the header that carries a user's name and password (RFC 7617)."""
    _unknown(f"{where}.credentials", credentials, CREDENTIALS)
    lacking = sorted(CREDENTIALS - set(credentials))
    if lacking:
        raise AnsibleFilterError(f"{where}.credentials: found no {', '.join(lacking)}, expected username and password")
    text = f"{credentials['username']}:{credentials['password']}"
    return f"Basic {base64.b64encode(text.encode()).decode()}"


@dataclass
class _Registry:
    """The files of one registry, as they come together."""

    name: str
    extra: list[dict[str, Any]] = field(default_factory=list)
    sensitive: bool = False

    def access(self, url: str, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return how one host is spoken to; a certificate given as text becomes a file of its own."""
        table: dict[str, Any] = {"capabilities": ["pull", "resolve"]}
        if "skip_verify" in settings:
            table["skip_verify"] = settings["skip_verify"]
        if settings.get("ca"):
            table["ca"] = self.certificate(url, str(settings["ca"]))
        if settings.get("credentials"):
            header = _authorization(f"containerd_registries[{self.name}]", settings["credentials"])
            table["header"] = {"Authorization": header}
            self.sensitive = True
        return table

    def certificate(self, url: str, ca: str) -> str:
        """Return the path of a CA certificate."""
        if "-----BEGIN" not in ca:
            return ca
        path = f"{CERTS_D}/{self.name}/{re.sub(r'[^A-Za-z0-9.-]', '_', url.partition('://')[2])}.crt"
        content = f"{HEADER}{ca.strip()}\n"
        if path not in [item["path"] for item in self.extra]:
            self.extra.append({"path": path, "content": content})
        return path

    def files(self, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return hosts.toml and what it refers to."""
        where = f"containerd_registries[{self.name}]"
        _unknown(where, settings, REGISTRY_OPTIONS)
        server = settings.get("server") or f"https://{self.name}"
        shared = {key: settings[key] for key in ("ca", "skip_verify") if key in settings}
        # containerd asks the hosts in the order of the file. The server is one of them too, the last: containerd 1.7
        # speaks TLS to a server that is none, whatever its URL says.
        mirrors: dict[str, dict[str, Any]] = {}
        for mirror in settings.get("mirrors", []):
            # What the registry's own user is called is not a mirror's business.
            own = mirror if isinstance(mirror, Mapping) else {**shared, "url": mirror}
            _unknown(f"{where}.mirrors", own, MIRROR_OPTIONS)
            if not own.get("url"):
                raise AnsibleFilterError(f"{where}.mirrors: found no url, expected one in each")
            mirrors[str(own["url"])] = self.access(str(own["url"]), own)
        mirrors[server] = self.access(server, settings)
        # What is found nowhere is asked of the server once more: its answer is the error that is shown.
        tables = [to_toml({"server": server, **mirrors[server]})]
        tables += [to_toml({"host": {url: table}}) for url, table in mirrors.items()]
        content = HEADER + "\n".join(tables)
        hosts_file: dict[str, Any] = {"path": f"{CERTS_D}/{self.name}/hosts.toml", "content": content}
        if self.sensitive:
            hosts_file |= {"mode": "0600", "sensitive": True}
        return [hosts_file, *self.extra]


def site_registries(
    registries: Mapping[str, Mapping[str, Any]], settings: Mapping[str, Any]
) -> dict[str, Mapping[str, Any]]:
    """Return the registries' settings with the site's own mirror asked before all of them, where there is one."""
    host = settings.get("mirror_host")
    if not host:
        return dict(registries)
    mirror = {"url": f"https://{host}", "ca": settings["mirror_ca"]}
    found: dict[str, Mapping[str, Any]] = {
        name: {**own, "mirrors": [mirror, *own.get("mirrors", [])]} for name, own in registries.items()
    }
    # It is the only place then where images of all other registries can come from.
    return {DEFAULT: {"server": mirror["url"], "ca": mirror["ca"]}, **found}


def registry_files(
    registries: Mapping[str, Mapping[str, Any]], settings: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Return one hosts.toml for each registry with its certificates, as files for machine_config."""
    wanted = site_registries(registries, settings or {})
    return [item for name in sorted(wanted) for item in _Registry(name).files(wanted[name])]
