# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module as a whole, with scripted programs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args

from ansible_collections.kubestead.cluster.plugins.module_utils._machine import firewall, holds, kernel, selinux, swap
from ansible_collections.kubestead.cluster.plugins.modules import machine_config

SHOW = (
    "LoadState=loaded\nActiveState={0}\nUnitFileState=enabled\nNeedDaemonReload=no\nExecMainStartTimestampMonotonic=1\n"
)
ME = {"owner": str(os.getuid()), "group": str(os.getgid())}


class Programs:
    """Answers of programs by what their command line begins with."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **answers: tuple[int, str, str]) -> None:
        self.answers = answers
        self.calls: list[str] = []
        monkeypatch.setattr(basic.AnsibleModule, "run_command", self.run)
        monkeypatch.setattr(basic.AnsibleModule, "get_bin_path", lambda module, name: name)

    def run(self, argv: list[str], **kwargs: Any) -> tuple[int, str, str]:
        assert kwargs["environ_update"]["LC_ALL"] == "C"
        self.calls.append(" ".join(argv))
        return self.answers[argv[0] + ("_show" if argv[1] == "show" else "")]


def run(capsys: pytest.CaptureFixture[str], **args: Any) -> dict[str, Any]:
    with patch_module_args(args), pytest.raises(SystemExit):
        machine_config.main()
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def test_check_mode_lists_what_the_run_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "conf")
    programs = Programs(
        monkeypatch, systemctl_show=(0, SHOW.format("active"), ""), systemctl=(0, "", ""), judge=(0, "", "")
    )
    wish = {
        "files": [{"path": path, "content": "a\n", "validate": "judge %s", **ME}],
        "units": [{"name": "x.service", "state": "started", "enabled": True, "restart_on": [path]}],
    }
    planned = run(capsys, _ansible_check_mode=True, **wish)
    assert not Path(path).exists()
    assert [call.split()[0] for call in programs.calls] == ["systemctl", "judge"]
    done = run(capsys, **wish)
    expected = [f"file {path} created", f"unit x.service restarted: {path} changed"]
    assert planned["changes"] == done["changes"] == expected
    assert planned["diff"] == done["diff"]
    assert planned["diff"][0] == {"before": "", "after": "a\n", "before_header": path, "after_header": path}
    assert programs.calls[-2] == "systemctl restart x.service"
    assert programs.calls[-1].startswith("systemctl show")
    # the recorded unit started at boot: the file stays newer
    assert run(capsys, **wish)["changes"] == [f"unit x.service restarted: {path} is newer than its start"]
    os.utime(path, ns=(0, 0))
    again = run(capsys, **wish)
    assert not again["changed"]
    assert again["changes"] == again["diff"] == []


def test_what_is_no_longer_listed_goes_and_what_others_wrote_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Programs(monkeypatch)
    files = {"a/hosts.toml": "# ours\n", "b/hosts.toml": "# ours\nhunter2\n", "b/ca.crt": "# ours\n"}
    files |= {"c/hosts.toml": "# by hand\n", "d/hosts.toml": "# ours\n", "d/key": "mine\n"}
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    (tmp_path / "c/link").symlink_to(tmp_path / "a/hosts.toml")
    wish = {
        "files": [{"path": str(tmp_path / "a/hosts.toml"), "content": "# ours\n", "mode": "0644", **ME}],
        "prune": [{"pattern": str(tmp_path / "*/*"), "contains": "# ours"}],
    }
    (tmp_path / "a/hosts.toml").chmod(0o644)
    planned = run(capsys, _ansible_check_mode=True, **wish)
    assert all((tmp_path / name).exists() for name in files)
    done = run(capsys, **wish)
    gone = ["b/ca.crt", "b/hosts.toml", "d/hosts.toml"]
    assert planned["changes"] == done["changes"] == [f"file {tmp_path / name} removed" for name in gone]
    assert "hunter2" not in json.dumps([planned, done])
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    assert left == ["a", "a/hosts.toml", "c", "c/hosts.toml", "c/link", "d", "d/key"]
    assert not run(capsys, **wish)["changed"]


def test_secrets_are_not_in_the_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Programs(monkeypatch)
    path = str(tmp_path / "secret")
    item = {"path": path, "content": "", "sensitive": True, "mode": "0600", **ME}
    result = run(capsys, files=[item], sensitive_contents={path: "hunter2"})
    assert result["changed"]
    assert Path(path).read_text() == "hunter2"
    assert "hunter2" not in json.dumps(result)


def test_a_machine_of_any_kind_can_be_read(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    programs = Programs(monkeypatch, systemctl_show=(0, SHOW.format("inactive"), ""))
    result = run(
        capsys,
        _ansible_check_mode=True,
        name="kubestead-unit-test",
        kernel_modules=["no_such_module"],
        sysctls={"kernel.ostype": "Linux", "kernel.of_no_such_module": "1"},
        swap="off",
        selinux="permissive",
        held_packages=["no-such-package"],
        firewall={"sources": ["10.0.0.1"]},
    )
    assert result["changes"][:4] == [
        "kernel module no_such_module loaded",
        "file /etc/modules-load.d/kubestead-unit-test.conf created",
        "file /etc/sysctl.d/99-kubestead-unit-test.conf created",
        "sysctl kernel.of_no_such_module absent -> 1",
    ]
    assert len(programs.calls) == 1
    assert programs.calls[0].endswith("-- firewalld.service")


def test_nothing_to_do_runs_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    programs = Programs(monkeypatch)
    result = run(capsys, name="kubestead-unit-test", kernel_modules=[], sysctls={})
    assert not result["changed"]
    assert programs.calls == []


def test_failures_name_the_reason_and_the_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Programs(
        monkeypatch,
        systemctl_show=(0, SHOW.format("inactive"), ""),
        systemctl=(1, "", "Job failed"),
        journalctl=(0, "no such address", ""),
    )
    result = run(capsys, units=[{"name": "x.service", "state": "started"}])
    assert result["failed"]
    assert "systemctl start failed: Job failed" in result["msg"]
    assert "no such address" in result["msg"]
    assert result["planned"] == ["unit x.service started"]


def test_what_was_put_in_place_stops_before_its_file_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "exports"
    programs = Programs(monkeypatch, systemctl_show=(0, SHOW.format("active"), ""), systemctl=(0, "", ""))
    stopped = {"name": "x.service", "state": "stopped", "enabled": False, "only_with": str(path)}
    wish = {"files": [{"path": str(path), "state": "absent"}], "units": [stopped]}
    # Somebody else's: it runs, and our file is not there.
    assert run(capsys, **wish)["changes"] == []
    path.write_text("")
    planned = run(capsys, _ansible_check_mode=True, **wish)
    programs.calls.clear()
    programs.answers["systemctl"] = (1, "", "busy")
    assert "systemctl disable failed" in run(capsys, **wish)["msg"]
    assert path.exists()
    programs.answers["systemctl"] = (0, "", "")
    done = run(capsys, **wish)
    expected = ["unit x.service disabled", "unit x.service stopped", f"file {path} removed"]
    assert planned["changes"] == done["changes"] == expected
    assert programs.calls[-2:] == ["systemctl disable x.service", "systemctl stop x.service"]
    assert not path.exists()


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        ({"files": [{"path": "/a", "template": "a.j2"}]}, "template and source are read by the action plugin"),
        ({"units": [{"name": "x"}], "kernel_modules": ["a b"]}, "kernel_modules: 'a b' is no name"),
    ],
)
def test_bad_arguments(capsys: pytest.CaptureFixture[str], args: dict[str, Any], reason: str) -> None:
    result = run(capsys, **args)
    assert result["failed"]
    assert reason in result["msg"]


def test_selinux_labels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Programs(monkeypatch)
    labels = []
    context = ["system_u", "object_r", "etc_t", "s0"]
    monkeypatch.setattr(basic.AnsibleModule, "selinux_enabled", lambda module: True)
    monkeypatch.setattr(basic.AnsibleModule, "selinux_default_context", lambda module, path: [*context, path])
    monkeypatch.setattr(
        basic.AnsibleModule,
        "set_context_if_different",
        lambda module, path, wanted, changed: labels.append((path, wanted)),
    )
    path = tmp_path / "file"
    run(capsys, files=[{"path": str(path), "content": "", **ME}])
    assert labels == [(str(tmp_path / ".kubestead-new.file"), [*context, str(path)])]


def test_every_section_is_applied_in_its_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The kernel, SELinux and the tables are files of this test; programs are scripted."""
    done = (0, "", "")
    programs = Programs(
        monkeypatch,
        # the unit, and firewalld
        systemctl_show=(
            0,
            SHOW.format("active").replace("Reload=no", "Reload=yes") + "\n" + SHOW.format("inactive"),
            "",
        ),
        systemctl=done,
        modprobe=done,
        swapoff=done,
        dpkg=done,
        ufw=done,
    )
    warnings: list[str] = []
    monkeypatch.setattr(basic.AnsibleModule, "warn", lambda module, text: warnings.append(text))
    fstab, enforce, config = tmp_path / "fstab", tmp_path / "enforce", tmp_path / "config"
    fstab.write_text("/swap none swap sw 0 0\n")
    enforce.write_text("1")
    config.write_text("SELINUX=enforcing\n")
    (tmp_path / "forward").write_text("0")
    monkeypatch.setattr(kernel, "missing_modules", list)
    monkeypatch.setattr(kernel, "sysctl_path", lambda name: str(tmp_path / name))
    monkeypatch.setattr(kernel, "read_later", lambda path: [("/etc/sysctl.d/zz.conf", "forward = 0\n")])
    monkeypatch.setattr(machine_config.Machine, "_boot_file", lambda *unused: [])
    monkeypatch.setattr(swap, "FSTAB", str(fstab))
    monkeypatch.setattr(swap, "read_swap", lambda: swap.SwapState(("/swap",), fstab.read_text(), ()))
    monkeypatch.setattr(selinux, "CONFIG", str(config))
    monkeypatch.setattr(selinux, "_ENFORCE", str(enforce))
    monkeypatch.setattr(holds, "uses_dpkg", lambda: True)
    monkeypatch.setattr(holds, "read_selections", lambda names: {"kubelet": "install"})
    monkeypatch.setattr(
        firewall, "read_and_plan", lambda *unused: (firewall.plan_ufw(["10.0.0.1"], [], [[], []], False), None)
    )
    result = run(
        capsys,
        kernel_modules=["overlay"],
        sysctls={"forward": 1},
        swap="off",
        selinux="disabled",
        held_packages=["kubelet"],
        firewall={"sources": ["10.0.0.1"]},
        units=[{"name": "x.service", "state": "started"}],
    )
    assert result["changes"] == [
        "kernel module overlay loaded",
        "sysctl forward 0 -> 1",
        f"file {fstab} changed",
        "swap /swap turned off",
        f"file {config} changed",
        "SELinux enforcing -> permissive",
        "package kubelet held",
        "ufw allow from 10.0.0.1",
        "systemd reloads its units: x.service changed on disk",
    ]
    assert programs.calls[1:] == [
        "modprobe overlay",
        "swapoff /swap",
        "dpkg --set-selections",
        "ufw allow from 10.0.0.1",
        "systemctl daemon-reload",
    ]
    assert (tmp_path / "forward").read_text() == "1"
    assert fstab.read_text().startswith("# swap is off")
    assert (enforce.read_text(), config.read_text()) == ("0", "SELINUX=disabled\n")
    assert warnings == [
        "/etc/sysctl.d/zz.conf sets forward = 0 at boot, after ours",
        "SELinux is permissive until the next boot, then disabled",
    ]
