# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module of this name, with its failure shown although its result is secret."""

from __future__ import annotations

from ansible_collections.kubestead.cluster.plugins.plugin_utils.secret_result import SecretResultAction


class ActionModule(SecretResultAction):
    """See the module."""
