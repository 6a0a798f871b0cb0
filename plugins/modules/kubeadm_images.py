#!/usr/bin/python
# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Have the images of a node on the machine before they are needed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kubeadm_images
short_description: Have the images of a node on the machine before they are needed
version_added: 0.1.0
description:
  - Finds out which images the node needs (those of kubeadm, and others that are named) and pulls the missing ones, by
    default in the background, so that the next steps go on meanwhile.
author:
  - kubestead contributors (@kubestead)
options:
  version:
    description: Version of Kubernetes.
    type: str
    required: true
  image_repository:
    description: Where kubeadm's images come from.
    type: str
    required: true
  control_plane:
    description: Whether the images of a control plane are needed, or only those that every node runs.
    type: bool
    default: false
  images:
    description: Further images.
    type: list
    elements: str
    default: []
  background:
    description: Whether to return while the images are being pulled (by the transient unit kubestead-images.service).
    type: bool
    default: true
attributes:
  check_mode:
    support: full
    description: Tells which images would be pulled, as far as kubeadm and a container runtime are there to ask.
  diff_mode:
    support: none
    description: The missing images are returned.
"""

EXAMPLES = r"""
- name: Start pulling
  kubestead.cluster.kubeadm_images:
    version: 1.36.3
    image_repository: registry.k8s.io
    control_plane: true
"""

RETURN = r"""
missing:
  description: The images that were missing. Empty in check mode where there is nothing yet to ask.
  returned: success
  type: list
  elements: str
  sample: ["registry.k8s.io/kube-proxy:v1.36.3", "registry.k8s.io/pause:3.10.2"]
"""

import json
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kubestead.cluster.plugins.module_utils._kubeadm import run as kubeadm
from ansible_collections.kubestead.cluster.plugins.module_utils._kubeadm.documents import API_VERSION
from ansible_collections.kubestead.cluster.plugins.module_utils._kubeadm.json_output import parse_images
from ansible_collections.kubestead.cluster.plugins.module_utils._runner import Runner, guard

# What runs on every node; the rest of kubeadm's list belongs to control planes.
EVERY_NODE = ("/kube-proxy:", "/pause:", "/coredns")
UNIT = "kubestead-images.service"
LIST = "/run/kubestead/images"
POLL_SECONDS = 1.0


def wanted(listed: list[str], control_plane: bool, further: list[str]) -> list[str]:
    """Return the images that this node needs."""
    own = [image for image in listed if control_plane or any(part in image for part in EVERY_NODE)]
    return [*own, *further]


def full_name(image: str) -> str:
    """Return an image's name with what Docker takes for granted: docker.io/library/nginx:1 is nginx:1 there."""
    registry, _slash, path = image.partition("/")
    if not path or not (set(".:") & set(registry) or registry == "localhost"):
        registry, path = "docker.io", image
    if registry == "docker.io" and "/" not in path:
        path = f"library/{path}"
    return f"{registry}/{path}"


def present(crictl_images: str) -> set[str]:
    """Return the tags in the output of `crictl images -o json`, in full."""
    listed = json.loads(crictl_images).get("images", [])
    return {full_name(tag) for image in listed for tag in image.get("repoTags") or []}


def missing(run: Runner, params: dict[str, Any]) -> list[str]:
    """Return the images that are not there yet."""
    document = {
        "apiVersion": API_VERSION,
        "kind": "ClusterConfiguration",
        "kubernetesVersion": f"v{params['version']}",
        "imageRepository": params["image_repository"],
    }
    with kubeadm.configuration([document], "images.yaml") as path:
        listed = parse_images(run(["kubeadm", "config", "images", "list", "--config", path, "-o", "json"]).stdout)
    there = present(run(["crictl", "images", "-o", "json"]).stdout)
    needed = wanted(list(listed), params["control_plane"], params["images"])
    return [image for image in needed if full_name(image) not in there]


def is_pulling(run: Runner) -> bool:
    """Tell whether a unit of an earlier run still pulls."""
    return run(["systemctl", "is-active", UNIT], check=False).rc == 0


def pull(run: Runner, images: list[str], background: bool) -> None:
    """Pull in a transient unit: it outlives the connection, and its journal tells what went wrong."""
    Path(LIST).write_text("".join(f"{image}\n" for image in images))
    command = ["systemd-run", f"--unit={UNIT}", "--collect", "--quiet"]
    if not background:
        command.append("--wait")
    run([*command, "xargs", f"--arg-file={LIST}", "--max-args=1", "crictl", "pull", "--quiet"])


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "version": {"type": "str", "required": True},
            "image_repository": {"type": "str", "required": True},
            "control_plane": {"type": "bool", "default": False},
            "images": {"type": "list", "elements": "str", "default": []},
            "background": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    with guard(module):
        run = Runner(module)
        installed = all(module.get_bin_path(name) for name in ("kubeadm", "crictl"))
        if module.check_mode and not installed:
            module.exit_json(changed=True, missing=[])
        absent = missing(run, module.params)
        # An earlier run may still be at it.
        pulled = bool(absent) and is_pulling(run)
        if pulled and not module.check_mode and not module.params["background"]:
            while is_pulling(run):
                time.sleep(POLL_SECONDS)
            absent = missing(run, module.params)
            pulled = False
        pulls = bool(absent) and not pulled
        if pulls and not module.check_mode:
            pull(run, absent, module.params["background"])
        module.exit_json(changed=pulls, missing=absent)


if __name__ == "__main__":
    main()
