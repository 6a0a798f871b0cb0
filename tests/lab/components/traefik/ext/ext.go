// Copyright: (c) 2026, kubestead contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Package ext stands for a module inside Traefik's repository that is published nowhere: room for further options,
// of which Traefik itself has none.
package ext

type HTTP struct{}

func (*HTTP) DeepCopyInto(*HTTP) {}

type Router struct{}

func (*Router) DeepCopyInto(*Router) {}
