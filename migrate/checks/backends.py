"""Volumes, images and networks are kept by what code here moves, or the move is refused."""

from collections.abc import Iterator

from migrate.cloud import Context
from migrate.configuration import service_options
from migrate.configuration.service_options import Options
from migrate.engine.finding import Finding, error, filled, warning
from migrate.onhost import call
from migrate.services.backends import Backends, Plugins
from migrate.services.base import Recipe
from migrate.storage import backends


def run(context: Context) -> Iterator[Finding]:
    """Back ends and drivers of the source that no code here moves, or the target cannot load."""
    for recipe in context.recipes:
        for host in context.source.controllers if recipe.backends or recipe.storage else ():
            told: list[Finding] = []
            if one := recipe.storage:
                told += backends.judged(one, service_options.read(host, recipe, one.program))
            if other := recipe.backends:
                given = service_options.read(host, recipe, other.program)
                told += judged(other, given)
                told += _absent(context, recipe, other.plugins, given)
            yield from filled(told, where=host.name)


def judged(named: Backends, given: Options) -> Iterator[Finding]:
    """What its own recipe says of a service's drivers."""
    for one in named.judge(given):
        yield (warning if one.warning else error)(one.message, one.remedy)


def _absent(
    context: Context, recipe: Recipe, plugins: tuple[Plugins, ...], given: Options
) -> Iterator[Finding]:
    """Plugins that the target's release does not have: the service would not start with them."""
    wanted = [(one, name) for one in plugins for name in given.listed(one.section, one.option)]
    if not wanted:
        return
    asked = [[one.group, name] for one, name in wanted]
    for host in context.target.controllers:
        loads = call(host, "packages.loadable", asked, interpreter=[context.installation.python])
        for (one, name), there in zip(wanted, loads, strict=True):
            if not there:
                yield error(
                    f"{recipe.project}'s {one.option} names {name}, which {host.name} cannot load",
                    f"Take {name} out once nothing uses it; the target has {recipe.project} alone",
                )
