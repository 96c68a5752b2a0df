"""Computes and source controllers reach the target on every port they will need, whole packets."""

from functools import partial

from migrate.cloud import Context
from migrate.computes import reach
from migrate.engine.finding import Finding, on_each


def run(context: Context) -> list[Finding]:
    """Ports of the target that do not answer a host, and paths that lose large packets."""
    for target in context.target.controllers:
        target.run("true")  # one that is away is told by the check of the access
    asking = [*context.source.computes, *context.source.controllers]
    return on_each(asking, partial(reach.controllers, context))
