# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Give users their certificates, kubeconfigs and rights, and take them away."""

from __future__ import annotations

import base64
import json
import os
import socket
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase

from ansible_collections.kubestead.cluster.plugins.module_utils._kube import (
    IMPORT_ERROR,
    Api,
    ApiError,
    KubeconfigError,
    Unreachable,
    connect,
    read_access,
)
from ansible_collections.kubestead.cluster.plugins.plugin_utils import manifests, users
from ansible_collections.kubestead.cluster.plugins.plugin_utils import user_credentials as credentials
from ansible_collections.kubestead.cluster.plugins.plugin_utils.stored import PLACE, Meanwhile, Stored

SPEC: dict[str, Any] = {
    "kubeconfig": {"type": "path", "required": True},
    "directory": {"type": "path", "required": True},
    "cluster_name": {"type": "str", "default": "kubernetes"},
    "accounts": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "groups": {"type": "list", "elements": "str", "default": []},
            "lifetime": {"type": "str", "default": "90d"},
            "roles": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "cluster_role": {"type": "str"},
                    "role": {"type": "str"},
                    "rules": {"type": "list", "elements": "dict"},
                    "name": {"type": "str"},
                    "namespace": {"type": "str"},
                },
            },
        },
    },
    "reissue": {"type": "list", "elements": "str", "default": []},
    "cluster_exists": {"type": "bool", "default": True},
    "timeout": {"type": "int", "default": 60},
}
RBAC_PATH = f"/apis/{users.RBAC}/v1"
# https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#kubernetes-signers
SIGNER = "kubernetes.io/kube-apiserver-client"
REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
RECORD_NAME = "kubestead-users"
# The authorities whose certificates are let in as users, published for extension API servers.
SIGNERS = "extension-apiserver-authentication"
# A part of the part, so that there is one as long as somebody is remembered; its content is written beside.
RECORD = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {
        "name": RECORD_NAME,
        "namespace": "kube-system",
        "annotations": {manifests.CREATE_ONLY: "true"},
    },
}
# What a certificate may be shorter than wanted: it is dated back.
TOLERANCE = timedelta(minutes=10)
POLL_SECONDS = 0.2


class NotSigned(Exception):
    """The cluster did not sign a certificate."""


ERRORS = (
    ApiError,
    KubeconfigError,
    Meanwhile,
    NotSigned,
    OSError,
    Unreachable,
    manifests.DefinitionError,
    manifests.NotDone,
    users.Refused,
)


def now() -> datetime:
    """Return the time, to the second."""
    return datetime.now(UTC).replace(microsecond=0)


def read_cluster(api: Api, part: manifests.Part) -> users.Cluster:
    """Return what the cluster has that users have to do with."""

    def items(path: str, **kind: str) -> list[dict[str, Any]]:
        # The items of a list don't say what they are.
        return [{**kind, **item} for item in api.request("GET", path)["items"]]

    def rbac(*kinds: str) -> list[dict[str, Any]]:
        version = f"{users.RBAC}/v1"
        return [item for kind in kinds for item in items(f"{RBAC_PATH}/{kind.lower()}s", apiVersion=version, kind=kind)]

    return users.Cluster(
        namespaces=frozenset(item["metadata"]["name"] for item in items("/api/v1/namespaces")),
        roles=frozenset(manifests.Identity.of(item) for item in rbac("Role", "ClusterRole")),
        bindings=tuple(rbac("RoleBinding", "ClusterRoleBinding")),
        own=frozenset(part.recorded.get(users.PART, [])),
    )


def read_place(api: Api, kubeconfig: str, name: str) -> credentials.Place:
    """Return what the users' kubeconfigs say of the cluster."""
    with open(kubeconfig, encoding="utf-8") as handle:
        access = read_access(kubeconfig, handle.read())
    signers = api.request("GET", f"{PLACE}/configmaps/{SIGNERS}")["data"]["client-ca-file"]
    return credentials.Place(name, access.server, access.ca, access.server_name, signers)


