"""A host is emptied before it is renewed, of the servers that the stack file says."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NoReturn

from migrate.cloud import Context, hosts, login
from migrate.cloud.api import Api
from migrate.cloud.host import Host
from migrate.computes import closing, installers, service
from migrate.computes.draining import home, note, servers, together
from migrate.computes.draining.move import Move, Request, cold, live, stop
from migrate.computes.estimates import Action
from migrate.computes.facts import Kind, Server
from migrate.computes.policy import Policy
from migrate.errors import StepError

REQUESTS: Mapping[Action, Request] = {
    Action.LIVE: live(),
    Action.COLD: cold(),
    Action.STOP: stop(),
}


def drained(context: Context, host: Host) -> bool:
    """Whether nobody is there, or on the way, who is to leave.

    What is renewed has been emptied before: who is there now is at home.
    """
    api = login.api(context)
    policy, zone = servers.policy(context, api, host), service.of(api, host.name)["zone"]
    if not _leaving(context, api, policy, zone, host):
        return True
    return installers.of(context, host.name).renewed(context, host)


def drain(context: Context, host: Host) -> None:
    """Empty *host*; StepError names who could not leave, and the host is as it was before."""
    api = login.api(context)
    policy, zone = servers.policy(context, api, host), service.of(api, host.name)["zone"]
    want = partial(_wanted, policy, zone, host)
    seen: set[str] = set()
    # who was in the middle of coming as the host was closed is seen by the second look
    while leaving := _leaving(context, api, policy, zone, host) - seen:
        seen |= leaving
        moves = [
            Move(context=context, api=api, host=host, server=one, want=want)
            for one in sorted(leaving)
        ]
        if wrong := together.run(context, moves, all_of_them=False):
            _give_up(context, host, wrong)


def forget(_: Context, host: Host) -> None:
    """Nobody comes back: on the way back of the whole, `left_off` has named who stays off."""
    note.forget(host)


def left_off(context: Context) -> list[dict[str, str]]:
    """Servers that were stopped for their host's renewal and not started since, as losses name it.

    The source starts none of them: its nova finds them off and notes that.
    """
    what = "stopped by settle and not started again: start it once the source serves"
    noted = hosts.living(context.source.computes, lambda host: (host.name, note.read(host)))
    return [
        {"id": server, "name": server, "host": host, "why": "stopped", "what": what}
        for host, sent in noted
        for server, action in sent.items()
        if action is Action.STOP
    ]


def _leaving(context: Context, api: Api, policy: Policy, zone: str, host: Host) -> set[str]:
    """Ids of servers that are to leave *host*, or have been sent away and have not arrived."""
    here = {one.id: one for one in servers.on(api, host)}
    sent = note.read(host).keys() - here.keys()
    return {
        *(id_ for id_, one in here.items() if policy.leaves(one, zone)),
        *(id_ for id_ in sent if _on_the_way(api, id_, host)),
    }


def _on_the_way(api: Api, server: str, host: Host) -> bool:
    found = servers.one(api, server)
    if found is None:
        return False
    waits = found.status == servers.UNCONFIRMED
    return found.kind is Kind.BUSY or bool(waits and servers.confirmation(api, server, host.name))


def _wanted(policy: Policy, zone: str, host: Host, server: Server) -> Request | str:
    """What is to be asked for *server* of *host*; kept before it is."""
    if server.host != host.name:
        return ""
    action, why, *_ = policy.of(server, zone)
    if action not in REQUESTS:
        return why if action is Action.REFUSED else ""
    note.add(host, server.id, action)
    return REQUESTS[action]


def _give_up(context: Context, host: Host, wrong: list[str]) -> NoReturn:
    """Let *host* be as it was: open, and who is to come home is there again."""
    try:
        away = home.bring(context, host)
    except StepError as error:
        error.add_note(f"servers of {host.name} could not leave: {'; '.join(wrong)}")
        raise
    closing.reopen(context, host)
    closing.forget(context, host)
    told = f"{host.name} stays as it was, servers could not leave it: {'; '.join(wrong)}"
    if away:
        told += f". Not home again, and alive where they are: {'; '.join(away)}"
    raise StepError(told)
