"""Volumes, images and networks are kept by what code here moves, or the move is refused."""

from __future__ import annotations

from collections.abc import Iterator

from migrate.checks import options
from migrate.checks.check import Check
from migrate.checks.options import Options
from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.engine.finding import Finding, Severity
from migrate.onhost import call
from migrate.services.backends import Backends, Plugins
from migrate.services.base import Recipe

NAME = "backends"

Problem = tuple[Severity, str, str]


def run(context: Context) -> list[Finding]:
    """Back ends and drivers of the source that no code here moves, or the target cannot load."""
    found = []
    for recipe in context.recipes:
        if recipe.backends is None:
            continue
        for host in context.source.controllers:
            given = options.read(host, recipe, recipe.backends.program)
            told = [*judged(recipe.backends, given), *_absent(context, recipe, given)]
            found += [Finding(NAME, *one, host.name) for one in told]
    return found


def judged(backends: Backends, given: Options) -> Iterator[Problem]:
    """What its own recipe says of a service's back ends."""
    for one in backends.judge(given):
        yield Severity.WARNING if one.warning else Severity.ERROR, one.message, one.remedy


def _absent(context: Context, recipe: Recipe, given: Options) -> Iterator[Problem]:
    """Plugins that the target's release does not have: the service would not start with them."""
    plugins = recipe.backends.plugins if recipe.backends else ()
    wanted = [(one, name) for one in plugins for name in given.listed(one.section, one.option)]
    if not wanted:
        return
    for host in context.target.controllers:
        for (one, name), there in zip(wanted, _loads(context, host, wanted), strict=True):
            if not there:
                yield (
                    Severity.ERROR,
                    f"{recipe.project}'s {one.option} names {name}, which {host.name} cannot load",
                    f"Take {name} out once nothing uses it; the target has {recipe.project} alone",
                )


def _loads(context: Context, host: Host, wanted: list[tuple[Plugins, str]]) -> list[bool]:
    asked = [[one.group, name] for one, name in wanted]
    python = context.installation.python
    answer: list[bool] = call(host, "packages.loadable", asked, interpreter=[python])
    return answer


CHECK = Check(NAME, "back ends of volumes, images and networks", run, quick=True)
