"""One run at a time on a cloud, from wherever: a record on the source's controllers.

`state_lock.py` keeps two commands over one state directory apart, and the kernel drops it with the
process. Others (another directory, another operator's machine) meet here. A record that names our
own directory is a dead predecessor's and taken on; another's is refused unless the operator takes
it over, which shuts the other run out of every host, also when it is alive.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from migrate.cloud import Context, apart, hosts
from migrate.cloud.admission import Run
from migrate.cloud.host import Host
from migrate.engine import state_lock
from migrate.errors import CommandError, LockedError, MigrateError, UnreachableError
from migrate.onhost import call

TAKE_OVER = "MIGRATE_TAKE_OVER"  # for `pulumi destroy`, which has no options of ours
END_SECONDS = 60.0
Note = Callable[[str, str], None]


def describe(record: dict[str, Any]) -> str:
    """A record for people: "ann@desk pid 411 since 2026-… for cutover, state directory …"."""
    return "{who} since {since} for {command}, state directory {place}".format(**record)


def at_work(context: Context) -> str:
    """Who is at work on the cloud, from this directory or another; "" where nobody is known to be.

    A record of our own directory whose lock is free is a dead run's. A host that does not answer
    says nothing.
    """
    if ours := state_lock.holder(context.home):
        return ours
    mine = state_lock.name(context.home)
    for host in context.source.controllers:
        try:
            found = call(host, "runs.holder", timeout=10)
        except MigrateError:
            continue
        if found and found["papers"] != mine:
            return describe(found)
    return ""


@contextmanager
def held(
    context: Context, mine: dict[str, Any], note: Note, *, take_over: bool = False
) -> Iterator[None]:
    """Hold the cloud as *mine* (see `lock.held`) and be the only run that its hosts let in.

    *note* is given what was found and done, a kind and a line. A host that cannot be reached is
    passed over: should it come back, it lets this run in only if the last run there ended by
    itself, or if it has booted since. A run that has taken over stays named on the hosts when it
    ends, since the other may live.
    """
    run = context.run
    assert run is not None
    mine = {**mine, "run": run.id, "stack": context.stack}
    taken: list[Host] = []
    try:
        _claim(context, mine, note, take_over, taken)
        _admit(context, run, note)
        run.admitted = True
        yield
    finally:
        with suppress(MigrateError):
            resume(context)
        if not take_over:
            _leave(context, run)
        for host in taken:
            try:
                call(host, "runs.release", run.id, timeout=20)
            except MigrateError as error:
                note("lock", f"left on {host.name}, which the next command takes on: {error}")


def _claim(
    context: Context, mine: dict[str, Any], note: Note, take_over: bool, taken: list[Host]
) -> None:
    silent = []
    for host in sorted(context.source.controllers, key=lambda one: one.name):  # all in one order
        try:
            found = call(host, "runs.claim", mine, take_over, timeout=20)
        except (UnreachableError, CommandError) as error:  # dead, or its disk is full
            silent.append(str(error))
            note("lock", f"not asked: {error}")
            continue
        before = found["before"]
        if not found["mine"]:
            raise LockedError(
                f"another run is at work, says {host.name}: {describe(before)}. Wait for it or end "
                f"it there; if it is dead, the same command with --take-over "
                f"({TAKE_OVER}={context.stack} before `pulumi destroy`) shuts it out and goes on"
            )
        taken.append(host)
        if before and before["papers"] != mine["papers"]:
            note("lock", f"taken over on {host.name} from {describe(before)}")
        elif before:
            note("lock", f"taken on from a run that died on {host.name}: {describe(before)}")
    if not taken and not take_over:
        raise UnreachableError(
            f"nobody can say whether another run is at work: {'; '.join(silent)}. Mend that "
            f"(`migrate check` says how); if you know that none is at work, add --take-over "
            f"({TAKE_OVER}={context.stack} before `pulumi destroy`)"
        )


def _admit(context: Context, run: Run, note: Note) -> None:
    """Shut every other run out of every host, and end what it left running there."""

    def admit(host: Host) -> list[str]:
        try:
            ended = call(host, "runs.admit", run.id, timeout=END_SECONDS)
        except UnreachableError as error:
            return [f"not looked for on {host.name}: {error}"]
        return [f"ended on {host.name}: {one}" for one in ended]

    for line in hosts.joined(context.hosts, admit):
        note("orphan", line)


def _leave(context: Context, run: Run) -> None:
    """Nothing of this run is at work any more, and nobody else's was shut out."""
    run.admitted = False

    def leave(host: Host) -> None:
        with suppress(MigrateError):  # then the next run is let in after that host was asked
            call(host, "runs.leave", run.id, timeout=20)

    hosts.gather(context.hosts, leave)


def interrupt(context: Context) -> list[str]:
    """End what this run has running on the hosts; nothing of it begins until `resume`.

    Goes by connections of its own, since all of the run's may be busy. Gives what went wrong.
    """
    run = context.run
    if run is None:
        return []

    def shut(host: Host) -> list[str]:
        try:
            call(host, "runs.shut", run.id, timeout=END_SECONDS)
        except MigrateError as error:
            return [str(error)]
        return []

    with run.ending:
        run.interrupted.set()
        return hosts.joined(apart(context).hosts, shut)


def resume(context: Context) -> None:
    """Let the run act again after `interrupt`; LockedError when another has taken over."""
    run = context.run
    if run is None or not run.interrupted.is_set():
        return
    with run.ending:  # what is being ended must be gone before anything is undone
        run.interrupted.clear()
        run.admitted = False

        def readmit(host: Host) -> None:
            try:
                call(host, "runs.readmit", run.id, timeout=20)
            except UnreachableError:
                pass  # whatever needs it says so
            except MigrateError as error:
                raise LockedError(f"{host.name}: {error}") from error

        try:
            hosts.gather(context.hosts, readmit)
        finally:
            run.admitted = True
