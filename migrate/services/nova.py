"""Servers: an API database, and one database a cell (cell0 holds what was never scheduled)."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from migrate.services.backends import Attachments
from migrate.services.base import (
    ApiPort,
    Cells,
    Config,
    DatabaseUrl,
    Heads,
    Lookup,
    Recipe,
    Tool,
    Vouches,
    majors,
)
from migrate.services.reads import Reads
from migrate.services.records import HOUR, MANY, Oldest, Outlived, Question, left
from migrate.services.rest import HEARTBEAT, STATE, Allowed, Busy, Kind, Resource, Rest, Workers
from migrate.services.rules import UWSGI, Gone, Rules, Setting
from migrate.services.unit import HostUnit, Shipped, Unit

CONF = "/etc/nova/nova.conf"
OVERLAY = "/etc/nova/sidestep.conf"
# what runs as root for nova-compute: each by the release's own helper, not by the packages'
PRIVILEGED = (
    *("nova_sys_admin", "privsep_osbrick"),
    *("vif_plug_ovs_privileged", "vif_plug_linux_bridge_privileged"),
)

# what is settled; anything else has somebody at work on it
SERVERS = (
    *("ACTIVE", "DELETED", "ERROR", "PAUSED", "RESCUE", "SHELVED", "SHELVED_OFFLOADED", "SHUTOFF"),
    *("SOFT_DELETED", "SUSPENDED", "VERIFY_RESIZE", "UNKNOWN"),
)

HOST = "OS-EXT-SRV-ATTR:host"


def _lost(before: Resource | None, now: Resource | None) -> str:
    """Of a server its own disk, which stands on its host."""
    if not _has_disk(before or now or {}):
        return ""
    if before is None:
        host = (now or {}).get(HOST) or "its host"
        return f"made since: the source knows no server that its disk on {host} could be given to"
    return "deleted: its disk is gone" if now is None else _changed(before, now)


def _changed(before: Resource, now: Resource) -> str:
    if before.get("image") != now.get("image"):
        return "rebuilt: its disk was made anew"
    if now.get("status") == "SHELVED_OFFLOADED" != before.get("status"):
        return "shelved: its disk became an image of the target"
    if before.get("flavor") != now.get("flavor"):
        return "resized: the source knows another size, which a hard reboot gives all but its disk"
    was, became = before.get(HOST), now.get(HOST)
    return (
        f"moved: the source looks for its disk on {was}, it is on {became}" if was != became else ""
    )


def _has_disk(server: Resource) -> bool:
    """One that boots from a volume may have none."""
    return bool(server.get("image") or (server.get("flavor") or {}).get("ephemeral"))


def _too_old(
    rows: Sequence[Mapping[str, Any]], release: str, least: int
) -> Iterator[tuple[str, str]]:
    """Records of nova-compute below what nova of *release* starts with."""
    for row in rows:
        if int(row["version"] or 0) < least:
            yield (
                f"nova keeps a nova-compute at {row['host']} of level {row['version']}; nova of "
                f"{release} does not start with one below {least}",
                "Upgrade it, or, when that host is gone: openstack compute service delete",
            )


def _quick_stop(file: str) -> Iterator[Setting]:
    """Settings without which a stop of nova's programs takes minutes."""
    ours = partial(Setting, file=file, section="DEFAULT")
    yield ours(
        option="graceful_shutdown_timeout",
        value="5",
        why="a stop would wait 60 s for calls that end by themselves",
        source="measured in the lab, 20-40 s to stop scheduler and conductor",
    )
    yield ours(
        option="manager_shutdown_timeout",
        value="4",
        why="new in 2026.1, waits 160 s at a stop; must be less than graceful_shutdown_timeout",
        source="measured in the lab",
        release="2026.1",
    )


