# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of the platform: what is planned, in which order it is done, and what is remembered of it."""

from __future__ import annotations

import json
from typing import Any
from unittest import mock

import pytest
import yaml

from ansible_collections.kubestead.cluster.plugins.module_utils._kube import ApiError
from ansible_collections.kubestead.cluster.plugins.plugin_utils import manifests
from ansible_collections.kubestead.cluster.plugins.plugin_utils.manifests import (
    DefinitionError,
    Identity,
    NotDone,
    Part,
    UnknownKind,
)
from ansible_collections.kubestead.cluster.plugins.plugin_utils.stored import Meanwhile

SECRET = "hunter2"
DEMO = "/api/v1/namespaces/demo"


def item(kind: str, name: str, namespace: str = "demo", version: str = "v1", **content: Any) -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {}), **content.pop("metadata", {})}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **content}


NAMESPACE = item("Namespace", "demo", "")
SETTINGS = item("ConfigMap", "settings", data={"a": "1", "b": "2"})
WEB = item("Deployment", "web", version="apps/v1", spec={"replicas": 2, "image": "web:1"})
KIND = item(
    "CustomResourceDefinition",
    "pools.example.com",
    "",
    "apiextensions.k8s.io/v1",
    spec={
        "group": "example.com",
        "names": {"kind": "Pool", "plural": "pools"},
        "scope": "Namespaced",
        "versions": [{"name": "v1beta1", "storage": False}, {"name": "v1", "storage": True}],
    },
)
SPEAKER = item(
    "Deployment", "speaker", version="apps/v1", spec={"template": {"spec": {"containers": [{"name": "speaker"}]}}}
)
POOL = item("Pool", "first", version="example.com/v1", spec={"addresses": ["192.0.2.1"]})


def names(identities: Any) -> list[str]:
    return [str(identity) for identity in identities]


def run(cluster: Any, *definitions: dict[str, Any], name: str = "demo", timeout: float = 60) -> list[str]:
    """What an action does; returns what had to change."""
    part = Part(cluster, name)
    part.read()
    wanted = manifests.in_order(definitions)
    changes = part.plan(wanted)
    part.apply(wanted, changes, timeout)
    return [f"{'-' if change.wanted is None else '+'}{change.identity}" for change in changes]


def recorded(cluster: Any) -> dict[str, list[str]]:
    part = Part(cluster, "any")
    part.read()
    return {name: names(identities) for name, identities in part.recorded.items()}


