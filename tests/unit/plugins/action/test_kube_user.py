# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users from the list to their files, against an API that signs."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import yaml
from ansible.errors import AnsibleActionFail
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ansible_collections.kubestead.cluster.plugins.action import kube_user
from ansible_collections.kubestead.cluster.plugins.module_utils._kube import ApiError
from ansible_collections.kubestead.cluster.plugins.modules import kube_user as documentation
from ansible_collections.kubestead.cluster.plugins.plugin_utils import users

RECORD = "/api/v1/namespaces/kube-system/configmaps/kubestead-users"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
VIEW = {"cluster_role": "view"}
READER = {"name": "pod-reader", "namespace": "demo", "rules": [{"apiGroups": [""], "resources": ["pods"]}]}
READER["rules"][0]["verbs"] = ["get"]  # type: ignore[index]
JANE = {"name": "jane", "groups": ["developers"], "roles": [VIEW]}
JOE = {"name": "joe", "lifetime": "10m", "roles": [READER]}


class Api:
    """Keeps objects by path, and signs requests that are approved."""

    server = "https://192.0.2.100:8443"

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")])
        self.objects: dict[str, Any] = {
            "/api/v1/namespaces/demo": {"metadata": {"name": "demo"}},
            f"{RBAC}/clusterroles/view": {"metadata": {"name": "view"}, "rules": []},
            "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication": {
                "data": {"client-ca-file": self.issue(self.name, self.key.public_key(), 3650)}
            },
        }
        self.calls: list[str] = []
        self.signs = True
        self.denies = False
        self.limit = 365 * 86400

    def issue(self, subject: x509.Name, public_key: Any, days: float) -> str:
        now = datetime.now(UTC)
        start, end = now - timedelta(minutes=5), now + timedelta(days=days)
        builder = x509.CertificateBuilder(self.name, subject, public_key, x509.random_serial_number(), start, end)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()

    def sign(self, request: dict[str, Any]) -> None:
        found = x509.load_pem_x509_csr(base64.b64decode(request["spec"]["request"]))
        assert (request["spec"]["signerName"], request["spec"]["usages"]) == (kube_user.SIGNER, ["client auth"])
        days = min(request["spec"]["expirationSeconds"], self.limit) / 86400
        pem = self.issue(found.subject, found.public_key(), days)
        request["status"]["certificate"] = base64.b64encode(pem.encode()).decode()

    def approve(self, request: dict[str, Any]) -> None:
        assert request["status"]["conditions"][0]["type"] == "Approved"
        if self.denies:
            request["status"]["conditions"].append({"type": "Failed", "message": "the signer says no"})
        elif self.signs:
            self.sign(request)

    def get(self, path: str) -> Any:
        if path == RBAC:
            kinds = {"Role": True, "ClusterRole": False, "RoleBinding": True, "ClusterRoleBinding": False}
            resources = [
                {"kind": kind, "name": f"{kind.lower()}s", "namespaced": named} for kind, named in kinds.items()
            ]
            return {"resources": resources}
        if path == "/api/v1":
            return {"resources": [{"kind": "ConfigMap", "name": "configmaps", "namespaced": True}]}
        return json.loads(json.dumps(self.objects[path])) if path in self.objects else None

    def items(self, plural: str) -> Any:
        return {"items": [item for place, item in self.objects.items() if place.split("/")[-2] == plural]}

    def request(
        self, method: str, path: str, body: Any = None, _content_type: str = "", query: Mapping[str, str] | None = None
    ) -> Any:
        if method == "GET":
            return self.get(path) or self.items(path.rpartition("/")[2])
        if query:
            body = {**body, "metadata": {**body["metadata"], "managedFields": [{"manager": query["fieldManager"]}]}}
            if query.get("dryRun"):
                return body
        self.expect_version(method, path, body)
        self.calls.append(f"{method} {path}")
        if method == "DELETE":
            del self.objects[path]
            return {}
        if path.endswith("/approval"):
            path = path.removesuffix("/approval")
            self.approve(body)
        elif method == "POST":
            name = body["metadata"].get("name") or f"{body['metadata']['generateName']}x"
            body, path = {**body, "metadata": {**body["metadata"], "name": name}}, f"{path}/{name}"
        elif method == "PATCH" and path not in self.objects and "kind" not in body:
            raise ApiError(method, path, 404, "NotFound", "not there")
        if "data" in body:
            # In a merge patch null takes a key away.
            body = {**body, "data": {key: value for key, value in body["data"].items() if value is not None}}
        self.objects[path] = json.loads(json.dumps(body))
        self.objects[path].setdefault("metadata", {})["resourceVersion"] = str(len(self.calls))
        return self.get(path)

    def expect_version(self, method: str, path: str, body: Any) -> None:
        """Refuse an older version, as the API does; without a version it overwrites what somebody else has written."""
        version = (body or {}).get("metadata", {}).get("resourceVersion")
        if method == "PUT" and version and version != self.objects.get(path, body)["metadata"]["resourceVersion"]:
            raise ApiError(method, path, 409, "Conflict", "the object has been modified")

    def remembered(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.objects[RECORD]["data"]["users.json"])
        return found

    def named(self, part: str) -> list[str]:
        return sorted(path.rpartition("/")[2] for path in self.objects if part in path)


