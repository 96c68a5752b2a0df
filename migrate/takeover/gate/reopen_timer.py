"""The timer on every source controller that reopens the cloud when we do not come back.

Where the database has a host of its own, one there lifts its read-only. The controllers ask the
database as a service does, and wait for that before they open: so the database's timer is armed
first, moved on last and disarmed last, never to be later than theirs.

There is one clock, the source's: `arm` sets the moment at which it reopens, `window.limitSeconds`
and a reserve from then, and nothing moves that on. The run asks how much is left and goes back by
itself when only the reserve is (`phases/control.py`), so a run that lives never meets the timer;
one that is dead, stopped or cut off leaves the rest to it. Going back moves the moment on once,
since the timer must not open what is being opened.
"""

from migrate.cloud import Context, hosts
from migrate.cloud.host import Host
from migrate.cloud.hosts import call_each
from migrate.database import service_databases
from migrate.errors import StepError
from migrate.onhost import call, sources

RESERVE_SECONDS = 120
BACK_SECONDS = 600  # more than any way back took; whoever dies on it is replaced by the timer


def arm(context: Context) -> None:
    """Arm it everywhere before anything is closed; safe to repeat."""
    arm_for(context, context.settings.window.limit_seconds + RESERVE_SECONDS)


def arm_for(context: Context, seconds: float) -> None:
    """The same, to reopen in *seconds*."""
    program, source = dict(sources("reopen_timer")), context.source
    databases = service_databases.places(source, context.recipes) if source.databases else []
    call_each(source.databases, "reopen_timer.arm", program, seconds)
    call_each(source.controllers, "reopen_timer.arm", program, seconds, databases)


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
        if one["state"] in ("reopening", "reopened"):
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
        if (found := call(host, "reopen_timer.disarm")) not in ("armed", "disarmed"):
            raise StepError(_reopened(host.name, found))

    for those in (context.source.controllers, context.source.databases):
        hosts.gather(those, act)


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
