"""Identity: tokens are valid on either side because the fernet keys are carried."""

from migrate.services.base import ApiPort, Config, DatabaseUrl, Heads, Recipe, Tool

RECIPE = Recipe(
    project="keystone",
    user="keystone",
    databases=(
        DatabaseUrl(name="keystone", path="/etc/keystone/keystone.conf", section="database"),
    ),
    source_control_units=("keystone",),
    target_units=("keystone",),
    configs=(
        Config(path="/etc/keystone/keystone.conf"),
        Config(path="/etc/keystone/keystone.conf.d/*.conf"),
        Config(path="/etc/keystone/domains/*.conf"),
    ),
    carried=("/etc/keystone/sso_callback_template.html",),
    namespaces=(
        *("keystone", "oslo.cache", "oslo.db", "oslo.log", "oslo.messaging", "oslo.middleware"),
        *("oslo.policy", "osprofiler"),
    ),
    policy="keystone",
    keys=("/etc/keystone/fernet-keys", "/etc/keystone/credential-keys"),
    apis=(ApiPort(name="keystone", port=5000, path="/v3", types=("identity",)),),
    sync=(
        Tool(argv=("keystone-manage", "db_sync", "--expand")),
        Tool(argv=("keystone-manage", "db_sync", "--migrate")),
        Tool(argv=("keystone-manage", "db_sync", "--contract")),
    ),
    status_check=Tool(argv=("keystone-status", "upgrade", "check"), accepted=(0, 1)),
    heads=(Heads(database="keystone", scripts="keystone/common/sql/migrations/versions"),),
)
