// Copyright: (c) 2026, kubestead contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package types

type InstanceStateName string

const InstanceStateNameRunning InstanceStateName = "running"

type InstanceState struct{ Name InstanceStateName }
type Instance struct {
	InstanceId       *string
	PrivateIpAddress *string
	State            *InstanceState
}
type Reservation struct{ Instances []Instance }
