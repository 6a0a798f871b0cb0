# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users: what the inventory may say, what becomes of it, and what is remembered."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.plugin_utils import users
from ansible_collections.kubestead.cluster.plugins.plugin_utils.manifests import Identity
from ansible_collections.kubestead.cluster.plugins.plugin_utils.users import (
    Account,
    Certificate,
    Cluster,
    Issued,
    Kubeconfig,
    Refused,
    Remembered,
)

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = timedelta(days=1)
PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}
READER = {"name": "pod-reader", "namespace": "demo", "rules": [PODS]}


def account(name: str = "jane", **given: Any) -> Account:
    return users.read_accounts([{"name": name, "lifetime": "90d", **given}])[0]


def certificate(name: str = "jane", groups: tuple[str, ...] = (), left: float = 89, serial: str = "a1") -> Certificate:
    end = NOW + left * DAY
    return Certificate(serial, name, groups, end - 90 * DAY, end)


def kubeconfig(**given: Any) -> Kubeconfig:
    return Kubeconfig(certificate(**given), current=True)


def remembered(*certificates: Issued, lifetime: int = 90 * 86400) -> Remembered:
    return Remembered(lifetime, certificates or (Issued("a1", NOW + 89 * DAY, ()),))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("10m", 600), ("12h", 43200), ("90d", 7776000), ("90", None), ("0d", None), ("1w", None), ("-1d", None)],
)
def test_lifetimes(text: str, expected: int | None) -> None:
    assert users.seconds(text) == expected
    if expected:
        assert users.spell(expected) == text


class TestAccounts:
    def test_all_kinds_of_roles(self) -> None:
        roles = [{"cluster_role": "view"}, {"cluster_role": "edit", "namespace": "shop"}]
        found = account(groups=["dev"], roles=[*roles, {"role": "deployer", "namespace": "shop"}, READER])
        assert (found.groups, found.lifetime) == (("dev",), 90 * 86400)
        assert [(grant.kind, grant.name, grant.namespace, grant.rules) for grant in found.grants] == [
            ("ClusterRole", "view", None, None),
            ("ClusterRole", "edit", "shop", None),
            ("Role", "deployer", "shop", None),
            ("Role", "pod-reader", "demo", (PODS,)),
        ]

    @pytest.mark.parametrize(
        ("given", "reason"),
        [
            ({"name": "a/b"}, "user a/b: found the name 'a/b'"),
            ({"name": ""}, "user number 1: found the name ''"),
            ({"name": "x" * 65}, "expected at most 64"),
            ({"name": "system:node:w1"}, "found the name"),
            ({"groups": ["system:masters"]}, "found the group system:masters, which is reserved for Kubernetes"),
            (
                {"groups": ["kubeadm:cluster-admins"]},
                "found the group kubeadm:cluster-admins, which is reserved for kubeadm",
            ),
            ({"groups": [""]}, "found the group ''"),
            ({"groups": ["a", "a"]}, "a group twice in a, a"),
            ({"lifetime": "9m"}, "found the lifetime '9m', expected at least 10m"),
            ({"lifetime": "long"}, "found the lifetime 'long'"),
            ({"roles": [{"namespace": "demo"}]}, r"roles\[0\]: found none of cluster_role, role and rules"),
            ({"roles": [{"cluster_role": "a", "role": "b"}]}, "found cluster_role and role of"),
            ({"roles": [{"role": "a"}]}, "found role a without its namespace"),
            ({"roles": [{"rules": [PODS]}]}, "found rules without a name"),
            ({"roles": [{"name": "x", "rules": [{**PODS, "verbs": []}]}]}, "expected one with verbs"),
            (
                {"roles": [{"name": "x", "rules": [{**PODS, "resource": ["pods"]}]}]},
                "expected only the keys apiGroups, resources,",
            ),
            (
                {"roles": [{"name": "x", "rules": [{"verbs": ["get"], "resources": ["pods"]}]}]},
                "expected apiGroups and resources, or nonResourceURLs",
            ),
            (
                {"roles": [{"name": "x", "rules": [{**PODS, "nonResourceURLs": ["/metrics"]}]}]},
                "expected resources or nonResourceURLs, not both",
            ),
            (
                {"roles": [{**READER, "rules": [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]}]},
                "expected nonResourceURLs only in a role without a namespace",
            ),
            (
                {"roles": [{"name": "x", "rules": [{**PODS, "verbs": "get"}]}]},
                r'found the rule .*"verbs": "get"}, expected a list as its verbs',
            ),
            (
                {"roles": [{"name": "x", "rules": [{**PODS, "verbs": 7, "resources": 7}]}]},
                "a list as its resources; user",
            ),
            ({"roles": [READER, READER]}, "found a role twice"),
        ],
    )
    def test_what_is_wrong(self, given: dict[str, Any], reason: str) -> None:
        with pytest.raises(Refused, match=reason):
            account(**given)

    def test_rules_for_addresses_of_the_api(self) -> None:
        rule = {"nonResourceURLs": ["/metrics"], "verbs": ["get"], "resources": []}
        found = account(roles=[{"name": "metrics", "rules": [rule]}])
        assert found.grants[0].rules == ({"nonResourceURLs": ["/metrics"], "verbs": ["get"]},)

    def test_everything_at_once(self) -> None:
        other = {**READER, "rules": [{**PODS, "verbs": ["delete"]}]}
        given = [{"name": "a", "lifetime": "1m", "roles": [READER]}, {"name": "b", "lifetime": "1d", "roles": [other]}]
        with pytest.raises(Refused) as raised:
            users.read_accounts([*given, {"name": "b", "lifetime": "1d"}])
        assert str(raised.value).startswith("3 problems: user a: found the lifetime '1m'")
        assert "user b: found it 2 times, expected each user once" in str(raised.value)
        assert "user b: found other rules for Role pod-reader than user a has" in str(raised.value)

    def test_two_users_may_share_a_role(self) -> None:
        given = [{"name": name, "lifetime": "1d", "roles": [READER]} for name in "ab"]
        made = [Identity.of(item) for item in users.definitions(users.read_accounts(given))]
        assert [str(identity) for identity in made] == [
            "Role demo/pod-reader",
            "RoleBinding demo/kubestead:a:Role:pod-reader",
            "RoleBinding demo/kubestead:b:Role:pod-reader",
        ]


