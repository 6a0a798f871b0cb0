# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recorded outputs of kubeadm (fixtures/README.md) and the values in them."""

from __future__ import annotations

from pathlib import Path

FIXTURES = Path(__file__).parent / "fixtures" / "kubeadm"
VERSIONS = ["1.34.4", "1.36.3", "1.37.2"]
TOKEN = "abcdef.0123456789abcdef"
KEY = "0123456789abcdef" * 4
HASH = "sha256:" + "5e" * 32
JOIN = f"kubeadm join 10.90.0.100:8443 --token {TOKEN} --discovery-token-ca-cert-hash {HASH}"


def fixture(name: str) -> str:
    return (FIXTURES / name).read_text()
