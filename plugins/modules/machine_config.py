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
        with its final mode, C(fsync), C(rename)); symbolic links are followed; missing parents are created with mode
        0755.
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
          - V(file) needs exactly one of O(files[].template), O(files[].content), O(files[].source), O(files[].url) and
            O(files[].block).
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
          - Address of an OpenPGP keyring. It is fetched by the machine only when the file is absent or does not hold
            the expected keys. Proxies are set by the task's C(environment).
        type: str
      block:
        description:
          - Lines to keep between C(# BEGIN kubestead BLOCK_NAME) and C(# END kubestead BLOCK_NAME). The rest of the
            file stays as it is, as do its mode and owner unless given. An empty block is removed.
        type: str
      block_name:
        description: Name of the block.
        type: str
      openpgp_fingerprints:
        description:
          - With O(files[].url), O(files[].content), O(files[].source) or O(files[].template), every primary key in the
            file must be one of these (OpenPGP version 4, armored or binary).
          - The file is stored armored, or binary where its name ends with C(.gpg), which is what apt and rpm expect.
        type: list
        elements: str
        default: []
      mode:
        description: Quoted octal mode; 0644 for files and 0755 for directories when omitted.
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
      sensitive:
        description: The content is shown in no log and no diff, only that it changes.
        type: bool
        default: false
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
      reload:
        description: Reload instead of restart where the unit can.
        type: bool
        default: false
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

import os
import time
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kubestead.cluster.plugins.module_utils._machine import (
    files,
    firewall,
    holds,
    kernel,
    selinux,
    spec,
    swap,
    units,
)
from ansible_collections.kubestead.cluster.plugins.module_utils._machine.base import Change, MachineError, refuse
from ansible_collections.kubestead.cluster.plugins.module_utils._machine.files import FileStep


@dataclass
class Plan:
    """Everything that differs, in the order in which it is put right."""

    files: list[FileStep] = field(default_factory=list)
    modules: list[str] = field(default_factory=list)
    module_files: list[FileStep] = field(default_factory=list)
    sysctls: list[kernel.SysctlStep] = field(default_factory=list)
    sysctl_files: list[FileStep] = field(default_factory=list)
    swap: swap.SwapState | None = None
    fstab: list[FileStep] = field(default_factory=list)
    selinux: str | None = None
    selinux_changes: list[Change] = field(default_factory=list)
    selinux_files: list[FileStep] = field(default_factory=list)
    holds: list[Change] = field(default_factory=list)
    firewall: list[firewall.FirewallStep] = field(default_factory=list)
    daemon_reload: Change | None = None
    units: list[units.UnitStep] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def file_steps(self) -> list[FileStep]:
        """All files, also those that belong to a section."""
        return self.files + self.module_files + self.sysctl_files + self.fstab + self.selinux_files

    def changes(self) -> list[Change]:
        """All changes in the order in which they are made."""
        found = [change for step in self.files for change in step.changes]
        found += kernel.plan_modules(self.modules)
        found += [change for step in self.module_files for change in step.changes]
        found += [change for step in self.sysctl_files for change in step.changes]
        found += [step.change for step in self.sysctls]
        found += [change for step in self.fstab for change in step.changes]
        found += swap.plan_swap(self.swap) if self.swap is not None else []
        found += [change for step in self.selinux_files for change in step.changes]
        found += self.selinux_changes + self.holds
        found += [change for wall in self.firewall for change in wall.changes]
        found += [self.daemon_reload] if self.daemon_reload is not None else []
        return found + [step.change for step in self.units]


class Machine:
    """Reads, plans and applies with the module's way of running programs."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.params: dict[str, Any] = module.params
        self.check = bool(module.check_mode)

    def run(self, argv: list[str], data: str | None = None) -> tuple[int, str, str]:
        """Runs a program without a shell, in the C locale."""
        result: tuple[int, str, str] = self.module.run_command(
            argv, data=data, binary_data=False, environ_update={"LC_ALL": "C", "LANGUAGE": "C"}
        )
        return result

    def find(self, name: str) -> str | None:
        """Path of a program; also where a user's PATH lacks the sbin directories."""
        path: str | None = self.module.get_bin_path(name)
        return path

    def label(self, target: str, temporary: str) -> None:
        """Gives a new file the SELinux context of its place."""
        if self.module.selinux_enabled():
            context = self.module.selinux_default_context(target)
            self.module.set_context_if_different(temporary, context, False)

    def _boot_file(self, path: str, wanted: Any | None, content: bytes) -> list[FileStep]:
        """A file that keeps settings over a boot; None: not ours to say, empty: none."""
        if wanted is None:
            return []
        state = "file" if wanted else "absent"
        wish = files.FileWish(path, state, content=content, mode=0o644, owner="0", group="0")
        return files.plan_files([wish], self.check)

    def plan(self) -> Plan:
        """Reads the machine and decides; nothing is changed."""
        params = self.params
        refuse(spec.problems(params))
        refuse(
            "files: {}: template and source are read by the action plugin, which did not run".format(item["path"])
            for item in params["files"]
            if item["template"] is not None or item["source"] is not None
        )
        plan = Plan()
        plan.files = files.plan_files(
            [spec.file_wish(item, params["sensitive_contents"]) for item in params["files"]], self.check
        )
        self._plan_kernel(plan)
        self._plan_swap(plan)
        self._plan_selinux(plan)
        if params["held_packages"] and holds.uses_dpkg():
            selections = holds.read_selections(params["held_packages"])
            plan.holds = holds.plan_holds(params["held_packages"], selections, self.check)
        self._plan_units(plan)
        return plan

    def _plan_kernel(self, plan: Plan) -> None:
        modules = self.params["kernel_modules"]
        name = self.params["name"]
        plan.modules = kernel.missing_modules(modules or [])
        plan.module_files = self._boot_file(
            f"/etc/modules-load.d/{name}.conf", modules, kernel.module_file(modules or [])
        )
        if self.params["sysctls"] is None:
            return
        wanted = {key: " ".join(str(value).split()) for key, value in self.params["sysctls"].items()}
        path = f"/etc/sysctl.d/99-{name}.conf"
        plan.sysctl_files = self._boot_file(path, wanted, kernel.sysctl_file(wanted))
        plan.sysctls = kernel.plan_sysctls(wanted, kernel.read_sysctls(list(wanted)), bool(plan.modules))
        plan.warnings += kernel.overriding(wanted, kernel.read_later(path))

    def _plan_swap(self, plan: Plan) -> None:
        if self.params["swap"] is None:
            return
        plan.swap = swap.read_swap()
        content = swap.without_swap(plan.swap.fstab)
        if content != plan.swap.fstab:
            wish = files.FileWish(swap.FSTAB, content=content.encode("utf-8", "surrogateescape"))
            plan.fstab = files.plan_files([wish], self.check)

    def _plan_selinux(self, plan: Plan) -> None:
        mode = self.params["selinux"]
        if mode is None:
            return
        state = selinux.read_selinux()
        plan.selinux_changes, plan.selinux, warnings = selinux.plan_selinux(mode, state)
        plan.warnings += warnings
        if state.config is not None:
            content = selinux.new_config(state.config, mode).encode("utf-8")
            plan.selinux_files = files.plan_files([files.FileWish(selinux.CONFIG, content=content)], self.check)

    def _plan_units(self, plan: Plan) -> None:
        """Units, and the firewall too: the same call tells which one runs."""
        wall = self.params["firewall"]
        wishes = [spec.unit_wish(item) for item in self.params["units"]]
        names = [wish.name for wish in wishes]
        walls = [firewall.FIREWALLD] if wall is not None and firewall.FIREWALLD not in names else []
        states = units.read_units(names + walls, self.find, self.run)
        if wall is not None:
            active = states[firewall.FIREWALLD].active == "active"
            plan.firewall = firewall.read_and_plan(
                wall["mode"], wall["sources"], wall["ports"], active, self.find, self.run
            )
        changed = files.changed_paths(plan.file_steps())
        paths = list(changed) + list(plan.swap.masks if plan.swap is not None else ())
        ours = {name: states[name] for name in names}
        plan.daemon_reload = units.needs_daemon_reload(ours, paths)
        times = units.read_times([path for wish in wishes for path in wish.restart_on])
        plan.units = units.plan_units(wishes, states, changed, times, units.monotonic_offset(), time.time_ns())

    def apply(self, plan: Plan) -> None:
        """Carries the plan out, in its order."""
        self._apply_files(plan.files)
        for name in plan.modules:
            kernel.load_module(name, self.find, self.run)
        self._apply_files(plan.module_files + plan.sysctl_files)
        for setting in plan.sysctls:
            kernel.apply_sysctl(setting)
        self._apply_files(plan.fstab)
        if plan.swap is not None:
            swap.apply_swap(plan.swap, self.find, self.run)
        self._apply_files(plan.selinux_files)
        if plan.selinux is not None:
            selinux.apply_selinux(plan.selinux)
        if plan.holds:
            holds.apply_holds(self.params["held_packages"], self.find, self.run)
        for wall in plan.firewall:
            firewall.apply_firewall(wall, self.find, self.run)
        if plan.daemon_reload is not None:
            units.daemon_reload(self.find, self.run)
        for unit in plan.units:
            units.apply_unit(unit, self.find, self.run)
        units.check_started(plan.units, self.find, self.run)

    def _apply_files(self, steps: list[FileStep]) -> None:
        for step in steps:
            files.apply_file(step, files.fetch_url, self.find, self.run, self.label)

    def converge(self) -> None:
        """Read, plan, apply unless in check mode, say what changed."""
        changes: list[Change] = []
        try:
            plan = self.plan()
            changes = plan.changes()
            if self.check:
                files.check_validation(plan.files, self.module.tmpdir, self.find, self.run)
            else:
                self.apply(plan)
        except MachineError as exc:
            self.module.fail_json(
                msg=str(exc), planned=[change.summary for change in changes], machine=os.uname().nodename
            )
        for warning in plan.warnings:
            self.module.warn(warning)
        self.module.exit_json(
            changed=bool(changes),
            changes=[change.summary for change in changes],
            diff=[change.diff() for change in changes],
        )


def main() -> None:
    """The argument spec and the way through."""
    module = AnsibleModule(argument_spec=spec.ARGUMENT_SPEC, supports_check_mode=True)
    Machine(module).converge()


if __name__ == "__main__":
    main()
