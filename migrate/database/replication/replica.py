"""The target's server follows the source's by GTID, from a seed of one instant.

What follows is that copy and no other: where anything else has written to it, or the two servers
have parted, it is seeded anew, never mended. No statement is skipped: a replica that went on over
an error would differ from the source without anybody knowing.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from migrate.cloud import Context, wait
from migrate.cloud.host import Host
from migrate.database import connection, copy, progress, servers
from migrate.database.replication import (
    account,
    channels,
    domains,
    facts,
    room,
    server_copy,
    state,
    streams,
    tunnel,
)
from migrate.engine import markers
from migrate.errors import StepError
from migrate.onhost import call

SOON = 5.0  # seconds in which a replica that follows has what the source had when it was asked
STANDSTILL = 60.0  # seconds without any progress
ANSWERED = 20.0  # seconds in which the source answers
IDLE = 5.0  # the same in the window: what is missing then is brought
TRIES = 2  # seeds, before it is given up


@dataclass(frozen=True, slots=True)
class Standing:
    """How the target's replica is: `error` says why it does not follow, "" where it does.

    `ours` is whether there is one at all; `has` and `source` are positions, e.g. "0-1-55", and
    `servers` is each of the source's by its host's name.
    """

    ours: bool
    error: str = ""
    has: str = ""
    source: str = ""
    servers: Mapping[str, str] = field(default_factory=dict)

    @property
    def follows(self) -> bool:
        return self.ours and not self.error


def obstacles(context: Context) -> list[facts.Obstacle]:
    """Why the target cannot follow the source by replication; [] where it can.

    All of the source's servers are followed, or none is.
    """
    with connection.session(context.target.database) as link:
        target = facts.read(link)
    read: dict[str, facts.Facts] = {}
    found: list[facts.Obstacle] = []
    for server in servers.of(context):
        with connection.session(server.host) as link:
            read[server.host.name] = facts.read(link)
        for one in facts.forbidding(read[server.host.name], target):
            told = servers.named(context, server, one.message)
            found.append(replace(one, message=told))
    return [*found, *domains.apart(read)]


def seed(context: Context) -> None:
    """Copy the databases a first time: of one instant, where they can be followed from it."""
    _seed(context, followed=not obstacles(context))


def _seed(context: Context, *, followed: bool) -> None:
    server_copy.put_back(context.target.database)
    channels.end(context.target.database)
    copy.first_pass(context, _bring if followed else None)


def _bring(context: Context) -> None:
    if server_copy.why_not(context):
        streams.bring(context)
        return
    server_copy.bring(context)
    with connection.session(context.target.database) as link:
        progress.note(link, progress.WHOLE, "")


def way(context: Context) -> str:
    """By which way the seed would come now, and why, for people: a clause by itself."""
    if wrong := obstacles(context):
        return f"the databases come by dumps and are not followed, since {wrong[0].message}"
    if why := server_copy.why_not(context):
        return server_copy.DUMPED.format(why)
    return f"{server_copy.COPIED}, but for its own accounts"


def standing(context: Context) -> Standing:
    """How it is now."""
    those = positions(context)
    source = ",".join(those.values())
    with connection.session(context.target.database) as link:
        if full := state.full(link):
            return Standing(True, full, state.applied(link), source, those)
        found = state.read(link)
        if not found:
            return Standing(ours=False, source=source)
        return Standing(True, _wrong(context, found), state.applied(link), source, those)


def _wrong(context: Context, found: Mapping[str, state.Shown]) -> str:
    """Why one of the source's servers is not followed; "" where each is."""
    told = (
        servers.named(context, server, state.error(found.get(server.connection)))
        for server in servers.of(context)
    )
    return "; ".join(filter(None, told))


def follows(context: Context) -> bool:
    """Whether the target has, within seconds, what the source has now, or need not follow.

    It need not when the source cannot be followed, and when all of a fenced source has arrived.
    """
    if copy.copied(context) or obstacles(context):
        return True
    now = ",".join(positions(context).values())
    with connection.session(context.target.database) as link:
        found = {} if state.full(link) else state.read(link)
        if not found or _wrong(context, found) or not channels.wanted(context, link, found):
            return False
        if not progress.ever(link, progress.SEED):  # it was found to differ
            return False
        return state.reaches(link, now, SOON)


def begin(context: Context) -> None:
    """Follow from the seed, and be where the source is; seeded anew where the two have parted.

    Raises StepError with the server's own words when a fresh seed cannot be followed either, or
    what stands in the way is no fault of the seed's.
    """
    markers.refuse_after(context, markers.COPIED)
    if obstacles(context):
        return
    with connection.session(context.target.database) as link:
        state.read(link)  # nothing is asked of a server that waits for room
    for server in servers.of(context):
        room.refuse_without(server.host)
    for _ in range(TRIES):
        if not _fit(context):
            _seed(context, followed=True)
        if not (said := _follow(context)):
            return
        with connection.session(context.target.database) as link:
            if not any(map(state.parted, state.read(link).values())):
                raise StepError(f"{_named(context)} cannot follow the source's: {said}")
            progress.forget(link, progress.SEED)  # never gone on with
    channels.end(context.target.database)
    raise StepError(f"{_named(context)} cannot follow the source's, also from a fresh copy: {said}")


