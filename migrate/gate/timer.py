"""The watch on every source controller that reopens the cloud when we do not come back."""

from __future__ import annotations

from migrate.cloud import Context
from migrate.errors import StepError
from migrate.onhost import call, program


def arm(context: Context) -> None:
    """Arm it everywhere before anything is closed; safe to repeat."""
    for host in context.source.controllers:
        call(host, "reopen.arm", program(), context.settings.window.limit_seconds)


def armed(context: Context) -> bool:
    """Whether it watches on every source controller, or has been disarmed after that.

    A run that goes on after the disarming must not arm it again over a target that serves.
    """
    found = [call(host, "reopen.state") for host in context.source.controllers]
    return all(
        one["state"] == "disarmed" or (one["state"] == "armed" and one["alive"]) for one in found
    )


def extend(context: Context) -> None:
    """Move the deadline on; called every few seconds while the run is alive.

    Raises StepError where the source has reopened itself.
    """
    for host in context.source.controllers:
        if (found := call(host, "reopen.extend")) in ("reopening", "reopened"):
            raise StepError(_reopened(host.name, found))


def disarm(context: Context) -> None:
    """Take it away everywhere; from here the target side alone decides."""
    for host in context.source.controllers:
        if (found := call(host, "reopen.disarm")) not in ("armed", "disarmed"):
            raise StepError(_reopened(host.name, found))


def disarmed(context: Context) -> bool:
    """Whether it is gone from every source controller."""
    found = [call(host, "reopen.state") for host in context.source.controllers]
    return all(one["state"] == "disarmed" and not one["alive"] for one in found)


def remove(context: Context) -> None:
    """Leave no trace of it."""
    for host in context.source.controllers:
        call(host, "reopen.remove")


def _reopened(name: str, state: str) -> str:
    return (
        f"{name}: the source is no more kept closed ({state}): the window took longer than its "
        "limit. What was copied is stale: `migrate rollback --execute`, raise "
        "sidestep:window.limitSeconds, begin again"
    )