RECIPE = Recipe(
    project="nova",
    versions=majors(26),
    user="nova",
    user_id=64060,
    state_folders=("tmp", "instances"),
    databases=(
        DatabaseUrl("nova_api", CONF, "api_database"),
        DatabaseUrl("nova", CONF, "database"),
    ),
    cells=Cells(database="nova_api", table="cell_mappings"),
    source_control_units=(
        *("nova-api", "nova-api-metadata", "nova-api-os-compute", "nova-scheduler"),
        *("nova-conductor", "nova-novncproxy", "nova-serialproxy", "nova-spicehtml5proxy"),
    ),
    reads=Reads(
        units=(
            *("nova-api", "nova-api-metadata", "nova-api-os-compute"),
            *("nova-novncproxy", "nova-serialproxy", "nova-spicehtml5proxy"),
        ),
        act=("/diagnostics", "/uptime"),  # the compute host answers, and may ask a conductor
    ),
    succeeded_units=("nova-api-os-compute",),
    compute_units=("nova-compute",),
    host_units=(
        HostUnit(
            name="nova-compute",
            overlay=OVERLAY,
            settings=(
                Setting(
                    file=OVERLAY,
                    section="upgrade_levels",
                    option="compute",
                    value="auto",
                    why="it calls computes of the source's release too",
                    source="measured in the lab, a live migration to one times out",
                ),
                *_quick_stop(OVERLAY),
                *(
                    Setting(
                        file=OVERLAY,
                        section=section,
                        option="helper_command",
                        value="sudo {tools}/privsep-helper {files}",
                        why="rootwrap would find the packages' program first",
                        source="nova/utils.py get_root_helper; measured in the lab",
                    )
                    for section in PRIVILEGED
                ),
            ),
            rights=("{tools}/privsep-helper *",),
            wants=("/var/lib/nova/compute_id",),  # else InvalidConfiguration: seen in the lab
        ),
    ),
    queues=("conductor",),
    units=(
        Unit(
            "nova-api",
            port=8774,
            module="nova.wsgi.osapi_compute:application",
            preload=("nova.api.openstack.compute", "nova.api.auth"),
            no_shadow="",
        ),
        Unit(
            "nova-api-metadata",
            port=8775,
            module="nova.wsgi.metadata:application",
            threads=2,
            preload=("nova.api.metadata.handler",),
            no_shadow="it answers servers alone, by calls that their network's agents sign",
        ),
        Unit(
            "nova-conductor",
            command="nova-conductor",
            preload=("nova.conductor.manager",),
            no_shadow="it works by the broker alone, and goes on with what it finds half done",
        ),
        Unit(
            "nova-scheduler",
            command="nova-scheduler",
            preload=("nova.scheduler.manager",),
            no_shadow="it works by the broker alone, and looks for hosts that are not mapped",
        ),
        Unit(
            "nova-novncproxy",
            command="nova-novncproxy --web /usr/share/novnc",
            preload=(),
            no_shadow="it connects users to consoles on compute hosts",
        ),
    ),
    configs=(Config(CONF), Config("/etc/nova/nova.conf.d/*.conf")),
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
    shipped=(Shipped("nova/api-paste.ini"),),
    rootwrap=True,
    apis=(
        ApiPort("nova", 8774, types=("compute",)),
        ApiPort("nova-metadata", 8775),
        ApiPort("nova-novncproxy", 6080, path="/vnc_auto.html"),
    ),
    rest=Rest(
        service="compute",
        version="/v2.1",
        short="/servers?limit=1",
        microversion="2.96",
        turn=1,
        kinds=(
            Kind(
                "server",
                "/servers/detail",
                everywhere={"all_tenants": "1"},
                digest=("OS-EXT-SRV-ATTR:user_data",),
                busy=Busy(task="OS-EXT-STS:task_state", settled=SERVERS),
                lost=_lost,
                allowed=(
                    Allowed("host_status", "follows the heartbeat of its compute"),
                    Allowed("OS-EXT-AZ:availability_zone", "shown only while its compute is heard"),
                ),
            ),
            Kind(
                "server-group",
                "/os-server-groups",
                list="server_groups",
                everywhere={"all_projects": "true"},
                offset=True,
            ),
            Kind(
                "keypair",
                "/os-keypairs?user_id={id}",
                list="keypairs",
                each="user",
                id="{parent}/{name}",
                inner="keypair",
                admin=True,
            ),
            Kind(
                "own-keypair",
                "/os-keypairs",
                list="keypairs",
                id="{name}",
                inner="keypair",
                whole="keypair",
                follows=True,
            ),
            Kind("flavor", "/flavors/detail", everywhere={"is_public": "None"}, common=True),
            Kind(
                "flavor-access",
                "/flavors/{id}/os-flavor-access",
                list="flavor_access",
                each="flavor",
                when={"os-flavor-access:is_public": False},
                id="{parent}/{tenant_id}",
                admin=True,
            ),
            Kind("aggregate", "/os-aggregates", list="aggregates", admin=True),
            Kind(
                "compute-service",
                "/os-services",
                list="services",
                id="{binary}@{host}",
                admin=True,
                allowed=(
                    HEARTBEAT,
                    STATE,
                    Allowed(
                        field="",
                        change="added",
                        id="nova-[sc]*@*",
                        reason="the target's own schedulers and conductors",
                    ),
                ),
            ),
            Kind(
                "hypervisor",
                "/os-hypervisors/detail",
                list="hypervisors",
                # later ones ask every compute for its uptime and wait
                query={"microversion": "2.87"},
                admin=True,
                allowed=(
                    Allowed("state", "follows the heartbeat of its compute"),
                    Allowed("disk_available_least", "what else the host's disk is used for"),
                    Allowed(
                        "memory_mb",
                        "the host tells anew how much it has; reserve, ratio and what is "
                        "used are compared",
                    ),
                    Allowed("free_ram_mb", "follows memory_mb and what runs there"),
                    Allowed("current_workload", "what the host is busy with at the moment"),
                    Allowed("service.*", "follows the heartbeat of its compute"),
                ),
                follows=True,
            ),
            Kind(
                "availability-zone",
                "/os-availability-zone",
                list="availabilityZoneInfo",
                id="{zoneName}",
                common=True,
                allowed=(Allowed("*", "follows the heartbeats of its hosts"),),
            ),
            Kind(
                "compute-quota", "/os-quota-sets/{id}", one="quota_set", each="project", admin=True
            ),
        ),
        workers=Workers(
            path="/os-services",
            list="services",
            kind="compute-service",
            anywhere=("nova-scheduler", "nova-conductor", "nova-consoleauth"),
        ),
    ),
    sync=(
        Tool(argv=("nova-manage", "api_db", "sync")),
        Tool(argv=("nova-manage", "db", "sync", "--local_cell"), each_cell=True),
    ),
    heads_prove_sync=True,
    sync_preload=("nova.db.migration", "nova.db.main.api", "nova.db.api.api"),
    online=(
        Tool(
            argv=("nova-manage", "db", "online_data_migrations"), repeat_while=(1,), each_cell=True
        ),
    ),
    status_check=Tool(argv=("nova-status", "upgrade", "check"), accepted=(0, 1)),
    heads=(
        Heads("nova_api", "nova/db/api/migrations/versions"),
        Heads("nova", "nova/db/main/migrations/versions", each_cell=True),
    ),
    rules=Rules(
        settings=(
            Setting(
                file=CONF,
                section="upgrade_levels",
                option="compute",
                value="{compute_alias}",
                why="computes stay on the source's release; without a cap they never hear of "
                "plugged ports",
                source="measured in the lab, builds hang 120 s; nova/compute/rpcapi.py names the "
                "aliases",
            ),
            *_quick_stop(CONF),
        ),
        own_host=True,
        gone=(
            Gone(
                section="DEFAULT",
                options=(
                    *("osapi_compute_workers", "metadata_workers", "enabled_apis"),
                    *("enabled_ssl_apis", "osapi_compute_listen", "osapi_compute_listen_port"),
                    *("metadata_listen", "metadata_listen_port"),
                ),
                remedy=UWSGI,
            ),
            Gone(
                section="wsgi",
                options=(
                    *("wsgi_log_format", "ssl_ca_file", "ssl_cert_file", "ssl_key_file"),
                    *("tcp_keepidle", "default_pool_size", "max_header_line", "keep_alive"),
                    "client_socket_timeout",
                ),
                remedy=UWSGI,
            ),
        ),
    ),
    questions=(
        Question(
            database="nova",
            table="instances",
            where=f"deleted = 0 AND task_state IS NOT NULL AND updated_at < {HOUR}",
            message="server(s) are in the middle of a task for more than an hour: the drain would "
            "wait in vain",
            remedy="openstack server set --state error, or --state active, each",
        ),
        Question(
            database="nova",
            table="instances",
            where="deleted <> 0",
            message="deleted servers were never archived: they are copied and compared too",
            remedy="nova-manage db archive_deleted_rows --all-cells --until-complete --purge",
            warning=True,
            least=MANY,
        ),
    ),
    online_left=(
        *left(
            "nova",
            populate_instance_compute_id="instances i JOIN compute_nodes c ON c.host = i.host AND "
            "c.hypervisor_hostname = i.node AND c.deleted = 0 WHERE i.compute_id IS NULL "
            "AND i.deleted = 0",
            populate_dev_uuids="pci_devices WHERE uuid IS NULL AND deleted = 0",
            populate_uuids="block_device_mapping WHERE uuid IS NULL AND deleted = 0",
            migration_migrate_to_uuid="migrations WHERE uuid IS NULL AND deleted = 0",
        ),
        *left(
            "nova_api",
            populate_queued_for_delete="instance_mappings WHERE queued_for_delete IS NULL",
            populate_user_id="instance_mappings WHERE user_id IS NULL",
        ),
    ),
    oldest=Oldest(
        database="nova",
        query="SELECT host, version FROM {d}.services WHERE deleted = 0 AND "
        "`binary` = 'nova-compute'",
        judge=_too_old,
    ),
    outlived=Outlived(
        # they only say who runs where; the last two are in no listing of the API, and count in
        # the minimum that a service asks for as it starts
        purged=(
            *("nova-scheduler", "nova-conductor", "nova-consoleauth"),
            *("nova-osapi_compute", "nova-metadata"),
        ),
        why="nova-compute's are in use: deleting one takes the host's mapping and resource "
        "provider along",
    ),
    vouches=Vouches(sends="nova-api", receives="nova-api", must=True),
    attachments=Attachments(database="nova", table="block_device_mapping", within="data"),
    packages=("genisoimage", "novnc"),
    lookups=(
        Lookup(
            of="cinder",
            program="nova-api",
            section="cinder",
            url="endpoint_template",
            option="catalog_info",
            default="volumev3::publicURL",
        ),
    ),
)