class TestDefinitions:
    def test_role_and_binding(self) -> None:
        role, binding = users.definitions([account(roles=[READER])])
        assert role == {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": "pod-reader", "namespace": "demo"},
            "rules": [PODS],
        }
        assert binding["roleRef"] == {"apiGroup": users.RBAC, "kind": "Role", "name": "pod-reader"}
        assert binding["subjects"] == [{"apiGroup": users.RBAC, "kind": "User", "name": "jane"}]

    def test_in_the_whole_cluster(self) -> None:
        role, bound_by_rules, bound = users.definitions(
            [account(roles=[{"name": "r", "rules": [{**PODS, "resourceNames": []}]}, {"cluster_role": "view"}])]
        )
        assert (role["kind"], role["metadata"], role["rules"]) == ("ClusterRole", {"name": "r"}, [PODS])
        assert [item["kind"] for item in (bound_by_rules, bound)] == ["ClusterRoleBinding"] * 2


class TestRefusals:
    CLUSTER = Cluster(
        namespaces=frozenset({"demo"}),
        roles=frozenset(
            {
                Identity(f"{users.RBAC}/v1", "ClusterRole", "", "view"),
                Identity(f"{users.RBAC}/v1", "Role", "demo", "pod-reader"),
            }
        ),
    )

    def test_none(self) -> None:
        wanted = [{"cluster_role": "view"}, {"cluster_role": "view", "namespace": "demo"}]
        roles = [*wanted, {"role": "pod-reader", "namespace": "demo"}]
        assert users.refusals([account(roles=roles)], self.CLUSTER, lenient=False) == []

    def test_what_is_not_there(self) -> None:
        roles = [{"cluster_role": "vew"}, {"cluster_role": "view", "namespace": "gone"}]
        accounts = [account(roles=[*roles, {"role": "view", "namespace": "demo"}])]
        found = users.refusals(accounts, self.CLUSTER, lenient=False)
        assert [text.partition(", ")[2].partition(";")[0] for text in found] == [
            "roles[0]: found no ClusterRole vew in the cluster",
            "roles[1]: found no namespace gone in the cluster",
            "roles[2]: found no Role demo/view in the cluster",
        ]
        assert users.refusals(accounts, self.CLUSTER, lenient=True) == []

    @pytest.mark.parametrize("lenient", [False, True])
    def test_the_role_of_somebody_else(self, lenient: bool) -> None:
        accounts = [account(roles=[READER])]
        [reason] = users.refusals(accounts, self.CLUSTER, lenient)
        assert "Role demo/pod-reader is there and is not of this list" in reason
        own = Cluster(self.CLUSTER.namespaces, self.CLUSTER.roles, own=self.CLUSTER.roles)
        assert users.refusals(accounts, own, lenient) == []


