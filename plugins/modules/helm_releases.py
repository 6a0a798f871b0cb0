#!/usr/bin/python
# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All Helm releases of the inventory in one execution, on the machine that has helm."""

from __future__ import annotations

DOCUMENTATION = r"""
module: helm_releases
short_description: The Helm releases of a cluster
version_added: 0.1.0
description:
  - Installs and upgrades the releases listed, and uninstalls those that it once installed and that are no longer
    listed. An upgrade that fails is rolled back, an installation that fails is taken away again, by Helm itself.
  - Runs on a machine that has helm 4 and kubectl, a control plane. What was installed is remembered in the Secret
    C(kubestead-helm) of namespace C(kube-system), which the controller keeps through O(controller_kubeconfig). A
    release that somebody else has upgraded meanwhile is brought back; one that somebody else installed is refused.
  - Nothing of Helm's stays on the machine. Credentials and values are in files of mode 0600 below C(/run) while helm
    runs, never in its arguments.
author:
  - kubestead contributors (@kubestead)
requirements:
  - helm 4 (on the machine)
  - kubectl (on the machine)
options:
  releases:
    description: All releases.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the release.
        type: str
        required: true
      namespace:
        description: Its namespace, made when missing.
        type: str
        default: default
      chart:
        description:
          - C(REPOSITORY/CHART) with a repository of O(repositories), C(oci://HOST/PATH), or a path on the controller,
            with C(/) or C(.) at its beginning, of a chart's directory or archive.
        type: str
        required: true
      version:
        description: Exact version of the chart. Needed unless the chart is a path.
        type: str
      values:
        description: Values for the chart, in place of its own.
        type: dict
        default: {}
      timeout:
        description: Seconds that its pods have to be ready.
        type: int
        default: 300
  repositories:
    description: Chart repositories.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: What charts call it.
        type: str
        required: true
      url:
        description: Its address.
        type: str
        required: true
      username:
        description: Who asks.
        type: str
      password:
        description: The password.
        type: str
      ca:
        description: Path on the control planes of the certificate authority that it is verified with.
        type: path
  registries:
    description: OCI registries that need credentials or settings.
    type: list
    elements: dict
    default: []
    suboptions:
      host:
        description: Host, with the port if it has one.
        type: str
        required: true
      username:
        description: Who asks.
        type: str
      password:
        description: The password.
        type: str
      ca:
        description: Path on the control planes of the certificate authority that it is verified with.
        type: path
      plain_http:
        description: Whether it is spoken to without TLS.
        type: bool
        default: false
  mirror_host:
    description:
      - The site's own mirror of a bundle, as host or host:port. Charts of O(repositories) and of registries then come
        from there, under what they are called elsewhere, and nothing of O(repositories) and O(registries) but the
        names counts.
    type: str
    default: ""
  mirror_ca:
    description: The certificate of the authority that the mirror proves itself by, as text in PEM format.
    type: str
    default: ""
  base:
    description: Directory on the controller that paths of charts are relative to.
    type: path
  helm:
    description: Path of helm on the machine.
    type: path
    default: helm
  kubeconfig:
    description: Kubeconfig on the machine.
    type: path
    default: /etc/kubernetes/admin.conf
  controller_kubeconfig:
    description: Kubeconfig on the controller.
    type: path
    required: true
  cluster_exists:
    description: Whether there is a cluster to ask in check mode. Without one all releases are listed as new.
    type: bool
    default: true
  orders:
    description: Filled by the action plugin with what it has found out. Not for use.
    type: dict
    default: {}
  secrets:
    description: Filled by the action plugin with values, credentials and charts of the controller. Not for use.
    type: str
attributes:
  check_mode:
    support: full
    description: Tells which releases would be installed, upgraded or uninstalled; asks no repository.
  diff_mode:
    support: full
    description:
      - Shows chart, version and revision before and after; of values, which may be secret, only that they differ.
"""

EXAMPLES = r"""
- name: Have a release
  kubestead.cluster.helm_releases:
    controller_kubeconfig: "{{ cluster_kubeconfig }}"
    repositories:
      - name: example
        url: https://charts.example.com
    releases:
      - name: web
        namespace: shop
        chart: example/web
        version: 1.4.2
        values: {replicaCount: 2}
  delegate_to: cp1
  run_once: true
"""

RETURN = r"""
actions:
  description: What was, or in check mode would be, done.
  returned: success
  type: list
  elements: str
  sample: [upgrade shop/web]
revisions:
  description: The revision of each release that is as it should be.
  returned: success
  type: dict
  sample: {shop/web: 3}
rolled_back:
  description: The revision of a release whose upgrade failed and that Helm has put back as it was.
  returned: success
  type: dict
  sample: {}
"""

import base64
import fcntl
import io
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kubestead.cluster.plugins.module_utils._redact import redact
from ansible_collections.kubestead.cluster.plugins.module_utils._runner import CommandError, Runner, guard

