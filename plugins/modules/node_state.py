#!/usr/bin/python
# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read everything later steps need to know of a machine, in one call."""

from __future__ import annotations

DOCUMENTATION = r"""
module: node_state
short_description: Read the state of a machine that is, or will be, a Kubernetes node
version_added: 0.1.0
description:
  - Reads in one call what the roles of this collection decide by, instead of the facts of M(ansible.builtin.setup).
  - Changes nothing. The only traffic it may send goes to the addresses named in O(vip) and, on control planes, to their
    own kube-apiserver and etcd, of which it asks the Nodes and the members.
author:
  - kubestead contributors (@kubestead)
options:
  packages:
    description: Names of packages whose installed versions are wanted.
    type: list
    elements: str
    default: []
  ports:
    description: Ports of which is told who listens on them.
    type: list
    elements: int
    default: []
  peers:
    description: Addresses to which a route must exist.
    type: list
    elements: str
    default: []
  vip:
    description: A virtual IP of which is told whether another machine answers there already (by ARP or TCP).
    type: str
  vip_port:
    description: TCP port to try at O(vip).
    type: int
    default: 8443
  api_port:
    description: Port of the local kube-apiserver.
    type: int
    default: 6443
extends_documentation_fragment:
  - kubestead.cluster.attributes.read_only
seealso:
  - module: kubestead.cluster.cluster_info
"""

EXAMPLES = r"""
- name: Read the machine
  kubestead.cluster.node_state:
    packages: [kubeadm, kubelet, kubectl, containerd]
    ports: [6443, 10250]
  register: machine

- name: Show what it is
  ansible.builtin.debug:
    msg: "{{ machine.state.os.name }}: {{ machine.state.member.state }}"
"""

RETURN = r"""
state:
  description: The machine as it is.
  returned: success
  type: dict
  sample:
    arch: amd64
    cgroup_version: 2
    cluster:
      etcd:
        healthy: true
        id: 9d099a1ab82c5992
        members:
          - {id: 9d099a1ab82c5992, learner: false, name: cp1, peer: "https://10.90.0.11:2380"}
      nodes:
        - {control_plane: true, name: cp1, unready_seconds: null}
        - {control_plane: false, name: w1, unready_seconds: 86520}
    cpus: 2
    default_route: {gateway: 10.90.0.1, interface: eth0}
    filesystems:
      /: {free_mib: 74210, total_mib: 257806}
      /var/lib/containerd: {free_mib: 74210, total_mib: 257806}
      /var/lib/docker: {free_mib: 74210, total_mib: 257806}
      /var/lib/etcd: {free_mib: 74210, total_mib: 257806}
      /var/lib/kubelet: {free_mib: 74210, total_mib: 257806}
    firewall: null
    hostname: cp1
    interfaces:
      - {addresses: [127.0.0.1/8], mac: "00:00:00:00:00:00", name: lo}
      - {addresses: [10.90.0.11/24, 10.90.0.100/24], mac: "02:42:0a:5a:00:0b", name: eth0}
    kernel: 6.12.57+deb13-amd64
    kube: {kubeadm: 1.36.3, kubectl: 1.36.3, kubelet: 1.36.3}
    listening:
      - {address: "::", pid: 2107, port: 6443, process: kube-apiserver, protocol: tcp}
    machine_id: 2f1c6c1f6a5e4d0e8a4b6f0f0c1d2e3f
    member:
      api_healthy: true
      ca_hash: sha256:5f5b64e9bdca0a7fdd5aa8b4ae63d3e2a2c2e8ac0ee33c9b51f54cbb6fd6a1f0
      certificates: {apiserver: "2027-11-22T10:00:00Z", ca: "2036-11-19T10:00:00Z"}
      cri_socket: unix:///run/containerd/containerd.sock
      leftovers: []
      node_name: cp1
      partial_of: null
      role: control_plane
      server: https://10.90.0.100:8443
      state: member
    memory_mib: 7951
    nfsd: true
    os: {codename: trixie, family: debian, id: debian, name: Debian GNU/Linux 13 (trixie), version_id: "13"}
    packages: {containerd: 1.7.24~ds1-6+b4, kubeadm: 1.36.3-1.1, kubectl: 1.36.3-1.1, kubelet: 1.36.3-1.1}
    python: 3.13.5
    resolver: [10.90.0.1]
    routes: {}
    runtime: {containerd: 1.7.24, docker: null}
    selinux: null
    swap: []
    swap_removable: true
    time: {epoch: 1795341600.1, service: chrony, synchronized: true}
    vip_answers: null
    vip_peers: [10.90.0.12, 10.90.0.13]
"""

import json
import os
import platform
import re
import socket
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kubestead.cluster.plugins.module_utils import _cluster_state
from ansible_collections.kubestead.cluster.plugins.module_utils._kubeadm.membership import read_member
from ansible_collections.kubestead.cluster.plugins.module_utils._machine import state as machine
from ansible_collections.kubestead.cluster.plugins.module_utils._runner import Runner, guard
from ansible_collections.kubestead.cluster.plugins.module_utils._virtual_ip import parse_peers

