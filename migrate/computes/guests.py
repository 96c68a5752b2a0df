"""Servers that run on a compute host, as its processes tell: nobody else's record is asked."""

from migrate.cloud.host import Host
from migrate.errors import StepError
from migrate.onhost import call


def refuse(host: Host, act: str) -> None:
    """StepError where one runs on *host*, which *act* ("a boot") would end."""
    if running := call(host, "guests.running"):
        raise StepError(
            f"{host.name}: {', '.join(sorted(running))} runs there, and no server outlasts {act}: "
            "see `sidestep:settle`, then the same command again"
        )