class TestReading:
    def test_documents(self) -> None:
        text = "---\n# nothing\n---\na: 1\n---\nb: 2\n...\n"
        assert manifests.parse("x", text) == [None, {"a": 1}, {"b": 2}]
        assert manifests.opened([None, {"a": 1}, {}]) == [{"a": 1}]

    def test_lists_are_opened(self) -> None:
        listed = {"kind": "List", "items": [NAMESPACE, SETTINGS]}
        assert manifests.opened([listed, WEB, {"kind": "List", "items": None}]) == [NAMESPACE, SETTINGS, WEB]
        # A kind of somebody's own may be called so.
        own = {"kind": "List", "apiVersion": "example.com/v1", "metadata": {"name": "a"}}
        assert manifests.opened([own, ["x"]]) == [own, ["x"]]

    def test_dates_and_equal_signs_are_text(self) -> None:
        [found] = manifests.parse("x", "since: 2026-11-23\nmatch:\n- '!='\n- =\nnumber: 7\nflag: true")
        assert found == {"since": "2026-11-23", "match": ["!=", "="], "number": 7, "flag": True}

    def test_no_yaml(self) -> None:
        with pytest.raises(DefinitionError) as caught:
            manifests.parse("secret.yml.j2", f"a: 1\npassword: {SECRET}: x")
        assert str(caught.value) == "secret.yml.j2: line 2 is no YAML: mapping values are not allowed in this context"
        with pytest.raises(DefinitionError, match=r"^x\.yml: is no YAML: unacceptable character|control characters"):
            manifests.parse("x.yml", "a: \0")

    def test_no_yaml_without_a_place(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def load(_text: str, Loader: Any) -> None:  # noqa: N803 - as yaml has it
            raise yaml.MarkedYAMLError(problem="too deep")

        monkeypatch.setattr(manifests.yaml, "load_all", load)
        with pytest.raises(DefinitionError, match=r"^x: line 0 is no YAML: too deep$"):
            manifests.parse("x", "")

    @pytest.mark.parametrize(
        ("definition", "found"),
        [
            ({"kind": "Secret", "metadata": {}, "stringData": {"a": SECRET}}, "kind 'Secret', metadata {}"),
            ({"stringData": {"a": SECRET}}, "none of them"),
            ({"apiVersion": "v1", "kind": "Secret", "metadata": SECRET[:0]}, "apiVersion 'v1', kind 'Secret', meta"),
            (item("ConfigMap", 7), "apiVersion 'v1', kind 'ConfigMap', metadata {'name': 7, 'namespace': 'demo'}"),
        ],
    )
    def test_what_is_no_object(self, definition: Any, found: str) -> None:
        with pytest.raises(DefinitionError) as caught:
            manifests.in_order([definition])
        assert str(caught.value).startswith(f"found {found}")
        assert str(caught.value).endswith(", expected an object with apiVersion, kind and metadata.name")
        assert SECRET not in str(caught.value)

    def test_what_is_no_mapping(self) -> None:
        with pytest.raises(DefinitionError, match=r"^found list, expected an object"):
            manifests.in_order([["a"]])  # type: ignore[list-item]

    def test_a_namespace_of_null_is_none(self) -> None:
        assert Identity.of({**NAMESPACE, "metadata": {"name": "demo", "namespace": None}}).namespace == ""

    def test_twice(self) -> None:
        with pytest.raises(DefinitionError, match=r"^ConfigMap demo/settings: found twice, expected once$"):
            manifests.in_order([SETTINGS, NAMESPACE, SETTINGS])

    def test_order(self) -> None:
        webhook = item("ValidatingWebhookConfiguration", "check", "", "admissionregistration.k8s.io/v1")
        account = item("ServiceAccount", "web")
        second = item("Pool", "another", version="example.com/v1")
        found = manifests.in_order([webhook, POOL, second, WEB, SETTINGS, KIND, account, NAMESPACE])
        assert names(found) == [
            "CustomResourceDefinition pools.example.com",
            "Namespace demo",
            "ServiceAccount demo/web",
            "ConfigMap demo/settings",
            "Deployment demo/web",
            "ValidatingWebhookConfiguration check",
            "Pool demo/first",
            "Pool demo/another",
        ]

    def test_what_ansible_made_of_text_is_plain_again(self) -> None:
        class Tagged(str):
            """As ansible-core's own."""

        [found] = manifests.in_order([item("ConfigMap", Tagged("a"), data={"b": Tagged("c")})]).values()
        assert not isinstance(found["metadata"]["name"], Tagged)
        assert "b: c\n" in manifests.text_of(found)


class TestApplying:
    def test_all_of_it(self, cluster: Any) -> None:
        assert run(cluster, WEB, SETTINGS, NAMESPACE) == [
            "+Namespace demo",
            "+ConfigMap demo/settings",
            "+Deployment demo/web",
        ]
        assert cluster.changes() == [
            f"PATCH {DEMO}",
            f"PATCH {DEMO}/configmaps/settings",
            "PATCH /apis/apps/v1/namespaces/demo/deployments/web",
        ]
        assert recorded(cluster) == {"demo": ["Namespace demo", "ConfigMap demo/settings", "Deployment demo/web"]}

    def test_again_changes_nothing(self, cluster: Any) -> None:
        run(cluster, NAMESPACE, SETTINGS, WEB)
        before = len(cluster.requests)
        assert run(cluster, NAMESPACE, SETTINGS, WEB) == []
        assert [item for item in cluster.requests[before:] if not item.startswith("GET")] == []

    def test_a_plan_changes_nothing(self, cluster: Any) -> None:
        run(cluster, NAMESPACE, SETTINGS)
        before = (json.dumps(cluster.objects), cluster.changes())
        part = Part(cluster, "demo")
        part.read()
        changes = part.plan(manifests.in_order([NAMESPACE, {**SETTINGS, "data": {"a": "2"}}, WEB]))
        assert names(change.identity for change in changes) == ["ConfigMap demo/settings", "Deployment demo/web"]
        assert (json.dumps(cluster.objects), cluster.changes()) == before

    def test_drift_is_undone_and_what_others_have_set_stays(self, cluster: Any) -> None:
        run(cluster, NAMESPACE, SETTINGS)
        live = cluster.objects[f"{DEMO}/configmaps/settings"]
        live["data"] = {"a": "9", "b": "2", "others": "3"}
        assert run(cluster, NAMESPACE, SETTINGS) == ["+ConfigMap demo/settings"]
        assert cluster.objects[f"{DEMO}/configmaps/settings"]["data"] == {"a": "1", "b": "2", "others": "3"}

    def test_a_field_that_is_no_longer_listed_goes(self, cluster: Any) -> None:
        run(cluster, NAMESPACE, SETTINGS)
        part = Part(cluster, "demo")
        part.read()
        [change] = part.plan(manifests.in_order([NAMESPACE, {**SETTINGS, "data": {"a": "1"}}]))
        assert "  b: '2'\n" in change.before
        assert change.after == change.before.replace("  b: '2'\n", "")
        # What the API counts is nobody's wish.
        assert "resourceVersion" not in change.before
        assert run(cluster, NAMESPACE, {**SETTINGS, "data": {"a": "1"}}) == ["+ConfigMap demo/settings"]

    def test_the_status_is_nobody_s_wish(self, cluster: Any) -> None:
        run(cluster, NAMESPACE, WEB)
        cluster.objects["/apis/apps/v1/namespaces/demo/deployments/web"]["status"] = {"replicas": 1}
        assert run(cluster, NAMESPACE, WEB) == []

    def test_a_refusal(self, cluster: Any) -> None:
        cluster.refusals.append(lambda path, _wanted: cluster.refusal(422, "Invalid", "no") if "web" in path else None)
        with pytest.raises(ApiError, match="422 Invalid: no"):
            run(cluster, NAMESPACE, WEB)
        # What there may be of the part is remembered all the same.
        assert recorded(cluster) == {"demo": ["Namespace demo", "Deployment demo/web"]}
        assert cluster.seconds == 0

    def test_a_refusal_of_a_new_object_comes_before_the_first_change(self, cluster: Any) -> None:
        run(cluster, NAMESPACE)
        cluster.requests.clear()
        cluster.refusals.append(lambda path, _wanted: cluster.refusal(422, "Invalid", "no") if "web" in path else None)
        with pytest.raises(ApiError, match="422 Invalid: no"):
            run(cluster, NAMESPACE, SETTINGS, WEB)
        assert not [item for item in cluster.requests if not item.startswith("GET")]
        assert recorded(cluster) == {"demo": ["Namespace demo"]}

    def test_a_new_object_of_a_kind_or_namespace_to_come_is_not_tried(self, cluster: Any) -> None:
        part = Part(cluster, "demo")
        part.read()
        cluster.refusals.append(lambda path, _wanted: cluster.refusal(422, "Invalid", f"tried {path}"))
        with pytest.raises(ApiError, match=r"tried /api/v1/namespaces/demo$"):
            part.plan(manifests.in_order([NAMESPACE]))
        planned = part.plan(manifests.in_order([SETTINGS, WEB, POOL]))
        assert names(change.identity for change in planned) == [
            "ConfigMap demo/settings",
            "Deployment demo/web",
            "Pool demo/first",
        ]

    def test_a_namespace_of_nobody(self, cluster: Any) -> None:
        with pytest.raises(ApiError, match="namespaces demo not found"):
            run(cluster, SETTINGS)
        assert cluster.seconds == 0


class TestVolumes:
    def test_one_whose_claim_is_gone_is_free_again(self, cluster: Any) -> None:
        claim = {"namespace": "demo", "name": "shared"}
        volume = item("PersistentVolume", "shared", "", spec={"claimRef": claim})
        run(cluster, volume)
        live = cluster.objects["/api/v1/persistentvolumes/shared"]
        live["spec"]["claimRef"] |= {"uid": "uid-1", "resourceVersion": "7"}
        live["status"] = {"phase": "Bound"}
        assert run(cluster, volume) == []
        live = cluster.objects["/api/v1/persistentvolumes/shared"]
        live["status"] = {"phase": "Released"}
        assert run(cluster, volume) == ["+PersistentVolume shared"]
        assert cluster.objects["/api/v1/persistentvolumes/shared"]["spec"]["claimRef"] == claim


class TestClasses:
    CLASS = item("StorageClass", "nfs", "", "storage.k8s.io/v1", provisioner="example.com/nfs")
    CLAIM = ("v1", "PersistentVolumeClaim", "shop", "data")

    def volume(self, cluster: Any, name: str, phase: str, storage_class: str = "nfs") -> None:
        spec = {"storageClassName": storage_class, "claimRef": {"namespace": "shop", "name": "data"}}
        cluster(
            "/api/v1/persistentvolumes", name, {"kind": "PersistentVolume", "spec": spec, "status": {"phase": phase}}
        )

    def plan(self, cluster: Any, *wanted: dict[str, Any], check: bool = False) -> list[str]:
        part = Part(cluster, "demo")
        part.read()
        return names(change.identity for change in part.plan(manifests.in_order(wanted), check))

    def test_one_whose_volumes_are_in_use_stays(self, cluster: Any) -> None:
        run(cluster, NAMESPACE, self.CLASS, WEB)
        self.volume(cluster, "pvc-1", "Bound")
        for check in (True, False):
            with pytest.raises(DefinitionError) as caught:
                self.plan(cluster, check=check)
            assert str(caught.value) == (
                "found volumes of class nfs in use by PersistentVolumeClaim shop/data; expected none: delete what uses "
                "these claims, and the claims, or leave this part on"
            )
        # Volumes outlive their class as long as there is what serves them.
        assert self.plan(cluster, NAMESPACE, WEB) == ["StorageClass nfs"]

    def test_others_do_not_matter(self, cluster: Any) -> None:
        run(cluster, self.CLASS)
        self.volume(cluster, "pvc-1", "Released")
        self.volume(cluster, "pvc-2", "Bound", "fast")
        assert self.plan(cluster) == ["StorageClass nfs"]

    def test_a_claim_that_another_part_gives_back_before(self, cluster: Any) -> None:
        run(cluster, self.CLASS)
        self.volume(cluster, "pvc-1", "Bound")
        other = Part(cluster, "shop")
        other.record([Identity(*self.CLAIM)])
        assert self.plan(cluster, check=True) == ["StorageClass nfs"]
        with pytest.raises(DefinitionError, match="in use by PersistentVolumeClaim shop/data"):
            self.plan(cluster)


class TestCreateOnly:
    PASSWORD = item(
        "Secret", "password", metadata={"annotations": {manifests.CREATE_ONLY: "true"}}, stringData={"p": SECRET}
    )

    def test_created_once(self, cluster: Any) -> None:
        assert run(cluster, NAMESPACE, self.PASSWORD) == ["+Namespace demo", "+Secret demo/password"]
        other = {**self.PASSWORD, "stringData": {"p": "another"}}
        before = json.dumps(cluster.objects)
        assert run(cluster, NAMESPACE, other) == []
        assert json.dumps(cluster.objects) == before

    def test_removed_with_its_part(self, cluster: Any) -> None:
        run(cluster, NAMESPACE, self.PASSWORD)
        assert run(cluster, NAMESPACE) == ["-Secret demo/password"]

    def test_another_value_is_no(self, cluster: Any) -> None:
        said_no = json.loads(json.dumps(self.PASSWORD).replace('"true"', '"false"'))
        run(cluster, NAMESPACE, said_no)
        assert run(cluster, NAMESPACE, {**said_no, "stringData": {"p": "another"}}) == ["+Secret demo/password"]


class TestSecrets:
    def test_values_are_counted_only(self, cluster: Any) -> None:
        run(cluster, NAMESPACE, item("Secret", "a", stringData={"same": "abc", "other": SECRET}))
        part = Part(cluster, "demo")
        part.read()
        wanted = item("Secret", "a", stringData={"same": "abc", "other": "hunter3", "more": SECRET})
        [change] = part.plan(manifests.in_order([NAMESPACE, wanted]))
        before, after = yaml.safe_load(change.before), yaml.safe_load(change.after)
        assert before["data"] == {"same": "(4 characters)", "other": "(12 characters)"}
        assert after["data"] == {
            "same": "(4 characters)",
            "other": "(12 characters, new)",
            "more": "(12 characters, new)",
        }
        assert SECRET not in change.before + change.after

    def test_a_new_one(self, cluster: Any) -> None:
        part = Part(cluster, "demo")
        changes = part.plan(manifests.in_order([NAMESPACE, item("Secret", "a", stringData={"n": SECRET}, data=None)]))
        assert yaml.safe_load(changes[-1].after)["stringData"] == {"n": "(7 characters)"}
        assert SECRET not in changes[-1].after

    def test_one_that_goes(self, cluster: Any) -> None:
        run(cluster, NAMESPACE, item("Secret", "a", data={"n": "aHVudGVyMg=="}))
        part = Part(cluster, "demo")
        part.read()
        [change] = part.plan(manifests.in_order([NAMESPACE]))
        assert "aHVudGVyMg==" not in change.before

    def test_a_copy_in_an_annotation(self) -> None:
        annotations = {manifests.LAST_APPLIED: json.dumps({"stringData": {"n": SECRET}}), "rack": "7"}
        secret = item("Secret", "a", metadata={"annotations": annotations})
        found = yaml.safe_load(manifests.text_of(secret))
        assert found["metadata"]["annotations"] == {manifests.LAST_APPLIED: "(hidden)", "rack": "7"}
        # The object itself is as it was.
        assert SECRET in secret["metadata"]["annotations"][manifests.LAST_APPLIED]

    def test_numbers_are_counted_too(self) -> None:
        assert "n: (4 characters)" in manifests.text_of(item("Secret", "a", data={"n": 1234}))


class TestNewKinds:
    def test_a_kind_that_is_served_after_a_while(self, cluster: Any) -> None:
        cluster.slowness = 3
        assert run(cluster, POOL, KIND, NAMESPACE)[-1] == "+Pool demo/first"
        assert "/apis/example.com/v1/namespaces/demo/pools/first" in cluster.objects
        assert cluster.seconds == 3
        assert run(cluster, POOL, KIND, NAMESPACE) == []

    def test_an_api_server_that_does_not_serve_it_yet(self, cluster: Any) -> None:
        message = "the server could not find the requested resource"
        cluster.refusals.append(
            lambda path, _wanted: (
                cluster.refusal(404, "NotFound", message) if "pools/" in path and cluster.seconds < 2 else None
            )
        )
        run(cluster, POOL, KIND, NAMESPACE)
        assert cluster.seconds == 2

    def test_a_kind_that_nobody_brings(self, cluster: Any) -> None:
        with pytest.raises(UnknownKind, match=r"^Pool demo/first: the cluster knows no Pool of example.com/v1$"):
            run(cluster, NAMESPACE, POOL, timeout=5)
        assert cluster.seconds > 5
        assert recorded(cluster) == {"demo": ["Namespace demo", "Pool demo/first"]}

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            (item("ConfigMap", "a", ""), "ConfigMap a: found namespace '', expected a namespace"),
            (
                item("Namespace", "a"),
                "Namespace demo/a: found namespace 'demo', expected none: it belongs to the whole",
            ),
        ],
    )
    def test_namespaces_where_they_belong(self, cluster: Any, wrong: Any, message: str) -> None:
        with pytest.raises(DefinitionError) as caught:
            run(cluster, wrong)
        assert str(caught.value).startswith(message)

    def test_a_new_kind_without_its_namespace_is_not_waited_for(self, cluster: Any) -> None:
        cluster.slowness = 1
        with pytest.raises(DefinitionError, match=r"^Pool first: found namespace '', expected a namespace$"):
            run(cluster, KIND, item("Pool", "first", "", "example.com/v1"))
        assert cluster.seconds == 1


