"""Servers: an API database, and one database a cell (cell0 holds what was never scheduled)."""

from migrate.services.base import ApiPort, Cells, Config, DatabaseUrl, Heads, Recipe, Tool

CONF = "/etc/nova/nova.conf"

RECIPE = Recipe(
    project="nova",
    user="nova",
    databases=(
        DatabaseUrl(name="nova_api", path=CONF, section="api_database"),
        DatabaseUrl(name="nova", path=CONF, section="database"),
    ),
    cells=Cells(database="nova_api", table="cell_mappings"),
    source_control_units=(
        *("nova-api", "nova-api-metadata", "nova-api-os-compute", "nova-scheduler"),
        *("nova-conductor", "nova-novncproxy", "nova-serialproxy", "nova-spicehtml5proxy"),
    ),
    succeeded_units=("nova-api-os-compute",),
    compute_units=("nova-compute",),
    queues=("conductor",),
    target_units=(
        *("nova-api", "nova-api-metadata", "nova-conductor", "nova-scheduler"),
        "nova-novncproxy",
    ),
    configs=(Config(path=CONF), Config(path="/etc/nova/nova.conf.d/*.conf")),
    namespaces=(
        *("nova.conf", "keystonemiddleware.auth_token", "oslo.cache", "oslo.concurrency"),
        *("oslo.db", "oslo.db.concurrency", "oslo.limit", "oslo.log", "oslo.messaging"),
        *("oslo.middleware", "oslo.policy", "oslo.privsep", "oslo.reports", "oslo.service"),
        *("oslo.service.periodic_task", "oslo.service.service", "oslo.service.sslutils"),
        *("oslo.service.wsgi", "oslo.versionedobjects", "os_vif", "os_brick", "osprofiler"),
        "castellan.config",
    ),
    policy="nova",
    carried=("/etc/nova/vendor_data.json",),
    pastes=("/etc/nova/api-paste.ini",),
    apis=(
        ApiPort(name="nova", port=8774, types=("compute",)),
        ApiPort(name="nova-metadata", port=8775),
        ApiPort(name="nova-novncproxy", port=6080, path="/vnc_auto.html"),
    ),
    sync=(
        Tool(argv=("nova-manage", "api_db", "sync")),
        Tool(argv=("nova-manage", "db", "sync", "--local_cell"), each_cell=True),
    ),
    online=(
        Tool(
            argv=("nova-manage", "db", "online_data_migrations"),
            repeat_while=(1,),
            each_cell=True,
        ),
    ),
    status_check=Tool(argv=("nova-status", "upgrade", "check"), accepted=(0, 1)),
    heads=(
        Heads(database="nova_api", scripts="nova/db/api/migrations/versions"),
        Heads(database="nova", scripts="nova/db/main/migrations/versions", each_cell=True),
    ),
)
