"""What proves that a renewed compute host is the one that it was, and of the new release.

Nova, placement, the database of services and the host itself are asked, before and after. Users
work meanwhile: what is gone must be gone in nova too, and is no loss.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from migrate.cloud import Context, login, wait
from migrate.cloud.api import VERSION, Api, unless_gone
from migrate.cloud.host import Host
from migrate.computes import booting, reading, service, units, versions
from migrate.engine import state_directory
from migrate.errors import StepError
from migrate.onhost import call

HEARD_SECONDS, PAUSE = 240.0, 1.0
PLACEMENT = "1.39"

Seen = dict[str, Any]


def note(context: Context, api: Api, host: Host) -> None:
    """Keep how *host* is before anything of it is changed; what is kept already stays."""
    path = _path(context, host)
    if not path.exists():
        state_directory.record(path, look(api, host))


def noted(context: Context, host: Host) -> bool:
    """Whether that is kept."""
    return (_path(context, host)).exists()


def forget(context: Context, host: Host) -> None:
    """Forget it: the host is as it was."""
    state_directory.forget(_path(context, host))


def _path(context: Context, host: Host) -> Path:
    return context.home / f"settle-{host.name}.json"


def look(api: Api, host: Host) -> Seen:
    """`{"service": "<id>", "at": "2026-...", "boot": "<id>", "nodes": ["<id>"], "providers": [...],
    "offers": ["DISK_GB", "VCPU"], "allocations": {"<server>": {"VCPU": 1}},
    "guests": {"<server>": {"process": 812, ...}}, "uplinks": {"br-phy": ["eth1"]}}`.
    """
    mine = reading.nodes(api, host.name)
    providers = [row for one in mine for row in _providers(api, one["hypervisor_hostname"])]
    row = service.of(api, host.name)
    return {
        "service": row["id"],
        "at": row["updated_at"],  # by nova's clock, as its records of what users did
        "boot": booting.boot_id(host),
        "nodes": sorted(one["id"] for one in mine),
        "providers": sorted(providers),
        "offers": sorted({name for one in providers for name in _offers(api, one)}),
        "allocations": {k: v for one in providers for k, v in _allocations(api, one).items()},
        "guests": call(host, "guests.seen"),
        "uplinks": call(host, "switch.uplinks"),
    }


def _providers(api: Api, name: str) -> list[str]:
    rows = api.get("placement", "/resource_providers", name=name, **{VERSION: PLACEMENT})
    return [one["uuid"] for one in rows["resource_providers"]]


def _offers(api: Api, provider: str) -> Iterator[str]:
    """Resource classes of *provider* and all below it: a release may put one elsewhere."""
    rows = api.get("placement", "/resource_providers", in_tree=provider, **{VERSION: PLACEMENT})
    for row in rows["resource_providers"]:
        where = f"/resource_providers/{row['uuid']}/inventories"
        found = api.get("placement", where, **{VERSION: PLACEMENT})["inventories"]
        yield from (name for name, one in found.items() if one["total"])


def _allocations(api: Api, provider: str) -> dict[str, Any]:
    where = f"/resource_providers/{provider}/allocations"
    found = api.get("placement", where, **{VERSION: PLACEMENT})["allocations"]
    return {server: one["resources"] for server, one in found.items()}


def prove(context: Context, host: Host) -> None:
    """StepError that names all that is not as it was, or is not new."""
    api = login.api(context)
    before = state_directory.recorded(_path(context, host))
    if not before:
        raise StepError(
            f"{host.name}: {_path(context, host)} is gone, which kept how it was before: run this "
            f"where it was begun, or `migrate settle --back --host {host.name} --execute` and anew"
        )
    began = units.begun(context, host)
    # a heartbeat from after this call: by then the record tells what runs now
    wait_until_heard(context, api, host, versions.heartbeats(context, host.name))
    wrong = wait.while_any(lambda: _wrong(context, api, host, before), HEARD_SECONDS, PAUSE)
    if wrong := [*wrong, *_loops(context, host, began)]:
        raise StepError(f"{host.name}: {'; '.join(wrong)}")


def wait_until_steady(context: Context, api: Api, host: Host) -> None:
    """Until nova hears it once more; StepError where not, or a unit has ended meanwhile."""
    began = units.begun(context, host)
    wait_until_heard(context, api, host, versions.heartbeats(context, host.name))
    if wrong := list(_loops(context, host, began)):
        raise StepError(f"{host.name}: {'; '.join(wrong)}")


def _loops(context: Context, host: Host, began: dict[str, str]) -> Iterator[str]:
    if ended := units.ended(context, host, began):
        yield f"{', '.join(ended)} has ended while it was looked at: its log there says why"


def wait_until_heard(context: Context, api: Api, host: Host, since: int) -> None:
    """Until nova-compute there has reported more often than *since*; StepError where it does not.

    *since* is what `versions.heartbeats` told before.
    """

    def heard() -> bool:
        up = service.of(api, host.name)["state"] == "up"
        return up and versions.heartbeats(context, host.name) > since

    if wait.while_any(lambda: not heard(), HEARD_SECONDS, PAUSE):
        raise StepError(f"{host.name}: nova does not hear its nova-compute{_dying(host)}")


def _dying(host: Host) -> str:
    """That it ends as often as systemd starts it, which looks as if it ran."""
    shown: dict[str, dict[str, str]] = call(host, "systemd.show", [service.BINARY])
    count = sum(int(one["NRestarts"]) for one in shown.values())
    return (
        f", which has ended and been started again {count} times: its log there says why"
        if count
        else ""
    )


def _wrong(context: Context, api: Api, host: Host, before: Seen) -> list[str]:
    now = look(api, host)
    return [
        *_version(context, host),
        *_same(before, now),
        *_guests(api, host, before, now),
        *_lacking(before, now),
        *_dark(before, now),
        *_agents(api, host),
    ]


def _version(context: Context, host: Host) -> Iterator[str]:
    found = versions.read(context)
    if (has := found.computes.get(host.name)) != found.newest:
        yield f"its service has version {has}, the release's is {found.newest}"


def _same(before: Seen, now: Seen) -> Iterator[str]:
    for what, name in (
        ("service", "record of nova-compute"),
        ("nodes", "compute node"),
        ("providers", "resource provider"),
    ):
        if now[what] != before[what]:
            yield f"its {name} was {before[what]} and is {now[what]}"


def _lacking(before: Seen, now: Seen) -> Iterator[str]:
    """What the host had for servers and has no more: a card's driver, CPUs set apart."""
    if gone := sorted(set(before.get("offers", ())) - set(now["offers"])):
        yield (
            f"it offers no {', '.join(gone)} any more: see what the system lacks for that, as "
            "drivers or what its kernel is told"
        )


