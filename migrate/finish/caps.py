"""The cap by which nova spoke the source's release to its compute hosts: `auto` from here on.

A change of it is not read while a service runs, nor is the minimum asked for again, which is by
then of the target's release: what reads it is started anew. Compute hosts have `auto` since they
were renewed.
"""

from collections.abc import Iterable, Iterator
from functools import partial

from migrate.cloud import Context, wait
from migrate.cloud.host import Host
from migrate.cloud.ini import Ini
from migrate.configuration import files
from migrate.finish import mark
from migrate.services.base import Recipe
from migrate.services.rules import Setting
from migrate.takeover import start

CAP, FREE = "{compute_alias}", "auto"  # what a recipe's setting says, and what it is now
CONSOLES = "proxy"  # units that read no cap, and would drop users' consoles
RESTART_SECONDS, SERVE_SECONDS = 180.0, 120.0

STARTED = f"""
{mark.CLOCK}
for unit in "$@"; do
  began=$(systemctl show -P ActiveEnterTimestamp "$unit")
  date -d "${{began:-@0}}" +%s
done
"""
WRITTEN = 'for file in "$@"; do stat -c %Y "$file"; done'


def capped(context: Context) -> Iterator[tuple[Host, str, str]]:
    """Each host and file with a cap, and its value."""
    for recipe, setting in _of(context.recipes):
        for host in context.target.controllers:
            for path, text in _texts(host, recipe).items():
                value = Ini.parse(text).get(setting.section, setting.option)
                if value is not None and value != FREE:
                    yield host, path, value


def lifted(context: Context) -> bool:
    """Whether there is none, and all that reads it has started since it went."""
    if next(capped(context), None):
        return False
    age = mark.age(context)
    return all(
        _started_since(host, recipe, _units(context, recipe, host), age)
        for recipe, _ in _of(context.recipes)
        for host in context.target.controllers
    )


def lift(context: Context) -> None:
    """Write `auto`, then restart, a controller after the other; each must serve before the next."""
    for recipe, setting in _of(context.recipes):
        for host in context.target.controllers:
            _write(host, recipe, setting)
            units = _units(context, recipe, host)
            host.run("systemctl", "restart", *units, timeout=RESTART_SECONDS)
            wait.until(
                partial(start.serves, context, recipe),
                SERVE_SECONDS,
                f"{host.name}: {', '.join(units)} were restarted and do not serve: see "
                f"/var/log/{recipe.user} there, then the same again",
            )


def _of(recipes: Iterable[Recipe]) -> list[tuple[Recipe, Setting]]:
    return [
        (recipe, one) for recipe in recipes for one in recipe.rules.settings if one.value == CAP
    ]


def _texts(host: Host, recipe: Recipe) -> dict[str, str]:
    return files.read(host, [one.path for one in recipe.configs], exact=True)


def _write(host: Host, recipe: Recipe, setting: Setting) -> None:
    for path, text in _texts(host, recipe).items():
        ini = Ini.parse(text)
        if ini.get(setting.section, setting.option) in (None, FREE):
            continue
        ini.put(setting.section, setting.option, FREE)
        mode, owner = host.run("stat", "-c", "%a %U:%G", path).split()
        host.write(path, ini.text(), mode=int(mode, 8), owner=owner)


def _units(context: Context, recipe: Recipe, host: Host) -> list[str]:
    """What reads it on *host*."""
    own = recipe.units_of(first=host.address == context.target.once.address)
    return [unit for unit in own if CONSOLES not in unit]


def _started_since(host: Host, recipe: Recipe, units: list[str], age: float) -> bool:
    """Whether each of *units* runs for less than *age* seconds, and since its files were written.

    Times are this host's own, and only ages are compared with those of others.
    """
    written = map(int, host.shell(WRITTEN, *_texts(host, recipe)).split())
    now, *started = host.shell(STARTED, *units).split()
    first = min(map(int, started))
    return first > max(written, default=0) and float(now) - first < age
