# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bundle on its way to the machine that serves it, which a folder stands for: refused, sent, compared, pruned."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from ansible.errors import AnsibleActionFail
from ansible.module_utils.testing import patch_module_args
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from ansible_collections.kubestead.cluster.plugins.action import bundle_copy
from ansible_collections.kubestead.cluster.plugins.modules import bundle_copy as module
from ansible_collections.kubestead.cluster.plugins.plugin_utils import bundle
from ansible_collections.kubestead.cluster.plugins.plugin_utils.bundle_signature import Signer

CONTENT = {
    "packages/debian-13/a_1_all.deb": b"package",
    "packages/debian-13/Packages": b"index",
    "images/blobs/ab": b"layer",
    "images/tags/docker.io/library/a/1.oci-manifest": b"manifest",
}


def make(folder: Path, content: dict[str, bytes], key: str = "key") -> None:
    """A whole bundle, signed."""
    items = [bundle.of_bytes(path, data, "", "", "") for path, data in content.items()]
    for path, data in content.items():
        bundle.write(folder / path, data)
    listing = bundle.document(items, {"systems": ["debian-13-amd64"]})
    bundle.write(folder / bundle.LIST, listing)
    sums = bundle.checksums(items, listing)
    bundle.write(folder / bundle.SUMS, sums)
    Signer.of(folder.parent / key, [], folder.parent / f"{key}-signers", folder).sign(sums, folder)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    make(folder, CONTENT)
    return folder


