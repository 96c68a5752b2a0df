"""Servers that were moved since go back to the host that the source's database names.

Nova does it while the target still serves everybody: one that runs is live-migrated, a resize that
waits for its user's word is reverted, one that is off is moved cold. Who does not come in time, or
cannot, is stopped afterwards where it is, and its own disk then lies on a host where the source
does not look for it.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from functools import partial

from migrate.cloud import Context, login, side_by_side, wait
from migrate.cloud.api import Api, ApiError
from migrate.cloud.host import Host
from migrate.computes import service
from migrate.computes.draining import servers, together, turns
from migrate.computes.draining.move import Move, Request, cold, live, revert
from migrate.computes.facts import Kind, Server
from migrate.computes.homecoming import reading
from migrate.computes.homecoming.bring import PAUSE, REST_SECONDS
from migrate.computes.homecoming.decision import Why, busy, decide
from migrate.computes.homecoming.facts import Facts
from migrate.engine.cancellation import Cancellation
from migrate.errors import MigrateError, PreconditionError

SECONDS = 300.0  # for all: what makes an operator go back does not wait for ever
EACH_SECONDS = 180.0  # two that go side by side take twice as long as one
MOVING = ("migrating", "resize_")  # nova's tasks

Remark = Callable[[str, str], None]


def go_home(context: Context, but: Collection[str], remark: Remark) -> None:
    """Bring them there, but to no host of *but*; who stays away is told, and holds nothing up.

    Nothing is undone yet where the operator interrupts it, StepError, or where nova does not let go
    of one, PreconditionError. A dead target moves nobody.
    """
    if not context.target.controllers:
        return
    facts = reading.read(context)
    if not (away := _away(facts, but)):
        return
    try:
        api = login.api(context, context.target.api)
    except MigrateError as error:
        remark("servers", f"nobody is brought home, the target's API cannot be asked: {error}")
        return
    for server, home in away.items():
        remark("servers", f"server {_where(facts, server)} is to come home to {home}")
    for why in bring(context, api, facts, away):
        remark("servers", f"not brought home: {why}")
    _refuse_under_way(context, away)


def _refuse_under_way(context: Context, away: Collection[str]) -> None:
    """The source could not come back meanwhile, and users would be served by neither side."""

    def under_way() -> list[str]:
        facts = reading.read(context)
        now = {server: row for server, row in (facts.now or {}).items() if server in away}
        return busy(replace(facts, now=now), placed=True)

    if left := wait.while_any(under_way, REST_SECONDS, PAUSE):
        raise PreconditionError(
            f"the source may not come back yet: {'; '.join(left)}. Nothing was undone, and users "
            "are still served: wait until that has ended, or restart nova-compute there, which "
            "gives it up; then the same again"
        )


def bring(context: Context, api: Api, facts: Facts, away: Mapping[str, str]) -> Iterator[str]:
    """Why servers of *away*, which says where to by id, are not there, an entry for each."""
    turns.share(context, Cancellation())  # the way back is not given up for one of them
    until = time.monotonic() + SECONDS
    at = {server: row.host for server, row in (facts.now or {}).items()}
    homes: dict[str, list[str]] = defaultdict(list)
    for server, home in away.items():
        homes[home].append(server)

    def ask(host: Host) -> list[str]:
        home = facts.called.get(host.name, host.name)
        moves = [
            Move(
                context=context,
                api=api,
                host=host,
                server=server,
                called=home,
                other=at[server],
                want=partial(_wanted, api, home),
                limit=EACH_SECONDS,
                until=until,
                confirms=partial(_is_at, home),
            )
            for server in homes[host.name]
        ]
        if time.monotonic() > until:
            return [f"servers of {host.name}: the time for it is over"]
        try:
            service.reopen(api, home)  # by a renewal that was given up it may be closed
            return together.run(context, moves, all_of_them=True)
        except (ApiError, PreconditionError) as error:
            return [f"servers of {host.name}: {error}"]

    hosts = [one for one in context.source.computes if one.name in homes]
    for told in side_by_side.each(ask, hosts):
        yield from told


def _away(facts: Facts, but: Collection[str]) -> dict[str, str]:
    """By id of who is away, or on the way, the host to come to; those that run have the first turn.

    None where the target's database cannot be asked: its nova could not be either.
    """
    now, living = facts.now or {}, {*facts.hosts} - {*facts.silent}
    running = [act.server for act in decide(facts) if act.why is Why.MOVED and act.server in now]
    others = [
        server
        for server, row in sorted(now.items())
        if server in facts.homes
        and row.host in living
        and (row.host != facts.homes[server].host or row.task.startswith(MOVING))
    ]
    found = {server: facts.homes[server].host for server in (*running, *others)}
    return {server: home for server, home in found.items() if home in living - {*but}}


def _where(facts: Facts, server: str) -> str:
    row = (facts.now or {})[server]
    return f"{row.name} ({server}) on {row.host}"


def _is_at(home: str, server: Server) -> bool:
    return server.host == home


def _wanted(api: Api, home: str, server: Server) -> Request | str:
    """What is to be asked for *server*, which nova is to bring to *home*."""
    if server.host == home:
        return ""
    if server.status == servers.UNCONFIRMED:
        before = servers.resized_from(api, server.id)
        if servers.is_down(api, before):  # nova would shut it down here, and wait for ever
            return f"nova-compute on {before} is down, to which its resize would be reverted"
        return revert()  # its host of before has all of it still, as the source knows it
    if server.kind is Kind.STOPPED:
        return cold(home)
    if server.kind not in (Kind.RUNNING, Kind.PAUSED):
        return f"{server.status}, which nova does not live-migrate"
    return live(home)