class TestWebhooks:
    MESSAGE = 'Internal error occurred: failed calling webhook "check": no endpoints available for service "web"'

    def broken_until(self, cluster: Any, seconds: float) -> None:
        cluster.refusals.append(
            lambda path, _wanted: (
                cluster.refusal(500, "InternalError", self.MESSAGE)
                if "configmaps/settings" in path and cluster.seconds < seconds
                else None
            )
        )

    def test_it_is_waited_for(self, cluster: Any) -> None:
        self.broken_until(cluster, 4)
        run(cluster, NAMESPACE, SETTINGS)
        assert cluster.seconds == 4

    def test_but_not_forever(self, cluster: Any) -> None:
        self.broken_until(cluster, 400)
        with pytest.raises(ApiError, match="no endpoints available"):
            run(cluster, NAMESPACE, SETTINGS, timeout=10)
        assert cluster.seconds == 10.5

    def test_what_it_hides_is_applied_again_with_what_repairs_it(self, cluster: Any) -> None:
        run(cluster, NAMESPACE, SETTINGS, WEB)
        del cluster.objects["/apis/apps/v1/namespaces/demo/deployments/web"]
        self.broken_until(cluster, 2)
        part = Part(cluster, "demo")
        part.read()
        settings, web = part.plan(manifests.in_order([NAMESPACE, SETTINGS, WEB]))
        assert str(web.identity) == "Deployment demo/web"
        comment = settings.after.removeprefix(settings.before)
        assert comment.startswith("# can't be compared, is applied again: the API refused")
        assert self.MESSAGE in comment
        assert run(cluster, NAMESPACE, SETTINGS, WEB) == ["+ConfigMap demo/settings", "+Deployment demo/web"]
        assert run(cluster, NAMESPACE, SETTINGS, WEB) == []

    def test_a_new_object_behind_it_is_planned(self, cluster: Any) -> None:
        run(cluster, NAMESPACE)
        self.broken_until(cluster, 2)
        assert run(cluster, NAMESPACE, SETTINGS) == ["+ConfigMap demo/settings"]
        assert cluster.seconds == 2

    def test_other_refusals_of_a_dry_run(self, cluster: Any) -> None:
        run(cluster, NAMESPACE, SETTINGS)
        cluster.refusals.append(lambda _path, _wanted: cluster.refusal(422, "Invalid", "field is immutable"))
        with pytest.raises(ApiError, match="field is immutable"):
            run(cluster, NAMESPACE, SETTINGS)


