# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running kubeadm with a configuration that nobody else can read and that is gone afterwards."""

from __future__ import annotations

import os
import secrets
import string
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.kubestead.cluster.plugins.module_utils._kubeadm.documents import (
    CERTIFICATES,
    CERTIFICATES_LABEL,
    render,
)
from ansible_collections.kubestead.cluster.plugins.module_utils._runner import Runner

RUN = Path("/run/kubestead")
# https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/#token-format
TOKEN_ALPHABET = string.ascii_lowercase + string.digits
ADMIN_CONF = "/etc/kubernetes/admin.conf"


class PatchesError(Exception):
    """The directory of patches that kubeadm is to apply is not there."""


def expect_patches(documents: list[dict[str, Any]]) -> None:
    """Raise PatchesError where a document names a directory of patches that is none: kubeadm looks for it late."""
    for document in documents:
        directory = (document.get("patches") or {}).get("directory")
        if directory and not Path(directory).is_dir():
            raise PatchesError(
                f"{document['kind']}, patches.directory: found no directory {directory}; expected kubeadm's patches in "
                "it; create it, or run site.yml without --tags if it is the collection's own"
            )


@contextmanager
def configuration(documents: list[dict[str, Any]], name: str = "kubeadm.yaml") -> Iterator[str]:
    """Write documents to a file of mode 0600 in memory (/run), give its path, and remove it.

    The name is fixed, so that a file that a killed run left is replaced by the next one.
    """
    RUN.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = RUN / name
    path.unlink(missing_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
            handle.write(render(documents))
        yield str(path)
    finally:
        path.unlink(missing_ok=True)


def label_certificates(run: Runner) -> None:
    """Label the certificates that kubeadm has just uploaded, so that a later run recognises and removes them."""
    labels = [f"{name}={value}" for name, value in CERTIFICATES_LABEL.items()]
    place = ["--kubeconfig", ADMIN_CONF, "--namespace", "kube-system"]
    run(["kubectl", *place, "label", "--overwrite", "secret", CERTIFICATES, *labels])


def new_token() -> str:
    """Return a new bootstrap token."""
    return ".".join("".join(secrets.choice(TOKEN_ALPHABET) for _position in range(length)) for length in (6, 16))


def new_certificate_key() -> str:
    """Return a new key for the certificates that kubeadm uploads: an AES key of 32 bytes, in hex."""
    return secrets.token_hex(32)
