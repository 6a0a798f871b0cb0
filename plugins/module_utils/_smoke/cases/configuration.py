# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ConfigMap and Secret: as environment and as files that follow."""

from __future__ import annotations

import base64
from typing import Any

from ansible_collections.kubestead.cluster.plugins.module_utils._smoke.suite import Case, Scene


def encoded(kind: str, value: str) -> dict[str, Any]:
    """Return the data of an object as the API keeps it."""
    text = base64.b64encode(value.encode()).decode() if kind == "Secret" else value
    return {"data": {"word": text}}


def seen_in_a_pod(scene: Scene, kind: str) -> str:
    """See a value as a variable and in a file; the file follows a change, the variable can't."""
    scene.space.make(kind, scene.named(), encoded(kind, "first"))
    if kind == "Secret":
        reference, volume = "secretKeyRef", {"secret": {"secretName": scene.named()}}
    else:
        reference, volume = "configMapKeyRef", {"configMap": {"name": scene.named()}}
    made = scene.script('while :; do echo "$WORD $(</given/word)"; sleep 0.5; done')
    made["env"] = [{"name": "WORD", "valueFrom": {reference: {"name": scene.named(), "key": "word"}}}]
    made["volumeMounts"] = [{"name": "given", "mountPath": "/given"}]
    pod = scene.run(made, volumes=[{"name": "given", **volume}])
    scene.phase(pod, "Running")
    scene.hears(pod, "first first", lambda lines: lines == ["first first"])
    scene.space.patch(kind, scene.named(), encoded(kind, "second"))
    # kubelet looks after a pod's volumes once a minute, and at once when the pod itself changes.
    scene.space.patch("Pod", pod, {"metadata": {"annotations": {"kubestead.io/changed": "true"}}})
    scene.hears(pod, "first second", lambda lines: lines == ["first second"])
    return "as variable and file; the file followed the change"


CASES = (
    Case("config-map", lambda scene: seen_in_a_pod(scene, "ConfigMap")),
    Case("secret", lambda scene: seen_in_a_pod(scene, "Secret")),
)
