# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods that serve and pods that ask, of one image with nginx, bash and getent; and what the API tells of pods.

Pods tell in their logs what they see, so nothing has to be run in them from outside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.kubestead.cluster.plugins.module_utils._smoke.namespace import Object

# Answers on port 80 with the name of the pod and $ANSWER.
SERVE = r"""
listen=80
[[ $POD_IP == *:* ]] && listen=[::]:80
cat >/tmp/nginx.conf <<END
pid /tmp/nginx.pid;
error_log stderr;
events {}
http {
  access_log off;
  server {
    listen $listen;
    default_type text/plain;
    return 200 "kubestead $HOSTNAME $ANSWER\n";
  }
}
END
exec nginx -c /tmp/nginx.conf -g 'daemon off;'
"""
# `fetch ADDRESS PORT` says who answered, `resolve NAME` the address; where that fails, why. Without curl or the like,
# which not every image has.
ASK = r"""
connect='exec 3<>"/dev/tcp/$0/$1" && printf "GET / HTTP/1.0\r\n\r\n" >&3 && cat <&3'
fetch() {
  local text
  if ! text=$(timeout 5 bash -c "$connect" "$1" "$2" 2>&1); then
    text=${text%%$'\n'*}
    echo "${text:-no answer in 5 s}"
    return 1
  fi
  if ! [[ $text =~ kubestead\ ([^[:space:]]+)\ ?([^[:space:]]*) ]]; then
    echo "something else than a pod: ${text%%$'\r'*}"
    return 1
  fi
  echo "${BASH_REMATCH[1]}${BASH_REMATCH[2]:+ ${BASH_REMATCH[2]}}"
}
resolve() {
  local address
  read -r address _ < <(getent hosts "$1")
  echo "${address:-nothing}"
}
"""
# For each question of four words (verb, operand, operand, right answer or nothing) a line: yes or no, and the answer.
INQUIRE = rf"""{ASK}
patience=$0
while (($#)); do
  ((deadline = SECONDS + patience))
  right=yes
  until answer=$("$1" "$2" "$3") && [[ -z $4 || $answer == "$4" ]]; do
    ((SECONDS < deadline)) || {{ right=no; break; }}
    sleep 0.5
  done
  echo "$right $answer"
  shift 4
done
"""
ANYWHERE = [{"operator": "Exists"}]


@dataclass(frozen=True)
class Question:
    """What a pod asks: "fetch" an address and port, or "resolve" a name; `wanted` empty is any pod's answer."""

    verb: str
    operand: str
    port: int | None = None
    wanted: str = ""

    def words(self) -> list[str]:
        """Return the question as INQUIRE takes it."""
        return [self.verb, self.operand, str(self.port or ""), self.wanted]

    def wrong(self, answer: str) -> str:
        """Return what is wrong with an answer."""
        return f"found {answer}, expected {self.wanted or 'the answer of a pod'}"


def answers(lines: Sequence[str]) -> list[tuple[bool, str]]:
    """Return what INQUIRE wrote: whether each answer is right, and the answer."""
    return [(word == "yes", answer) for word, _space, answer in (line.partition(" ") for line in lines)]


def container(image: str, *command: str, env: Mapping[str, str] | None = None, **more: Any) -> Object:
    """Return a container that runs a script of bash, with the words that follow as $0, $1 and so on."""
    variables = [{"name": name, "value": value} for name, value in (env or {}).items()]
    return {"name": "main", "image": image, "command": ["bash", "-c", *command], "env": variables, **more}


def server(image: str, answer: str = "", **more: Any) -> Object:
    """Return a container that answers on port 80 with the name of its pod, so that it is known who answers."""
    own_address = {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    probe = {"tcpSocket": {"port": 80}, "periodSeconds": 1, "timeoutSeconds": 5}
    made = container(image, SERVE, env={"ANSWER": answer}, **{"readinessProbe": probe, **more})
    return {**made, "env": [own_address, *made["env"]]}


def pod(made: Object, **spec: Any) -> Object:
    """Return the specification of a pod of one container, which ends soon when it is asked to."""
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 1,
        "containers": [made],
        **spec,
    }


def on_node(name: str) -> Object:
    """Return an affinity to one node, whatever its labels; the scheduler decides all the same."""
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}


def apart(labels: Mapping[str, str]) -> Object:
    """Return an affinity by which no two pods of these labels come to one node."""
    term = {"labelSelector": {"matchLabels": labels}, "topologyKey": "kubernetes.io/hostname"}
    return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def is_ready(found: Object) -> bool:
    """Tell whether a pod is Ready, and to stay."""
    conditions = found["status"].get("conditions", [])
    leaving = "deletionTimestamp" in found["metadata"]
    return not leaving and any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


def problem(found: Object) -> str:
    """Return why a pod does not run, as the API tells it."""
    for status in found["status"].get("containerStatuses", []):
        waiting = status.get("state", {}).get("waiting")
        if waiting:
            reason, message = waiting.get("reason", "waiting"), waiting.get("message")
            return f"{reason}: {message}" if message else str(reason)
    for condition in found["status"].get("conditions", []):
        if condition["status"] == "False" and condition.get("message"):
            return str(condition["message"])
    return f"it is {found['status'].get('phase', 'unknown')}"