def _dark(before: Seen, now: Seen) -> Iterator[str]:
    """Bridges that led out of the host and do not any more; a card may be called otherwise."""
    for bridge, cards in before.get("uplinks", {}).items():
        if cards and not now["uplinks"].get(bridge):
            told = "leads out of the host no more" if bridge in now["uplinks"] else "is gone"
            yield f"bridge {bridge}, which had {', '.join(cards)}, {told}"


def _guests(api: Api, host: Host, before: Seen, now: Seen) -> Iterator[str]:
    """What is not as it was of servers that users have left alone.

    None outlives a boot of its host: nova starts it again, where it is told to, or finds it off.
    """
    booted = now["boot"] != before.get("boot", now["boot"])
    gone = sorted(before["guests"].keys() - now["guests"].keys())
    off = set(call(host, "domains.shut_down", gone)) if gone else set()
    for server in sorted({*before["allocations"], *before["guests"]}):
        changed = [
            word
            for what, word in (("allocations", "allocation"), ("guests", "process or ports"))
            if before[what].get(server) != now[what].get(server)
        ]
        if not changed or _acted_upon(api, server, before["at"]):
            continue
        if booted and changed == ["process or ports"]:
            if server in gone and not _known_off(api, server):
                yield f"server {server} is off since a boot of its host, which nova notes in 10 min"
        elif server in off and changed == ["process or ports"]:
            if not _known_off(api, server):
                yield f"server {server} shut itself down, which nova notes within 10 min"
        elif server in gone:
            yield f"server {server} does not run any more, and did not shut itself down"
        else:
            yield f"server {server} has another {' and '.join(changed)}"


def _known_off(api: Api, server: str) -> bool:
    """Whether nova, too, has found *server* off, and is not about to do anything with it."""
    one = api.get("compute", f"/servers/{server}")["server"]
    return bool(one["status"] == "SHUTOFF" and not one["OS-EXT-STS:task_state"])


def _acted_upon(api: Api, server: str, since: str) -> bool:
    """Whether somebody has done something to *server* since, or deleted it; nova itself is nobody.

    Times are nova's own, as text that can be compared.
    """
    with unless_gone():
        found = api.get("compute", f"/servers/{server}/os-instance-actions")["instanceActions"]
        return any(one["user_id"] and one["start_time"] >= since for one in found)
    return True


def _agents(api: Api, host: Host) -> Iterator[str]:
    """Network agents of this host that neutron does not hear."""
    if "network" in api.bases:
        for one in api.get("network", "/agents", host=host.name)["agents"]:
            if not one["alive"]:
                yield f"neutron does not hear its {one['binary']}"
