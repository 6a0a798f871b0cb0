# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an outage is."""

from __future__ import annotations

import pytest

from tests.e2e.probe import Outage, Probe, outages

UP = [Probe(0.00, 0.01, True), Probe(0.05, 0.06, True)]


@pytest.mark.parametrize(
    ("probes", "expected"),
    [
        ([], []),
        (UP, []),
        # From the last answer to the next one, whatever the failed ones took.
        ([*UP, Probe(0.10, 0.60, False), Probe(0.15, 0.65, False), Probe(0.50, 0.52, True)], [Outage(0.47, 2)]),
        # The order of the lines does not matter: a probe that hangs ends late.
        ([Probe(0.15, 0.16, True), Probe(0.10, 0.60, False), *UP], [Outage(0.11, 1)]),
        ([*UP, Probe(0.10, 0.60, False)], [Outage(0.55, 1)]),
        ([Probe(0.10, 0.60, False), Probe(0.15, 0.25, True)], [Outage(0.15, 1)]),
        (
            [*UP, Probe(0.1, 0.2, False), Probe(0.15, 0.16, True), Probe(0.2, 0.3, False), Probe(0.25, 0.26, True)],
            [Outage(0.11, 1), Outage(0.11, 1)],
        ),
    ],
)
def test_outages(probes: list[Probe], expected: list[Outage]) -> None:
    assert outages(probes) == expected
