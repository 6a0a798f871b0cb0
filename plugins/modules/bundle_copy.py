#!/usr/bin/python
# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Have a bundle on the machine that serves it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bundle_copy
short_description: Have a bundle on the machine that serves it
version_added: 0.1.0
description:
  - Verifies a bundle on the controller, by its signature and file by file, and refuses one that is not signed by
    O(signers), damaged or incomplete before anything is changed. Then sends the machine what it lacks, and removes
    there what the bundle no longer has.
  - What has arrived is verified once more before it is put in place; the indexes of packages and the tags of images are
    replaced last. A run that was killed goes on where it ended.
  - Files are 0644 and folders 0755 whatever the umask is, as the web server is another user; what is not is put right.
requirements:
  - ssh-keygen of OpenSSH 8.1 or newer (on the controller)
author:
  - kubestead contributors (@kubestead)
options:
  source:
    description: The bundle's folder on the controller.
    type: path
    required: true
  signers:
    description:
      - Public SSH keys, as C(*.pub) files have them. One of them must have signed the bundle; empty lines and comments
        are skipped.
    type: list
    elements: str
    required: true
  directory:
    description: Where it is on the machine. The folder is the bundle's alone.
    type: path
    required: true
  system:
    description: A system whose packages the bundle must have, such as debian-13.
    type: str
    required: true
  files:
    description: Filled by the action with the bundle's checksums, by path.
    type: dict
    default: {}
  archive:
    description: Filled by the action with the path of an archive that it has sent.
    type: path
attributes:
  check_mode:
    support: full
    description: The bundle is verified, and the machine's files are compared with it.
  diff_mode:
    support: full
    description: Lists the files that are sent and removed.
seealso:
  - module: kubestead.cluster.bundle
"""

EXAMPLES = r"""
- name: Copy the bundle
  kubestead.cluster.bundle_copy:
    source: /srv/bundle
    signers: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPO5XyoN3Yjcs7BYk2e7RrXHU1TIYIlzZJv5T9xmRVOi]
    directory: /var/www/kubestead
    system: debian-13
"""

RETURN = r"""
missing:
  description: The files that were sent, or would be.
  returned: success
  type: list
  elements: str
  sample: [packages/debian-13/kubeadm_1.36.3-1.1_amd64.deb]
unlisted:
  description: The files that were removed, or would be.
  returned: success
  type: list
  elements: str
  sample: []
modes:
  description: The files and folders whose mode was put right, or would be.
  returned: success
  type: list
  elements: str
  sample: [packages/debian-13]
"""

import hashlib
import os
import stat
import tarfile
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kubestead.cluster.plugins.module_utils._machine.apply import make_directory
from ansible_collections.kubestead.cluster.plugins.module_utils._runner import guard

_CHUNK = 1 << 20
# What a killed run may have left begins with this.
_TEMPORARY = ".kubestead-new."
# Says that a folder is a bundle's, from the first file on.
_MARKER = ".kubestead-bundle"


class CopyError(Exception):
    """Why the files can't be put in place."""


def digest(path: str) -> str:
    """Return the SHA-256 of a file, '' where there is none."""
    total = hashlib.sha256()
    try:
        with open(path, "rb") as handle:
            for chunk in iter(lambda: handle.read(_CHUNK), b""):
                total.update(chunk)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return ""
    return total.hexdigest()


def present(directory: str) -> set[str]:
    """Return the paths of all files below a folder, which must be a bundle's."""
    found = {
        os.path.relpath(os.path.join(folder, name), directory)
        for folder, _folders, names in os.walk(directory)
        for name in names
    }
    if found and _MARKER not in found:
        raise CopyError(
            f"{directory} has files that no bundle has brought, such as {min(found)}; choose a folder that is empty, "
            "as what a bundle does not have is removed"
        )
    return found - {_MARKER}


def compare(directory: str, files: dict[str, str]) -> tuple[list[str], list[str]]:
    """Return the files that are not there as they must be, and those that the bundle does not have."""
    missing = sorted(path for path, expected in files.items() if digest(os.path.join(directory, path)) != expected)
    return missing, sorted(present(directory) - set(files))


def modes(files: dict[str, str]) -> dict[str, int]:
    """Return the mode of each file and of the folders that lead there, the bundle's own (.) among them."""
    found = {".": 0o755}
    for path in files:
        parts = path.split("/")
        found.update({"/".join(parts[:depth]): 0o755 for depth in range(1, len(parts))})
        found[path] = 0o644
    return found


def wrong_modes(directory: str, files: dict[str, str]) -> list[str]:
    """Return what is there with another mode than it must have."""
    places = {path: (os.path.join(directory, path), mode) for path, mode in modes(files).items()}
    return sorted(
        path
        for path, (place, mode) in places.items()
        if os.path.exists(place) and stat.S_IMODE(os.stat(place).st_mode) != mode
    )


def extract(archive: str, directory: str, files: dict[str, str]) -> None:
    """Put the files of an archive in place, each at once and only if it is what it must be."""
    make_directory(directory)
    with open(os.path.join(directory, _MARKER), "ab"), tarfile.open(archive) as opened:
        for member in opened:
            content = opened.extractfile(member)
            if content is None or member.name not in files:
                raise CopyError(f"{member.name} is not a file of the bundle")
            target = os.path.join(directory, member.name)
            make_directory(os.path.dirname(target))
            temporary = os.path.join(os.path.dirname(target), _TEMPORARY + os.path.basename(target))
            total = hashlib.sha256()
            with open(temporary, "wb") as handle:
                chunk = content.read(_CHUNK)
                while chunk:
                    total.update(chunk)
                    handle.write(chunk)
                    chunk = content.read(_CHUNK)
            if total.hexdigest() != files[member.name]:
                os.unlink(temporary)
                raise CopyError(
                    f"{member.name}: what arrived has SHA-256 {total.hexdigest()}, expected {files[member.name]}"
                )
            os.chmod(temporary, 0o644)
            os.rename(temporary, target)


def remove(directory: str, unlisted: list[str]) -> None:
    """Remove files, and the folders that are empty then."""
    for path in unlisted:
        os.unlink(os.path.join(directory, path))
    for folder, folders, names in os.walk(directory, topdown=False):
        if not names and not any(os.path.isdir(os.path.join(folder, name)) for name in folders) and folder != directory:
            os.rmdir(folder)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "source": {"type": "path", "required": True},
            "signers": {"type": "list", "elements": "str", "required": True},
            "directory": {"type": "path", "required": True},
            "system": {"type": "str", "required": True},
            "files": {"type": "dict", "default": {}},
            "archive": {"type": "path"},
        },
        supports_check_mode=True,
    )
    directory: str = module.params["directory"]
    files: dict[str, str] = module.params["files"]
    result: dict[str, Any] = {"changed": False}
    with guard(module):
        if module.params["archive"]:
            # One of several: the action looks again when the last one is in place.
            extract(module.params["archive"], directory, files)
            module.exit_json(changed=True)
        missing, unlisted = compare(directory, files)
        wrong = wrong_modes(directory, files)
        result.update(missing=missing, unlisted=unlisted, modes=wrong, changed=bool(missing or unlisted or wrong))
        if not module.check_mode:
            for path in wrong:
                os.chmod(os.path.join(directory, path), modes(files)[path])
        # Nothing goes before all is there.
        if unlisted and not missing and not module.check_mode:
            remove(directory, unlisted)
        module.exit_json(**result)


if __name__ == "__main__":
    main()
