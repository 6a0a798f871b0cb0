#!/usr/bin/python
# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find out, before anything is installed, whether the nodes reach each other's ports."""

from __future__ import annotations

DOCUMENTATION = r"""
module: node_probe
short_description: Test the ports between machines before anything listens on them
version_added: 0.1.0
description:
  - With O(state=listen) a machine listens for a short while on ports that Kubernetes will use, with O(state=connect)
    others try them. So a firewall between the machines is found before the first change.
  - The listener answers only probes that carry its O(nonce). It writes nothing to disk and ends by itself, also when
    the controller is gone.
  - Both work in check mode as they do without it, as nothing is changed that lasts.
author:
  - kubestead contributors (@kubestead)
options:
  state:
    description: Whether to listen or to connect.
    type: str
    choices: [connect, listen]
    required: true
  ports:
    description: Ports to listen on, with O(state=listen). One that is in use already is left to its owner.
    type: list
    elements: dict
    default: []
    suboptions:
      port: &port
        description: Number of the port.
        type: int
        required: true
      protocol: &protocol
        description: Protocol of the port.
        type: str
        choices: [tcp, udp]
        default: tcp
  address:
    description: Local address to listen on, with O(state=listen). Empty means all of them.
    type: str
    default: ""
  nonce:
    description:
      - A random text of at least 16 characters, the same for the listeners and the probes of one run and another one
        for each run. A listener drops whatever does not begin with it.
    type: str
    required: true
  targets:
    description: Ports of other machines to try, with O(state=connect).
    type: list
    elements: dict
    default: []
    suboptions:
      host:
        description: Name of the machine, for the results.
        type: str
        required: true
      address:
        description: Its address.
        type: str
        required: true
      ports:
        description: Its ports.
        type: list
        elements: dict
        required: true
        suboptions:
          port: *port
          protocol: *protocol
  timeout:
    description:
      - With O(state=listen) the seconds after which the listener ends, whatever happens; it ends 5 seconds after the
        last probe if that is earlier. The default is 60.
      - With O(state=connect) the seconds to wait for each port. The default is 2.
    type: float
attributes:
  check_mode:
    support: full
    description: The module changes nothing that lasts, so it does the same in check mode.
  diff_mode:
    support: none
    description: The module changes nothing.
notes:
  - A UDP port counts as open when the listener of the same run echoes what was sent. What else may listen there, such
    as the listener of another run, does not answer; such ports are in RV(busy) and should not be tried.
seealso:
  - module: kubestead.cluster.preflight
"""

EXAMPLES = r"""
- name: Listen where Kubernetes will
  kubestead.cluster.node_probe:
    state: listen
    nonce: "{{ nonce_of_this_run }}"
    ports:
      - {port: 6443}
      - {port: 10250}
      - {port: 8472, protocol: udp}
  register: listener

- name: Try the ports of another machine
  kubestead.cluster.node_probe:
    state: connect
    nonce: "{{ nonce_of_this_run }}"
    targets:
      - host: cp1
        address: 10.90.0.11
        ports: [{port: 6443}, {port: 8472, protocol: udp}]
  register: reachability
"""

RETURN = r"""
listening:
  description: Ports that the module listens on.
  returned: with O(state=listen)
  type: list
  elements: dict
  sample: [{port: 6443, protocol: tcp}, {port: 8472, protocol: udp}]
busy:
  description: Ports that somebody else listens on, or that could not be opened, with the reason.
  returned: with O(state=listen)
  type: list
  elements: dict
  sample: [{port: 10250, protocol: tcp, error: Address already in use}]
pid:
  description: The listener's process, none when every port is busy.
  returned: with O(state=listen)
  type: int
  sample: 4711
results:
  description: What became of each try, in the order of O(targets).
  returned: with O(state=connect)
  type: list
  elements: dict
  sample:
    - {host: cp1, address: 10.90.0.11, port: 6443, protocol: tcp, open: true, error: null}
    - {host: cp1, address: 10.90.0.11, port: 8472, protocol: udp, open: false, error: timed out after 2 s}
"""

import contextlib
import errno
import ipaddress
import os
import secrets
import selectors
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible.module_utils.basic import AnsibleModule

