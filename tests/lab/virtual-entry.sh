#!/bin/sh
# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# First process of a virtual machine's container: lets the machine have the container's network, and runs it. What is
# done to the container is done to the machine: killed, it loses its power; stopped, somebody has pressed its button.
set -e

ip link add machines type bridge
ip address flush dev eth0
ip tuntap add machine mode tap
for port in eth0 machine; do ip link set "$port" master machines up; done
ip link set machines up

disk=/var/lib/machine.qcow2
if [ ! -e "$disk" ]; then
  qemu-img create -q -f qcow2 -b /srv/machine/disk.raw -F raw "$disk"
fi
monitor=/run/monitor
rm -f "$monitor.in" "$monitor.out"
mkfifo "$monitor.in" "$monitor.out"
# Emulated by software: hardware's help is not to be had in every container, and where it seems to be, it may hang.
qemu-system-x86_64 -nodefaults -nographic -no-user-config -serial file:/var/log/console.log \
  -accel tcg,thread=multi -cpu max -smp "$MACHINE_CPUS" -m "$MACHINE_MEMORY" \
  -kernel /srv/machine/vmlinuz -initrd /srv/machine/initrd.img \
  -append "root=/dev/vda rw console=ttyS0 net.ifnames=0 quiet" \
  -drive "file=$disk,if=virtio,format=qcow2,discard=unmap" -drive file=/first-files.tar,if=virtio,format=raw,readonly=on \
  -netdev tap,id=net,ifname=machine,script=no,downscript=no -device "virtio-net-pci,netdev=net,mac=$MACHINE_MAC" \
  -device virtio-rng-pci -chardev "pipe,id=monitor,path=$monitor" -mon chardev=monitor &
machine=$!
cat "$monitor.out" >/dev/null &
trap 'echo system_powerdown >"$monitor.in"' TERM
# A signal ends the waiting, not the machine.
while kill -0 "$machine" 2>/dev/null; do wait "$machine" || true; done
