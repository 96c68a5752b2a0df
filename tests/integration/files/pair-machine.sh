# A machine of the pair: the database listens, the services are configured. $1 is the virtual IP.
install -d -m 0755 /etc/mysql/mariadb.conf.d
printf '[mariadbd]\nbind-address = 0.0.0.0\nskip-name-resolve\ninnodb_flush_log_at_trx_commit = 0\n' \
  >/etc/mysql/mariadb.conf.d/70-test.cnf
test "$(hostname)" = pair-new ||
  printf 'loose_character_set_collations = utf8mb3=utf8mb3_general_ci,utf8mb4=utf8mb4_general_ci\ncollation_server = utf8mb3_general_ci\ncharacter_set_server = utf8mb3\n' \
    >>/etc/mysql/mariadb.conf.d/70-test.cnf
# a server that is told to end while it first starts may not hear it
systemctl start mariadb
systemctl restart mariadb
ip address replace "$1/32" dev lo
sysctl -q -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2
for user in alpha beta; do
  id "$user" >/dev/null 2>&1 || useradd --system --home-dir /var/lib/$user --create-home $user
  install -d -m 0750 -g "$user" /etc/$user /etc/$user/$user.conf.d
done
cat >/etc/alpha/alpha.conf <<CONF
[DEFAULT]
my_ip = $1
[api_database]
connection = mysql+pymysql://alpha:pw-alpha@\$my_ip/alpha_api
[database]
# the folder beside says something else
connection = mysql+pymysql://alpha:wrong@nowhere/other
CONF
cat >/etc/alpha/alpha.conf.d/10-database.conf <<CONF
[database]
connection = mysql+pymysql://alpha:pw-alpha@$1/alpha?charset=utf8
CONF
cat >/etc/beta/beta.conf <<CONF
[database]
connection = mysql+pymysql://beta:p%40ss%2Fw%3Ard%25@$1:3306/beta-1
CONF
chgrp -R alpha /etc/alpha
chgrp -R beta /etc/beta
chmod 0640 /etc/alpha/*.conf /etc/alpha/*/*.conf /etc/beta/*.conf
