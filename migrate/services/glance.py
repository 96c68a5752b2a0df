"""Images; the files of a file store are moved by `migrate.storage.images`."""

from collections.abc import Iterator

from migrate.services.backends import BackendConfig, Images, Options, Storage
from migrate.services.base import ApiPort, Config, DatabaseUrl, Heads, Recipe, Tool, Vouches, majors
from migrate.services.reads import Reads, cached_images
from migrate.services.records import MANY, Question
from migrate.services.rest import Busy, Kind, Resource, Rest
from migrate.services.rules import UWSGI, Gone, Groups, Rules
from migrate.services.unit import Shipped, Unit

ADDRESSES = ("self", "schema", "file")  # they name the endpoint that was asked


def _stores(given: Options) -> Iterator[BackendConfig]:
    """Each of the stores, named in the new way or in the old one."""
    if named := given.listed("DEFAULT", "enabled_backends"):
        for one in named:
            name, _, kind = one.partition(":")
            yield BackendConfig(
                name=name,
                driver=kind.strip() or "unknown",
                where="[DEFAULT] enabled_backends",
                section=name,
                given=given,
            )
        return
    stores = given.listed("glance_store", "stores", "file, http")
    for kind in dict.fromkeys([*stores, given.get("glance_store", "default_store", "file")]):
        yield BackendConfig(
            name=kind,
            driver=kind,
            where="[glance_store] stores",
            section="glance_store",
            given=given,
        )


def _folder(given: Options) -> str:
    """That of the default store, named in the new way or in the old one."""
    option, usual = "filesystem_store_datadir", "/var/lib/glance/images"
    store = given.get("glance_store", "default_backend", "glance_store")
    common = given.get("glance_store", option, usual)
    return given.get(store, option, common).rstrip("/") or usual


def _lost(before: Resource | None, now: Resource | None) -> str:
    """The bytes of an image; one that is hidden is still that image.

    Deletions of shared ones are refused until the operator accepts; after it one is named where
    glance tells where images lie.
    """
    if before and now is None and str(before.get("direct_url", "")).startswith("rbd://"):
        return "deleted: its data on RBD is gone"
    if now and now.get("checksum") and not (before or {}).get("checksum"):
        return "its bytes are in the target's glance only"
    return ""


