#!/bin/sh
# build-layer.sh BELOW TARGET LOG PACKAGE...: install packages into an overlay layer on BELOW.
# Runs in mount and process namespaces of its own; standard input is shell text to end with.
set -eu
below=$1 target=$2 log=$3
shift 3
exec 3<&0 </dev/null >"$log" 2>&1
scratch=$(mktemp -d)
mount -t tmpfs -o mode=755 tmpfs "$scratch"
mkdir "$scratch/root"
work=$target.work
rm -rf "$work" && mkdir "$work"
mount -t overlay overlay -o "lowerdir=$below,upperdir=$target,workdir=$work,volatile" "$scratch/root"
root=$scratch/root
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
mkdir -p "$root/run/lock"
rm -f "$root/etc/resolv.conf" && cp /etc/resolv.conf "$root/etc/resolv.conf"
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod +x "$root/usr/sbin/policy-rc.d"
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
chroot "$root" apt-get -qq update
chroot "$root" apt-get -y --no-install-recommends -o Dpkg::Options::=--force-confold install "$@"
chroot "$root" apt-get clean
cat <&3 | chroot "$root" sh -eux
rm -f "$root/usr/sbin/policy-rc.d"
umount "$root/run" "$root/proc"
umount -R -l "$root/dev" "$root/sys"
umount "$root"
umount "$scratch" && rmdir "$scratch"
rm -rf "$work"
