"""Computes and source controllers reach the target on every port they will need, whole packets.

What a compute host's own files name must be the virtual IP's, not one old controller's: from the
cutover on nothing answers there.
"""

from functools import partial

from migrate.cloud import Context
from migrate.computes import reach
from migrate.engine.finding import Finding, on_each


def run(context: Context) -> list[Finding]:
    """Ports that do not answer a host, paths that lose large packets, old controllers by name."""
    for target in context.target.controllers:
        target.run("true")  # one that is away is told by the check of the access
    served = [*context.source.computes, *context.source.network_hosts]
    asking = [*served, *context.source.controllers]
    found = on_each(asking, partial(reach.controllers, context))
    return [*found, *reach.named(context, served)]
