# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's own way of finding collections, from the first import on: some tests render templates with lookups."""

from __future__ import annotations

from ansible.plugins.loader import init_plugin_loader

init_plugin_loader()
