# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labs made of containers: a network, its mirror and its nodes, side by side with other labs."""

from __future__ import annotations

import io
import json
import shlex
import shutil
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import engine, inventory, offline, packages, virtual
from .base import HERE, LabError, home, locked, run, say, timed, write_atomic
from .images import storage
from .lab import FIRST_ADDRESS, Lab, free_number, load, names, node_of

ACTIONS = ("kill", "pause", "unpause", "start", "stop", "restart")
# What systemd, containerd and the kubelet need, short of --privileged, which would give them this computer's devices;
# CAP_SYS_RESOURCE is not to be had everywhere. /var is a volume because containerd's snapshots can't lie on the
# engine's overlay, and /data because no NFS server can serve from there. A machine that is stopped gets the time that
# its services take to end.
NODE_FLAGS = shlex.split("""
    --cap-add ALL --cap-drop SYS_RESOURCE --cgroupns private
    --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined
    --device /dev/kmsg --device /dev/fuse --device-cgroup-rule 'a *:* rwm'
    --tmpfs /run:exec --tmpfs /tmp:exec --volume /var --volume /data
    --stop-signal SIGRTMIN+3 --stop-timeout 20
    --entrypoint /usr/local/sbin/node-entry
""")
SSH_SECONDS = 60
# The image's user for --user operator, and Debian's group of that name.
OPERATOR_UID, OPERATOR_GID = 1000, 37
FALLBACK_RESOLVERS = ("1.1.1.1", "9.9.9.9")
MIRROR_SETTINGS = """\
version: 0.1
log: {level: warn, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: /srv/registry}
  maintenance: {readonly: {enabled: true}}
http: {addr: ":5000"}
"""
MIRROR_COMMAND = "docker-registry serve /etc/registry.yml & exec python3 -m http.server --directory /srv/files 8081"


def save(lab: Lab) -> None:
    """Write lab.json and the inventory that follows from it."""
    write_atomic(lab.folder / "lab.json", json.dumps(asdict(lab), indent=2) + "\n")
    write_atomic(lab.folder / "hosts.yml", inventory.render(lab))


def resolvers() -> list[str]:
    """This computer's name servers that a container can reach."""
    lines = Path("/etc/resolv.conf").read_text().splitlines()
    servers = [line.split()[1] for line in lines if line.startswith("nameserver ")]
    return [server for server in servers if not server.startswith("127.") and ":" not in server] or list(
        FALLBACK_RESOLVERS
    )


def _in_parallel(action: Callable[[str], object], items: Iterable[str]) -> None:
    with ThreadPoolExecutor(max_workers=8) as pool:
        for result in [pool.submit(action, item) for item in items]:
            result.result()


def _engine_numbers() -> set[int]:
    """Numbers whose network the engine has for whomever."""
    ids = engine.docker("network", "ls", "--quiet").split()
    subnets = engine.docker("network", "inspect", "--format", "{{range .IPAM.Config}}{{.Subnet}} {{end}}", *ids)
    return {int(subnet.split(".")[2]) for subnet in subnets.split() if subnet.startswith("10.90.")}


def _create(lab: Lab, name: str, address: str) -> list[str]:
    """The start of a command that creates a container of a lab."""
    return ["create", "--name", lab.container(name), "--hostname", name, "--network", lab.network, "--ip", address]


def _create_mirror(lab: Lab) -> None:
    (home() / "mirror" / "files").mkdir(parents=True, exist_ok=True)
    storage().mkdir(parents=True, exist_ok=True)
    settings = home() / "mirror" / "registry.yml"
    write_atomic(settings, MIRROR_SETTINGS)
    volumes = {storage(): "/srv/registry", home() / "mirror" / "files": "/srv/files", settings: "/etc/registry.yml"}
    engine.docker(
        *_create(lab, "mirror", lab.mirror_address),
        "--init",
        *(f"--volume={here}:{there}:ro" for here, there in volumes.items()),
        *(engine.image("mirror"), "sh", "-c", MIRROR_COMMAND),
    )


