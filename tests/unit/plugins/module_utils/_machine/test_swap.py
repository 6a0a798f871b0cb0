# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Swap off: what is read, what is planned, what is done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.module_utils._machine import swap
from ansible_collections.kubestead.cluster.plugins.module_utils._machine.base import MachineError

SWAPS = """Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority
/dev/sda2                               partition\t2097148\t\t0\t\t-2
/my\\040swap                              file\t\t1048572\t\t0\t\t-3
/dev/zram0                              partition\t4194300\t\t0\t\t100
"""
FSTAB = """# /etc/fstab
UUID=1 / ext4 errors=remount-ro 0 1
UUID=2 none swap sw 0 0
# UUID=3 none swap sw 0 0
/swap.img\tnone\tswap\tsw\t0\t0
tmpfs /swap tmpfs defaults 0 0
short line
"""


def test_parse_swaps() -> None:
    assert swap.parse_swaps(SWAPS) == ("/dev/sda2", "/my swap", "/dev/zram0")
    assert swap.parse_swaps(SWAPS.splitlines()[0] + "\n") == ()
    assert swap.parse_swaps("") == ()


def test_fstab_loses_its_swap_lines_only() -> None:
    new = swap.without_swap(FSTAB)
    before, after = FSTAB.splitlines(), new.splitlines()
    changed = [number for number, line in enumerate(before) if line != after[number]]
    assert changed == [2, 4]
    assert [after[number] for number in changed] == [f"# swap is off for kubelet: {before[n]}" for n in changed]
    assert swap.without_swap(new) == new


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        # as systemd-escape --path of systemd 257 says
        ("/dev/sda2", "dev-sda2"),
        ("/swap.img", "swap.img"),
        ("/.swap", "\\x2eswap"),
        ("/dev/disk/by-uuid/a-b", r"dev-disk-by\x2duuid-a\x2db"),
        ("//my swap/", r"my\x20swap"),
        ("/ü", r"\xc3\xbc"),
    ],
)
def test_escape_path(path: str, expected: str) -> None:
    assert swap.escape_path(path) == expected


def test_wanted_masks() -> None:
    masks = swap.wanted_masks(["/dev/sda2"], ["dev-sda2.swap", "x.swap"], ["zramswap.service"], zram=True)
    assert masks == [
        "/etc/systemd/system/dev-sda2.swap",
        "/etc/systemd/system/x.swap",
        "/etc/systemd/system/zramswap.service",
        "/etc/systemd/system-generators/zram-generator",
    ]
    assert swap.wanted_masks([], [], [], zram=False) == []


def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path, Path]:
    etc, lib, generators = tmp_path / "etc", tmp_path / "lib", tmp_path / "generators"
    for folder in (etc, lib, generators):
        folder.mkdir()
    monkeypatch.setattr(swap, "_UNITS", str(etc))
    monkeypatch.setattr(swap, "_VENDOR_UNITS", (str(lib),))
    monkeypatch.setattr(swap, "_GENERATORS", (str(generators),))
    return etc, lib, generators


def test_read_swap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    etc, lib, generators = machine(tmp_path, monkeypatch)
    texts = {"/proc/swaps": SWAPS, "/etc/fstab": FSTAB}
    monkeypatch.setattr(swap, "_read", texts.__getitem__)
    (lib / "zramswap.service").write_text("")
    (lib / "own.swap").write_text("")
    (etc / "masked.swap").symlink_to("/dev/null")
    (etc / "dev-sda2.swap").symlink_to("/dev/null")
    (generators / "zram-generator").write_text("")
    state = swap.read_swap()
    assert state.active == ("/dev/sda2", "/my swap", "/dev/zram0")
    assert state.fstab == FSTAB
    assert [Path(path).name for path in state.masks] == [
        r"my\x20swap.swap",
        "dev-zram0.swap",
        "own.swap",
        "zramswap.service",
        "zram-generator",
    ]


def test_read_of_what_is_not_there() -> None:
    assert swap._read("/no/such/file") == ""


def test_plan_swap() -> None:
    state = swap.SwapState(("/dev/sda2",), "", ("/etc/systemd/system/dev-sda2.swap",))
    assert [change.summary for change in swap.plan_swap(state)] == [
        "swap unit dev-sda2.swap masked",
        "swap /dev/sda2 turned off",
    ]
    assert swap.plan_swap(swap.SwapState((), "", ())) == []


def test_apply_swap(tmp_path: Path) -> None:
    mask = tmp_path / "units" / "dev-sda2.swap"
    seen: list[list[str]] = []

    def run(argv: list[str], **kwargs: Any) -> tuple[int, str, str]:
        assert mask.is_symlink()
        seen.append(argv)
        return (0, "", "") if argv[1] == "/dev/sda2" else (255, "", "swapoff: Cannot allocate memory")

    state = swap.SwapState(("/dev/sda2",), "", (str(mask),))
    for _unused in range(2):
        swap.apply_swap(state, lambda name: "/sbin/" + name, run)
    assert str(mask.readlink()) == "/dev/null"
    assert seen == [["/sbin/swapoff", "/dev/sda2"]] * 2
    with pytest.raises(MachineError, match=r"swap /x can't be turned off: .*Cannot allocate memory"):
        swap.apply_swap(swap.SwapState(("/x",), "", ()), lambda name: name, run)
    with pytest.raises(MachineError, match="swapoff is not installed"):
        swap.apply_swap(state, lambda name: None, run)
    mask.unlink()
    mask.write_text("[Swap]\n")
    with pytest.raises(MachineError, match="is a file of its own, so it can't be masked"):
        swap.apply_swap(state, lambda name: name, run)


def test_apply_swap_replaces_what_a_killed_run_left(tmp_path: Path) -> None:
    mask = tmp_path / "x.swap"
    (tmp_path / "x.swap.kubestead-new").symlink_to("/dev/null")
    swap.apply_swap(swap.SwapState((), "", (str(mask),)), lambda name: name, lambda argv, **kwargs: (0, "", ""))
    assert [child.name for child in tmp_path.iterdir()] == ["x.swap"]
