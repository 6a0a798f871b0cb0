# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Apply the preflight rules to all hosts at once, on the controller."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ansible.utils.display import Display

from ansible_collections.kubestead.cluster.plugins.plugin_utils import (
    helm,
    variables,
    view,
    virtual_ip,
)
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight import cluster, context, engine
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.finding import Finding
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.helm import helm_lists
from ansible_collections.kubestead.cluster.plugins.plugin_utils.inventory import (
    CONTROL_PLANE_GROUP,
    NFS_GROUP,
    NODE_GROUP,
    UNDEFINED,
    HostVariables,
    mapping,
    resolve,
    sequence,
)
from ansible_collections.kubestead.cluster.plugins.plugin_utils.settings import SettingsAction
from ansible_collections.kubestead.cluster.plugins.plugin_utils.variable_types import typed

display = Display()

DEFAULT_MINIMUM = context.DEFAULT_MINIMUM
ARGUMENTS: dict[str, Any] = {
    "settings": {"type": "dict", "required": True},
    "state_var": {"type": "str", "default": "__cluster_node_state"},
    "delegated_var": {"type": "str", "default": ""},
    "reachability_var": {"type": "str", "default": ""},
    "minimum": {
        "type": "dict",
        "apply_defaults": True,
        "options": {
            **{
                name: {"type": "int", "default": value} for name, value in DEFAULT_MINIMUM.items() if name != "free_mib"
            },
            "free_mib": {"type": "dict", "default": {}},
        },
    },
    "max_clock_skew": {"type": "float", "default": 5.0},
    "ignore": {"type": "list", "elements": "str", "default": []},
    "required": {"type": "list", "elements": "str", "default": []},
}


class ActionModule(SettingsAction):
    """No connection is made: what the machines are was read before."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validated, arguments = self.validate_argument_spec(ARGUMENTS)
        root = variables.collection_root()
        specs = variables.argument_specs(root)
        settings = {
            key: typed(specs.get(f"cluster_{key}") or {"type": "raw"}, value)
            for key, value in arguments["settings"].items()
            if key != UNDEFINED
        }
        free = {**DEFAULT_MINIMUM["free_mib"], **arguments["minimum"]["free_mib"]}
        intent = context.build_intent(
            settings,
            undefined=arguments["settings"].get(UNDEFINED, {}),
            minimum={**arguments["minimum"], "free_mib": free},
            max_clock_skew=arguments["max_clock_skew"],
            ignore=arguments["ignore"],
            required=arguments["required"],
            specs=specs,
            prefixes=variables.prefixes(root),
            nfs_servers=tuple(self.nfs_servers(task_vars or {}, specs)),
        )
        hosts = list(self.reports(task_vars or {}, arguments, intent))
        releases = helm_lists(intent, hosts).get("releases", ())
        base = Path(str((task_vars or {}).get("inventory_dir") or "."))
        intent = replace(intent, chart_flaws=helm.chart_flaws(releases, base))
        findings = engine.check(intent, hosts)
        errors = [finding for finding in findings if finding.severity == "error"]
        warnings = [finding for finding in findings if finding.severity == "warning"]
        for finding in engine.merged(warnings):
            display.warning(f"{finding} [{finding.rule}]")
        seed = cluster.seed(hosts)
        joining = cluster.joining(hosts)
        planes = [
            virtual_ip.ControlPlane(
                host.name,
                host.node_ip,
                host.name in (task_vars or {}).get("ansible_play_hosts_all", ()),
                (host.state or {}).get("vip_peers"),
                joins=host.name in joining and host.name != seed,
            )
            for host in cluster.control_planes(hosts)
        ]
        result.update(
            changed=False,
            findings=[asdict(finding) for finding in findings],
            warnings_found=len(warnings),
            seed=seed,
            seeds=cluster.seeds(hosts),
            initialised=cluster.initialised(hosts),
            ca_hash=cluster.cluster_ca(hosts),
            joining=joining,
            unknown_control_planes=cluster.unknown_control_planes(hosts),
            vip_waiting=virtual_ip.waiting(planes),
            vip_late=virtual_ip.late(planes),
        )
        if errors:
            result.update(failed=True, msg=message(errors))
        return result

    def nfs_servers(
        self, task_vars: Mapping[str, Any], specs: Mapping[str, Mapping[str, Any]]
    ) -> Iterator[context.NfsServer]:
        """The hosts of group nfs_server, which need not be nodes. Of what is meant for nodes they may lack a part."""
        for name in task_vars.get("groups", {}).get(NFS_GROUP, ()):
            values = HostVariables.of(task_vars["hostvars"], name, self._templar)
            yield context.NfsServer(
                name,
                node_address(values, name),
                *known(values, [item for item in values.raw if item.startswith("nfs_server_")], specs),
            )

    def reports(
        self, task_vars: Mapping[str, Any], arguments: Mapping[str, Any], intent: context.ClusterIntent
    ) -> Iterator[context.HostReport]:
        """What is known of each host of the inventory's two groups, control planes first."""
        hostvars = task_vars["hostvars"]
        groups = {name: task_vars["groups"].get(name, []) for name in (CONTROL_PLANE_GROUP, NODE_GROUP)}
        delegated = delegated_results(task_vars.get(arguments["delegated_var"]))
        # Hosts that were in the play and are no more were lost before this task.
        lost = set(task_vars.get("ansible_play_hosts_all", ())) - set(task_vars.get("ansible_play_hosts", ()))
        for name in dict.fromkeys(host for members in groups.values() for host in members):
            raw = hostvars.raw_get(name)
            yield build_report(
                name,
                frozenset(group for group, members in groups.items() if name in members),
                HostVariables.of(hostvars, name, self._templar),
                mapping(raw.get(arguments["state_var"])) or delegated.get(name, {}),
                mapping(raw.get(arguments["reachability_var"])).get("results") or (),
                intent,
                name in lost,
            )