RUN = "/run/kubestead"
# https://github.com/helm/helm/blob/v4.3.0/pkg/storage/driver/secrets.go: each revision is a Secret with these labels.
STATES = [
    "kubectl",
    "get",
    "secrets",
    "--all-namespaces",
    "--selector=owner=helm",
    '--output=jsonpath={range .items[*]}{.metadata.namespace}{"\\t"}{.metadata.labels}{"\\n"}{end}',
]
GOOD = ("deployed", "superseded")
LABEL = "kubestead.io/helm"
# What a shell says of a program that is not there.
NOT_FOUND = 127


class Refused(Exception):
    """What is wanted can't be."""


@dataclass(frozen=True)
class Done:
    """What was done: revisions of what is as wanted (0: gone), and of what helm put back as it was before."""

    revisions: Mapping[str, int]
    rolled_back: Mapping[str, int]
    failure: str | None


@dataclass(frozen=True)
class Release:
    """A release as the cluster has it: the status of each revision, and whether it came from here."""

    revisions: Mapping[int, str] = field(default_factory=dict)
    ours: bool = False

    @property
    def last(self) -> int:
        """The last revision, 0 if there is none."""
        return max(self.revisions, default=0)

    @property
    def status(self) -> str:
        """The status of the last revision."""
        return self.revisions.get(self.last, "absent")

    @property
    def last_good(self) -> int:
        """The last revision that worked, 0 if there is none."""
        return max((number for number, status in self.revisions.items() if status in GOOD), default=0)


