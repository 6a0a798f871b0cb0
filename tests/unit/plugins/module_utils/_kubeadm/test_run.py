# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file that kubeadm gets, and the secrets in it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ansible_collections.kubestead.cluster.plugins.module_utils._kubeadm import run as kubeadm

DOCUMENT = {"kind": "InitConfiguration", "certificateKey": "0" * 64}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands in for /run/kubestead."""
    path = tmp_path / "run" / "kubestead"
    monkeypatch.setattr(kubeadm, "RUN", path)
    return path


def test_nobody_else_reads_it_and_it_is_gone_afterwards(folder: Path) -> None:
    with kubeadm.configuration([DOCUMENT], "init.yaml") as name:
        path = Path(name)
        assert path == folder / "init.yaml"
        assert path.stat().st_mode & 0o777 == 0o600
        assert folder.stat().st_mode & 0o777 == 0o700
        assert json.loads(path.read_text().removeprefix("---")) == DOCUMENT
    assert list(folder.iterdir()) == []


def test_several_documents_are_one_stream() -> None:
    with kubeadm.configuration([DOCUMENT, {"kind": "ClusterConfiguration"}]) as path:
        kinds = [json.loads(part)["kind"] for part in Path(path).read_text().split("---\n")[1:]]
    assert kinds == ["InitConfiguration", "ClusterConfiguration"]


def test_it_is_gone_when_kubeadm_fails(folder: Path) -> None:
    with pytest.raises(RuntimeError, match="kubeadm failed"), kubeadm.configuration([DOCUMENT]):
        raise RuntimeError("kubeadm failed")
    assert list(folder.iterdir()) == []


def test_it_is_gone_when_it_cannot_be_written(folder: Path) -> None:
    with pytest.raises(TypeError, match="set is not JSON serializable"), kubeadm.configuration([{"kind": {1}}]):
        pytest.fail("entered")
    assert list(folder.iterdir()) == []


def test_what_a_killed_run_left_is_replaced_and_not_followed(folder: Path, tmp_path: Path) -> None:
    folder.mkdir(parents=True)
    victim = tmp_path / "victim"
    victim.write_text("keep")
    (folder / "join.yaml").symlink_to(victim)
    with kubeadm.configuration([DOCUMENT], "join.yaml") as path:
        assert not Path(path).is_symlink()
        assert Path(path).stat().st_mode & 0o777 == 0o600
    assert victim.read_text() == "keep"


def test_it_may_be_removed_by_others_meanwhile() -> None:
    with kubeadm.configuration([DOCUMENT]) as path:
        Path(path).unlink()


def test_tokens() -> None:
    """The format of https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/#token-format."""
    tokens = {kubeadm.new_token() for _number in range(50)}
    assert len(tokens) == 50
    assert all(re.fullmatch(r"[a-z0-9]{6}\.[a-z0-9]{16}", token) for token in tokens)


def test_certificate_keys() -> None:
    keys = {kubeadm.new_certificate_key() for _number in range(50)}
    assert len(keys) == 50
    assert all(len(bytes.fromhex(key)) == 32 for key in keys)
