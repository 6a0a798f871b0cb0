# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module of this name, without a process of its own on the controller."""

from __future__ import annotations

from ansible_collections.kubestead.cluster.plugins.modules import join_credentials
from ansible_collections.kubestead.cluster.plugins.plugin_utils.local_module import LocalModuleAction


class ActionModule(LocalModuleAction):
    """See the module."""

    module = join_credentials
