"""The simple logical copy: the target pulls dumps from the source, host to host, and imports them.

It needs nothing of the source but a key, works across versions, and stays the fall-back path. A
stream counts as whole only when its last statement, which the source sends after its dump ended
well, was answered by the target's server.
"""

from collections.abc import Callable
from functools import partial

from migrate.cloud import Context, side_by_side, transfer
from migrate.cloud.host import Host
from migrate.database import (
    accounts,
    baseline,
    compare,
    connection,
    delta,
    merged,
    ownership,
    progress,
    servers,
)
from migrate.database.difference import differences
from migrate.database.fingerprint import Fingerprint, digest, fingerprint, listed
from migrate.database.service_databases import known
from migrate.engine import markers
from migrate.errors import StepError
from migrate.onhost import call

STREAMS = 2
TABLE_COST = 3000  # rows that take as long as making a table


def copied(context: Context) -> bool:
    """Whether the whole copy of what is fenced now arrived, and no tool left it half changed."""
    if not (fenced := _done_to(context, "copy")):
        return False
    with connection.session(context.target.database) as link:
        return not progress.unfinished(link, fenced)


def compared(context: Context) -> bool:
    """Whether the copy was proven equal to what is fenced now."""
    return noted(context, "compare")


def noted(context: Context, what: str) -> bool:
    """Whether *what* was done to the copy of what is fenced now."""
    return bool(_done_to(context, what))


def _done_to(context: Context, what: str) -> str:
    """The digest of what is fenced now, where *what* was done to its copy, else ""."""
    with connection.session(context.target.database) as link:
        if not progress.ever(link, what):
            return ""  # the source is not asked: it takes longer
    fenced = baseline.name(context)
    with connection.session(context.target.database) as link:
        return fenced if progress.noted(link, what, fenced) else ""


def first_pass(context: Context, instant: Callable[[Context], None] | None = None) -> None:
    """Copy everything while the source serves, so that the window only brings what changed.

    One that is to be followed is of one *instant*, which brings the databases and their position.
    """
    markers.refuse_after(context, markers.COPIED)
    target = context.target.database
    names = sorted({database.name for database in known(context)})
    with connection.session(target) as link:
        carried = ownership.settle(link, context, names)
        progress.clear(link)
        ownership.empty(link, ownership.recorded(target))
    if instant:
        instant(context)
    else:
        pull(context, "databases", _sizes(context))
    with connection.session(target) as link:
        accounts.grant(link, carried)
        if instant:
            progress.note(link, progress.SEED, "")
        progress.note(link, "first", "")


def _sizes(context: Context) -> dict[str, int]:
    """What each database of a source that serves costs to bring."""
    sizes: dict[str, int] = {}
    for server in servers.of(context):
        sizes |= dict.fromkeys(server.names, 1)
        with connection.session(server.host) as link:
            for name, _, size in listed(link, [*server.names]):
                sizes[name] += size // 200 + TABLE_COST
    return sizes


def passed(context: Context) -> bool:
    """Whether a first pass arrived whole."""
    with connection.session(context.target.database) as link:
        return progress.ever(link, "first")


def copy(context: Context) -> None:
    """Make the target's databases those of the fenced source, bringing only what differs.

    What the target holds is asked, not believed: from a first pass of long ago to nothing at all,
    or what a schema tool made of it, the end is the same. Where only tools were killed over a copy
    that had come, their projects' databases are brought anew, and the work of the others stays.
    """
    target = context.target.database
    _, taken = side_by_side.answers(
        (
            partial(markers.refuse_after, context, markers.SYNCED),
            partial(baseline.fenced, context),
        )
    )
    fenced = taken.fingerprint
    with connection.session(target) as link:
        came = progress.noted(link, "copy", digest(fenced))
        begun = progress.unfinished(link, digest(fenced))
    if came and begun:
        _renew(context, fenced, begun)
        return
    # of the target only what was read of the source
    held, record = side_by_side.answers(
        (
            partial(baseline.of, context, target, since=taken.since),
            partial(ownership.recorded, target),
        )
    )
    if taken.since and any(delta.missing(fenced, held)):
        # it followed, was proven and has come, and differs: nothing of that is believed
        baseline.take(context, whole=True)
        fenced, held = baseline.fenced(context).fingerprint, baseline.of(context, target)
    carried: list[accounts.Account] = []
    if not ownership.settled(record, fenced, held):
        with connection.session(target) as link:
            carried = ownership.settle(link, context, sorted(fenced["databases"]))
    databases, tables, gone = delta.missing(fenced, held)
    with connection.session(target) as link:
        if databases or tables or gone:
            progress.note(link, progress.OWN_WRITES, "")
        delta.make_room(link, databases, [*tables, *gone])
        numbers = delta.numbers(fenced, held)
        delta.renumber(link, {n: numbers[n] for n in numbers if delta.owner(n) not in databases})
    pull(context, "databases", costs(fenced, databases, []))
    pull(context, "tables", costs(fenced, [], tables))
    markers.mark(context, markers.COPIED)
    with connection.session(target) as link:
        accounts.grant(link, carried)
        progress.forget_tools(link, {database.project for database in known(context)})
        progress.note(link, "copy", digest(fenced))
        if not differences(fenced, held):  # nothing was brought: this was the comparison
            progress.note(link, "compare", digest(fenced))


