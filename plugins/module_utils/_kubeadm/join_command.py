# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parse ``kubeadm join`` commands, as kubeadm prints them or a person pastes them."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field

from ansible_collections.kubestead.cluster.plugins.module_utils._redact import ParseError

# What kubeadm prints in the place of a secret with --skip-token-print and --skip-certificate-key-print.
_WITHHELD = "<value withheld>"

_JOIN_LINE = re.compile(r"^[ \t]*(kubeadm[ \t]+join[ \t]+\S.*)$", re.MULTILINE)
_CONTINUATION = re.compile(r"\\[ \t]*\r?\n[ \t]*")
_ENDPOINT = re.compile(r"(?:\[[0-9A-Fa-f:.]+(?:%[\w.-]+)?\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?):([0-9]{1,5})")
TOKEN_VALUE = re.compile(r"[a-z0-9]{6}\.[a-z0-9]{16}")
_CA_HASH = re.compile(r"sha256:[0-9a-f]{64}")
KEY_VALUE = re.compile(r"[0-9a-fA-F]{64}")
_SKIP_CA = "--discovery-token-unsafe-skip-ca-verification"
_BOOLEAN_FLAGS = (_SKIP_CA, "--dry-run")
_VALUE_FLAGS = {
    "--token": "token",
    "--discovery-token": "token",
    "--discovery-token-ca-cert-hash": "hash",
    "--certificate-key": "key",
}
# The second one up to 1.15.
_CONTROL_PLANE_FLAGS = ("--control-plane", "--experimental-control-plane")


@dataclass(frozen=True)
class JoinCommand:
    """``kubeadm join``: whom to join and how to trust it. A secret that was withheld is None."""

    endpoint: str
    token: str | None = field(repr=False)
    ca_cert_hashes: tuple[str, ...]
    control_plane: bool = False
    certificate_key: str | None = field(default=None, repr=False)
    other_flags: tuple[str, ...] = ()


def parse_join_commands(text: str) -> tuple[JoinCommand, ...]:
    """All ``kubeadm join`` commands of a text, in order; an empty tuple when there is none."""
    return tuple(_join_command(line) for line in _JOIN_LINE.findall(_CONTINUATION.sub(" ", text)))


def parse_join_command(text: str) -> JoinCommand:
    """The one command of ``kubeadm token create --print-join-command``, or one that a person pasted."""
    commands = parse_join_commands(text)
    if len(commands) != 1:
        raise ParseError(f"one 'kubeadm join' command, not {len(commands)}", text)
    return commands[0]


def _join_command(line: str) -> JoinCommand:
    endpoints, values, other = _join_arguments(line)
    if len(endpoints) != 1 or not _is_endpoint(endpoints[0]):
        raise ParseError("one HOST:PORT of the API server in 'kubeadm join'", line)
    token = _secret(values["token"], TOKEN_VALUE, "--token ID.SECRET in 'kubeadm join'", line)
    hashes = tuple(part for value in values["hash"] for part in value.split(","))
    if not all(_CA_HASH.fullmatch(value) for value in hashes):
        raise ParseError("--discovery-token-ca-cert-hash sha256:<64 hexadecimal digits> in 'kubeadm join'", line)
    if not hashes and not any(flag.startswith(_SKIP_CA) for flag in other):
        raise ParseError("--discovery-token-ca-cert-hash in 'kubeadm join'", line)
    key = None
    if values["key"]:
        key = _secret(values["key"], KEY_VALUE, "--certificate-key of 64 hexadecimal digits in 'kubeadm join'", line)
    return JoinCommand(
        endpoint=endpoints[0],
        token=token,
        ca_cert_hashes=hashes,
        control_plane=values["control plane"][-1:] not in ([], ["false"]),
        certificate_key=key,
        other_flags=tuple(other),
    )


def _join_arguments(line: str) -> tuple[list[str], dict[str, list[str]], list[str]]:
    """Words without a dash, the values of the flags that matter, and all other flags as they stand."""
    try:
        words = shlex.split(line.replace(_WITHHELD, shlex.quote(_WITHHELD)))[2:]
    except ValueError as error:
        raise ParseError(f"a 'kubeadm join' command that a shell can read ({error})", line) from error
    endpoints: list[str] = []
    values: dict[str, list[str]] = {"token": [], "hash": [], "key": [], "control plane": []}
    other: list[str] = []
    while words:
        word = words.pop(0)
        flag, equals, value = word.partition("=")
        if not word.startswith("-"):
            endpoints.append(word)
        elif flag in _CONTROL_PLANE_FLAGS:
            values["control plane"].append(value)
        elif flag in _VALUE_FLAGS:
            if not equals and not words:
                raise ParseError(f"a value after {flag} in 'kubeadm join'", line)
            values[_VALUE_FLAGS[flag]].append(value if equals else words.pop(0))
        else:
            other.append(word)
            if not equals and word not in _BOOLEAN_FLAGS and _is_value(words[:1], bool(endpoints)):
                other.append(words.pop(0))
    return endpoints, values, other


def _is_value(following: list[str], has_endpoint: bool) -> bool:
    """Whether an unknown flag takes the next word, which may as well be the endpoint: that has a shape of its own."""
    return bool(following) and not following[0].startswith("-") and (has_endpoint or not _is_endpoint(following[0]))


def _is_endpoint(text: str) -> bool:
    match = _ENDPOINT.fullmatch(text)
    return match is not None and 0 < int(match.group(1)) < 65536


def _secret(values: list[str], shape: re.Pattern[str], expected: str, line: str) -> str | None:
    """The last value given, as kubeadm takes it; None when kubeadm withheld it."""
    if not values or not (values[-1] == _WITHHELD or shape.fullmatch(values[-1])):
        raise ParseError(expected, line)
    return None if values[-1] == _WITHHELD else values[-1]
