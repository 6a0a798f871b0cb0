# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put what was measured into the texts: the tables between the markers of the READMEs and docs/figures.md.

Reads build/bench.json (`make bench`), build/failover.json and build/rerun.json (`make test-full`). What is not there
is shown as not yet measured.
"""

# ruff: noqa: RUF001  Chinese has its own punctuation

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build"
BLOCK = re.compile(r"(<!-- figures:begin -->\n).*?(<!-- figures:end -->)", re.DOTALL)

#: Text -> language of its tables.
TEXTS = {"README.md": "en", "README.zh-CN.md": "zh", "docs/figures.md": "en"}

SCENARIOS = ("machine killed", "kube-apiserver killed", "haproxy stopped", "keepalived stopped", "machine paused")
WORDS: dict[str, dict[str, str]] = {
    "en": {
        "what": "What",
        "figure": "Measured",
        "none": "not yet measured",
        "site": "`site.yml`, five bare machines to a verified cluster",
        "ready": "until all five nodes are Ready",
        "baseline": "the same cluster by hand-written parallel shell, until all are Ready",
        "ratio": "`site.yml` to its end, against the shell",
        "rerun": "`site.yml` again, nothing changed",
        "changed": "tasks that this rerun changes",
        "check": "`site.yml --check --diff` on the finished cluster",
        "first_executions": "remote module executions on one host, first run (most on any)",
        "rerun_executions": "remote module executions on one host, rerun (most on any)",
        "cpu": "CPU time of the controller, first run and rerun",
        "machine killed": "API away: machine with the VIP killed",
        "kube-apiserver killed": "API away: kube-apiserver of that machine killed",
        "haproxy stopped": "API away: haproxy of that machine stopped",
        "keepalived stopped": "API away: keepalived of that machine stopped",
        "machine paused": "API away: that machine paused",
        "dns": "DNS from a pod, machine with the VIP and a CoreDNS pod killed",
        "service": "Service with two replicas, machine with one of them killed",
        "new pod": "a new pod runs, after that machine was killed",
        "hits": "{hit} of {probes} tries failed, the last after {seconds:.0f} s; {failed_after_retry} with one retry",
        "seconds": "{:.1f} s",
        "outage": "{:.2f} s",
        "bench_at": "Speed: {date}, {cores} cores for all machines and the controller, medians of {rounds} rounds.",
        "failover_at": "Failover: {date}, 20 probes a second through the VIP, longest time without an answer.",
    },
    "zh": {
        "what": "项目",
        "figure": "实测值",
        "none": "尚未测量",
        "site": "`site.yml`：五台裸机到通过验证的集群",
        "ready": "五个节点全部 Ready 为止",
        "baseline": "手写并行 shell 搭建同样的集群，到全部 Ready 为止",
        "ratio": "`site.yml` 全程与手写 shell 之比",
        "rerun": "再次运行 `site.yml`，无任何改动",
        "changed": "该次重跑报告 changed 的任务数",
        "check": "在已建成的集群上运行 `site.yml --check --diff`",
        "first_executions": "首次运行中单台主机的远程模块执行次数（取最多者）",
        "rerun_executions": "重跑中单台主机的远程模块执行次数（取最多者）",
        "cpu": "控制端 CPU 时间：首次运行、重跑",
        "machine killed": "API 中断：持有 VIP 的机器被杀死",
        "kube-apiserver killed": "API 中断：该机器的 kube-apiserver 被杀死",
        "haproxy stopped": "API 中断：该机器的 haproxy 停止",
        "keepalived stopped": "API 中断：该机器的 keepalived 停止",
        "machine paused": "API 中断：该机器被挂起",
        "dns": "Pod 内的 DNS：持有 VIP 并运行一个 CoreDNS Pod 的机器被杀死",
        "service": "双副本 Service：运行其中一个副本的机器被杀死",
        "new pod": "该机器被杀死后，新 Pod 开始运行",
        "hits": "{probes} 次尝试失败 {hit} 次（最后一次在 {seconds:.0f} 秒后），重试一次仍失败 {failed_after_retry} 次",
        "seconds": "{:.1f} 秒",
        "outage": "{:.2f} 秒",
        "bench_at": "速度：{date}，所有机器与控制端共用 {cores} 核，{rounds} 轮取中位数。",
        "failover_at": "故障切换：{date}，经 VIP 每秒探测 20 次，取最长无应答时间。",
    },
}


def read(path: Path) -> dict[str, Any]:
    """A file of results, empty where there is none."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def bench_rows(words: dict[str, str], bench: dict[str, Any], rerun: dict[str, Any]) -> dict[str, str]:
    """The rows of make bench, by key; those without a figure are left out."""
    rows = {}
    seconds = words["seconds"].format
    for key in ("site", "baseline", "rerun"):
        if f"{key}_seconds" in bench:
            rows[key] = seconds(bench[f"{key}_seconds"])
    if bench:
        executions, cpu = bench["executions_per_host"], bench["controller_cpu_seconds"]
        rows |= {
            "ready": seconds(bench["site_ready_seconds"]),
            "ratio": f"{bench['ratio']:.2f}",
            "changed": str(bench["rerun_changed"]),
            "first_executions": str(max(executions["first"].values())),
            "rerun_executions": str(max(executions["rerun"].values())),
            "cpu": f"{seconds(cpu['first'])}, {seconds(cpu['rerun'])}",
        }
    if "check_seconds" in rerun:
        rows["check"] = seconds(rerun["check_seconds"])
    return rows


