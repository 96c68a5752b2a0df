"""What nova says of the servers of a host, of one server, and of why it did not move."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from migrate.cloud import Context, side_by_side
from migrate.cloud.api import VERSION, Api, ApiError, unless_gone
from migrate.cloud.host import Host
from migrate.computes import installers, reading, service
from migrate.computes.estimates import Way
from migrate.computes.facts import Kind, Server
from migrate.computes.policy import Policy
from migrate.errors import one_line

DETAILS = "2.84"  # from here on an event tells the words of what went wrong
UNCONFIRMED = "VERIFY_RESIZE"
ON_THE_WAY = (  # of a migration's record, live or cold, in this order: asked in it, none is missed
    *("accepted", "queued", "preparing", "running"),
    *("pre-migrating", "migrating", "post-migrating"),
)
BOUND = (
    "; neutron has a second binding of port {0}, for {1}: where no migration is at work, one was "
    "cut off by its host's death, and nova moves it there no more. Delete that binding as a user "
    "with the role service: DELETE /v2.0/ports/{0}/bindings/{1}"
)
NOT_TOLD = "nova does not say why; see nova-conductor's log, and nova-compute's on both hosts"


def policy(context: Context, api: Api, host: Host) -> Policy:
    """What the stack file says of servers of *host*, as it is renewed."""
    return policy_by(context, api, installers.of(context, host.name).WAY)


def policy_by(context: Context, api: Api, way: Way) -> Policy:
    """The same of hosts that are renewed in that *way*."""
    settle = context.settings.settle
    by_name = any(rule.project for rule in settle.rules)
    return Policy(way, settle, reading.names_of_projects(api) if by_name else {})


def on(api: Api, host: Host) -> list[Server]:
    """All of every project that nova has on *host*."""
    asked = {"all_tenants": "1", "host": host.name, VERSION: reading.COMPUTE}
    return reading.servers_of(api.pages("compute", "/servers/detail", "servers", **asked))


def one(api: Api, server: str) -> Server | None:
    """None where it is gone, or on no host any more."""
    with unless_gone():
        row = api.get("compute", f"/servers/{server}", **{VERSION: reading.COMPUTE})["server"]
        return next(iter(reading.servers_of([row])), None)
    return None


def among(api: Api, host: Host, ids: Iterable[str]) -> dict[str, Server | None]:
    """`one` of each of *ids*: those on *host* by one list, the others side by side."""
    here = {one.id: one for one in on(api, host)}
    asked = list(ids)
    elsewhere = [id_ for id_ in asked if id_ not in here]
    found = dict(zip(elsewhere, side_by_side.each(partial(one, api), elsewhere), strict=True))
    return {id_: here.get(id_) or found[id_] for id_ in asked}


def is_down(api: Api, host: str) -> bool:
    """Whether nova does not hear nova-compute on *host*."""
    return bool(service.of(api, host)["state"] != "up")


def confirmation(api: Api, server: str, host: str) -> str:
    """How the cold migration of *server* off or onto *host* stands: "finished" waits for our word.

    "" where it is a user's resize, which is not ours to confirm.
    """
    rows = _migrations(api, server, host=host, migration_type="migration")
    open_ = [row["status"] for row in rows if row["status"] in ("finished", "confirming")]
    return str(open_[0]) if open_ else ""


def resized_from(api: Api, server: str) -> str:
    """The host that *server* goes back to where its resize, or cold migration, is reverted."""
    rows = _migrations(api, server, status="finished")
    return next((str(row["source_compute"]) for row in rows), "")


def _migrations(api: Api, server: str, **asked: str) -> list[dict[str, Any]]:
    asked |= {"instance_uuid": server, VERSION: reading.COMPUTE}
    return api.pages("compute", "/os-migrations", "migrations", **asked)


def in_flight(api: Api, server: str) -> dict[int, str]:
    """By id the hosts that live migrations of *server* leave, which have not ended on both."""
    where = f"/servers/{server}/migrations"
    rows = api.get("compute", where, **{VERSION: reading.COMPUTE})["migrations"]
    return {int(row["id"]): str(row["source_compute"]) for row in rows}


def arriving(api: Api, host: str) -> set[str]:
    """Ids of servers that are on their way onto *host*.

    Nova is not believed alone: it keeps the record of a move that ended with its host.
    """
    found: set[str] = set()
    for status in ON_THE_WAY:
        asked = {"host": host, "status": status, VERSION: reading.COMPUTE}
        with unless_gone():
            rows = api.pages("compute", "/os-migrations", "migrations", **asked)
            found |= {row["instance_uuid"] for row in rows if row["dest_compute"] == host}
    seen = (one(api, id_) for id_ in sorted(found))
    return {it.id for it in seen if it and it.kind is Kind.BUSY and it.host != host}


def failure(api: Api, server: str) -> str:
    """Why the last thing that was asked of *server* came to nothing, by nova's own account.

    What holds it where it is, and nova does not name, is named beside it.
    """
    return _failure(api, server) + "".join(BOUND.format(*one) for one in _bound(api, server))


def _bound(api: Api, server: str) -> list[tuple[str, str]]:
    """Ports of *server*, and the host that each is bound to beside the one where it is."""
    if "network" not in api.bases:
        return []
    try:
        return [
            (port["id"], one["host"])
            for port in api.get("network", "/ports", device_id=server)["ports"]
            for one in api.get("network", f"/ports/{port['id']}/bindings")["bindings"]
            if one["status"] == "INACTIVE"
        ]
    except ApiError:
        return []  # it is asked beside what has failed


def _failure(api: Api, server: str) -> str:
    where = f"/servers/{server}/os-instance-actions"
    try:
        actions = api.get("compute", where, **{VERSION: DETAILS})["instanceActions"]
        last = max(actions, key=lambda row: str(row["start_time"]))["request_id"]
        found = api.get("compute", f"{where}/{last}", **{VERSION: DETAILS})["instanceAction"]
    except (ApiError, ValueError):
        return NOT_TOLD
    return next((told for row in found["events"] if (told := _told(row))), NOT_TOLD)


def _told(event: dict[str, Any]) -> str:
    if event["result"] != "Error":
        return ""
    lines = str(event.get("details") or event.get("traceback") or "").strip().splitlines()
    return one_line(lines[-1]) if lines else ""
