# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labs: a network, its mirror and its nodes, side by side with other labs."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import engine, inventory, packages, rootfs
from .base import HERE, LabError, home, locked, run, say, timed, write_atomic
from .images import storage

PREFIX = "kubestead-"
FIRST_ADDRESS = {"kube_control_plane": ("cp", 11, 20), "kube_node": ("w", 21, 99)}
ACTIONS = ("kill", "pause", "unpause", "start", "stop", "restart")
# A machine gets the time that its services take to end before it is cut off.
STOP_SECONDS = "20"
SSH_SECONDS = 60
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


@dataclass(frozen=True)
class Node:
    """One machine."""

    address: str
    role: str


@dataclass
class Lab:
    """What a lab is made of; kept in its lab.json."""

    name: str
    number: int
    os: str
    user: str
    internal: bool
    version: str
    source: str
    key_fingerprint: str
    created: str
    nodes: dict[str, Node] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return home() / "labs" / self.name

    @property
    def network(self) -> str:
        """The name of its network in the engine."""
        return f"{PREFIX}{self.name}"

    def address(self, last: int) -> str:
        """An address of its network."""
        return f"10.90.{self.number}.{last}"

    @property
    def gateway(self) -> str:
        """The engine's own address."""
        return self.address(1)

    @property
    def mirror_address(self) -> str:
        """The address of packages and images."""
        return self.address(2)

    @property
    def vip(self) -> str:
        """The cluster's virtual address."""
        return self.address(100)

    def container(self, node: str) -> str:
        """The name of a machine's container."""
        return f"{PREFIX}{self.name}-{node}"

    def save(self) -> None:
        """Write lab.json and what follows from it."""
        write_atomic(self.folder / "lab.json", json.dumps(asdict(self), indent=2) + "\n")
        write_atomic(self.folder / "hosts.yml", inventory.render(self))


def names() -> list[str]:
    """All labs."""
    return sorted(path.parent.name for path in (home() / "labs").glob("*/lab.json"))


def load(name: str) -> Lab:
    """A lab that is there."""
    path = home() / "labs" / name / "lab.json"
    try:
        data: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        raise LabError(f"there is no lab {name!r}; there are: {', '.join(names()) or 'none'}") from None
    nodes = {node: Node(**values) for node, values in data.pop("nodes").items()}
    return Lab(**data, nodes=nodes)


def free_number(taken: Iterable[int]) -> int:
    """The first free number of a lab; its network is 10.90.<number>.0/24."""
    used = set(taken)
    for number in range(256):
        if number not in used:
            return number
    raise LabError("all networks 10.90.0.0/24 to 10.90.255.0/24 are taken: take a lab down")


def node_of(lab: Lab, name: str) -> Node:
    """The role and address that follow from a node's name: cp1.. are .11.., w1.. are .21.. ."""
    for role, (prefix, first, last) in FIRST_ADDRESS.items():
        number = name.removeprefix(prefix)
        if name.startswith(prefix) and number.isdigit() and 1 <= int(number) <= last - first + 1:
            return Node(lab.address(first + int(number) - 1), role)
    raise LabError(f"{name!r} can't be a node's name: cp1 to cp10 are control planes, w1 to w79 workers")


def resolvers() -> list[str]:
    """This computer's name servers that a container can reach."""
    lines = Path("/etc/resolv.conf").read_text().splitlines()
    servers = [line.split()[1] for line in lines if line.startswith("nameserver ")]
    return [server for server in servers if not server.startswith("127.") and ":" not in server] or list(
        FALLBACK_RESOLVERS
    )


def _in_parallel(action: Callable[[str], None], items: Iterable[str]) -> None:
    with ThreadPoolExecutor(max_workers=8) as pool:
        for result in [pool.submit(action, item) for item in items]:
            result.result()