def failover_rows(words: dict[str, str], failover: dict[str, Any]) -> dict[str, str]:
    """The rows of the failover tests: the API by scenario, and what pods see where their machine dies."""
    rows = {name: words["outage"].format(failover[name]["seconds"]) for name in SCENARIOS if name in failover}
    killed = failover.get(SCENARIOS[0], {})
    rows |= {key: words["hits"].format(**killed[key]) for key in ("dns", "service") if key in killed}
    if "new_pod_seconds" in killed:
        rows["new pod"] = words["seconds"].format(killed["new_pod_seconds"])
    return rows


def failover_dates(failover: dict[str, Any]) -> str:
    """The days on which the failover tests ran: one, or the first and the last."""
    days = sorted({entry["date"][:10] for entry in failover.values()})
    return ", ".join(dict.fromkeys([days[0], days[-1]]))


def render(language: str, bench: dict[str, Any], rerun: dict[str, Any], failover: dict[str, Any]) -> str:
    """The table in one language, and when its figures were measured."""
    words = WORDS[language]
    rows = bench_rows(words, bench, rerun) | failover_rows(words, failover)
    lines = [f"| {words['what']} | {words['figure']} |", "|-|-|"]
    keys = ["site", "ready", "baseline", "ratio", "rerun", "changed", "check", "first_executions", "rerun_executions"]
    keys += ["cpu", *SCENARIOS, "dns", "service", "new pod"]
    lines += [f"| {words[key]} | {rows.get(key, words['none'])} |" for key in keys]
    if bench:
        facts = {"date": bench["date"][:10], "cores": bench["machine"]["cores"]}
        rounds = len(bench["rounds"]["site_seconds"])
        lines += ["", words["bench_at"].format(**facts, rounds=rounds)]
    if failover:
        lines += ["", words["failover_at"].format(date=failover_dates(failover))]
    return "\n".join(lines) + "\n"


def replaced(text: str, table: str) -> str:
    """The text with this table between its markers."""
    found, count = BLOCK.subn(lambda match: f"{match[1]}{table}{match[2]}", text)
    if count != 1:
        raise ValueError(f"found {count} pairs of figures markers, expected one")
    return found


def main() -> int:
    """Write the tables."""
    bench, rerun, failover = (read(BUILD / f"{name}.json") for name in ("bench", "rerun", "failover"))
    for name, language in TEXTS.items():
        path = ROOT / name
        path.write_text(replaced(path.read_text(encoding="utf-8"), render(language, bench, rerun, failover)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