class Site:
    """A controller with its files, and a cluster."""

    def __init__(self, folder: Path) -> None:
        self.api = Api()
        self.users = folder / "users"
        self.kubeconfig = folder / "kubeconfig"
        self.kubeconfig.write_text(
            yaml.safe_dump(
                {
                    "clusters": [{"name": "c", "cluster": {"server": self.api.server}}],
                    "users": [{"name": "u", "user": {"token": "secret"}}],
                    "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                    "current-context": "x",
                }
            )
        )

    def run(
        self, *accounts: dict[str, Any], check_mode: bool = False, host: str = "ctl-a", **args: Any
    ) -> dict[str, Any]:
        given = {"kubeconfig": str(self.kubeconfig), "directory": str(self.users), "accounts": list(accounts), **args}
        task = mock.Mock(args=given, async_val=0, check_mode=check_mode, delegate_to=None)
        action = kube_user.ActionModule(task, mock.Mock(), mock.Mock(), mock.Mock(), mock.Mock(), None)
        with (
            mock.patch.object(kube_user, "connect", return_value=self.api),
            mock.patch.object(kube_user.socket, "gethostname", return_value=host),
        ):
            return action.run(task_vars={"inventory_hostname": "localhost"})

    def files(self) -> list[str]:
        return sorted(path.name for path in self.users.iterdir()) if self.users.exists() else []


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_new_users(site: Site) -> None:
    planned = site.run(JANE, JOE, check_mode=True)
    assert (site.api.calls, site.files()) == ([], [])
    done = site.run(JANE, JOE)
    for key in ("changed", "issued", "removed", "notes", "diff"):
        assert planned[key] == done[key]
    assert done["changed"] is True
    assert site.files() == ["jane.kubeconfig", "joe.kubeconfig"]
    assert site.api.named("bindings/") == ["kubestead:jane:ClusterRole:view", "kubestead:joe:Role:pod-reader"]
    assert site.api.named("/demo/roles/") == ["pod-reader"]
    # The requests are gone, and the certificates are remembered.
    assert site.api.named("certificatesigningrequests") == []
    record = site.api.remembered()
    assert [one["groups"] for one in record["jane"]["certificates"]] == [["developers"]]
    assert [user["until"] for user in done["users"]] == [record[n]["certificates"][0]["until"] for n in ("jane", "joe")]
    assert site.run(JANE, JOE)["changed"] is False
    assert site.run(JANE, JOE, check_mode=True)["changed"] is False


def test_no_key_leaves_the_file(site: Site) -> None:
    result = site.run(JANE)
    text = (site.users / "jane.kubeconfig").read_text()
    key = yaml.safe_load(text)["users"][0]["user"]["client-key-data"]
    told = json.dumps([result, site.api.objects])
    assert key not in told
    assert "PRIVATE" not in told


def test_it_is_remembered_before_anybody_can_have_it(site: Site) -> None:
    with (
        mock.patch.object(kube_user.credentials, "write", side_effect=OSError("disk full")),
        pytest.raises(AnsibleActionFail, match="disk full"),
    ):
        site.run(JANE)
    assert list(site.api.remembered()) == ["jane"]
    assert site.run(JANE)["issued"] == [{"name": "jane", "reason": "there is no kubeconfig yet"}]


