"""Each service's configuration carried to the target, and what is found before it is written."""

from migrate.cloud import Context, hosts, side_by_side
from migrate.configuration import broker, files, project, volumes
from migrate.engine import markers
from migrate.engine.finding import Finding, Severity, error, filled
from migrate.errors import PreconditionError, StepError
from migrate.services.base import Recipe

WORKERS = 4


def findings(context: Context) -> list[Finding]:
    """Everything that translating the configuration has to say; nothing is written."""
    asked = [
        (recipe, index)
        for recipe in context.recipes
        if recipe.configs
        for index in range(len(context.target.controllers))
    ]
    told = side_by_side.each(lambda one: _judged(context, *one), asked, WORKERS)
    found = [
        *(finding for one, _ in told for finding in one),
        *volumes.findings(context, (files for _, files in told)),
        *broker.findings(context),
    ]
    return list(filled(found, check="configuration"))


def _judged(context: Context, recipe: Recipe, index: int) -> tuple[list[Finding], dict[str, str]]:
    """What *recipe* has to say; where it cannot be asked, that, and the others are told too."""
    try:
        return project.judged(context, recipe, index)
    except PreconditionError as failure:
        return [error(str(failure), "Mend it and check again")], {}


def carried(context: Context, recipe: Recipe) -> bool:
    """Whether every file of *recipe* on the target is what translating the source's gives now."""
    return all(
        files.in_place(host, project.wanted(context, recipe, index)[0])
        for index, host in enumerate(context.target.controllers)
    )


def carry(context: Context, recipe: Recipe) -> None:
    """Write them; a target that serves has a configuration of its own (PreconditionError)."""
    markers.refuse_when_live(context)
    for index, host in enumerate(context.target.controllers):
        made, translation = project.wanted(context, recipe, index)
        if errors := [f for f in translation.findings if f.severity is Severity.ERROR]:
            told = "; ".join(one.describe() for one in errors)
            raise StepError(f"{recipe.project} cannot be translated: {told}")
        files.write(host, recipe.project, made)


def restore(context: Context, recipe: Recipe) -> None:
    """The target's own files as they were."""
    hosts.gather(context.target.controllers, lambda host: files.restore(host, recipe.project))