def _engine_numbers() -> set[int]:
    """Numbers whose network the engine has for whomever."""
    ids = engine.docker("network", "ls", "--quiet").split()
    subnets = engine.docker("network", "inspect", "--format", "{{range .IPAM.Config}}{{.Subnet}} {{end}}", *ids)
    return {int(subnet.split(".")[2]) for subnet in subnets.split() if subnet.startswith("10.90.")}


def image(name: str) -> str:
    """The engine's image of a root file system."""
    tag = f"kubestead-lab/{name}:{rootfs.key(name)}"
    if not engine.have_image(tag):
        archive = rootfs.build(name)
        with timed(f"image {tag}"):
            engine.docker("import", archive, tag)
    return tag


def _start_mirror(lab: Lab) -> None:
    (home() / "mirror" / "files").mkdir(parents=True, exist_ok=True)
    storage().mkdir(parents=True, exist_ok=True)
    settings = home() / "mirror" / "registry.yml"
    write_atomic(settings, MIRROR_SETTINGS)
    engine.docker(
        *("run", "--detach", "--init", "--name", lab.container("mirror"), "--hostname", "mirror"),
        *("--network", lab.network, "--ip", lab.mirror_address),
        *("--volume", f"{storage()}:/srv/registry:ro", "--volume", f"{home() / 'mirror' / 'files'}:/srv/files:ro"),
        *("--volume", f"{settings}:/etc/registry.yml:ro"),
        *(image("mirror"), "sh", "-c", MIRROR_COMMAND),
    )


def _first_files(lab: Lab, name: str) -> bytes:
    """What makes a machine this lab's: its host key, who may log in, and the first process."""
    stream = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=stream, mode="w") as archive:
        key = Path(folder) / "key"
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"root@{name}", "-f", key])
        public = key.with_suffix(".pub").read_text()
        with (lab.folder / "known_hosts").open("a") as known:
            known.write(f"{lab.nodes[name].address} {' '.join(public.split()[:2])}\n")
        user_home, owner = ("root", 0) if lab.user == "root" else ("home/operator", 1000)

        def put(path: str, text: str, mode: int, uid: int = 0) -> None:
            entry = tarfile.TarInfo(path)
            entry.mode, entry.uid, entry.gid, entry.size = mode, uid, uid and 37, len(text.encode())
            entry.mtime = int(time.time())
            archive.addfile(entry, io.BytesIO(text.encode()))

        put("usr/local/sbin/node-entry", (HERE / "node-entry.sh").read_text(), 0o755)
        put("etc/ssh/ssh_host_ed25519_key", key.read_text(), 0o600)
        put("etc/ssh/ssh_host_ed25519_key.pub", public, 0o644)
        if lab.user != "root":
            put("etc/ssh/sshd_config.d/root.conf", "PermitRootLogin no\n", 0o644)
        place = tarfile.TarInfo(f"{user_home}/.ssh")
        place.type, place.mode, place.uid, place.gid = tarfile.DIRTYPE, 0o700, owner, owner and 37
        archive.addfile(place)
        put(f"{user_home}/.ssh/authorized_keys", (lab.folder / "id_ed25519.pub").read_text(), 0o600, owner)
    return stream.getvalue()


def _start_node(lab: Lab, name: str, tag: str) -> None:
    container = lab.container(name)
    engine.docker(
        *("create", "--name", container, "--hostname", name),
        *("--network", lab.network, "--ip", lab.nodes[name].address),
        # What systemd, containerd and the kubelet need, short of --privileged, which would give them this computer's
        # devices; CAP_SYS_RESOURCE is not to be had everywhere.
        *("--cap-add", "ALL", "--cap-drop", "SYS_RESOURCE"),
        *("--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"),
        *("--security-opt", "systempaths=unconfined", "--cgroupns", "private"),
        *("--device", "/dev/kmsg", "--device", "/dev/fuse", "--device-cgroup-rule", "a *:* rwm"),
        *("--tmpfs", "/run:exec", "--tmpfs", "/tmp:exec"),
        # containerd's snapshots can't lie on the engine's overlay.
        *("--volume", "/var"),
        *("--stop-signal", "SIGRTMIN+3", "--stop-timeout", STOP_SECONDS),
        *("--env", f"LAB_RESOLVERS={' '.join(resolvers())}", "--env", f"LAB_GATEWAY={lab.gateway}"),
        *("--entrypoint", "/usr/local/sbin/node-entry", tag),
    )
    engine.docker("cp", "-", f"{container}:/", stdin=_first_files(lab, name))
    engine.docker("start", container)


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


