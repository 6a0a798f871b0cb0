# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters: what kubeadm prints, as data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.kubestead.cluster.plugins.module_utils._kubeadm import output


def _parsed(name: str, parse: Callable[[str], Any], text: object) -> Any:
    if not isinstance(text, str):
        raise AnsibleFilterError(f"{name}: expected text that kubeadm printed, found {type(text).__name__}")
    try:
        return parse(text)
    except output.ParseError as error:
        raise AnsibleFilterError(f"{name}: {error}") from error


def _command(command: output.JoinCommand) -> dict[str, Any]:
    found = asdict(command)
    return {**found, "ca_cert_hashes": list(command.ca_cert_hashes), "other_flags": list(command.other_flags)}


def kubeadm_join_command(text: object) -> dict[str, Any]:
    """Return the parts of one ``kubeadm join`` command."""
    return _command(_parsed("kubeadm_join_command", output.parse_join_command, text))


def kubeadm_init_output(text: object) -> dict[str, Any]:
    """Return what ``kubeadm init`` says at its end."""
    found: output.InitOutput = _parsed("kubeadm_init_output", output.parse_init, text)
    return {
        "kubernetes_version": found.kubernetes_version,
        "kubeconfig": found.kubeconfig,
        "certificate_key": found.certificate_key,
        "worker_joins": [_command(command) for command in found.worker_joins],
        "control_plane_joins": [_command(command) for command in found.control_plane_joins],
    }


class FilterModule:
    """Filters over kubeadm's output."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"kubeadm_init_output": kubeadm_init_output, "kubeadm_join_command": kubeadm_join_command}