# Kubernetes' names of the architectures that it is built for.
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "ppc64le": "ppc64le", "s390x": "s390x"}
KUBE_PACKAGES = ("kubeadm", "kubelet", "kubectl")
RUNTIME_PACKAGES = ("containerd", "containerd.io", "docker.io", "docker-ce")
FILESYSTEMS = ("/", "/var/lib/kubelet", "/var/lib/etcd", "/var/lib/containerd", "/var/lib/docker")
UPSTREAM_VERSION = re.compile(r"^(?:\d+:)?v?(\d+\.\d+\.\d+)")


def upstream_version(package_version: str | None) -> str | None:
    """Return x.y.z of a package version such as 5:28.5.2-1~debian.13, None where it has none."""
    match = UPSTREAM_VERSION.match(package_version or "")
    return match.group(1) if match else None


def read_packages(run: Runner, family: str, names: set[str]) -> dict[str, str]:
    """Return the installed ones of `names` with their versions."""
    if family == "debian":
        return machine.parse_dpkg_status(machine.read_text("/var/lib/dpkg/status"), names)
    if family == "redhat":
        command = ["rpm", "-q", "--qf", "%{NAME} %{VERSION}-%{RELEASE}\\n", *sorted(names)]
        # rpm's exit code is the number of names that are not installed.
        return machine.parse_rpm_query(run(command, check=False).stdout)
    return {}


def read_interfaces(run: Runner) -> list[dict[str, Any]]:
    """Return the interfaces with their addresses in CIDR notation."""
    return [
        {
            "name": item["ifname"],
            "mac": item.get("address"),
            "addresses": [f"{entry['local']}/{entry['prefixlen']}" for entry in item.get("addr_info", [])],
        }
        for item in json.loads(run(["ip", "-json", "address", "show"]).stdout)
        if "ifname" in item
    ]


def running_firewall() -> str | None:
    """Return the firewall front end that is in force: firewalld's process, or ufw's own switch."""
    if Path("/run/firewalld.pid").exists() or any(
        machine.read_text(f"/proc/{pid}/comm").strip() == "firewalld" for pid in os.listdir("/proc") if pid.isdigit()
    ):
        return "firewalld"
    if re.search(r"^ENABLED=yes", machine.read_text("/etc/ufw/ufw.conf"), re.MULTILINE):
        return "ufw"
    return None


def read_cluster(api_port: int) -> dict[str, Any]:
    """Return the cluster as this control plane sees it; nothing (null) on other machines, or where nothing answers."""
    etcd, nodes = _cluster_state.read_etcd(), _cluster_state.read_nodes(port=api_port)
    return {
        "etcd": asdict(etcd) if etcd else None,
        "nodes": None if nodes is None else [asdict(node) for node in nodes],
    }


def read_state(run: Runner, params: dict[str, Any]) -> dict[str, Any]:
    """Read everything that the module returns."""
    system = machine.parse_os_release(machine.read_text("/etc/os-release"))
    packages = read_packages(run, system.family, {*params["packages"], *KUBE_PACKAGES, *RUNTIME_PACKAGES})
    interfaces = read_interfaces(run)
    swaps = machine.parse_swaps(machine.read_text("/proc/swaps"))
    own_addresses = {address.split("/")[0] for item in interfaces for address in item["addresses"]}
    vip = params["vip"]
    return {
        "hostname": socket.gethostname(),
        "machine_id": machine.read_text("/etc/machine-id").strip(),
        "python": platform.python_version(),
        "kernel": platform.release(),
        "arch": ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": asdict(system),
        "cpus": os.cpu_count() or 1,
        "memory_mib": machine.parse_meminfo(machine.read_text("/proc/meminfo")),
        "filesystems": machine.read_filesystems(FILESYSTEMS),
        "cgroup_version": machine.read_cgroup_version(),
        "swap": machine.as_dicts(swaps),
        # Swap of a container's host is listed in /proc/swaps but belongs to nobody here: the device is not there.
        "swap_removable": all(Path(swap.device).exists() for swap in swaps),
        "time": machine.read_time(),
        "resolver": machine.read_nameservers(),
        "interfaces": interfaces,
        "default_route": machine.parse_default_route(machine.read_text("/proc/net/route")),
        "routes": {peer: machine.has_route(peer) for peer in params["peers"]},
        "vip_answers": machine.ask_address(vip, params["vip_port"]) if vip and vip not in own_addresses else None,
        "vip_peers": parse_peers(machine.read_text("/etc/keepalived/keepalived.conf")),
        "listening": machine.as_dicts(machine.read_listeners(params["ports"])),
        "selinux": machine.read_selinux(),
        "firewall": running_firewall(),
        "nfsd": machine.read_nfsd(platform.release()),
        "packages": packages,
        "kube": {name: upstream_version(packages.get(name)) for name in KUBE_PACKAGES},
        "runtime": {
            "containerd": upstream_version(packages.get("containerd") or packages.get("containerd.io")),
            "docker": upstream_version(packages.get("docker.io") or packages.get("docker-ce")),
        },
        "member": asdict(read_member(api_port=params["api_port"])),
        "cluster": read_cluster(params["api_port"]),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "packages": {"type": "list", "elements": "str", "default": []},
            "ports": {"type": "list", "elements": "int", "default": []},
            "peers": {"type": "list", "elements": "str", "default": []},
            "vip": {"type": "str"},
            "vip_port": {"type": "int", "default": 8443},
            "api_port": {"type": "int", "default": 6443},
        },
        supports_check_mode=True,
    )
    with guard(module):
        module.exit_json(changed=False, state=read_state(Runner(module), module.params))


if __name__ == "__main__":
    main()
