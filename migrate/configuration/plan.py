"""The steps of the configuration, and its findings before anything is written."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from migrate.cloud import Context
from migrate.configuration import broker, files, keys, project, rules, volumes
from migrate.configuration.translate import CHECK
from migrate.engine import markers
from migrate.engine.finding import Finding, Severity
from migrate.engine.plan import Action, Phase, Step
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
    with ThreadPoolExecutor(WORKERS) as pool:
        told = list(pool.map(lambda one: _told(context, *one), asked))
    path = rules.backend_host()[0]
    texts = [files for _, files in told if path in files]
    return [
        *(finding for one, _ in told for finding in one),
        *volumes.findings(context, texts),
        *broker.findings(context),
    ]


def _told(context: Context, recipe: Recipe, index: int) -> tuple[list[Finding], dict[str, str]]:
    """What *recipe* has to say; where it cannot be asked, that, and the others are told too."""
    try:
        return project.told(context, recipe, index)
    except PreconditionError as error:
        remedy = "Mend it and check again"
        return [Finding(CHECK, Severity.ERROR, str(error), remedy)], {}


def steps(recipes: Iterable[Recipe]) -> tuple[Step, ...]:
    """All steps of the configuration for *recipes*."""
    chosen = tuple(recipes)
    return (
        *(_config(recipe) for recipe in chosen if recipe.configs),
        *(_keys(recipe) for recipe in chosen if recipe.keys),
        Step(
            id="broker.accounts",
            title="Make the broker's accounts on the target",
            phase=Phase.FOLLOW,
            done=broker.made,
            apply=partial(_before_release, broker.make),
            revert=broker.remove,
            estimate=6,
        ),
    )


def _config(recipe: Recipe) -> Step:
    return Step(
        id=f"{recipe.project}.config",
        title=f"Translate the configuration of {recipe.project}",
        phase=Phase.FOLLOW,
        done=partial(_written, recipe),
        apply=partial(_before_release, partial(_write, recipe)),
        revert=partial(_restore, recipe),
        estimate=3,
    )


def _keys(recipe: Recipe) -> Step:
    return Step(
        id=f"{recipe.project}.keys",
        title=f"Carry the keys of {recipe.project}",
        phase=Phase.FOLLOW,
        done=partial(keys.carried, recipe),
        apply=partial(_before_release, partial(keys.carry, recipe)),
        revert=partial(keys.give_back, recipe),
    )


def _before_release(apply: Action, context: Context) -> None:
    """*apply*, unless the target serves already: then its configuration is the operator's own."""
    markers.refuse_after(context, "released")
    apply(context)


def _written(recipe: Recipe, context: Context) -> bool:
    return all(
        files.in_place(host, project.wanted(context, recipe, index)[0])
        for index, host in enumerate(context.target.controllers)
    )


def _write(recipe: Recipe, context: Context) -> None:
    for index, host in enumerate(context.target.controllers):
        made, translation = project.wanted(context, recipe, index)
        errors = [f for f in translation.findings if f.severity is Severity.ERROR]
        if errors:
            told = "; ".join(f"{e.where}: {e.message} ({e.remedy})" for e in errors)
            raise StepError(f"{recipe.project} cannot be translated: {told}")
        files.write(host, recipe.project, made)


def _restore(recipe: Recipe, context: Context) -> None:
    for host in context.target.controllers:
        files.restore(host, recipe.project)
