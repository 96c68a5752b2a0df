"""The release's environment stands on a host of the source, as on the target's controllers.

It is copied from a controller, byte by byte, so that a host without a way to a package index will
do; libvirt and its binding stay the host's own.
"""

from collections.abc import Callable, Iterable

from migrate.cloud import Context, transfer
from migrate.cloud.host import Host
from migrate.computes import units
from migrate.engine.finding import Finding, error, filled, on_each, warning
from migrate.errors import MigrateError, PreconditionError, StepError
from migrate.onhost import call

NAME = "environment"
LEAVE = "leave the host out with --except"


def size(context: Context) -> int:
    """Bytes that it takes on a controller; CommandError where none stands there."""
    return int(call(context.target.tools, "environment.size", context.installation.folder))


def unknown(context: Context, failure: MigrateError) -> Finding:
    """That `size` raised *failure*: without it nobody knows."""
    told = f"whether hosts take the release's environment is not known: {failure}"
    found = [warning(told, "`pulumi up` makes it", context.target.tools.name)]
    return next(filled(found, check=NAME))


def findings(context: Context, host: Host, bytes_: int) -> list[Finding]:
    """What *host* has against an environment of *bytes_*; nothing where it stands."""
    if made(context, host):
        return []
    if told := _runs_from_another(context, host):
        return [error(told, LEAVE)]
    wrong = unlike(context.target.tools, host)
    servers = not context.is_network_host(host)
    wrong += call(host, "environment.unfit", context.installation.folder, bytes_, servers)
    return [error(one, LEAVE) for one in wrong]


def each(those: Iterable[Host], look: Callable[[Host], list[Finding]]) -> list[Finding]:
    """What *look* finds on *those* hosts, of all at once; one that cannot be asked is an error."""

    def guarded(host: Host) -> list[Finding]:
        try:
            return look(host)
        except MigrateError as failure:
            return [error(f"it cannot be asked: {failure}", LEAVE)]

    return list(filled(on_each(those, guarded), check=NAME))


def made(context: Context, host: Host) -> bool:
    """Whether it is here, whole, and from the lock that the controllers have."""
    folder = context.installation.folder
    here = call(host, "environment.stamp", folder)
    wanted = call(context.target.tools, "environment.stamp", folder, ".sidestep-lock")
    return bool(here) and here == wanted


def make(context: Context, host: Host) -> None:
    """Bring it, and try its programs; what cannot be is refused before anything is copied."""
    if told := _runs_from_another(context, host):
        raise PreconditionError(f"{host.name}: {told}")
    serves, folder = context.target.tools, context.installation.folder
    bytes_ = call(serves, "environment.size", folder)
    servers = not context.is_network_host(host)
    if wrong := unlike(serves, host) or call(host, "environment.claim", folder, bytes_, servers):
        raise PreconditionError(f"{host.name}: {'; '.join(wrong)}")
    transfer.pull_tree(context, folder, pulls=host, serves=serves)
    tried = programs(context, host)
    if failed := call(host, "environment.finish", folder, tried, servers, timeout=300):
        raise StepError(f"{host.name}: the environment does not work there: {'; '.join(failed)}")


def programs(context: Context, host: Host) -> list[str]:
    """Those of it that are tried where it is brought."""
    return [unit.name for unit in units.known(context, host)]


def _runs_from_another(context: Context, host: Host) -> str:
    """Why what is brought now would be put under a program that runs; "" where none does."""
    if not (running := units.new(context, host)):
        return ""
    return (
        f"{', '.join(running)} runs from {context.installation.folder}, which was made from "
        "another lock than the controllers' is now: put it back first "
        f"(`migrate settle --back --host {host.name} --execute`)"
    )


def remove(context: Context, host: Host) -> None:
    """Take it away, and the key that it was brought with."""
    call(host, "environment.remove", timeout=300)
    transfer.turn_away(host, context.target.tools)


def unlike(serves: Host, host: Host) -> list[str]:
    """Why programs built on *serves* would not run on *host*."""
    there, here = (call(one, "environment.system") for one in (serves, host))
    if there == here:
        return []
    return [
        f"its Python, processor or C library ({here}) is not that of {serves.name} ({there}); "
        "reinstall it, or give it the same system first"
    ]
