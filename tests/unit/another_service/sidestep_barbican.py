"""Secrets, as a distribution of their own would bring them to sidestep."""

from collections.abc import Iterator

from migrate.services.backends import Backends, Options, Refusal
from migrate.services.base import ApiPort, Config, DatabaseUrl, Heads, Recipe, Tool, Vouches
from migrate.services.records import Oldest, OnlineMigration, Question, Trusts
from migrate.services.rest import Allowed, Busy, Kind, Resource, Rest, Splits, Workers
from migrate.services.rules import BackendHost, Gone, Rules, Setting
from migrate.services.unit import Shipped, Unit

CONF = "/etc/barbican/barbican.conf"


def judge(given: Options) -> Iterator[Refusal]:
    for name in given.listed("secretstore", "enabled_secretstore_plugins", "store_crypto"):
        if name != "store_crypto":
            yield Refusal(message=f"store {name} is not moved", remedy="Move its secrets first")


def lost(before: Resource | None, now: Resource | None) -> str:
    return "kept in memory only" if now and not before else ""


RECIPE = Recipe(
    project="barbican",
    user="barbican",
    user_id=64099,
    state_folders=("queue",),
    versions={"2025.1": "20", "2026.1": "22"},
    distribution="openstack-barbican",
    lock={"2026.1": "openstack-barbican==22.0.0 \\\n    --hash=sha256:00\n"},
    packages=("softhsm2",),
    databases=(DatabaseUrl(name="barbican", path=CONF, section="database"),),
    source_control_units=("barbican-api", "barbican-worker"),
    units=(
        Unit(
            name="barbican-api",
            port=9311,
            module="barbican.wsgi.api:application",
            preload=("barbican.api.app",),
        ),
        Unit(name="barbican-worker", command="barbican-worker --config-file " + CONF),
    ),
    shipped=(Shipped(path="barbican/barbican-api-paste.ini"),),
    configs=(Config(path=CONF),),
    keys=("/etc/barbican/kek",),
    apis=(ApiPort(name="barbican", port=9311, types=("key-manager",)),),
    rest=Rest(
        service="key-manager",
        version="/v1",
        short="/secrets?limit=1",
        turn=9,
        kinds=(
            Kind(
                type="secret",
                path="/secrets",
                list="secrets",
                id="{secret_ref}",
                owner="creator_project",
                busy=Busy(moving=("PENDING",)),
                states=("status",),
                data={"algorithm": "made anew"},
                lost=lost,
                allowed=(Allowed(field="generation", reason="counts writes"),),
            ),
            Kind(
                type="consumer",
                path="/consumers",
                list="consumers",
                splits=Splits(
                    of="secret",
                    by="secret_id",
                    told="it was re-encrypted",
                    table="consumers",
                    passing="SELECT id, name, secret_id FROM {table} WHERE created_at >= %s",
                ),
            ),
        ),
        workers=Workers(path="/workers", list="workers", any_of="barbican-worker"),
    ),
    sync=(Tool(argv=("barbican-manage", "db", "upgrade")),),
    sync_preload=("barbican.model.migration",),
    online=(Tool(argv=("barbican-manage", "db", "online")),),
    heads=(Heads(database="barbican", scripts="barbican/model/migration/alembic/versions"),),
    rules=Rules(
        settings=(
            Setting(file=CONF, section="a", option="b", value="{tools}", why="so", source="here"),
        ),
        backend_host=BackendHost(
            file=CONF, listed="stores", option="store_host", fallback="host", used="SELECT 'a@b', 1"
        ),
        gone=(Gone(section="DEFAULT", options=("bind_port",), remedy="uwsgi listens"),),
    ),
    questions=(
        Question(
            database="barbican", table="secrets", where="deleted", message="dead", remedy="purge"
        ),
    ),
    online_left=(OnlineMigration(name="kek", database="barbican", query="SELECT 0"),),
    oldest=Oldest(
        database="barbican",
        query="SELECT host FROM {d}.workers",
        judge=lambda rows, release, _: iter(
            [(f"{row['host']} is below {release}", "x") for row in rows]
        ),
    ),
    trusts=Trusts(
        things="order(s)",
        useless="barbican cannot renew them",
        remedy="Make them anew",
        database="barbican",
        query="SELECT id, name, 'aes' AS method, trust_id AS kept FROM {d}.orders",
        program="barbican-worker",
        crypt="barbican.common.crypt",
        key=("DEFAULT", "key"),
        trustee=(("keystone_authtoken", "username"),),
    ),
    vouches=Vouches(receives="barbican-api"),
    backends=Backends(program="barbican-api", judge=judge),
)
