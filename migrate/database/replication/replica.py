"""The target's server follows the source's by GTID, from a seed of one instant.

What follows is that copy and no other: where anything else has written to it, or the two servers
have parted, it is seeded anew, never mended. No statement is skipped: a replica that went on over
an error would differ from the source without anybody knowing.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from migrate.cloud import Context, wait
from migrate.cloud.host import Host
from migrate.database import connection, copy, progress
from migrate.database.replication import (
    account,
    facts,
    room,
    server_copy,
    state,
    streams,
    tunnel,
)
from migrate.database.service_databases import known
from migrate.engine import markers
from migrate.errors import StepError
from migrate.onhost import call

OPTIONS = "/etc/mysql/mariadb.conf.d/80-sidestep-replica.cnf"
FILTER = "replicate_wild_do_table"
SOON = 5.0  # seconds in which a replica that follows has what the source had when it was asked
STANDSTILL = 60.0  # seconds without any progress
ANSWERED = 20.0  # seconds in which the source answers
IDLE = 5.0  # the same in the window: what is missing then is brought
TRIES = 2  # seeds, before it is given up
LEAVE = ("STOP SLAVE", "RESET SLAVE ALL")

START = f"""CHANGE MASTER TO MASTER_HOST='{tunnel.ADDRESS}', MASTER_PORT={tunnel.PORT},
MASTER_USER='{account.USER}', MASTER_PASSWORD=%s, MASTER_USE_GTID=slave_pos, MASTER_SSL=0,
MASTER_SSL_VERIFY_SERVER_CERT=0, MASTER_CONNECT_RETRY=3, MASTER_HEARTBEAT_PERIOD=5"""


@dataclass(frozen=True, slots=True)
class Standing:
    """How the target's replica is: `error` says why it does not follow, "" where it does.

    `ours` is whether there is one at all; `has` and `source` are positions, e.g. "0-1-55".
    """

    ours: bool
    error: str = ""
    has: str = ""
    source: str = ""

    @property
    def follows(self) -> bool:
        return self.ours and not self.error


def obstacles(context: Context) -> list[facts.Obstacle]:
    """Why the target cannot follow the source by replication; [] where it can."""
    with connection.session(context.source.database) as link:
        source = facts.read(link)
    with connection.session(context.target.database) as link:
        return facts.forbidding(source, facts.read(link))


def seed(context: Context) -> None:
    """Copy the databases a first time: of one instant, where they can be followed from it."""
    _seed(context, followed=not obstacles(context))


def _seed(context: Context, *, followed: bool) -> None:
    server_copy.put_back(context.target.database)
    _end(context.target.database)
    copy.first_pass(context, _bring if followed else None)


def _bring(context: Context, names: list[str]) -> None:
    if server_copy.why_not(context):
        streams.bring(context, names)
        return
    server_copy.bring(context, names)
    with connection.session(context.target.database) as link:
        progress.note(link, progress.WHOLE, "")


def way(context: Context) -> str:
    """By which way the seed would come now, and why, for people: a clause by itself."""
    if wrong := obstacles(context):
        return f"the databases come by dumps and are not followed, since {wrong[0].message}"
    if why := server_copy.why_not(context):
        return f"the databases come by dumps in several streams, not by mariadb-backup, since {why}"
    return (
        "the databases come by mariadb-backup: the target's server becomes the source's, but for "
        "its own accounts"
    )


def standing(context: Context) -> Standing:
    """How it is now."""
    with connection.session(context.source.database) as link:
        source = position(link)
    with connection.session(context.target.database) as link:
        if full := state.full(link):
            return Standing(True, full, state.applied(link), source)
        found = state.read(link)
        if not found:
            return Standing(ours=False, source=source)
        return Standing(True, state.error(found), state.applied(link), source)


def follows(context: Context) -> bool:
    """Whether the target has, within seconds, what the source has now, or need not follow.

    It need not when the source cannot be followed, and when all of a fenced source has arrived.
    """
    if copy.copied(context) or obstacles(context):
        return True
    with connection.session(context.source.database) as link:
        now = position(link)
    with connection.session(context.target.database) as link:
        found = {} if state.full(link) else state.read(link)
        if not found or state.error(found) or not _wanted(context, link):
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
    room.refuse_without(context)
    for _ in range(TRIES):
        if not _fit(context):
            _seed(context, followed=True)
        if not (said := _follow(context)):
            return
        with connection.session(context.target.database) as link:
            if not state.parted(state.read(link)):
                raise StepError(f"{_named(context)} cannot follow the source's: {said}")
            progress.forget(link, progress.SEED)  # never gone on with
    _end(context.target.database)
    raise StepError(f"{_named(context)} cannot follow the source's, also from a fresh copy: {said}")


def _named(context: Context) -> str:
    return f"{context.target.database.name}: its database"


def end(context: Context) -> None:
    """Follow no more, with nothing of it left on either side but the data; safe to repeat."""
    server_copy.put_back(context.target.database)
    _end(context.target.database)
    account.remove(context.source.database)


def arrive(context: Context) -> None:
    """Have all that the fenced source has logged, as long as it gets on, and follow no more.

    What is missing where it did not come is brought as where nothing was followed. The way to the
    source stays until `take_away`: nobody goes it any more, and it takes longer than all of this.
    """
    with connection.session(context.source.database) as link:
        last = position(link)
    with connection.session(context.target.database) as link:
        if state.read(link):
            _come(link, last, IDLE)
            connection.several(link, LEAVE)


def arrived(context: Context) -> bool:
    """Whether nothing is followed any more."""
    return not _ours(context.target.database)


def take_away(context: Context) -> None:
    """Nothing is left on the target of how it followed; safe to repeat."""
    _end(context.target.database)


def taken_away(context: Context) -> bool:
    """Whether nothing is."""
    return not left(context.target.database)


def left(target: Host) -> list[str]:
    """Files that are there still: they go at last."""
    return list(call(target, "files.existing", [OPTIONS, *tunnel.FILES]))


@contextmanager
def paused(context: Context) -> Iterator[Callable[[str], None]]:
    """Nothing is applied on the target for as long as the block, but by what it gives.

    That brings the data to where the source's was at a position, which must not be before the
    block's begin. Following goes on afterwards.
    """
    with connection.session(context.target.database) as link:

        def come(where: str) -> None:
            connection.rows(link, f"START SLAVE UNTIL master_gtid_pos = {_literal(where)}")
            if wrong := _come(link, where, STANDSTILL):
                raise StepError(f"{context.target.database.name}: {wrong}")

        connection.rows(link, "STOP SLAVE")
        try:
            yield come
        finally:
            connection.several(link, ("STOP SLAVE", "START SLAVE"))


def position(link: connection.Session) -> str:
    """What a source has logged, e.g. "0-1-55"; one of each domain, by commas."""
    return str(connection.value(link, "SELECT @@global.gtid_binlog_pos"))


def _literal(where: str) -> str:
    if set(where) - set("0123456789-,"):
        raise StepError(f"{where!r} is no position in a binary log")
    return f"'{where}'"


def _fit(context: Context) -> bool:
    """Whether what the target holds is a seed, or followed from one, that nobody else wrote to."""
    with connection.session(context.target.database) as link:
        seeded = progress.ever(link, progress.SEED) and bool(state.applied(link))
        return seeded and not progress.ever(link, progress.OWN_WRITES)


def _follow(context: Context) -> str:
    """Begin, and wait until it is where the source is; "" or why it cannot be."""
    target = context.target.database
    _end(target)
    password = account.make(context.source.database)
    tunnel.dig(context)
    wanted = _filter(context)
    lines = "".join(f"{FILTER} = {one}\n" for one in wanted.split(","))
    target.write(OPTIONS, f"[mariadbd]\n{lines}", mode=0o644)
    with connection.session(target) as link:
        connection.rows(link, f"SET GLOBAL {FILTER} = %s", wanted)
        connection.rows(link, START, password)
        connection.rows(link, "START SLAVE")
    with connection.session(context.source.database) as link:
        now = position(link)
    with connection.session(target) as link:
        return _come(link, now, STANDSTILL) or _connected(link)


def _connected(link: connection.Session) -> str:
    """Wait until the source sends: who has all already would not miss it; "" or why it does not."""

    def missing() -> str:
        found = state.read(link)
        return "" if state.connected(found) else state.error(found) or "no connection to the source"

    return wait.while_any(missing, ANSWERED)


def _filter(context: Context) -> str:
    """The databases that are followed: by rows and by statements, whoever says them where."""
    names = sorted({one.name for one in known(context)})
    return ",".join(f"{name.replace('_', chr(92) + '_')}.%" for name in names)


def _wanted(context: Context, link: connection.Session) -> bool:
    """Whether just the databases are followed that are to be."""
    return str(connection.value(link, f"SELECT @@global.{FILTER}")) == _filter(context)


def _come(link: connection.Session, last: str, idle: float) -> str:
    """Wait until *last* has come, as long as it gets on; "" or what is missing.

    A connection that is cut is made again by the server; what cannot be applied never comes.
    """

    def missing() -> str:
        return "" if state.parted(state.read(link)) else _behind(link, last)

    wait.while_changing(missing, idle, pause=0.02)
    return _behind(link, last)


def _behind(link: connection.Session, last: str) -> str:
    """What is missing until *last*; "" where it has come."""
    if state.reaches(link, last, 0.5):
        return ""
    found = state.read(link)
    return state.error(found) or f"at {state.applied(link)} of {last}"


def _ours(target: Host) -> bool:
    with connection.session(target) as link:
        return bool(state.read(link))


def _end(target: Host) -> None:
    with connection.session(target) as link:
        if state.read(link):
            connection.several(link, LEAVE)
        connection.rows(link, f"SET GLOBAL {FILTER} = ''")
    target.run("rm", "-f", "--", OPTIONS)
    tunnel.fill_in(target)
