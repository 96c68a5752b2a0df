# A gateway of the cluster, and a user of it. NAME, PORT, TENANT
set -euo pipefail
id=rgw.$NAME
data=/var/lib/ceph/radosgw/ceph-$id
cat >>/etc/ceph/ceph.conf <<END
[client.$id]
rgw frontends = beast port=$PORT
rgw thread pool size = 64
END
ceph config set "client.$id" rgw_max_put_size 1073741824
install -d -o ceph -g ceph "$data"
ceph auth get-or-create "client.$id" mon 'allow rw' osd 'allow rwx' -o "$data/keyring"
chown ceph: "$data/keyring"
systemctl -q enable --now "ceph-radosgw@$id"
until curl -sf -o /dev/null "http://127.0.0.1:$PORT"; do
  systemctl -q is-active "ceph-radosgw@$id"
  sleep 0.2
done
radosgw-admin user create --uid="$TENANT" --display-name="$TENANT" >/dev/null
