# one of two lanes of schema creation
set -e
as() { setpriv --reuid "$1" --regid "$1" --init-groups env HOME=/tmp "${@:2}"; }
as glance glance-manage db_sync
{% if "placement" in services %}
as placement placement-manage db sync
as neutron neutron-db-manage --config-file /etc/neutron/neutron.conf --config-file /etc/neutron/plugins/ml2/ml2_conf.ini upgrade head
as heat heat-manage db_sync
{% endif %}
