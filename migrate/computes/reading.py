"""Facts of compute hosts from nova, placement and keystone; every call is a GET."""

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import Any

from migrate.cloud.api import PAGE, VERSION, Api, ApiError, unless_gone
from migrate.computes.facts import (
    Aggregate,
    ComputeHost,
    Facts,
    Flavor,
    Group,
    Inventory,
    Kind,
    Provider,
    Server,
)
from migrate.computes.images import Images, kept, merged
from migrate.errors import PreconditionError
from migrate.services.nova import SERVERS

WORKERS = 12  # as the listing's: the far side is a few API workers
# the last in which a hypervisor tells its CPU, and in which none is asked for its uptime
HYPERVISORS = "2.87"
COMPUTE = "2.98"  # from here on a server tells what it keeps of its image; its zone since 2.96
PLACEMENT = "1.39"
RECOVERY = "1.2"  # from here on a segment tells whether it is enabled

TYPE, ORDINARY = "binding:vnic_type", "normal"
PORTS = f"/ports?fields=id&fields=device_id&fields={TYPE}"

KINDS = {
    "ACTIVE": Kind.RUNNING,
    "SHUTOFF": Kind.STOPPED,
    "PAUSED": Kind.PAUSED,
    "ERROR": Kind.ERROR,
}

Json = dict[str, Any]


def read(api: Api) -> Facts:
    """What *api*'s administrator sees of every host and every project's servers.

    Three calls for each resource provider, a host without cards has one: inventories, usages,
    traits. Beside them ten lists, of which each page holds up to 1,000 entries, and two calls for
    instance-HA where the cloud has it.
    """
    if missing := [one for one in ("compute", "placement") if one not in api.bases]:
        raise PreconditionError(
            f"the catalogue has no {' and no '.join(missing)}: there are no compute hosts to settle"
        )
    api.microversions = {**api.microversions, "compute": COMPUTE, "placement": PLACEMENT}
    with ThreadPoolExecutor(WORKERS) as pool:
        services = pool.submit(api.pages, "compute", "/os-services", "services")
        hypervisors = pool.submit(
            api.pages, "compute", "/os-hypervisors/detail", "hypervisors", **{VERSION: HYPERVISORS}
        )
        servers = pool.submit(api.pages, "compute", "/servers/detail", "servers", all_tenants="1")
        aggregates = pool.submit(api.pages, "compute", "/os-aggregates", "aggregates")
        groups = pool.submit(
            api.slices, "compute", "/os-server-groups", "server_groups", all_projects="true"
        )
        projects = pool.submit(names_of_projects, api)
        recovery = pool.submit(_recovery, api)
        cards = pool.submit(_cards, api)
        told = pool.submit(Images.read, api)
        below: dict[str, list[Provider]] = {}
        for provider in pool.map(lambda row: _provider(api, row), _rows(api)):
            below.setdefault(provider.root, []).append(provider)
        return Facts(
            hosts=tuple(_hosts(services.result(), hypervisors.result(), below)),
            servers=tuple(
                servers_of(servers.result(), groups.result(), cards.result(), told.result())
            ),
            aggregates=tuple(
                Aggregate(one["name"], frozenset(one["hosts"]), one["metadata"])
                for one in aggregates.result()
            ),
            projects=projects.result(),
            recovery=recovery.result(),
            image=told.result().largest,
        )


def nodes(api: Api, host: str) -> list[Json]:
    """nova's compute nodes of the service host *host*.

    A node's own name may have a domain that the service's has not, or the other way round.
    """
    asked = {"hypervisor_hostname_pattern": host.partition(".")[0], VERSION: HYPERVISORS}
    where = "/os-hypervisors/detail"
    rows = []
    with unless_gone():  # where there is no such name
        rows = api.get("compute", where, **asked)["hypervisors"]
    if found := [one for one in rows if one["service"]["host"] == host]:
        return found
    rows = api.pages("compute", where, "hypervisors", **{VERSION: HYPERVISORS})
    return [one for one in rows if one["service"]["host"] == host]


def names_of_projects(api: Api) -> dict[str, str]:
    """By id."""
    if "identity" not in api.bases:
        return {}
    return {one["id"]: one["name"] for one in api.pages("identity", "/projects", "projects")}


def _recovery(api: Api) -> tuple[str, ...]:
    """Names of masakari's segments that are enabled; of older ones, which cannot be, all."""
    if not api.find("instance-ha", ("instance-ha", "ha")):
        return ()
    try:
        rows = api.pages("instance-ha", "/segments", "segments", **{VERSION: RECOVERY})
    except ApiError as error:
        if error.status != 406:
            raise
        rows = api.pages("instance-ha", "/segments", "segments")
    return tuple(one["name"] for one in rows if one.get("enabled", True))


def _cards(api: Api) -> dict[str, tuple[str, ...]]:
    """By server the types of its ports that are not ordinary; neutron cannot be asked for these."""
    if "network" not in api.bases:
        return {}
    found: dict[str, tuple[str, ...]] = {}
    for one in api.rows("network", PORTS, "ports", limit=str(PAGE)):
        if (type_ := one.get(TYPE) or ORDINARY) != ORDINARY and one["device_id"]:
            found[one["device_id"]] = (*found.get(one["device_id"], ()), type_)
    return found


