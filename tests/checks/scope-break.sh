# all that tests/checks/test_scope.py looks for, at once: $1 virtual IP, $2 own address
vip=$1 own=$2
mkdir -p /opt/test /etc/keepalived/more; cat > /opt/test/hold.py <<'END'
import socket, sys, time
held = []
while True:  # a server hangs up on who does not log in within ten seconds
    held = [socket.create_connection((sys.argv[1], int(port))) for port in sys.argv[2:]]
    time.sleep(3)
END
cat > /opt/test/listen.py <<'END'
import socket, sys, time
ends = [one.rpartition(":") for one in sys.argv[1:]]
held = [socket.create_server((address or "0.0.0.0", int(port))) for address, _, port in ends]
time.sleep(3600)
END
run() { systemd-run -q --collect --unit "$@"; }
run billing-api python3 /opt/test/hold.py "$vip" 3306 11211
run octavia-api python3 /opt/test/listen.py "$vip":9876
run designate-worker python3 /opt/test/hold.py "$vip" 5672
run status-page python3 /opt/test/listen.py :8181
run node_exporter python3 /opt/test/listen.py :9100
for unit in cinder-backup nova-compute pacemaker ovn-northd; do run $unit sleep 3600; done
cp -p /etc/glance/glance-api.conf /etc/keystone/keystone.conf /opt/test/
sed -i -e "/^connection/s,@$vip/,@$own/," -e '/^enabled_backends/s/$/, rbd1:rbd/' \
  /etc/glance/glance-api.conf
sed -i '/^connection/s,//[^@]*@,//root:nothing@,' /etc/keystone/keystone.conf
printf 'vrrp_instance two {\n virtual_ipaddress {\n  192.0.2.77/32\n }\n}\n' \
  > /etc/keepalived/more/two.conf
mariadb <<END
CREATE DATABASE octavia; CREATE TABLE octavia.lb (id INT PRIMARY KEY);
CREATE DATABASE invoices; CREATE TABLE invoices.one (id INT PRIMARY KEY);
CREATE DATABASE bare;
RENAME USER glance@'%' TO glance@'$own';
CREATE ROLE writers; GRANT READ_ONLY ADMIN ON *.* TO writers; GRANT writers TO glance@'$own';
INSTALL SONAME 'auth_ed25519';
CREATE USER glance@'192.0.2.1' IDENTIFIED VIA ed25519 USING PASSWORD('nobody');
GRANT SELECT ON invoices.one TO glance@'$own';
USE glance;
CREATE TABLE ratios (id INT PRIMARY KEY, one FLOAT, two FLOAT, three FLOAT);
INSERT INTO ratios VALUES (1, 1.3333333, 0.1, 16), (2, NULL, 1.5, 123456);
CREATE TABLE \`images.bak\` (id INT PRIMARY KEY);
CREATE TABLE past (id INT PRIMARY KEY) WITH SYSTEM VERSIONING;
CREATE SEQUENCE counter;
SET GLOBAL mysql56_temporal_format = 0;
CREATE TABLE clock (id INT PRIMARY KEY, at DATETIME);
SET GLOBAL mysql56_temporal_format = 1;
CREATE TABLE labels (id INT PRIMARY KEY, label VARCHAR(255), KEY one (label)) ROW_FORMAT=COMPACT
  CHARACTER SET utf8mb3;
CREATE TABLE afar (id INT PRIMARY KEY, FOREIGN KEY faraway (id) REFERENCES invoices.one (id));
CREATE VIEW bills AS SELECT id FROM invoices.one;
ALTER DATABASE glance CHARACTER SET latin1;
UPDATE alembic_version SET version_num = 'before';
INSERT INTO keystone.application_credential (internal_id, id, name, secret_hash, user_id)
  VALUES (4711, 'cred', 'orphan', 'x', 'nobody');
END
