"""Placement: what the hosts have, and who uses it."""

from migrate.services.base import ApiPort, Config, DatabaseUrl, Heads, Recipe, Tool

RECIPE = Recipe(
    project="placement",
    user="placement",
    databases=(
        DatabaseUrl(
            name="placement",
            path="/etc/placement/placement.conf",
            section="placement_database",
        ),
    ),
    source_control_units=("placement-api",),
    target_units=("placement-api",),
    configs=(Config(path="/etc/placement/placement.conf"),),
    namespaces=(
        *("placement.conf", "keystonemiddleware.auth_token", "oslo.log", "oslo.policy"),
        *("oslo.middleware.cors", "oslo.middleware.http_proxy_to_wsgi", "osprofiler"),
    ),
    policy="placement",
    apis=(ApiPort(name="placement", port=8778, types=("placement",)),),
    sync=(Tool(argv=("placement-manage", "db", "sync")),),
    online=(Tool(argv=("placement-manage", "db", "online_data_migrations"), repeat_while=(1,)),),
    status_check=Tool(argv=("placement-status", "upgrade", "check"), accepted=(0, 1)),
    heads=(Heads(database="placement", scripts="placement/db/sqlalchemy/alembic/versions"),),
)