def test_another_controller_does_not_issue_again(site: Site, tmp_path: Path) -> None:
    site.run(JANE, JOE)
    record = site.api.remembered()
    (one,) = record["jane"]["certificates"]
    assert one["place"] == f"ctl-a:{site.users}"
    assert "kept" not in one
    site.users = tmp_path / "other" / "users"
    for check_mode in (True, False):
        done = site.run(JANE, JOE, check_mode=check_mode, host="ctl-b")
        assert (done["changed"], done["issued"], site.files()) == (False, [], [])
        assert [note.split(" (")[0] for note in done["notes"]] == [
            f"{name} gets no other certificate in {site.users}" for name in ("jane", "joe")
        ]
        assert all(f"in ctl-a:{tmp_path / 'users'}, valid from 20" in note for note in done["notes"])
    assert site.api.remembered() == record

    asked = site.run(JANE, JOE, host="ctl-b", reissue=["jane"])
    assert asked["issued"] == [{"name": "jane", "reason": "another one is asked for"}]
    assert site.files() == ["jane.kubeconfig"]
    (note,) = [note for note in asked["notes"] if note.startswith("jane")]
    assert note.startswith("jane has 2 living certificates, and whoever holds one of them is jane: issued in ")
    assert f"in ctl-b:{site.users}" in note
    again = site.run(JANE, JOE, host="ctl-b")
    assert (again["changed"], note in again["notes"]) == (False, True)


def test_only_users_of_the_list_are_issued_again(site: Site) -> None:
    with pytest.raises(AnsibleActionFail, match="users_reissue: found user joe, expected only users of the list: jane"):
        site.run(JANE, reissue=["joe"])


def test_a_lost_kubeconfig_is_issued_again_when_asked(site: Site) -> None:
    site.run(JANE)
    (site.users / "jane.kubeconfig").unlink()
    done = site.run(JANE)
    assert (done["changed"], done["issued"], site.files()) == (False, [], [])
    assert site.run(JANE, reissue=["jane"])["issued"] == [{"name": "jane", "reason": "another one is asked for"}]
    assert site.files() == ["jane.kubeconfig"]


def test_other_groups_are_another_certificate(site: Site) -> None:
    site.run(JANE)
    done = site.run({**JANE, "groups": []})
    assert done["issued"] == [{"name": "jane", "reason": "the certificate's groups are developers"}]
    assert [note.partition(",")[0] for note in done["notes"]] == [
        "jane has another certificate in the groups developers",
        "jane has 2 living certificates",
    ]
    assert len(site.api.remembered()["jane"]["certificates"]) == 2


def test_a_removed_user(site: Site) -> None:
    site.run(JANE, JOE)
    planned = site.run(JANE, check_mode=True)
    assert site.files() == ["jane.kubeconfig", "joe.kubeconfig"]
    done = site.run(JANE)
    assert (planned["diff"], planned["removed"], planned["changed"]) == (done["diff"], ["joe"], True)
    assert (site.files(), site.api.named("/demo/roles/")) == (["jane.kubeconfig"], [])
    assert site.api.named("bindings/") == ["kubestead:jane:ClusterRole:view"]
    until = site.api.remembered()["joe"]["certificates"][0]["until"]
    told = [f"joe is removed; a certificate lives until {until}; no binding holds"]
    assert done["notes"] == told
    again = site.run(JANE)
    assert (again["changed"], again["notes"]) == (False, told)
    # Listed again, joe gets another one; the one before is told.
    back = site.run(JANE, JOE)
    assert back["issued"] == [{"name": "joe", "reason": "there is no kubeconfig yet"}]
    assert [note.partition(",")[0] for note in back["notes"]] == ["joe has 2 living certificates"]
    assert "(without a kubeconfig)" in back["notes"][0]
    assert site.files() == ["jane.kubeconfig", "joe.kubeconfig"]


def test_the_kubeconfig_of_a_removed_user_that_is_not_this_clusters_is_told(site: Site) -> None:
    site.run(JANE, JOE)
    path = site.users / "joe.kubeconfig"
    path.write_text("torn")
    left = f"joe is not listed, and {path} stays: the kubeconfig can't be read; remove it if nobody needs it"
    for check_mode in (True, False):
        done = site.run(JANE, check_mode=check_mode)
        assert (done["notes"][-1], done["removed"]) == (left, [])
    assert path.read_text() == "torn"
    # Listed again, it is replaced.
    assert left not in site.run(JANE, JOE)["notes"]


def test_nothing_is_left_when_the_last_certificate_has_ended(site: Site) -> None:
    site.run(JOE)
    with mock.patch.object(kube_user, "now", return_value=datetime.now(UTC) + timedelta(hours=1)):
        assert site.run()["changed"] is True
        assert site.run()["changed"] is False
    assert (RECORD in site.api.objects, site.users.exists()) == (False, False)


def test_a_cluster_that_signs_for_less(site: Site) -> None:
    site.api.limit = 86400
    [note] = site.run(JANE)["notes"]
    assert note.startswith("jane should have a certificate for 90d; the cluster signs none beyond ")
    assert site.run(JANE)["changed"] is False


