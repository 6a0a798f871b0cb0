# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules: the storage of monitoring."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal

from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.context import ClusterIntent, HostReport
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.finding import Finding, error
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.given import shared, sound
from ansible_collections.kubestead.cluster.plugins.plugin_utils._preflight.registry import rule

BINARY = Decimal(1024)


#: https://prometheus.io/docs/prometheus/latest/storage/#operational-aspects: powers of 2, whether KB or KiB
PROMETHEUS_SIZE = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(?:([KMGTPE])i?)?B")


#: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
QUANTITY = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(?:([KMGTPE])i|([numkMGTPE])|[eE]([+-]?\d{1,2}))?")


def prometheus_size(text: str) -> Decimal | None:
    """The bytes of a size as Prometheus writes it; None for what is none."""
    if not re.fullmatch(f"0|(?:{PROMETHEUS_SIZE.pattern})+", text):
        return None
    parts = PROMETHEUS_SIZE.findall(text)
    return sum((Decimal(number) * BINARY ** "_KMGTPE".index(unit or "_") for number, unit in parts), Decimal())


def quantity(text: str) -> Decimal | None:
    """The bytes of a quantity of Kubernetes; None for what is none."""
    match = QUANTITY.fullmatch(text)
    if not match:
        return None
    number, binary, decimal, exponent = match.groups()
    if binary:
        return Decimal(number) * BINARY ** "_KMGTPE".index(binary)
    return Decimal(number).scaleb(int(exponent or 3 * ("num_kMGTPE".index(decimal or "_") - 3)))


@rule("monitoring-storage")
def check_monitoring_storage(cluster: ClusterIntent, hosts: Sequence[HostReport]) -> Iterator[Finding]:
    """A pod that fills more than it may is evicted, and without a volume its data go with it."""
    if not shared(cluster, hosts, "monitoring_enabled", False):
        return
    names = ("monitoring_retention_size", "monitoring_storage_size")
    kept, room = (sound(cluster, hosts, name) for name in names)
    kept_bytes, room_bytes = prometheus_size(str(kept)), quantity(str(room))
    if kept is not None and kept_bytes is None:
        expected = "a size as Prometheus has it, such as 8GB, which are 8 * 1024^3 bytes"
        yield error(names[0], repr(kept), expected, f"correct {names[0]}")
    if room is not None and not room_bytes:
        expected = "a quantity as Kubernetes has it, such as 10Gi"
        yield error(names[1], repr(room), expected, f"correct {names[1]}")
    if kept_bytes and room_bytes and kept_bytes >= room_bytes:
        yield error(
            names[0],
            f"{kept} ({kept_bytes:.0f} bytes)",
            f"less than {names[1]}, which is {room} ({room_bytes:.0f} bytes)",
            f"lower {names[0]} or raise {names[1]}: what is written before older data go needs room, too",
        )