@dataclass(frozen=True)
class Order:
    """A release as it is wanted, with what is remembered of it; without a chart it is to go."""

    name: str
    namespace: str
    chart: str
    version: str | None
    fingerprint: str
    timeout: int
    title: str
    # Whether the chart comes from the controller.
    local: bool
    recorded: Mapping[str, Any] | None

    @property
    def key(self) -> str:
        """What it is known by."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Step:
    """One thing to do."""

    verb: str
    order: Order
    release: Release

    def __str__(self) -> str:
        return f"{self.verb} {self.order.key}"


def read_states(text: str) -> dict[str, Release]:
    """Read what kubectl tells of the releases."""
    found: dict[str, Release] = {}
    for line in text.splitlines():
        namespace, _tab, content = line.partition("\t")
        labels = json.loads(content)
        key = f"{namespace}/{labels['name']}"
        before = found.get(key, Release())
        found[key] = Release(
            {**before.revisions, int(labels["version"]): labels["status"]},
            # A revision of somebody else may lack it.
            before.ours or labels.get(LABEL) == "true",
        )
    return found


def plan(orders: Sequence[Order], found: Mapping[str, Release]) -> list[Step]:
    """Decide what is to be done: what goes first, because it may be in the way."""
    foreign = [order.key for order in orders if order.chart and order.key in found and not found[order.key].ours]
    if foreign:
        raise Refused(
            f"releases {', '.join(foreign)}: found what somebody else has installed, expected none; uninstall it, or "
            "choose another name"
        )
    steps = []
    for order in orders:
        release = found.get(order.key, Release())
        if not order.chart:
            if release.ours:
                steps.append(Step("uninstall", order, release))
        elif not release.last:
            steps.append(Step("install", order, release))
        elif not in_order(order, release):
            steps.append(Step("upgrade", order, release))
    return sorted(steps, key=lambda step: step.verb != "uninstall")


def in_order(order: Order, release: Release) -> bool:
    """Tell whether a release is as it was left, and was left as it is wanted."""
    recorded = order.recorded or {}
    return (
        release.status == "deployed"
        and recorded.get("fingerprint") == order.fingerprint
        and recorded.get("revision") == release.last
    )


def repair(release: Release) -> list[str]:
    """Return what ends an operation that was killed: helm itself would wait for it forever."""
    if not release.status.startswith("pending"):
        return []
    return ["rollback", str(release.last_good)] if release.last_good else ["uninstall"]


def difference(steps: Sequence[Step]) -> dict[str, str]:
    """Return what changes, as text."""
    before, after = [], []
    for step in steps:
        recorded = step.order.recorded or {}
        if step.release.last:
            known = f"{recorded.get('title', 'unknown chart')}, " if recorded else ""
            before.append(f"{step.order.key}: {known}revision {step.release.last} {step.release.status}\n")
        if step.verb != "uninstall":
            same = step.order.title == recorded.get("title") and step.release.status == "deployed"
            reason = ""
            if step.verb == "upgrade" and same:
                drift = recorded.get("fingerprint") == step.order.fingerprint
                reason = " (somebody else has changed it)" if drift else " (other values or content)"
            after.append(f"{step.order.key}: {step.order.title}{reason}\n")
    return {"before": "".join(before), "after": "".join(after)}


def repositories_file(repositories: Sequence[Mapping[str, Any]], secrets: Mapping[str, Any], ca: str) -> str:
    """Return what `helm repo add` would write (JSON is YAML); `ca` is for those that have none of their own."""
    entries = [
        {
            "name": item["name"],
            "url": item["url"],
            "caFile": item.get("ca") or ca,
            **secrets.get(item["name"], {"username": "", "password": ""}),
        }
        for item in repositories
    ]
    return json.dumps({"apiVersion": "", "generated": "2026-01-01T00:00:00Z", "repositories": entries})


def registry_file(secrets: Mapping[str, Mapping[str, str]]) -> str:
    """Return what `helm registry login` would write."""
    auths = {
        host: {"auth": base64.b64encode(f"{item['username']}:{item['password']}".encode()).decode()}
        for host, item in secrets.items()
    }
    return json.dumps({"auths": auths})


def registry_options(chart: str, registries: Sequence[Mapping[str, Any]], ca: str) -> list[str]:
    """Return how the registry of a chart is spoken to; `ca` is for those that have no settings."""
    host = chart[len("oci://") :].partition("/")[0]
    for item in registries:
        if item["host"] == host:
            plain = ["--plain-http"] if item.get("plain_http") else []
            return [*plain, *(["--ca-file", item["ca"]] if item.get("ca") else [])]
    return ["--ca-file", ca] if ca else []


def write(path: str, content: str) -> None:
    """Write a file that nobody else can read."""
    with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as handle:
        handle.write(content)


class Helm:
    """Helm with a home of its own, for as long as it is needed."""

    def __init__(self, run: Runner, home: str, params: Mapping[str, Any]) -> None:
        """Write what helm reads."""
        self._run = run
        self._home = home
        self._params = params
        self._secrets = json.loads(params["secrets"] or "{}")
        for name in ("CACHE", "CONFIG", "DATA"):
            os.environ[f"HELM_{name}_HOME"] = os.path.join(home, name.lower())
        self._ca = self._path("mirror.crt") if params["mirror_ca"] else ""
        if self._ca:
            write(self._ca, params["mirror_ca"])
        write(
            self._path("repositories.yaml"),
            repositories_file(params["repositories"], self._secrets.get("repositories", {}), self._ca),
        )
        write(self._path("registry.json"), registry_file(self._secrets.get("registries", {})))
        self._updated: set[str] = set()

    def _path(self, name: str) -> str:
        return os.path.join(self._home, name)

    def __call__(self, *arguments: str) -> None:
        """Run helm."""
        settings = [
            "--kubeconfig",
            self._params["kubeconfig"],
            "--repository-config",
            self._path("repositories.yaml"),
            "--repository-cache",
            self._path("repository"),
            "--registry-config",
            self._path("registry.json"),
        ]
        self._run([self._params["helm"], *arguments, *settings])

    def chart(self, order: Order) -> list[str]:
        """Return how helm finds a chart, after it was brought where helm finds it."""
        if order.local:
            return [unpack(self._secrets["charts"][order.key], tempfile.mkdtemp(dir=self._home))]
        version = ["--version", order.version or ""]
        if order.chart.startswith("oci://"):
            return [order.chart, *version, *registry_options(order.chart, self._params["registries"], self._ca)]
        repository = order.chart.partition("/")[0]
        if repository not in self._updated:
            self("repo", "update", repository)
            self._updated.add(repository)
        return [order.chart, *version]

    def do(self, step: Step) -> None:
        """Carry a step out."""
        order = step.order
        place = ["--namespace", order.namespace, "--timeout", f"{order.timeout}s"]
        if step.verb == "uninstall":
            self("uninstall", order.name, *place, "--wait")
            return
        mending = repair(step.release)
        if mending:
            self(mending[0], order.name, *mending[1:], *place, "--wait")
        chart = self.chart(order)
        values = self._path("values.json")
        write(values, json.dumps(self._secrets["values"][order.key]))
        self(
            "upgrade",
            "--install",
            order.name,
            *chart,
            "--create-namespace",
            "--reset-values",
            "--rollback-on-failure",
            "--wait",
            "--values",
            values,
            "--labels",
            f"{LABEL}=true",
            *place,
        )


def unpack(archive: str, folder: str) -> str:
    """Unpack a chart, and return its directory."""
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(archive)), mode="r:gz") as content:
        for member in content.getmembers():
            target = os.path.realpath(os.path.join(folder, member.name))
            if not target.startswith(os.path.join(os.path.realpath(folder), "")) or not (
                member.isfile() or member.isdir()
            ):
                raise Refused(f"the chart's archive: found {member.name}, expected files and directories inside it")
        content.extractall(folder)  # noqa: S202 - every member was looked at
    return os.path.join(folder, os.listdir(folder)[0])


@contextmanager
def home() -> Iterator[str]:
    """Have a directory for secrets, one run at a time."""
    os.makedirs(RUN, mode=0o700, exist_ok=True)
    with open(os.path.join(RUN, "helm.lock"), "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(
                "found another run that works on the releases of this cluster; wait until it has ended"
            ) from None
        # Secrets of a run that was killed.
        for name in os.listdir(RUN):
            if name.startswith("helm-"):
                shutil.rmtree(os.path.join(RUN, name))
        folder = tempfile.mkdtemp(dir=RUN, prefix="helm-")
        try:
            yield folder
        finally:
            shutil.rmtree(folder)


def explain(step: Step, error: CommandError) -> str:
    """Return why helm failed, without its command line of many paths."""
    lines = [line for line in error.stderr.splitlines() if line and not line.startswith("level=")]
    reason = " ".join(lines).partition("Error: ")[2] or str(error)
    hint = f"look at `kubectl -n {step.order.namespace} get events` and at the pods"
    if error.rc == NOT_FOUND:
        hint = "give the machine helm again with helm_enabled: true, and an empty helm_releases if they are to go"
    return f"{step} ({step.order.title or 'no longer listed'}): {redact(reason)}; {hint}"


def carry_out(run: Runner, params: Mapping[str, Any], steps: Sequence[Step], orders: Sequence[Order]) -> Done:
    """Do all steps up to one that fails."""
    failure = None
    open_steps = list(steps)
    with home() as folder:
        helm = Helm(run, folder, params)
        try:
            while open_steps:
                helm.do(open_steps[0])
                open_steps.pop(0)
        except CommandError as error:
            failure = explain(open_steps[0], error)
    found = read_states(run(STATES).stdout)
    waiting = {step.order.key for step in open_steps}
    return Done(
        revisions={
            order.key: found[order.key].last if order.chart else 0 for order in orders if order.key not in waiting
        },
        rolled_back={step.order.key: found[step.order.key].last for step in open_steps[:1] if went_back(step, found)},
        failure=failure,
    )


def went_back(step: Step, found: Mapping[str, Release]) -> bool:
    """Tell whether a release is again as it was left the last time, under a new revision."""
    after = found.get(step.order.key, Release())
    untouched = (step.order.recorded or {}).get("revision") == step.release.last
    return untouched and after.last > step.release.last and after.status == "deployed"


ARGUMENT_SPEC: dict[str, Any] = {
    "releases": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "namespace": {"type": "str", "default": "default"},
            "chart": {"type": "str", "required": True},
            "version": {"type": "str"},
            "values": {"type": "dict", "default": {}},
            "timeout": {"type": "int", "default": 300},
        },
    },
    "repositories": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "url": {"type": "str", "required": True},
            "username": {"type": "str"},
            "password": {"type": "str", "no_log": True},
            "ca": {"type": "path"},
        },
    },
    "registries": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "host": {"type": "str", "required": True},
            "username": {"type": "str"},
            "password": {"type": "str", "no_log": True},
            "ca": {"type": "path"},
            "plain_http": {"type": "bool", "default": False},
        },
    },
    "mirror_host": {"type": "str", "default": ""},
    "mirror_ca": {"type": "str", "default": ""},
    "base": {"type": "path"},
    "helm": {"type": "path", "default": "helm"},
    "kubeconfig": {"type": "path", "default": "/etc/kubernetes/admin.conf"},
    "controller_kubeconfig": {"type": "path", "required": True},
    "cluster_exists": {"type": "bool", "default": True},
    "orders": {"type": "dict", "default": {}},
    "secrets": {"type": "str", "no_log": True},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    run = Runner(module)
    os.environ["KUBECONFIG"] = module.params["kubeconfig"]
    orders = [Order(**order) for order in module.params["orders"].values()]
    with guard(module):
        found = read_states(run(STATES).stdout)
        steps = plan(orders, found)
        result = {
            "changed": bool(steps),
            "actions": [str(step) for step in steps],
            "diff": difference(steps),
            # Uninstalled by somebody else, or never installed: nothing to remember.
            "revisions": {
                order.key: 0 for order in orders if not order.chart and not found.get(order.key, Release()).ours
            },
            "rolled_back": {},
        }
        charts = json.loads(module.params["secrets"] or "{}").get("charts", {})
        lacking = [step.order.key for step in steps if step.order.local and step.order.key not in charts]
        if lacking and not module.check_mode:
            # Nothing was done: the action asks once more, and sends them.
            module.exit_json(changed=False, lacking=lacking)
        if steps and not module.check_mode:
            done = carry_out(run, module.params, steps, orders)
            result.update(revisions=done.revisions, rolled_back=done.rolled_back)
            if done.failure:
                module.fail_json(msg=done.failure, **result)
        module.exit_json(**result)


if __name__ == "__main__":
    main()
