#!/usr/bin/python
# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take Kubernetes off a machine."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kubeadm_reset
short_description: Take Kubernetes off a machine
version_added: 0.1.0
description:
  - Runs C(kubeadm reset), and then removes what that leaves. Those are the certificates of kubelet, the logs of the
    pods, flannel's and the CNI plugins' files and interfaces, Kubernetes' own rules in the packet filter, and the files
    and units that the roles of this collection put in place.
  - Rules of others are never touched, and nothing is flushed. Chains and tables that are Kubernetes' by their
    names go, and the jumps to them.
  - A machine of another cluster (by its CA) is refused.
  - A reset that was interrupted is recognised and finished by the next one.
  - Looks afterwards, and returns what is left. That is packages and their holds, folders with something in them (Helm's
    and the container runtime's among them), interfaces, routes and rules of the packet filter, entries of firewalld or
    ufw, swap lines that are comments, and kernel settings until the next boot.
author:
  - kubestead contributors (@kubestead)
options:
  ca_cert_hashes:
    description: Hashes of the CA of the cluster that the machine may be a member of, as sha256:hex. Empty, any.
    type: list
    elements: str
    default: []
  whole_cluster:
    description:
      - Whether all control planes go. Otherwise a control plane's etcd is first taken out of the cluster's, which
        needs the other ones to be healthy.
    type: bool
    default: false
  cri_socket:
    description: Socket of the container runtime.
    type: str
    required: true
  files:
    description: What the roles put in place.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The file to remove, or a pattern with V(*) in it.
        type: path
        required: true
      contains:
        description: A text by which a file is known as the collection's own. One without it stays.
        type: str
      block_name:
        description: Only the block of this name is removed from the file.
        type: str
      recorded:
        description:
          - The file is a download, or a JSON document, of M(kubestead.cluster.machine_config). It is the collection's
            own as far as the record of that says, and keys of others stay in a document.
        type: bool
        default: false
  units:
    description: systemd's units to stop and disable.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Full name, such as V(haproxy.service).
        type: str
        required: true
      file:
        description: The unit is left alone unless this one of O(files) is there and the collection's own.
        type: path
      state:
        description: V(restarted) restarts a unit that is running, V(stopped) stops and disables it.
        type: str
        choices: [stopped, restarted]
        default: stopped
  vip:
    description: The virtual IP, which must be gone afterwards.
    type: str
  packages:
    description: Packages to look for when what is left is listed.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
    description: Lists what would be removed.
  diff_mode:
    support: full
    description: Shows what is removed.
seealso:
  - module: kubestead.cluster.kubeadm_join
"""

EXAMPLES = r"""
- name: Take Kubernetes off the machine
  kubestead.cluster.kubeadm_reset:
    cri_socket: unix:///run/containerd/containerd.sock
    ca_cert_hashes: [sha256:5f5b64e9bdca0a7fdd5aa8b4ae63d3e2a2c2e8ac0ee33c9b51f54cbb6fd6a1f0]
"""

RETURN = r"""
removes:
  description: What was removed, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample:
    - worker w1 of the cluster at https://10.90.0.100:8443
    - unit kubelet.service stopped
    - interface flannel.1
    - 27 chains of Kubernetes and 9 jumps to them (iptables-nft)
    - contents of /var/lib/kubelet
left:
  description: What there is of Kubernetes on the machine now; in check mode, all that is there now.
  returned: success
  type: list
  elements: str
  sample:
    - package kubelet 1.36.3-1.1
    - "package kubelet is held: no upgrade changes it"
    - /var/lib/containerd (12 entries)
    - kernel setting net.ipv4.ip_forward = 1, until the next boot
"""

import ipaddress
import json
import os
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kubestead.cluster.plugins.module_utils import _netfilter
from ansible_collections.kubestead.cluster.plugins.module_utils._kubeadm import membership
from ansible_collections.kubestead.cluster.plugins.module_utils._kubeadm import run as kubeadm
from ansible_collections.kubestead.cluster.plugins.module_utils._machine import (
    apply,
    files,
    firewall,
    holds,
    selinux,
    swap,
    units,
)
from ansible_collections.kubestead.cluster.plugins.module_utils._machine import state as machine_state
from ansible_collections.kubestead.cluster.plugins.module_utils._machine.files import FileWish
from ansible_collections.kubestead.cluster.plugins.module_utils._runner import Runner, guard

# Contents go, the folder itself stays: it may be a package's or a mount point. These only with a membership: a user
# may have put a CA of their own there for a cluster that is yet to come.
MEMBER_FOLDERS = (
    "etc/kubernetes/manifests",
    "etc/kubernetes/pki",
    "etc/kubernetes/tmp",
    # What cri-dockerd remembers of pods.
    "var/lib/cri-dockerd",
)
KUBECONFIGS = "etc/kubernetes/*.conf"
# kubelet's own. https://kubernetes.io/docs/reference/setup-tools/kubeadm/kubeadm-reset/ names what kubeadm leaves.
KUBELET_FOLDERS = ("var/lib/kubelet", "var/log/pods", "var/log/containers")
# flannel's configuration, the plugin and the state it keeps (its network is cbr0), none of it the packages'.
NETWORK_TRACES = ("etc/cni/net.d/10-flannel.conflist", "run/flannel")
NETWORK_PATHS = (
    "opt/cni/bin/flannel",
    "var/lib/cni/flannel",
    "var/lib/cni/networks/cbr0",
    "var/lib/cni/results/cbr0-*",
    "etc/cni/net.d/10-flannel.conflist",
    "run/flannel",
)
OWN_LINK = re.compile(r"^(flannel(\.\d+|-v6\.\d+|-wg|-wg-v6)|kube-ipvs0)$")
# What flannel noted of its network; with the backend host-gw its routes lead over the machine's own interfaces.
FLANNEL_NOTES = "run/flannel/subnet.env"
FLANNEL_NETWORK = re.compile(r"^FLANNEL_NETWORK=(\S+)$", re.MULTILINE)
# A bridge of this name may be another network's, so it needs flannel's traces beside it.
BRIDGE = "cni0"
# Where removed files may leave a folder that nobody else needs.
EMPTY_FOLDERS = (
    "/etc/kubernetes/patches",
    "/usr/local/lib/kubestead",
    "/etc/containerd/certs.d/*",
    "/etc/containerd/certs.d",
    "/etc/docker/certs.d/*",
    "/etc/docker/certs.d",
    "/etc/systemd/system/*.service.d",
)
# What is worth telling when something is left in it.
LOOKED_AT = (
    "etc/kubernetes",
    "var/lib/etcd",
    "var/lib/kubelet",
    "var/lib/kubestead",
    "etc/cni/net.d",
    "var/lib/cni",
    "etc/containerd",
    "var/lib/containerd",
    "etc/docker",
    "var/lib/docker",
    "etc/haproxy",
    "etc/keepalived",
    "opt/cni/bin",
    # helm itself, and what it keeps when root calls it by hand.
    "opt/kubestead/bin",
    "root/.cache/helm",
    "root/.config/helm",
    "root/.local/share/helm",
    "root/.kube",
    # Made by the static pod of kube-controller-manager (hostPath, DirectoryOrCreate).
    "usr/libexec/kubernetes",
    "etc/calico",
    "var/lib/calico",
    "var/lib/cri-dockerd",
)
# Files that role helm leaves for role helm to remove.
LEFT_FILES = ("etc/profile.d/kubestead-helm.sh",)
# Settings that stay as they are until the machine starts again, though the files that made them are gone.
KERNEL_SETTINGS = (
    "net.ipv4.ip_forward",
    "net.bridge.bridge-nf-call-iptables",
    "net.bridge.bridge-nf-call-ip6tables",
)
# Docker refuses to remove a container that kubelet, gone by then, has begun to remove: a little later it is removed.
UNDER_WAY = "is already in progress"
PAUSES = (2, 5, 10)
# kubeadm only warns, and goes on, where it could not do what it has to.
WARNINGS = re.compile(r"\[reset\] ((?:Failed to|WARNING: Failed|Unable to fetch the kubeadm-config).*)")


@dataclass(frozen=True)
class Route:
    """A route by way of another node."""

    destination: str
    gateway: str
    device: str

    def __str__(self) -> str:
        """Return the route as the program ip takes it."""
        return f"{self.destination} via {self.gateway} dev {self.device}"


@dataclass(frozen=True)
class State:
    """What of Kubernetes is on the machine."""

    member: membership.Member
    links: list[str]
    routes: list[Route]
    addresses: list[str]
    rules: list[_netfilter.Rules]
    tables: list[tuple[str, str]]
    folders: list[str]
    paths: list[str]


@dataclass(frozen=True)
class Plan:
    """What goes, in the order in which it goes."""

    kubeadm: bool
    headline: list[str]
    units: list[units.UnitStep]
    links: list[str]
    routes: list[Route]
    rules: list[_netfilter.Rules]
    tables: list[tuple[str, str]]
    folders: list[str]
    paths: list[str]
    files: list[files.FileStep]

    def removes(self, in_full: bool = False) -> list[str]:
        """Return what goes, a line each; of the many rules of the packet filter only how many, unless `in_full`."""
        return [
            *self.headline,
            *(step.change.summary for step in self.units),
            *(f"interface {name}" for name in self.links),
            *(f"route {route}" for route in self.routes),
            *(line for rules in self.rules for line in (rules.listing() if in_full else [rules.summary()])),
            *(f"nftables table {family} {name}" for family, name in self.tables),
            *(f"contents of {path}" for path in self.folders),
            *self.paths,
            *(change.summary for step in self.files for change in step.changes),
        ]


def own_links(names: Sequence[str], network: bool) -> list[str]:
    """Return the interfaces that are ours. `network`: whether there are traces of flannel."""
    return [name for name in names if OWN_LINK.match(name) or (name == BRIDGE and network)]


def own_routes(routes: Sequence[Mapping[str, Any]], notes: str) -> list[Route]:
    """Return flannel's routes, but those that go with its interfaces."""
    network = FLANNEL_NETWORK.search(notes)
    if not network:
        return []
    pods = ipaddress.IPv4Network(network.group(1))
    found = [
        Route(item["dst"], item["gateway"], item["dev"])
        for item in routes
        if item["dst"] != "default" and "gateway" in item and not OWN_LINK.match(item["dev"])
    ]
    return [route for route in found if ipaddress.IPv4Network(route.destination).subnet_of(pods)]


def read_routes(run: Runner, root: Path) -> list[Route]:
    """Read the routes that flannel made."""
    notes = root / FLANNEL_NOTES
    if not notes.exists():
        return []
    return own_routes(json.loads(run(["ip", "-json", "-4", "route", "show"]).stdout), notes.read_text())


def read_state(run: Runner, find: _netfilter.Find, api_port: int = 6443, root: Path = Path("/")) -> State:
    """Read the machine."""
    member = membership.read_member(root, api_port)
    links = json.loads(run(["ip", "-json", "address", "show"]).stdout)
    names = [item["ifname"] for item in links if "ifname" in item]
    network = any((root / path).exists() for path in NETWORK_TRACES) or any(map(OWN_LINK.match, names))
    folders = list(KUBELET_FOLDERS)
    if member.state != "bare":
        manifest = root / "etc/kubernetes/manifests/etcd.yaml"
        folders += [*MEMBER_FOLDERS, etcd_folder(manifest.read_text() if manifest.exists() else "")]
    patterns = [*([KUBECONFIGS] if member.state != "bare" else []), *NETWORK_PATHS]
    return State(
        member=member,
        links=own_links(names, network),
        routes=read_routes(run, root),
        addresses=[entry["local"] for item in links for entry in item.get("addr_info", [])],
        rules=_netfilter.read_rules(run, find),
        tables=_netfilter.read_tables(run, find),
        folders=[str(root / path) for path in dict.fromkeys(folders) if entries(root / path)],
        paths=[str(path) for pattern in patterns for path in sorted(root.glob(pattern))],
    )


def etcd_folder(manifest: str) -> str:
    """Return where etcd keeps its data, relative to the root, by kubeadm's manifest for it."""
    found = re.search(r"--data-dir=/(\S+)", manifest)
    return found.group(1) if found else "var/lib/etcd"


def entries(folder: Path) -> int:
    """Return how many entries a folder has, 0 where there is none."""
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def own_files(wanted: Sequence[Mapping[str, Any]]) -> list[FileWish]:
    """Return those of the files that are there and the collection's own."""
    found = []
    for item in wanted:
        if item["recorded"]:
            record = files.read_record(item["path"])
            if record:
                shared = "document" in record
                found.append(FileWish(item["path"], document={}) if shared else FileWish(item["path"], "absent"))
            continue
        if "*" in item["path"]:
            own = files.holding(item["path"], item["contains"] or "")
            found += [FileWish(path, "absent", sensitive=True) for path in own]
            continue
        state = files.read_file(item["path"])
        if state.kind != "file" or (item["contains"] and item["contains"].encode() not in state.content):
            continue
        if item["block_name"]:
            found.append(FileWish(item["path"], block="", block_name=item["block_name"]))
        else:
            found.append(FileWish(item["path"], "absent"))
    return found


def unit_wishes(wanted: Sequence[Mapping[str, Any]], ours: Sequence[str]) -> list[units.UnitWish]:
    """Return how the units have to be, as far as they are ours."""
    found = []
    for item in wanted:
        if item["file"] and item["file"] not in ours:
            continue
        if item["state"] == "stopped":
            found.append(units.UnitWish(item["name"], enabled=False, state="stopped"))
        else:
            found.append(units.UnitWish(item["name"], restart_on=(item["file"],) if item["file"] else ()))
    return found


def headline(member: membership.Member) -> list[str]:
    """Return what the machine is, as a line of what goes."""
    if member.state == "bare":
        return []
    role = "control plane" if member.role == "control_plane" else "worker"
    node = f" {member.node_name}" if member.node_name else ""
    cluster = f" of the cluster at {member.server}" if member.server else ""
    half = f" (half done: {member.partial_of})" if member.state == "partial" else ""
    return [f"{role}{node}{cluster}{half}"]


def check_cluster(member: membership.Member, hashes: Sequence[str]) -> None:
    """Refuse a machine of another cluster."""
    if member.ca_hash and hashes and member.ca_hash not in hashes:
        cluster = member.server or "its API is not known"
        raise membership.Refused(
            f"found a member of another cluster ({cluster}, CA {member.ca_hash}), expected one of the cluster with CA "
            f"{', '.join(hashes)}; take the machine out of the inventory, or, if it is to be reset all the same, allow "
            "it (reset_other_cluster: true)"
        )


def plan(state: State, unit_steps: list[units.UnitStep], file_steps: list[files.FileStep]) -> Plan:
    """Decide what goes; pure."""
    return Plan(
        kubeadm=state.member.state != "bare",
        headline=headline(state.member),
        units=unit_steps,
        links=state.links,
        routes=state.routes,
        rules=state.rules,
        tables=state.tables,
        folders=state.folders,
        paths=state.paths,
        files=file_steps,
    )


def warnings_of(text: str) -> list[str]:
    """Return what kubeadm reset could not do, though it ended well."""
    return [match.strip() for match in WARNINGS.findall(text)]


def mounts_below(mountinfo: str, folder: str) -> list[str]:
    """Return the mount points below a folder (proc(5): the fifth field, with octal escapes)."""
    points = [line.split()[4].encode().decode("unicode_escape") for line in mountinfo.splitlines() if line.strip()]
    return [point for point in points if point.startswith(folder.rstrip("/") + "/")]


def empty(folder: str, mountinfo: str) -> None:
    """Remove a folder's contents, but never what is mounted there: that may be somebody's data."""
    mounted = mounts_below(mountinfo, os.path.realpath(folder))
    if mounted:
        raise membership.Refused(
            f"{folder} still has mounts ({', '.join(mounted[:3])}{' ...' if len(mounted) > 3 else ''}), which kubeadm "
            "should have ended; unmount them and run again"
        )
    if Path(folder).is_dir():
        for path in Path(folder).iterdir():
            remove_path(path)


def left_folders(root: Path) -> list[str]:
    """Return the folders in which something is left, a line each."""
    counted = {path: entries(root / path) for path in LOOKED_AT}
    found = [
        f"/{path} ({number} {'entry' if number == 1 else 'entries'})" for path, number in counted.items() if number
    ]
    return found + [f"/{path}" for path in LEFT_FILES if (root / path).exists()]


def left_firewall(root: Path) -> list[str]:
    """Return the sources that were let through the firewall, a line for each owner; they, and the ports, stay open."""
    folder = root / firewall.record_path("").strip("/").rpartition("/")[0]
    added = {path.stem: firewall.read_added(str(path)) for path in sorted(folder.glob("*.json"))}
    return [
        f"firewall {tool}: entries of role {owner} for {', '.join(sources)}, and the ports that it opened"
        for owner, tools in added.items()
        for tool, sources in tools.items()
        if sources
    ]


def left_settings(root: Path) -> list[str]:
    """Return the kernel's settings that are still on, a line each."""
    files = {name: root / "proc/sys" / name.replace(".", "/") for name in KERNEL_SETTINGS}
    return [
        f"kernel setting {name} = 1, until the next boot"
        for name, path in files.items()
        if path.exists() and path.read_text().strip() == "1"
    ]


def prune(folder: Path) -> None:
    """Remove the empty folders in a folder, and itself if nothing is left."""
    for path in sorted([*folder.glob("**"), folder], reverse=True):
        if path.is_dir() and not entries(path):
            path.rmdir()


def remove_path(path: Path) -> None:
    """Remove a file, a link or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


class Machine:
    """Reads, plans and applies with the module's way of running programs."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.params: dict[str, Any] = module.params
        self.run = Runner(module)

    def plan(self, state: State) -> Plan:
        """Read units and files, and decide."""
        wishes = own_files(self.params["files"])
        ours = [wish.path for wish in wishes]
        wanted = unit_wishes(self.params["units"], ours)
        states = units.read_units([wish.name for wish in wanted], self.run.find, self.run.execute)
        steps = units.plan_units(wanted, states, dict.fromkeys(ours, True), {}, 0, time.time_ns())
        return plan(state, steps, files.plan_files(wishes, self.module.check_mode))

    def read(self) -> State:
        """Read the state of the machine, which has to be one of this cluster."""
        state = read_state(self.run, self.run.find)
        check_cluster(state.member, self.params["ca_cert_hashes"])
        return state

    def warnings(self, command: list[str]) -> list[str]:
        """Run kubeadm and return what it could not do."""
        answer = self.run(command)
        return warnings_of(answer.stdout + answer.stderr)

    def kubeadm_reset(self, member: membership.Member) -> None:
        """Let kubeadm undo what it did; what it could only warn about is an error."""
        skip = ["remove-etcd-member"] if self.params["whole_cluster"] else []
        document = {
            "apiVersion": "kubeadm.k8s.io/v1beta4",
            "kind": "ResetConfiguration",
            "cleanupTmpDir": True,
            "criSocket": self.params["cri_socket"],
            "force": True,
            "skipPhases": skip,
        }
        with kubeadm.configuration([document], "reset.yaml") as path:
            found = self.warnings(["kubeadm", "reset", "--config", path])
            for pause in PAUSES:
                if not any(UNDER_WAY in text for text in found):
                    break
                time.sleep(pause)
                found = self.warnings(["kubeadm", "reset", "--config", path])
        if self.params["whole_cluster"]:
            # The cluster's configuration is only needed to find the etcd that others have as a member.
            found = [text for text in found if not text.startswith("Unable to fetch the kubeadm-config")]
        if found:
            advice = ""
            if member.role == "control_plane" and not self.params["whole_cluster"]:
                advice = (
                    "; see on another control plane whether etcd still lists this machine (etcdctl member list) and "
                    "remove it there (etcdctl member remove)"
                )
            raise membership.Refused(
                f"kubeadm reset ended, but could not do all: {'; '.join(found)}{advice}; then run again"
            )

    def apply(self) -> Plan:
        """Carry it out; return what was done."""
        with membership.exclusive():
            before = self.read()
            todo = self.plan(before)
            if todo.kubeadm:
                membership.begin("reset")
                self.kubeadm_reset(before.member)
            # kubeadm and the end of the pods took some of it along, and the rest is what has to be removed still.
            now = read_state(self.run, self.run.find)
            rest = self.plan(now)
            restarts = [step for step in rest.units if step.verb == "restart"]
            for step in rest.units:
                if step not in restarts:
                    units.apply_unit(step, self.run.find, self.run.execute)
            for name in rest.links:
                self.run(["ip", "link", "delete", name])
            for route in rest.routes:
                self.run(["ip", "route", "delete", *str(route).split()])
            _netfilter.remove(self.run, rest.rules, rest.tables)
            mountinfo = Path("/proc/self/mountinfo").read_text()
            for folder in dict.fromkeys([*todo.folders, *rest.folders]):
                empty(folder, mountinfo)
            for path in dict.fromkeys([*todo.paths, *rest.paths]):
                remove_path(Path(path))
            self.remove_files(rest.files)
            for step in restarts:
                units.apply_unit(step, self.run.find, self.run.execute)
            if todo.kubeadm:
                membership.end()
            # Records of files that are still there stay.
            prune(Path("/", membership.JOURNAL).parent)
        return todo

    def remove_files(self, steps: Sequence[files.FileStep]) -> None:
        """Remove the roles' files, and the folders that they leave empty."""
        for step in steps:
            apply.apply_file(
                step, files.fetch_url, self.run.find, self.run.execute, partial(selinux.label, self.module)
            )
        for pattern in EMPTY_FOLDERS:
            for folder in Path("/").glob(pattern.lstrip("/")):
                if folder.is_dir() and not entries(folder):
                    folder.rmdir()
        if any(step.wish.path.startswith("/etc/systemd/") for step in steps):
            units.daemon_reload(self.run.find, self.run.execute)

    def left(self) -> list[str]:
        """Look for what is left."""
        state = read_state(self.run, self.run.find)
        found = headline(state.member)
        found += [f"package {name} {version}" for name, version in sorted(self.packages().items())]
        found += [f"package {name} is held: no upgrade changes it" for name in self.held()]
        found += left_folders(Path("/"))
        found += [f"interface {name}" for name in state.links]
        found += [f"route {route}" for route in state.routes]
        found += [rules.summary() for rules in state.rules]
        found += [f"nftables table {family} {name}" for family, name in state.tables]
        if self.params["vip"] in state.addresses:
            found.append(f"the virtual IP {self.params['vip']}")
        if swap.COMMENT in machine_state.read_text(swap.FSTAB):
            found.append(f"swap lines of {swap.FSTAB} that are comments now")
        return found + left_firewall(Path("/")) + left_settings(Path("/"))

    def held(self) -> list[str]:
        """Return the packages that are held: purging them ends that, and nothing else here does."""
        if not holds.uses_dpkg():
            return []
        selections = holds.read_selections(self.params["packages"])
        return sorted(name for name, selection in selections.items() if selection == "hold")

    def packages(self) -> dict[str, str]:
        """Return the versions of the packages that are installed."""
        names = self.params["packages"]
        if Path("/etc/debian_version").exists():
            return machine_state.parse_dpkg_status(machine_state.read_text("/var/lib/dpkg/status"), names)
        if not names or not self.run.find("rpm"):
            return {}
        # rpm's exit code is the number of names that are not installed.
        command = ["rpm", "-q", "--qf", "%{NAME} %{VERSION}-%{RELEASE}\\n", *names]
        return machine_state.parse_rpm_query(self.run(command, check=False).stdout)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "ca_cert_hashes": {"type": "list", "elements": "str", "default": []},
            "whole_cluster": {"type": "bool", "default": False},
            "cri_socket": {"type": "str", "required": True},
            "files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "path": {"type": "path", "required": True},
                    "contains": {"type": "str"},
                    "recorded": {"type": "bool", "default": False},
                    "block_name": {"type": "str"},
                },
            },
            "units": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "file": {"type": "path"},
                    "state": {"type": "str", "choices": ["stopped", "restarted"], "default": "stopped"},
                },
            },
            "vip": {"type": "str"},
            "packages": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    with guard(module):
        machine = Machine(module)
        todo = machine.plan(machine.read())
        removes = todo.removes()
        if removes and not module.check_mode:
            machine.apply()
        diff = {"before": "".join(f"{line}\n" for line in todo.removes(in_full=True)), "after": ""}
        module.exit_json(changed=bool(removes), removes=removes, left=machine.left(), diff=diff)


if __name__ == "__main__":
    main()
