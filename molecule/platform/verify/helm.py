# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at the releases of the scenario: helm.py KUBECONFIG [removed]."""

from __future__ import annotations

import json
import sys

from ansible_collections.kubestead.cluster.plugins.module_utils._kube import connect

NAMESPACE = "default"
RELEASES = ("registry", "repository")
RECORD = "/api/v1/namespaces/kube-system/secrets/kubestead-helm"


def problems(kubeconfig: str, removed: bool) -> list[str]:
    """Return what is otherwise than it should be."""
    api = connect(kubeconfig)
    found = []
    secrets = api.request("GET", f"/api/v1/namespaces/{NAMESPACE}/secrets?labelSelector=owner%3Dhelm,status%3Ddeployed")
    names = sorted(item["metadata"]["labels"]["name"] for item in secrets["items"])
    if names != ([] if removed else sorted(RELEASES)):
        found.append(f"releases: {names}")
    if removed == bool(api.get(RECORD)):
        found.append(f"the record: {'still there' if removed else 'missing'}")
    for name in RELEASES:
        service = f"/api/v1/namespaces/{NAMESPACE}/services/{name}-demo"
        if removed:
            if api.get(service):
                found.append(f"Service {name}-demo is still there")
            continue
        status, text = api.raw("GET", f"{service}:80/proxy/")
        if status != 200 or f"nginx on {name}-demo" not in text:
            found.append(f"{name}: found {status} {text[:200]}")
    return found


if __name__ == "__main__":
    trouble = problems(sys.argv[1], removed="removed" in sys.argv)
    sys.exit(json.dumps(trouble, indent=1) if trouble else 0)
