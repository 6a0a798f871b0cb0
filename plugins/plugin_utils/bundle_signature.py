# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The signature of a bundle, made and verified by ssh-keygen.

It is an OpenSSH signature over SHA256SUMS, which has the checksum of every other file. The keys are SSH keys: any that
an operator has will do.

Source: https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.sshsig (OpenSSH 8.1 and newer).
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.kubestead.cluster.plugins.plugin_utils import bundle
from ansible_collections.kubestead.cluster.plugins.plugin_utils.bundle import BundleError, run

#: What a signature is for: one that the same key has made for something else does not count.
NAMESPACE = "kubestead-bundle"
SIGNERS = "cluster_bundle_signers"
_KEY = re.compile(r"((?:sk-)?(?:ssh|ecdsa)-[a-z0-9-]+(?:@openssh\.com)?)[ \t]+([A-Za-z0-9+/]+=*)(?:[ \t].*)?")
_FILE = """\
# Public halves of the keys that sign bundles. mirror.yml takes a bundle that one of them has signed, and no other.
{key}
"""


def parse_key(line: str, where: str) -> str:
    """Return type and key of a line as SSH has them in ``*.pub`` files, without the comment."""
    found = _KEY.fullmatch(line.strip())
    if found is None:
        raise BundleError(f"{where}: found {line.strip()[:60]!r}, expected a public key such as `ssh-ed25519 AAAA...`")
    return " ".join(found.groups())


def parse_signers(lines: Iterable[str]) -> list[str]:
    """Return the keys of cluster_bundle_signers; empty lines and comments are skipped."""
    single = (line.strip() for item in lines for line in item.splitlines())
    return [parse_key(line, SIGNERS) for line in single if line and not line.startswith("#")]


def check(data: bytes, signature: Path, signers: Sequence[str]) -> None:
    """Raise BundleError unless one of the signers has signed the data, for a bundle."""
    with tempfile.NamedTemporaryFile("w", prefix="kubestead-signers-") as allowed:
        allowed.write("".join(f'bundle namespaces="{NAMESPACE}" {key}\n' for key in signers))
        allowed.flush()
        verify = ["ssh-keygen", "-Y", "verify", "-n", NAMESPACE, "-I", "bundle", "-f", allowed.name]
        run([*verify, "-s", str(signature)], data=data)


def verified(folder: Path, signers: Iterable[str]) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the checksums and the list of a bundle that is signed and whole.

    Raises BundleError with what was found where it is not. Nothing of the bundle is read before its signature is good.
    """
    keys = parse_signers(signers)
    signature = folder / bundle.SIGNATURE
    if not keys:
        raise BundleError(
            f"{SIGNERS}: found no key, expected the public half of the key that signed the bundle; bundle.yml writes "
            "it to bundle-signers beside the inventory"
        )
    try:
        data = (folder / bundle.SUMS).read_bytes()
    except FileNotFoundError:
        raise BundleError(f"{folder / bundle.SUMS}: missing; a bundle that bundle.yml has finished has one") from None
    if not signature.exists():
        raise BundleError(
            f"{bundle.SIGNATURE}: missing, expected a signature by one of {SIGNERS}; run bundle.yml again where the "
            "bundle was collected, which signs it and fetches nothing twice"
        )
    try:
        check(data, signature, keys)
    except BundleError as error:
        raise BundleError(
            f"{bundle.SIGNATURE}: found no signature of this {bundle.SUMS} by one of {SIGNERS} ({error}); the bundle "
            "was changed, or another key has signed it; copy it again from where it was collected, or add that key's "
            f"public half to {SIGNERS}"
        ) from None
    return bundle.verified(folder, data.decode(errors="replace"))


@dataclass(frozen=True)
class Signer:
    """The key of the machine that collects, and who may sign by the inventory.

    ``key`` is the private half, or the public half (``*.pub``) of a key that an SSH agent holds. ``file`` is where the
    public half goes while the inventory names no signers.
    """

    key: Path
    signers: tuple[str, ...]
    file: Path

    @classmethod
    def of(cls, key: Path, signers: Iterable[str], file: Path, folder: Path) -> Signer:
        """Return the signer of a bundle in this folder; a key that can't be the right one is refused."""
        if key.resolve().is_relative_to(folder.resolve()):
            raise BundleError(
                f"bundle_signing_key: found {key}, expected a path outside the bundle, which leaves this machine"
            )
        made = cls(key, tuple(parse_signers(signers)), file)
        if made.signers and made.public_half not in made.signers:
            found = f"the key {made.public_half} in {key}" if made.public_half else f"no key in {key}"
            raise BundleError(
                f"bundle_signing_key: found {found}, expected one of {SIGNERS}, as mirror.yml takes no other; give "
                f"that key, or add the public half of this one to {SIGNERS}"
            )
        return made

    @property
    def public_file(self) -> Path:
        """Where the public half is."""
        return self.key if self.key.suffix == ".pub" else self.key.with_name(f"{self.key.name}.pub")

    @property
    def public_half(self) -> str:
        """The public half, empty where there is no key yet."""
        if not self.public_file.exists():
            if self.key.exists():
                raise BundleError(
                    f"{self.public_file}: missing; make it by `ssh-keygen -y -f {self.key} > {self.public_file}`"
                )
            return ""
        return parse_key(self.public_file.read_text(), str(self.public_file))

    def signed(self, data: bytes, folder: Path) -> bool:
        """Whether the signature in the folder is this key's, over this data."""
        if not self.public_half or not (folder / bundle.SIGNATURE).exists():
            return False
        try:
            check(data, folder / bundle.SIGNATURE, [self.public_half])
        except BundleError:
            return False
        return True

    def plan(self, data: bytes, folder: Path) -> list[str]:
        """Return what is still to be done, as lines of a diff."""
        todo = [] if self.public_half else [f"{self.key}: a new key"]
        todo += [] if self.signers else [f"{self.file}: the public half of {self.key}"]
        return todo + ([] if self.signed(data, folder) else [f"{bundle.SIGNATURE}: signed by {self.key}"])

    def sign(self, data: bytes, folder: Path) -> None:
        """Make the key where there is none, write its public half where the inventory has none, and sign."""
        if not self.public_half:
            self.key.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "kubestead bundles", "-f", str(self.key)])
        if not self.signers:
            bundle.write(self.file, _FILE.format(key=self.public_file.read_text().strip()).encode())
        if not self.signed(data, folder):
            signature = run(["ssh-keygen", "-Y", "sign", "-n", NAMESPACE, "-f", str(self.key)], data=data)
            bundle.write(folder / bundle.SIGNATURE, signature.encode())
