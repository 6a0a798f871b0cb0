# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells the serial number of a kubeconfig's client certificate: certificate.py KUBECONFIG [SECONDS].

With seconds it waits before until the certificate lives no longer than so many.
"""

from __future__ import annotations

import base64
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import yaml
from cryptography import x509

kubeconfig, *left = sys.argv[1:]
(user,) = yaml.safe_load(Path(kubeconfig).read_text())["users"]
certificate = x509.load_pem_x509_certificate(base64.b64decode(user["user"]["client-certificate-data"]))
if left:
    time.sleep(max(0.0, (certificate.not_valid_after_utc - datetime.now(UTC)).total_seconds() - float(left[0]) + 1))
sys.stdout.write(f"{certificate.serial_number:x}\n")
