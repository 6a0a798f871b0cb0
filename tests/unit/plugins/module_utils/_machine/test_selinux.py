# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SELinux's mode, live and in its configuration."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from ansible_collections.kubestead.cluster.plugins.module_utils._machine import selinux
from ansible_collections.kubestead.cluster.plugins.module_utils._machine.base import MachineError
from ansible_collections.kubestead.cluster.plugins.module_utils._machine.selinux import SelinuxState

# /etc/selinux/config of Rocky Linux 9
CONFIG = """
# SELINUX= can take one of these three values:
#     enforcing - SELinux security policy is enforced.
SELINUX=enforcing
# SELINUXTYPE= can take one of these three values:
SELINUXTYPE=targeted
"""


def test_new_config() -> None:
    new = selinux.new_config(CONFIG, "permissive")
    assert new == CONFIG.replace("SELINUX=enforcing", "SELINUX=permissive")
    assert selinux.new_config(new, "permissive") == new
    assert selinux.new_config("", "disabled") == "SELINUX=disabled\n"
    assert selinux.new_config("SELINUXTYPE=x", "disabled") == "SELINUXTYPE=x\nSELINUX=disabled\n"


@pytest.mark.parametrize(
    ("mode", "live", "config", "changes", "apply", "warning"),
    [
        ("permissive", None, None, [], None, ""),
        ("permissive", None, CONFIG, [], None, "takes effect at the next boot"),
        ("disabled", None, CONFIG, [], None, ""),
        ("permissive", "permissive", CONFIG, [], None, ""),
        ("permissive", "enforcing", CONFIG, ["SELinux enforcing -> permissive"], "permissive", ""),
        ("enforcing", "permissive", CONFIG, ["SELinux permissive -> enforcing"], "enforcing", ""),
        ("disabled", "enforcing", CONFIG, ["SELinux enforcing -> permissive"], "permissive", "then disabled"),
        ("disabled", "permissive", CONFIG, [], None, "then disabled"),
    ],
)
def test_plan(
    mode: str, live: str | None, config: str | None, changes: list[str], apply: str | None, warning: str
) -> None:
    planned, wanted, warnings = selinux.plan_selinux(mode, SelinuxState(live, config))
    assert [change.summary for change in planned] == changes
    assert wanted == apply
    assert warning in "".join(warnings)
    assert bool(warnings) == bool(warning)


def test_read_and_apply(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enforce, config = tmp_path / "enforce", tmp_path / "config"
    monkeypatch.setattr(selinux, "_ENFORCE", str(enforce))
    monkeypatch.setattr(selinux, "CONFIG", str(config))
    assert selinux.read_selinux() == SelinuxState(None, None)
    config.write_text(CONFIG)
    for text, mode in (("1", "enforcing"), ("0", "permissive")):
        enforce.write_text(text)
        assert selinux.read_selinux() == SelinuxState(mode, CONFIG)
        selinux.apply_selinux(mode)
        assert enforce.read_text() == text
    monkeypatch.setattr(selinux, "_ENFORCE", str(tmp_path))
    with pytest.raises(MachineError, match="SELinux can't be set to enforcing: Is a directory"):
        selinux.apply_selinux("enforcing")


@pytest.mark.parametrize(("enabled", "labelled"), [(True, [("/new", "context of /etc/x", False)]), (False, [])])
def test_a_new_file_gets_the_context_of_its_path(enabled: bool, labelled: list[tuple[str, str, bool]]) -> None:
    given: list[tuple[str, str, bool]] = []
    module = SimpleNamespace(
        selinux_enabled=lambda: enabled,
        selinux_default_context=lambda path: f"context of {path}",
        set_context_if_different=lambda *arguments: given.append(arguments),
    )
    selinux.label(module, "/etc/x", "/new")
    assert given == labelled
