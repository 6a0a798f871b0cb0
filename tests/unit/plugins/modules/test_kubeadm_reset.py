# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a reset takes, and what it leaves alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.module_utils._kubeadm import membership
from ansible_collections.kubestead.cluster.plugins.module_utils._machine import apply, files, records
from ansible_collections.kubestead.cluster.plugins.module_utils._runner import Result
from ansible_collections.kubestead.cluster.plugins.modules import kubeadm_reset
from tests.unit.plugins.modules.conftest import held

HASH = "sha256:aa"
LINKS = '[{"ifname": "eth0", "addr_info": [{"local": "192.0.2.1"}]}, {"ifname": "cni0"}, {}%s]'


def member(**values: Any) -> membership.Member:
    base: dict[str, Any] = {
        "state": "member",
        "partial_of": None,
        "role": "worker",
        "node_name": "w1",
        "ca_hash": HASH,
        "server": "https://192.0.2.100:8443",
        "leftovers": [],
        "api_healthy": None,
        "certificates": {},
    }
    return membership.Member(**{**base, **values})


def put(root: Path, *paths: str) -> None:
    for path in paths:
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("")


def state_of(root: Path, more_links: str = "") -> kubeadm_reset.State:
    def run(command: list[str], **_options: Any) -> Result:
        assert command == ["ip", "-json", "address", "show"]
        return Result(0, LINKS % more_links, "")

    return kubeadm_reset.read_state(run, lambda _name: None, root=root)  # type: ignore[arg-type]


def test_a_bare_machine_has_nothing_to_remove(tmp_path: Path) -> None:
    state = state_of(tmp_path)
    assert kubeadm_reset.plan(state, [], []).removes() == []
    assert state.addresses == ["192.0.2.1"]


def test_a_bare_machine_keeps_a_ca_of_the_user_and_another_networks_bridge(tmp_path: Path) -> None:
    put(tmp_path, "etc/kubernetes/pki/ca.key", "etc/cni/net.d/87-podman.conflist", "opt/cni/bin/bridge")
    assert kubeadm_reset.plan(state_of(tmp_path), [], []).removes() == []


def test_a_member_loses_what_kubeadm_kubelet_and_flannel_made(tmp_path: Path) -> None:
    put(
        tmp_path,
        "etc/kubernetes/pki/apiserver.key",
        "etc/kubernetes/scheduler.conf",
        "etc/cni/net.d/10-flannel.conflist",
        "etc/cni/net.d/87-podman.conflist",
        "var/lib/kubelet/pki/kubelet.key",
        "var/lib/cni/results/cbr0-1",
        "var/lib/cni/results/other-1",
        "data/etcd/member",
    )
    manifest = tmp_path / "etc/kubernetes/manifests/etcd.yaml"
    manifest.parent.mkdir(parents=True)
    manifest.write_text("    - --data-dir=/data/etcd\n")
    state = state_of(tmp_path, ', {"ifname": "flannel.1"}')
    assert state.links == ["cni0", "flannel.1"]
    assert sorted(state.folders) == sorted(
        str(tmp_path / path)
        for path in ("etc/kubernetes/manifests", "etc/kubernetes/pki", "data/etcd", "var/lib/kubelet")
    )
    assert state.paths == [
        str(tmp_path / path)
        for path in (
            "etc/kubernetes/scheduler.conf",
            "var/lib/cni/results/cbr0-1",
            "etc/cni/net.d/10-flannel.conflist",
        )
    ]


@pytest.mark.parametrize(
    ("name", "network", "ours"),
    [
        ("cni0", True, True),
        ("cni0", False, False),
        ("flannel.1", False, True),
        ("flannel-v6.1", False, True),
        ("kube-ipvs0", False, True),
        ("flannel", False, False),
        ("eth0", True, False),
        ("docker0", True, False),
    ],
)
def test_own_links(name: str, network: bool, ours: bool) -> None:
    assert kubeadm_reset.own_links([name], network) == ([name] if ours else [])


NOTES = "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\n"
# As `ip -json -4 route show` of iproute2 6.15 prints them.
ROUTES = [
    {"dst": "default", "gateway": "192.0.2.254", "dev": "eth0", "flags": []},
    {"dst": "192.0.2.0/24", "dev": "eth0", "protocol": "kernel", "scope": "link", "prefsrc": "192.0.2.1", "flags": []},
    {"dst": "10.244.0.0/24", "gateway": "192.0.2.11", "dev": "eth0", "flags": []},
    {
        "dst": "10.244.1.0/24",
        "dev": "cni0",
        "protocol": "kernel",
        "scope": "link",
        "prefsrc": "10.244.1.1",
        "flags": [],
    },
    {"dst": "10.244.2.0/24", "gateway": "10.244.2.0", "dev": "flannel.1", "flags": ["onlink"]},
    {"dst": "10.0.0.0/8", "gateway": "192.0.2.253", "dev": "eth0", "flags": []},
    {"dst": "198.51.100.7", "gateway": "192.0.2.253", "dev": "eth0", "flags": []},
]


