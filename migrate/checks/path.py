"""The way from release to release is one that is supported. Asks no host."""

from collections.abc import Iterator

from migrate.cloud import Context, releases
from migrate.engine.finding import Finding, error
from migrate.errors import PreconditionError


def run(context: Context) -> Iterator[Finding]:
    """A skip, a way back or an unknown release, with the legal way named hop by hop."""
    try:
        releases.require_legal(context.source.release, context.target.release)
    except PreconditionError as failure:
        yield error(str(failure), "Set sidestep:target.release to a release that one hop reaches")
