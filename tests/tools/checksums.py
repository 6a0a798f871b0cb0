# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare the checksums in versions.yml with the archives themselves, and with those that their publishers name.

``python -m tests.tools.checksums`` fetches each archive from its official site, for each architecture. It prints one
line for each comparison and ends with 0 when all are the same, with 1 when one differs or a site does not have the
file, and with 3 when none differs and a site could not be reached.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = ROOT / "roles/cluster/vars/main/versions.yml"
PREFIX = "__cluster_"
#: Where a publisher names checksums, by the archive's URL. https://github.com/Mirantis/cri-dockerd/releases has none.
PUBLISHED = {"helm": "{url}.sha256sum"}
SAME, DIFFERS, MISSING, UNREACHABLE = "same", "differs", "not there", "not reachable"


@dataclass(frozen=True)
class Archive:
    """An archive of versions.yml, for one architecture."""

    name: str
    version: str
    arch: str
    url: str
    sha256: str


@dataclass(frozen=True)
class Comparison:
    """What a URL was compared for, and how that ended."""

    archive: Archive
    url: str
    outcome: str
    detail: str = ""

    def __str__(self) -> str:
        """Return the line that is printed."""
        where = f"{self.archive.name} {self.archive.version} {self.archive.arch}: {self.outcome}: {self.url}"
        return f"{where} ({self.detail})" if self.detail else where


def archives(versions: Mapping[str, Any]) -> list[Archive]:
    """Return the archives of versions.yml: whatever has a version, a URL and checksums by architecture."""
    names = [key.removeprefix(PREFIX).removesuffix("_url") for key in versions if key.endswith("_url")]
    found = []
    for name in names:
        version = str(versions[f"{PREFIX}{name}_version"])
        for arch, sha256 in versions[f"{PREFIX}{name}_sha256"].items():
            url = versions[f"{PREFIX}{name}_url"].format(version=version, arch=arch)
            found.append(Archive(name, version, arch, url, sha256))
    return found


def fetched(url: str, timeout: float) -> bytes:
    """Return what a URL has. One that is cut off raises IncompleteRead."""
    with urllib.request.urlopen(url, timeout=timeout) as answer:  # noqa: S310 - the URLs are those of versions.yml
        content: bytes = answer.read()
    return content


def digest(url: str, timeout: float) -> str:
    """Return the SHA-256 of what a URL has."""
    return hashlib.sha256(fetched(url, timeout)).hexdigest()


def published(url: str, timeout: float) -> str:
    """Return the checksum that a publisher names, as sha256sum writes it."""
    text = fetched(url, timeout).decode(errors="replace")
    found = re.match(r"([0-9a-f]{64})\b", text)
    return found.group(1) if found else f"no checksum, but {text[:40]!r}"


def compare(archive: Archive, templates: Mapping[str, str], timeout: float) -> Iterator[Comparison]:
    """Compare one archive's checksum with the publisher's, where there is one, and with the archive's own."""
    asked = [(archive.url, digest)]
    if archive.name in templates:
        asked.insert(0, (templates[archive.name].format(url=archive.url), published))
    for url, read in asked:
        try:
            actual = read(url, timeout)
        except urllib.error.HTTPError as error:
            missing = error.code in {404, 410}
            yield Comparison(archive, url, MISSING if missing else UNREACHABLE, f"HTTP {error.code}")
        except (OSError, http.client.HTTPException) as error:
            yield Comparison(archive, url, UNREACHABLE, str(error) or type(error).__name__)
        else:
            same = actual == archive.sha256
            yield Comparison(archive, url, *((SAME, "") if same else (DIFFERS, f"{actual}, not {archive.sha256}")))


def result(comparisons: Iterable[Comparison]) -> int:
    """Return the exit code."""
    outcomes = {comparison.outcome for comparison in comparisons}
    if outcomes & {DIFFERS, MISSING}:
        return 1
    return 3 if UNREACHABLE in outcomes else 0


def main(arguments: list[str] | None = None) -> int:
    """Compare all archives, one line each."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.checksums", description=__doc__.partition("\n")[0])
    parser.add_argument("--versions", type=Path, default=VERSIONS, help="the file with the versions")
    parser.add_argument("--timeout", type=float, default=30, help="seconds to wait for an answer")
    given = parser.parse_args(arguments)
    done = []
    for archive in archives(yaml.safe_load(given.versions.read_text(encoding="utf-8"))):
        for comparison in compare(archive, PUBLISHED, given.timeout):
            sys.stdout.write(f"{comparison}\n")
            sys.stdout.flush()
            done.append(comparison)
    return result(done)


if __name__ == "__main__":
    sys.exit(main())
