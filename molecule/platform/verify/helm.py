# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at the releases of the scenario: helm.py KUBECONFIG RELEASE[=CHART-VERSION]...; without any, all are gone.

A release with a chart is one of `helm create`, whose pods answer; one without has a ConfigMap of its name.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping

from ansible_collections.kubestead.cluster.plugins.module_utils._kube import Api, connect

CORE = "/api/v1/namespaces/default"
SECRETS = f"{CORE}/secrets?labelSelector=owner%3Dhelm"
RECORD = "/api/v1/namespaces/kube-system/secrets/kubestead-helm"
KNOWN = ("registry", "repository")


def answers(api: Api, name: str, chart: str) -> list[str]:
    """Return what is otherwise than it should be about a release."""
    if not chart:
        data = (api.get(f"{CORE}/configmaps/{name}") or {}).get("data")
        return [] if data == {"greeting": "hello"} else [f"ConfigMap {name}: {data}"]
    service = api.get(f"{CORE}/services/{name}-demo")
    if not service:
        return [f"Service {name}-demo is missing"]
    found = []
    label = service["metadata"]["labels"]["helm.sh/chart"]
    if label != chart:
        found.append(f"{name}: chart {label}, expected {chart}")
    status, text = api.raw("GET", f"{CORE}/services/{name}-demo:80/proxy/")
    if status != 200 or f"nginx on {name}-demo" not in text:
        found.append(f"{name}: found {status} {text[:200]}")
    return found


def problems(api: Api, wanted: Mapping[str, str]) -> list[str]:
    """Return what is otherwise than it should be."""
    secrets = api.request("GET", f"{SECRETS},status%3Ddeployed")
    names = sorted(item["metadata"]["labels"]["name"] for item in secrets["items"])
    found = [] if names == sorted(wanted) else [f"releases: {names}"]
    if bool(wanted) != bool(api.get(RECORD)):
        found.append(f"the record: {'missing' if wanted else 'still there'}")
    gone = [name for name in KNOWN if name not in wanted]
    found += [f"Service {name}-demo is still there" for name in gone if api.get(f"{CORE}/services/{name}-demo")]
    return found + [problem for name, chart in wanted.items() for problem in answers(api, name, chart)]


if __name__ == "__main__":
    releases = dict(argument.partition("=")[::2] for argument in sys.argv[2:])
    trouble = problems(connect(sys.argv[1]), releases)
    sys.exit(json.dumps(trouble, indent=1) if trouble else 0)
