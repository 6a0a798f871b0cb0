# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""kubestead.cluster.packages: installs what is missing, in one transaction, or does nothing at all on the machine."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase

from ansible_collections.kubestead.cluster.plugins.plugin_utils.sources import for_dnf

ARGUMENT_SPEC: dict[str, Any] = {
    "names": {"type": "list", "elements": "str", "required": True},
    "installed": {"type": "dict", "required": True},
    "os_family": {"type": "str", "choices": ["debian", "redhat"], "required": True},
    "conffiles": {"type": "str", "choices": ["keep", "replace"], "default": "keep"},
}
_REPOSITORY = "kubernetes"
# What apt says, in every language, when a machine went down while dpkg was at work; and what it asks for.
INTERRUPTED = "dpkg --configure -a"
REPAIR = ("env", "DEBIAN_FRONTEND=noninteractive", "dpkg", "--force-confdef", "--force-confold", "--configure", "-a")
DPKG_QUERY = ("dpkg-query", "--show", "--showformat=${Package} ${Version}\\n")
RPM_QUERY = ("rpm", "--query", "--queryformat=%{NAME} %{VERSION}-%{RELEASE}\\n")


def problems(names: Sequence[str]) -> list[str]:
    """Names that are none, or that contradict each other."""
    found = [
        f"{item!r} is no package: expected NAME or NAME=VERSION (the version may hold *)"
        for item in names
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.+_-]*(=[A-Za-z0-9.+:~*_-]+)?", item)
    ]
    plain = [item.partition("=")[0] for item in names]
    return found + [f"{name!r} is given twice" for name in sorted({name for name in plain if plain.count(name) > 1})]


def missing(names: Sequence[str], installed: Mapping[str, str]) -> list[str]:
    """Those of the packages that are not installed in a version that fits."""
    found = []
    for item in names:
        name, _equals, version = item.partition("=")
        present = installed.get(name)
        if present is None or (version and not fnmatchcase(present, version)):
            found.append(item)
    return found


def listing(names: Sequence[str], installed: Mapping[str, str]) -> dict[str, str]:
    """The diff: what is there of the packages to install, and what is wanted."""
    before = []
    after = []
    for item in names:
        name, _equals, version = item.partition("=")
        if name in installed:
            before.append(f"{name} {installed[name]}\n")
        after.append(f"{name} {version or '(any version)'}\n")
    header = "packages"
    return {"before": "".join(before), "after": "".join(after), "before_header": header, "after_header": header}


def apt_versions(stdout: str) -> dict[str, str]:
    """What apt says it set up: "Setting up kubelet (1.36.3-1.1) ..."."""
    return dict(re.findall(r"^Setting up ([^ :]+)(?::\S+)? \((\S+)\)", stdout, re.MULTILINE))


def dnf_versions(results: Sequence[str]) -> dict[str, str]:
    """What dnf says it installed: "Installed: kubelet-1.36.3-150500.1.1.x86_64"."""
    found = (re.match(r"Installed: (\S+)-([^-\s]+-[^-\s]+)\.[^.\s]+$", line) for line in results)
    return {match.group(1): match.group(2) for match in found if match}


class ActionModule(ActionBase):
    """Decides on the controller; the machine is asked only when something is missing."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Installs what is missing."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        validated = ArgumentSpecValidator(ARGUMENT_SPEC).validate(dict(self._task.args))
        args: dict[str, Any] = validated.validated_parameters
        found = list(validated.error_messages) or problems(args["names"])
        if found:
            raise AnsibleActionFail("; ".join(found))
        installed: dict[str, str] = args["installed"]
        wanted = missing(args["names"], installed)
        result.update(changed=bool(wanted), installed=installed, missing=wanted)
        if not wanted:
            return result
        result["diff"] = listing(wanted, installed)
        if self._task.check_mode:
            # What a later task of this run would find: the version that is asked for fits itself.
            result["installed"] = {**installed, **dict(item.partition("=")[::2] for item in wanted)}
            return result
        debian = args["os_family"] == "debian"
        answer = self._install(wanted, debian, args["conffiles"], task_vars)
        if answer.get("failed"):
            answer["msg"] = f"{', '.join(wanted)} can't be installed: {answer.get('msg')}"
            return answer
        new = apt_versions(answer.get("stdout", "")) if debian else dnf_versions(answer.get("results", []))
        untold = sorted({item.partition("=")[0] for item in wanted} - set(new))
        if untold:
            # Another run has installed them since the machine was read: one that was killed goes on there for a while.
            query = self._command([*(DPKG_QUERY if debian else RPM_QUERY), *untold], task_vars)
            new |= dict(line.split(" ", 1) for line in query.get("stdout", "").splitlines() if " " in line)
        result["installed"] = {**installed, **new}
        return result

    def _install(
        self, names: Sequence[str], debian: bool, conffiles: str, task_vars: dict[str, Any] | None
    ) -> dict[str, Any]:
        """Runs the package manager, after a repair where it asks for one."""
        module = "ansible.builtin.apt" if debian else "ansible.builtin.dnf"
        module_args = apt_args(names, conffiles) if debian else dnf_args(names)
        answer: dict[str, Any] = self._execute_module(module_name=module, module_args=module_args, task_vars=task_vars)
        if answer.get("failed") and INTERRUPTED in str(answer.get("msg")):
            # Not beforehand: apt waits until another one has ended, and only then tells what has been interrupted.
            answer = self._command(REPAIR, task_vars)
            if not answer.get("failed"):
                answer = self._execute_module(module_name=module, module_args=module_args, task_vars=task_vars)
        return dict(answer)

    def _command(self, argv: Sequence[str], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        answer: dict[str, Any] = self._execute_module(
            module_name="ansible.builtin.command", module_args={"argv": list(argv)}, task_vars=task_vars
        )
        return answer


def apt_args(names: Sequence[str], conffiles: str) -> dict[str, Any]:
    """Arguments of ansible.builtin.apt; changed configuration files stay as they are unless told otherwise."""
    return {
        "name": list(names),
        "state": "present",
        "update_cache": True,
        "install_recommends": False,
        "lock_timeout": 120,
        "allow_change_held_packages": True,
        "dpkg_options": "force-confdef,force-confold" if conffiles == "keep" else "force-confnew",
    }


def dnf_args(names: Sequence[str]) -> dict[str, Any]:
    """Arguments of ansible.builtin.dnf; the Kubernetes repository excludes its packages from ordinary updates."""
    return {
        "name": [for_dnf(name) for name in names],
        "state": "present",
        "install_weak_deps": False,
        "lock_timeout": 120,
        "disable_excludes": _REPOSITORY,
    }
