# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules: whether the hosts were read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.cluster import control_planes
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.context import ClusterIntent, HostReport
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.finding import Finding, error, warning
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.host import OS_EXPECTED
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.registry import rule

#: How Ansible and the shell say that a machine's Python is missing or too old for any module.
NO_PYTHON = re.compile(
    r"minimum of Python|SyntaxError|python version|module interpreter .* was not found|No python interpreters found",
    re.IGNORECASE,
)


@rule("unreachable")
def check_unreachable(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """A machine that is down stops nobody else, unless no control plane answers. Rule new-cluster guards the start."""
    blocks = not any(host.state is not None for host in control_planes(hosts))
    for host in hosts:
        if not host.unreachable:
            continue
        found = f"no answer over SSH ({host.failure})" if host.failure else "no answer over SSH"
        skipped = "no control plane answers" if blocks else "this run skips it and works on the other machines"
        yield (error if blocks else warning)(
            host.name,
            found,
            "a machine that Ansible can log in to",
            f"{skipped}; check ansible_host, the SSH key and that the machine runs (ansible -m ping {host.name}), "
            "then run again",
        )


@rule("unread", fixed=True)
def check_unread(_cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    for host in hosts:
        if host.state is not None or host.unreachable or not host.failure:
            continue
        if NO_PYTHON.search(host.failure):
            yield error(
                host.name,
                f"no usable Python ({host.failure})",
                "Python 3.9 or newer",
                "install python3 or set ansible_python_interpreter; CentOS 7 (ended 2024-06-30) has none that "
                f"is new enough: use {OS_EXPECTED}",
            )
        else:
            yield error(
                host.name,
                f"its state could not be read ({host.failure})",
                "a machine whose state root can read",
                f"check privilege escalation (ansible -b -m command -a id {host.name}) and the message above",
            )
