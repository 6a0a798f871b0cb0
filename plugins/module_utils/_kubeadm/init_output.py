# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parse the output of ``kubeadm init``, which has only text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ansible_collections.kubestead.cluster.plugins.module_utils._kubeadm.join_command import (
    KEY_VALUE,
    JoinCommand,
    parse_join_commands,
)
from ansible_collections.kubestead.cluster.plugins.module_utils._redact import ParseError

# "master" up to 1.13. The sentences around the join commands changed more often ("the control-plane node running",
# "control-plane nodes running", indentation by tabs or spaces), so nothing here depends on them.
_INITIALIZED = re.compile(r"^Your Kubernetes (?:control[- ]plane|master) has initialized successfully!", re.MULTILINE)
_INIT_VERSION = re.compile(r"^\[init\] Using Kubernetes version: v?(\S+)", re.MULTILINE)
_KUBECONFIG = re.compile(r"^[ \t]*sudo cp -i (\S+) \$HOME/\.kube/config", re.MULTILINE)
_UPLOADED_KEY = re.compile(r"^\[upload-certs\] Using certificate key:[ \t]*\r?\n[ \t]*(\S+)[ \t]*\r?$", re.MULTILINE)
# Where a configuration has a certificate key, the join command names it even when nothing was uploaded under it.
_NOT_UPLOADED = "control-plane nodes by copying certificate authorities"


@dataclass(frozen=True)
class InitOutput:
    """What ``kubeadm init`` says at its end; one join command per bootstrap token.

    ``certificate_key`` is None when no certificates were uploaded, or the key was withheld.
    """

    worker_joins: tuple[JoinCommand, ...]
    control_plane_joins: tuple[JoinCommand, ...] = ()
    certificate_key: str | None = field(default=None, repr=False)
    kubeconfig: str | None = None
    kubernetes_version: str | None = None

    @property
    def worker_join(self) -> JoinCommand:
        """The command for the first token."""
        return self.worker_joins[0]

    @property
    def control_plane_join(self) -> JoinCommand | None:
        """The command for the first token; None where the cluster has no endpoint to join control planes by."""
        return self.control_plane_joins[0] if self.control_plane_joins else None


def parse_init(text: str) -> InitOutput:
    """The output of a ``kubeadm init`` that succeeded, including the phase show-join-command."""
    if not _INITIALIZED.search(text):
        raise ParseError("'Your Kubernetes control-plane has initialized successfully!'", text)
    commands = parse_join_commands(text)
    workers = tuple(command for command in commands if not command.control_plane)
    control_planes = tuple(command for command in commands if command.control_plane)
    if not workers:
        raise ParseError("a 'kubeadm join' command for workers in the output of 'kubeadm init'", text)
    keys = [command.certificate_key for command in control_planes if command.certificate_key]
    if _UPLOADED_KEY.search(text):
        keys.insert(0, parse_upload_certs(text))
    elif _NOT_UPLOADED in text:
        keys.clear()
    version = _INIT_VERSION.search(text)
    kubeconfig = _KUBECONFIG.search(text)
    return InitOutput(
        worker_joins=workers,
        control_plane_joins=control_planes,
        certificate_key=keys[0] if keys else None,
        kubeconfig=kubeconfig.group(1) if kubeconfig else None,
        kubernetes_version=version.group(1) if version else None,
    )


def parse_upload_certs(text: str) -> str:
    """The certificate key that ``kubeadm init phase upload-certs --upload-certs`` prints."""
    match = _UPLOADED_KEY.search(text)
    if match is None or not KEY_VALUE.fullmatch(match.group(1)):
        raise ParseError("64 hexadecimal digits on the line after '[upload-certs] Using certificate key:'", text)
    return match.group(1)
