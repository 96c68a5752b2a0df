"""The way from release to release is one that is supported. Asks no host."""

from __future__ import annotations

from migrate.checks.check import Check
from migrate.cloud import Context, releases
from migrate.engine.finding import Finding, Severity
from migrate.errors import PreconditionError

NAME = "path"


def run(context: Context) -> list[Finding]:
    """A skip, a way back or an unknown release, with the legal way named hop by hop."""
    try:
        releases.require_legal(context.source.release, context.target.release)
    except PreconditionError as error:
        remedy = "Set sidestep:target.release to a release that one hop reaches"
        return [Finding(NAME, Severity.ERROR, str(error), remedy)]
    return []


CHECK = Check(NAME, "a legal release path", run, quick=True)
