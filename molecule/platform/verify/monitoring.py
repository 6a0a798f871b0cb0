# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks the Prometheus of a cluster, through the API: monitoring.py KUBECONFIG all|kept|alert NAME [STATE].

all: every target is up, every rule of the role's files is loaded, and every selector and every whole expression of all
rules and dashboards finds a number; of a comparison its left side, as an alert that does not fire finds nothing. Of
metrics that are there only while something is wrong (QUIET) a target has to tell the name.
kept: what it was told is still there after its pod was deleted. alert: waits until this one is in this state (firing,
then also known to Alertmanager, or inactive).
"""

from __future__ import annotations

import json
import math
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml

from ansible_collections.kubestead.cluster.plugins.module_utils._kube import Api, connect

SECONDS = 420.0
PAUSE = 5.0
FILES = Path(__file__).parents[3] / "roles/monitoring/files"
PODS = "/api/v1/namespaces/monitoring/pods"
PROMETHEUS = "/api/v1/namespaces/monitoring/services/prometheus:http/proxy"
ALERTMANAGER = "/api/v1/namespaces/monitoring/services/alertmanager:http/proxy"
# Of what is left out by "unless", too, the left side counts.
COMPARISONS = {"==", "!=", "<", ">", "<=", ">=", "unless"}
SECONDS_OF = {"s": 1, "m": 60, "h": 3600}
# Of a dashboard's variables, all values; Grafana's own interval.
# An interval of these in which something was observed: without, a quantile is no number.
VARIABLES = {"__rate_interval": "10m", "__interval": "1m", "__range": "1h"}
# These have no series while all is well. That their target tells of them, even so, is what can be asked.
QUIET = {"kube_pod_container_status_waiting_reason", "kube_pod_init_container_status_waiting_reason"}
ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})
Query = tuple[str, str]


class Prometheus:
    """The one in the cluster."""

    def __init__(self, api: Api) -> None:
        """Remember how the cluster is reached."""
        self.api = api

    def get(self, path: str, **parameters: str) -> Any:
        """Ask Prometheus' own API."""
        answer = json.loads(self.api.text(f"{PROMETHEUS}/api/v1/{path}?{urlencode(parameters)}"))
        if answer["status"] != "success":
            raise ValueError(answer)
        return answer["data"]

    def numbers(self, expression: str, **parameters: str) -> list[float]:
        """The numbers among the values that a query finds."""
        data = self.get("query", query=expression, **parameters)
        pairs = (
            [data["result"]]
            if data["resultType"] == "scalar"
            else [pair for item in data["result"] for pair in item.get("values") or [item["value"]]]
        )
        return [number for _time, value in pairs if math.isfinite(number := float(value))]

    def answers(self, query: str) -> bool:
        """Whether a query finds a number; of a metric that may be quiet, whether it is known."""
        return bool(self.get("metadata", metric=query) if query in QUIET else self.numbers(query))

    def targets(self) -> list[dict[str, Any]]:
        """All targets that are scraped."""
        found: list[dict[str, Any]] = self.get("targets", state="active")["activeTargets"]
        return found

    def rules(self) -> list[dict[str, Any]]:
        """All rules, as they are loaded."""
        return [rule for group in self.get("rules")["groups"] for rule in group["rules"]]

    def files(self, pattern: str) -> Iterator[Path]:
        """The role's files that fit the cluster."""
        jobs = [item["labels"]["job"] for item in self.targets()]
        fits = {
            "alertmanager": "alertmanager" in jobs,
            "etcd-peers": jobs.count("etcd") > 1,
            "haproxy": "haproxy" in jobs,
            "load-balancer": "haproxy" in jobs,
        }
        return (path for path in sorted(FILES.glob(pattern)) if fits.get(path.stem, True))

    def dashboards(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The dashboards that fit the cluster, as Grafana would get them."""
        for path in self.files("dashboards/*.json"):
            yield path.name, json.loads(path.read_text())

    def pods(self) -> set[str]:
        """Its pods that are ready and stay."""
        query = {"labelSelector": "app.kubernetes.io/name=prometheus"}
        return {
            pod["metadata"]["name"]
            for pod in self.api.request("GET", PODS, query=query)["items"]
            if "deletionTimestamp" not in pod["metadata"]
            and ("Ready", "True") in {(one["type"], one["status"]) for one in pod["status"].get("conditions", [])}
        }


def variables_replaced(expression: str, declared: Mapping[str, str]) -> str:
    """A dashboard's expression as Grafana would ask it."""
    return re.sub(r"\$\{?(\w+)\}?", lambda match: {**VARIABLES, **declared}[match.group(1)], expression)


def selectors(node: Any) -> Iterator[str]:
    """The vector selectors in an expression, from its parsed form; of quiet metrics only the name."""
    if isinstance(node, list):
        for item in node:
            yield from selectors(item)
    if not isinstance(node, dict):
        return
    if node.get("type") in ("vectorSelector", "matrixSelector"):
        matchers = [f'{m["name"]}{m["type"]}"{m["value"].translate(ESCAPES)}"' for m in node["matchers"]]
        yield node["name"] if node["name"] in QUIET else f"{{{', '.join(matchers)}}}"
        return
    for value in node.values():
        yield from selectors(value)


def left_side(expression: str) -> str:
    """The expression without its last comparison, where that stands outside of all brackets."""
    depth, quote, found = 0, "", None
    for place, letter in enumerate(expression):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'`":
            quote = letter
        elif letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
        elif not depth and letter in "=!<>" and expression[place - 1] not in "=!<>":
            found = place
    return expression if found is None else expression[:found]


def expressions(prometheus: Prometheus) -> Iterator[Query]:
    """What rules and dashboards ask, with where it stands."""
    for rule in prometheus.rules():
        yield f"rule {rule['name']}", rule["query"]
    for name, dashboard in prometheus.dashboards():
        declared = {variable["name"]: ".*" for variable in dashboard["templating"]["list"]}
        for variable in dashboard["templating"]["list"]:
            (metric,) = re.fullmatch(r"label_values\((.+), \w+\)", variable["query"]["query"]).groups()  # type: ignore[union-attr]
            yield f"{name}, variable {variable['name']}", metric
        for panel in dashboard["panels"]:
            for target in panel.get("targets", []):
                yield f"{name}, {panel['title']}", variables_replaced(target["expr"], declared)


def asked(prometheus: Prometheus) -> list[Query]:
    """Every query that must find something."""
    wanted: list[Query] = []
    for where, expression in expressions(prometheus):
        parsed = prometheus.get("parse_query", query=expression)
        whole = left_side(expression) if parsed.get("op") in COMPARISONS and not parsed.get("bool") else expression
        parts = list(selectors(parsed))
        # Of quiet metrics alone the whole is quiet, too.
        wanted += [(where, one) for one in (parts if parts and QUIET.issuperset(parts) else (whole, *parts))]
    return list(dict.fromkeys(wanted))


def essence(rule: Mapping[str, Any]) -> tuple[str, int, tuple[tuple[str, str], ...]]:
    """Of a rule, as it is in a file or loaded: name, seconds until it fires, labels."""
    patience = rule.get("duration", rule.get("for", 0))
    if isinstance(patience, str):
        patience = int(patience[:-1]) * SECONDS_OF[patience[-1]]
    name = rule.get("alert") or rule.get("record") or rule["name"]
    return name, int(patience), tuple(sorted(rule.get("labels", {}).items()))


def not_loaded(prometheus: Prometheus) -> list[str]:
    """Which of the files' rules Prometheus does not have."""
    loaded = {essence(rule) for rule in prometheus.rules()}
    return [
        f"{path.name}: rule {rule} is not loaded"
        for path in prometheus.files("rules/*.yml")
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in map(essence, group["rules"])
        if rule not in loaded
    ]


def problems(prometheus: Prometheus, answered: set[str]) -> list[str]:
    """What does not answer as it should. A query that has found a number, now or before, is in order."""
    targets = prometheus.targets()
    found = [] if targets else ["no targets"]
    found += [
        f"target {item['labels']['job']} {item['labels'].get('instance')}: {item['health']} {item['lastError']}"
        for item in targets
        if item["health"] != "up"
    ]
    found += [
        f"rule {rule['name']}: {rule['health']} {rule.get('lastError', '')}"
        for rule in prometheus.rules()
        if rule["health"] != "ok"
    ]
    found += not_loaded(prometheus)
    for where, query in asked(prometheus):
        if query in answered or prometheus.answers(query):
            answered.add(query)
        else:
            found.append(f"{where}: {'no target tells of' if query in QUIET else 'no number found by'} {query}")
    return found


def kept(prometheus: Prometheus) -> list[str]:
    """Why figures of before are not there after its pod was deleted."""
    query, moment = "count(up)", f"{time.time() - PAUSE:.3f}"
    before, old = prometheus.numbers(query, time=moment), prometheus.pods()
    if not before or not old:
        return [f"found {before} by {query} and {len(old)} pods, expected figures of a Prometheus that runs"]
    for pod in old:
        prometheus.api.request("DELETE", f"{PODS}/{pod}")

    def lost() -> list[str]:
        if not prometheus.pods() - old:
            return ["no other pod is ready"]
        after = prometheus.numbers(query, time=moment)
        return [] if after == before else [f"{query} of {moment}: found {after}, before {before}"]

    return wait(lost)


def in_state(prometheus: Prometheus, alert: str, state: str) -> list[str]:
    """Why an alert is not yet in this state."""
    states = [rule["state"] for rule in prometheus.rules() if rule["name"] == alert]
    if states != [state]:
        return [f"{alert} is {states or 'unknown'}, expected {state}"]
    if state != "firing" or "alertmanager" not in {item["labels"]["job"] for item in prometheus.targets()}:
        return []
    told = json.loads(prometheus.api.text(f"{ALERTMANAGER}/api/v2/alerts"))
    return [] if alert in {item["labels"]["alertname"] for item in told} else [f"Alertmanager has not heard of {alert}"]


def wait(look: Callable[[], list[str]]) -> list[str]:
    """What is still wrong after a while: figures of a rate need some of them first."""
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            found = look()
        except Exception as error:
            found = [f"{type(error).__name__}: {error}"]
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(PAUSE)


def main(kubeconfig: str, step: str, alert: str = "", state: str = "firing") -> int:
    """Ask, and tell what is wrong."""
    prometheus = Prometheus(connect(kubeconfig))
    answered: set[str] = set()
    steps: dict[str, Callable[[], list[str]]] = {
        "all": lambda: wait(lambda: problems(prometheus, answered)),
        "kept": lambda: kept(prometheus),
        "alert": lambda: wait(lambda: in_state(prometheus, alert, state)),
    }
    found = steps[step]()
    if not found and step == "all":
        jobs = sorted({item["labels"]["job"] for item in prometheus.targets()})
        sys.stdout.write(
            f"{len(prometheus.targets())} targets up ({', '.join(jobs)}), {len(answered)} queries with data\n"
        )
    sys.stderr.writelines(f"{problem}\n" for problem in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