def test_another_endpoint(site: Site) -> None:
    site.run(JANE)
    site.kubeconfig.write_text(site.kubeconfig.read_text().replace("192.0.2.100", "192.0.2.200"))
    done = site.run(JANE)
    assert (done["changed"], done["issued"]) == (True, [])
    assert "https://192.0.2.200:8443" in (site.users / "jane.kubeconfig").read_text()
    assert site.run(JANE)["changed"] is False


def test_nobody_signs(site: Site) -> None:
    site.api.signs = False
    with pytest.raises(AnsibleActionFail, match="user jane: the certificate is not signed after 0 s"):
        site.run(JANE, timeout=0)
    site.api.denies = True
    with pytest.raises(AnsibleActionFail, match="user jane: the cluster did not sign: the signer says no"):
        site.run(JANE)
    assert site.api.named("certificatesigningrequests") == []


def test_two_controllers_at_once(site: Site) -> None:
    site.run(JANE)
    request = site.api.request

    def conflict(method: str, path: str, *args: Any, **options: Any) -> Any:
        if method == "PUT" and path == RECORD:
            raise ApiError(method, path, 409, "Conflict", "the object has been modified")
        return request(method, path, *args, **options)

    with (
        mock.patch.object(site.api, "request", conflict),
        pytest.raises(AnsibleActionFail, match="somebody else changed it meanwhile; run again"),
    ):
        site.run(JANE, JOE)
    assert site.files() == ["jane.kubeconfig"]


def of_another_controller(site: Site) -> dict[str, Any]:
    """Let another controller record a user in this moment; return the record as it left it."""
    record = site.api.remembered()
    record["ann"] = record["jane"]
    stored = site.api.objects[RECORD]
    stored["data"]["users.json"] = json.dumps(record)
    stored["metadata"]["resourceVersion"] = "another"
    return record


def test_a_record_that_changes_after_it_was_read_is_not_overwritten(site: Site) -> None:
    site.run(JANE)
    make_plan, left = kube_user.users.make_plan, {}

    def planned(*arguments: Any, **options: Any) -> Any:
        found = make_plan(*arguments, **options)
        left.update(of_another_controller(site))
        return found

    with (
        mock.patch.object(kube_user.users, "make_plan", planned),
        pytest.raises(AnsibleActionFail, match="somebody else changed it meanwhile; run again"),
    ):
        site.run(JANE, JOE)
    assert site.api.remembered() == left
    assert site.files() == ["jane.kubeconfig"]
    assert site.api.named("certificatesigningrequests") == []


def test_a_record_that_changes_while_the_cluster_signs_is_not_overwritten(site: Site) -> None:
    site.run(JANE)
    approve, left = site.api.approve, {}

    def meanwhile(request: dict[str, Any]) -> None:
        approve(request)
        left.update(of_another_controller(site))

    with (
        mock.patch.object(site.api, "approve", meanwhile),
        pytest.raises(AnsibleActionFail, match="somebody else changed it meanwhile; run again"),
    ):
        site.run(JANE, JOE)
    # What was signed is lost with its key, which nobody has seen.
    assert site.api.remembered() == left
    assert site.files() == ["jane.kubeconfig"]


def test_what_does_not_fit_stops_before_anything_is_changed(site: Site) -> None:
    with pytest.raises(AnsibleActionFail, match="found no ClusterRole vew in the cluster"):
        site.run(JANE, {"name": "joe", "roles": [{"cluster_role": "vew"}]})
    assert site.api.calls == []


def test_without_a_cluster_check_mode_lists_them(site: Site) -> None:
    result = site.run(JANE, check_mode=True, cluster_exists=False)
    assert [user["until"] for user in result["users"]] == [None]
    assert [part["after"] for part in result["diff"]] == [
        "ClusterRoleBinding kubestead:jane:ClusterRole:view\n",
        "jane: for 90d, groups developers: there is no kubeconfig yet\n",
    ]
    assert site.run(check_mode=True, cluster_exists=False)["changed"] is False


def test_arguments(site: Site) -> None:
    with pytest.raises(AnsibleActionFail, match="users: user x y: found the name 'x y'"):
        site.run({"name": "x y"})
    with pytest.raises(AnsibleActionFail, match="nam"):
        site.run({"nam": "x"})


def test_the_module_documents_what_the_action_takes() -> None:
    options = yaml.safe_load(documentation.DOCUMENTATION)["options"]
    assert options.keys() == kube_user.SPEC.keys()
    accounts = kube_user.SPEC["accounts"]["options"]
    assert options["accounts"]["suboptions"].keys() == accounts.keys()
    assert options["accounts"]["suboptions"]["roles"]["suboptions"].keys() == accounts["roles"]["options"].keys()
    assert users.PART == "users"