def sign(api: Api, account: users.Account, request: str, timeout: float) -> str:
    """Have a certificate request approved and signed; return the certificate."""
    document = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"generateName": "kubestead-user-"},
        "spec": {
            "request": base64.b64encode(request.encode()).decode(),
            "signerName": SIGNER,
            "usages": ["client auth"],
            "expirationSeconds": account.lifetime,
        },
    }
    made = api.request("POST", REQUESTS, document)
    path = f"{REQUESTS}/{made['metadata']['name']}"
    try:
        approval = {
            "type": "Approved",
            "status": "True",
            "reason": "Listed",
            "message": f"user {account.name} is in the inventory",
        }
        answer = api.request("PUT", f"{path}/approval", {**made, "status": {"conditions": [approval]}})
        deadline = time.monotonic() + timeout
        while not answer["status"].get("certificate"):
            failed = [one for one in answer["status"]["conditions"] if one["type"] != "Approved"]
            if failed:
                raise NotSigned(f"user {account.name}: the cluster did not sign: {failed[0].get('message')}")
            if time.monotonic() > deadline:
                raise NotSigned(
                    f"user {account.name}: the certificate is not signed after {timeout:.0f} s; look at the log of "
                    "kube-controller-manager, which signs"
                )
            time.sleep(POLL_SECONDS)
            answer = api.request("GET", path)
        return base64.b64decode(answer["status"]["certificate"]).decode("ascii")
    finally:
        api.request("DELETE", path)


class Desk:
    """Everything about the users of one cluster."""

    def __init__(self, kubeconfig: str, directory: str, cluster_name: str) -> None:
        """Read what there is."""
        self._api = connect(kubeconfig)
        self._directory = directory
        self.part = manifests.Part(self._api, users.PART)
        self.part.read()
        self._stored = self._open()
        self._place = read_place(self._api, kubeconfig, cluster_name)
        self.cluster = read_cluster(self._api, self.part)
        self.recorded = None if self._stored.text is None else users.read_record(self._stored.text or "{}")
        self.files = {
            name: credentials.read(credentials.path_of(directory, name), self._place)
            for name in credentials.names_in(directory)
        }

    def apply(
        self, accounts: Sequence[users.Account], plan: users.Plan, timeout: float
    ) -> tuple[users.Record, list[str]]:
        """Issue, write and remove; return the record as it is then, and what else is to be told."""
        # The part has made it, or removed it, meanwhile.
        stored = self._open()
        if stored.text != self._stored.text and (stored.text or self._stored.text) and plan.record:
            raise Meanwhile(f"ConfigMap kube-system/{RECORD_NAME}: somebody else changed it meanwhile; run again")
        self._stored = stored
        credentials.remove(self._directory, plan.delete)
        place = f"{socket.gethostname()}:{self._directory}"
        listed = {account.name for account in accounts}
        for name in plan.rewrite:
            self._write(name, credentials.read_pair(credentials.path_of(self._directory, name)))
        record = dict(plan.record)
        told = []
        for issue in plan.issue:
            account = issue.account
            key = credentials.new_key()
            pem = sign(self._api, account, credentials.request_pem(key, account), timeout)
            issued = credentials.read_certificate(pem)
            # Remembered before anybody can have it: what is in no record can't be told of later.
            remembered = record.get(account.name, users.Remembered())
            record[account.name] = users.with_certificate(remembered, account.lifetime, issued, place=place, kept=False)
            self._remember(record)
            self._write(account.name, credentials.Pair(pem, credentials.key_pem(key)))
            self.files[account.name] = users.Kubeconfig(issued, current=True)
            if issued.not_after + TOLERANCE < now() + timedelta(seconds=account.lifetime):
                told.append(
                    f"{account.name} should have a certificate for {users.spell(account.lifetime)}; the cluster signs "
                    f"none beyond {users.timestamp(issued.not_after)} (kube-controller-manager's "
                    "--cluster-signing-duration)"
                )
        # Only then may another controller count on them.
        serials = {file.certificate.serial for name, file in self.files.items() if file.certificate and name in listed}
        record = users.written(record, serials)
        if plan.record_changes:
            self._remember(record)
        return record, told

    def _open(self) -> Stored:
        return Stored(self._api, "ConfigMap", RECORD_NAME, users.RECORD_KEY)

    def _remember(self, record: Mapping[str, users.Remembered]) -> None:
        if record:
            self._stored.write(users.write_record(record))

    def _write(self, name: str, pair: credentials.Pair) -> None:
        path = credentials.path_of(self._directory, name)
        credentials.write(path, credentials.document(self._place, name, pair))


