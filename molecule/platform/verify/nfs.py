# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uses NFS volumes as pods do: nfs.py KUBECONFIG IMAGE WRITER'S_NODE READER'S_NODE write|read|delete.

The volumes are the static one that the inventory has a claim for (shared), and one of the default storage class.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from ansible_collections.kubestead.cluster.plugins.module_utils._kube import Api, connect

SECONDS = 120
PODS = "/api/v1/namespaces/default/pods"
CLAIMS = "/api/v1/namespaces/default/persistentvolumeclaims"
VOLUMES = "/api/v1/persistentvolumes"
CLAIM: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "nfs-check"},
    "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Mi"}}},
}
TEXT = "written before the restart"
# Not as root: the provisioner's directory and the inventory's are for everybody.
WRITE = f"for place in /shared /own; do echo '{TEXT}' > $place/note && sync $place/note; done"
READ = "cat /shared/note /own/note; wc -l < /own/ticks; id -u"
# Appends to a file that it opened once.
KEEP = "exec 3>> /own/ticks; while echo tick >&3; do sleep 0.5; done"


class Unexpected(Exception):
    """Something else than expected."""


def pod(name: str, image: str, node: str, script: str) -> dict[str, Any]:
    """A pod with both volumes on a certain node."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "nodeName": node,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "tolerations": [{"operator": "Exists"}],
            "securityContext": {"runAsUser": 1234, "runAsGroup": 1234},
            "containers": [
                {
                    "name": "main",
                    "image": image,
                    "command": ["sh", "-ec", script],
                    "volumeMounts": [{"name": "shared", "mountPath": "/shared"}, {"name": "own", "mountPath": "/own"}],
                }
            ],
            "volumes": [
                {"name": "shared", "persistentVolumeClaim": {"claimName": "shared"}},
                {"name": "own", "persistentVolumeClaim": {"claimName": CLAIM["metadata"]["name"]}},
            ],
        },
    }


def ask(api: Api, method: str, path: str, body: dict[str, Any] | None = None, expected: int = 200) -> dict[str, Any]:
    """One request; another status than expected is an error."""
    status, text = api.raw(method, path, json.dumps(body) if body else None)
    if status != expected:
        raise Unexpected(f"{method} {path}: found {status}, expected {expected}: {text[:300]}")
    answer: dict[str, Any] = json.loads(text)
    return answer


def wait(what: str, reached: Callable[[], bool]) -> None:
    """Until something is so."""
    end = time.monotonic() + SECONDS
    while not reached():
        if time.monotonic() > end:
            raise Unexpected(f"{what}: not within {SECONDS} s")
        time.sleep(0.5)


def phase(api: Api, name: str) -> str:
    """Where a pod is in its life; one that failed ends the wait for it."""
    found = str(ask(api, "GET", f"{PODS}/{name}")["status"].get("phase"))
    if found == "Failed":
        raise Unexpected(f"pod {name} failed: {api.raw('GET', f'{PODS}/{name}/log')[1]}")
    return found


def run(api: Api, name: str, image: str, node: str, script: str) -> str:
    """A pod's output, after which it is gone."""
    ask(api, "POST", PODS, pod(name, image, node, script), 201)
    wait(f"pod {name} succeeds", lambda: phase(api, name) == "Succeeded")
    output: str = api.raw("GET", f"{PODS}/{name}/log")[1]
    remove(api, f"{PODS}/{name}")
    return output


def remove(api: Api, path: str) -> None:
    """Delete something and wait until it is gone."""
    ask(api, "DELETE", path)
    wait(f"{path} is gone", lambda: api.raw("GET", path)[0] == 404)


def write(api: Api, image: str, writer: str, reader: str) -> None:
    """Write on one node, and start a pod on the other that goes on over the restart."""
    ask(api, "POST", CLAIMS, CLAIM, 201)
    run(api, "nfs-writer", image, writer, WRITE)
    ask(api, "POST", PODS, pod("nfs-keeper", image, reader, KEEP), 201)
    wait("pod nfs-keeper runs", lambda: phase(api, "nfs-keeper") == "Running")


def read(api: Api, image: str, writer: str, reader: str) -> None:
    """Read on the other node, and see that the pod that had a file open goes on."""
    shared, own, ticks, user = run(api, "nfs-reader", image, reader, READ).split("\n")[:4]
    if [shared, own, user] != [TEXT, TEXT, "1234"]:
        raise Unexpected(f"the reader found {shared!r} and {own!r} as user {user}, expected {TEXT!r} twice")
    # The next read is one from the first node, so that nothing is taken from a cache.
    time.sleep(2)
    later = run(api, "nfs-reader", image, writer, READ).split("\n")[2]
    if int(later) <= int(ticks):
        raise Unexpected(f"nfs-keeper had written {ticks} lines and later {later}: it does not go on after the restart")
    if phase(api, "nfs-keeper") != "Running":
        raise Unexpected("nfs-keeper does not run any more")


def delete(api: Api) -> None:
    """Delete the claim: its volume goes with it."""
    remove(api, f"{PODS}/nfs-keeper")
    volume = ask(api, "GET", f"{CLAIMS}/nfs-check")["spec"]["volumeName"]
    remove(api, f"{CLAIMS}/nfs-check")
    wait(f"volume {volume} is gone", lambda: api.raw("GET", f"{VOLUMES}/{volume}")[0] == 404)


def main(kubeconfig: str, image: str, writer: str, reader: str, step: str) -> None:
    """One of the steps."""
    api = connect(kubeconfig)
    try:
        if step == "delete":
            delete(api)
        else:
            {"write": write, "read": read}[step](api, image, writer, reader)
    except Unexpected as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(*sys.argv[1:])
