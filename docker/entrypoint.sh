#!/bin/sh
# The first program of a test machine: what a booting kernel would have given systemd, then systemd itself.
set -eu

# systemd wants the unified hierarchy of control groups, writable. An old host hands out another one, a new one hands
# it out read-only.
if [ ! -e /sys/fs/cgroup/cgroup.procs ]; then
    umount -R -l /sys/fs/cgroup
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
elif [ ! -w /sys/fs/cgroup ]; then
    mount -o remount,rw /sys/fs/cgroup
fi

# Each boot has its own id, but the kernel's is the host's and stays: a restart of the machine would not be seen as one.
cat /proc/sys/kernel/random/uuid >/run/boot_id
mount --bind -o ro /run/boot_id /proc/sys/kernel/random/boot_id

export container=docker
exec /lib/systemd/systemd
