"""Volumes. The source's `host` is part of every volume's identity and is kept."""

from migrate.services.base import ApiPort, Config, DatabaseUrl, Heads, Recipe, Tool

RECIPE = Recipe(
    project="cinder",
    user="cinder",
    databases=(DatabaseUrl(name="cinder", path="/etc/cinder/cinder.conf", section="database"),),
    source_control_units=("cinder-api", "cinder-scheduler", "cinder-volume", "cinder-backup"),
    target_units=("cinder-api", "cinder-scheduler", "cinder-volume"),
    alone=("cinder-volume",),  # all would serve the source's `host`, and do its work twice
    configs=(
        Config(path="/etc/cinder/cinder.conf"),
        Config(path="/etc/cinder/cinder.conf.d/*.conf"),
    ),
    namespaces=(
        *("cinder", "castellan.config", "keystonemiddleware.auth_token", "os_brick"),
        *("oslo.concurrency", "oslo.db", "oslo.db.concurrency", "oslo.log", "oslo.messaging"),
        *("oslo.middleware", "oslo.policy", "oslo.privsep", "oslo.reports", "oslo.service"),
        *("oslo.service.periodic_task", "oslo.service.service", "oslo.service.sslutils"),
        *("oslo.service.wsgi", "oslo.versionedobjects", "osprofiler"),
    ),
    policy="cinder",
    carried=("/etc/cinder/nfs_shares",),
    pastes=("/etc/cinder/api-paste.ini",),
    apis=(ApiPort(name="cinder", port=8776, types=("block-storage", "volumev3", "volume")),),
    sync=(Tool(argv=("cinder-manage", "db", "sync")),),
    online=(Tool(argv=("cinder-manage", "db", "online_data_migrations"), repeat_while=(1,)),),
    status_check=Tool(argv=("cinder-status", "upgrade", "check"), accepted=(0, 1)),
    heads=(Heads(database="cinder", scripts="cinder/db/migrations/versions"),),
)
