"""Placement: what the hosts have, and who uses it."""

from functools import partial

from migrate.services.base import ApiPort, Config, DatabaseUrl, Heads, Recipe, Tool, majors
from migrate.services.reads import Reads
from migrate.services.records import OnlineMigration
from migrate.services.rest import Allowed, Kind, Rest
from migrate.services.unit import Unit

PROVIDER = "/resource_providers/{uuid}"
_of_provider = partial(Kind, each="resource-provider", admin=True)

RECIPE = Recipe(
    project="placement",
    distribution="openstack-placement",
    versions=majors(8),
    user="placement",
    databases=(DatabaseUrl("placement", "/etc/placement/placement.conf", "placement_database"),),
    source_control_units=("placement-api",),
    reads=Reads(units=("placement-api",)),
    units=(
        Unit(
            "placement-api",
            port=8778,
            module="placement.wsgi.api:application",
            preload=("placement.deploy", "placement.handler"),
            no_shadow="",
        ),
    ),
    configs=(Config("/etc/placement/placement.conf"),),
    namespaces=(
        *("placement.conf", "keystonemiddleware.auth_token", "oslo.log", "oslo.policy"),
        *("oslo.middleware.cors", "oslo.middleware.http_proxy_to_wsgi", "osprofiler"),
    ),
    policy="placement",
    apis=(ApiPort("placement", 8778, types=("placement",)),),
    rest=Rest(
        service="placement",
        short="/resource_providers?name=nobody",
        microversion="1.39",
        turn=7,
        kinds=(
            Kind(
                "resource-provider",
                "/resource_providers",
                id="{uuid}",
                admin=True,
                allowed=(
                    Allowed("generation", "counts the updates that its compute sends by itself"),
                ),
                follows=True,
            ),
            _of_provider(
                "inventory",
                f"{PROVIDER}/inventories",
                one="inventories",
                allowed=(
                    Allowed("inventories.MEMORY_MB.total", "as memory_mb of its hypervisor"),
                    Allowed("inventories.MEMORY_MB.max_unit", "as memory_mb of its hypervisor"),
                ),
                follows=True,
            ),
            _of_provider("allocation", f"{PROVIDER}/allocations", one="allocations", follows=True),
            _of_provider("provider-trait", f"{PROVIDER}/traits", one="traits", follows=True),
            _of_provider("provider-aggregate", f"{PROVIDER}/aggregates", one="aggregates"),
        ),
    ),
    sync=(Tool(argv=("placement-manage", "db", "sync")),),
    heads_prove_sync=True,
    sync_preload=("placement.db.sqlalchemy.migration",),
    online=(Tool(argv=("placement-manage", "db", "online_data_migrations"), repeat_while=(1,)),),
    status_check=Tool(argv=("placement-status", "upgrade", "check"), accepted=(0, 1)),
    heads=(Heads("placement", "placement/db/sqlalchemy/alembic/versions"),),
    online_left=(
        OnlineMigration(
            name="create_incomplete_consumers",
            database="placement",
            query="SELECT count(DISTINCT a.consumer_id) FROM allocations a LEFT JOIN consumers c "
            "ON c.uuid = a.consumer_id WHERE c.id IS NULL",
        ),
        OnlineMigration(
            name="set_root_provider_ids",
            database="placement",
            query="SELECT count(*) FROM resource_providers WHERE root_provider_id IS NULL",
        ),
    ),
)
