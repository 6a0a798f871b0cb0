# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: the remaining lives of client certificates by which expiring ones are told from short-lived ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

# The buckets of kube-apiserver's apiserver_client_certificate_expiration_seconds (k8s.io/apiserver,
# pkg/authentication/request/x509/x509.go).
BUCKETS = (0, 1800, 3600, 7200, 21600, 43200, 86400, 172800, 345600, 604800, 2592000, 7776000, 15552000, 31104000)
WEEK = 604800
MONTH = 2592000
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(text: str) -> float:
    """Return the length of a lifetime such as 90d or 72h0m0s; what is none is an error."""
    if not re.fullmatch(r"(\d+(\.\d+)?[smhd])+", text):
        raise ValueError(f"found the lifetime {text!r}, expected one like 90d or 72h0m0s")
    return sum(float(number) * SECONDS[unit] for number, unit in re.findall(r"([\d.]+)([smhd])", text))


def label(bucket: int) -> str:
    """Return a regular expression for the label le of a bucket, as Prometheus 2 and 3 have it."""
    exponential = f"{bucket:.15g}" if bucket < 1000000 else f"{bucket / 1000000:.15g}e+06"
    return "|".join(rf"{re.escape(text)}(\.0)?" for text in dict.fromkeys([str(bucket), exponential]))


def expiration_buckets(users: Iterable[str], others: Iterable[str] = ()) -> dict[str, str]:
    """Return the buckets between which no certificate is while it is renewed in time.

    `users` are the lifetimes of users' certificates, which are renewed when a third is left, `others` those of
    kubelets', which are renewed when at least a tenth is left (k8s.io/client-go, util/certificate). The upper bucket is
    a week, or a month where a certificate lives for nearly a week. Empty: there are no such buckets.
    """
    short = [life for life in map(seconds, users) if life / 3 < WEEK]
    short += [life for life in map(seconds, others) if life / 10 < WEEK]
    if not short:
        return {"below": label(WEEK)}
    above = next((bucket for bucket in BUCKETS if bucket >= max(short)), BUCKETS[-1])
    if above >= MONTH:
        return {}
    return {"above": label(above), "below": label(WEEK if above < WEEK else MONTH)}


class FilterModule:
    """Filters over certificates."""

    def filters(self) -> dict[str, Callable[..., dict[str, str]]]:
        return {"expiration_buckets": expiration_buckets}
