"""Markers on the machines themselves: how far the data on the target has come (rule 5).

A table on the target and a file on each source controller say `copied`, `synced`, `released` or
`finished`, so that a run without its journal, or from another operator's host, cannot begin again
over live data, nor go back where there is no way back. The first two count only for the fencing
under which they were made: a source that has been open since is not what was copied.
"""

import json
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from migrate.cloud import Context, hosts, side_by_side
from migrate.cloud.host import Host
from migrate.errors import CommandError, MigrateError, PreconditionError, UnreachableError
from migrate.onhost import call

COPIED, SYNCED, LIVE, FINISHED = STAGES = ("copied", "synced", "released", "finished")
ENDS = (FINISHED, LIVE)  # of these any machine's word holds, whatever the source says by now
PATH = "/var/lib/migrate/marker.json"
VERSION = 1  # of a mark in the file; one that names none is of the first
# the table's version is its columns: one whose meaning changes has to get another name
SCHEMA = "migrate_marker"
# Held by who has the target's server stand still: steps beside it ask for the table at any time.
UNASKED = threading.Lock()
NOT_THERE = (1049, 1146)  # the server's errors for a database and a table
TABLE = f"""
CREATE DATABASE IF NOT EXISTS {SCHEMA};
CREATE TABLE IF NOT EXISTS {SCHEMA}.stage (
    stage VARCHAR(16) PRIMARY KEY, stack VARCHAR(255) NOT NULL, source VARCHAR(255) NOT NULL,
    fence VARCHAR(32) NOT NULL, at DOUBLE NOT NULL
) ENGINE=InnoDB CHARACTER SET utf8mb4;
"""


def fencing(context: Context) -> str:
    """What names this fencing: another one, after the source was open again, has another."""
    return str(call(context.source.tools, "fencing.token"))


def stage(context: Context) -> str:
    """The furthest stage that any machine is marked with; "" where there is none.

    `copied` and `synced` of an earlier fencing are not counted. Once released nothing needs the
    source, which may be dead then.
    """
    return _furthest(*_known(_asked(context)))


def reached(context: Context, wanted: str) -> bool:
    """Whether the machines are marked *wanted* or a later stage."""
    return _at_least(stage(context), wanted)


def everywhere(context: Context, wanted: str) -> bool:
    """Whether every machine that answers is marked so: a run may have died between two of them."""
    asked = _asked(context)
    if not _at_least(_furthest(*_known(asked)), wanted):
        return False
    marks = [one for one in asked[:-1] if not isinstance(one, UnreachableError)]
    if wrong := [one for one in marks if isinstance(one, MigrateError)]:
        raise wrong[0]
    return all(any(_at_least(one["stage"], wanted) for one in of) for of in marks)


def _at_least(standing: str, wanted: str) -> bool:
    return bool(standing) and STAGES.index(standing) >= STAGES.index(wanted)


def live(context: Context) -> bool:
    """Whether any machine says that users write on the target."""
    return reached(context, LIVE)


def live_since(context: Context) -> float:
    """When writes were let in on the target, in seconds since 1970; 0.0 before that."""
    return since(context, LIVE)


def finished(context: Context) -> bool:
    """Whether any machine says that there is no way back any more."""
    return since(context, FINISHED) > 0


def since(context: Context, wanted: str) -> float:
    """When *wanted* was marked, in seconds since 1970; 0.0 where none that answers says so."""
    marks = _marks(side_by_side.told(_questions(context)))
    return max((float(one["at"]) for one in marks if one["stage"] == wanted), default=0.0)


def refuse_until_live(context: Context) -> None:
    """PreconditionError before the target serves."""
    if not live(context):
        raise PreconditionError("the target does not serve yet: `migrate cutover` comes first")


def refuse_when_live(context: Context) -> None:
    """PreconditionError when the target serves: what is there is users' and the operator's own."""
    refuse_after(context, LIVE)


def refuse_after(context: Context, forbidden: str) -> None:
    """PreconditionError when *forbidden* or a later stage stands, or another stack's marker."""
    marks, now = _known(_asked(context))
    for one in marks:
        if one["stack"] != context.stack and _counts(one, now):
            raise PreconditionError(
                f"the machines are marked by stack {one['stack']!r} as {one['stage']}, this is "
                f"stack {context.stack!r}; go on with the stack that began"
            )
    standing = _furthest(marks, now)
    if _at_least(standing, forbidden):
        serves = "the target serves and its data must not be written over"
        done = serves if standing in ENDS else "what this step would do has been done"
        back = (
            "there is no way back"
            if standing == FINISHED
            else "`migrate rollback --execute` goes back"
        )
        raise PreconditionError(f"the machines are marked {standing!r}: {done}; {back}")


def mark(context: Context, reached: str, at: float | None = None) -> None:
    """Write *reached* on the target and on every source controller; *at* None is now."""
    controllers = context.source.controllers
    named = (partial(call, context.source.database, "fencing.machine"), partial(fencing, context))
    machine, fence, *before = side_by_side.answers(
        [*named, *(partial(_marked, host) for host in controllers)]
    )
    values = {
        "stage": reached,
        "stack": context.stack,
        "source": machine,
        "fence": fence,
        "at": time.time() if at is None else at,
    }
    words = ", ".join(_literal(values[k]) for k in ("stage", "stack", "source", "fence", "at"))
    statement = f"{TABLE}REPLACE INTO {SCHEMA}.stage VALUES ({words});"  # noqa: S608
    writes: list[Callable[[], Any]] = [partial(_sql, context, statement)]
    for host, marks in zip(controllers, before, strict=True):
        kept = [one for one in marks if one["stage"] != reached]
        writes.append(partial(call, host, "marks.keep", [*kept, {"version": VERSION, **values}]))
    side_by_side.answers(writes)


