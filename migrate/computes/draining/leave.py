"""A host is emptied before it is renewed, of the servers that the stack file says.

Who stays is at rest first: what a user has asked of a server there ends with nova-compute.
"""

import time
from collections.abc import Mapping
from functools import partial
from typing import NoReturn

from migrate.cloud import Context, login, side_by_side, wait
from migrate.cloud.api import Api
from migrate.cloud.host import Host
from migrate.computes import closing, installers, service
from migrate.computes.draining import home, note, servers, together, turns
from migrate.computes.draining.move import Move, Request, cold, live, stop
from migrate.computes.estimates import Action
from migrate.computes.facts import Kind, Server
from migrate.computes.policy import Policy
from migrate.errors import MigrateError, StepError

REST_PAUSE = 2.0
REQUESTS: Mapping[Action, Request] = {
    Action.LIVE: live(),
    Action.COLD: cold(),
    Action.STOP: stop(),
}


def drained(context: Context, host: Host) -> bool:
    """Whether nobody is there, or on the way, who is to leave, and who stays is at rest.

    What is renewed has been emptied before: who is there now is at home.
    """
    installer = installers.of(context, host.name)
    if installer.between(context, host):
        return True
    api = login.api(context)
    policy, zone = servers.policy(context, api, host), service.of(api, host.name)["zone"]
    waits = _leaving(context, api, policy, zone, host) or _at_work(api, host)
    return not waits or installer.renewed(context, host)


def drain(context: Context, host: Host) -> None:
    """Empty *host*, and wait until who stays is at rest.

    StepError names who could not leave, or is at work still, and the host is as it was before.
    """
    api = login.api(context)
    policy, zone = servers.policy(context, api, host), service.of(api, host.name)["zone"]
    want = partial(_wanted, policy, zone, host)
    seen: set[str] = set()
    # who was in the middle of coming as the host was closed is seen by the second look
    while leaving := _leaving(context, api, policy, zone, host) - seen:
        seen |= leaving
        places = turns.of(context).places
        moves = [
            Move(
                context=context,
                api=api,
                host=host,
                server=one,
                want=want,
                to=places.get((host.name, one), ""),
            )
            for one in sorted(leaving)
        ]
        if wrong := together.run(context, moves, all_of_them=False):
            _give_up(context, host, f"servers could not leave it: {'; '.join(wrong)}")
    if busy := _await_rest(context, api, host):
        told = f"after {context.settings.settle.timeout_seconds} s"
        _give_up(context, host, f"{', '.join(busy)} is in the middle of an operation {told}")


def forget(_: Context, host: Host) -> None:
    """Nobody comes back: on the way back of the whole, who stays off was named (`left_off.py`)."""
    note.forget(host)


def _leaving(context: Context, api: Api, policy: Policy, zone: str, host: Host) -> set[str]:
    """Ids of servers that are to leave *host*, or have been sent away and have not arrived.

    Of those on their way onto it nobody knows before: others of its batch sent them while it was
    open, and its restart would cut them off.
    """
    here = {one.id: one for one in servers.on(api, host)}
    sent = sorted(note.read(host).keys() - here.keys())
    found = zip(sent, side_by_side.each(partial(servers.one, api), sent), strict=True)
    return {
        *(id_ for id_, one in here.items() if policy.leaves(one, zone)),
        *(id_ for id_, one in found if one and _on_the_way(api, one, host)),
        *servers.arriving(api, host.name),
    }


def _await_rest(context: Context, api: Api, host: Host) -> list[str]:
    """Who is at work still: its user has begun something since, which a restart would cut off.

    StepError once a stop is asked for.
    """

    def sleep(seconds: float) -> None:
        if turns.stopped(context):
            raise StepError(f"{host.name}: stopped while servers there were at work")
        time.sleep(seconds)

    limit = context.settings.settle.timeout_seconds
    return wait.while_any(lambda: _at_work(api, host), limit, REST_PAUSE, sleep)


def _at_work(api: Api, host: Host) -> list[str]:
    """Names of servers on *host* in the middle of an operation."""
    return [one.name or one.id for one in servers.on(api, host) if one.kind is Kind.BUSY]


def _on_the_way(api: Api, server: Server, host: Host) -> bool:
    waits = server.status == servers.UNCONFIRMED
    return server.kind is Kind.BUSY or bool(
        waits and servers.confirmation(api, server.id, host.name)
    )


def _wanted(policy: Policy, zone: str, host: Host, server: Server) -> Request | str:
    """What is to be asked for *server* of *host*; kept before it is."""
    if server.host != host.name:
        return ""
    action, why, *_ = policy.of(server, zone)
    if action not in REQUESTS:
        return why if action is Action.REFUSED else ""
    note.add(host, server.id, action)
    return REQUESTS[action]


def _give_up(context: Context, host: Host, why: str) -> NoReturn:
    """Let *host* be as it was: open, and who is to come home is there again."""
    try:
        away = home.bring(context, host)
    except MigrateError as error:  # also one that does not answer any more
        error.add_note(f"{host.name}: {why}")
        raise
    closing.reopen(context, host)
    closing.forget(context, host)
    told = f"{host.name} stays as it was, {why}"
    if away:
        told += f". Not home again: {'; '.join(away)}"
    raise StepError(told)
