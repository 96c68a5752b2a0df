"""The release's environment stands on a compute host, as on the target's controllers.

It is copied from a controller, byte by byte, so that a host without a way to a package index will
do; libvirt and its binding stay the host's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from migrate.cloud import Context, transfer
from migrate.cloud.host import Host
from migrate.computes import in_place, proof
from migrate.engine.finding import Finding, error, filled, on_each, warning
from migrate.errors import MigrateError, PreconditionError, StepError
from migrate.onhost import call

NAME = "environment"


def findings(context: Context, those: Iterable[Host]) -> list[Finding]:
    """What each of *those* compute hosts has itself against being renewed, of all at once.

    One that has been renewed, and is not in the middle of it, is left alone and so not looked at.
    """
    serves, folder = context.target.tools, context.installation.folder
    try:
        bytes_ = call(serves, "environment.size", folder)
    except MigrateError as failure:
        told = f"whether hosts take the release's environment is not known: {failure}"
        unknown = filled([warning(told, "`pulumi up` makes it", serves.name)], check=NAME)
        return [*unknown, *_each(those, partial(in_place.findings, context))]

    def look(host: Host) -> list[Finding]:
        if in_place.renewed(context, host) and not proof.noted(context, host):
            return []
        wrong = []
        if not made(context, host):
            told = _runs_from_another(context, host)
            wrong = [told] if told else _unfit(serves, host, folder, bytes_)
        return [*(error(one, in_place.LEAVE) for one in wrong), *in_place.findings(context, host)]

    return _each(those, look)


def _each(those: Iterable[Host], look: Callable[[Host], list[Finding]]) -> list[Finding]:
    def guarded(host: Host) -> list[Finding]:
        try:
            return look(host)
        except MigrateError as failure:
            return [error(f"it cannot be asked: {failure}", in_place.LEAVE)]

    return list(filled(on_each(those, guarded), check=NAME))


def _unfit(serves: Host, host: Host, folder: str, bytes_: int) -> list[str]:
    return [*_unlike(serves, host), *call(host, "environment.unfit", folder, bytes_)]


def made(context: Context, host: Host) -> bool:
    """Whether it is here, whole, and from the lock that the controllers have."""
    folder = context.installation.folder
    here = call(host, "environment.stamp", folder)
    wanted = call(context.target.tools, "environment.stamp", folder, ".sidestep-lock")
    return bool(here) and here == wanted


def make(context: Context, host: Host) -> None:
    """Bring it, and try its programs; what cannot be is refused before anything is copied."""
    in_place.refuse(context, host)
    if told := _runs_from_another(context, host):
        raise PreconditionError(f"{host.name}: {told}")
    serves, folder = context.target.tools, context.installation.folder
    bytes_ = call(serves, "environment.size", folder)
    if wrong := _unlike(serves, host) or call(host, "environment.claim", folder, bytes_):
        raise PreconditionError(f"{host.name}: {'; '.join(wrong)}")
    transfer.pull_tree(context, folder, pulls=host, serves=serves)
    programs = [unit.name for recipe in context.recipes for unit in recipe.host_units]
    if failed := call(host, "environment.finish", folder, programs, timeout=300):
        raise StepError(f"{host.name}: the environment does not work there: {'; '.join(failed)}")


def _runs_from_another(context: Context, host: Host) -> str:
    """Why what is brought now would be put under a program that runs; "" where none does."""
    if not (units := in_place.new(context, host)):
        return ""
    return (
        f"{', '.join(units)} runs from {context.installation.folder}, which was made from another "
        "lock than the controllers' is now: put it back first "
        f"(`migrate settle --back --host {host.name} --execute`)"
    )


def remove(context: Context, host: Host) -> None:
    """Take it away, and the key that it was brought with."""
    call(host, "environment.remove", timeout=300)
    transfer.turn_away(host, context.target.tools)


def _unlike(serves: Host, host: Host) -> list[str]:
    """Why programs built on *serves* would not run on *host*."""
    there, here = (call(one, "environment.system") for one in (serves, host))
    if there == here:
        return []
    return [
        f"its Python, processor or C library ({here}) is not that of {serves.name} ({there}); "
        "reinstall it, or give it the same system first"
    ]