LISTEN_TIMEOUT = 60.0
CONNECT_TIMEOUT = 2.0
#: Seconds that the listener stays after the last probe: machines that are slower still find it.
GRACE = 5.0
#: Seconds that a connection has to send the nonce.
NONCE_TIMEOUT = 0.2
MINIMUM_NONCE = 16
#: Bytes that follow the nonce in a datagram, so that a late echo of another probe is no answer.
TICKET_LENGTH = 16
MAXIMUM_DATAGRAM = 512
PORT_OPTIONS = {
    "port": {"type": "int", "required": True},
    "protocol": {"type": "str", "choices": ["tcp", "udp"], "default": "tcp"},
}
NO_ROUTE = (errno.EHOSTUNREACH, errno.ENETUNREACH)
PARALLEL = 32


def open_socket(address: str, port: int, protocol: str) -> socket.socket:
    """Return a bound socket; without an address one of both families where the machine has IPv6."""
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    if address:
        family = socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET
    else:
        family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
    listener = socket.socket(family, kind)
    try:
        if protocol == "tcp":
            # Connections of an earlier probe that linger in TIME_WAIT don't keep the port.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1 if address else 0)
        listener.bind((address, port))
        if protocol == "tcp":
            listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


def open_sockets(
    address: str, ports: list[dict[str, Any]]
) -> tuple[list[socket.socket], list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the sockets, the ports that they listen on, and the busy ones with the reason."""
    sockets: list[socket.socket] = []
    listening: list[dict[str, Any]] = []
    busy: list[dict[str, Any]] = []
    for item in ports:
        entry = {"port": item["port"], "protocol": item["protocol"]}
        try:
            sockets.append(open_socket(address, **entry))
            listening.append(entry)
        except OSError as error:
            busy.append({**entry, "error": error.strerror or str(error)})
    return sockets, listening, busy


def serve(sockets: list[socket.socket], nonce: bytes, timeout: float, grace: float = GRACE) -> None:
    """Answer probes until `grace` seconds after the last one, at most for `timeout` seconds.

    What does not carry the nonce, such as the health checks of a load balancer or another run's probes, does not count.
    """
    selector = selectors.DefaultSelector()
    for listener in sockets:
        listener.setblocking(False)
        selector.register(listener, selectors.EVENT_READ)
    limit = time.monotonic() + timeout
    end = limit
    while time.monotonic() < end:
        for key, _events in selector.select(end - time.monotonic()):
            if answer(key.fileobj, nonce):  # type: ignore[arg-type]
                end = min(limit, time.monotonic() + grace)


def answer(listener: socket.socket, nonce: bytes) -> bool:
    """Answer one connection or datagram that carries the nonce, and return whether it did.

    A connection is closed without an answer either way: that it was accepted is the answer. A datagram without the
    nonce is dropped. A connection that was given up is no error.
    """
    try:
        if listener.type == socket.SOCK_STREAM:
            connection, _peer = listener.accept()
            with connection:
                connection.settimeout(NONCE_TIMEOUT)
                return secrets.compare_digest(connection.recv(len(nonce)), nonce)
        data, peer = listener.recvfrom(MAXIMUM_DATAGRAM)
        if not secrets.compare_digest(data[: len(nonce)], nonce):
            return False
        listener.sendto(data, peer)
        return True
    except OSError:
        return False


def daemonise(sockets: list[socket.socket], nonce: bytes, timeout: float) -> int:
    """Serve in a process of its own session that holds nothing of this one; return its id.

    The double fork leaves it to init, so that neither sudo nor SSH waits for it, and the closed descriptors leave no
    pipe of the connection open. The kernel's alarm kills it at its end, whatever it is doing.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child:
        os.close(writer)
        with os.fdopen(reader) as answer_of_child:
            pid = int(answer_of_child.read())
        os.waitpid(child, 0)
        return pid
    try:
        os.setsid()
        grandchild = os.fork()
        if grandchild:
            os.write(writer, str(grandchild).encode())
        else:
            become_daemon(sockets)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, timeout)
            serve(sockets, nonce, timeout)
    finally:
        # Neither child may return into Ansible's code, whatever happens.
        os._exit(0)


