# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The preflight rules: pure functions over what the inventory wants and what the machines are.

All rules are applied to all hosts at once and every problem is returned, so that an operator mends an inventory in one
go. Nothing here reads a file, a clock or the network.
"""
