"""What the source's programs were told when they were started is what their files say.

Everything here reads a service's files in oslo.config's own order. A program with --config-file or
--config-dir, or with options in its environment, may see something else.
"""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from typing import Any

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.cloud.ini import Ini
from migrate.cloud.values import Values, read_by
from migrate.engine.finding import Finding, error, on_each
from migrate.errors import PreconditionError
from migrate.onhost import call
from migrate.services.base import Recipe

BROKER = ("DEFAULT", "transport_url")
# Debian's own scripts name each program's log and the process as the broker shows it; so do ours
NAMES = {"OS_DEFAULT__LOG_FILE", "OS_DEFAULT__LOG_DIR", "OS_OSLO_MESSAGING_RABBIT__PROCESSNAME"}


def run(context: Context) -> list[Finding]:
    """Programs of the source's controllers that see other options than their files say."""
    return on_each(context.source.controllers, lambda host: _of_host(context, host))


def _of_host(context: Context, host: Host) -> list[Finding]:
    users = sorted({recipe.user for recipe in context.recipes if recipe.databases})
    told: list[dict[str, Any]] = call(host, "configured.started", users)
    found: list[Finding] = []
    for recipe in context.recipes:
        for one in told if recipe.databases else ():
            if one["user"] == recipe.user and one["program"] not in recipe.compute_units:
                found += wrongs(recipe, one)
    return list(dict.fromkeys(found))


def wrongs(recipe: Recipe, one: Mapping[str, Any]) -> Iterator[Finding]:
    """What is wrong with a program of *recipe*; see `configured.started`."""
    program = one["program"]
    for name in sorted(set(one["environment"]) - NAMES):
        yield error(
            f"{program} takes options from its environment ({name}), which is not carried",
            f"Set it in a file of /etc/{recipe.project} instead, and start the program again",
        )
    patterns = [config.path for config in recipe.configs]
    for path in one["files"]:
        known = any(fnmatch(path, pattern) for pattern in patterns)
        if not known and list(Ini.parse(one["texts"].get(path, "")).options()):
            yield error(
                f"{program} was started with {path}, which is not carried",
                f"Move what it says to {patterns[0]}, and start the program without it",
            )
    for wanted in recipe.databases:
        main, given, texts = wanted.path, one["given"], one["texts"]
        own = read_by(program, recipe.project, main, texts)
        usual = Values({path: texts[path] for path in own}, given)
        read = _read(one, own)
        seen = Values({path: texts[path] for path in read}, given)
        for section, option in ((wanted.section, wanted.option), BROKER):
            if _differ(seen, usual, section, option):
                yield error(
                    f"{program} was started so that it sees another [{section}] {option} than "
                    f"{main} and its folder say",
                    "Give the option one value in all files that it reads",
                )


def _read(one: Mapping[str, Any], own: list[str]) -> list[str]:
    """The files in oslo.config's order: defaults of the kind that was not named come first."""
    files = [path for path in own if ".conf.d/" not in path]
    folders = [path for path in own if ".conf.d/" in path]
    kinds = {kind for kind, _ in one["arguments"]}
    order = [*(files if "file" not in kinds else []), *(folders if "dir" not in kinds else [])]
    for _, paths in one["arguments"]:
        order += paths
    last = {path: at for at, path in enumerate(order)}  # a file read twice has its say at the end
    return [path for at, path in enumerate(order) if last[path] == at and path in one["texts"]]


def _differ(seen: Values, usual: Values, section: str, option: str) -> bool:
    try:
        return seen.get(section, option) != usual.get(section, option)
    except PreconditionError:
        return False  # what cannot be known is told by those who need it
