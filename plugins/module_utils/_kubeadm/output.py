# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What kubeadm prints, as values.

Every parser is a pure function from text to a frozen dataclass (or a tuple of them) and raises
:class:`ParseError` when the text is not what it should be. kubeadm has ``-o json`` for tokens,
images and versions; ``init``, ``token create`` and ``upload-certs`` have only text
(https://kubernetes.io/docs/reference/setup-tools/kubeadm/).

Secrets: tokens and certificate keys are left out of the ``repr`` of every value, and
:func:`redact` hides them in any text before it gets into an error or a result.
"""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from typing import Any

HIDDEN = "<hidden>"
# What kubeadm prints in the place of a secret with --skip-token-print and --skip-certificate-key-print.
_WITHHELD = "<value withheld>"

_PRIVATE_KEY = re.compile(
    r"(-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----).*?(-----END (?:[A-Z0-9]+ )*PRIVATE KEY-----|\Z)", re.DOTALL
)
# The id names the token in `kubeadm token list` and `delete`; only the second half is secret.
_TOKEN = re.compile(r"(?<![a-zA-Z0-9])([a-z0-9]{6})\.[a-z0-9]{16}(?![a-zA-Z0-9])")
# sha256:... is the public hash of a CA's key or of an image, needed to understand an error.
_CERTIFICATE_KEY = re.compile(r"(?<!sha256:)(?<![0-9a-fA-F])[0-9a-fA-F]{64}(?![0-9a-fA-F])")
# Secrets of any shape after a name that says so: flags, documents, kubeconfigs, Secrets in a dry run.
_NAMED_SECRET = re.compile(
    r"(--certificate-key[= ]\s*|\b(?:certificateKey|client-key-data|token-secret|tlsBootstrapToken)[\"']?:\s*[\"']?)"
    r"(?!<)[^\s\"',]+"
)
# An argument or environment variable of a document, as JSON has it.
_NAMED_VALUE = re.compile(r'("name": "[^"]*(?:secret|passw)[^"]*",\s*"value": ")[^"]+', re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(://[^/\s:@\"']*:)[^/\s@\"']+(?=@)")


def redact(text: str) -> str:
    """Hide bootstrap token secrets, certificate keys, private keys and passwords that are known as such in text."""
    text = _PRIVATE_KEY.sub(rf"\1{HIDDEN}\2", text)
    for named in (_NAMED_SECRET, _NAMED_VALUE, _URL_PASSWORD):
        text = named.sub(rf"\1{HIDDEN}", text)
    text = _TOKEN.sub(rf"\1.{HIDDEN}", text)
    return _CERTIFICATE_KEY.sub(HIDDEN, text)


class ParseError(ValueError):
    """A text of kubeadm's is not what it should be; carries no secret."""

    def __init__(self, expected: str, text: str) -> None:
        self.expected = expected
        self.excerpt = excerpt(text)
        super().__init__(
            f"expected {expected}, found: {self.excerpt}" if self.excerpt else f"expected {expected}, found no output"
        )


def excerpt(text: str, lines: int = 5, characters: int = 600) -> str:
    """The last lines of a text, redacted: what fits into an error message."""
    kept = [line.rstrip() for line in redact(text).splitlines() if line.strip()][-lines:]
    joined = "\n".join(kept)
    return joined if len(joined) <= characters else "..." + joined[-characters:]


@dataclass(frozen=True)
class JoinCommand:
    """``kubeadm join``: whom to join and how to trust it. A secret that was withheld is None."""

    endpoint: str
    token: str | None = field(repr=False)
    ca_cert_hashes: tuple[str, ...]
    control_plane: bool = False
    certificate_key: str | None = field(default=None, repr=False)
    other_flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class InitOutput:
    """What ``kubeadm init`` says at its end; one join command per bootstrap token.

    ``certificate_key`` is None when no certificates were uploaded, or the key was withheld.
    """

    worker_joins: tuple[JoinCommand, ...]
    control_plane_joins: tuple[JoinCommand, ...] = ()
    certificate_key: str | None = field(default=None, repr=False)
    kubeconfig: str | None = None
    kubernetes_version: str | None = None

    @property
    def worker_join(self) -> JoinCommand:
        """The command for the first token."""
        return self.worker_joins[0]

    @property
    def control_plane_join(self) -> JoinCommand | None:
        """The command for the first token; None where the cluster has no endpoint to join control planes by."""
        return self.control_plane_joins[0] if self.control_plane_joins else None


@dataclass(frozen=True)
class BootstrapToken:
    """One token of ``kubeadm token list``; ``expires`` is RFC 3339 or None for a token that never expires."""

    token: str = field(repr=False)
    token_id: str
    expires: str | None
    usages: tuple[str, ...]
    groups: tuple[str, ...]
    description: str


@dataclass(frozen=True)
class KubeadmVersion:
    """``kubeadm version``; ``version`` without the leading v."""

    version: str
    platform: str
    git_commit: str


@dataclass(frozen=True)
class Check:
    """One finding of kubeadm's preflight; ``name`` is what --ignore-preflight-errors takes."""

    name: str
    message: str


@dataclass(frozen=True)
class Problems:
    """Everything kubeadm complained about."""

    errors: tuple[Check, ...]
    warnings: tuple[Check, ...]
    log_warnings: tuple[str, ...]


# --- join commands -------------------------------------------------------------------------------------------------

_JOIN_LINE = re.compile(r"^[ \t]*(kubeadm[ \t]+join[ \t]+\S.*)$", re.MULTILINE)
_CONTINUATION = re.compile(r"\\[ \t]*\r?\n[ \t]*")
_ENDPOINT = re.compile(r"(?:\[[0-9A-Fa-f:.]+(?:%[\w.-]+)?\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?):([0-9]{1,5})")
_TOKEN_VALUE = re.compile(r"[a-z0-9]{6}\.[a-z0-9]{16}")
_CA_HASH = re.compile(r"sha256:[0-9a-f]{64}")
_KEY_VALUE = re.compile(r"[0-9a-fA-F]{64}")
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
    token = _secret(values["token"], _TOKEN_VALUE, "--token ID.SECRET in 'kubeadm join'", line)
    hashes = tuple(part for value in values["hash"] for part in value.split(","))
    if not all(_CA_HASH.fullmatch(value) for value in hashes):
        raise ParseError("--discovery-token-ca-cert-hash sha256:<64 hexadecimal digits> in 'kubeadm join'", line)
    if not hashes and not any(flag.startswith(_SKIP_CA) for flag in other):
        raise ParseError("--discovery-token-ca-cert-hash in 'kubeadm join'", line)
    key = None
    if values["key"]:
        key = _secret(values["key"], _KEY_VALUE, "--certificate-key of 64 hexadecimal digits in 'kubeadm join'", line)
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


# --- init ----------------------------------------------------------------------------------------------------------

# "master" up to 1.13. The sentences around the join commands changed more often ("the control-plane node running",
# "control-plane nodes running", indentation by tabs or spaces), so nothing here depends on them.
_INITIALIZED = re.compile(r"^Your Kubernetes (?:control[- ]plane|master) has initialized successfully!", re.MULTILINE)
_INIT_VERSION = re.compile(r"^\[init\] Using Kubernetes version: v?(\S+)", re.MULTILINE)
_KUBECONFIG = re.compile(r"^[ \t]*sudo cp -i (\S+) \$HOME/\.kube/config", re.MULTILINE)
_UPLOADED_KEY = re.compile(r"^\[upload-certs\] Using certificate key:[ \t]*\r?\n[ \t]*(\S+)[ \t]*\r?$", re.MULTILINE)
# Where a configuration has a certificate key, the join command names it even when nothing was uploaded under it.
_NOT_UPLOADED = "control-plane nodes by copying certificate authorities"


def parse_init(text: str) -> InitOutput:
    """The output of a ``kubeadm init`` that succeeded, including the phase show-join-command."""
    if not _INITIALIZED.search(text):
        raise ParseError("'Your Kubernetes control-plane has initialized successfully!'", text)
    commands = parse_join_commands(text)
    workers = tuple(command for command in commands if not command.control_plane)
    control_planes = tuple(command for command in commands if command.control_plane)
    if not workers:
        raise ParseError("a 'kubeadm join' command for workers in the output of 'kubeadm init'", text)
    keys = [command.certificate_key for command in control_planes if command.certificate_key]
    if _UPLOADED_KEY.search(text):
        keys.insert(0, parse_upload_certs(text))
    elif _NOT_UPLOADED in text:
        keys.clear()
    version = _INIT_VERSION.search(text)
    kubeconfig = _KUBECONFIG.search(text)
    return InitOutput(
        worker_joins=workers,
        control_plane_joins=control_planes,
        certificate_key=keys[0] if keys else None,
        kubeconfig=kubeconfig.group(1) if kubeconfig else None,
        kubernetes_version=version.group(1) if version else None,
    )


def parse_upload_certs(text: str) -> str:
    """The certificate key that ``kubeadm init phase upload-certs --upload-certs`` prints."""
    match = _UPLOADED_KEY.search(text)
    if match is None or not _KEY_VALUE.fullmatch(match.group(1)):
        raise ParseError("64 hexadecimal digits on the line after '[upload-certs] Using certificate key:'", text)
    return match.group(1)


# --- JSON ----------------------------------------------------------------------------------------------------------


def _json_documents(text: str, kind: str) -> list[dict[str, Any]]:
    """All JSON objects of a stream; lines before the first one are kubeadm's talk about its configuration."""
    start = re.search(r"^\{", text, re.MULTILINE)
    if start is None:
        raise ParseError(f"JSON of {kind}", text)
    documents: list[dict[str, Any]] = []
    decoder = json.JSONDecoder()
    position = start.start()
    while position < len(text):
        try:
            document, position = decoder.raw_decode(text, position)
        except ValueError as error:
            raise ParseError(f"JSON of {kind} ({error})", text) from error
        if not isinstance(document, dict):
            raise ParseError(f"a JSON object of {kind}", text)
        documents.append(document)
        while position < len(text) and text[position].isspace():
            position += 1
    return documents


def _json_document(text: str, kind: str) -> dict[str, Any]:
    documents = _json_documents(text, kind)
    if len(documents) != 1:
        raise ParseError(f"one JSON object of {kind}, not {len(documents)}", text)
    return documents[0]


def _text(document: dict[str, Any], key: str, kind: str, text: str) -> str:
    value = document.get(key)
    if not isinstance(value, str):
        raise ParseError(f"a text '{key}' in JSON of {kind}", text)
    return value


def _texts(document: dict[str, Any], key: str, kind: str, text: str) -> tuple[str, ...]:
    values = document.get(key) or []
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ParseError(f"a list of texts '{key}' in JSON of {kind}", text)
    return tuple(values)


def parse_token_list(text: str) -> tuple[BootstrapToken, ...]:
    """``kubeadm token list -o json``: one object per token, and nothing at all without tokens."""
    if not text.strip():
        return ()
    kind = "kubeadm token list"
    tokens = []
    for document in _json_documents(text, kind):
        token = _text(document, "token", kind, text)
        if not _TOKEN_VALUE.fullmatch(token):
            raise ParseError("tokens of the form ID.SECRET", text)
        tokens.append(
            BootstrapToken(
                token=token,
                token_id=token.partition(".")[0],
                expires=_text(document, "expires", kind, text) if document.get("expires") else None,
                usages=_texts(document, "usages", kind, text),
                groups=_texts(document, "groups", kind, text),
                description=_text(document, "description", kind, text) if document.get("description") else "",
            )
        )
    return tuple(tokens)


def parse_version(text: str) -> KubeadmVersion:
    """``kubeadm version -o json``."""
    kind = "kubeadm version"
    client = _json_document(text, kind).get("clientVersion")
    if not isinstance(client, dict):
        raise ParseError("'clientVersion' in JSON of kubeadm version", text)
    version = _text(client, "gitVersion", kind, text)
    if not re.match(r"v\d+\.\d+\.\d+", version):
        raise ParseError("a 'gitVersion' like v1.36.3", text)
    return KubeadmVersion(
        version=version[1:],
        platform=_text(client, "platform", kind, text),
        git_commit=_text(client, "gitCommit", kind, text),
    )


def parse_images(text: str) -> tuple[str, ...]:
    """``kubeadm config images list -o json``."""
    images = _texts(_json_document(text, "kubeadm config images list"), "images", "kubeadm config images list", text)
    if not images:
        raise ParseError("at least one image", text)
    return images


# --- problems ------------------------------------------------------------------------------------------------------

_CHECK = re.compile(r"^\s*\[(ERROR|WARNING) ([^\]]+)\]: (.*)$")
_LOG_LINE = re.compile(r"^[IWEF]\d{4} [\d:.]+\s+\d+ \S+\] (.*)$")
_STACK_HINT = "To see the stack trace of this error"
_ERROR_LINE = re.compile(r"^(?:error|Error|panic)(?::| )")


def parse_problems(text: str) -> Problems:
    """Preflight errors and warnings, and warnings of the log, from stdout and stderr of any kubeadm command."""
    found: dict[str, list[Check]] = {"ERROR": [], "WARNING": []}
    log_warnings: list[str] = []
    open_check: list[Check] | None = None
    for line in text.splitlines():
        check = _CHECK.match(line)
        log = _LOG_LINE.match(line)
        if check:
            open_check = found[check.group(1)]
            open_check.append(Check(check.group(2), redact(check.group(3).strip())))
        elif log:
            open_check = None
            if line.startswith("W"):
                log_warnings.append(redact(log.group(1)))
        elif not line.strip() or line.startswith(("[", _STACK_HINT)) or _ERROR_LINE.match(line):
            open_check = None
        elif open_check is not None:
            # Output of a program that kubeadm ran, such as modprobe, goes on over several lines.
            last = open_check.pop()
            open_check.append(Check(last.name, f"{last.message}\n{redact(line.strip())}"))
    return Problems(tuple(found["ERROR"]), tuple(found["WARNING"]), tuple(log_warnings))


def error_summary(text: str) -> str:
    """What to show a person of the output of a kubeadm command that failed: redacted, empty only for no output."""
    errors = parse_problems(text).errors
    if errors:
        return "\n".join(f"{check.name}: {check.message}" for check in errors)
    lines = [line.strip() for line in redact(text).splitlines() if line.strip()]
    starts = [number for number, line in enumerate(lines) if _ERROR_LINE.match(line)]
    if starts:
        message = []
        for line in lines[starts[-1] :]:
            if line.startswith(_STACK_HINT):
                break
            message.append(line)
        return re.sub(r"^(?:error|Error): ", "", " ".join(message))
    logged = [match.group(1) for match in map(_LOG_LINE.match, lines) if match and match.string[0] in "EF"]
    if logged:
        return logged[-1]
    meaningful = [line for line in lines if not line.startswith(_STACK_HINT)]
    return meaningful[-1] if meaningful else ""
