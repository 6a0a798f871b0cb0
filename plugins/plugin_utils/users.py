# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users of a cluster: what the inventory wants, what is there, and what follows. Pure functions only.

A user is a certificate (https://kubernetes.io/docs/reference/access-authn-authz/authentication/#x509-client-certificates):
its common name is the user's name, its organizations are the groups. The API keeps no list of users and revokes no
certificate, so a record of those that were issued is kept in a ConfigMap.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.kubestead.cluster.plugins.plugin_utils.inventory import Problem, together
from ansible_collections.kubestead.cluster.plugins.plugin_utils.manifests import Identity

RBAC = "rbac.authorization.k8s.io"
PART = "users"
RECORD_KEY = "users.json"
# https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/certificate-signing-request-v1/
MINIMUM_LIFETIME = 600
# RFC 5280, appendix A.1: ub-common-name and ub-organization-name
MAXIMUM_NAME = 64
# The name is also that of a file, and part of the names of bindings.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9@._+-]*\Z")
LIFETIME = re.compile(r"([1-9][0-9]*)([mhd])\Z")
#: https://kubernetes.io/docs/reference/kubernetes-api/authorization-resources/cluster-role-v1/
RULE_KEYS = ("apiGroups", "resources", "resourceNames", "nonResourceURLs", "verbs")
#: kubeadm binds its groups to cluster-admin
#: (https://kubernetes.io/docs/reference/setup-tools/kubeadm/implementation-details/).
RESERVED_GROUPS = ("system:", "kubeadm:")
SECONDS = {"m": 60, "h": 3600, "d": 86400}


class Refused(Exception):
    """What is wanted can't be; all reasons at once."""

    def __init__(self, problems: Sequence[object]) -> None:
        super().__init__(together(problems))


@dataclass(frozen=True)
class Grant:
    """What a user may do: a role that exists, or rules that become a role of ours."""

    kind: str
    name: str
    namespace: str | None
    rules: tuple[Mapping[str, Any], ...] | None = None


@dataclass(frozen=True)
class Account:
    """One user as the inventory has it; the lifetime in seconds."""

    name: str
    groups: tuple[str, ...]
    lifetime: int
    grants: tuple[Grant, ...]


@dataclass(frozen=True)
class Certificate:
    """A client certificate of this cluster."""

    serial: str
    name: str
    groups: tuple[str, ...]
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True)
class Kubeconfig:
    """The file of a user: the certificate in it, or why there is none that can be used."""

    certificate: Certificate | None = None
    flaw: str | None = None
    # Whether all but the certificate is as it would be written today: server, authority, names, mode.
    current: bool = False


@dataclass(frozen=True)
class Issued:
    """A certificate in the record: whoever has it is the user until then, in these groups.

    `since` and `place` tell when it was issued and for which directory of which controller; None and "" in records that
    an older release wrote. `kept` is whether its kubeconfig was written and not removed since, so that the user can
    go on with it: the key of a run that was killed is lost.
    """

    serial: str
    until: datetime
    groups: tuple[str, ...]
    since: datetime | None = None
    place: str = ""
    kept: bool = True


@dataclass(frozen=True)
class Remembered:
    """What the record says of a user."""

    lifetime: int | None = None
    certificates: tuple[Issued, ...] = ()


Record = Mapping[str, Remembered]


@dataclass(frozen=True)
class Issue:
    """A certificate to be issued, and why."""

    account: Account
    reason: str


@dataclass(frozen=True)
class Withheld:
    """A certificate that is not issued, as the user has a living one that is not in this directory."""

    account: Account
    reason: str
    living: Issued


@dataclass(frozen=True)
class Plan:
    """What is to be done beside roles and bindings. `rewrite` are users whose file keeps its key and certificate."""

    withheld: tuple[Withheld, ...] = ()
    delete: tuple[str, ...] = ()
    issue: tuple[Issue, ...] = ()
    rewrite: tuple[str, ...] = ()
    record: Record = field(default_factory=dict)
    record_changes: bool = False

    @property
    def changed(self) -> bool:
        """Whether anything is to be done."""
        return bool(self.delete or self.issue or self.rewrite or self.record_changes)