class TestPlan:
    def test_in_order(self) -> None:
        record = {"jane": remembered()}
        plan = users.make_plan([account()], {"jane": kubeconfig()}, record, NOW)
        assert not plan.changed
        assert plan.record == record

    def test_a_new_user(self) -> None:
        plan = users.make_plan([account()], {}, None, NOW)
        assert [(issue.account.name, issue.reason) for issue in plan.issue] == [("jane", "there is no kubeconfig yet")]
        assert plan.changed

    @pytest.mark.parametrize(
        ("file", "wanted", "reason"),
        [
            (Kubeconfig(flaw="it is torn"), {}, "it is torn"),
            (kubeconfig(name="joe"), {}, "the certificate is for joe"),
            (kubeconfig(groups=("a", "b")), {"groups": ["b"]}, "the certificate's groups are a, b"),
            (kubeconfig(), {"groups": ["b"]}, "the certificate's groups are none"),
            (kubeconfig(left=29.9), {}, "less than a third of the certificate's life is left"),
            (kubeconfig(left=-1), {}, "less than a third of the certificate's life is left"),
            (kubeconfig(), {"lifetime": "12h"}, "the lifetime was 90d"),
        ],
    )
    def test_a_new_certificate(self, file: Kubeconfig, wanted: dict[str, Any], reason: str) -> None:
        given = file.certificate or certificate()
        entries = (
            [Issued(given.serial, given.not_after, given.groups)] if file.certificate and given.name == "jane" else []
        )
        record = {"jane": remembered(*entries, Issued("c3", NOW + DAY, ("other",)))}
        plan = users.make_plan([account(**wanted)], {"jane": file}, record, NOW)
        assert [issue.reason.startswith(reason) for issue in plan.issue] == [True]
        assert plan.withheld == ()
        # The one before is still good, whoever has a copy.
        assert plan.record["jane"].certificates == tuple(
            item for item in record["jane"].certificates if item.until > NOW
        )

    @pytest.mark.parametrize("file", [Kubeconfig(), Kubeconfig(flaw="it is torn"), kubeconfig(left=10, serial="old")])
    def test_none_is_issued_beside_a_living_one_unless_asked(self, file: Kubeconfig) -> None:
        """Another controller has issued it, or its file is lost."""
        living = Issued("b2", NOW + 60 * DAY, (), NOW - 30 * DAY, "ctl-a:/site/users")
        record = {"jane": remembered(Issued("old", NOW + 10 * DAY, (), NOW - 80 * DAY, "ctl-b:/site/users"), living)}
        plan = users.make_plan([account()], {"jane": file}, record, NOW)
        assert (plan.issue, plan.changed, [item.living for item in plan.withheld]) == ((), False, [living])
        (note,) = users.withheld_notes(plan, "/here/users")
        for text in (
            "jane gets no other certificate in /here/users",
            "in ctl-a:/site/users",
            "2026-10-24T12:00:00Z",
            "until 2027-01-22T12:00:00Z",
            "copy jane.kubeconfig",
            '{"users_reissue": ["jane"]}',
        ):
            assert text in note
        asked = users.make_plan([account()], {"jane": file}, record, NOW, ["jane"])
        assert ([issue.reason for issue in asked.issue], asked.withheld) == (["another one is asked for"], ())

    def test_asked_for_one_that_is_in_order_is_replaced(self) -> None:
        plan = users.make_plan([account()], {"jane": kubeconfig()}, {"jane": remembered()}, NOW, ["jane"])
        assert [issue.reason for issue in plan.issue] == ["another one is asked for"]

    @pytest.mark.parametrize(
        ("living", "wanted"),
        [
            (Issued("b2", NOW + 29 * DAY, (), NOW - 61 * DAY), {}),
            (Issued("b2", NOW - DAY, (), NOW - 91 * DAY), {}),
            (Issued("b2", NOW + 60 * DAY, ("ops",), NOW - 30 * DAY), {}),
            (Issued("b2", NOW + 60 * DAY, (), NOW - 30 * DAY), {"lifetime": "12h"}),
            (Issued("b2", NOW + 60 * DAY, (), NOW - 30 * DAY, "ctl-a:/users", kept=False), {}),
            (Issued("b2", NOW + 29 * DAY, ()), {}),
        ],
        ids=["due", "ended", "other groups", "other lifetime", "removed, or never written", "old record, due"],
    )
    def test_what_nobody_can_go_on_with_is_replaced(self, living: Issued, wanted: dict[str, Any]) -> None:
        plan = users.make_plan([account(**wanted)], {}, {"jane": remembered(living)}, NOW)
        assert (len(plan.issue), plan.withheld) == (1, ())

    def test_a_kubeconfig_that_a_later_one_has_overwritten_is_nothing_to_go_on_with(self) -> None:
        place = "ctl-a:/site/users"
        first = Issued("a1", NOW + 80 * DAY, (), NOW - 10 * DAY, place)
        second = Issued("b2", NOW + 85 * DAY, ("ops",), NOW - 5 * DAY, place)
        files = {"jane": kubeconfig(groups=("ops",), serial="b2")}
        plan = users.make_plan([account()], files, {"jane": remembered(second, first)}, NOW)
        assert [issue.reason for issue in plan.issue] == ["the certificate's groups are ops"]

    def test_a_kubeconfig_that_was_written_before_a_run_was_killed_counts(self) -> None:
        record = {"jane": remembered(Issued("a1", NOW + 89 * DAY, (), None, "ctl-a:/users", kept=False))}
        plan = users.make_plan([account()], {"jane": kubeconfig()}, record, NOW)
        assert (plan.issue, plan.record_changes) == ((), True)
        (entry,) = plan.record["jane"].certificates
        assert (entry.kept, entry.place) == (True, "ctl-a:/users")

    def test_several_living_certificates_are_told(self) -> None:
        certificates = [
            Issued("a1", NOW + 80 * DAY, (), NOW - 10 * DAY, "ctl-a:/users"),
            Issued("b2", NOW + 70 * DAY, (), NOW - 20 * DAY, "ctl-b:/users"),
            # The one that was renewed, as ever.
            Issued("c3", NOW + 20 * DAY, (), NOW - 70 * DAY, "ctl-b:/users"),
        ]
        record = {"jane": remembered(*certificates)}
        (note,) = users.duplicate_notes([account()], record, NOW)
        assert note.startswith("jane has 2 living certificates")
        assert note.index("ctl-b:/users") < note.index("ctl-a:/users")
        assert users.duplicate_notes([], record, NOW) == []
        assert users.duplicate_notes([account()], {"jane": remembered(*certificates[1:])}, NOW) == []

    def test_only_users_of_the_list_can_be_issued_again(self) -> None:
        (problem,) = users.examine_reissue(["joe", "jane"], [{"name": "jane"}])
        assert str(problem) == "users_reissue: found user joe, expected only users of the list: jane"

    def test_a_third_is_enough_and_the_order_of_groups_means_nothing(self) -> None:
        file = kubeconfig(left=30, groups=("b", "a"))
        record = {"jane": remembered(Issued("a1", NOW + 30 * DAY, ("a", "b")))}
        assert not users.make_plan([account(groups=["a", "b"])], {"jane": file}, record, NOW).changed

    def test_a_file_that_is_not_as_written_today(self) -> None:
        plan = users.make_plan([account()], {"jane": Kubeconfig(certificate())}, {"jane": remembered()}, NOW)
        assert (plan.rewrite, plan.issue, plan.record_changes) == (("jane",), (), False)

    def test_a_lost_record_is_written_again(self) -> None:
        plan = users.make_plan([account()], {"jane": kubeconfig()}, None, NOW)
        assert (plan.issue, plan.record_changes) == ((), True)
        assert plan.record == {"jane": remembered(Issued("a1", NOW + 89 * DAY, (), NOW - DAY))}

    def test_a_removed_user(self) -> None:
        record = {"jane": remembered(), "joe": remembered(Issued("b2", NOW + DAY, ()))}
        files = {"jane": kubeconfig(), "joe": kubeconfig(name="joe"), "foreign": kubeconfig(name="foreign")}
        plan = users.make_plan([account()], files, record, NOW)
        assert (plan.delete, plan.record_changes) == (("joe",), True)
        # Nobody counts on a kubeconfig of joe any more.
        gone = {"jane": remembered(), "joe": remembered(Issued("b2", NOW + DAY, (), kept=False))}
        assert plan.record == gone
        again = users.make_plan([account()], {"jane": kubeconfig()}, gone, NOW)
        assert (again.changed, again.record) == (False, gone)

    def test_the_file_of_another_cluster_stays(self) -> None:
        files = {"joe": Kubeconfig(flaw="it is not of this cluster")}
        assert users.make_plan([], files, {"joe": remembered()}, NOW).delete == ()

    def test_what_has_ended_is_dropped_with_the_next_change(self) -> None:
        ended = remembered(Issued("b2", NOW - DAY, ()))
        both = {"jane": remembered(), "joe": ended}
        plan = users.make_plan([account()], {"jane": kubeconfig()}, both, NOW)
        assert (plan.changed, set(plan.record)) == (False, {"jane"})
        assert users.make_plan([], {}, {"joe": ended}, NOW).record_changes
        assert not users.make_plan([], {}, None, NOW).changed


