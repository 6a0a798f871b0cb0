# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does with the kubeconfigs of a directory what its users may do and what not.

users.py DIRECTORY [ADMIN_KUBECONFIG [USER...]]

With an administrator's kubeconfig the users that are named, or all, are expected to be removed: nothing is allowed to
them, and they are remembered.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection
from pathlib import Path

from ansible_collections.kubestead.cluster.plugins.module_utils._kube import connect

RECORD = "/api/v1/namespaces/kube-system/configmaps/kubestead-users"
PODS = "/api/v1/namespaces/kube-system/pods"
NOTES = "/api/v1/namespaces/{}/configmaps?dryRun=All"
WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
NOTE = '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "note-"}}'
REVIEW = '{"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}'
# By user: what is asked for, with what, and whether it is allowed.
EXPECTED = {
    "viewer": [
        (PODS, None, True),
        ("/api/v1/pods", None, True),
        ("/api/v1/namespaces/kube-system/secrets", None, False),
        ("/api/v1/nodes", None, False),
        (NOTES.format("kube-public"), NOTE, True),
        (NOTES.format("kube-system"), NOTE, False),
    ],
    "reader": [
        (PODS, None, True),
        ("/api/v1/namespaces/default/pods", None, False),
        ("/api/v1/namespaces/kube-system/configmaps", None, False),
        (NOTES.format("kube-system"), NOTE, False),
    ],
}


def problems(directory: Path, removed: Collection[str]) -> list[str]:
    """Return what is otherwise than it should be."""
    found = []
    for user, requests in EXPECTED.items():
        api = connect(str(directory / f"{user}.kubeconfig"))
        # Also a removed user still is somebody, until the certificate ends.
        status, text = api.raw("POST", WHO, REVIEW)
        if status != 201 or f'"username":"{user}"' not in text:
            found.append(f"{user}: the API takes the user for {status} {text}")
        for path, body, allowed in requests:
            status, text = api.raw("POST" if body else "GET", path, body)
            wanted = (201 if body else 200) if allowed and user not in removed else 403
            if status != wanted:
                found.append(f"{user}: {path}: found {status}, expected {wanted}: {text[:200]}")
    return found


def forgotten(kubeconfig: str, removed: Collection[str]) -> list[str]:
    """Return the removed users of whom the cluster does not tell how long their certificates live."""
    record = connect(kubeconfig).request("GET", RECORD)["data"]["users.json"]
    return [f"{user}: not in the record {record}" for user in removed if user not in json.loads(record)]


if __name__ == "__main__":
    directory, *admin = sys.argv[1:]
    gone = (admin[1:] or list(EXPECTED)) if admin else []
    trouble = problems(Path(directory), gone)
    if gone:
        trouble += forgotten(admin[0], gone)
    sys.exit("\n".join(trouble) or 0)
