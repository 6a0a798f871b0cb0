#!/bin/sh
# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# First process of a node's container: makes the container look like a machine, then becomes its systemd.
set -e

mount -o remount,rw /sys
# The container's own part of each cgroup hierarchy (version 1) is mounted read-only.
for point in /sys/fs/cgroup $(awk '$2 ~ "^/sys/fs/cgroup/" {print $2}' /proc/mounts); do
  mount -o remount,bind,rw "$point" 2>/dev/null || true
done
# Pods' mounts have to propagate.
mount --make-rshared /

# The engine binds these files over the machine's own: they could not be replaced by renaming, and its resolver
# (127.0.0.11) would make CoreDNS detect a loop. What is written at the first boot stays the machine's own.
for file in /etc/hosts /etc/resolv.conf /etc/hostname; do
  while umount "$file" 2>/dev/null; do :; done
done
if [ ! -s /etc/hostname ]; then
  hostname >/etc/hostname
  printf '127.0.0.1\tlocalhost\n127.0.1.1\t%s\n::1\tlocalhost ip6-localhost ip6-loopback\n' "$(hostname)" >/etc/hosts
  for address in $LAB_RESOLVERS; do echo "nameserver $address"; done >/etc/resolv.conf
  tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id
fi
# A network without a way out has a router all the same, as an offline site has.
if [ -z "$(ip route show default)" ]; then ip route add default via "$LAB_GATEWAY"; fi

if [ "$(stat -f -c %T /sys/fs/cgroup)" != cgroup2fs ]; then
  export SYSTEMD_PROC_CMDLINE="systemd.unified_cgroup_hierarchy=0 SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"
fi
unset LAB_RESOLVERS LAB_GATEWAY
export container=docker
exec /sbin/init
