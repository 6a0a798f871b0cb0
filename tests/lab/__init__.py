# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real cluster's machines on one computer: containers that boot systemd, and the mirror of an offline site.

``python3 -m tests.lab --help`` lists what it does; docs/lab.md tells how it is made.
"""
