# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Package sources, read by the package managers themselves: those of systems that no lab node runs, and their keys."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.module_utils._machine import openpgp
from ansible_collections.kubestead.cluster.plugins.plugin_utils.sources import package_sources
from tests.lab import engine

from .cluster import PROGRAM, ROOT
from .publishers import Publisher, Web, run

KEY = {"kubernetes_key_fingerprints": ["DE15B14486CD377B9E876E1A234654DA9A296436"], "docker_key_fingerprints": []}
MIRRORS = {
    "official": ("https://pkgs.k8s.io/core:/stable:/v1.36", "https://download.docker.com/linux"),
    "aliyun": (
        "https://mirrors.aliyun.com/kubernetes-new/core/stable/v1.36",
        "https://mirrors.aliyun.com/docker-ce/linux",
    ),
}


def settings(mirror: str) -> dict[str, Any]:
    return {"version": "1.36.3", "mirror": mirror, "mirror_overrides": {}, **KEY}


def write(folder: Path, files: list[dict[str, Any]], suffix: str) -> Path:
    """Put the repository files into a folder of their own."""
    for file in files:
        if file["path"].endswith(suffix) and "content" in file:
            (folder / Path(file["path"]).name).write_text(file["content"])
    return folder


@pytest.mark.parametrize("mirror", MIRRORS)
@pytest.mark.parametrize(
    ("identity", "version", "published"),
    [
        ("rhel", "9.6", "rhel/9"),
        ("rocky", "9.6", "centos/9"),
        ("almalinux", "10.1", "centos/10"),
        ("centos", "10", "centos/10"),
    ],
)
def test_dnf_reads_the_repositories(tmp_path: Path, mirror: str, identity: str, version: str, published: str) -> None:
    system = {"id": identity, "version_id": version, "codename": "", "family": "redhat"}
    folder = write(tmp_path, package_sources(system, settings(mirror), docker=True), ".repo")
    command = [
        "dnf",
        f"--setopt=reposdir={folder}",
        f"--setopt=cachedir={tmp_path / 'cache'}",
        "--releasever=9",
        "--forcearch=x86_64",
    ]
    listed = subprocess.run([*command, "repolist", "--all"], check=True, capture_output=True, text=True).stdout
    assert [line.split()[0] for line in listed.splitlines()[1:]] == ["docker", "kubernetes"]
    kubernetes, docker = MIRRORS[mirror]
    places = {"kubernetes": f"{kubernetes}/rpm", "docker": f"{docker}/{published}/x86_64/stable"}
    # Without a network dnf can only fail to fetch, and says from where.
    unreachable = ["--setopt=timeout=1", "--setopt=retries=1", "--setopt=proxy=http://127.0.0.1:9"]
    for name, place in places.items():
        one = [*command, *unreachable, "--disablerepo=*", f"--enablerepo={name}", "makecache"]
        fetched = subprocess.run(one, check=False, capture_output=True, text=True)
        said = fetched.stdout + fetched.stderr
        assert f" {place}/repodata/repomd.xml " in said, said