@dataclass(frozen=True)
class Cluster:
    """What there is in the cluster: namespaces, roles, which of them this part made, and bindings."""

    namespaces: frozenset[str] = frozenset()
    roles: frozenset[Identity] = frozenset()
    bindings: tuple[Mapping[str, Any], ...] = ()
    own: frozenset[Identity] = frozenset()


def seconds(text: str) -> int | None:
    """Return the length of a lifetime such as 90d, 12h or 30m, None for what is no lifetime."""
    match = LIFETIME.match(text)
    return int(match.group(1)) * SECONDS[match.group(2)] if match else None


def spell(lifetime: int) -> str:
    """Return a lifetime as one writes it."""
    unit = next(unit for unit in "dhm" if lifetime % SECONDS[unit] == 0)
    return f"{lifetime // SECONDS[unit]}{unit}"


def moment(text: str) -> datetime:
    """Read a time such as 2027-02-21T10:00:00Z."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def timestamp(time: datetime) -> str:
    """Return a time such as 2027-02-21T10:00:00Z."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_accounts(given: Sequence[Mapping[str, Any]]) -> tuple[Account, ...]:
    """Read the users of the inventory, or tell everything that is wrong with them."""
    accounts, problems = examine(given)
    if problems:
        raise Refused(problems)
    return accounts


def examine(given: Sequence[Mapping[str, Any]]) -> tuple[tuple[Account, ...], list[Problem]]:
    """Read the users as far as they can be read, and everything that is wrong with them."""
    problems: list[Problem] = []
    accounts = tuple(_account(index, item, problems) for index, item in enumerate(given))
    names = [account.name for account in accounts]
    twice = sorted({name for name in names if names.count(name) > 1})
    problems += [Problem(f"user {name}", f"it {names.count(name)} times", "each user once") for name in twice]
    problems += _ambiguous(accounts)
    return accounts, problems


def examine_lifetime(where: str, text: str) -> list[Problem]:
    """Tell what is wrong with how long a certificate is to live."""
    if (seconds(text) or 0) >= MINIMUM_LIFETIME:
        return []
    return [Problem(where, f"the lifetime {text!r}", "at least 10m, such as 12h or 90d")]


def _account(index: int, given: Mapping[str, Any], problems: list[Problem]) -> Account:
    name = str(given["name"])
    where = f"user {name or f'number {index + 1}'}"
    if not NAME.match(name) or len(name) > MAXIMUM_NAME:
        expected = f"at most {MAXIMUM_NAME} letters, digits and @ . _ + -, the first a letter or digit"
        problems.append(Problem(where, f"the name {name!r}", expected))
    groups = tuple(str(group) for group in given.get("groups") or [])
    for group in groups:
        if group.startswith(RESERVED_GROUPS):
            found = f"the group {group}, which is reserved for {'Kubernetes' if group[0] == 's' else 'kubeadm'}"
            remedy = "give cluster_role: cluster-admin for full access"
            problems.append(Problem(where, found, "one of your own", remedy))
        elif not group or len(group) > MAXIMUM_NAME:
            problems.append(Problem(where, f"the group {group!r}", f"1 to {MAXIMUM_NAME} characters"))
    if len(set(groups)) < len(groups):
        problems.append(Problem(where, f"a group twice in {', '.join(groups)}", "each once"))
    lifetime = str(given["lifetime"])
    problems += examine_lifetime(where, lifetime)
    grants = tuple(_grant(where, number, item, problems) for number, item in enumerate(given.get("roles") or []))
    if len({(grant.kind, grant.name, grant.namespace) for grant in grants}) < len(grants):
        problems.append(Problem(where, "a role twice", "each once"))
    return Account(name=name, groups=groups, lifetime=seconds(lifetime) or 0, grants=grants)


