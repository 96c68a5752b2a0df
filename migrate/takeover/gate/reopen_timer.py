"""The timer on every source controller that reopens the cloud when we do not come back.

There is one clock, the source's: `arm` sets the moment at which it reopens, `window.limitSeconds`
and a reserve from then, and nothing moves that on. The run asks how much is left and goes back by
itself when only the reserve is (`phases/control.py`), so a run that lives never meets the timer;
one that is dead, stopped or cut off leaves the rest to it. Going back moves the moment on once,
since the timer must not open what is being opened.
"""

from migrate.cloud import Context, hosts
from migrate.cloud.host import Host
from migrate.cloud.hosts import call_each
from migrate.errors import StepError
from migrate.onhost import call, sources

RESERVE_SECONDS = 120
BACK_SECONDS = 600  # more than any way back took; whoever dies on it is replaced by the timer


def arm(context: Context) -> None:
    """Arm it everywhere before anything is closed; safe to repeat."""
    seconds = context.settings.window.limit_seconds + RESERVE_SECONDS
    call_each(
        context.source.controllers, "reopen_timer.arm", dict(sources("reopen_timer")), seconds
    )


def armed(context: Context) -> bool:
    """Whether it runs on every source controller, or has been disarmed after that.

    A run that goes on after the disarming must not arm it again over a target that serves.
    """
    found = call_each(context.source.controllers, "reopen_timer.state")
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

    return min(hosts.joined(context.source.controllers, ask), default=None)


def extend(context: Context) -> None:
    """Leave time for the way back; changes nothing where no timer is armed."""
    call_each(context.source.controllers, "reopen_timer.extend", BACK_SECONDS)


def disarm(context: Context) -> None:
    """Take it away everywhere; from here the target side alone decides."""

    def act(host: Host) -> None:
        if (found := call(host, "reopen_timer.disarm")) not in ("armed", "disarmed"):
            raise StepError(_reopened(host.name, found))

    hosts.gather(context.source.controllers, act)


def disarmed(context: Context) -> bool:
    """Whether it is gone from every source controller."""
    found = call_each(context.source.controllers, "reopen_timer.state")
    return all(one["state"] == "disarmed" and not one["alive"] for one in found)


def remove(context: Context) -> None:
    """Leave no trace of it."""
    call_each(context.source.controllers, "reopen_timer.remove")


def _reopened(name: str, state: str) -> str:
    return (
        f"{name}: the source is no more kept closed ({state}): the window took longer than its "
        "limit. What was copied is stale: `migrate rollback --execute`, raise "
        "sidestep:window.limitSeconds, begin again"
    )
