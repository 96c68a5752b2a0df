"""A command of the target's release, run as the service's user: cold, or by a warm process."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from migrate import onhost
from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.database import warm
from migrate.database.service_databases import ServiceDatabase
from migrate.errors import StepError
from migrate.services.base import Recipe, Tool

LIMIT = 3600.0  # seconds for one command; large tables take long
ROUNDS = 1000  # how often a tool may ask for another run


@dataclass(frozen=True, slots=True)
class Call:
    """One command line with what it needs to know beside it (a cell's URL: never in argv)."""

    tool: Tool
    environment: Mapping[str, str]
    about: str  # the cell's database, or ""

    def __repr__(self) -> str:
        return f"Call({' '.join(self.tool.argv)} {self.about})"


def calls(
    recipe: Recipe, tools: tuple[Tool, ...], databases: list[ServiceDatabase]
) -> Iterator[Call]:
    """Every command of *tools* in order; those for each cell once for each cell's database."""
    for tool in tools:
        if not tool.each_cell:
            yield Call(tool, {}, "")
            continue
        for database in databases:
            if database.project == recipe.project and database.usual == recipe.project:
                yield Call(tool, {"OS_DATABASE__CONNECTION": database.url}, database.name)


def run(context: Context, recipe: Recipe, wanted: Iterable[Call]) -> None:
    """Run *wanted* in order, by the waiting tools where they wait, and judge every exit status."""
    host = context.target.tools
    left = list(wanted)
    repeats = 0
    while left:
        answers = warm.ask(host, recipe, [line(context, one) for one in left], timeout=LIMIT)
        if answers is None:
            answers = [cold(context, host, recipe, left[0])]
        for answer in answers:
            if not wants_another(host.name, left[0], answer["status"], answer["output"]):
                left.pop(0)
                repeats = 0
            elif (repeats := repeats + 1) > ROUNDS:
                raise StepError(f"{host.name}: {left[0]} asks for another run without end")


def line(context: Context, call: Call) -> dict[str, Any]:
    """*call* as both ways of running it take it."""
    return {
        "argv": [context.installation.tool(call.tool.argv[0]), *call.tool.argv[1:]],
        "environment": dict(call.environment),
        "go_on": list(call.tool.accepted),
    }


def wants_another(where: str, call: Call, status: int, output: str) -> bool:
    """Whether *call* wants another run; raises StepError when it failed."""
    if status in call.tool.repeat_while:
        return True
    if status not in call.tool.accepted:
        said = " | ".join(output.strip().splitlines()[-4:])
        command = " ".join((*call.tool.argv, *([f"({call.about})"] if call.about else [])))
        raise StepError(f"{where}: {command} exited {status}: {said[-600:]}")
    return False


def cold(
    context: Context,
    host: Host,
    recipe: Recipe,
    call: Call,
    limit: float = LIMIT,
    hidden: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Start *call*, wait, give its exit status and the end of what it said.

    With *hidden* it has no network, and these folders are empty for it.
    """
    told = line(context, call)
    asked = [recipe.user, context.installation.path, told["argv"], told["environment"]]
    if hidden is not None:
        asked.append(list(hidden))
    answer: dict[str, Any] = onhost.call(host, "tools.run", *asked, timeout=limit)
    return answer


def environment(recipe: Recipe, databases: Iterable[ServiceDatabase]) -> dict[str, str]:
    """What leads *recipe*'s tools to *databases*: oslo.config prefers it to any file."""
    usual: dict[str, ServiceDatabase] = {}
    for database in databases:
        usual.setdefault(database.usual, database)
    return {
        f"OS_{url.section}__{url.option}".upper(): usual[url.name].url
        for url in recipe.databases
        if url.name in usual
    }