def _grant(where: str, number: int, given: Mapping[str, Any], problems: list[Problem]) -> Grant:
    where = f"{where}, roles[{number}]"
    namespace = given.get("namespace") or None
    chosen = [key for key in ("cluster_role", "role", "rules") if given.get(key)]
    if len(chosen) != 1:
        found = f"{' and '.join(chosen) or 'none'} of cluster_role, role and rules"
        problems.append(Problem(where, found, "exactly one"))
        return Grant("ClusterRole", f"#{number}", namespace)
    if chosen == ["cluster_role"]:
        return Grant("ClusterRole", given["cluster_role"], namespace)
    if chosen == ["role"]:
        if namespace is None:
            problems.append(Problem(where, f"role {given['role']} without its namespace", "both"))
        return Grant("Role", given["role"], namespace)
    if not given.get("name"):
        problems.append(Problem(where, "rules without a name", "the name of the role that they become"))
    kind = "Role" if namespace else "ClusterRole"
    rules = tuple(_rule(where, rule, namespace is not None, problems) for rule in given["rules"])
    return Grant(kind, given.get("name") or f"#{number}", namespace, rules)


def _rule(where: str, given: Mapping[str, Any], namespaced: bool, problems: list[Problem]) -> dict[str, Any]:
    """Read a rule; what is asked of it here is what the API asks."""
    given = {str(key): value for key, value in given.items() if value}
    expected = [] if set(RULE_KEYS).issuperset(given) else [f"only the keys {', '.join(RULE_KEYS)}"]
    expected += [f"a list as its {key}" for key, value in given.items() if not isinstance(value, list)]
    if "verbs" not in given:
        expected.append("one with verbs")
    if "nonResourceURLs" in given:
        if namespaced:
            expected.append("nonResourceURLs only in a role without a namespace")
        if not {"apiGroups", "resources", "resourceNames"}.isdisjoint(given):
            expected.append("resources or nonResourceURLs, not both")
    elif not {"apiGroups", "resources"} <= given.keys():
        expected.append("apiGroups and resources, or nonResourceURLs")
    problems += [Problem(where, f"the rule {json.dumps(given, default=str)}", text) for text in expected]
    return {} if expected else clean(given)


def _ambiguous(accounts: Iterable[Account]) -> list[Problem]:
    """Tell of rules that differ under one name."""
    seen: dict[tuple[str, str | None, str], tuple[str, Any]] = {}
    problems = []
    for account in accounts:
        for grant in account.grants:
            if grant.rules is None:
                continue
            other, rules = seen.setdefault((grant.kind, grant.namespace, grant.name), (account.name, grant.rules))
            if rules != grant.rules:
                found = f"other rules for {grant.kind} {grant.name} than user {other} has"
                problems.append(Problem(f"user {account.name}", found, "the same, or another name"))
    return problems