def delegated_results(registered: object) -> dict[str, Mapping[str, Any]]:
    """Host -> result, of a task that looped over the hosts and was delegated to each."""
    results = sequence(mapping(registered).get("results"))
    return {str(result["item"]): result for result in results if "item" in mapping(result)}


def node_address(values: HostVariables, name: str) -> str:
    """The address at which nodes find a host."""
    return view.address_of(name, lambda _host, variable: values.text(variable), resolve)


def build_report(
    name: str,
    groups: frozenset[str],
    values: HostVariables,
    read: Mapping[str, Any],
    reachability: Sequence[Mapping[str, Any]],
    intent: context.ClusterIntent,
    lost: bool,
) -> context.HostReport:
    """A host's report. Of variables that the collection does not know only the name matters."""
    ours, undefined = known(values, [item for item in values.raw if looks_ours(item, intent)], intent.specs)
    times = read.get("read_at")
    state = read.get("state")
    failed = bool(read.get("failed") or read.get("unreachable"))
    return context.HostReport(
        name=name,
        groups=groups,
        node_ip=node_address(values, name),
        node_name=(values.text("node_name") or name).lower(),
        labels=mapping(values.get("node_labels")),
        annotations=mapping(values.get("node_annotations")),
        taints=values.items("node_taints"),
        variables=ours,
        undefined=undefined,
        state=None if failed else state,
        unreachable=bool(read.get("unreachable")) or (lost and state is None and not failed),
        failure=failure(read) if failed else "",
        read_at=(times["before"], times["after"]) if times else None,
        reachability=reachability,
    )


def known(
    values: HostVariables, names: Sequence[str], specs: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, Any], dict[str, str]]:
    """A host's variables of these names, in their types as far as possible, and why some can't be evaluated."""
    found = {name: typed(specs[name], values.get(name)) if name in specs else None for name in names}
    return (
        {name: value for name, value in found.items() if name not in values.undefined},
        {name: why for name, why in values.undefined.items() if name in specs},
    )


def failure(result: Mapping[str, Any]) -> str:
    """Why a module failed. Where it did not even start, the last line that Python or the shell wrote is the reason."""
    lines = str(result.get("module_stderr") or "").strip().splitlines()
    return ": ".join(
        filter(
            None, (str(result.get("msg") or "").removeprefix("Task failed: ").rstrip("."), lines[-1] if lines else "")
        )
    )


def looks_ours(name: str, intent: context.ClusterIntent) -> bool:
    return name in intent.specs or not name.startswith(("ansible_", "__"))


def message(errors: Sequence[Finding]) -> str:
    """All errors as a numbered list, each with the id by which it may be ignored."""
    problems = engine.merged(errors)
    count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
    lines = [f"{number}. {finding} [{finding.rule}]" for number, finding in enumerate(problems, start=1)]
    return "\n".join([f"Preflight found {count}; nothing has been changed.", *lines])