def _rows(api: Api) -> list[Json]:
    return api.pages("placement", "/resource_providers", "resource_providers")


def _provider(api: Api, row: Json) -> Provider:
    where = f"/resource_providers/{row['uuid']}"
    inventories = api.get("placement", f"{where}/inventories")["inventories"]
    return Provider(
        uuid=row["uuid"],
        root=row["root_provider_uuid"],
        inventories={
            name: Inventory(
                total=one["total"],
                reserved=one["reserved"],
                ratio=one["allocation_ratio"],
                unit=one["max_unit"],
            )
            for name, one in inventories.items()
        },
        usages=api.get("placement", f"{where}/usages")["usages"],
        traits=frozenset(api.get("placement", f"{where}/traits")["traits"]),
    )


def _hosts(
    services: Iterable[Json], hypervisors: Iterable[Json], below: dict[str, list[Provider]]
) -> list[ComputeHost]:
    nodes = {one["service"]["host"]: one for one in hypervisors}
    found = [one for one in services if one["binary"] == "nova-compute"]
    return sorted(
        (_host(one, nodes.get(one["host"], {}), below) for one in found), key=lambda one: one.name
    )


def _host(service: Json, node: Json, below: dict[str, list[Provider]]) -> ComputeHost:
    told = node.get("cpu_info") or {}
    cpu: Json = json.loads(told) if isinstance(told, str) else told
    return ComputeHost(
        name=service["host"],
        zone=service["zone"],
        enabled=service["status"] == "enabled",
        reason=service.get("disabled_reason") or "",
        up=service["state"] == "up" and not service.get("forced_down"),
        hypervisor=node.get("hypervisor_type") or "",
        version=node.get("hypervisor_version") or 0,
        architecture=cpu.get("arch") or "",
        vendor=cpu.get("vendor") or "",
        cpu=cpu.get("model") or "",
        providers=tuple(below.get(node.get("id", ""), ())),
    )


def servers_of(
    rows: Iterable[Json],
    groups: Iterable[Json] = (),
    cards: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
    images: Images | None = None,
) -> list[Server]:
    """Those that are on a host: one that was never scheduled, or is offloaded, is on none.

    Without *images* only what *rows* themselves tell of theirs is known, and nothing is missed.
    ApiError where nova knows too little: of a server in a cell that is down it tells no host.
    """
    rows = list(rows)
    if down := [row["id"] for row in rows if row["status"] == "UNKNOWN" and "name" not in row]:
        told = f"the cell of {len(down)} servers is down, of {down[0]} among them: see its database"
        raise ApiError("nova's list of servers", 503, told)
    member: dict[str, Group] = {}
    for one in groups:
        most = (one.get("rules") or {}).get("max_server_per_host", 1)
        group = Group(one["id"], one["policy"], int(most))
        member.update(dict.fromkeys(one["members"], group))
    flavors: dict[str, Flavor] = {}
    return [
        _server(row, _flavor(row, images, flavors), member.get(row["id"]), cards.get(row["id"], ()))
        for row in rows
        if row.get("OS-EXT-SRV-ATTR:host")
    ]


def _server(row: Json, flavor: Flavor, group: Group | None, cards: tuple[str, ...]) -> Server:
    task = row["OS-EXT-STS:task_state"] or ""
    return Server(
        id=row["id"],
        name=row["name"],
        project=row["tenant_id"],
        status=row["status"],
        task=task,
        host=row["OS-EXT-SRV-ATTR:host"],
        flavor=flavor,
        kind=kind_of(row["status"], task),
        volume_booted=not row["image"],
        volumes=tuple(one["id"] for one in row["os-extended-volumes:volumes_attached"]),
        tags=tuple(row["tags"]),
        metadata=row["metadata"],
        group=group,
        zone=row.get("pinned_availability_zone") or "",
        cards=cards,
    )


def kind_of(status: str, task: str) -> Kind:
    """Of nova's *status* and task."""
    if task or status not in SERVERS:
        return Kind.BUSY
    return KINDS.get(status, Kind.HELD)


def _flavor(row: Json, images: Images | None, known: dict[str, Flavor]) -> Flavor:
    """That of the server *row* as it was when it was made, with what its image asked for beside it:
    one of *known* where it is the same.
    """
    asked = images.of(row) if images else kept(row)
    flavor = row["flavor"]
    text = json.dumps((flavor, asked), sort_keys=True)
    if text not in known:
        known[text] = Flavor(
            name=flavor["original_name"],
            vcpus=flavor["vcpus"],
            ram=flavor["ram"],
            root=flavor["disk"],
            ephemeral=flavor["ephemeral"],
            swap=flavor["swap"] or 0,
            extra_specs=merged(flavor.get("extra_specs") or {}, asked or {}),
            image_known=asked is not None,
        )
    return known[text]
