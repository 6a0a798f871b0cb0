#!/usr/bin/python
# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificate of a site's mirror, and the authority that signs nothing else."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mirror_certificate
short_description: The certificate of a site's mirror, with an authority of its own
version_added: 0.1.0
description:
  - Makes, by openssl, an authority and a certificate for one host that it signs, and renews either when less than a
    year of its ten is left, or when the host has another name. Keys are for root alone and never leave the machine.
author:
  - kubestead contributors (@kubestead)
options:
  directory:
    description: Folder for C(ca.crt), C(ca.key), C(mirror.crt) and C(mirror.key).
    type: path
    required: true
  host:
    description: Name or address that the mirror is reached by.
    type: str
    required: true
attributes:
  check_mode:
    support: full
    description: Tells what would be made, as far as openssl is there to ask.
  diff_mode:
    support: full
    description: Lists the certificates that are made.
"""

EXAMPLES = r"""
- name: Make the mirror's certificate
  kubestead.cluster.mirror_certificate:
    directory: /etc/nginx/kubestead
    host: 10.0.0.5
"""

RETURN = r"""
ca:
  description: The authority's certificate; empty in check mode while it is not there yet.
  returned: success
  type: str
  sample: "-----BEGIN CERTIFICATE-----\nMII...\n-----END CERTIFICATE-----\n"
made:
  description: What was made, or would be.
  returned: success
  type: list
  elements: str
  sample: [ca.crt, mirror.crt]
"""

import ipaddress
import os
import tempfile
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kubestead.cluster.plugins.module_utils._runner import Runner, guard

DAYS = 3650
RENEW_SECONDS = 365 * 24 * 3600
CURVE = "prime256v1"


def configuration(host: str) -> str:
    """Return openssl's configuration: the authority can sign this host's certificate and nothing below it."""
    try:
        name = f"IP:{ipaddress.ip_address(host)}"
    except ValueError:
        name = f"DNS:{host}"
    return f"""\
[req]
distinguished_name = name
prompt = no
[name]
CN = kubestead mirror
[authority]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[host]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = {name}
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


def to_make(run: Runner, directory: Path, host: str, now: float) -> list[str]:
    """Return which certificates are missing, do not fit or end soon."""
    if not all((directory / name).exists() for name in ("ca.crt", "ca.key")):
        return ["ca.crt", "mirror.crt"]
    authority = str(directory / "ca.crt")
    later = str(int(now) + RENEW_SECONDS)
    verify = ["openssl", "verify", "-attime", later, "-CAfile", authority]
    if run([*verify, authority], check=False).rc != 0:
        return ["ca.crt", "mirror.crt"]
    if not all((directory / name).exists() for name in ("mirror.crt", "mirror.key")):
        return ["mirror.crt"]
    kind = "-verify_ip" if "IP:" in configuration(host) else "-verify_hostname"
    fits = run([*verify, "-purpose", "sslserver", kind, host, str(directory / "mirror.crt")], check=False)
    return [] if fits.rc == 0 else ["mirror.crt"]


def make(run: Runner, directory: Path, host: str, names: list[str]) -> None:
    """Make them. A key is put in place before its certificate, so that a killed run is seen as one."""
    with tempfile.TemporaryDirectory(dir=directory, prefix=".") as folder:
        settings = Path(folder, "openssl.cnf")
        settings.write_text(configuration(host))
        for name in names:
            base = name.rpartition(".")[0]
            key, certificate = Path(folder, f"{base}.key"), Path(folder, name)
            command = ["openssl", "req", "-x509", "-config", str(settings), "-days", str(DAYS), "-noenc"]
            command += ["-newkey", "ec", "-pkeyopt", f"ec_paramgen_curve:{CURVE}"]
            if base == "ca":
                command += ["-extensions", "authority"]
            else:
                signer = ["-CA", str(directory / "ca.crt"), "-CAkey", str(directory / "ca.key")]
                command += ["-extensions", "host", "-subj", f"/CN={host}", *signer]
            run([*command, "-keyout", str(key), "-out", str(certificate)])
            certificate.chmod(0o644)
            key.chmod(0o600)
            (directory / name).unlink(missing_ok=True)
            key.replace(directory / key.name)
            certificate.replace(directory / name)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "host": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    directory, host = Path(module.params["directory"]), module.params["host"]
    with guard(module):
        run = Runner(module)
        there = module.get_bin_path("openssl") is not None
        names = (
            to_make(run, directory, host, time.time()) if there or not module.check_mode else ["ca.crt", "mirror.crt"]
        )
        if names and not module.check_mode:
            os.makedirs(directory, mode=0o700, exist_ok=True)
            make(run, directory, host, names)
        authority = directory / "ca.crt"
        ca = (
            authority.read_text() if authority.exists() and "ca.crt" not in (names if module.check_mode else []) else ""
        )
        listed = "".join(f"{name} for {host}\n" for name in names)
        headers = {"before_header": str(directory), "after_header": str(directory)}
        module.exit_json(changed=bool(names), made=names, ca=ca, diff={"before": "", "after": listed, **headers})


if __name__ == "__main__":
    main()
