#!/usr/bin/python
# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One remote execution that brings a machine's configuration to what a role wants."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: machine_config
short_description: Converge files, kernel, swap, SELinux, firewall and services of a machine in one call
version_added: 0.1.0
author:
  - kubestead contributors (@kubestead)
description:
  - The one way a role of this collection configures a machine. Everything a role wants of a machine goes into one
    task, because on a machine it is the start of Python that costs, not the work.
  - Reads the state of the machine, plans what differs, and carries that out unless in check mode. What check mode
    lists is what a real run does, with the same lines and the same diff.
  - The order is files, kernel modules, sysctls, swap, SELinux, held packages, firewall, reload of systemd's unit files,
    units.
  - There are no handlers to lose. A unit is restarted when a file that it reads is newer than its start, so that a run
    that was killed in between does the restart when it is run again.
  - The controller's half (an action plugin of the same name) checks all arguments at once and renders the templates.
notes:
  - One run on a machine in order was measured to cost 0.4 s of CPU there, 0.1 s more than M(ansible.builtin.ping), with
    one process (C(systemctl show)) when units are given. Settings of the kernel are read from C(/proc) and C(/sys),
    dpkg's selections from its status file. A running firewalld costs two more processes.
requirements:
  - systemd
options:
  name:
    description:
      - Name of the files that keep O(kernel_modules) and O(sysctls) over a boot,
        C(/etc/modules-load.d/NAME.conf) and C(/etc/sysctl.d/99-NAME.conf).
      - A role that sets some of its own needs a name of its own, since each call writes the whole file.
    type: str
    default: kubestead
  files:
    description:
      - Files and directories, in this order. Files are put in place in one step (a temporary file in the same directory
        with its final mode, C(fsync), C(rename)); symbolic links are followed, but not with
        O(files[].within); missing parents are created with mode 0755.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      state:
        description:
          - V(file) needs exactly one of O(files[].template), O(files[].content), O(files[].source), O(files[].url),
            O(files[].block) and O(files[].json).
          - V(absent) removes a file, never a directory.
        type: str
        choices: [file, absent, directory]
        default: file
      template:
        description: Template in the role's C(templates/), rendered as M(ansible.builtin.template) does.
        type: str
      content:
        description: The whole content.
        type: str
      source:
        description: Text file in the role's C(files/).
        type: str
      url:
        description:
          - Address of an OpenPGP keyring (with O(files[].openpgp_fingerprints)) or of any file (with
            O(files[].sha256)). It is fetched by the machine only when the file is absent, does not hold the expected
            keys, or comes from another download. Proxies are set by the task's C(environment).
        type: str
      ca:
        description:
          - With O(files[].url), the certificates of the authorities that its server proves itself by, as text in PEM
            format. Only these are trusted then; without it, those of the machine.
        type: str
      sha256:
        description:
          - With O(files[].url), the SHA-256 of the download. Which one a file comes from is kept below
            C(/var/lib/kubestead/records).
        type: str
      member:
        description: With O(files[].sha256), the one file of a tar archive that is wanted, such as V(dir/program).
        type: str
      block:
        description:
          - Lines to keep between C(# BEGIN kubestead BLOCK_NAME) and C(# END kubestead BLOCK_NAME). The rest of the
            file stays as it is, as do its mode and owner unless given. An empty block is removed.
        type: str
      block_name:
        description: Name of the block.
        type: str
      json:
        description:
          - Keys to have in a JSON document that others write too. Objects are merged deeply, and all else of the
            same name is replaced. Other keys stay as they are, as do the file's mode and owner unless given.
          - What was given before and is given no longer is removed, by a record that is kept below
            C(/var/lib/kubestead/records). A file in which nothing is left is removed.
        type: dict
      openpgp_fingerprints:
        description:
          - With O(files[].url), O(files[].content), O(files[].source) or O(files[].template), every primary key in the
            file must be one of these (OpenPGP version 4, armored or binary).
          - What is stored is written anew from the verified keys, armored, or binary where the name ends with C(.gpg),
            which is what apt and rpm expect. Text around armored keys is left out. Other armored blocks, other packets
            and data behind the keys are refused.
          - A fingerprint is that of a primary key alone. Whether a subkey belongs to it is what apt and rpm check.
        type: list
        elements: str
        default: []
      mode:
        description:
          - Quoted octal mode. When omitted, 0644 for a file, and 0755 for a directory that is new; one that is there
            keeps its own, and its owner and group.
        type: str
      owner:
        description: Name or number; V(root) when omitted.
        type: str
      group:
        description: Name or number; V(root) when omitted.
        type: str
      validate:
        description:
          - Program that judges the new content before it is put in place, as a string or a list, with C(%s) for the
            file. It is run without a shell.
          - In check mode it is run only for the first file of the list that changes, and only where the program is
            installed, since otherwise it may fail for what is not there yet.
        type: raw
      within:
        description:
          - With O(files[].state=directory), a directory above it below which others write, such as an export of an NFS
            server. Below it no symbolic link is followed, also none that is put there meanwhile; one that is found is
            refused.
        type: path
      sensitive:
        description: The content is shown in no log and no diff, only that it changes.
        type: bool
        default: false
  prune:
    description:
      - Files of the collection that are no longer wanted. What a pattern finds, holds the text, and is not one of
        O(files), is removed, with its folder if that is empty then. Its content is not shown.
    type: list
    elements: dict
    default: []
    suboptions:
      pattern:
        description: Absolute path with V(*) in it, such as V(/etc/containerd/certs.d/*/*).
        type: path
        required: true
      contains:
        description: The text by which a file is known as the collection's own.
        type: str
        required: true
  sensitive_contents:
    description: Filled by the action plugin with the contents of files marked O(files[].sensitive). Not for use.
    type: dict
    default: {}
  kernel_modules:
    description:
      - Kernel modules to load now (built in counts as loaded) and at boot. An empty list removes the file for the boot.
    type: list
    elements: str
  sysctls:
    description:
      - Kernel settings, kept in a file for the boot and set now. The live values are compared, so that one changed by
        hand is put right. An empty dictionary removes the file.
    type: dict
  swap:
    description:
      - V(off) turns swap off and keeps it off by making comments of the swap lines in C(/etc/fstab) and masking swap
        units, services that set up swap on zram, and systemd's zram generator.
    type: str
    choices: ['off']
  selinux:
    description: Mode of SELinux, now and at boot. Without SELinux on the machine nothing is done.
    type: str
    choices: [permissive, enforcing, disabled]
  held_packages:
    description: Packages that dpkg must keep at their version. Nothing is done on machines without dpkg.
    type: list
    elements: str
    default: []
  firewall:
    description: What firewalld or ufw has to let through, if one of them is running. Nothing is ever flushed.
    type: dict
    suboptions:
      mode:
        description:
          - V(open) lets everything from O(firewall.sources) in and through, and everyone to O(firewall.ports).
          - V(disabled) stops and disables the firewall.
        type: str
        choices: [open, disabled]
        default: open
      sources:
        description: Trusted addresses and networks, for all protocols (VRRP among them).
        type: list
        elements: str
        default: []
      ports:
        description: Ports open to all, such as V(443/tcp) or V(30000-32767/tcp).
        type: list
        elements: str
        default: []
      owner:
        description:
          - Name under which the sources that are added are recorded, in C(/var/lib/kubestead/records/firewall).
            Addresses of this record that are no longer in O(firewall.sources) are withdrawn. What was there before
            stays, and so do networks.
          - Without a name nothing is recorded and nothing withdrawn.
        type: str
        default: ""
  units:
    description: systemd's units, in this order.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Full name, such as V(haproxy.service).
        type: str
        required: true
      enabled:
        description: Whether it starts at boot; left alone when omitted. A masked unit that is wanted is unmasked.
        type: bool
      state:
        description: Whether it runs; left alone when omitted.
        type: str
        choices: [started, stopped]
      restart_on:
        description:
          - A running unit is restarted when one of these files changes in this run or is newer than the unit's start.
          - Times are compared on the monotonic clock, so that a clock that was set does not matter.
        type: list
        elements: path
        default: []
      reload_on:
        description:
          - As O(units[].restart_on), for files that the unit reads again when it is reloaded; one that can't is
            restarted.
        type: list
        elements: path
        default: []
      only_with:
        description:
          - With O(units[].state=stopped), the file by which the unit is the collection's. Where it is not there, the
            unit is left alone. Where it is, the unit stops first, before files change.
        type: path
      unless:
        description:
          - With O(units[].state=stopped), patterns of files that others need the unit for. Where another one than
            O(units[].only_with) has a line that is no comment, the unit stays enabled and running, and
            O(units[].restart_on) and O(units[].reload_on) count.
        type: list
        elements: path
        default: []
attributes:
  check_mode:
    description: Exact; lists what a real run does.
    support: full
  diff_mode:
    description: Full, except for files marked sensitive.
    support: full
"""

EXAMPLES = r"""
- name: Prepare the kernel
  kubestead.cluster.machine_config:
    kernel_modules: [overlay, br_netfilter]
    sysctls:
      net.ipv4.ip_forward: "1"
      net.bridge.bridge-nf-call-iptables: "1"
    swap: "off"

- name: Configure haproxy
  kubestead.cluster.machine_config:
    files:
      - path: /etc/haproxy/haproxy.cfg
        template: haproxy.cfg.j2
        validate: haproxy -c -f %s
    units:
      - name: haproxy.service
        enabled: true
        state: started
        restart_on: [/etc/haproxy/haproxy.cfg]

- name: Add the repository's key, verified
  kubestead.cluster.machine_config:
    files:
      - path: /etc/apt/keyrings/kubernetes.asc
        url: https://pkgs.k8s.io/core:/stable:/v1.36/deb/Release.key
        openpgp_fingerprints: [DE15B14486CD377B9E876E1A234654DA9A296436]

- name: Know all nodes by name
  kubestead.cluster.machine_config:
    files:
      - path: /etc/hosts
        block_name: nodes
        block: |
          10.90.0.11 cp1
          10.90.0.12 cp2
"""

RETURN = r"""
changes:
  description: One line for each thing that changed, or would change in check mode.
  returned: always
  type: list
  elements: str
  sample:
    - file /etc/haproxy/haproxy.cfg changed
    - sysctl net.ipv4.ip_forward 0 -> 1
    - 'unit haproxy.service restarted: /etc/haproxy/haproxy.cfg changed'
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kubestead.cluster.plugins.module_utils._machine import spec
from ansible_collections.kubestead.cluster.plugins.module_utils._machine.machine import Machine


def main() -> None:
    """The argument spec and the way through."""
    module = AnsibleModule(argument_spec=spec.ARGUMENT_SPEC, supports_check_mode=True)
    Machine(module, module.params, bool(module.check_mode)).converge()


if __name__ == "__main__":
    main()
