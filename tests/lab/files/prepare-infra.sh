# first boot of the controller: users of database and broker, keystone's own tables and keys
set -e
systemctl start mariadb rabbitmq-server
{% if "cinder" in services %}
mkdir -p /var/lib/cinder/lock && chown cinder: /var/lib/cinder/lock
chown root:cinder /etc/cinder/nfs_shares
{% endif %}
{% if "horizon" in services %}
a2enconf -q horizon-global
a2dissite -q default-ssl
{% endif %}
{% if "neutron" in services %}
systemctl enable -q --now provider-bridge
{% endif %}
systemctl enable -q keepalived haproxy
systemctl start keepalived
rabbitmqctl -q add_user openstack {{ password("rabbit") | shell }}
rabbitmqctl -q set_permissions openstack '.*' '.*' '.*'
mariadb <<'SQL'
{% for schema, user in schemas.items() %}
CREATE DATABASE {{ schema }} CHARACTER SET utf8mb3;
CREATE USER IF NOT EXISTS '{{ user }}'@'%' IDENTIFIED BY {{ password("db " + user) | sql }};
GRANT ALL PRIVILEGES ON {{ schema }}.* TO '{{ user }}'@'%';
{% endfor %}
SQL
echo waiting for the virtual IP >&2
timeout 30 sh -c "until ip -o addr show dev host0 | grep -q ' {{ vip }}/'; do sleep 0.1; done"
as() { setpriv --reuid "$1" --regid "$1" --init-groups env HOME=/tmp "${@:2}"; }
as keystone keystone-manage db_sync
keystone-manage fernet_setup --keystone-user keystone --keystone-group keystone
keystone-manage credential_setup --keystone-user keystone --keystone-group keystone
OS_BOOTSTRAP_PASSWORD={{ password("admin") | shell }} keystone-manage bootstrap \
  --bootstrap-admin-url http://{{ vip }}:5000/v3/ --bootstrap-internal-url http://{{ vip }}:5000/v3/ \
  --bootstrap-public-url http://{{ vip }}:5000/v3/ --bootstrap-region-id RegionOne
chown -R keystone: /var/log/keystone
systemctl enable -q keystone
systemctl start haproxy keystone