class TestOthers:
    """What somebody else has put there is not taken over."""

    def test_all_are_named_before_anything_is_applied(self, cluster: Any) -> None:
        for name in ("settings", "more"):
            cluster(f"{DEMO}/configmaps", name, {"kind": "ConfigMap", "data": {"own": "1"}})
        part = Part(cluster, "demo")
        part.read()
        with pytest.raises(
            DefinitionError, match="found ConfigMap demo/settings, ConfigMap demo/more, which something else has put"
        ):
            part.plan(manifests.in_order([NAMESPACE, SETTINGS, item("ConfigMap", "more"), WEB]))
        assert cluster.changes() == []

    def test_a_namespace_may_be_shared(self, cluster: Any) -> None:
        cluster("/api/v1/namespaces", "demo", {"kind": "Namespace"})
        assert "+ConfigMap demo/settings" in run(cluster, NAMESPACE, SETTINGS)

    def test_a_namespace_of_somebody_s_stays(self, cluster: Any) -> None:
        labels = {"f:labels": {"f:kubernetes.io/metadata.name": {}}}
        made = [{"manager": "kubectl-create", "fieldsV1": {"f:metadata": labels}}, {"manager": "kubestead"}]
        run(cluster, NAMESPACE, SETTINGS)
        cluster.objects[DEMO]["metadata"]["managedFields"] = made
        assert run(cluster) == ["-ConfigMap demo/settings"]
        assert recorded(cluster) == {}
        assert DEMO in cluster.objects

    def test_a_namespace_of_somebody_s_loses_what_was_put_on_it(self, cluster: Any) -> None:
        label = "pod-security.kubernetes.io/enforce"
        space = item("Namespace", "demo", "", metadata={"labels": {label: "privileged"}})
        cluster("/api/v1/namespaces", "demo", {"kind": "Namespace"})
        run(cluster, space, SETTINGS)
        made = {
            "manager": "kubectl-create",
            "fieldsV1": {"f:metadata": {"f:labels": {f"f:{manifests.NAME_LABEL}": {}}}},
        }
        cluster.objects[DEMO]["metadata"]["managedFields"].append(made)
        assert run(cluster) == ["+Namespace demo", "-ConfigMap demo/settings"]
        assert label not in cluster.objects[DEMO]["metadata"].get("labels", {})
        assert recorded(cluster) == {}
        assert run(cluster) == []

    def test_what_somebody_has_put_in_the_place_of_one_s_own(self, cluster: Any) -> None:
        run(cluster, NAMESPACE, SETTINGS, WEB)
        cluster.objects[f"{DEMO}/configmaps/settings"]["metadata"]["managedFields"] = [{"manager": "helm"}]
        with pytest.raises(
            DefinitionError, match=r"^found ConfigMap demo/settings, which something else has put there"
        ):
            run(cluster, NAMESPACE, SETTINGS, WEB)
        part = Part(cluster, "demo")
        part.read()
        changes = part.plan({})
        assert names(change.identity for change in changes) == ["Deployment demo/web"]
        assert part.replaced == [Identity("v1", "ConfigMap", "demo", "settings")]
        # It is in the namespace, which stays for it.
        assert names(part.kept) == ["Namespace demo"]
        part.apply({}, changes, 60)
        assert recorded(cluster) == {"demo": ["Namespace demo"]}
        assert f"{DEMO}/configmaps/settings" in cluster.objects

    def test_one_without_any_field_is_one_s_own_by_the_record(self, cluster: Any) -> None:
        account = item("ServiceAccount", "web")
        run(cluster, NAMESPACE, account)
        assert "managedFields" not in cluster.objects[f"{DEMO}/serviceaccounts/web"]["metadata"]
        assert run(cluster, NAMESPACE, account) == []
        assert run(cluster, NAMESPACE) == ["-ServiceAccount demo/web"]
        cluster(f"{DEMO}/serviceaccounts", "web", {"kind": "ServiceAccount"})
        with pytest.raises(DefinitionError, match="something else has put there"):
            run(cluster, NAMESPACE, account)

    def test_one_s_own_that_is_not_remembered(self, cluster: Any) -> None:
        run(cluster, NAMESPACE, SETTINGS)
        del cluster.objects[manifests.RECORD]
        assert run(cluster, NAMESPACE, SETTINGS) == []


