# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Repositories of small packages that are built and signed here, and a web server on this machine that has them."""

from __future__ import annotations

import hashlib
import http.server
import json
import ssl
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.lab.packages import architecture

ARCH = architecture()
PACKAGE = """\
%package -n {name}
Summary: {name}
{tags}
%description -n {name}
{name}
%files -n {name}
"""


def run(*command: str | Path, **options: Any) -> str:
    """Run a program, which must succeed; returns what it said."""
    done = subprocess.run(command, check=False, capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return str(done.stdout)


@dataclass
class Web:
    """A server on this machine: files, a registry that has one image by all names, and what was asked."""

    folder: Path
    certificate: Path | None = None
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        web = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *arguments: Any) -> None:
                super().__init__(*arguments, directory=str(web.folder))

            def do_GET(self) -> None:
                web.asked.append(self.path)
                if not self.path.startswith("/v2/"):
                    super().do_GET()
                    return
                kind, data = image(self.path)
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *arguments: Any) -> None:
                """Not among the tests' words."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if self.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def image(path: str) -> tuple[str, bytes]:
    """Media type and content of what a registry is asked for."""
    config = json.dumps({"os": "linux", "architecture": ARCH, "rootfs": {"type": "layers"}}).encode()
    contents = (config, b"layer")
    described = [{"digest": f"sha256:{hashlib.sha256(data).hexdigest()}", "size": len(data)} for data in contents]
    kinds = ("application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar")
    parts = [{"mediaType": kind, **part} for kind, part in zip(kinds, described, strict=True)]
    kind = "application/vnd.oci.image.manifest.v1+json"
    manifest = {"schemaVersion": 2, "mediaType": kind, "config": parts[0], "layers": parts[1:]}
    if "/manifests/" in path:
        return kind, json.dumps(manifest).encode()
    asked = {part["digest"]: data for part, data in zip(parts, contents, strict=True)}
    return "application/octet-stream", asked.get(path.rpartition("/")[2], b"{}")


class Publisher:
    """A repository whose packages are built and signed here."""

    def __init__(self, folder: Path, key: str) -> None:
        self.folder = folder
        self.key = key
        self.fingerprint = make_key(key)
        folder.mkdir(parents=True)
        (folder / "key.asc").write_text(run("gpg", "--armor", "--export", key))

    def build(self, packages: dict[str, str], version: str, release: str, key: str | None = None) -> None:
        """Build packages, signed by the own key unless told otherwise ('' for none), and make the index anew."""
        spec = self.folder.parent / "packages.spec"
        texts = "".join(PACKAGE.format(name=name, tags=tags) for name, tags in packages.items())
        spec.write_text(
            f"Name: source\nVersion: {version}\nRelease: {release}\nSummary: x\nLicense: MIT\n%description\n\n{texts}"
        )
        flat = "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm"
        defines = {"_topdir": str(spec.parent / "rpmbuild"), "_rpmdir": str(self.folder), "_build_name_fmt": flat}
        run("rpmbuild", "-bb", "--quiet", *(f"--define={name} {value}" for name, value in defines.items()), spec)
        built = [path for name in packages for path in self.folder.glob(f"{name}-{version}-{release}.*.rpm")]
        signer = self.key if key is None else key
        if signer:
            run("rpmsign", f"--define=_gpg_name {signer}", "--define=__gpg /usr/bin/gpg", "--addsign", *built)
        run("createrepo_c", "--quiet", self.folder)


def make_key(name: str) -> str:
    """A key without a passphrase; returns its fingerprint."""
    run("gpg", "--batch", "--pinentry-mode=loopback", "--passphrase=", "--quick-generate-key", name, "rsa2048", "sign")
    listed = run("gpg", "--with-colons", "--fingerprint", name)
    return next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr:"))