class Machine:
    """Runs the module here, and keeps what it was sent."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.calls: list[dict[str, Any]] = []
        self.capsys = capsys
        self.signers = "key-signers"
        self.on_the_way: Callable[[Path], object] = lambda _archive: None

    def execute(self, module_name: str, module_args: dict[str, Any], **_others: Any) -> dict[str, Any]:
        assert module_name == "kubestead.cluster.bundle_copy"
        self.calls.append(module_args)
        with patch_module_args({**module_args, "_ansible_check_mode": self.check}), pytest.raises(SystemExit):
            module.main()
        answer: dict[str, Any] = json.loads(self.capsys.readouterr().out)
        return answer

    def copy(self, source: Path, check: bool = False, system: str = "debian-13") -> dict[str, Any]:
        loader = DataLoader()
        self.check = check
        self.calls.clear()
        connection = MagicMock()
        connection._shell.tmpdir = str(self.folder.parent / "tmp")
        connection._shell.join_path = lambda *parts: "/".join(parts)
        signers = (source.parent / self.signers).read_text().splitlines()
        args = {"source": str(source), "directory": str(self.folder), "system": system, "signers": signers}
        action = bundle_copy.ActionModule(
            task=MagicMock(args=args, async_val=0, check_mode=check, diff=True),
            connection=connection,
            play_context=MagicMock(),
            loader=loader,
            templar=Templar(loader=loader),
            shared_loader_obj=None,
        )

        def transfer(local: str, remote: str) -> None:
            Path(remote).parent.mkdir(exist_ok=True)
            shutil.copy(local, remote)
            self.on_the_way(Path(remote))

        action._execute_module = self.execute
        action._transfer_file = transfer
        action._fixup_perms2 = MagicMock()
        result: dict[str, Any] = action.run(task_vars={})
        return result

    def files(self) -> dict[str, bytes]:
        found = {str(path.relative_to(self.folder)): path for path in self.folder.rglob("*") if path.is_file()}
        return {name: path.read_bytes() for name, path in found.items() if name in CONTENT or "/" in name}


@pytest.fixture
def machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Machine:
    return Machine(tmp_path / "www", capsys)


def test_all_is_sent_once(source: Path, machine: Machine) -> None:
    planned = machine.copy(source, check=True)
    assert planned["changed"]
    assert not machine.folder.exists()
    done = machine.copy(source)
    assert done["changed"]
    assert done["missing"] == planned["missing"]
    assert set(done["missing"]) == {*CONTENT, "bundle.json", "SHA256SUMS", "SHA256SUMS.sig"}
    assert machine.files() == CONTENT
    assert (machine.folder / "SHA256SUMS").read_bytes() == (source / "SHA256SUMS").read_bytes()
    again = machine.copy(source)
    assert (again["changed"], again["missing"], again["unlisted"], len(machine.calls)) == (False, [], [], 1)


@pytest.mark.parametrize("how", ["flip", "remove"])
def test_a_damaged_bundle_is_refused_before_the_machine_is_asked(source: Path, machine: Machine, how: str) -> None:
    path = source / "packages/debian-13/a_1_all.deb"
    path.write_bytes(b"packagf") if how == "flip" else path.unlink()
    with pytest.raises(AnsibleActionFail) as caught:
        machine.copy(source)
    said = str(caught.value)
    assert said.startswith(
        f"the bundle in {source} can't be used, nothing was changed:\npackages/debian-13/a_1_all.deb: "
    )
    assert machine.calls == []


def replaced(folder: Path, content: dict[str, bytes], signed: bool) -> None:
    """Replace files of a bundle, with its list and its checksums, and maybe sign them by another key."""
    signature = (folder / bundle.SIGNATURE).read_bytes()
    make(folder, {**CONTENT, **content}, "attacker")
    if not signed:
        bundle.write(folder / bundle.SIGNATURE, signature)


NO_SIGNATURE = "no signature of this SHA256SUMS by one of cluster_bundle_signers"


@pytest.mark.parametrize(
    ("replace", "reason"),
    [
        # A file alone: its checksum is signed.
        (lambda source: (source / "images/blobs/ab").write_bytes(b"attacker"), "images/blobs/ab: its SHA-256 is"),
        # The file and all lists, without and with a signature.
        (lambda source: replaced(source, {"images/blobs/ab": b"attacker"}, signed=False), NO_SIGNATURE),
        (lambda source: replaced(source, {"images/blobs/ab": b"attacker"}, signed=True), NO_SIGNATURE),
        (lambda source: replaced(source, {}, signed=True), NO_SIGNATURE),
        (
            lambda source: (source / "SHA256SUMS.sig").unlink(),
            "SHA256SUMS.sig: missing, expected a signature",
        ),
        (lambda source: (source / "SHA256SUMS.sig").write_text(""), NO_SIGNATURE),
        (lambda source: (source / "SHA256SUMS").write_text("nonsense"), NO_SIGNATURE),
        (lambda source: (source / "SHA256SUMS").unlink(), "SHA256SUMS: missing; a bundle that bundle.yml has finished"),
    ],
)
@pytest.mark.parametrize("check", [True, False])
def test_a_bundle_that_was_replaced_is_refused(
    source: Path, machine: Machine, replace: Callable[[Path], object], reason: str, check: bool
) -> None:
    replace(source)
    with pytest.raises(AnsibleActionFail, match=rf"can't be used, nothing was changed:\n.*{reason}"):
        machine.copy(source, check=check)
    assert machine.calls == []
    assert not machine.folder.exists()


def test_another_signer_of_the_inventory(source: Path, machine: Machine) -> None:
    make(source, CONTENT, "second")
    both = source.parent / "both"
    both.write_text("".join((source.parent / f"{name}-signers").read_text() for name in ("key", "second")))
    machine.signers = "both"
    assert machine.copy(source)["changed"]
    machine.signers = "second-signers"
    assert not machine.copy(source)["changed"]


def test_a_bundle_for_other_systems_is_refused(source: Path, machine: Machine) -> None:
    with pytest.raises(
        AnsibleActionFail, match=r"packages/ubuntu-24\.04: missing; it was collected for debian-13-amd64"
    ):
        machine.copy(source, system="ubuntu-24.04")
    assert machine.calls == []


def test_only_differences_are_sent_and_what_is_gone_goes(source: Path, machine: Machine) -> None:
    machine.copy(source)
    shutil.rmtree(source)
    content = {path: data for path, data in CONTENT.items() if "images" not in path}
    make(source, {**content, "packages/debian-13/Packages": b"new"})
    planned = machine.copy(source, check=True)
    done = machine.copy(source)
    new = ["SHA256SUMS", "SHA256SUMS.sig", "bundle.json", "packages/debian-13/Packages"]
    assert done["missing"] == planned["missing"] == new
    assert planned["unlisted"] == sorted(set(CONTENT) - set(content))
    assert machine.files() == {**content, "packages/debian-13/Packages": b"new"}
    # Folders that are empty then go, too.
    assert not (machine.folder / "images").exists()


def test_what_is_damaged_on_the_way_or_there_is_not_served(source: Path, machine: Machine) -> None:
    machine.on_the_way = lambda archive: archive.write_bytes(archive.read_bytes().replace(b"layer", b"layes"))
    failed = machine.copy(source)
    assert failed["failed"]
    assert "images/blobs/ab: what arrived has SHA-256" in failed["msg"]
    assert not (machine.folder / "images/blobs/ab").exists()
    machine.on_the_way = lambda _archive: None
    assert machine.copy(source)["changed"]
    (machine.folder / "images/blobs/ab").write_bytes(b"rotten")
    assert machine.copy(source)["missing"] == ["images/blobs/ab"]
    assert machine.files() == CONTENT


def test_the_umask_does_not_keep_the_web_server_out(source: Path, machine: Machine) -> None:
    before = os.umask(0o077)
    try:
        machine.copy(source)
    finally:
        os.umask(before)
    paths = [machine.folder, *machine.folder.rglob("*/*")]
    assert {path.stat().st_mode & 0o777 for path in paths if path.is_dir()} == {0o755}
    assert {path.stat().st_mode & 0o777 for path in paths if path.is_file()} == {0o644}
    # What an earlier run has left.
    (machine.folder / "images").chmod(0o700)
    (machine.folder / "images/blobs/ab").chmod(0o600)
    planned = machine.copy(source, check=True)
    assert (planned["changed"], planned["modes"]) == (True, ["images", "images/blobs/ab"])
    assert "images/blobs/ab: its mode\n" in planned["diff"]["after"]
    done = machine.copy(source)
    assert (done["changed"], done["modes"], done["diff"]) == (True, planned["modes"], planned["diff"])
    assert (machine.folder / "images").stat().st_mode & 0o777 == 0o755
    assert not machine.copy(source)["changed"]


def test_a_folder_with_files_of_others_is_left_alone(source: Path, machine: Machine) -> None:
    machine.folder.mkdir()
    (machine.folder / "precious").write_text("x")
    failed = machine.copy(source)
    assert failed["failed"]
    assert "has files that no bundle has brought, such as precious" in failed["msg"]
    assert [path.name for path in machine.folder.iterdir()] == ["precious"]


def test_what_others_refer_to_goes_first() -> None:
    paths = ["SHA256SUMS", "bundle.json", "images/tags/a", "packages/x/Packages", "images/blobs/a", "packages/x/a.deb"]
    paths += ["packages/y/repodata/repomd.xml", "packages/y/z.rpm", "packages/y/repodata/ab-primary.xml.gz"]
    assert bundle_copy.order("files/charts/z/z-1.tgz") < bundle_copy.order("files/charts/a/index.yaml")
    sizes = dict.fromkeys(paths, 4)
    found = list(bundle_copy.batches(paths, sizes, limit=12))
    assert found == [
        ["images/blobs/a", "packages/x/a.deb", "packages/y/z.rpm"],
        ["images/tags/a", "packages/x/Packages", "packages/y/repodata/ab-primary.xml.gz"],
        ["packages/y/repodata/repomd.xml", "SHA256SUMS", "bundle.json"],
    ]
    assert list(bundle_copy.batches(["a", "b"], {"a": 100, "b": 1}, limit=9)) == [["a"], ["b"]]
    assert list(bundle_copy.batches([], {})) == []
