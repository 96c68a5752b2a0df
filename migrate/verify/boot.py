"""A new server of one model on a compute host: it boots, answers ping, and is deleted.

Its name says that it is ours and for which host it was made, so that nothing has to be noted
before: who comes after one that was killed finds what it left.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from migrate.cloud import Context, wait
from migrate.cloud.api import Api, ApiError, unless_gone
from migrate.cloud.host import Host
from migrate.computes.draining import servers, turns
from migrate.computes.facts import Server
from migrate.errors import StepError, UnreachableError
from migrate.verify.model import Model, NoPlaceError

NAME = "sidestep-verify"  # what all names of ours begin with
VOLUME = f"{NAME}-volume"  # the one name by which the target lets it be deleted before `accept`
MARK = "made by sidestep to be deleted again"  # a user's that has such a name is not ours
FOR = f"{NAME}-for"  # the host, in the metadata of a volume, whose name cannot tell it
ACTIVE_SECONDS, PING_SECONDS, GONE_SECONDS = 240.0, 180.0, 120.0
NO_HOST = "No valid host was found"  # by the scheduler: one that fails on the host says otherwise
LANDED_SECONDS = 300.0  # for a migration that another run has left
MADE_SECONDS = 900.0  # for a volume: an image is copied into it
MAKING = ("creating", "downloading")
AT_REST = ("available", "error", "error_deleting")  # a volume that nobody is at work on
PAUSE = 1.0
MICROVERSION = "2.74"  # the first with `host`: the scheduler must still agree


@dataclass(frozen=True, slots=True)
class Booted:
    """How it went; seconds count from the request. It is deleted again."""

    compute: str
    server: str
    network: str
    address: str
    active_seconds: float
    answered_seconds: float
    active_at: float  # seconds since 1970


@contextmanager
def like(context: Context, api: Api, compute: str, model: Model) -> Iterator[Booted]:
    """A server of *model* on *compute* that answers ping; deleted after it, whatever happens.

    NoPlaceError where the host takes none like it: it is for others (aggregates, traits, devices).
    What one before it has left there must be swept before.
    """
    began = time.monotonic()
    with _port(api, model.network, compute) as port:
        address = str(port["fixed_ips"][0]["ip_address"])
        server = _create(api, model, port["id"], compute)
        try:
            _wait_active(api, server)
            active, active_at = time.monotonic() - began, time.time()
            answer(context, api, model.network, address)
            answered = time.monotonic() - began
            yield Booted(
                compute=compute,
                server=server,
                network=model.network,
                address=address,
                active_seconds=round(active, 1),
                answered_seconds=round(answered, 1),
                active_at=active_at,
            )
        finally:
            _delete(api, server)


def is_ours(name: object) -> bool:
    """Whether *name* is one that we give."""
    return isinstance(name, str) and name.startswith(f"{NAME}-")


def sweep(context: Context, api: Api, compute: str = "") -> list[str]:
    """Delete what one that was killed has left of those made for *compute*; by default of all.

    What stays is told, and holds nothing up: it may be on a host that is dead, or be a user's that
    only has such a name.
    """
    told = []
    for kind, row in list(_named(api, compute)):
        what = f"{kind} {row['id']} ({row['name']})"
        if not _is_marked(api, kind, row):
            told.append(f"{what} of project {_project(row)} is named as ours and is not: it stays")
            continue
        try:
            if kind == "servers":
                _delete(api, row["id"])
            elif kind == "volumes":
                delete_volume(context, api, row["id"])
            else:
                _remove(api, "network", f"/{kind}/{row['id']}")
        except StepError as error:
            told.append(f"{what} was made by us and is not gone: {error}; delete it by hand")
    return told


def left(api: Api, compute: str = "") -> Iterator[tuple[str, str]]:
    """Kind and id of what stands of ours, in the order in which it can be deleted."""
    for kind, row in _named(api, compute):
        if _is_marked(api, kind, row):
            yield kind, row["id"]


def others(api: Api, every: Iterable[Server]) -> tuple[Server, ...]:
    """Those of *every* that are users': one of ours, which a killed run has left, goes first."""
    return tuple(
        one
        for one in every
        if not (is_ours(one.name) and one.metadata.get(NAME) == MARK and one.project == api.project)
    )


