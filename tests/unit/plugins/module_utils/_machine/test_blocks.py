# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.kubestead.cluster.plugins.module_utils._machine import blocks
from ansible_collections.kubestead.cluster.plugins.module_utils._machine.base import MachineError

BLOCK = "# BEGIN kubestead n\na\n# END kubestead n\n"


@pytest.mark.parametrize(
    ("text", "block", "expected"),
    [
        ("", "a", BLOCK),
        ("", "", ""),
        ("x\n", "a\n", "x\n" + BLOCK),
        ("x", "a", "x\n" + BLOCK),
        ("x\r\n", "", "x\r\n"),
        ("x\n" + BLOCK + "y", "a", "x\n" + BLOCK + "y"),
        ("x\n" + BLOCK + "y", "b\nc", "x\n# BEGIN kubestead n\nb\nc\n# END kubestead n\ny"),
        ("x\n" + BLOCK + "y\n", "", "x\ny\n"),
        (
            "# BEGIN kubestead other\nz\n# END kubestead other\n",
            "a",
            "# BEGIN kubestead other\nz\n# END kubestead other\n" + BLOCK,
        ),
    ],
)
def test_blocks(text: str, block: str, expected: str) -> None:
    assert blocks.replace_block(text, "n", block) == expected
    assert blocks.replace_block(expected, "n", block) == expected


@pytest.mark.parametrize(
    "text",
    ["# BEGIN kubestead n\n", "# END kubestead n\n", "# END kubestead n\n# BEGIN kubestead n\n", BLOCK + BLOCK],
)
def test_broken_markers_are_refused(text: str) -> None:
    with pytest.raises(MachineError, match="once each and in this order"):
        blocks.replace_block(text, "n", "a")