def unmark(context: Context, reached: str) -> None:
    """Take *reached* and every later stage away; with the first of them all that markers made."""
    gone = STAGES[STAGES.index(reached) :]

    def forget(host: Host) -> None:
        marks = _marked(host)
        if kept := [one for one in marks if one["stage"] not in gone]:
            host.write(PATH, json.dumps(kept), mode=0o600)
        elif marks:
            host.shell('rm -f "$1"; rmdir --ignore-fail-on-non-empty /var/lib/migrate', PATH)

    hosts.gather(context.source.controllers, forget)
    # last: where the target is dead, what stood on it went with it
    if _sql(context, f"SHOW DATABASES LIKE '{SCHEMA}'"):
        words = ", ".join(_literal(one) for one in gone)
        _sql(context, f"DELETE FROM {SCHEMA}.stage WHERE stage IN ({words})")  # noqa: S608
        if not _sql(context, f"SELECT stage FROM {SCHEMA}.stage"):  # noqa: S608
            _sql(context, f"DROP DATABASE {SCHEMA}")


def _furthest(marks: list[dict[str, Any]], token: str) -> str:
    found = {one["stage"] for one in marks if _counts(one, token)}
    return next((stage for stage in reversed(STAGES) if stage in found), "")


def _counts(mark: dict[str, Any], token: str) -> bool:
    return mark["stage"] in ENDS or bool(token and mark["fence"] == token)


def _questions(context: Context) -> list[Callable[[], list[dict[str, Any]]]]:
    of_source = (partial(_marked, host) for host in context.source.controllers)
    return [*of_source, partial(_rows, context)]


def _asked(context: Context) -> list[Any]:
    """The marks of each machine, and at last what names the fencing; errors in their places."""
    return side_by_side.told([*_questions(context), partial(fencing, context)])


def _known(asked: list[Any]) -> tuple[list[dict[str, Any]], str]:
    """All marks, and the fencing for which the first two stages count."""
    marks, token = _marks(asked[:-1]), asked[-1]
    if not isinstance(token, MigrateError):
        return marks, token
    if not any(one["stage"] in ENDS for one in marks):
        raise token
    return marks, ""


def _marks(answers: Iterable[Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    silent: list[MigrateError] = []
    for one in answers:
        if isinstance(one, PreconditionError):
            raise one
        if isinstance(one, MigrateError):
            silent.append(one)
        else:
            found += one
    if silent and not found:
        raise silent[0]  # a dead machine must not hide what the others say, nor make it up
    return found


def _rows(context: Context) -> list[dict[str, Any]]:
    columns = ("stage", "stack", "source", "fence", "at")
    where = f"{context.target.database.name}: table {SCHEMA}.stage"
    try:
        statement = f"SELECT {', '.join(columns)} FROM {SCHEMA}.stage"  # noqa: S608
        rows = _sql(context, statement, missing=True)
    except CommandError as error:
        if "ERROR 1054" in error.stderr:  # it has no such column
            raise _not_ours(where, "has other columns") from error
        raise
    return _ours(where, [dict(zip(columns, row, strict=True)) for row in rows])


def _marked(host: Host) -> list[dict[str, Any]]:
    """The marks in the file of a source controller; CommandError where it cannot be read."""
    where = f"{host.name}: {PATH}"
    try:
        text = host.shell('LC_ALL=C cat "$1"', PATH)
    except CommandError as error:
        if "No such file or directory" not in error.stderr:
            raise  # a disk that fails is as one that is silent: the others' word holds
        text = ""
    try:
        found: list[dict[str, Any]] = [dict(one) for one in json.loads(text or "[]")]
    except (TypeError, ValueError) as error:
        raise _not_ours(where, "is no list of marks") from error
    return _ours(where, found)


def _ours(where: str, marks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """*marks*, each of which this program understands.

    One that it does not may say that users write on the target: it is never passed over, whatever
    other machines say.
    """
    for one in marks:
        if (version := one.get("version", VERSION)) != VERSION:
            raise _not_ours(where, f"has a mark of version {version}, this program's are {VERSION}")
        if one.get("stage") not in STAGES:
            raise _not_ours(where, f"has a mark of the unknown stage {one.get('stage')!r}")
    return marks


def _not_ours(where: str, what: str) -> PreconditionError:
    return PreconditionError(
        f"{where} {what}, so nobody knows whether users write on the target; use the migrate that "
        "wrote it, or, where nothing of its migration stands any more, move it away"
    )


def _sql(context: Context, statement: str, *, missing: bool = False) -> list[list[str]]:
    """Rows of *statement* on the target; with *missing* no rows where the table is not there."""
    try:
        with UNASKED:
            text = context.target.database.run(
                "mariadb", "--batch", "--skip-column-names", stdin=statement
            )
    except CommandError as error:
        if missing and any(f"ERROR {number}" in error.stderr for number in NOT_THERE):
            return []
        raise
    return [line.split("\t") for line in text.splitlines()]


def _literal(value: object) -> str:
    """*value* as SQL that no quote can leave."""
    return f"x'{str(value).encode().hex()}'" if isinstance(value, str) else repr(value)