def difference(
    accounts: Sequence[users.Account], plan: users.Plan, files: Mapping[str, users.Kubeconfig]
) -> dict[str, str]:
    """Return what changes in certificates and files, as text."""
    listed = {account.name for account in accounts}
    before = {
        name: users.spell_certificate(file.certificate)
        for name, file in files.items()
        if file.certificate and (name in listed or name in plan.delete)
    }
    after = {name: text for name, text in before.items() if name not in plan.delete}
    after |= {name: f"{after[name]}, written again" for name in plan.rewrite}
    after |= {issue.account.name: f"{users.spell_wish(issue.account)}: {issue.reason}" for issue in plan.issue}
    return {
        "before": users.lines_of(before),
        "after": users.lines_of(after),
        "before_header": "certificates",
        "after_header": "certificates",
    }


class ActionModule(ActionBase):
    """Talks to the API from the controller: keys are made and stay there."""

    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        validated = ArgumentSpecValidator(SPEC).validate(self._task.args)
        if validated.error_messages:
            raise AnsibleActionFail("; ".join(validated.error_messages))
        lacking = IMPORT_ERROR or credentials.IMPORT_ERROR
        if lacking:
            raise AnsibleActionFail(f"users: the controller lacks urllib3, PyYAML or cryptography: {lacking}")
        try:
            # Ansible's strings carry their origin, which YAML can't represent.
            result.update(self._run(json.loads(json.dumps(validated.validated_parameters))))
        except ERRORS as error:
            raise AnsibleActionFail(f"users: {error}") from None
        return result

    def _run(self, arguments: dict[str, Any]) -> dict[str, Any]:
        accounts = users.read_accounts(arguments["accounts"])
        unknown = users.examine_reissue(arguments["reissue"], arguments["accounts"])
        if unknown:
            raise users.Refused(unknown)
        directory = os.path.abspath(arguments["directory"])
        if self._task.check_mode and not arguments["cluster_exists"]:
            plan = users.make_plan(accounts, {}, None, now())
            wanted = manifests.in_order(users.definitions(accounts))
            diff = [{"before": "", "after": f"{identity}\n"} for identity in wanted]
            return {
                "changed": bool(accounts),
                **self._told(accounts, plan, {}, directory),
                "notes": [],
                "diff": [*diff, difference(accounts, plan, {})],
            }
        desk = Desk(arguments["kubeconfig"], directory, arguments["cluster_name"])
        problems = users.refusals(accounts, desk.cluster, lenient=self._task.check_mode)
        if problems:
            raise users.Refused(problems)
        plan = users.make_plan(accounts, desk.files, desk.recorded, now(), arguments["reissue"])
        wanted = manifests.in_order([*users.definitions(accounts), *([RECORD] if plan.record else [])])
        changes = desk.part.plan(wanted)
        changed = bool(changes) or desk.part.differs(list(wanted)) or plan.changed
        diff = [
            {
                "before": change.before,
                "after": change.after,
                "before_header": str(change.identity),
                "after_header": str(change.identity),
            }
            for change in changes
        ]
        if plan.changed:
            diff.append(difference(accounts, plan, desk.files))
        record = plan.record
        told: list[str] = []
        left = users.left_behind(
            accounts, desk.files, {name: credentials.path_of(directory, name) for name in desk.files}
        )
        if not self._task.check_mode:
            desk.part.apply(wanted, changes, arguments["timeout"])
            record, told = desk.apply(accounts, plan, arguments["timeout"])
        return {
            "changed": changed,
            **self._told(accounts, plan, desk.files, directory),
            "notes": [
                *told,
                *users.withheld_notes(plan, directory),
                *users.notes(accounts, record, desk.cluster, now()),
                *users.duplicate_notes(accounts, record, now()),
                *desk.part.stays(),
                *left,
            ],
            "diff": diff,
        }

    @staticmethod
    def _told(
        accounts: Sequence[users.Account],
        plan: users.Plan,
        files: Mapping[str, users.Kubeconfig],
        directory: str,
    ) -> dict[str, Any]:
        ends = {name: users.timestamp(file.certificate.not_after) for name, file in files.items() if file.certificate}
        return {
            "issued": [{"name": issue.account.name, "reason": issue.reason} for issue in plan.issue],
            "removed": list(plan.delete),
            "users": [
                {
                    "name": account.name,
                    "groups": list(account.groups),
                    "kubeconfig": credentials.path_of(directory, account.name),
                    "until": ends.get(account.name),
                }
                for account in accounts
            ],
        }