@pytest.mark.parametrize("mirror", MIRRORS)
@pytest.mark.parametrize(
    ("identity", "codename"),
    [("debian", "bookworm"), ("debian", "trixie"), ("ubuntu", "jammy"), ("ubuntu", "noble"), ("ubuntu", "resolute")],
)
def test_apt_reads_the_repositories(tmp_path: Path, mirror: str, identity: str, codename: str) -> None:
    system = {"id": identity, "version_id": "1", "codename": codename, "family": "debian"}
    folder = write(tmp_path, package_sources(system, settings(mirror), docker=True), ".sources")
    options = ["-o", "Dir::Etc::sourcelist=/dev/null", "-o", f"Dir::Etc::sourceparts={folder}"]
    command = ["apt-get", *options, "-o", "APT::Architecture=amd64", "--print-uris", "update"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    kubernetes, docker = MIRRORS[mirror]
    assert f"'{kubernetes}/deb/InRelease'" in said
    assert f"'{docker}/{identity}/dists/{codename}/InRelease'" in said


# Updates from each repository with each key, in lists of its own, and prints which of them apt takes.
APT = """\
for key in /world/keys/*; do for repository in genuine attacker; do
  lists=$(mktemp -d)
  echo "deb [signed-by=$key] file:/world/apt/$repository ./" >"$lists/x.list"
  if apt-get -qq -o Dir::Etc::SourceList="$lists/x.list" -o Dir::Etc::SourceParts=- -o Dir::State::Lists="$lists" \\
    -o APT::Update::Error-Mode=any -o APT::Sandbox::User=root update >"$lists/said" 2>&1
  then echo "$(basename "$key") $repository accepted"
  else grep -Eq "NO_PUBKEY|not signed|Missing key|BADSIG|No binding signature|not available" "$lists/said" &&
    echo "$(basename "$key") $repository refused" || cat "$lists/said"
  fi
done; done
"""


class Attack:
    """A publisher, an attacker, and files with the publisher's key that the attacker has had a hand in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.web = Web(folder / "served")
        self.publishers = {name: Publisher(folder / "rpm" / name, name) for name in ("genuine", "attacker")}
        for name, publisher in self.publishers.items():
            publisher.build({"demo": ""}, "1", "1")
            apt_repository(folder / "apt" / name, name)
        genuine, attacker = ((folder / "rpm" / name / "key.asc").read_text() for name in self.publishers)
        for made in ("served", "keys"):
            (folder / made).mkdir()
        self.serve("genuine", genuine)
        # apt reads armored blocks of any name, and gpg, which dnf has read them, public keys of this one, too.
        self.serve("before", attacker.replace("PUBLIC KEY BLOCK", "PRIVATE KEY BLOCK") + genuine)
        self.serve("behind", genuine + attacker.replace("PUBLIC KEY BLOCK", "PRIVATE KEY BLOCK"))
        self.serve("both", attacker + genuine)
        # The attacker's key as a subkey of the publisher's: the fingerprint is that of the primary key alone.
        own, other = (list(openpgp.packets(openpgp.dearmor(text.encode()))) for text in (genuine, attacker))
        subkey = [(14, other[0][1]), *(packet for packet in other if packet[0] == 2)]
        grafted = b"".join(openpgp._encoded(*packet) for packet in [*own, *subkey])
        self.serve("grafted", openpgp.armor(grafted).decode())

    def serve(self, name: str, text: str) -> None:
        (self.folder / "served" / name).write_text(text)

    def install(self, served: str, path: Path) -> subprocess.CompletedProcess[str]:
        """Have machine_config install a key, as a role does."""
        file = {
            "path": str(path),
            "url": f"http://{self.web.host}/{served}",
            "openpgp_fingerprints": [self.publishers["genuine"].fingerprint],
        }
        module = ["-m", "kubestead.cluster.machine_config", "-a", json.dumps({"files": [file]})]
        command = [str(PROGRAM.with_name("ansible")), "localhost", *module]
        return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)


def apt_repository(folder: Path, key: str) -> None:
    """A flat repository without a package, signed."""
    folder.mkdir(parents=True)
    (folder / "Packages").touch()
    date = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S UTC")
    (folder / "Release").write_text(f"Date: {date}\nSHA256:\n {hashlib.sha256().hexdigest()} 0 Packages\n")
    run("gpg", "--batch", "--local-user", key, "--output", folder / "InRelease", "--clearsign", folder / "Release")


@pytest.fixture(scope="module")
def attack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attack]:
    folder = tmp_path_factory.mktemp("attack")
    with pytest.MonkeyPatch.context() as patch:
        (folder / "gnupg").mkdir(mode=0o700)
        patch.setenv("GNUPGHOME", str(folder / "gnupg"))
        made = Attack(folder)
        # As an earlier release has left it: the next run puts it right.
        for name, served in (("installed.asc", "genuine"), ("installed.gpg", "genuine"), ("grafted.asc", "grafted")):
            (folder / "keys" / name).write_bytes((folder / "served/before").read_bytes())
            done = made.install(served, folder / "keys" / name)
            assert done.returncode == 0, done.stdout
        assert "changed: false" in made.install("genuine", folder / "keys/installed.asc").stdout
        (folder / "keys/raw.asc").write_bytes((folder / "served/before").read_bytes())
        yield made
        made.web.close()
        run("gpgconf", "--kill", "gpg-agent")


@pytest.mark.parametrize("served", ["before", "behind", "both"])
def test_a_key_file_with_an_attacker_s_block_is_not_installed(attack: Attack, tmp_path: Path, served: str) -> None:
    done = attack.install(served, tmp_path / "key.asc")
    assert done.returncode != 0
    assert f"/{served} is not accepted: " in done.stdout
    assert not (tmp_path / "key.asc").exists()


@pytest.mark.parametrize("system", ["debian12", "debian13"])
def test_apt_accepts_the_publisher_alone(attack: Attack, system: str) -> None:
    engine.start()
    volume = ["--network", "none", "--volume", f"{attack.folder}:/world:ro"]
    said = engine.docker("run", "--rm", *volume, engine.image(system), "sh", "-c", APT)
    found = {(key, repository): result for key, repository, result in (line.split() for line in said.splitlines())}
    assert found == {
        # What apt would do with the file as it was served.
        ("raw.asc", "genuine"): "accepted",
        ("raw.asc", "attacker"): "accepted",
        ("installed.asc", "genuine"): "accepted",
        ("installed.asc", "attacker"): "refused",
        ("installed.gpg", "genuine"): "accepted",
        ("installed.gpg", "attacker"): "refused",
        ("grafted.asc", "genuine"): "accepted",
        ("grafted.asc", "attacker"): "refused",
    }


@pytest.mark.parametrize(
    ("key", "publisher", "expected"),
    [
        # What dnf would do with the file as it was served.
        ("raw", "attacker", ""),
        ("installed", "genuine", ""),
        ("installed", "attacker", "GPG check FAILED"),
        ("grafted", "attacker", "GPG check FAILED"),
    ],
)
def test_dnf_imports_the_publisher_s_key_alone(
    attack: Attack, tmp_path: Path, key: str, publisher: str, expected: str
) -> None:
    lines = ["[demo]", "name=demo", f"baseurl=file://{attack.folder}/rpm/{publisher}", "gpgcheck=1"]
    (tmp_path / "demo.repo").write_text("\n".join([*lines, f"gpgkey=file://{attack.folder}/keys/{key}.asc", ""]))
    options = [f"--setopt=reposdir={tmp_path}", f"--setopt=cachedir={tmp_path / 'cache'}", "--releasever=9"]
    command = ["dnf", "--assumeyes", f"--installroot={tmp_path / 'root'}", *options, "install", "demo"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode == 0) == (not expected), done.stdout + done.stderr
    assert expected in done.stdout + done.stderr
