"""Monitors' addresses that nova and cinder keep with each attachment of a volume on RBD.

Whatever starts a server uses nova's as they are; one that answers is enough. Only the target's
databases are read and written, which are the cloud's own once it serves.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from migrate.cloud import Context
from migrate.database import connection, copied_urls
from migrate.engine.finding import Finding, info, warning
from migrate.errors import PreconditionError, StepError, some
from migrate.onhost import call
from migrate.storage.ceph import members
from migrate.storage.ceph.monitor import standing

NOTE = "ceph-attachments"  # on the database's machine: the addresses that were written in
PAGE = 500
ROUNDS = 3  # another one sees what users attached or detached during the one before it
SHOWN = 8

Address = tuple[str, Any]  # host and port, as a connection has them
Change = Callable[[Sequence[Address]], Sequence[Address]]


@dataclass(frozen=True, slots=True)
class Row:
    """An attachment. `wanted` is what is to be stored, `why` says what of it is not understood."""

    table: str
    id: Any
    volume: str
    text: str = field(repr=False)
    wanted: str = field(repr=False)
    why: str = ""

    @property
    def changes(self) -> bool:
        return self.wanted != self.text


def told(context: Context) -> bool:
    """Whether each attachment names every new monitor, of those that name one of the cluster's."""
    return not any(row.changes for row in _rows(context, _naming(*_monitors(context))))


def tell(context: Context) -> None:
    """Write these in, beside the old ones."""
    new, cluster = _monitors(context)
    names = sorted({*_noted(context), *(name for name, _ in new)})
    call(context.target.database, "record.save", NOTE, {"addresses": names})
    _rewrite(context, _naming(new, cluster))


def forget(context: Context) -> None:
    """Take out again what was written in: while the old monitors serve it makes no difference.

    So a database that does not work, or changes all the while, holds no way back up: the note stays
    for the next time.
    """
    if noted := _noted(context):
        try:
            _rewrite(context, _without(noted))
        except (PreconditionError, StepError):
            return
        call(context.target.database, "record.forget", NOTE)


def left(context: Context, gone: Collection[str]) -> bool:
    """Whether an attachment would be another without the addresses of *gone*."""
    return any(row.changes for row in _rows(context, _without(gone)))


def drop(context: Context, gone: Collection[str]) -> None:
    """Take those out for good."""
    _rewrite(context, _without(gone))


def findings(context: Context) -> Iterator[Finding]:
    """How many lack a new monitor, and which are left as they are, and why."""
    lacking: Counter[str] = Counter()
    strange: list[str] = []
    for row in _rows(context, _naming(*_monitors(context))):
        lacking[row.table] += row.changes
        strange += [f"volume {row.volume} in {row.table} {row.why}"] if row.why else []
    for table, count in (+lacking).items():
        yield info(
            f"{count} attachments in {table} do not name every new monitor",
            "`migrate settle --ceph --execute` writes them in, beside the old ones",
        )
    if strange:
        yield warning(
            f"attachments stay as they are: {some(strange, SHOWN, '; ')}",
            "Nothing is to be done for a volume of another cluster; detach and attach any other",
        )


def changed(text: str, within: str, change: Change) -> str:
    """The connection *text* with the addresses that *change* makes of its own.

    ValueError where it is not understood. One that names no monitor asks ceph.conf, and stays.
    """
    whole = json.loads(text)
    if isinstance(whole, dict) and whole.get("driver_volume_type") != "rbd":
        return text
    its = whole.get(within) if isinstance(whole, dict) and within else whole
    if not isinstance(its, dict) or "hosts" not in its:
        raise ValueError("names no hosts where they are to stand")
    hosts, ports = its["hosts"], its.get("ports")
    if not (isinstance(hosts, list) and isinstance(ports, list) and len(hosts) == len(ports)):
        raise ValueError("does not name a port for each host")
    known = list(zip(map(str, hosts), ports, strict=True))
    wanted = list(change(known)) if known else known
    if wanted == known:
        return text
    its["hosts"], its["ports"] = [one for one, _ in wanted], [port for _, port in wanted]
    return json.dumps(whole)


