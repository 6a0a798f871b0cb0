# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks for what the collection has applied and no part of the record has: left.py KUBECONFIG PART...

Expects the record to have these parts, and no custom kinds.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

from ansible_collections.kubestead.cluster.plugins.module_utils._kube import Api, ApiError, connect
from ansible_collections.kubestead.cluster.plugins.plugin_utils import manifests

KINDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def versions(api: Api) -> Iterator[str]:
    """Return the paths of all API versions."""
    yield "/api/v1"
    for group in api.request("GET", "/apis")["groups"]:
        yield f"/apis/{group['preferredVersion']['groupVersion']}"


def applied(api: Api) -> Iterator[str]:
    """Return all objects that the collection has applied, as the record names them."""
    for base in versions(api):
        for kind in api.request("GET", base)["resources"]:
            if "list" not in kind["verbs"] or "/" in kind["name"]:
                continue
            try:
                items = api.request("GET", f"{base}/{kind['name']}")["items"]
            except ApiError as error:
                # What is shown by others, such as metrics, may not be listed by all names.
                if error.status not in (404, 405):
                    raise
                continue
            for item in items:
                if manifests.FIELD_MANAGER in manifests.managers(item):
                    where = item["metadata"].get("namespace", "")
                    yield str(manifests.Identity(base, kind["kind"], where, item["metadata"]["name"]))


def main(kubeconfig: str, *parts: str) -> list[str]:
    """Return what is otherwise than it should be."""
    api = connect(kubeconfig)
    record = manifests.Part(api, "")
    record.read()
    known = {str(identity) for identities in record.recorded.values() for identity in identities}
    found = set(applied(api))
    problems = [f"{name}: no part has it" for name in sorted(found - known)]
    problems += [f"{name}: the record has it, and nobody else" for name in sorted(known - found)]
    problems += [f"{item['metadata']['name']}: a kind" for item in api.request("GET", KINDS)["items"]]
    if sorted(record.recorded) != sorted(parts):
        problems.append(f"found the parts {sorted(record.recorded)}, expected {sorted(parts)}")
    return problems


if __name__ == "__main__":
    trouble = main(*sys.argv[1:])
    sys.exit(json.dumps(trouble, indent=1) if trouble else 0)
