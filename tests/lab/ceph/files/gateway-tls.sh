# The gateway listens by TLS too, by the file CERTIFICATE. NAME, PORT, TLS_PORT, CERTIFICATE
set -euo pipefail
unit=ceph-radosgw@rgw.$NAME
test -e /etc/ceph/ceph.conf.plain || cp -a /etc/ceph/ceph.conf /etc/ceph/ceph.conf.plain
more="ssl_port=$TLS_PORT ssl_certificate=$CERTIFICATE"
sed -i "s|^rgw frontends = beast port=$PORT\$|& $more|" /etc/ceph/ceph.conf
grep -q "$more" /etc/ceph/ceph.conf
systemctl reset-failed "$unit"
systemctl restart "$unit"
for port in "$PORT" "$TLS_PORT"; do
  until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
    systemctl -q is-active "$unit"
    sleep 0.2
  done
done
