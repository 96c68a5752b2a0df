# An OSD on a disk of its own, /dev/loopNUMBER, of which the whole is BlueStore. NUMBER
set -euo pipefail
device=/dev/loop$NUMBER
test -e "$device" || mknod -m 660 "$device" b 7 "$NUMBER"
ceph-volume raw prepare --bluestore --data "$device"
ceph-volume raw activate --device "$device" --no-systemd
id=$(ls /var/lib/ceph/osd | sed s/ceph-//)
systemctl -q enable --now "ceph-osd@$id"
