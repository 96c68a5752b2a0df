"""Volumes. The source's `host` is part of every volume's identity and is kept."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from migrate.services.backends import Attachments, BackendConfig, Options, Storage, Volumes
from migrate.services.base import ApiPort, Config, DatabaseUrl, Heads, Recipe, Tool, Vouches, majors
from migrate.services.reads import Reads
from migrate.services.records import HOUR, MANY, Oldest, Outlived, Question, left
from migrate.services.rest import HEARTBEAT, STATE, Allowed, Busy, Kind, Rest, Splits, Workers
from migrate.services.rules import UWSGI, BackendHost, Gone, Groups, Rules
from migrate.services.unit import Shipped, Unit

# what is settled; anything else has somebody at work on it
VOLUMES = (
    *("available", "in-use", "maintenance", "reserved", "awaiting-transfer", "deleted", "error"),
    *("error_deleting", "error_extending", "error_restoring", "error_backing-up"),
    "error_managing",
)
ATTACHMENTS = ("attached", "reserved", "detached", "error_attaching", "error_detaching")
SNAPSHOTS = ("available", "error", "error_deleting", "deleted")
ATTACHMENTS_SHOWN = "3.27"  # the first that lists attachments

LVM = "cinder.volume.drivers.lvm.LVMVolumeDriver"  # what cinder takes where nothing is said
SHARES = "/etc/cinder/nfs_shares"


def _backends(given: Options) -> Iterator[BackendConfig]:
    """Each of the enabled back ends."""
    for name in given.listed("DEFAULT", "enabled_backends"):
        common = given.get("backend_defaults", "volume_driver", LVM)
        yield BackendConfig(
            name=name,
            driver=given.get(name, "volume_driver", common),
            where=f"[{name}] volume_driver",
            section=name,
            given=given,
            common="backend_defaults",
        )


def _too_old(rows: Sequence[Mapping[str, Any]], *_: object) -> Iterator[tuple[str, str]]:
    """Records that are older than the newest: cinder speaks as its oldest record does."""
    for kind in ("objects", "rpc"):
        newest: dict[str, tuple[int, ...]] = {}
        for row in rows:
            newest[row["binary"]] = max(newest.get(row["binary"], ()), _version(row[kind]))
        for row in rows:
            if not row[kind] or _version(row[kind]) < newest[row["binary"]]:
                who = f"{row['binary']} {row['host']}"
                yield (
                    f"cinder keeps a record of {who} of an older release, with which the next one "
                    "would have to speak",
                    f"Upgrade it, or, when it is gone: cinder-manage service remove {who}",
                )


def _version(text: str | None) -> tuple[int, ...]:
    """`1.38`, to be compared."""
    return tuple(int(part) for part in (text or "0").split(".") if part.isdigit())


RECIPE = Recipe(
    project="cinder",
    versions=majors(21),
    user="cinder",
    user_id=64061,
    state_folders=("lock", "mnt"),
    databases=(DatabaseUrl(name="cinder", path="/etc/cinder/cinder.conf", section="database"),),
    source_control_units=("cinder-api", "cinder-scheduler", "cinder-volume", "cinder-backup"),
    reads=Reads(
        units=("cinder-api",),
        act=(  # the scheduler answers, or a manager of volumes or backups
            *("/scheduler-stats", "/capabilities/", "/manageable_", "/os-volume-manage"),
            *("/os-snapshot-manage", "/export_record"),
        ),
    ),
    units=(
        Unit(
            name="cinder-api",
            port=8776,
            module="cinder.wsgi.api:application",
            preload=("cinder.db.sqlalchemy.api", "cinder.api.v3.router"),
            no_shadow="",
        ),
        Unit(
            name="cinder-scheduler",
            command="cinder-scheduler --config-file /etc/cinder/cinder.conf {log}",
            preload=("cinder.db.sqlalchemy.api", "cinder.scheduler.manager"),
            no_shadow="it works by the broker alone, and asks volume managers for what they have",
        ),
        Unit(
            name="cinder-volume",
            command="cinder-volume --config-file /etc/cinder/cinder.conf {log}",
            preload=(
                "cinder.db.sqlalchemy.api",
                "cinder.volume.manager",
                "cinder.volume.drivers.nfs",
            ),
            no_shadow="it goes on with deletions that the clone shows half done, on storage that "
            "both sides share",
        ),
    ),
    no_shadow={
        "cinder-backup": "it goes on with backups that the clone shows half done, on storage that "
        "both sides share",
    },
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
    carried=(SHARES,),
    pastes=("/etc/cinder/api-paste.ini",),
    shipped=(
        Shipped(path="cinder/api-paste.ini"),
        Shipped(path="cinder/resource_filters.json"),
        Shipped(path="os-brick/rootwrap.d", to="cinder/rootwrap.d"),
    ),
    rootwrap=True,
    apis=(ApiPort(name="cinder", port=8776, types=("block-storage", "volumev3", "volume")),),
    rest=Rest(
        service="volume",
        version="/v3",
        short="/volumes?limit=1",
        microversion="3.70",
        turn=4,
        asked_as="volumev3",
        kinds=(
            Kind(
                type="volume",
                path="/volumes/detail",
                everywhere={"all_tenants": "1"},
                owner="os-vol-tenant-attr:tenant_id",
                reference="volume_id",
                busy=Busy(settled=VOLUMES, microversion=ATTACHMENTS_SHOWN),
                data={
                    "size": "extended, which the source does not know",
                    "os-vol-host-attr:host": "moved to another place",
                    "volume_type": "retyped",
                    "encrypted": "written anew",
                },
            ),
            Kind(
                type="snapshot",
                path="/snapshots/detail",
                everywhere={"all_tenants": "1"},
                owner="os-extended-snapshot-attributes:project_id",
                busy=Busy(settled=SNAPSHOTS, microversion=ATTACHMENTS_SHOWN),
                data={"size": "extended"},
                splits=Splits(
                    of="volume",
                    by="volume_id",
                    told="where a snapshot is a file, the data goes on in one that the source does "
                    "not know",
                    table="snapshots",
                    passing="SELECT id, COALESCE(display_name, ''), volume_id FROM {table} "
                    "WHERE created_at >= %s AND deleted",
                ),
            ),
            Kind(
                type="attachment",
                path="/attachments/detail",
                everywhere={"all_tenants": "1"},
                busy=Busy(settled=ATTACHMENTS, microversion=ATTACHMENTS_SHOWN),
            ),
            Kind(
                type="backup",
                path="/backups/detail",
                everywhere={"all_tenants": "1"},
                optional=True,
                owner="os-backup-project-attr:project_id",
                busy=Busy(settled=SNAPSHOTS, microversion=ATTACHMENTS_SHOWN),
                data={},
            ),
            Kind(
                type="volume-transfer",
                path="/volume-transfers/detail",
                list="transfers",
                everywhere={"all_tenants": "1"},
            ),
            Kind(
                type="volume-type",
                path="/types",
                list="volume_types",
                everywhere={"is_public": "None"},
                common=True,
            ),
            Kind(type="volume-qos", path="/qos-specs", admin=True),
            Kind(
                type="volume-group",
                path="/groups/detail",
                everywhere={"all_tenants": "1"},
                common=True,
                optional=True,
            ),
            Kind(
                type="volume-service",
                path="/os-services",
                list="services",
                id="{binary}@{host}",
                admin=True,
                allowed=(
                    HEARTBEAT,
                    STATE,
                    Allowed(
                        field="",
                        change="added",
                        id="cinder-*@*",
                        reason="the target's own services",
                    ),
                ),
            ),
            Kind(
                type="volume-quota",
                path="/os-quota-sets/{id}",
                one="quota_set",
                each="project",
                admin=True,
            ),
        ),
        workers=Workers(
            path="/os-services",
            list="services",
            kind="volume-service",
            anywhere=("cinder-scheduler",),
        ),
    ),
    sync=(Tool(argv=("cinder-manage", "db", "sync")),),
    heads_prove_sync=True,
    sync_preload=("cinder.db.migration", "cinder.db.sqlalchemy.api"),
    online=(Tool(argv=("cinder-manage", "db", "online_data_migrations"), repeat_while=(1,)),),
    status_check=Tool(argv=("cinder-status", "upgrade", "check"), accepted=(0, 1)),
    heads=(Heads(database="cinder", scripts="cinder/db/migrations/versions"),),
    rules=Rules(
        dynamic=(Groups(listed="enabled_backends", like="backend_defaults"),),
        auth_groups=("service_user",),
        identity=("backend_host", "host", "san_ip", "nas_host", "hitachi_rest_gateway"),
        gone=(
            Gone(
                section="DEFAULT",
                options=("osapi_volume_workers", "osapi_volume_listen", "osapi_volume_listen_port"),
                remedy=UWSGI,
            ),
        ),
        backend_host=BackendHost(
            file="/etc/cinder/cinder.conf",
            listed="enabled_backends",
            option="backend_host",
            fallback="host",
            used="SELECT host, count(*) FROM {d}.volumes WHERE NOT deleted AND host IS NOT NULL "
            "GROUP BY host",
        ),
    ),
    questions=(
        Question(
            database="cinder",
            table="volumes",
            where="deleted = 0 AND status IN ('attaching', 'detaching', 'creating', 'deleting', "
            "'extending', 'uploading', 'downloading', 'retyping', 'backing-up') AND "
            f"updated_at < {HOUR}",
            message="volume(s) are in the middle of something for more than an hour: the drain "
            "would wait in vain",
            remedy="openstack volume set --state available, --attached or --detached, each",
        ),
        Question(
            database="cinder",
            table="volumes",
            where="deleted <> 0",
            message="deleted volumes were never purged: they are copied and compared too",
            remedy="cinder-manage db purge 30",
            warning=True,
            least=MANY,
        ),
    ),
    online_left=left(
        "cinder",
        service_uuids_online_data_migration="volumes WHERE service_uuid IS NULL AND host IS NOT "
        "NULL AND deleted = 0",
        remove_temporary_admin_metadata_data_migration="volume_admin_metadata WHERE "
        "`key` = 'temporary' AND deleted = 0",
        volume_use_quota_online_data_migration="volumes WHERE use_quota IS NULL AND deleted = 0",
        snapshot_use_quota_online_data_migration="snapshots WHERE use_quota IS NULL AND "
        "deleted = 0",
    ),
    oldest=Oldest(
        database="cinder",
        query="SELECT host, `binary`, object_current_version AS objects, rpc_current_version AS "
        "rpc FROM {d}.services WHERE deleted = 0",
        judge=_too_old,
    ),
    outlived=Outlived(
        why="in use: the old name is part of every volume's identity",
        removed=("cinder-scheduler",),
        remover=("cinder-manage", "service", "remove"),
    ),
    vouches=Vouches(sends="cinder-volume", receives="cinder-api"),
    packages=("lsscsi", "qemu-utils"),
    attachments=Attachments(database="cinder", table="volume_attachment"),
    volumes=Volumes(
        query="SELECT id, COALESCE(_name_id, id), size, host, status <> 'available' "
        "FROM {d}.volumes WHERE NOT deleted AND host IS NOT NULL AND status IN "
        "('available', 'in-use', 'maintenance', 'reserved', 'awaiting-transfer') ORDER BY id",
        snapshots="SELECT s.id, COALESCE(v._name_id, v.id), s.volume_size, v.host "
        "FROM {d}.snapshots s JOIN {d}.volumes v ON v.id = s.volume_id "
        "WHERE NOT s.deleted AND NOT v.deleted AND v.host IS NOT NULL AND "
        "s.status = 'available' ORDER BY s.id",
        name=("volume_name_template", "volume-%s"),
        snapshot_name=("snapshot_name_template", "snapshot-%s"),
    ),
    storage=Storage(
        keeps="volumes",
        program="cinder-volume",
        backends=_backends,
        title="cinder's back end {name} is of {driver}",
        remedy="Retype its volumes to an NFS back end and take {name} out of enabled_backends; "
        "only NFS shares that both sides mount are moved",
    ),
)
