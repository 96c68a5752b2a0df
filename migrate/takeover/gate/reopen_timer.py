"""The timer on every source controller that reopens the cloud when we do not come back.

Where a database has a host of its own, one there lifts its read-only. The controllers ask the
database as a service does, and wait for that before they open: so the database's timer is armed
first, moved on last and disarmed last, never to be later than theirs. Only right before calls go
to the target it gets a moment more, since no lock is shared between two hosts; where it acts after
that, which no controller then does, the database is fenced again.

There is one clock, the source's: `arm` sets the moment at which it reopens, `window.limitSeconds`
and a reserve from then, and nothing moves that on. The run asks how much is left and goes back by
itself when only the reserve is (`phases/control.py`), so a run that lives never meets the timer;
one that is dead, stopped or cut off leaves the rest to it. Going back moves the moment on once,
since the timer must not open what is being opened.
"""

from migrate.cloud import Context, hosts, wait
from migrate.cloud.host import Host
from migrate.cloud.hosts import call_each
from migrate.database import service_databases
from migrate.errors import PreconditionError, StepError
from migrate.onhost import call, sources
from migrate.onhost.reopen_timer import RECORD

RESERVE_SECONDS = 120
MOMENT_SECONDS = 30
ACTED = ("reopening", "reopened")
BACK_SECONDS = 600  # more than any way back took; whoever dies on it is replaced by the timer


def arm(context: Context) -> None:
    """Arm it everywhere before anything is closed; safe to repeat."""
    arm_for(context, context.settings.window.limit_seconds + RESERVE_SECONDS)


def arm_for(context: Context, seconds: float) -> None:
    """The same, to reopen in *seconds*."""
    program, source = dict(sources("reopen_timer")), context.source
    databases = watched(context) if source.databases else []
    call_each(source.databases, "reopen_timer.arm", program, seconds)
    call_each(source.controllers, "reopen_timer.arm", program, seconds, databases)


def watched(context: Context) -> list[list[list[str]]]:
    """By which URLs in the services' files each database on a host of its own can be asked.

    PreconditionError where no file names one: no controller could wait for it.
    """
    places = service_databases.places(context.source, context.recipes)
    found = []
    for host in context.source.databases:
        if not (own := [place for server, place in places if server is host]):
            raise PreconditionError(
                f"{host.name}: no file of a service names a database of its server, by which its "
                "controllers could see that it takes writes again: let [database] connection of "
                "one name it, not a cell mapping alone"
            )
        found.append(own)
    return found


def armed(context: Context) -> bool:
    """Whether it runs on every host of it, or has been disarmed after that.

    A run that goes on after the disarming must not arm it again over a target that serves.
    """
    found = call_each(context.source.core, "reopen_timer.state")
    return all(
        one["state"] == "disarmed" or (one["state"] == "armed" and one["alive"]) for one in found
    )


def left(context: Context) -> float | None:
    """Seconds until the run must go back by itself; None where no timer is armed.

    Raises StepError where the source has reopened itself.
    """

    def ask(host: Host) -> list[float]:
        one = call(host, "reopen_timer.state", timeout=10)
        if one["state"] in ACTED:
            if host in context.source.databases and _live(context):
                return []
            raise StepError(_reopened(host.name, one["state"]))
        return [float(one["left"]) - RESERVE_SECONDS] if one["state"] == "armed" else []

    return min(hosts.joined(context.source.core, ask), default=None)


def extend(context: Context) -> None:
    """Leave time for the way back; changes nothing where no timer is armed."""
    for those in (context.source.controllers, context.source.databases):
        call_each(those, "reopen_timer.extend", BACK_SECONDS)


def disarm(context: Context) -> None:
    """Take it away everywhere; from here the target side alone decides."""

    def act(host: Host) -> None:
        found = call(host, "reopen_timer.disarm")
        if found in ACTED and host in context.source.databases and _live(context):
            _fence_again(host)
        elif found not in ("armed", "disarmed"):
            raise StepError(_reopened(host.name, found))

    for those in (context.source.controllers, context.source.databases):
        hosts.gather(those, act)


def leave_a_moment(context: Context) -> None:
    """Keep the database's timer from acting while calls are let through to the target.

    PreconditionError where it has acted already.
    """
    those = context.source.databases
    for host in those if those and not _live(context) else ():
        if (found := call(host, "reopen_timer.extend", MOMENT_SECONDS)) in ACTED:
            raise PreconditionError(_reopened(host.name, found))


def _live(context: Context) -> bool:
    """Whether calls go to the target: from then on no controller reopens."""
    return any(call_each(context.source.controllers, "front.flipped"))


def _fence_again(host: Host) -> None:
    """As before the timer of the database's *host* has acted: nothing could write to it since."""
    wait.until(
        lambda: call(host, "reopen_timer.state")["state"] == "reopened",
        MOMENT_SECONDS,
        f"{host.name}: its watch does not end: see migrate-reopen.service there",
    )
    call(host, "mariadb.fence")
    disarmed = {"deadline": 0.0, "seconds": 0.0, "state": "disarmed"}
    call(host, "record.save", RECORD, disarmed)
    call(host, "reopen_timer.disarm")


def disarmed(context: Context) -> bool:
    """Whether it is gone from every host of the source."""
    found = call_each(context.source.core, "reopen_timer.state")
    return all(one["state"] == "disarmed" and not one["alive"] for one in found)


def remove(context: Context) -> None:
    """Leave no trace of it."""
    call_each(context.source.core, "reopen_timer.remove")


def _reopened(name: str, state: str) -> str:
    return (
        f"{name}: the source is no more kept closed ({state}): the window took longer than its "
        "limit. What was copied is stale: `migrate rollback --execute`, raise "
        "sidestep:window.limitSeconds, begin again"
    )
