# The gateway as it was before it listened by TLS too. NAME, PORT, CERTIFICATE
set -euo pipefail
unit=ceph-radosgw@rgw.$NAME
if test -e /etc/ceph/ceph.conf.plain; then
  mv /etc/ceph/ceph.conf.plain /etc/ceph/ceph.conf
fi
rm -f "$CERTIFICATE"
systemctl reset-failed "$unit"
systemctl restart "$unit"
until curl -sf -o /dev/null "http://127.0.0.1:$PORT"; do
  systemctl -q is-active "$unit"
  sleep 0.2
done