def test_own_routes() -> None:
    assert [str(route) for route in kubeadm_reset.own_routes(ROUTES, NOTES)] == [
        "10.244.0.0/24 via 192.0.2.11 dev eth0"
    ]
    assert kubeadm_reset.own_routes(ROUTES, "FLANNEL_MTU=1450\n") == []


def test_routes_are_read_where_flannel_left_its_notes(tmp_path: Path) -> None:
    commands = []

    def run(command: list[str], **_options: Any) -> Result:
        commands.append(" ".join(command))
        return Result(0, json.dumps(ROUTES), "")

    assert kubeadm_reset.read_routes(run, tmp_path) == []  # type: ignore[arg-type]
    assert commands == []
    put(tmp_path, "run/flannel/subnet.env")
    (tmp_path / "run/flannel/subnet.env").write_text(NOTES)
    assert len(kubeadm_reset.read_routes(run, tmp_path)) == 1  # type: ignore[arg-type]
    assert commands == ["ip -json -4 route show"]


def test_another_cluster_is_refused_with_both_hashes() -> None:
    with pytest.raises(membership.Refused, match=r"sha256:aa.*sha256:bb.*reset_other_cluster"):
        kubeadm_reset.check_cluster(member(), ["sha256:bb"])


@pytest.mark.parametrize(("ca_hash", "hashes"), [(HASH, [HASH]), (HASH, []), (None, ["sha256:bb"])])
def test_this_cluster_or_any_is_accepted(ca_hash: str | None, hashes: list[str]) -> None:
    kubeadm_reset.check_cluster(member(ca_hash=ca_hash), hashes)


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"state": "bare"}, []),
        ({}, ["worker w1 of the cluster at https://192.0.2.100:8443"]),
        (
            {"state": "partial", "partial_of": "reset", "role": "control_plane", "node_name": None, "server": None},
            ["control plane (half done: reset)"],
        ),
    ],
)
def test_headline(values: dict[str, Any], line: list[str]) -> None:
    assert kubeadm_reset.headline(member(**values)) == line


def test_only_own_files_are_taken(tmp_path: Path) -> None:
    def item(name: str, content: str | None, **more: Any) -> dict[str, Any]:
        if content is not None:
            (tmp_path / name).write_text(content)
        return {"path": str(tmp_path / name), "contains": None, "block_name": None, "recorded": False, **more}

    hosts = "127.0.0.1 localhost\n# BEGIN kubestead nodes\n192.0.2.1 cp1\n# END kubestead nodes\n192.0.2.9 mine\n"
    wishes = kubeadm_reset.own_files(
        [
            item("ours.cfg", "# Managed by kubestead.cluster: ...\n", contains="Managed by kubestead.cluster"),
            item("theirs.cfg", "# by hand\n", contains="Managed by kubestead.cluster"),
            item("named.conf", "anything\n"),
            item("absent.conf", None),
            item("hosts", hosts, block_name="nodes"),
        ]
    )
    assert [Path(wish.path).name for wish in wishes] == ["ours.cfg", "named.conf", "hosts"]
    put(tmp_path, "certs.d/a/hosts.toml", "certs.d/b/hosts.toml")
    (tmp_path / "certs.d/a/hosts.toml").write_text("# Managed by kubestead.cluster\nserver = 1\n")
    pattern = item("certs.d/*/*", None, contains="Managed by kubestead.cluster")
    assert kubeadm_reset.own_files([pattern]) == [
        files.FileWish(str(tmp_path / "certs.d/a/hosts.toml"), "absent", sensitive=True)
    ]
    steps = files.plan_files(wishes, True)
    assert [step.wish.state for step in steps] == ["absent", "absent", "file"]
    assert steps[2].content == b"127.0.0.1 localhost\n192.0.2.9 mine\n"


