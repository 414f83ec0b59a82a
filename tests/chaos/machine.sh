#!/bin/sh
# pid 1 of a machine of grade none, as far as slurmctld can see one: a host name, an address and a boot time of its own,
# munged and slurmd. All of it is gone when this process is.
#   MACHINE_NODE, MACHINE_IP, MACHINE_PORT (of the bridge), MACHINE_OUTSIDE (network namespace of the bridge),
#   MACHINE_ROOT (root file system, only read), MACHINE_KEY (munge key), MACHINE_FOLDER (its pid is written there),
#   MACHINE_OUTPUT (folder that the machines share, for what jobs say, seen at /mnt),
#   MACHINE_REPORT (its comment in Slurm: the boot report; empty = none), MACHINE_SLURMD (empty: it never starts)
set -eu
read -r pid _ < /proc/self/stat
echo "$pid" > "$MACHINE_FOLDER/pid"
echo "$MACHINE_NODE" > /proc/sys/kernel/hostname
nsenter --net="$MACHINE_OUTSIDE" ip link add "$MACHINE_PORT" up master br0 type veth peer name eth0 netns 1
printf '%s\n' 'link set lo up' "addr add $MACHINE_IP/18 dev eth0" 'link set eth0 up' 'route add default via 10.77.64.1' | ip -batch -

root=$MACHINE_ROOT
mount --bind "$root" "$root"
mount -t tmpfs -o mode=755 machine "$root/run"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
cd "$root/run"
mkdir munge tmp spool log state slurm
chmod 1777 tmp
install -m 0400 "$MACHINE_KEY" munge.key
printf '127.0.0.1 localhost\n10.77.0.4 head\n%s %s\n' "$MACHINE_IP" "$MACHINE_NODE" > hosts
sed 's/^hosts:.*/hosts: files/' "$root/etc/nsswitch.conf" > nsswitch.conf
mount --bind "$root/run/hosts" "$root/etc/hosts"
mount --bind "$root/run/nsswitch.conf" "$root/etc/nsswitch.conf"
mount --bind "$root/run/tmp" "$root/tmp"
mount --bind "$MACHINE_OUTPUT" "$root/mnt"
mount --bind "$root/run/spool" "$root/var/spool"
mount --bind "$root/run/log" "$root/var/log"
mount --bind "$root/run/state" "$root/var/lib/munge"
cd /
exec chroot "$root" /bin/sh -c '
    mkdir -p /var/log/munge
    munged --force --key-file=/run/munge.key --num-threads=1 --syslog > /dev/null 2>&1
    [ -z "$MACHINE_REPORT" ] || SLURM_CONF_SERVER=10.77.0.4:6817 scontrol update "nodename=$MACHINE_NODE" "comment=$MACHINE_REPORT" &
    [ -z "$MACHINE_SLURMD" ] || slurmd -D -N "$MACHINE_NODE" --conf-server 10.77.0.4:6817 > /run/slurmd.log 2>&1 &
    while :; do wait -n 2> /dev/null || sleep 3600; done' < /dev/null
