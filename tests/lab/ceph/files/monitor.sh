# A monitor and a manager of a new cluster. NAME, ADDRESS, FSID
set -euo pipefail
admin=/etc/ceph/ceph.client.admin.keyring
bootstrap=/var/lib/ceph/bootstrap-osd/ceph.keyring
made=$(mktemp -d)
chmod 711 "$made"
ceph-authtool -C "$made/keyring" --gen-key -n mon. --cap mon 'allow *'
ceph-authtool -C $admin --gen-key -n client.admin \
  --cap mon 'allow *' --cap osd 'allow *' --cap mds 'allow *' --cap mgr 'allow *'
ceph-authtool -C $bootstrap --gen-key -n client.bootstrap-osd \
  --cap mon 'profile bootstrap-osd' --cap mgr 'allow r'
ceph-authtool "$made/keyring" --import-keyring $admin
ceph-authtool "$made/keyring" --import-keyring $bootstrap
monmaptool --create --addv "$NAME" "[v2:$ADDRESS:3300,v1:$ADDRESS:6789]" --fsid "$FSID" "$made/map"
chown ceph: "$made"/*
install -d -o ceph -g ceph "/var/lib/ceph/mon/ceph-$NAME"
runuser -u ceph -- ceph-mon --mkfs -i "$NAME" --monmap "$made/map" --keyring "$made/keyring"
rm -r "$made"
systemctl -q enable --now "ceph-mon@$NAME"
timeout 60 ceph mon enable-msgr2
install -d -o ceph -g ceph "/var/lib/ceph/mgr/ceph-$NAME"
ceph auth get-or-create "mgr.$NAME" mon 'allow profile mgr' osd 'allow *' mds 'allow *' \
  -o "/var/lib/ceph/mgr/ceph-$NAME/keyring"
chown ceph: "/var/lib/ceph/mgr/ceph-$NAME/keyring"
systemctl -q enable --now "ceph-mgr@$NAME"
ceph config set mon auth_allow_insecure_global_id_reclaim false
ceph config set mon mon_data_avail_warn 5 # the disk of this host is everybody's
# so are its cores: a heartbeat that waited for one is told for a quarter of an hour
ceph config set global mon_warn_on_slow_ping_time 10000
ceph config set global osd_pool_default_pg_autoscale_mode off