def test_of_recorded_files_only_what_was_put_there_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "FOLDER", str(tmp_path / "var/lib/kubestead/records"))
    contents = {
        "shared.json": ('{"mine": 1, "ours": {"a": 1}}', {"document": {"ours": {"a": 1}}}),
        "whole.json": ('{"ours": 1}', {"document": {"ours": 1}}),
        "program": ("x", {"sha256": "0" * 64}),
        "own.json": ('{"mine": 1}', None),
        "own-program": ("x", None),
        "gone": (None, {"sha256": "0" * 64}),
    }
    for name, (content, record) in contents.items():
        if content is not None:
            (tmp_path / name).write_text(content)
        if record is not None:
            put(tmp_path, f"var/lib/kubestead/records{tmp_path}/{name}")
            Path(records.path_of(str(tmp_path / name))).write_text(json.dumps(record))
    wanted = [{"path": str(tmp_path / name), "recorded": True} for name in contents]
    wishes = kubeadm_reset.own_files(wanted)
    steps = files.plan_files(wishes, False)
    for step in steps:
        apply.apply_file(step, files.fetch_url, lambda name: None, lambda argv: (0, "", ""), lambda target, new: None)
    kubeadm_reset.prune(tmp_path / "var/lib/kubestead")
    assert {path.name: path.read_text() for path in tmp_path.iterdir() if path.is_file()} == {
        "shared.json": '{\n  "mine": 1\n}\n',
        "own.json": '{"mine": 1}',
        "own-program": "x",
    }
    assert not (tmp_path / "var/lib/kubestead").exists()
    assert kubeadm_reset.own_files(wanted) == []


def test_folders_with_something_in_them_stay(tmp_path: Path) -> None:
    put(tmp_path, "a/b/c/file")
    (tmp_path / "a/d/e").mkdir(parents=True)
    kubeadm_reset.prune(tmp_path / "a")
    assert sorted(path.name for path in tmp_path.glob("**/*")) == ["a", "b", "c", "file"]
    kubeadm_reset.prune(tmp_path / "absent")


def test_units_of_files_that_are_not_ours_are_left_alone() -> None:
    wanted = [
        {"name": "kubelet.service", "file": None, "state": "stopped"},
        {"name": "haproxy.service", "file": "/etc/haproxy/haproxy.cfg", "state": "stopped"},
        {"name": "keepalived.service", "file": "/etc/keepalived/keepalived.conf", "state": "stopped"},
        {"name": "containerd.service", "file": "/etc/containerd/config.toml", "state": "restarted"},
    ]
    wishes = kubeadm_reset.unit_wishes(wanted, ["/etc/haproxy/haproxy.cfg", "/etc/containerd/config.toml"])
    assert [(wish.name, wish.enabled, wish.state) for wish in wishes] == [
        ("kubelet.service", False, "stopped"),
        ("haproxy.service", False, "stopped"),
        ("containerd.service", None, None),
    ]


def test_what_kubeadm_only_warns_of_is_found() -> None:
    text = (
        "[reset] Stopping the kubelet service\n"
        "W1122 10:00:00.0 1 removeetcdmember.go:70] [reset] Failed to remove etcd member: timeout, please manually\n"
        "W1122 10:00:00.0 1 reset.go:141] [reset] Unable to fetch the kubeadm-config ConfigMap from cluster: refused\n"
    )
    found = kubeadm_reset.warnings_of(text)
    assert [line.split(":")[0] for line in found] == [
        "Failed to remove etcd member",
        "Unable to fetch the kubeadm-config ConfigMap from cluster",
    ]
    assert kubeadm_reset.warnings_of("[reset] Deleted contents of the etcd data directory: /var/lib/etcd\n") == []


def test_what_is_mounted_is_never_removed(tmp_path: Path) -> None:
    folder = tmp_path / "var/lib/kubelet"
    put(tmp_path, "var/lib/kubelet/pods/1/data")
    line = f"36 35 98:0 / {folder}/pods/1 rw - nfs server:/data rw\n"
    with pytest.raises(membership.Refused, match="pods/1"):
        kubeadm_reset.empty(str(folder), line)
    assert (folder / "pods/1/data").exists()
    # The folder itself may be a mount point.
    kubeadm_reset.empty(str(folder), f"36 35 98:0 / {folder} rw - ext4 /dev/sdb rw\n")
    assert folder.is_dir()
    assert not list(folder.iterdir())


def test_mount_points_with_a_space() -> None:
    assert kubeadm_reset.mounts_below("1 2 3 / /a/b\\040c rw - x x x\n1 2 3 / /ab rw - x x x\n", "/a") == ["/a/b c"]