def _naming(new: Sequence[Address], cluster: Collection[str]) -> Change:
    def change(known: Sequence[Address]) -> Sequence[Address]:
        names = {name for name, _ in known}
        if not names.intersection(cluster):
            raise ValueError("names no monitor of this cluster")
        return [*known, *(one for one in new if one[0] not in names)]

    return change


def _without(gone: Collection[str]) -> Change:
    names = {one.strip("[]") for one in gone}
    return lambda known: [one for one in known if one[0] not in names] or known


def _monitors(context: Context) -> tuple[list[Address], set[str]]:
    """Where the new ones speak the older protocol, which cinder stores; all hosts of the map."""
    every = standing(members.asks(context)).monitors
    ours = [one for one in every if one.name in members.joining(context)]
    if not ours or any("v1" not in one.addresses for one in ours):
        raise PreconditionError(
            f"{members.asks(context).name}: new monitors are not in the map with both protocols: "
            "see `ceph mon dump` there"
        )
    cluster = {_split(at)[0] for one in every for at in one.addresses.values()}
    cluster |= {one.address for one in members.news(context)}  # of which others may have come
    return [_split(one.addresses["v1"]) for one in ours], cluster


def _split(at: str) -> tuple[str, str]:
    """As cinder stores them: host and port of `10.0.0.1:6789` or `[fd00::1]:6789`."""
    name, _, port = at.rpartition(":")
    return name.strip("[]"), port


def _noted(context: Context) -> list[str]:
    return [*(call(context.target.database, "record.load", NOTE) or {}).get("addresses", [])]


def _rewrite(context: Context, change: Change) -> None:
    for _ in range(ROUNDS):
        count = 0
        for page in _pages(context, change):
            changing = [row for row in page if row.changes]
            _store(context, changing)
            count += len(changing)
        if not count:
            return
    raise StepError(
        f"{context.target.database.name}: {count} attachments changed in the last of {ROUNDS} "
        "rounds: see who writes connection_info there, then the same again"
    )


def _store(context: Context, page: Sequence[Row]) -> None:
    """Only over what was read: a user may have attached or detached it meanwhile.

    Each is a transaction of its own: one of many rows could stop the cloud's own, or be stopped.
    """
    if not page:
        return
    where = "id = %s AND deleted = 0 AND BINARY connection_info = %s"
    with connection.session(context.target.database) as link:
        for row in page:
            statement = f"UPDATE {row.table} SET connection_info = %s WHERE {where}"  # noqa: S608
            connection.rows(link, statement, row.wanted, row.id, row.text)


def _rows(context: Context, change: Change) -> Iterator[Row]:
    return chain.from_iterable(_pages(context, change))


def _pages(context: Context, change: Change) -> Iterator[list[Row]]:
    """Attachments of volumes on RBD of every cell."""
    for table, within in _tables(context):
        after: Any = ""  # before any id, of letters or a number
        while page := _page(context, table, after):
            yield [_row(table, within, change, *one) for one in page]
            after = page[-1][0]


def _row(table: str, within: str, change: Change, id_: Any, volume: Any, text: str) -> Row:
    try:
        return Row(table, id_, str(volume), text, changed(text, within, change))
    except ValueError as error:
        return Row(table, id_, str(volume), text, text, str(error))


def _page(context: Context, table: str, after: Any) -> list[connection.Row]:
    asked = f"SELECT id, volume_id, connection_info FROM {table} WHERE deleted = 0"  # noqa: S608
    asked += " AND connection_info LIKE %s AND id > %s ORDER BY id LIMIT %s"
    with connection.session(context.target.database) as link:
        return connection.rows(link, asked, '%"rbd"%', after, PAGE)


def _tables(context: Context) -> Iterator[tuple[str, str]]:
    """Each that keeps attachments, and where in a connection the addresses stand."""
    kept = {one.project: one.attachments for one in context.recipes if one.attachments}
    for database in copied_urls.seen(context) if kept else ():
        its = kept.get(database.project)
        if its and its.database == database.usual:
            yield connection.quoted(database.name, its.table), its.within
