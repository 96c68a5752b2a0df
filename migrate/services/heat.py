"""Orchestration: stacks."""

from migrate.services.base import ApiPort, Config, DatabaseUrl, Heads, Recipe, Tool, majors
from migrate.services.records import MANY, Outlived, Question, Trusts, Unlisted
from migrate.services.rest import Busy, Kind, Rest, Workers
from migrate.services.rules import UWSGI, Gone, Rules
from migrate.services.unit import Shipped, Unit

ASKS = "it asks an engine for all that it answers, by the broker, and none is started on a clone"

RECIPE = Recipe(
    project="heat",
    distribution="openstack-heat",
    versions=majors(19),
    user="heat",
    databases=(DatabaseUrl("heat", "/etc/heat/heat.conf", "database"),),
    source_control_units=("heat-api", "heat-api-cfn", "heat-engine"),
    units=(
        Unit(
            "heat-api",
            port=8004,
            module="heat.wsgi.api:application",
            preload=("heat.api.openstack.v1",),
            no_shadow=ASKS,
        ),
        Unit(
            "heat-api-cfn",
            port=8000,
            module="heat.wsgi.cfn:application",
            threads=1,
            preload=("heat.api.cfn.v1",),
            no_shadow=ASKS,
        ),
        Unit(
            "heat-engine",
            command="heat-engine --config-file /etc/heat/heat.conf",
            preload=("heat.engine.service",),
            no_shadow="it takes stacks of engines that are not heard, and goes on with them",
        ),
    ),
    configs=(Config("/etc/heat/heat.conf"), Config("/etc/heat/heat.conf.d/*.conf")),
    namespaces=(
        *("heat.api.aws.ec2token", "heat.common.cache", "heat.common.config"),
        *("heat.common.context", "heat.common.crypt", "heat.common.wsgi", "heat.engine.clients"),
        "heat.engine.clients.os.keystone.heat_keystoneclient",
        *("heat.engine.hot.functions", "heat.engine.notification", "heat.engine.resources"),
        *("keystonemiddleware.auth_token", "oslo.cache", "oslo.concurrency", "oslo.db"),
        *("oslo.log", "oslo.messaging", "oslo.middleware", "oslo.policy", "oslo.reports"),
        *("oslo.service", "oslo.service.periodic_task", "oslo.service.service"),
        *("oslo.service.sslutils", "oslo.service.wsgi", "oslo.versionedobjects", "osprofiler"),
    ),
    policy="heat",
    pastes=("/etc/heat/api-paste.ini",),
    shipped=(
        Shipped("heat/api-paste.ini"),
        Shipped("heat/environment.d"),
        Shipped("heat/templates"),
    ),
    apis=(
        ApiPort("heat", 8004, types=("orchestration",)),
        ApiPort("heat-cfn", 8000, types=("cloudformation",)),
    ),
    rest=Rest(
        service="orchestration",
        version="/v1",
        short="/stacks?limit=1",
        turn=3,
        kinds=(
            Kind(
                "stack",
                "/stacks",
                name="stack_name",
                owner="project",
                busy=Busy(state="stack_status", moving=("*_IN_PROGRESS",)),
            ),
            Kind(
                "stack-resource",
                "/stacks/{stack_name}/{id}/resources",
                each="stack",
                id="{parent}/{resource_name}",
                name="resource_name",
            ),
        ),
        workers=Workers(
            path="/services",
            list="services",
            at=("updated_at", "created_at"),
            up=("status", "up"),
            enabled=None,
            any_of="heat-engine",
        ),
    ),
    sync=(Tool(argv=("heat-manage", "db_sync")),),
    heads_prove_sync=True,
    sync_preload=("heat.db.migration", "heat.db.api"),
    status_check=Tool(argv=("heat-status", "upgrade", "check"), accepted=(0, 1)),
    heads=(Heads("heat", "heat/db/migrations/versions"),),
    rules=Rules(
        auth_groups=("trustee",),
        own_host=True,
        gone=(
            Gone(section="heat_api", options=("*",), remedy=UWSGI),
            Gone(section="heat_api_cfn", options=("*",), remedy=UWSGI),
        ),
    ),
    questions=(
        Question(
            database="heat",
            table="stack",
            where="deleted_at IS NOT NULL",
            message="deleted stacks were never purged: they are copied and compared too",
            remedy="heat-manage purge_deleted 30",
            warning=True,
            least=MANY,
        ),
    ),
    trusts=Trusts(
        things="stack(s)",
        useless="heat can neither scale nor heal them, on either side",
        remedy="Have their users update those stacks, so that they make another, or delete them",
        database="heat",
        query="SELECT s.id, s.name, c.decrypt_method AS method, c.trust_id AS kept "
        "FROM {d}.stack s JOIN {d}.user_creds c ON c.id = s.user_creds_id "
        "WHERE s.deleted_at IS NULL AND s.owner_id IS NULL AND c.trust_id IS NOT NULL",
        program="heat-engine",
        crypt="heat.common.crypt",
        key=("DEFAULT", "auth_encryption_key"),
        trustee=(("trustee", "username"), ("keystone_authtoken", "username")),
    ),
    outlived=Outlived(why="`heat-manage service clean` deletes those of engines that are down"),
    unlisted=Unlisted(
        type="stack",
        table="stack",
        moving="SELECT id, name, CONCAT(action, '_', status) FROM {table} WHERE status = "
        "'IN_PROGRESS' AND deleted_at IS NULL",
        columns=(
            *("id", "name", "tenant", "action", "status"),
            *("created_at", "updated_at", "deleted_at"),
        ),
        # a nested one belongs to another
        changed="SELECT id, name, tenant, action, status, created_at, updated_at, deleted_at "
        "FROM {table} WHERE owner_id IS NULL AND "
        "(created_at >= %s OR updated_at >= %s OR deleted_at >= %s)",
    ),
)