RECIPE = Recipe(
    project="glance",
    versions=majors(25),
    user="glance",
    user_id=64062,
    state_folders=("images",),
    databases=(DatabaseUrl(name="glance", path="/etc/glance/glance-api.conf", section="database"),),
    source_control_units=("glance-api", "glance-scrubber"),
    reads=Reads(units=("glance-api",), more=cached_images),
    units=(
        Unit(
            name="glance-api",
            port=9292,
            module="glance.wsgi.api:application",
            uwsgi=(
                "http-chunked-input = true",
                "http-raw-body = true",
                "http-auto-chunked = true",
                "wsgi-manage-chunked-input = true",
            ),
            preload=("glance.api.v2.router", "glance.db.sqlalchemy.api"),
            no_shadow="",
        ),
    ),
    no_shadow={
        "glance-scrubber": "it deletes the data of images that the clone shows as to be deleted, "
        "from a store that both sides may share",
    },
    configs=(
        Config(path="/etc/glance/glance-api.conf"),
        Config(path="/etc/glance/glance-api.conf.d/*.conf"),
        Config(path="/etc/glance/glance.conf.d/*.conf"),
        Config(path="/etc/glance/glance-image-import.conf"),
        Config(path="/etc/glance/glance-manage.conf"),
        Config(path="/etc/glance/glance-cache.conf"),
        Config(path="/etc/glance/glance-scrubber.conf"),
    ),
    namespaces=(
        *(
            "glance",
            "glance.api",
            "glance.cache",
            "glance.manage",
            "glance.scrubber",
            "glance.multi_store",
        ),
        *("glance.store", "keystonemiddleware.auth_token", "oslo.cache", "oslo.concurrency"),
        *("oslo.db", "oslo.db.concurrency", "oslo.limit", "oslo.log", "oslo.messaging"),
        *("oslo.middleware", "oslo.middleware.cors", "oslo.middleware.healthcheck"),
        *("oslo.middleware.http_proxy_to_wsgi", "oslo.policy", "oslo.privsep", "oslo.reports"),
        *("os_brick", "osprofiler", "castellan.config"),
    ),
    policy="glance",
    carried=(
        "/etc/glance/glance-swift.conf",
        "/etc/glance/property-protections-policies.conf",
        "/etc/glance/property-protections-roles.conf",
    ),
    pastes=("/etc/glance/glance-api-paste.ini",),
    shipped=(Shipped(path="glance/glance-api-paste.ini"), Shipped(path="glance/metadefs")),
    rootwrap=True,
    apis=(ApiPort(name="glance", port=9292, types=("image",)),),
    rest=Rest(
        service="image",
        version="/v2",
        short="/images?limit=1",
        turn=6,
        kinds=(
            Kind(
                type="image",
                path="/images",
                query={"limit": "1000"},
                everywhere={"visibility": "all"},
                omitted=ADDRESSES,
                owner="owner",
                busy=Busy(moving=("saving", "uploading", "importing")),
                lost=_lost,
                open=True,
            ),
            Kind(
                type="hidden-image",
                path="/images",
                query={"os_hidden": "true", "limit": "1000"},
                everywhere={"visibility": "all"},
                common=True,
                omitted=ADDRESSES,
                owner="owner",
                lost=_lost,
                open=True,
            ),
            Kind(
                type="image-member",
                path="/images/{id}/members",
                each="image",
                when={"visibility": "shared"},
                id="{parent}/{member_id}",
                optional=True,
                omitted=ADDRESSES,
            ),
            Kind(
                type="metadef-namespace",
                path="/metadefs/namespaces",
                id="{namespace}",
                common=True,
                optional=True,
                omitted=ADDRESSES,
                owner="owner",
            ),
        ),
    ),
    sync=(
        Tool(argv=("glance-manage", "db", "expand")),
        Tool(argv=("glance-manage", "db", "migrate")),
        Tool(argv=("glance-manage", "db", "contract")),
        Tool(argv=("glance-manage", "db", "check")),
    ),
    heads_prove_sync=True,
    sync_preload=("glance.db.sqlalchemy.api", "glance.db.migration"),
    status_check=Tool(argv=("glance-status", "upgrade", "check"), accepted=(0, 1)),
    heads=(Heads(database="glance", scripts="glance/db/sqlalchemy/alembic_migrations/versions"),),
    rules=Rules(
        dynamic=(
            Groups(
                listed="enabled_backends",
                like="glance_store",
                always=("os_glance_tasks_store", "os_glance_staging_store"),
            ),
        ),
        gone=(
            Gone(
                section="DEFAULT",
                options=("bind_host", "bind_port", "workers", "backlog", "tcp_keepidle"),
                remedy=UWSGI,
            ),
        ),
    ),
    questions=(
        Question(
            database="glance",
            table="images",
            where="deleted <> 0",
            message="deleted images were never purged: they are copied and compared too",
            remedy="glance-manage db purge --age_in_days 30, then glance-manage db "
            "purge_images_table",
            warning=True,
            least=MANY,
        ),
    ),
    vouches=Vouches(receives="glance-api"),
    storage=Storage(
        keeps="images",
        program="glance-api",
        backends=_stores,
        title="glance's store {name} is of kind {driver}",
        remedy="Move its images to a file store and take {name} out of glance-api.conf",
    ),
    images=Images(
        query="SELECT i.id, i.size, i.os_hash_algo, i.os_hash_value, i.checksum, l.value "
        "FROM {d}.images i JOIN {d}.image_locations l ON l.image_id = i.id "
        "WHERE NOT i.deleted AND NOT l.deleted AND l.status = 'active' "
        "AND i.status IN ('active', 'deactivated') ORDER BY i.id, l.id",
        program="glance-api",
        folder=_folder,
    ),
)