def _named(api: Api, compute: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Kind and record of all that has such a name, whoever has given it."""
    every = {"all_tenants": "1", "name": f"^{NAME}-"}
    for kind, service, asked in (
        ("servers", "compute", every),
        ("volumes", "volume", {"all_tenants": "1", "name": VOLUME}),
        ("ports", "network", {"description": MARK}),
        ("security-groups", "network", {"description": MARK}),
    ):
        if service not in api.bases:
            continue
        where = f"/{kind}/detail" if kind in ("servers", "volumes") else f"/{kind}"
        for row in api.pages(service, where, kind.replace("-", "_"), **asked):
            volume = kind == "volumes"
            of = _name(row["metadata"].get(FOR, "")) if volume else row["name"]
            if is_ours(row["name"]) and (not compute or of == _name(compute)):
                yield kind, row


def _is_marked(api: Api, kind: str, row: dict[str, Any]) -> bool:
    """Whether it has our mark, and stands in our project: a mark alone anybody can copy."""
    marked = kind not in ("servers", "volumes") or row["metadata"].get(NAME) == MARK
    return marked and _project(row) == api.project


def _project(row: dict[str, Any]) -> str:
    names = ("tenant_id", "project_id", "os-vol-tenant-attr:tenant_id")
    return str(next((row[one] for one in names if row.get(one)), None))


def _name(compute: str) -> str:
    return f"{NAME}-{compute}"


@contextmanager
def _port(api: Api, network: str, compute: str) -> Iterator[dict[str, Any]]:
    """A port that lets ICMP in, with a security group of its own; both are deleted after it."""
    own = {"name": _name(compute), "description": MARK}
    group = api.send("POST", "network", "/security-groups", {"security_group": own})
    id_ = group["security_group"]["id"]
    try:
        rule = {
            "security_group_id": id_,
            "direction": "ingress",
            "ethertype": "IPv4",
            "protocol": "icmp",
        }
        api.send("POST", "network", "/security-group-rules", {"security_group_rule": rule})
        wanted = {**own, "network_id": network, "security_groups": [id_]}
        port = api.send("POST", "network", "/ports", {"port": wanted})["port"]
        try:
            yield port
        finally:
            _remove(api, "network", f"/ports/{port['id']}")
    finally:
        _remove(api, "network", f"/security-groups/{id_}")


def _create(api: Api, model: Model, port: str, compute: str) -> str:
    body = {
        "name": _name(compute),
        "metadata": {NAME: MARK},
        **_disk(model),
        "flavorRef": model.flavor,
        "networks": [{"port": port}],
        "host": compute,
    }
    try:
        made = api.send("POST", "compute", "/servers", {"server": body}, microversion=MICROVERSION)
    except ApiError as error:
        raise StepError(f"nova refused a new server on {compute}: {error}") from error
    return str(made["server"]["id"])


def _disk(model: Model) -> dict[str, Any]:
    """A volume outlives its server, so that it can be deleted where that was never made."""
    if not model.volume:
        return {"imageRef": model.image}
    root = {
        **{"uuid": model.volume, "boot_index": 0, "delete_on_termination": False},
        **{"source_type": "volume", "destination_type": "volume"},
    }
    return {"block_device_mapping_v2": [root]}


def _wait_active(api: Api, server: str) -> None:
    def active() -> bool:
        found = api.get("compute", f"/servers/{server}")["server"]
        if found["status"] == "ERROR":
            why = (found.get("fault") or {}).get("message", "no reason is told")
            if why.startswith(NO_HOST):
                raise NoPlaceError(f"nova's scheduler takes no new server for it: {why[:300]}")
            raise StepError(f"the new server {server} went into ERROR: {why[:300]}")
        return bool(found["status"] == "ACTIVE")

    _await(active, ACTIVE_SECONDS, f"the new server {server} is not ACTIVE")


def answer(context: Context, api: Api, network: str, address: str) -> None:
    """Wait until the new server at *address* of *network* answers ping."""
    asking = _askers(context, api, network)

    def answers() -> bool:
        for host, prefix in asking:
            with suppress(UnreachableError):  # an old controller that is dead; its agents are told
                if host.succeeds(*prefix, "ping", "-c", "1", "-W", "2", address, timeout=10):
                    return True
        return False

    _await(answers, PING_SECONDS, f"the new server does not answer ping at {address}")


def _askers(context: Context, api: Api, network: str) -> list[tuple[Host, tuple[str, ...]]]:
    """Hosts that have a way into *network*: those of its DHCP servers, in their name space."""
    hosts = {host.name: host for host in (*context.source.hosts, *context.target.controllers)}
    inside = ("ip", "netns", "exec", f"qdhcp-{network}")
    agents = api.get("network", f"/networks/{network}/dhcp-agents")["agents"]
    found: list[tuple[Host, tuple[str, ...]]]
    found = [(hosts[agent["host"]], inside) for agent in agents if agent["host"] in hosts]
    outside: tuple[str, ...] = ()
    return found or [(context.target.asker, outside)]


def _delete(api: Api, server: str) -> None:
    """Not in the middle of a migration: nobody would remove what is left on the other host."""
    wait.while_any(lambda: _there(api, server) and _moves(api, server), LANDED_SECONDS, PAUSE)
    with suppress(ApiError):  # deleting twice is refused while the first is at work
        api.send("DELETE", "compute", f"/servers/{server}")
    _await(
        lambda: not _there(api, server),
        GONE_SECONDS,
        f"the new server {server} is not gone after its deletion",
    )


def delete_volume(context: Context, api: Api, volume: str) -> None:
    """Once nova has let go of it: its server is to be deleted before.

    Once a stop was asked for nobody waits for one that an image is still copied into: it is left.
    """

    def status() -> str:
        with unless_gone():
            return str(api.get("volume", f"/volumes/{volume}")["volume"]["status"])
        return ""

    def gone() -> bool:
        now = status()
        if now in AT_REST:
            _remove(api, "volume", f"/volumes/{volume}")
        return not now

    left = f"the new volume {volume} is left to the next run, since it is still being made"
    sleep = turns.unless_stopped(context, left)
    wait.while_any(lambda: status() in MAKING, MADE_SECONDS, PAUSE, sleep)
    _await(gone, GONE_SECONDS, f"the new volume {volume} is not gone")


def _moves(api: Api, server: str) -> bool:
    """Also where nova only prepares that: it lists no migration yet."""
    with unless_gone():
        found = servers.one(api, server)
        at_it = found is not None and found.status == "MIGRATING"
        return at_it or bool(servers.in_flight(api, server))
    return False


def _there(api: Api, server: str) -> bool:
    with unless_gone():
        api.get("compute", f"/servers/{server}")
        return True
    return False


def _remove(api: Api, service: str, path: str) -> None:
    with unless_gone():
        api.send("DELETE", service, path)


def _await(condition: Callable[[], bool], seconds: float, late: str) -> None:
    wait.until(condition, seconds, f"{late} after {seconds:.0f} s", PAUSE)
