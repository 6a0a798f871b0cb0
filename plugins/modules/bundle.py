#!/usr/bin/python
# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of this name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bundle
short_description: Collect what a site without a network needs
version_added: 0.1.0
description:
  - Resolves packages for a bare system of each distribution, reads the manifests of images, and only then fetches what
    the folder lacks. Everything is compared with its SHA-256.
  - C(bundle.json) lists every file with its source and version, C(SHA256SUMS) has the checksums, which C(sha256sum
    --check) reads, and C(SHA256SUMS.sig) is the signature over them. Of the files there, only those that an earlier
    run has fetched are removed.
  - What differs from host to host is read from the inventory's variables C(bundle_systems), C(node_packages),
    C(node_time_service), C(cluster_container_runtime), C(containerd_source) and C(containerd_version). Packages of a
    host with systems of its own are collected for these alone.
  - It runs on the controller; no host is asked. apt and dnf resolve packages in roots of their own, skopeo fetches
    images. Packages are verified by the signatures of their publishers.
author:
  - kubestead contributors (@kubestead)
requirements:
  - For Debian and Ubuntu apt, dpkg and the distribution's archive keyring (on the controller)
  - For RHEL and its kin dnf 4, rpm and createrepo_c (on the controller)
  - skopeo (on the controller)
  - ssh-keygen of OpenSSH 8.1 or newer (on the controller)
options:
  directory:
    description: The folder.
    type: path
    required: true
  signing_key:
    description:
      - The SSH key that signs the checksums, made where there is none (ed25519, without a passphrase, mode 0600). A
        path that ends with C(.pub) names a key that an SSH agent holds.
    type: path
    required: true
  signers:
    description: Public halves of the keys that may sign by the inventory; that of O(signing_key) must be one of them.
    type: list
    elements: str
    default: []
  signers_file:
    description: Where the public half of O(signing_key) is written while there are no O(signers).
    type: path
    required: true
  version:
    description: Version of Kubernetes.
    type: str
    required: true
  systems:
    description: Systems such as debian-13-amd64 or rocky-9-arm64.
    type: list
    elements: str
    required: true
  packages:
    description: Names of packages, or NAME=VERSION, by family of distributions (V(debian) and V(redhat)).
    type: dict
    required: true
  distribution_sources:
    description: What replaces the repositories of a distribution, as role C(bundle) has it.
    type: dict
    default: {}
  settings:
    description: The shared settings of role C(cluster), which say where packages come from.
    type: dict
    required: true
  registries:
    description: How registries are reached, as role C(containerd) has it.
    type: dict
    default: {}
  image_repository:
    description: Where kubeadm's images come from.
    type: str
    required: true
  cluster_configuration:
    description: Settings of kubeadm's ClusterConfiguration, which may name other images of etcd and CoreDNS.
    type: dict
    default: {}
  kubeadm_tags:
    description: Tags of etcd, coredns and pause by minor version of Kubernetes.
    type: dict
    required: true
  images:
    description: Further images.
    type: list
    elements: str
    default: []
  files:
    description: Further files.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Name below C(files). Without it, the server's name and the path of O(files[].url).
        type: str
        default: ""
      url:
        description: Where it is fetched.
        type: str
        required: true
      sha256:
        description: Its checksum.
        type: str
        required: true
      version:
        description: Its version, for the list.
        type: str
        default: ""
  archives:
    description: Programs that are in no package, fetched for each architecture of the systems.
    type: list
    elements: dict
    default: []
    suboptions:
      url:
        description: Where it is fetched. V({version}) and V({arch}) are replaced.
        type: str
        required: true
      version:
        description: Its version.
        type: str
        required: true
      sha256:
        description: Its checksums by architecture.
        type: dict
        required: true
      variable:
        description: The variable that has the checksums, for messages.
        type: str
        required: true
  charts:
    description:
      - Helm releases whose charts are fetched, with O(charts.repositories) and O(charts.registries) as
        M(kubestead.cluster.helm_releases) has them. Charts that are paths on the controller are not.
    type: dict
    default: {}
    suboptions:
      releases:
        description: The releases.
        type: list
        elements: dict
        default: []
      repositories:
        description: Chart repositories.
        type: list
        elements: dict
        default: []
      registries:
        description: OCI registries that need credentials or settings.
        type: list
        elements: dict
        default: []
attributes:
  check_mode:
    support: full
    description: Sources are read, nothing is written.
  diff_mode:
    support: full
    description: Lists the files.
seealso:
  - module: kubestead.cluster.bundle_copy
"""

EXAMPLES = r"""
- name: Collect a bundle
  kubestead.cluster.bundle:
    directory: /srv/bundle
    signing_key: ~/.config/kubestead/bundle-signing-key
    signers_file: /srv/bundle-signers
    version: 1.36.3
    systems: [debian-13-amd64]
    packages:
      debian: [kubeadm=1.36.3-*, kubelet=1.36.3-*, kubectl=1.36.3-*, haproxy]
    settings: "{{ __cluster_settings }}"
    image_repository: registry.k8s.io
    kubeadm_tags: "{{ __cluster_kubeadm_tags }}"
"""

RETURN = r"""
fetched:
  description: The files that were fetched, or would be.
  returned: success
  type: list
  elements: str
  sample: [packages/debian-13/kubeadm_1.36.3-1.1_amd64.deb]
removed:
  description: The files that were removed, or would be.
  returned: success
  type: list
  elements: str
  sample: [packages/debian-13/kubeadm_1.36.2-1.1_amd64.deb]
"""
