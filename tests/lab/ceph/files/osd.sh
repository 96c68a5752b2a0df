# An OSD in a folder of /srv/osd, where its data outlasts the machine's system.
set -euo pipefail
bootstrap="-n client.bootstrap-osd -k /var/lib/ceph/bootstrap-osd/ceph.keyring"
uuid=$(cat /proc/sys/kernel/random/uuid)
key=$(ceph-authtool --gen-print-key)
id=$(echo "{\"cephx_secret\": \"$key\"}" | ceph $bootstrap osd new "$uuid" -i -)
data=/srv/osd/ceph-$id
mkdir "$data"
install -m 600 /dev/stdin "$data/keyring" <<END
[osd.$id]
	key = $key
END
ln -sfn "$data" "/var/lib/ceph/osd/ceph-$id"
chown -R ceph: "$data"
ceph-osd -i "$id" --mkfs --osd-uuid "$uuid" --setuser ceph --setgroup ceph
systemctl -q enable --now "ceph-osd@$id"
