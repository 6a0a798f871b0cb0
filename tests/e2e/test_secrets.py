# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No secret is seen by anybody: not in arguments or environments, not in outputs and journals, not in what is left."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

import pytest

from .cluster import Cluster, Run
from .sampling import CONTROLLER, Samples

TOKEN = re.compile(r'"?token"?: "?([a-z0-9]{6})\.([a-z0-9]{16})\b')
CERTIFICATE_KEY = re.compile(r'"?certificateKey"?: "?([0-9a-f]{64})\b')
# kubeadm keeps its kubeconfigs here too: their keys are base64 of PEM.
KEYS = "cat /etc/kubernetes/pki/*.key /etc/kubernetes/pki/etcd/*.key 2>/dev/null; true"
KEY_DATA = "grep -ho 'client-key-data: .*' /etc/kubernetes/*.conf | cut -d' ' -f2; true"
LEFT = ("/etc", "/root", "/run", "/tmp", "/var/lib/kubestead", "/var/log", "/var/tmp")
SECRET_FILES = "find /etc/kubernetes /run/kubestead -name '*.key' -o -name '*.conf' -type f | xargs stat -c '%a %n'"

Secrets = dict[str, str]


@pytest.fixture(scope="module")
def samples(built: tuple[Run, Samples]) -> Samples:
    """What was seen while the cluster was made."""
    return built[1]


def texts(samples: Samples) -> Iterable[str]:
    """What was in the files that were watched."""
    for machine in samples.machines.values():
        for file in machine["files"].values():
            yield from file["texts"]


@pytest.fixture(scope="module")
def tokens(samples: Samples) -> Secrets:
    """What kubeadm was given, as it lay in its configuration files: only there can it be found at all."""
    found: Secrets = {}
    for text in texts(samples):
        found |= {secret: f"bootstrap token {identity}" for identity, secret in TOKEN.findall(text)}
        found |= dict.fromkeys(CERTIFICATE_KEY.findall(text), "certificate key")
    assert {name.split()[0] for name in found.values()} == {"bootstrap", "certificate"}, "the sampler saw no secrets"
    return found


@pytest.fixture(scope="module")
def secrets(converged: Cluster, tokens: Secrets) -> Secrets:
    """All secrets, by what they are."""
    found = dict(tokens)
    for node in converged.control_planes:
        for line in converged.on(node, "sh", "-c", KEYS).splitlines():
            if len(line) == 64:
                found[line] = f"private key of {node}"
        for data in converged.on(node, "sh", "-c", KEY_DATA).splitlines():
            found[data[200:300]] = f"private key in a kubeconfig of {node}"
    assert len(found) > 50
    return found


def seen(secrets: Secrets, text: str) -> set[str]:
    """What of the secrets is in a text; never the secret itself."""
    return {name for secret, name in secrets.items() if secret in text}


def test_processes(samples: Samples, secrets: Secrets) -> None:
    for machine, sample in samples.machines.items():
        arguments = "\n".join(process[0] for process in sample["processes"])
        environments = "\n".join(process[1] for process in sample["processes"])
        assert sample["rounds"] > 100
        if machine != CONTROLLER:
            assert re.search(r"kubeadm\0(init|join)\0", arguments), f"{machine}: the sampler did not see kubeadm"
        assert not seen(secrets, arguments), f"{machine}: in the arguments of a process"
        assert not seen(secrets, environments), f"{machine}: in the environment of a process"


def test_output(built: tuple[Run, Samples], secrets: Secrets) -> None:
    assert "kubeadm_init" in built[0].output
    assert not seen(secrets, built[0].output)
    assert not seen(secrets, json.dumps(built[0].report))


def test_journals(converged: Cluster, secrets: Secrets) -> None:
    for node in converged.lab.nodes:
        journal = converged.on(node, "journalctl", "--output=cat", "--no-pager")
        assert "Invoked with" in journal  # Modules tell the journal what they were given.
        assert not seen(secrets, journal), f"{node}: in the journal"


def test_files_with_tokens(converged: Cluster, samples: Samples, tokens: Secrets) -> None:
    held = {
        (machine, path): file["modes"]
        for machine, sample in samples.machines.items()
        for path, file in sample["files"].items()
        if any(seen(tokens, text) for text in file["texts"])
    }
    assert held
    assert {machine for machine, _path in held} == set(converged.lab.nodes)
    assert {mode for modes in held.values() for mode in modes} == {"0o600"}, held
    for machine, path in held:
        assert not converged.on(machine, "ls", path, check=False), f"{machine}: {path} is still there"
    pattern = "|".join(tokens)
    for node in converged.lab.nodes:
        left = converged.on(node, "grep", "-rlEI", "--devices=skip", pattern, *LEFT, check=False)
        assert not left, f"{node}: a token or certificate key is left in {left}"


def test_files_with_keys(converged: Cluster) -> None:
    for node in converged.lab.nodes:
        listing = converged.on(node, "sh", "-c", SECRET_FILES).splitlines()
        assert listing
        assert [line for line in listing if not line.startswith("600 ")] == [], node
    assert converged.kubeconfig.stat().st_mode & 0o777 == 0o600


def test_tokens_end(converged: Cluster, tokens: Secrets) -> None:
    listing = converged.on(
        "cp1", "kubeadm", "token", "list", "-o", "json", "--kubeconfig", "/etc/kubernetes/admin.conf"
    )
    decoder, left = json.JSONDecoder(), []
    while listing := listing.lstrip():
        token, end = decoder.raw_decode(listing)
        left.append(token)
        listing = listing[end:]
    assert all("expires" in token for token in left), "a token never expires"
    joining = [token["token"] for token in left if "authentication" in token.get("usages", [])]
    assert not joining, "a token to join with is left"
    assert not seen(tokens, json.dumps(left))
