"""Servers that were moved since go back to the host that the source's database names, as they run.

Nova does it while the target still serves everybody. Who does not come in time, or cannot, is
stopped afterwards where it is, and its own disk then lies on a host where the source does not look
for it.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from functools import partial

from migrate.cloud import Context, login, side_by_side
from migrate.cloud.api import Api
from migrate.cloud.host import Host
from migrate.computes import service
from migrate.computes.draining import servers, together, turns
from migrate.computes.draining.move import Move, Request, live, revert
from migrate.computes.facts import Kind, Server
from migrate.computes.homecoming import reading
from migrate.computes.homecoming.decision import Act, Why, decide
from migrate.computes.homecoming.facts import Facts
from migrate.engine.cancellation import Cancellation
from migrate.errors import MigrateError

SECONDS = 300.0  # for all: what makes an operator go back does not wait for ever
EACH_SECONDS = 120.0
LATE = f"its turn did not come within {SECONDS:.0f} s"

Remark = Callable[[str, str], None]


def go_home(context: Context, but: Collection[str], remark: Remark) -> None:
    """Bring them there, but to no host of *but*; who stays away is told, and holds nothing up.

    StepError where the operator interrupts it: nothing is undone yet. A dead target moves nobody.
    """
    if not context.target.controllers:
        return
    facts = reading.read(context)
    away = [act for act in decide(facts) if _may_go(act, facts, but)]
    if not away or facts.now is None:
        return
    try:
        api = login.api(context, context.target.api)
    except MigrateError as error:
        remark("servers", f"nobody is brought home, the target's API cannot be asked: {error}")
        return
    for why in bring(context, api, facts, away):
        remark("servers", f"not brought home: {why}")


def bring(context: Context, api: Api, facts: Facts, away: Collection[Act]) -> Iterator[str]:
    """Why servers of *away* are not home, an entry for each."""
    turns.share(context, Cancellation())  # the way back is not given up for one of them
    until = time.monotonic() + SECONDS
    homes: dict[str, list[Act]] = defaultdict(list)
    for act in away:
        homes[facts.homes[act.server].host].append(act)

    def ask(host: Host) -> list[str]:
        called = facts.called.get(host.name, host.name)
        try:
            service.reopen(api, called)  # settle may have stopped while it was emptied
        except MigrateError as error:
            return [f"servers of {host.name}: {error}"]
        moves = [
            Move(
                context=context,
                api=api,
                host=host,
                server=act.server,
                other=act.host,
                want=partial(_wanted, called, until),
                limit=EACH_SECONDS,
            )
            for act in homes[host.name]
        ]
        return together.run(context, moves, all_of_them=True)

    hosts = [one for one in context.source.computes if one.name in homes]
    for told in side_by_side.each(ask, hosts):
        yield from told


def _may_go(act: Act, facts: Facts, but: Collection[str]) -> bool:
    home = facts.homes.get(act.server)
    return bool(
        act.why is Why.MOVED and home and home.host in {*facts.hosts} - {*facts.silent, *but}
    )


def _wanted(home: str, until: float, server: Server) -> Request | str:
    """What is to be asked for *server*, which nova is to bring to *home*."""
    if server.host == home:
        return ""
    if time.monotonic() > until:
        return LATE
    if server.status == servers.UNCONFIRMED:
        return revert()  # its host of before has all of it still, as the source knows it
    if server.kind not in (Kind.RUNNING, Kind.PAUSED):
        return f"{server.status}, which nova does not live-migrate"
    return live(home)
