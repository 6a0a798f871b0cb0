# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Talking to the API from the controller, by the official client."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    from kubernetes import client, config
    from kubernetes.client.exceptions import ApiException
    from kubernetes.config import ConfigException
    from urllib3.exceptions import HTTPError

    IMPORT_ERROR = None
except ImportError:
    IMPORT_ERROR = traceback.format_exc()


@contextmanager
def core_api(module: AnsibleModule) -> Iterator[Any]:
    """Give a client for the core API; what goes wrong with the API becomes the module's failure."""
    if IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=IMPORT_ERROR)
    kubeconfig = module.params["kubeconfig"]
    try:
        yield client.CoreV1Api(config.new_client_from_config(config_file=kubeconfig))
    except ConfigException as error:
        module.fail_json(
            msg=f"{kubeconfig}: {error}; expected the kubeconfig of a cluster that this user may administer"
        )
    except ApiException as error:
        module.fail_json(msg=f"the API refused: {error.status} {error.reason}: {error.body}")
    except HTTPError as error:
        module.fail_json(msg=f"the API at the server that {kubeconfig} names did not answer: {error}")


def ready(node: Any) -> bool:
    """Tell whether a node's Ready condition holds."""
    return any(item.type == "Ready" and item.status == "True" for item in node.status.conditions or [])