def test_the_record_comes_back_as_it_was_written() -> None:
    last = Issued("b2", NOW + DAY, (), NOW, "ctl-a:/users", kept=False)
    record = {"jane": remembered(Issued("a1", NOW, ("a", "b")), last), "joe": Remembered()}
    assert users.read_record(users.write_record(record)) == record


@pytest.mark.parametrize("text", ["", "[]", '{"jane": 1}', '{"jane": {"lifetime": 1, "certificates": [{}]}}'])
def test_a_record_of_somebody_else(text: str) -> None:
    with pytest.raises(Refused, match="the record of users can't be read"):
        users.read_record(text)


def test_a_renewed_certificate_does_not_end_the_one_before() -> None:
    new = users.with_certificate(remembered(), 600, certificate(serial="b2", groups=("b", "a")))
    second = Issued("b2", NOW + 89 * DAY, ("a", "b"), NOW - DAY)
    assert new == Remembered(600, (Issued("a1", NOW + 89 * DAY, ()), second))
    assert users.with_certificate(new, 600, certificate(serial="b2", groups=("b", "a"))) == new


class TestNotes:
    @staticmethod
    def binding(name: str, kind: str, who: str) -> dict[str, Any]:
        metadata = {"name": name, "namespace": "demo"}
        subjects = [{"kind": kind, "name": who}]
        return {"apiVersion": f"{users.RBAC}/v1", "kind": "RoleBinding", "metadata": metadata, "subjects": subjects}

    def test_nothing_to_tell(self) -> None:
        record = {"jane": remembered(Issued("a1", NOW + DAY, ("a",)), Issued("b2", NOW + DAY, ("a", "b")))}
        assert users.notes([account(groups=["a", "b"])], record, Cluster(), NOW) == []

    def test_removed_users_until_their_last_certificate_ends(self) -> None:
        record = {"joe": remembered(Issued("a1", NOW + DAY, ()), Issued("b2", NOW + 2 * DAY, ()))}
        told = ["joe is removed; a certificate lives until 2026-11-25T12:00:00Z; no binding holds"]
        assert users.notes([], record, Cluster(), NOW) == told
        assert users.notes([], record, Cluster(), NOW + 2 * DAY) == []

    def test_a_group_that_was_left(self) -> None:
        record = {"jane": remembered(Issued("a1", NOW + DAY, ("a", "b")))}
        bindings = (self.binding("all-b", "Group", "b"), self.binding("jane", "User", "jane"))
        told = users.notes([account(groups=["a"])], record, Cluster(bindings=bindings), NOW)
        until = "2026-11-24T12:00:00Z"
        held = "bindings of others still hold: RoleBinding demo/all-b"
        assert told == [f"jane has another certificate in the groups a, b, which lives until {until}; {held}"]

    def test_bindings_of_others(self) -> None:
        bindings = (self.binding("x", "User", "joe"), self.binding("own", "User", "joe"), {**self.binding("n", "", "")})
        bindings[2]["subjects"] = None
        cluster = Cluster(bindings=bindings, own=frozenset({Identity.of(bindings[1])}))
        [told] = users.notes([], {"joe": remembered()}, cluster, NOW)
        assert told.endswith("bindings of others still hold: RoleBinding demo/x")


def test_what_a_diff_shows() -> None:
    assert users.spell_certificate(certificate(groups=("b", "a"))) == "until 2027-02-20T12:00:00Z, groups a, b"
    assert users.spell_wish(account(lifetime="36h")) == "for 36h, groups none"
    assert users.lines_of({"b": "2", "a": "1"}) == "a: 1\nb: 2\n"
