# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A machine and its configuration: read, planned, and applied in an order that works."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from .._runner import Runner
from . import (
    apply,
    files,
    firewall,
    holds,
    kernel,
    selinux,
    spec,
    swap,
    units,
)
from .base import Change, MachineError, refuse
from .files import FileStep
from .firewall import FirewallRecord


@dataclass
class Plan:
    """Everything that differs, in the order in which it is put right."""

    stops: list[units.UnitStep] = field(default_factory=list)
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
    firewall_record: FirewallRecord | None = None
    daemon_reload: Change | None = None
    units: list[units.UnitStep] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def file_steps(self) -> list[FileStep]:
        """All files, also those that belong to a section."""
        return self.files + self.module_files + self.sysctl_files + self.fstab + self.selinux_files

    def changes(self) -> list[Change]:
        """All changes in the order in which they are made."""
        found = [step.change for step in self.stops]
        found += [change for step in self.files for change in step.changes]
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

    def restarts(self) -> list[str]:
        """What stops running for a moment, or for good: the changes that a living node must not make beside others."""
        steps = self.stops + [step for step in self.units if step.verb in ("restart", "stop")]
        return [step.change.summary for step in steps]


class Machine:
    """Reads, plans and applies with the module's way of running programs."""

    def __init__(self, module: AnsibleModule, params: dict[str, Any], check: bool) -> None:
        self.module = module
        self.params = params
        self.check = check
        runner = Runner(module)
        self.run, self.find = runner.execute, runner.find

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
        wishes = [spec.file_wish(item, params["sensitive_contents"]) for item in params["files"]]
        for item in params["prune"]:
            wishes += files.no_longer_wanted(item["pattern"], item["contains"], wishes)
        plan.files = files.plan_files(wishes, self.check)
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
        wishes = units.on_this_machine([spec.unit_wish(item) for item in self.params["units"]])
        names = [wish.name for wish in wishes]
        walls = [firewall.FIREWALLD] if wall is not None and firewall.FIREWALLD not in names else []
        states = units.read_units(names + walls, self.find, self.run)
        if wall is not None:
            active = states[firewall.FIREWALLD].active == "active"
            plan.firewall, plan.firewall_record = firewall.read_and_plan(
                wall["mode"], wall["sources"], wall["ports"], active, self.find, self.run, wall["owner"]
            )
        changed = files.changed_paths(plan.file_steps())
        paths = list(changed) + list(plan.swap.masks if plan.swap is not None else ())
        ours = {name: states[name] for name in names}
        plan.daemon_reload = units.needs_daemon_reload(ours, paths)
        times = units.read_times([path for wish in wishes for path in wish.restart_on + wish.reload_on])
        steps = units.plan_units(wishes, states, changed, times, units.monotonic_offset(), time.time_ns())
        leaving = {wish.name for wish in wishes if wish.leaves}
        plan.stops = [step for step in steps if step.name in leaving]
        plan.units = [step for step in steps if step.name not in leaving]

    def apply(self, plan: Plan) -> None:
        """Carries the plan out, in its order."""
        for unit in plan.stops:
            units.apply_unit(unit, self.find, self.run)
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
        firewall.apply_all(plan.firewall, plan.firewall_record, self.find, self.run)
        if plan.daemon_reload is not None:
            units.daemon_reload(self.find, self.run)
        for unit in plan.units:
            units.apply_unit(unit, self.find, self.run)
        units.check_started(plan.units, self.find, self.run)

    def _apply_files(self, steps: list[FileStep]) -> None:
        label = partial(selinux.label, self.module)
        for step in steps:
            apply.apply_file(step, files.fetch_url, self.find, self.run, label)

    def converge(self) -> None:
        """Read, plan, apply unless in check mode, say what changed."""
        changes: list[Change] = []
        try:
            plan = self.plan()
            changes = plan.changes()
            if self.check:
                apply.check_validation(plan.files, self.module.tmpdir, self.find, self.run)
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