def clean(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Return a rule without what it leaves empty, as the API keeps it."""
    return {key: [str(item) for item in value] for key, value in rule.items() if value}


def role_of(grant: Grant) -> Identity:
    """Return the role that a grant is about."""
    return Identity(f"{RBAC}/v1", grant.kind, (grant.namespace or "") if grant.kind == "Role" else "", grant.name)


def definitions(accounts: Iterable[Account]) -> list[dict[str, Any]]:
    """Return the roles and bindings that the accounts need."""
    made: dict[Identity, dict[str, Any]] = {}
    for account in accounts:
        for grant in account.grants:
            if grant.rules is not None:
                role = _object(grant.kind, grant.namespace, grant.name)
                made[role_of(grant)] = {**role, "rules": [dict(rule) for rule in grant.rules]}
            binding = {
                **_object(
                    "RoleBinding" if grant.namespace else "ClusterRoleBinding",
                    grant.namespace,
                    # A binding's role can't be changed: another role is another binding.
                    f"kubestead:{account.name}:{grant.kind}:{grant.name}",
                ),
                "roleRef": {"apiGroup": RBAC, "kind": grant.kind, "name": grant.name},
                "subjects": [{"apiGroup": RBAC, "kind": "User", "name": account.name}],
            }
            made[Identity.of(binding)] = binding
    return list(made.values())


def _object(kind: str, namespace: str | None, name: str) -> dict[str, Any]:
    place = {"namespace": namespace} if namespace else {}
    return {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": {"name": name, **place}}


def refusals(accounts: Sequence[Account], cluster: Cluster, lenient: bool) -> list[str]:
    """Tell what in the cluster does not fit. Lenient: what an earlier step would make may be missing."""
    problems = []
    for account in accounts:
        for number, grant in enumerate(account.grants):
            role = role_of(grant)
            where = f"user {account.name}, roles[{number}]"
            if grant.rules is not None and role in cluster.roles - cluster.own:
                key = "role" if grant.kind == "Role" else "cluster_role"
                problems.append(
                    f"{where}: {role} is there and is not of this list; expected a free name, or {key}: {grant.name} "
                    "instead of rules"
                )
            elif lenient:
                continue
            elif grant.namespace is not None and grant.namespace not in cluster.namespaces:
                problems.append(
                    f"{where}: found no namespace {grant.namespace} in the cluster; make it first, or correct the name"
                )
            elif grant.rules is None and role not in cluster.roles:
                problems.append(f"{where}: found no {role} in the cluster; expected one that exists, or rules")
    return problems


def reason_to_replace(account: Account, certificate: Certificate, remembered: Remembered, now: datetime) -> str | None:
    """Tell why a certificate will not do, None if it will."""
    if certificate.name != account.name:
        return f"the certificate is for {certificate.name}"
    if set(certificate.groups) != set(account.groups):
        return f"the certificate's groups are {', '.join(sorted(certificate.groups)) or 'none'}"
    if is_due(certificate.not_before, certificate.not_after, now):
        return f"less than a third of the certificate's life is left: it ends at {timestamp(certificate.not_after)}"
    if remembered.lifetime is not None and remembered.lifetime != account.lifetime:
        return f"the lifetime was {spell(remembered.lifetime)}"
    return None


def living(remembered: Remembered, now: datetime) -> Remembered:
    """Return what is remembered without certificates that have ended."""
    return Remembered(remembered.lifetime, tuple(item for item in remembered.certificates if item.until > now))


def with_certificate(remembered: Remembered, lifetime: int, certificate: Certificate, **how: Any) -> Remembered:
    """Return what is remembered once a user has this certificate; `how` are further fields of `Issued`."""
    others = tuple(item for item in remembered.certificates if item.serial != certificate.serial)
    known = next((item for item in remembered.certificates if item.serial == certificate.serial), None)
    entry = Issued(
        certificate.serial,
        certificate.not_after,
        tuple(sorted(certificate.groups)),
        **{"since": certificate.not_before, "place": known.place if known else "", "kept": True, **how},
    )
    return Remembered(lifetime, (*others, entry))


def written(record: Record, serials: Collection[str]) -> dict[str, Remembered]:
    """Return the record once the kubeconfigs with these certificates are written."""
    return {
        name: replace(
            entry,
            certificates=tuple(replace(one, kept=True) if one.serial in serials else one for one in entry.certificates),
        )
        for name, entry in record.items()
    }


def removed(entry: Remembered) -> Remembered:
    """Return what is remembered of a user whose kubeconfig is removed: listed again, the user gets another one."""
    return replace(entry, certificates=tuple(replace(one, kept=False) for one in entry.certificates))


def is_due(since: datetime, until: datetime, now: datetime) -> bool:
    """Tell whether a certificate is to be renewed: less than a third of its life is left."""
    return until - now < (until - since) / 3


def recorded_due(one: Issued, lifetime: int | None, now: datetime) -> bool:
    """The same for a certificate in the record; an old record tells the lifetime alone."""
    return is_due(one.since or one.until - timedelta(seconds=lifetime or 0), one.until, now)


def usable(account: Account, remembered: Remembered, now: datetime) -> Issued | None:
    """Return the certificate in the record that the user should go on with, the last one where there are several.

    A later certificate for the same directory has overwritten the kubeconfig of an earlier one.
    """
    if remembered.lifetime not in (None, account.lifetime):
        return None
    last = {one.place: one for one in sorted(remembered.certificates, key=lambda one: (one.kept, age_key(one)))}
    found = [
        one
        for one in last.values()
        if one.kept
        and one.until > now
        and set(one.groups) == set(account.groups)
        and not recorded_due(one, remembered.lifetime, now)
    ]
    return max(found, key=lambda one: one.until, default=None)


def age_key(one: Issued) -> tuple[bool, datetime]:
    """Return a key that sorts certificates by their age; those of old records come first."""
    return one.since is not None, one.since or one.until


def make_plan(
    accounts: Sequence[Account],
    files: Mapping[str, Kubeconfig],
    recorded: Record | None,
    now: datetime,
    reissue: Collection[str] = (),
) -> Plan:
    """Decide what is to be done, from the files by user and the record (None: there is none).

    `reissue` are the users who get another certificate in any case.
    """
    before = {name: living(entry, now) for name, entry in (recorded or {}).items()}
    listed = {account.name for account in accounts}
    # Who was removed is remembered as long as a certificate lives.
    others = {name: entry for name, entry in before.items() if entry.certificates and name not in listed}
    record = {name: removed(entry) for name, entry in others.items()}
    issue, withheld, rewrite = [], [], []
    for account in accounts:
        file = files.get(account.name, Kubeconfig())
        remembered = before.get(account.name, Remembered())
        record[account.name] = remembered
        certificate = file.certificate
        reason = (
            "another one is asked for"
            if account.name in reissue
            else reason_to_replace(account, certificate, remembered, now)
            if certificate
            else file.flaw or "there is no kubeconfig yet"
        )
        elsewhere = None if account.name in reissue else usable(account, remembered, now)
        if reason and elsewhere:
            withheld.append(Withheld(account, reason, elsewhere))
        elif reason:
            issue.append(Issue(account, reason))
        if reason or certificate is None:
            continue
        known = {item.serial: item for item in remembered.certificates}.get(certificate.serial)
        if known is None or not known.kept:
            record[account.name] = with_certificate(remembered, account.lifetime, certificate)
        if not file.current:
            rewrite.append(account.name)
    return Plan(
        withheld=tuple(withheld),
        # A file that is not of this cluster is none of ours.
        delete=tuple(
            sorted(name for name, file in files.items() if name in before and name not in listed and file.certificate)
        ),
        issue=tuple(issue),
        rewrite=tuple(rewrite),
        record=record,
        # What has only ended is dropped with the next change, or when nothing else is left.
        record_changes=bool(issue)
        or record != {**{name: before[name] for name in listed if name in before}, **others}
        or (recorded is not None and not record),
    )


def examine_reissue(names: Sequence[str], accounts: Sequence[Mapping[str, Any]]) -> list[Problem]:
    """Tell which users who are to get another certificate are not in the list."""
    listed = sorted(str(account.get("name")) for account in accounts)
    return [
        Problem("users_reissue", f"user {name}", f"only users of the list: {', '.join(listed) or 'there is none'}")
        for name in names
        if name not in listed
    ]


def read_record(text: str) -> dict[str, Remembered]:
    """Read the record, as `write_record` writes it."""
    try:
        return {
            name: Remembered(entry["lifetime"], tuple(_issued(one) for one in entry["certificates"]))
            for name, entry in json.loads(text).items()
        }
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise Refused(
            [f"the record of users can't be read ({error}): found {text[:200]!r}, expected what this module writes"]
        ) from None


def _issued(entry: Mapping[str, Any]) -> Issued:
    since = entry.get("since")
    return Issued(
        entry["serial"],
        moment(entry["until"]),
        tuple(entry["groups"]),
        moment(since) if since else None,
        str(entry.get("place", "")),
        bool(entry.get("kept", True)),
    )


def _entry(one: Issued) -> dict[str, Any]:
    return {
        "serial": one.serial,
        "until": timestamp(one.until),
        "groups": list(one.groups),
        **({"since": timestamp(one.since)} if one.since else {}),
        **({"place": one.place} if one.place else {}),
        **({} if one.kept else {"kept": False}),
    }


def write_record(record: Record) -> str:
    """Return the record as text."""
    return json.dumps(
        {
            name: {
                "lifetime": entry.lifetime,
                "certificates": [_entry(one) for one in entry.certificates],
            }
            for name, entry in sorted(record.items())
        },
        indent=1,
    )


def bound(cluster: Cluster, name: str, groups: Iterable[str]) -> list[str]:
    """Return the bindings of others that give something to a user or to one of these groups."""
    who = {("User", name), *(("Group", group) for group in groups)}
    return [
        str(identity)
        for identity, binding in ((Identity.of(item), item) for item in cluster.bindings)
        if identity not in cluster.own
        and any((subject["kind"], subject["name"]) in who for subject in binding.get("subjects") or [])
    ]


def notes(accounts: Sequence[Account], record: Record, cluster: Cluster, now: datetime) -> list[str]:
    """Tell which certificates live on that the inventory no longer wants: none can be revoked."""
    wanted = {account.name: set(account.groups) for account in accounts}
    told = []
    for name, entry in sorted(record.items()):
        latest: dict[tuple[str, ...], datetime] = {}
        for one in living(entry, now).certificates:
            latest[one.groups] = max(one.until, latest.get(one.groups, one.until))
        for groups, until in sorted(latest.items()):
            member = f" in the groups {', '.join(groups)}" if groups else ""
            if name not in wanted:
                text = f"{name} is removed; a certificate{member} lives until {timestamp(until)}"
                others = bound(cluster, name, groups)
            elif set(groups) - wanted[name]:
                text = f"{name} has another certificate{member}, which lives until {timestamp(until)}"
                others = bound(cluster, "", set(groups) - wanted[name])
            else:
                continue
            held = f"bindings of others still hold: {', '.join(others)}" if others else "no binding holds"
            told.append(f"{text}; {held}")
    return told


def spell_issued(one: Issued) -> str:
    """Return where a certificate was issued, and from when until when it is valid."""
    since = f"from {timestamp(one.since)} " if one.since else ""
    place = one.place or "a place that was not recorded"
    lost = "" if one.kept else " (without a kubeconfig)"
    return f"issued in {place}{lost}, valid {since}until {timestamp(one.until)}"


def withheld_notes(plan: Plan, directory: str) -> list[str]:
    """Tell which certificates were not issued, where the living ones are, and what to do."""
    return [
        f"{item.account.name} gets no other certificate in {directory} ({item.reason}): found a living one, "
        f"{spell_issued(item.living)}; copy {item.account.name}.kubeconfig from there, or run once with "
        f'-e \'{{"users_reissue": ["{item.account.name}"]}}\' if it is lost'
        for item in plan.withheld
    ]


def duplicate_notes(accounts: Sequence[Account], record: Record, now: datetime) -> list[str]:
    """Tell which users have several living certificates, none of which is about to be renewed."""
    told = []
    for account in accounts:
        entry = living(record.get(account.name, Remembered()), now)
        found = [one for one in entry.certificates if not recorded_due(one, entry.lifetime, now)]
        if len(found) > 1:
            several = "; ".join(spell_issued(one) for one in sorted(found, key=lambda one: one.until))
            told.append(
                f"{account.name} has {len(found)} living certificates, and whoever holds one of them is "
                f"{account.name}: {several}. None can be revoked; let all controllers use one users_directory"
            )
    return told


def left_behind(accounts: Sequence[Account], files: Mapping[str, Kubeconfig], paths: Mapping[str, str]) -> list[str]:
    """Tell which kubeconfigs of users who are not listed stay: what is not of this cluster may be somebody else's."""
    listed = {account.name for account in accounts}
    return [
        f"{name} is not listed, and {paths[name]} stays: {file.flaw}; remove it if nobody needs it"
        for name, file in sorted(files.items())
        if name not in listed and file.flaw
    ]


def spell_certificate(certificate: Certificate) -> str:
    """Return what a diff shows of a certificate."""
    return f"until {timestamp(certificate.not_after)}, groups {', '.join(sorted(certificate.groups)) or 'none'}"


def spell_wish(account: Account) -> str:
    """Return what a diff shows of a certificate that is to be issued."""
    return f"for {spell(account.lifetime)}, groups {', '.join(sorted(account.groups)) or 'none'}"


def lines_of(certificates: Mapping[str, str]) -> str:
    """Return certificates by user as text for a diff."""
    return "".join(f"{name}: {text}\n" for name, text in sorted(certificates.items()))