def _named(context: Context) -> str:
    return f"{context.target.database.name}: its database"


def end(context: Context) -> None:
    """Follow no more, with nothing of it left on either side but the data; safe to repeat."""
    server_copy.put_back(context.target.database)
    channels.end(context.target.database)
    # also where a server has no database of ours any more: one may have moved since
    those = (*(server.host for server in servers.of(context)), *context.source.databases)
    for host in dict.fromkeys(those):
        account.remove(host)


def arrive(context: Context) -> None:
    """Have all that the fenced source has logged, as long as it gets on, and follow no more.

    What is missing where it did not come is brought as where nothing was followed. The way to the
    source stays until `take_away`: nobody goes it any more, and it takes longer than all of this.
    """
    last = ",".join(positions(context).values())
    with connection.session(context.target.database) as link:
        if found := state.read(link):
            _come(link, last, IDLE)
            channels.leave(link, found)


def arrived(context: Context) -> bool:
    """Whether nothing is followed any more."""
    return not _ours(context.target.database)


def take_away(context: Context) -> None:
    """Nothing is left on the target of how it followed; safe to repeat."""
    channels.end(context.target.database)


def taken_away(context: Context) -> bool:
    """Whether nothing is."""
    return not left(context.target.database)


def left(target: Host) -> list[str]:
    """Files that are there still: they go at last."""
    return [*call(target, "files.existing", [channels.OPTIONS]), *tunnel.left(target)]


@contextmanager
def paused(context: Context) -> Iterator[Callable[..., None]]:
    """Nothing is applied on the target for as long as the block, but by what it gives.

    That brings the data to where the source's was at a position of each of its servers, none of
    which must be before the block's begin. Following goes on afterwards.
    """
    names = [server.connection for server in servers.of(context)]
    with connection.session(context.target.database) as link:

        def come(*where: str) -> None:
            for name, one in zip(names, where, strict=True):
                connection.rows(
                    link, f"START SLAVE '{name}' UNTIL master_gtid_pos = '{plain(one)}'"
                )
            if wrong := _come(link, ",".join(where), STANDSTILL):
                raise StepError(f"{context.target.database.name}: {wrong}")

        connection.several(link, (f"STOP SLAVE '{name}'" for name in names))
        try:
            yield come
        finally:
            acts = [f"{act} SLAVE '{name}'" for name in names for act in ("STOP", "START")]
            connection.several(link, acts)


def positions(context: Context) -> dict[str, str]:
    """What each of the source's servers has logged, by its host's name."""
    found = {}
    for server in servers.of(context):
        with connection.session(server.host) as link:
            found[server.host.name] = position(link)
    return found


def position(link: connection.Session) -> str:
    """What a source has logged, e.g. "0-1-55"; one of each domain, by commas."""
    return str(connection.value(link, "SELECT @@global.gtid_binlog_pos"))


def plain(where: str) -> str:
    """*where*, which is a position; StepError where it is not."""
    if set(where) - set("0123456789-,"):
        raise StepError(f"{where!r} is no position in a binary log")
    return where


def _fit(context: Context) -> bool:
    """Whether what the target holds is a seed, or followed from one, that nobody else wrote to."""
    with connection.session(context.target.database) as link:
        seeded = progress.ever(link, progress.SEED) and bool(state.applied(link))
        return seeded and not progress.ever(link, progress.OWN_WRITES)


def _follow(context: Context) -> str:
    """Begin, and wait until it is where the source is; "" or why it cannot be."""
    target = context.target.database
    channels.open_all(context)
    now = ",".join(positions(context).values())
    with connection.session(target) as link:
        return _come(link, now, STANDSTILL) or _connected(link)


def _connected(link: connection.Session) -> str:
    """Wait until the source sends: who has all already would not miss it; "" or why it does not."""

    def missing() -> str:
        silent = [one for one in state.read(link).values() if not state.connected(one)]
        return (state.error(silent[0]) or "no connection to the source") if silent else ""

    return wait.while_any(missing, ANSWERED)


def _come(link: connection.Session, last: str, idle: float) -> str:
    """Wait until *last* has come, as long as it gets on; "" or what is missing.

    A connection that is cut is made again by the server; what cannot be applied never comes.
    """

    def missing() -> str:
        if any(map(state.parted, state.read(link).values())):
            return ""
        return _behind(link, last)

    wait.while_changing(missing, idle, pause=0.02)
    return _behind(link, last)


def _behind(link: connection.Session, last: str) -> str:
    """What is missing until *last*; "" where it has come."""
    if state.reaches(link, last, 0.5):
        return ""
    errors = filter(None, map(state.error, state.read(link).values()))
    return next(errors, "") or f"at {state.applied(link)} of {last}"


def _ours(target: Host) -> bool:
    with connection.session(target) as link:
        return bool(state.read(link))