def _key_pair(comment: str) -> tuple[str, str]:
    """A new SSH key: private and public part."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "key"
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path])
        return path.read_text(), path.with_suffix(".pub").read_text()


def _first_files(lab: Lab, name: str, host_key: tuple[str, str]) -> bytes:
    """What makes a machine this lab's, as a tar archive: its host key, who may log in, and what runs or names it."""
    stream = io.BytesIO()
    user_home, user = ("root", 0) if lab.user == "root" else ("home/operator", OPERATOR_UID)
    with tarfile.open(fileobj=stream, mode="w") as archive:

        def put(path: str, text: str | None, mode: int, uid: int = 0) -> None:
            entry = tarfile.TarInfo(path)
            entry.mode, entry.uid, entry.gid, entry.mtime = mode, uid, uid and OPERATOR_GID, int(time.time())
            if text is None:
                entry.type = tarfile.DIRTYPE
            entry.size = len((text or "").encode())
            archive.addfile(entry, io.BytesIO((text or "").encode()))

        if lab.nodes[name].machine == "virtual":
            address = lab.nodes[name].address
            written = virtual.first_files(name, address, lab.gateway, resolvers(), lab.mirror_address)
            for path, text in written.items():
                put(path, text, 0o644)
        else:
            put("usr/local/sbin/node-entry", (HERE / "node-entry.sh").read_text(), 0o755)
        put("etc/ssh/ssh_host_ed25519_key", host_key[0], 0o600)
        put("etc/ssh/ssh_host_ed25519_key.pub", host_key[1], 0o644)
        if lab.user != "root":
            put("etc/ssh/sshd_config.d/root.conf", "PermitRootLogin no\n", 0o644)
        if lab.internal:
            for path, text in offline.sources(lab.os, lab.mirror_address).items():
                put(path, text, 0o644)
        put(f"{user_home}/.ssh", None, 0o700, user)
        put(f"{user_home}/.ssh/authorized_keys", (lab.folder / "id_ed25519.pub").read_text(), 0o600, user)
    return stream.getvalue()


def _create_node(lab: Lab, name: str, files: bytes) -> None:
    node = lab.nodes[name]
    create = _create(lab, name, node.address)
    if node.machine == "virtual":
        engine.docker(*create, *virtual.options(lab.os, node.address))
        engine.docker("cp", "-", f"{lab.container(name)}:/", stdin=virtual.container_files(files))
        return
    engine.docker(
        *create,
        *NODE_FLAGS,
        f"--env=LAB_RESOLVERS={' '.join(resolvers())}",
        f"--env=LAB_GATEWAY={lab.gateway}",
        engine.image(lab.os),
    )
    engine.docker("cp", "-", f"{lab.container(name)}:/", stdin=files)


def ssh_command(lab: Lab, name: str) -> list[str]:
    """How the lab itself reaches a node: as Ansible does."""
    options = {
        "UserKnownHostsFile": lab.folder / "known_hosts",
        "StrictHostKeyChecking": "yes",
        "BatchMode": "yes",
        "ConnectTimeout": 2,
        "LogLevel": "ERROR",
    }
    words = [word for option, value in options.items() for word in ("-o", f"{option}={value}")]
    return ["ssh", "-F", "none", "-i", str(lab.folder / "id_ed25519"), *words, f"{lab.user}@{lab.nodes[name].address}"]


def command_on(lab: Lab, name: str, command: Sequence[str], *, terminal: bool = False) -> list[str]:
    """Return what runs a command as root on a node: past SSH on a container, whose sshd may be what is broken."""
    if name in lab.nodes and lab.nodes[name].machine == "virtual":
        root = [] if lab.user == "root" else ["sudo", "--"]
        return [*ssh_command(lab, name), *(["-t"] if terminal else []), shlex.join([*root, *command])]
    options = ["--interactive", *(["--tty"] if terminal else [])]
    return ["docker", "exec", *options, lab.container(name), *command]


def _wait_for_ssh(lab: Lab, name: str) -> None:
    patience = virtual.SSH_SECONDS if lab.nodes[name].machine == "virtual" else SSH_SECONDS
    end = time.monotonic() + patience
    while True:
        answer = run([*ssh_command(lab, name), "true"], check=False)
        if answer.returncode == 0:
            return
        if time.monotonic() > end:
            raise LabError(f"{name} does not answer over SSH after {patience} s: {answer.stderr.strip()}")
        time.sleep(0.2)


def states(lab: Lab) -> dict[str, str]:
    """Container -> created, running, paused, exited."""
    prefixes = "|".join(prefix for prefix, _first, _last in FIRST_ADDRESS.values())
    own = f"name=^{lab.container('')}(mirror|({prefixes})[0-9]+)$"
    listing = engine.docker("ps", "--all", "--filter", own, "--format", "{{.Names}} {{.State}}").splitlines()
    return dict(line.split(" ", 1) for line in listing)


def _create_network(lab: Lab) -> None:
    if lab.network in engine.docker("network", "ls", "--format", "{{.Name}}").split():
        return
    engine.docker(
        *("network", "create", "--subnet", f"{lab.address(0)}/24", "--gateway", lab.gateway),
        *(["--internal"] if lab.internal else []),
        *("--opt", f"com.docker.network.bridge.name=kslab{lab.number}", lab.network),
    )


