# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""containerd's configuration, in the scheme of the installed version.

Sources: https://github.com/containerd/containerd/blob/main/docs/cri/config.md and docs/hosts.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.kubestead.cluster.plugins.module_utils._kubeadm.documents import merge

CERTS_D = "/etc/containerd/certs.d"
# kubernetes-cni puts the plugins here; distributions' containerd packages look elsewhere by default.
CNI_BIN = "/opt/cni/bin"
BARE_KEY = re.compile(r"^[A-Za-z0-9_-]+$")
REGISTRY_OPTIONS = frozenset({"server", "mirrors", "ca", "skip_verify"})


def toml_value(value: Any) -> str:
    """Return a TOML value. JSON's strings, numbers and booleans are TOML's too."""
    if isinstance(value, list):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    if isinstance(value, bool | int | float | str):
        return json.dumps(value, ensure_ascii=False)
    raise AnsibleFilterError(
        f"containerd's configuration: {value!r} can't be written as TOML; use text, a number or a list"
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
    header = "# Managed by kubestead.cluster: changes made here are overwritten.\n"
    return header + to_toml(merge(base, dict(overrides)))


def registry_files(registries: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one hosts.toml for each registry, as files for machine_config."""
    files = []
    for name, settings in sorted(registries.items()):
        unknown = sorted(set(settings) - REGISTRY_OPTIONS)
        if unknown:
            raise AnsibleFilterError(
                f"containerd_registries[{name}]: found {', '.join(unknown)}, "
                f"expected {', '.join(sorted(REGISTRY_OPTIONS))}"
            )
        access: dict[str, Any] = {"capabilities": ["pull", "resolve"]}
        access.update({key: settings[key] for key in ("ca", "skip_verify") if key in settings})
        server = settings.get("server") or f"https://{name}"
        # containerd asks the hosts in the order of the file.
        hosts = [to_toml({"host": {str(host): access}}) for host in [*settings.get("mirrors", []), server]]
        content = "\n".join([to_toml({"server": server}), *dict.fromkeys(hosts)])
        files.append({"path": f"{CERTS_D}/{name}/hosts.toml", "content": content})
    return files