def test_links_are_removed_not_followed(tmp_path: Path) -> None:
    put(tmp_path, "kept/file")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "kept")
    kubeadm_reset.remove_path(link)
    kubeadm_reset.remove_path(tmp_path / "absent")
    assert (tmp_path / "kept/file").exists()
    assert not link.is_symlink()


class Interrupted(Exception):
    """The machine loses its power."""


class Resets:
    """A module on a worker in a folder. kubeadm removes what it does; `kill_at` is where a reset ends too early."""

    def __init__(self, machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.machine = machine
        self.kill_at = ""
        self.seen: list[tuple[str | None, bool]] = []
        self.runs = 0
        # The folders that a reset empties are those of the machine in the folder.
        monkeypatch.setattr(kubeadm_reset, "read_state", self.read)
        monkeypatch.setattr(kubeadm_reset, "Path", lambda *parts: machine.joinpath(*(p.lstrip("/") for p in parts)))
        monkeypatch.setattr(kubeadm_reset, "remove_path", self.remove)
        monkeypatch.setattr(kubeadm_reset, "mounts_below", lambda *_arguments: [])
        monkeypatch.setattr(kubeadm_reset._netfilter, "remove", lambda *_arguments: None)
        monkeypatch.setattr(kubeadm_reset.Machine, "plan", lambda _self, state: kubeadm_reset.plan(state, [], []))
        monkeypatch.setattr(kubeadm_reset.Machine, "kubeadm_reset", self.kubeadm)
        monkeypatch.setattr(kubeadm_reset.Machine, "remove_files", lambda *_arguments: None)
        put(machine, "proc/self/mountinfo", "etc/kubernetes/pki/ca.key", "var/lib/kubelet/config.yaml")
        put(machine, "etc/kubernetes/kubelet.conf", "var/lib/kubelet/pods/volume")

    def read(self, *_arguments: Any) -> kubeadm_reset.State:
        found = membership.read_member()
        folders = ["var/lib/kubelet", *(["etc/kubernetes/pki"] if found.state != "bare" else [])]
        full = [path for path in folders if kubeadm_reset.entries(self.machine / path)]
        return kubeadm_reset.State(found, [], [], [], [], [], full, [])

    def kubeadm(self, *_arguments: Any) -> None:
        self.seen.append((membership.read_journal(self.machine), held(self.machine)))
        for path in ("etc/kubernetes/kubelet.conf", "var/lib/kubelet/config.yaml"):
            (self.machine / path).unlink(missing_ok=True)
        if self.kill_at == "kubeadm":
            raise Interrupted

    def remove(self, path: Path) -> None:
        if self.kill_at == "folders":
            raise Interrupted
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    def run(self, kill_at: str = "") -> kubeadm_reset.Plan:
        self.kill_at = kill_at
        params = {"files": [], "units": [], "ca_cert_hashes": []}
        return kubeadm_reset.Machine(SimpleNamespace(params=params, check_mode=False)).apply()


@pytest.mark.parametrize("kill_at", ["kubeadm", "folders"])
def test_a_reset_that_was_interrupted_is_finished_by_the_next(
    kill_at: str, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resets = Resets(machine, monkeypatch)
    with pytest.raises(Interrupted):
        resets.run(kill_at)
    # kubeadm has taken what makes a member. Only the journal says that the machine is not bare, and has keys.
    found = membership.read_member()
    assert (found.state, found.partial_of) == ("partial", "reset")
    assert (machine / "etc/kubernetes/pki/ca.key").exists()
    assert resets.run().kubeadm
    # Both times kubeadm found the journal, and nobody else could have begun anything.
    assert resets.seen == [("reset", True), ("reset", True)]
    assert membership.read_member().state == "bare"
    assert not (machine / "etc/kubernetes/pki/ca.key").exists()
    assert not (machine / "var/lib/kubestead").exists()
    assert not held(machine)
    assert not resets.run().kubeadm


@pytest.mark.parametrize("whole", [True, False])
def test_kubeadms_warnings_fail_the_reset(whole: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    documents: list[str] = []
    warning = "[reset] Unable to fetch the kubeadm-config ConfigMap from cluster: connection refused\n"

    def run_command(command: list[str], **_options: Any) -> tuple[int, str, str]:
        assert command[1:3] == ["reset", "--config"]
        documents.append(Path(command[3]).read_text())
        return 0, "", warning

    monkeypatch.setattr(kubeadm_reset.kubeadm, "RUN", tmp_path)
    module = SimpleNamespace(
        params={"whole_cluster": whole, "cri_socket": "unix:///s"},
        run_command=run_command,
        get_bin_path=lambda name: f"/usr/bin/{name}",
    )
    machine = kubeadm_reset.Machine(module)
    control_plane = member(role="control_plane")
    if whole:
        machine.kubeadm_reset(control_plane)
    else:
        with pytest.raises(membership.Refused, match="etcdctl member remove"):
            machine.kubeadm_reset(control_plane)
    assert ("remove-etcd-member" in documents[0]) is whole


@pytest.mark.parametrize(("busy", "slept"), [(1, [2]), (4, [2, 5, 10])])
def test_what_docker_is_removing_is_waited_for(
    busy: int, slept: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warning = "[reset] Failed to remove containers: removal of container 1 is already in progress\n"
    answers = [warning] * busy + [""]
    pauses: list[float] = []
    monkeypatch.setattr(kubeadm_reset.kubeadm, "RUN", tmp_path)
    monkeypatch.setattr(kubeadm_reset.time, "sleep", pauses.append)
    module = SimpleNamespace(
        params={"whole_cluster": True, "cri_socket": "unix:///s"},
        run_command=lambda command, **options: (0, "", answers.pop(0)),
        get_bin_path=lambda name: f"/usr/bin/{name}",
    )
    machine = kubeadm_reset.Machine(module)
    if busy == 1:
        machine.kubeadm_reset(member())
    else:
        with pytest.raises(membership.Refused, match="is already in progress; then run again"):
            machine.kubeadm_reset(member())
    assert pauses == slept


def test_all_that_is_left_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(
        tmp_path,
        "etc/profile.d/kubestead-helm.sh",
        "opt/kubestead/bin/helm",
        "root/.cache/helm/a",
        "root/.cache/helm/b",
        "var/lib/kubestead/metrics/a.prom",
    )
    (tmp_path / "var/lib/etcd").mkdir(parents=True)
    assert kubeadm_reset.left_folders(tmp_path) == [
        "/var/lib/kubestead (1 entry)",
        "/opt/kubestead/bin (1 entry)",
        "/root/.cache/helm (2 entries)",
        "/etc/profile.d/kubestead-helm.sh",
    ]
    record = tmp_path / kubeadm_reset.firewall.record_path("node").strip("/")
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"ufw": ["192.0.2.11", "10.244.0.0/16"], "firewalld": []}))
    assert kubeadm_reset.left_firewall(tmp_path) == [
        "firewall ufw: entries of role node for 192.0.2.11, 10.244.0.0/16, and the ports that it opened"
    ]
    for name, value in {"net/ipv4/ip_forward": "1", "net/bridge/bridge-nf-call-iptables": "0"}.items():
        put(tmp_path, f"proc/sys/{name}")
        (tmp_path / "proc/sys" / name).write_text(f"{value}\n")
    assert kubeadm_reset.left_settings(tmp_path) == ["kernel setting net.ipv4.ip_forward = 1, until the next boot"]

    monkeypatch.setattr(kubeadm_reset.holds, "uses_dpkg", lambda: True)
    selections = {"kubelet": "hold", "kubeadm": "hold", "containerd": "install"}
    monkeypatch.setattr(kubeadm_reset.holds, "read_selections", lambda names: {n: selections[n] for n in names})
    machine = kubeadm_reset.Machine(SimpleNamespace(params={"packages": list(selections)}))
    assert machine.held() == ["kubeadm", "kubelet"]


def test_what_is_left_is_told_of_the_whole_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The module's list has the folders, holds and settings beside the rest."""
    bare = kubeadm_reset.State(member(state="bare"), [], [], [], [], [], [], [])
    monkeypatch.setattr(kubeadm_reset, "read_state", lambda *_arguments: bare)
    monkeypatch.setattr(kubeadm_reset, "left_folders", lambda root: [f"folders of {root}"])
    monkeypatch.setattr(kubeadm_reset, "left_firewall", lambda root: [f"firewall of {root}"])
    monkeypatch.setattr(kubeadm_reset, "left_settings", lambda root: [f"settings of {root}"])
    monkeypatch.setattr(kubeadm_reset.machine_state, "read_text", lambda _path: "")
    monkeypatch.setattr(kubeadm_reset.Machine, "held", lambda _self: ["kubelet"])
    monkeypatch.setattr(kubeadm_reset.Machine, "packages", lambda _self: {"kubelet": "1"})
    module = SimpleNamespace(params={"vip": None}, run_command=None, get_bin_path=None)
    assert kubeadm_reset.Machine(module).left() == [
        "package kubelet 1",
        "package kubelet is held: no upgrade changes it",
        "folders of /",
        "firewall of /",
        "settings of /",
    ]