def _wait_for_ssh(lab: Lab, name: str) -> None:
    end = time.monotonic() + SSH_SECONDS
    while True:
        answer = run([*ssh_command(lab, name), "true"], check=False)
        if answer.returncode == 0:
            return
        if time.monotonic() > end:
            raise LabError(f"{name} does not answer over SSH after {SSH_SECONDS} s: {answer.stderr.strip()}")
        time.sleep(0.2)


def _start_nodes(lab: Lab, new: Iterable[str]) -> None:
    wanted = list(new)
    tag = image(lab.os)
    with timed(f"{len(wanted)} nodes up"):
        _in_parallel(lambda name: _start_node(lab, name, tag), wanted)
        _in_parallel(lambda name: _wait_for_ssh(lab, name), wanted)


def up(lab_name: str, nodes: Iterable[str], **settings: Any) -> Lab:
    """Make a lab: its network, its mirror, its nodes."""
    if lab_name in names():
        raise LabError(f"lab {lab_name!r} is up already: `add` adds nodes, `down {lab_name}` removes it")
    with locked("labs"):
        lab = Lab(
            name=lab_name,
            number=free_number({load(name).number for name in names()} | _engine_numbers()),
            key_fingerprint=packages.fingerprint() if settings["source"] == "mirror" else "",
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            **settings,
        )
        lab.nodes = {node: node_of(lab, node) for node in nodes}
        lab.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = lab.folder / "id_ed25519"
        if not key.exists():
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"lab {lab_name}", "-f", key])
        lab.save()
        engine.docker(
            *("network", "create", "--subnet", f"{lab.address(0)}/24", "--gateway", lab.gateway),
            *(["--internal"] if lab.internal else []),
            *("--opt", f"com.docker.network.bridge.name=kslab{lab.number}", lab.network),
        )
    if lab.source == "mirror":
        _start_mirror(lab)
    _start_nodes(lab, lab.nodes)
    return lab


def add(lab: Lab, new: list[str]) -> None:
    """More nodes for a lab."""
    for name in new:
        if name in lab.nodes:
            raise LabError(f"lab {lab.name!r} has a node {name!r} already")
        lab.nodes[name] = node_of(lab, name)
    lab.save()
    _start_nodes(lab, new)


def down(lab_name: str) -> None:
    """Remove all there is of a lab, as far as it came."""
    lab = load(lab_name)
    containers = engine.docker("ps", "--all", "--quiet", "--filter", f"network={lab.network}").split()
    if containers:
        engine.docker("rm", "--force", "--volumes", *containers)
    if lab.network in engine.docker("network", "ls", "--format", "{{.Name}}").split():
        engine.docker("network", "rm", lab.network)
    shutil.rmtree(lab.folder)
    say(f"lab {lab_name} is gone")


def act(lab: Lab, action: str, node: str) -> None:
    """Do to a node what happens to machines."""
    if node not in lab.nodes:
        raise LabError(f"lab {lab.name!r} has no node {node!r}; it has: {', '.join(lab.nodes)}")
    engine.docker(action, lab.container(node))


def show(lab: Lab) -> dict[str, Any]:
    """All about a lab."""
    states = dict(
        line.split(" ", 1)
        for line in engine.docker(
            "ps", "--all", "--filter", f"network={lab.network}", "--format", "{{.Names}} {{.State}}"
        ).splitlines()
    )
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
                "state": states.get(lab.container(name), "absent"),
            }
            for name, node in lab.nodes.items()
        },
    }