def discard_copy(context: Context) -> None:
    """The copy is no longer that of the fence; what is there counts as a first pass again."""
    markers.unmark(context, markers.COPIED)
    with connection.session(context.target.database) as link:
        progress.forget(link, "copy")


def split(work: dict[str, int], ways: int) -> list[list[str]]:
    """The names of *work* in at most *ways* groups of about the same work each."""
    groups: list[list[str]] = [[] for _ in range(ways)]
    for name in sorted(work, key=lambda one: -work[one]):
        min(groups, key=lambda group: sum(work[one] for one in group)).append(name)
    return [sorted(group) for group in groups if group]


def together(work: dict[str, int], ways: int) -> list[list[str]]:
    """The tables of *work* in groups of about the same work, those of a database in one of them.

    While a table is filled under a lock, one that refers to it must not appear: the server would
    want to have it locked too (error 1100, seen with nova's instances and virtual_interfaces).
    """
    databases: dict[str, int] = {}
    for name, cost in work.items():
        databases[delta.owner(name)] = databases.get(delta.owner(name), 0) + cost
    shares = split(databases, ways)
    return [sorted(name for name in work if delta.owner(name) in share) for share in shares]


def costs(fenced: Fingerprint, databases: list[str], tables: list[str]) -> dict[str, int]:
    """What each of *databases* or *tables* costs to bring: its rows, and a price per table."""
    work = dict.fromkeys((*databases, *tables), TABLE_COST)
    for name, table in fenced["tables"].items():
        whole = delta.owner(name)
        if name in work:
            work[name] += table["rows"]
        elif whole in work:
            work[whole] += table["rows"] + TABLE_COST
    return work


WAYS = {"databases": split, "tables": together}


def pull(context: Context, word: str, work: dict[str, int]) -> None:
    """Import the *work*, databases or tables by what each costs, in streams from where each is.

    StepError with what any of them says.
    """
    target = context.target.database

    def one(asked: tuple[Host, list[str]]) -> str:
        source, share = asked
        command = transfer.command(context, target, source, word, *share)
        text = str(call(target, "copy.load", command, share, timeout=transfer.DAY))
        return f"from {source.name}: {text}" if text else ""

    streams: list[tuple[Host, list[str]]] = []
    for server in servers.of(context):
        if own := server.own(work):
            transfer.permit(server.host, databases={delta.owner(name) for name in own})
            streams += [(server.host, share) for share in WAYS[word](own, STREAMS)]
    if wrong := [text for text in side_by_side.each(one, streams) if text]:
        raise StepError(
            f"the copy to {target.name} is not whole, nothing of it counts: {'; '.join(wrong)}"
        )


def _renew(context: Context, fenced: Fingerprint, projects: list[str]) -> None:
    """Bring the databases of *projects* again and prove them, over what became of them here.

    All at once and before any tool runs: each tool and each look at the images reads what another
    project's databases hold.
    """
    target = context.target.database
    renewed = [database for database in known(context) if database.project in projects]
    names = sorted({database.name for database in renewed})
    who = ownership.of_source(context)
    with connection.session(target) as link:
        ownership.prove_other(link, target, who)
        delta.make_room(link, names, [])
    pull(context, "databases", costs(fenced, names, []))
    users = {database.user for database in renewed}
    again = fingerprint(target, names, users)
    parts = [
        fingerprint(one.host, {*one.names} & {*names}, {*one.users} & users)
        for one in servers.of(context)
    ]
    compare.prove_equal(target, merged.fingerprints(parts), again)
    with connection.session(target) as link:
        progress.forget(link, progress.COPIED_URLS)  # the URLs of cells are the source's again
        progress.forget_tools(link, projects)
