# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures by ssh-keygen itself: which are good, and which keys an inventory can name."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ansible_collections.kubestead.cluster.plugins.plugin_utils import bundle, bundle_signature
from ansible_collections.kubestead.cluster.plugins.plugin_utils.bundle import BundleError
from ansible_collections.kubestead.cluster.plugins.plugin_utils.bundle_signature import Signer

ROOT = Path(__file__).parents[4]
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPO5XyoN3Yjcs7BYk2e7RrXHU1TIYIlzZJv5T9xmRVOi"


def key(folder: Path, kind: str = "ed25519") -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(folder / kind)], check=True)
    return folder / kind


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_keys_of_every_kind_sign(tmp_path: Path, kind: str) -> None:
    own = key(tmp_path, kind)
    public = own.with_suffix(".pub").read_text()
    signer = Signer.of(own, [public], tmp_path / "signers", tmp_path / "bundle")
    signer.sign(b"data", tmp_path)
    assert signer.signed(b"data", tmp_path)
    assert not signer.signed(b"date", tmp_path)
    assert not (tmp_path / "signers").exists()
    bundle_signature.check(b"data", tmp_path / bundle.SIGNATURE, bundle_signature.parse_signers([public]))
    with pytest.raises(BundleError):
        bundle_signature.check(b"data", tmp_path / bundle.SIGNATURE, [KEY])


def test_a_key_of_an_agent_signs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = key(tmp_path)
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(tmp_path / "agent")], stdout=subprocess.PIPE) as agent:
        assert agent.stdout is not None
        agent.stdout.readline()  # It listens when it says where.
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
        subprocess.run(["ssh-add", "-q", str(own)], check=True)
        own.unlink()
        signer = Signer.of(own.with_suffix(".pub"), [], tmp_path / "signers", tmp_path / "bundle")
        signer.sign(b"data", tmp_path)
        agent.terminate()
    assert signer.signed(b"data", tmp_path)
    assert bundle_signature.parse_signers((tmp_path / "signers").read_text().splitlines()) == [signer.public_half]


def test_a_signature_for_something_else_does_not_count(tmp_path: Path) -> None:
    own = key(tmp_path)
    (tmp_path / "data").write_bytes(b"data")
    subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-n", "file", "-f", str(own), str(tmp_path / "data")], check=True)
    (tmp_path / "data.sig").rename(tmp_path / bundle.SIGNATURE)
    assert not Signer(own, (), tmp_path / "signers").signed(b"data", tmp_path)


def test_the_documented_command_signs_a_bundle_by_hand(tmp_path: Path) -> None:
    own = key(tmp_path)
    folder = tmp_path / "bundle"
    listing = bundle.document([], {"systems": []})
    bundle.write(folder / bundle.LIST, listing)
    bundle.write(folder / bundle.SUMS, bundle.checksums([], listing))
    lines = (ROOT / "docs/offline.md").read_text().splitlines()
    command = next(line for line in lines if line.startswith("ssh-keygen -Y sign"))
    command = command.replace("~/.config/kubestead/bundle-signing-key", str(own))
    subprocess.run(["sh", "-c", command], check=True, cwd=tmp_path)
    public = own.with_suffix(".pub").read_text()
    assert bundle_signature.verified(folder, [public])[1]["systems"] == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"{KEY} me@example.com and more", KEY),
        (f"  {KEY}\n", KEY),
        ("sk-ssh-ed25519@openssh.com AAAAGn==", "sk-ssh-ed25519@openssh.com AAAAGn=="),
        ("ecdsa-sha2-nistp256 AAAAE2", "ecdsa-sha2-nistp256 AAAAE2"),
        ("ssh-rsa  AAAAB3", "ssh-rsa AAAAB3"),
    ],
)
def test_lines_of_signers(line: str, expected: str) -> None:
    assert bundle_signature.parse_signers(["", "# me", line]) == [expected]


@pytest.mark.parametrize(
    "line",
    [
        "* ssh-ed25519 AAAA",
        f"cert-authority {KEY}",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        "ssh-ed25519",
        "x\nssh-rsa AAAA",
        "ssh-rsa AAAA\n* ssh-rsa BBBB",
    ],
)
def test_lines_that_are_no_keys(line: str) -> None:
    with pytest.raises(BundleError, match=r"^cluster_bundle_signers: found .*, expected a public key such as"):
        bundle_signature.parse_signers([line])


@pytest.mark.parametrize("signers", [[], ["", "# nobody"]])
def test_nobody_may_sign(tmp_path: Path, signers: list[str]) -> None:
    with pytest.raises(BundleError, match=r"^cluster_bundle_signers: found no key, expected the public half"):
        bundle_signature.verified(tmp_path, signers)
