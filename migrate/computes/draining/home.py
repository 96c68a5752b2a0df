"""Servers come home to their host: those that the policy says, and those that were stopped for us.

A server that was moved and is not to come home, or that its user has stopped meanwhile, stays where
it is. So do all where somebody else has closed the host: nova sends nobody there.
"""

from functools import partial

from migrate.cloud import Context, login
from migrate.cloud.host import Host
from migrate.computes import service
from migrate.computes.draining import note, servers, together
from migrate.computes.draining.move import Move, Request, cold, live, start
from migrate.computes.estimates import Action
from migrate.computes.facts import Kind, Server
from migrate.computes.policy import Policy
from migrate.errors import StepError


def at_home(_: Context, host: Host) -> bool:
    """Whether nobody is away whom we have sent."""
    return not note.read(host)


def come(context: Context, host: Host) -> None:
    """Let them come, once the host is open; StepError names who cannot, and how nova has it.

    What the policy says now counts: a rule that is changed lets a server stay where it is.
    """
    if wrong := bring(context, host):
        raise StepError(
            f"{host.name} is renewed and open, but servers are not home: {'; '.join(wrong)}. The "
            "same again tries once more; they stay where they are by `home: false` in "
            "sidestep:settle"
        )


def bring(context: Context, host: Host) -> list[str]:
    """The same, on a host of either release; why servers are not home, and all are tried.

    A host that is closed by us is opened for it.
    """
    away = note.read(host)
    if not away:
        return []
    api = login.api(context)
    service.reopen(api, host.name)
    row = service.of(api, host.name)
    policy = servers.policy(context, api, host)
    found = servers.among(api, host, away)
    stay = {one for one in away if _stays(policy, row, away[one], found[one])}
    if stay:
        note.drop(host, stay)
    moves = [
        Move(
            context=context,
            api=api,
            host=host,
            server=server,
            want=partial(_wanted, policy, row, action),
            other=one.host if (one := found[server]) else "",
            arrived=partial(note.drop, host, [server]),
        )
        for server, action in away.items()
        if server not in stay
    ]
    wrong = together.run(context, moves, all_of_them=True)
    if not wrong:
        note.forget(host)
    return wrong


def _stays(policy: Policy, row: service.Row, action: Action, server: Server | None) -> bool:
    """Whether *server* is gone, or rests on another host, broken too, and is not to come home."""
    if server is None:
        return True
    if server.host == row["host"] or server.kind is Kind.BUSY:
        return False
    if server.status == servers.UNCONFIRMED:
        return False  # by us, perhaps: then it waits for our word
    if server.kind is Kind.ERROR:
        return not policy.wanted(server, row["zone"]).home
    return _request(policy, row, action, server) is None


def _wanted(policy: Policy, row: service.Row, action: Action, server: Server) -> Request | str:
    """What is to be asked for *server*, which was to leave the host of *row* by *action*."""
    request = _request(policy, row, action, server)
    if request and row["state"] != "up":
        return f"nova-compute on {row['host']} is down"
    return request or ""


def _request(policy: Policy, row: service.Row, action: Action, server: Server) -> Request | None:
    if server.host == row["host"]:
        return start() if action is Action.STOP and server.kind is Kind.STOPPED else None
    stays = server.kind not in (Kind.RUNNING, Kind.PAUSED) or service.is_closed(row)
    if stays or not policy.wanted(server, row["zone"]).home:
        return None
    return cold(row["host"]) if action is Action.COLD else live(row["host"])
