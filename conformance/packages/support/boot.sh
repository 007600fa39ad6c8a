#!/usr/bin/env bash
# Boots systemd on a copy of this machine: all writes go into memory, and nothing of this machine is seen but its files. Runs in
# namespaces of its own: unshare --mount --pid --uts --ipc --net --cgroup --fork boot.sh DIR PACKAGES. `systemctl` works in it after a second.
set -euo pipefail

DIR="$1"
ROOT="$DIR/root"
SIZE=2g

mount --make-rprivate /
mount -t tmpfs -o "size=$SIZE" tmpfs "$DIR"
mkdir "$DIR/upper" "$DIR/work" "$ROOT"
mount -t overlay -o "lowerdir=/,upperdir=$DIR/upper,workdir=$DIR/work" overlay "$ROOT"

# The files of the kernel: its settings are those of the whole machine, so they are read-only.
mount -t proc proc "$ROOT/proc"
mount --bind "$ROOT/proc/sys" "$ROOT/proc/sys"
mount -o remount,bind,ro "$ROOT/proc/sys"
mount -t sysfs -o ro sysfs "$ROOT/sys"
mount -t cgroup2 cgroup2 "$ROOT/sys/fs/cgroup"
for place in run tmp; do
    mount -t tmpfs tmpfs "$ROOT/$place"
done
mount -t tmpfs -o mode=755 tmpfs "$ROOT/dev"
for device in null zero full random urandom tty; do
    touch "$ROOT/dev/$device"
    mount --bind "/dev/$device" "$ROOT/dev/$device"
done
mkdir "$ROOT/dev/pts" "$ROOT/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$ROOT/dev/pts"
mount -t tmpfs tmpfs "$ROOT/dev/shm"
# PrivateDevices= copies it.
ln -s pts/ptmx "$ROOT/dev/ptmx"
ip link set lo up

# Nothing of what this machine starts at boot starts here, and nothing that sets up hardware.
rm -rf "$ROOT/etc/systemd/system" "$ROOT/usr/sbin/policy-rc.d"
mkdir -p "$ROOT/etc/systemd/system"
for unit in systemd-sysctl systemd-udevd systemd-udev-trigger systemd-modules-load systemd-random-seed systemd-firstboot \
    systemd-logind systemd-timesyncd systemd-networkd systemd-networkd-wait-online systemd-resolved; do
    ln -s /dev/null "$ROOT/etc/systemd/system/$unit.service"
done
printf '[Unit]\nRequires=basic.target\nAfter=basic.target\n' >"$ROOT/etc/systemd/system/trial.target"
printf 'uninitialized\n' >"$ROOT/etc/machine-id"
# What is installed and measured here is the package's.
rm -rf "$ROOT/etc/restage" "$ROOT/var/lib/restage" "$ROOT/var/log/journal"
# The packages of the test.
mkdir -p "$ROOT/srv/packages"
mount --bind "$2" "$ROOT/srv/packages"

cd "$ROOT"
mkdir -p mnt
pivot_root . mnt
umount --lazy /mnt
exec env -i container=trial PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=trial.target
