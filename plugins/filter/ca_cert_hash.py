# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: the hash by which a cluster's CA is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.kubestead.cluster.plugins.module_utils import _certificates


def ca_cert_hash(pem: str) -> str:
    """Return the hash of a CA's public key, such as sha256:5f5b64..., as kubeadm join takes it."""
    try:
        return _certificates.ca_cert_hash(pem)
    except _certificates.CertificateError as error:
        raise AnsibleFilterError(f"ca_cert_hash: {error}") from error


class FilterModule:
    """Filters over certificates."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"ca_cert_hash": ca_cert_hash}
