#!/bin/sh
# First stage of a box: pid 1 of fresh namespaces, still on the host's root file system. Builds the box's own root
# (an overlay whose writable side is memory), its /proc /sys /dev /run /tmp and its network port, then becomes BOX_INIT.
# What goes wrong here is said on stderr, and the box ends.
#
#   BOX_NAME       host name                       BOX_FOLDER   folder of this box on the host; holds pid, files/, disk/
#   BOX_LAYERS     lowerdir of the overlay         BOX_DISK     size of the writable side (tmpfs size=)
#   BOX_BRIDGE     bridge to plug into             BOX_OUTSIDE  /proc path of the network namespace of that bridge
#   BOX_PORT       name of the bridge's port       BOX_MAC      address of eth0
#   BOX_BINDS      lines "source target"           BOX_ENV      lines NAME=value, the environment of BOX_INIT
#   BOX_INIT       program in the box              BOX_ASSET_TAG, BOX_UUID   firmware strings, may be empty
set -eu

# The field is our pid as the one who started us sees it: /proc is still theirs.
read -r pid _ < /proc/self/stat
echo "$pid" > "$BOX_FOLDER/pid"
echo "$BOX_NAME" > /proc/sys/kernel/hostname

disk=$BOX_FOLDER/disk
mkdir -p "$disk"
mount -t tmpfs -o "size=$BOX_DISK,mode=755" box "$disk"
mkdir "$disk/upper" "$disk/work" "$disk/root"
root=$disk/root
mount -t overlay -o "lowerdir=$BOX_LAYERS,upperdir=$disk/upper,workdir=$disk/work" box "$root"

nsenter --net="$BOX_OUTSIDE" ip link add "$BOX_PORT" master "$BOX_BRIDGE" \
    type veth peer name eth0 address "$BOX_MAC" netns 1
nsenter --net="$BOX_OUTSIDE" ip link set "$BOX_PORT" up
ip link set lo up

mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys"
mount -t tmpfs -o nosuid,nodev,mode=755 run "$root/run"
mount -t tmpfs -o nosuid,nodev,mode=1777 tmp "$root/tmp"
mount -t tmpfs -o nosuid,mode=755 dev "$root/dev"
mkdir "$root/dev/pts" "$root/dev/shm"
for node in null zero full random urandom tty fuse; do
    [ -e "/dev/$node" ] || continue
    : > "$root/dev/$node"
    mount --bind "/dev/$node" "$root/dev/$node"
done
mount -t devpts -o nosuid,noexec,newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
mount -t tmpfs -o nosuid,nodev,mode=1777 shm "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ln -s /proc/self/fd/0 "$root/dev/stdin"
ln -s /proc/self/fd/1 "$root/dev/stdout"
ln -s /proc/self/fd/2 "$root/dev/stderr"
ln -s /proc/1/fd/1 "$root/dev/console"

# The firmware of a box is its own: on hardware the host's strings would show through sysfs.
if [ -n "$BOX_UUID" ] && [ -d "$root/sys/class/dmi/id" ]; then
    mount -t tmpfs -o nosuid,nodev,mode=755 dmi "$root/sys/class/dmi/id/"
    echo "$BOX_ASSET_TAG" > "$root/sys/class/dmi/id/chassis_asset_tag"
    echo "$BOX_UUID" > "$root/sys/class/dmi/id/product_uuid"
fi

[ ! -d "$BOX_FOLDER/files" ] || cp -a "$BOX_FOLDER/files/." "$root/"
echo "$BOX_BINDS" | while read -r source target; do
    [ -n "$source" ] || continue
    mkdir -p "$root$target"
    mount --rbind "$source" "$root$target"
done

cd "$root"
pivot_root . .
umount -l .
cd /
newline='
'
IFS=$newline
set -f
# shellcheck disable=SC2086 # one word a line is what is wanted
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
    $BOX_ENV chroot . "$BOX_INIT" < /dev/null