def become_daemon(sockets: list[socket.socket]) -> None:
    """Let go of the working folder, the standard streams and every descriptor but the sockets."""
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    keep = {0, 1, 2, *(listener.fileno() for listener in sockets)}
    for descriptor in {int(name) for name in os.listdir("/proc/self/fd")} - keep:
        # The listing's own descriptor is closed by now.
        with contextlib.suppress(OSError):
            os.close(descriptor)


def try_port(host: str, address: str, port: int, protocol: str, nonce: bytes, timeout: float) -> dict[str, Any]:
    """Try one port."""
    attempt = try_tcp if protocol == "tcp" else try_udp
    try:
        attempt(address, port, nonce, timeout)
        reason = None
    except OSError as error:
        reason = explain(error, timeout)
    return {
        "host": host,
        "address": address,
        "port": port,
        "protocol": protocol,
        "open": reason is None,
        "error": reason,
    }


def try_tcp(address: str, port: int, nonce: bytes, timeout: float) -> None:
    """Connect, and say the nonce, which a listener waits for."""
    with socket.create_connection((address, port), timeout) as connection:
        connection.sendall(nonce)


def try_udp(address: str, port: int, nonce: bytes, timeout: float) -> None:
    """Send the nonce with a ticket and wait for the echo; once more half-way, as a datagram may be lost."""
    probe = nonce + secrets.token_bytes(TICKET_LENGTH)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    deadline = time.monotonic() + timeout
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.connect((address, port))
        for wait_until in (deadline - timeout / 2, deadline):
            client.send(probe)
            if wait_for_echo(client, probe, wait_until):
                return
    raise socket.timeout


def wait_for_echo(client: socket.socket, probe: bytes, deadline: float) -> bool:
    """Whether the probe comes back before the deadline."""
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        client.settimeout(left)
        try:
            if client.recv(MAXIMUM_DATAGRAM) == probe:
                return True
        except socket.timeout:
            return False


def explain(error: OSError, timeout: float) -> str:
    """Tell a closed door from a silent one and from none at all: each has another remedy."""
    if isinstance(error, socket.timeout) or error.errno == errno.ETIMEDOUT:
        return f"timed out after {timeout:g} s"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if error.errno in NO_ROUTE:
        return "no route to host"
    return error.strerror or str(error)


def connect(targets: list[dict[str, Any]], nonce: bytes, timeout: float) -> list[dict[str, Any]]:
    """Try all ports of all targets, many at once."""
    with ThreadPoolExecutor(max_workers=PARALLEL) as pool:
        tries = [
            pool.submit(try_port, target["host"], target["address"], item["port"], item["protocol"], nonce, timeout)
            for target in targets
            for item in target["ports"]
        ]
        return [one.result() for one in tries]


def listen(address: str, ports: list[dict[str, Any]], nonce: bytes, timeout: float) -> dict[str, Any]:
    """Start the listener for the ports that are free."""
    sockets, listening, busy = open_sockets(address, ports)
    pid: int | None = daemonise(sockets, nonce, timeout) if sockets else None
    for listener in sockets:
        listener.close()
    return {"listening": listening, "busy": busy, "pid": pid}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["connect", "listen"], "required": True},
            "ports": {"type": "list", "elements": "dict", "default": [], "options": PORT_OPTIONS},
            "address": {"type": "str", "default": ""},
            "nonce": {"type": "str", "required": True, "no_log": True},
            "targets": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "host": {"type": "str", "required": True},
                    "address": {"type": "str", "required": True},
                    "ports": {"type": "list", "elements": "dict", "required": True, "options": PORT_OPTIONS},
                },
            },
            "timeout": {"type": "float"},
        },
        supports_check_mode=True,
    )
    params = module.params
    nonce = params["nonce"].encode()
    if not MINIMUM_NONCE <= len(nonce) <= MAXIMUM_DATAGRAM - TICKET_LENGTH:
        module.fail_json(
            f"nonce: found {len(nonce)} bytes; expected {MINIMUM_NONCE} to {MAXIMUM_DATAGRAM - TICKET_LENGTH}; "
            "make one at random for each run"
        )
    if params["state"] == "listen":
        result = listen(params["address"], params["ports"], nonce, params["timeout"] or LISTEN_TIMEOUT)
    else:
        result = {"results": connect(params["targets"], nonce, params["timeout"] or CONNECT_TIMEOUT)}
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
