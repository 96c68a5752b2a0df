"""The target's services, started before the window up to where they would read their configuration.

Half of what a service's start costs is Python's imports: 2.3 s of the window however many cores an
idle machine has, 17 s on two (`tests/bench/waiting.py`). A service that waits has made them: it
knows no configuration, no database and no broker yet, and begins its work in the window when its
data is ready. Nothing depends on it: where none waits, the service is started from the beginning.
"""

from migrate.cloud import Context, hosts
from migrate.cloud.host import Host
from migrate.cloud.hosts import call_each
from migrate.engine import markers
from migrate.errors import StepError
from migrate.onhost import call, source
from migrate.services import units

PROGRAM = source("start_barrier")
MODULES = {one.name: list(one.preload) for one in units() if one.preload is not None}
SECONDS = 300.0


def held(context: Context, host: Host) -> set[str]:
    """The units that wait on *host* or are on their way to it: none of them begins by itself."""
    return set(call(host, "preload.held", list(_users(context, host))))


def _users(context: Context, host: Host) -> dict[str, str]:
    """The units that can wait on *host*, and whose they are; horizon is not of this kind."""
    first = host.address == context.target.once.address
    return {
        unit: recipe.user
        for recipe in context.recipes
        for unit in recipe.units_of(first=first)
        if unit in MODULES
    }


def wait_or_serve(context: Context) -> bool:
    """Whether all wait, or have done what they waited for."""
    if markers.reached(context, markers.SYNCED):
        return True
    return not any(
        call(host, "preload.unready", list(_users(context, host)))
        for host in context.target.controllers
    )


def begin(context: Context) -> None:
    """Start on every target controller what can wait there; StepError names what does not."""

    def act(host: Host) -> None:
        arguments = (PROGRAM, _users(context, host), MODULES, SECONDS)
        if wrong := call(host, "preload.begin", *arguments, timeout=2 * SECONDS + 60):
            raise StepError(
                f"{host.name}: {'; '.join(wrong)}: see its log in /var/log and `journalctl -u`"
            )

    hosts.gather(context.target.controllers, act)


def end(context: Context) -> None:
    """None waits any more."""
    call_each(context.target.controllers, "preload.end", list(_users(context, context.target.once)))
