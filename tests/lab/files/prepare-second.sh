# the other lane of schema creation
set -e
as() { setpriv --reuid "$1" --regid "$1" --init-groups env HOME=/tmp "${@:2}"; }
{% if "nova" in services %}
as nova nova-manage api_db sync
as nova nova-manage cell_v2 map_cell0
as nova nova-manage cell_v2 create_cell --name=cell1
as nova nova-manage db sync
as cinder cinder-manage db sync
{% endif %}