class TestRemoving:
    def test_last_come_first_gone(self, cluster: Any) -> None:
        run(cluster, NAMESPACE, SETTINGS, KIND, POOL, WEB)
        before = len(cluster.changes())
        assert run(cluster) == [
            "-Pool demo/first",
            "-Deployment demo/web",
            "-ConfigMap demo/settings",
            "-Namespace demo",
            "-CustomResourceDefinition pools.example.com",
        ]
        assert [change.rpartition("/")[2] for change in cluster.changes()[before:]] == [
            "first",
            "web",
            "settings",
            "demo",
            "pools.example.com",
        ]
        assert list(cluster.objects) == [
            "/api/v1/namespaces/kube-system",
            "/api/v1/namespaces/kube-system/configmaps/kubestead-parts",
        ]
        assert recorded(cluster) == {}
        assert run(cluster) == []

    def test_only_its_own(self, cluster: Any) -> None:
        run(cluster, NAMESPACE, SETTINGS)
        run(cluster, item("Namespace", "other", ""), name="other")
        cluster(f"{DEMO}/configmaps", "mine", {"kind": "ConfigMap"})
        assert run(cluster, NAMESPACE) == ["-ConfigMap demo/settings"]
        assert f"{DEMO}/configmaps/mine" in cluster.objects
        assert recorded(cluster) == {"demo": ["Namespace demo"], "other": ["Namespace other"]}

    def test_a_kind_of_which_others_have_objects_stays(self, cluster: Any) -> None:
        run(cluster, NAMESPACE, KIND, POOL, SPEAKER)
        told = [{"manager": "kubectl"}, {"manager": "speaker", "subresource": "status"}]
        mine = item("Pool", "mine", "users", "example.com/v1", metadata={"managedFields": told})
        cluster("/apis/example.com/v1/namespaces/users/pools", "mine", mine)
        # Made by the part's own programs, or for an object of its own.
        state = item("Pool", "state", metadata={"managedFields": [{"manager": "reconciler"}, {"manager": "speaker"}]})
        cluster("/apis/example.com/v1/namespaces/demo/pools", "state", state)
        owner = {"ownerReferences": [{"kind": "Pool", "name": "first"}]}
        cluster("/apis/example.com/v1/namespaces/users/pools", "owned", item("Pool", "owned", "users", metadata=owner))
        part = Part(cluster, "demo")
        part.read()
        changes = part.plan({})
        assert names(change.identity for change in changes) == [
            "Pool demo/first",
            "Deployment demo/speaker",
            "Namespace demo",
        ]
        assert {str(kind): others for kind, others in part.kept.items()} == {
            "CustomResourceDefinition pools.example.com": ["Pool users/mine"]
        }
        part.apply({}, changes, 60)
        assert recorded(cluster) == {"demo": ["CustomResourceDefinition pools.example.com"]}
        assert run(cluster) == []
        del cluster.objects["/apis/example.com/v1/namespaces/users/pools/mine"]
        assert run(cluster) == ["-CustomResourceDefinition pools.example.com"]
        assert recorded(cluster) == {}

    @pytest.mark.parametrize(
        ("place", "kind", "content"),
        [
            ("/api/v1/namespaces/demo/secrets", "Secret", {"type": "kubernetes.io/tls"}),
            ("/apis/apps/v1/namespaces/demo/deployments", "Deployment", {"spec": {"replicas": 1}}),
            ("/apis/example.com/v1/namespaces/demo/pools", "Pool", {}),
        ],
    )
    def test_a_namespace_in_which_others_have_objects_stays(
        self, cluster: Any, place: str, kind: str, content: dict[str, Any]
    ) -> None:
        run(cluster, NAMESPACE, KIND, POOL, SETTINGS)
        cluster(place, "mine", {"kind": kind, **content})
        # What every namespace has, and what goes with an object of the part.
        cluster(f"{DEMO}/configmaps", "kube-root-ca.crt", {"kind": "ConfigMap"})
        cluster(f"{DEMO}/secrets", "token", {"kind": "Secret", "type": "kubernetes.io/service-account-token"})
        cluster(f"{DEMO}/secrets", "owned", item("Secret", "owned", metadata={"ownerReferences": [{"name": "web"}]}))
        part = Part(cluster, "demo")
        part.read()
        changes = part.plan({})
        gone = ["Pool demo/first", "ConfigMap demo/settings"]
        gone += [] if kind == "Pool" else ["CustomResourceDefinition pools.example.com"]
        assert names(change.identity for change in changes) == gone
        assert part.kept[Identity.of(NAMESPACE)] == [f"{kind} demo/mine"]
        part.apply({}, changes, 60)
        assert f"{place}/mine" in cluster.objects
        assert run(cluster) == []
        cluster._gone(f"{place}/mine")
        assert run(cluster)[0] == "-Namespace demo"
        assert recorded(cluster) == {}

    def test_what_is_gone_already(self, cluster: Any) -> None:
        run(cluster, NAMESPACE, SETTINGS, KIND, POOL)
        # Somebody removes a kind with all its objects, and an object.
        cluster._gone("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/pools.example.com")
        del cluster.objects[f"{DEMO}/configmaps/settings"]
        assert run(cluster) == ["-Namespace demo"]
        assert recorded(cluster) == {}

    def test_gone_between_plan_and_removal(self, cluster: Any) -> None:
        run(cluster, NAMESPACE, KIND, POOL, SETTINGS)
        part = Part(cluster, "demo")
        part.read()
        changes = part.plan({})
        del cluster.objects[f"{DEMO}/configmaps/settings"]
        cluster._gone("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/pools.example.com")
        part._kinds.clear()
        part.apply({}, changes, 10)
        assert recorded(cluster) == {}
        assert DEMO not in cluster.objects

    def test_a_removal_that_is_refused(self, cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        run(cluster, NAMESPACE)

        def refuse(path: str) -> None:
            raise cluster.refusal(403, "Forbidden", "not you", "DELETE", path)

        monkeypatch.setattr(cluster, "_delete", refuse)
        with pytest.raises(ApiError, match="403 Forbidden: not you"):
            run(cluster)
        assert recorded(cluster) == {"demo": ["Namespace demo"]}

    def test_whoever_cleans_up_after_an_object_goes_after_it(self, cluster: Any) -> None:
        run(cluster, NAMESPACE, KIND, POOL, WEB)
        pool = "/apis/example.com/v1/namespaces/demo/pools/first"
        cluster.objects[pool]["metadata"]["finalizers"] = ["example.com/free"]
        cluster.slowness = 4
        cluster.requests.clear()
        run(cluster)
        asked = cluster.requests.index("DELETE /apis/apps/v1/namespaces/demo/deployments/web")
        assert cluster.requests[asked - 1] == f"GET {pool}"
        assert cluster.seconds == 4

    def test_one_that_stays(self, cluster: Any) -> None:
        run(cluster, NAMESPACE, SETTINGS)
        cluster.objects[f"{DEMO}/configmaps/settings"]["metadata"]["finalizers"] = ["example.com/free"]
        cluster.slowness = 100
        with pytest.raises(NotDone) as caught:
            run(cluster, NAMESPACE, timeout=20)
        assert str(caught.value) == (
            "ConfigMap demo/settings: still there, held by ['example.com/free'] after 20 s; look at "
            "`kubectl -n demo describe configmap settings` and at the pods' events"
        )
        # The next run goes on with it.
        assert recorded(cluster) == {"demo": ["Namespace demo", "ConfigMap demo/settings"]}
        cluster.slowness = 0
        cluster.sleep(100)
        assert run(cluster, NAMESPACE) == []
        assert recorded(cluster) == {"demo": ["Namespace demo"]}

    def test_one_that_stays_without_finalizers(self, cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        run(cluster, NAMESPACE)
        monkeypatch.setattr(cluster, "_gone", lambda _path: None)
        with pytest.raises(
            NotDone, match=r"^Namespace demo: still there, held by its pods after 1 s; look at `kubectl d"
        ):
            run(cluster, timeout=1)


class TestRecord:
    def test_written_before_anything_is_applied(self, cluster: Any) -> None:
        run(cluster, NAMESPACE, SETTINGS)
        cluster.requests.clear()

        class Killed(BaseException):
            pass

        def kill(path: str, _wanted: Any) -> None:
            # Not while it is planned.
            if "deployments" in path and any(item.startswith("PATCH") for item in cluster.requests):
                raise Killed

        cluster.refusals.append(kill)
        with pytest.raises(Killed):
            run(cluster, NAMESPACE, WEB)
        changes = [item for item in cluster.requests if not item.startswith("GET")]
        assert changes[0].endswith("/kubestead-parts")
        # Both what was and what should be: whatever of it there is can be removed.
        assert recorded(cluster) == {"demo": ["Namespace demo", "Deployment demo/web", "ConfigMap demo/settings"]}
        cluster.refusals.clear()
        assert run(cluster, NAMESPACE, WEB) == ["+Deployment demo/web", "-ConfigMap demo/settings"]
        assert recorded(cluster) == {"demo": ["Namespace demo", "Deployment demo/web"]}

    def test_objects_that_are_there_but_not_remembered(self, cluster: Any) -> None:
        run(cluster, NAMESPACE)
        del cluster.objects[manifests.RECORD]
        part = Part(cluster, "demo")
        part.read()
        assert part.differs(list(manifests.in_order([NAMESPACE])))
        assert run(cluster, NAMESPACE) == []
        assert recorded(cluster) == {"demo": ["Namespace demo"]}

    def test_a_record_that_somebody_removes_meanwhile(self, cluster: Any) -> None:
        run(cluster, NAMESPACE)
        part = Part(cluster, "demo")
        part.read()
        del cluster.objects[manifests.RECORD]
        part.apply({}, part.plan({}), 10)
        assert manifests.RECORD not in cluster.objects

    @pytest.mark.parametrize("there", [False, True])
    def test_another_part_that_is_recorded_meanwhile(self, cluster: Any, there: bool) -> None:
        if there:
            run(cluster, NAMESPACE)
        one, other = Part(cluster, "demo"), Part(cluster, "metallb")
        one.read()
        other.read()
        other.record(list(manifests.in_order([NAMESPACE])))
        one.record(list(manifests.in_order([WEB])))
        assert recorded(cluster) == {"demo": ["Deployment demo/web"], "metallb": ["Namespace demo"]}
        assert one.recorded.keys() == {"demo", "metallb"}

    def test_the_same_part_that_is_recorded_meanwhile(self, cluster: Any) -> None:
        """What the other run has applied is not forgotten."""
        run(cluster, NAMESPACE)
        one, other = Part(cluster, "demo"), Part(cluster, "demo")
        one.read()
        other.read()
        other.record(list(manifests.in_order([NAMESPACE, WEB])))
        expected = (
            "kube-system/kubestead-parts: found that another run has changed demo meanwhile; expected no other run"
        )
        wanted = manifests.in_order([NAMESPACE, SETTINGS])
        changes = one.plan(wanted)
        with pytest.raises(Meanwhile, match=expected):
            one.apply(wanted, changes, 10)
        assert recorded(cluster) == {"demo": ["Namespace demo", "Deployment demo/web"]}
        assert not [path for path in cluster.objects if path.endswith("/settings")]

    def test_a_record_that_others_write_all_the_time(self, cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        run(cluster, NAMESPACE)
        part = Part(cluster, "demo")
        part.read()
        monkeypatch.setattr(part, "_write", mock.Mock(side_effect=cluster.refusal(409, "Conflict", "modified")))
        with pytest.raises(Meanwhile, match="found that others wrote it 5 times meanwhile"):
            part.record(list(manifests.in_order([WEB])))

    def test_a_record_that_may_not_be_written(self, cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        part = Part(cluster, "demo")
        part.read()

        def refuse(*_arguments: Any) -> None:
            raise cluster.refusal(403, "Forbidden", "not you")

        monkeypatch.setattr(cluster, "request", refuse)
        with pytest.raises(ApiError, match="not you"):
            part.record(list(manifests.in_order([NAMESPACE])))

    @pytest.mark.parametrize("text", ["oops", "[[1, 2]]", "7"])
    def test_a_record_that_is_none(self, cluster: Any, text: str) -> None:
        cluster(manifests.RECORD.rpartition("/")[0], "kubestead-parts", {"kind": "ConfigMap", "data": {"demo": text}})
        with pytest.raises(
            DefinitionError, match=r"^ConfigMap kube-system/kubestead-parts: .*; expected for each part"
        ):
            Part(cluster, "demo").read()

    def test_an_empty_record(self, cluster: Any) -> None:
        cluster(manifests.RECORD.rpartition("/")[0], "kubestead-parts", {"kind": "ConfigMap"})
        assert recorded(cluster) == {}


def workload(kind: str, spec: dict[str, Any], generation: int = 2, **status: int) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"generation": generation}, "spec": spec, "status": status}


class TestRollouts:
    @pytest.mark.parametrize(
        ("live", "expected"),
        [
            ({"kind": "ConfigMap"}, None),
            (workload("Deployment", {}), "not seen by its controller yet"),
            ({**workload("Deployment", {}), "status": {}}, "not seen by its controller yet"),
            (workload("Deployment", {}, observedGeneration=1), "not seen by its controller yet"),
            (workload("Deployment", {}, observedGeneration=2), "0 of 1 pods updated, 0 available"),
            (
                workload("Deployment", {"replicas": 2}, observedGeneration=2, updatedReplicas=2, availableReplicas=1),
                "2 of 2 pods updated, 1 available",
            ),
            (
                # The available one is the old one.
                workload("Deployment", {}, observedGeneration=2, replicas=2, updatedReplicas=1, availableReplicas=1),
                "1 old pods still there",
            ),
            (
                workload("Deployment", {}, observedGeneration=2, replicas=1, updatedReplicas=1, availableReplicas=1),
                None,
            ),
            (workload("Deployment", {"replicas": 0}, observedGeneration=2), None),
            (
                workload("StatefulSet", {"replicas": 3}, observedGeneration=2, updatedReplicas=1, availableReplicas=3),
                "1 of 3 pods updated, 3 available",
            ),
            (
                workload("StatefulSet", {"replicas": 1}, observedGeneration=2, updatedReplicas=1, availableReplicas=1),
                None,
            ),
            (
                workload("DaemonSet", {}, observedGeneration=2, desiredNumberScheduled=5, updatedNumberScheduled=5),
                "5 of 5 pods updated, 0 available",
            ),
            (
                workload(
                    "DaemonSet",
                    {},
                    observedGeneration=2,
                    desiredNumberScheduled=5,
                    updatedNumberScheduled=5,
                    numberAvailable=5,
                ),
                None,
            ),
        ],
    )
    def test_what_is_waited_for(self, live: Any, expected: str | None) -> None:
        assert manifests.rolled_out(live) == expected

    def daemon_set(self, cluster: Any, **status: int) -> Any:
        """One whose pods are on w1, which is starting, and on w2, which is lost."""
        for name, heard in (("w1", "False"), ("w2", "Unknown"), ("w3", "Unknown")):
            conditions = [{"type": "MemoryPressure", "status": "Unknown"}, {"type": "Ready", "status": heard}]
            cluster("/api/v1/nodes", name, {"kind": "Node", "status": {"conditions": conditions}})
        for node in ("w1", "w2"):
            cluster("/api/v1/namespaces/demo/pods", f"speaker-{node}", {"kind": "Pod", "spec": {"nodeName": node}})
        selector = {"matchLabels": {"app": "speaker"}}
        speaker = item("DaemonSet", "speaker", version="apps/v1", spec={"selector": selector})
        run(cluster, NAMESPACE, speaker)
        live = cluster.objects["/apis/apps/v1/namespaces/demo/daemonsets/speaker"]
        live["status"] = {"observedGeneration": live["metadata"]["generation"], **status}
        return speaker

    def test_lost_nodes_are_not_waited_for(self, cluster: Any) -> None:
        wanted = manifests.in_order(
            [self.daemon_set(cluster, desiredNumberScheduled=2, updatedNumberScheduled=2, numberAvailable=1)]
        )
        part = Part(cluster, "demo")
        part.wait_for_workloads(wanted, 20)
        assert cluster.seconds == 0
        assert part.unreached == {Identity("apps/v1", "DaemonSet", "demo", "speaker"): ["w2"]}

    @pytest.mark.parametrize(("moving", "seconds"), [(False, 0), (True, 20)])
    def test_pods_of_a_deployment_on_lost_nodes_are_not_waited_for_until_they_are_moved(
        self, cluster: Any, moving: bool, seconds: int
    ) -> None:
        for name, heard in (("w1", "True"), ("w2", "Unknown")):
            conditions = [{"type": "Ready", "status": heard}]
            cluster("/api/v1/nodes", name, {"kind": "Node", "status": {"conditions": conditions}})
        for name in ("a", "b"):
            cluster("/api/v1/namespaces/demo/pods", name, {"kind": "Pod", "spec": {"nodeName": "w2"}})
            if moving:
                pod = cluster.objects[f"/api/v1/namespaces/demo/pods/{name}"]
                pod["metadata"]["deletionTimestamp"] = "2026-12-01T02:55:00Z"
        selector = {"matchLabels": {"app": "web"}}
        web = item("Deployment", "web", version="apps/v1", spec={"selector": selector, "replicas": 2})
        run(cluster, NAMESPACE, web)
        live = cluster.objects["/apis/apps/v1/namespaces/demo/deployments/web"]
        live["status"] = {"observedGeneration": live["metadata"]["generation"], "updatedReplicas": 2}
        part = Part(cluster, "demo")
        if moving:
            with pytest.raises(NotDone, match="2 of 2 pods updated, 0 available"):
                part.wait_for_workloads(manifests.in_order([web]), 20)
        else:
            part.wait_for_workloads(manifests.in_order([web]), 20)
            assert part.unreached == {Identity("apps/v1", "Deployment", "demo", "web"): ["w2"]}
        assert cluster.seconds >= seconds

    def test_nodes_that_start_are_waited_for(self, cluster: Any) -> None:
        wanted = manifests.in_order([self.daemon_set(cluster, desiredNumberScheduled=2, updatedNumberScheduled=2)])
        with pytest.raises(NotDone, match="2 of 2 pods updated, 0 available"):
            Part(cluster, "demo").wait_for_workloads(wanted, 20)

    def test_only_what_was_not_waited_for_is_told(self, cluster: Any) -> None:
        wanted = manifests.in_order([self.daemon_set(cluster, desiredNumberScheduled=2, updatedNumberScheduled=2)])
        live = cluster.objects["/apis/apps/v1/namespaces/demo/daemonsets/speaker"]
        cluster.slowness = 7
        cluster.later(lambda: live["status"].update(numberAvailable=2))
        # While w2 is lost, and w1 is waited for, w2 comes back.
        part = Part(cluster, "demo")
        part.wait_for_workloads(wanted, 20)
        assert cluster.seconds == 7
        assert part.unreached == {}
        del cluster.objects["/api/v1/nodes/w2"], cluster.objects["/api/v1/nodes/w3"]
        live["status"].update(numberAvailable=1)
        cluster.later(lambda: live["status"].update(numberAvailable=2))
        part = Part(cluster, "demo")
        part.wait_for_workloads(wanted, 20)
        assert part.unreached == {}

    def test_all_nodes_are_not_asked_for_each_time(self, cluster: Any) -> None:
        wanted = manifests.in_order([self.daemon_set(cluster, desiredNumberScheduled=2, updatedNumberScheduled=2)])
        with pytest.raises(NotDone):
            Part(cluster, "demo").wait_for_workloads(wanted, 20)
        assert cluster.requests.count("GET /api/v1/nodes") == 5

    def test_one_that_fits_no_node(self, cluster: Any) -> None:
        wanted = manifests.in_order([self.daemon_set(cluster)])
        with pytest.raises(NotDone, match="fits no node"):
            Part(cluster, "demo").wait_for_workloads(wanted, 20)

    def test_waits(self, cluster: Any) -> None:
        cluster.slowness = 7
        run(cluster, NAMESPACE, SETTINGS, WEB)
        Part(cluster, "demo").wait_for_workloads(manifests.in_order([NAMESPACE, SETTINGS, WEB]), 20)
        assert cluster.seconds == 7

    def test_not_forever(self, cluster: Any) -> None:
        cluster.slowness = 70
        run(cluster, NAMESPACE, WEB)
        with pytest.raises(NotDone) as caught:
            Part(cluster, "demo").wait_for_workloads(manifests.in_order([WEB]), 20)
        assert str(caught.value) == (
            "Deployment demo/web: not seen by its controller yet after 20 s; look at "
            "`kubectl -n demo describe deployment web` and at the pods' events"
        )

    def test_one_that_somebody_removes_meanwhile(self, cluster: Any) -> None:
        run(cluster, NAMESPACE)
        with pytest.raises(NotDone, match=r"^Deployment demo/web: not there after 2 s; "):
            Part(cluster, "demo").wait_for_workloads(manifests.in_order([WEB]), 2)
