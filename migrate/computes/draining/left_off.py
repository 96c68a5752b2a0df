"""On the way back of the whole: servers that were stopped for their host's renewal run again.

The source takes them for running and starts none of them: its nova finds them off in ten minutes,
and notes that. So the target starts them, each where it stands, before the source serves.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from migrate.cloud import Context, hosts, login
from migrate.cloud.api import Api
from migrate.cloud.host import Host
from migrate.computes.draining import note, together, turns
from migrate.computes.draining.move import Move, Request, start
from migrate.computes.estimates import Action
from migrate.computes.facts import Kind, Server
from migrate.engine.cancellation import Cancellation
from migrate.errors import MigrateError

SECONDS = 120.0  # for each: users are shut out of both sides meanwhile
WHAT = (
    "stopped by settle; where the target cannot start it any more: `openstack server reboot --hard "
    "{}` once the source serves, which takes it for running"
)


def left_off(context: Context) -> list[dict[str, str]]:
    """Servers that were stopped for their host's renewal and not started since, as losses name it.

    A host that is dead has nothing to say: what it ran is off anyway.
    """
    return [
        {"id": one, "name": one, "host": host.name, "why": "stopped", "what": WHAT.format(one)}
        for host, stopped in _noted(context)
        for one in stopped
    ]


def start_again(context: Context, remark: Callable[[str, str], None]) -> None:
    """Start them; who does not start is named, and holds nothing up."""
    noted = [(host, stopped) for host, stopped in _noted(context) if stopped]
    if not noted:
        return
    try:
        api = login.api(context, context.target.api) if context.target.controllers else None
    except MigrateError as error:
        remark("servers", f"the target's API cannot be asked: {error}")
        api = None
    if api:
        turns.share(context, Cancellation())  # the way back is not given up for one of them
        known = dict(noted)
        for told in hosts.living(known, lambda host: _start(context, api, host, known[host])):
            for why in told:
                remark("servers", f"not started again: {why}")
    for one in left_off(context):
        remark("servers", f"server {one['id']} of {one['host']}: {one['what']}")


def _noted(context: Context) -> list[tuple[Host, list[str]]]:
    def ask(host: Host) -> tuple[Host, list[str]]:
        return host, [one for one, action in note.read(host).items() if action is Action.STOP]

    return hosts.living(context.source.computes, ask)


def _start(context: Context, api: Api, host: Host, stopped: list[str]) -> list[str]:
    moves = [
        Move(
            context=context,
            api=api,
            host=host,
            server=one,
            want=partial(_wanted, host.name),
            arrived=partial(note.drop, host, [one]),
            limit=SECONDS,
        )
        for one in stopped
    ]
    try:
        return together.run(context, moves, all_of_them=True)
    except MigrateError as error:
        return [f"servers of {host.name}: {error}"]


def _wanted(host: str, server: Server) -> Request | str:
    """Elsewhere it is the homecoming's to judge."""
    return start() if server.host == host and server.kind is Kind.STOPPED else ""
