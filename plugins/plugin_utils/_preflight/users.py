# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules: the users of the cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.context import ClusterIntent, HostReport
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.finding import Finding, as_finding
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.given import shared, sound
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.registry import rule


@rule("users-accounts")
def check_users_accounts(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    if not shared(cluster, hosts, "users_enabled", False):
        return
    # Loading what this needs takes longer than all rules together: only for those who have users.
    from ansible_collections.kubestead.cluster.plugins.plugin_utils import users  # noqa: PLC0415

    lifetime = sound(cluster, hosts, "users_lifetime")
    for problem in users.examine_lifetime("users_lifetime", lifetime) if lifetime is not None else ():
        yield as_finding(problem.where, problem, f"correct {problem.where}")
        lifetime = None
    # One that is wrong is told once, and not for each user.
    common = {"lifetime": lifetime or "1d"}
    for problem in users.examine([common | item for item in sound(cluster, hosts, "users_accounts") or ()])[1]:
        yield as_finding(f"users_accounts, {problem.where}", problem, "correct users_accounts")
    names = sound(cluster, hosts, "users_reissue") or ()
    for problem in users.examine_reissue(names, sound(cluster, hosts, "users_accounts") or ()):
        yield as_finding(problem.where, problem, "correct users_reissue")
