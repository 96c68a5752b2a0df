"""Users come when the target's database, broker, cache and proxy answer, and not before.

An API answers without its broker, and a service that runs may be deaf: nothing else would tell.
"""

from migrate.cloud import Context, hosts
from migrate.cloud.host import Host
from migrate.engine import markers
from migrate.errors import StepError
from migrate.onhost import call

WAIT_SECONDS = 45.0  # a broker that was killed is back in half of that


def answer(context: Context) -> bool:
    """Whether the services run and what they stand on answers now."""
    return markers.reached(context, markers.SYNCED) and not _silent(context, 0.0)


def wait(context: Context) -> None:
    """Return when they do; StepError names what is silent after `WAIT_SECONDS`."""
    if wrong := _silent(context, WAIT_SECONDS):
        raise StepError(
            f"does not answer within {WAIT_SECONDS:.0f} s: {'; '.join(wrong)}. See "
            "`journalctl -u` there and start it"
        )


def _silent(context: Context, seconds: float) -> list[str]:
    def ask(host: Host) -> list[str]:
        found = call(host, "daemons.silent", seconds, timeout=seconds + 60)
        return [f"{one} on {host.name}" for one in found]

    return hosts.joined(context.target.controllers, ask)