def _create_nodes(lab: Lab, new: Sequence[str]) -> None:
    engine.image(lab.os)  # Once, and not by all that follow at the same time.
    keys = {name: _key_pair(f"root@{name}") for name in new}
    known_hosts = lab.folder / "known_hosts"
    known = dict(line.split(" ", 1) for line in known_hosts.read_text().splitlines()) if known_hosts.exists() else {}
    known |= {lab.nodes[name].address: " ".join(public.split()[:2]) for name, (_private, public) in keys.items()}
    write_atomic(known_hosts, "".join(f"{address} {key}\n" for address, key in known.items()))
    _in_parallel(lambda name: _create_node(lab, name, _first_files(lab, name, keys[name])), new)


def _start(lab: Lab) -> None:
    """Bring up what is not: the network, the mirror, the nodes."""
    if any(node.machine == "virtual" for node in lab.nodes.values()):
        virtual.build(lab.os)
    _create_network(lab)
    found = states(lab)
    for container, state in states(lab).items():
        if state == "created":  # Half made: its files may be missing.
            engine.docker("rm", "--volumes", container)
            del found[container]
    if lab.source == "mirror" and lab.container("mirror") not in found:
        _create_mirror(lab)
    missing = [name for name in lab.nodes if lab.container(name) not in found]
    if missing:
        _create_nodes(lab, missing)
    idle = [container for container, state in states(lab).items() if state in {"created", "exited"}]
    with timed(f"{len(lab.nodes)} nodes up"):
        _in_parallel(lambda container: engine.docker("start", container), idle)
        _in_parallel(lambda name: _wait_for_ssh(lab, name), lab.nodes)


def up(lab_name: str, nodes: Iterable[str], **settings: Any) -> Lab:
    """Make a lab, or bring one of the same settings up again."""
    wanted = list(nodes)
    if lab_name in names():
        lab = load(lab_name)
        different = [name for name, value in settings.items() if getattr(lab, name) != value]
        if different or not set(wanted) <= set(lab.nodes):
            what = ", ".join(different or ["nodes"])
            raise LabError(f"lab {lab_name!r} is there with another choice of {what}: take it down first")
    else:
        lab = _new(lab_name, wanted, settings)
    _start(lab)
    return lab


def _new(lab_name: str, nodes: Iterable[str], settings: dict[str, Any]) -> Lab:
    with locked("labs"):
        lab = Lab(
            name=lab_name,
            number=free_number({load(name).number for name in names()} | _engine_numbers()),
            key_fingerprint=packages.fingerprint() if settings["source"] == "mirror" else "",
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            **settings,
        )
        lab.nodes = {node: node_of(lab, node, lab.machine) for node in nodes}
        lab.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        private, public = _key_pair(f"lab {lab_name}")
        write_atomic(lab.folder / "id_ed25519", private, 0o600)
        write_atomic(lab.folder / "id_ed25519.pub", public)
        save(lab)
    return lab


def add(lab: Lab, new: Sequence[str], machine: str = "container") -> None:
    """More nodes of a kind for a lab."""
    for name in new:
        if name in lab.nodes:
            raise LabError(f"lab {lab.name!r} has a node {name!r} already")
        lab.nodes[name] = node_of(lab, name, machine)
    save(lab)
    _start(lab)


def down(lab_name: str) -> None:
    """Remove all there is of a lab, as far as it came."""
    lab = load(lab_name)
    containers = sorted(states(lab))
    if containers:
        engine.docker("rm", "--force", "--volumes", *containers)
    if lab.network in engine.docker("network", "ls", "--format", "{{.Name}}").split():
        engine.docker("network", "rm", lab.network)
    shutil.rmtree(lab.folder)
    say(f"lab {lab_name} is gone")


def act(lab: Lab, action: str, node: str) -> None:
    """Do to a node what happens to machines."""
    if node not in {*lab.nodes, "mirror"}:
        raise LabError(f"lab {lab.name!r} has no node {node!r}; it has: {', '.join(lab.nodes)}, and mirror")
    engine.docker(action, lab.container(node))


def show(lab: Lab) -> dict[str, Any]:
    """All about a lab."""
    found = states(lab)
    return {
        **asdict(lab),
        "folder": str(lab.folder),
        "inventory": str(lab.folder / "hosts.yml"),
        "subnet": f"{lab.address(0)}/24",
        "mirror": lab.mirror_address if lab.source == "mirror" else None,
        "vip": lab.vip,
        "nodes": {
            name: {
                **asdict(node),
                "container": lab.container(name),
                "state": found.get(lab.container(name), "absent"),
            }
            for name, node in lab.nodes.items()
        },
    }
