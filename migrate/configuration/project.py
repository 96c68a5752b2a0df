"""One project's configuration on one controller: what its files on the target shall be."""

import threading
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any, TypeVar

from migrate.cloud import Context, addresses, releases
from migrate.cloud.host import Host
from migrate.configuration import (
    dashboard,
    files,
    options,
    paste,
    paths,
    policy,
    servers,
    validate,
)
from migrate.configuration.files import File
from migrate.configuration.translate import Aids, Translation, translate
from migrate.engine.finding import Finding
from migrate.services.base import Recipe

Kept = TypeVar("Kept")
MODE = 0o640
_lock = threading.Lock()
_locks: dict[str, threading.Lock] = {}


def wanted(context: Context, recipe: Recipe, index: int) -> tuple[list[File], Translation]:
    """The files of *recipe* for target controller *index*, and what translating them told."""
    source = addresses.counterpart(context, index)
    if recipe.dashboard:
        return _dashboard(context, index)
    texts = files.read(source, [config.path for config in recipe.configs])
    translation = translate(texts, aids(context, recipe, index))
    owner = f"root:{recipe.user}"
    made = [
        File(_destination(recipe, path), text, MODE, owner)
        for path, text in translation.files.items()
    ]
    policies, objections = policy.carried(source, recipe, texts)
    translation.findings += objections
    carried = files.read(source, recipe.carried, exact=True) | policies
    made += [File(path, text, MODE, owner) for path, text in carried.items()]
    return made, translation


def aids(context: Context, recipe: Recipe, index: int) -> Aids:
    """What the translation of *recipe* goes by; what is slow to ask is asked once a run."""
    source = addresses.counterpart(context, index)
    target = context.target.controllers[index]
    values = {
        "tools": context.installation.tools,
        "compute_alias": releases.compute_alias(context.source.release),
        "source_name": source.name,
    }
    where = once(context, f"mapping {index}", lambda: addresses.of(context, index))
    return Aids(
        source=source.name,
        hostname=once(context, f"hostname {source.name}", lambda: addresses.facts(source)[0]),
        releases=(context.source.release, context.target.release),
        installation=context.installation,
        options=once(
            context,
            f"options {recipe.project} {target.name}",
            lambda: options.installed(target, context.installation, recipe.namespaces),
        ),
        before=once(
            context,
            f"options {recipe.project} {source.name}",
            lambda: options.packaged(
                source, context.source.release, recipe.namespaces, target, context.installation
            ),
        ),
        mapping=where,
        rules=recipe.rules.on_target(values, context.target.release),
    )


def judged(context: Context, recipe: Recipe, index: int) -> tuple[list[Finding], dict[str, str]]:
    """What translating *recipe* and the target's validators have to say; and the texts."""
    made, translation = wanted(context, recipe, index)
    if recipe.dashboard:
        return [*translation.findings, *_judged_settings(context, index, made)], translation.files
    target, by = context.target.controllers[index], aids(context, recipe, index)
    said = validate.ask(target, context.installation, by.options, by.rules, translation.files)
    objections = validate.objections(said, translation, by.options, by.rules, target.name)
    source = addresses.counterpart(context, index)
    policies = policy.carried(source, recipe, translation.before)[0]
    findings = [
        *translation.findings,
        *objections,
        *policy.judged(target, context.installation, recipe, policies, source.name),
        *paste.findings(source, target, recipe.pastes),
        *paths.findings(source, target, translation.before, [file.path for file in made]),
        *servers.findings(context, index, translation.files),
    ]
    return findings, translation.files


def _dashboard(context: Context, index: int) -> tuple[list[File], Translation]:
    source, target = addresses.counterpart(context, index), context.target.controllers[index]
    where = once(context, f"mapping {index}", lambda: addresses.of(context, index))
    known = once(
        context, f"dashboard {target.name}", lambda: dashboard.known(target, context.installation)
    )
    made, findings = dashboard.translate(_settings(context, source), source.name, where, known)
    return [made], Translation({made.path: made.text}, findings=findings)


def _settings(context: Context, source: Host) -> dashboard.DjangoSettings:
    return once(context, f"dashboard {source.name}", lambda: dashboard.read(source))


def _judged_settings(context: Context, index: int, made: list[File]) -> list[Finding]:
    """What the target's Django says of the dashboard's settings, and what they name."""
    source, target = addresses.counterpart(context, index), context.target.controllers[index]
    settings = _settings(context, source)
    return [
        *(
            f
            for one in made
            for f in dashboard.judged(target, context.installation, settings, one, source.name)
        ),
        *paths.of_settings(source, target, made),
        *servers.findings(context, index, {one.path: one.text for one in made}),
    ]


def once(context: Context, key: str, ask: Callable[[], Kept]) -> Kept:
    """What *ask* answered first in this run; steps that run side by side ask once."""
    name = f"configuration {key}"
    with _lock:
        own = _locks.setdefault(f"{id(context.extras)} {name}", threading.Lock())
    with own:
        if name not in context.extras:
            context.extras[name] = ask()
        kept: Any = context.extras[name]
        answer: Kept = kept
        return answer


def _destination(recipe: Recipe, path: str) -> str:
    for config in recipe.configs:
        if config.to and PurePosixPath(path).match(config.path):
            folder = PurePosixPath(path).parent.name.partition(".")[0]
            return f"{config.to}/{folder}-{PurePosixPath(path).name}"
    return path
