"""First pass, delta and proof of the images."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial

from migrate.cloud import Context
from migrate.engine import markers, state_directory
from migrate.engine.plan import Impact, Phase, Step
from migrate.errors import StepError
from migrate.services.base import Recipe
from migrate.storage.images import catalog, files

PROVEN = "images.json"  # among the papers, for the report
FIRST, DELTA, PROOF = "glance.images", "glance.delta", "glance.proof"


def steps(recipes: Iterable[Recipe]) -> tuple[Step, ...]:
    """First pass, delta and proof, where glance is among *recipes*."""
    if catalog.PROJECT not in {recipe.project for recipe in recipes}:
        return ()
    return (
        Step(
            id=FIRST,
            title="Copy the images while the cloud serves, and hash them on the target",
            phase=Phase.FOLLOW,
            done=_followed,
            apply=_follow,
            revert=partial(_discard, FIRST),
            needs=("transfer.key",),
            estimate=30,
        ),
        Step(
            id=DELTA,
            title="Copy the images that were made since",
            phase=Phase.CUTOVER,
            done=partial(_stamped, DELTA),
            apply=_catch_up,
            revert=partial(_discard, DELTA),
            needs=("database.compare", FIRST),
            impact=Impact.API_CLOSED,
        ),
        Step(
            id=PROOF,
            title="Prove every image by its hash",
            phase=Phase.CUTOVER,
            done=partial(_stamped, PROOF),
            apply=_prove,
            revert=partial(_discard, PROOF),
            needs=(DELTA,),
            impact=Impact.API_CLOSED,
        ),
    )


def wrong(context: Context, fresh: bool = False) -> list[str]:
    """What is not as the target's copied database says, one sentence for each file of it.

    With *fresh* every byte is read again, whatever was hashed before.
    """
    images = catalog.of_target(context)
    if images is None:
        return [f"{context.target.first.name} has no copy of glance's database"]
    return _wrong(context, images, fresh)


def _wrong(context: Context, images: list[catalog.Image], fresh: bool = False) -> list[str]:
    return [
        sentence
        for host in context.target.controllers
        for _, sentence in files.differing(context, host, images, fresh=fresh)
    ]


def _followed(context: Context) -> bool:
    images = catalog.of_source(context)
    return all(
        files.recorded(host).get("stamps", {}).get(FIRST)
        and not files.differing(context, host, images)
        for host in context.target.controllers
    )


def _follow(context: Context) -> None:
    markers.refuse_after(context, "released")
    images = catalog.of_source(context)
    for host in context.target.controllers:
        files.bring(context, host, FIRST, images)


def _catch_up(context: Context) -> None:
    markers.refuse_after(context, "released")
    images = _copied(context)
    kept = {image.path for image in images}
    for host in context.target.controllers:
        if gone := [p for p in files.recorded(host).get("pulled", {}) if p not in kept]:
            files.discard(host, "", gone)
        files.bring(context, host, DELTA, images)


def _prove(context: Context) -> None:
    images = _copied(context)
    if found := _wrong(context, images):
        raise StepError(f"{len(found)} image(s) are not what they were: {'; '.join(found[:20])}")
    for host in context.target.controllers:
        files.stamp(host, PROOF, images)
    told = {"files": len(images), "bytes": sum(image.size or 0 for image in images)}
    state_directory.keep(context.home / PROVEN, json.dumps(told))


def _copied(context: Context) -> list[catalog.Image]:
    images = catalog.of_target(context)
    if images is None:
        raise StepError("glance's database was not copied yet; `database.copy` comes first")
    return images


def _stamped(step: str, context: Context) -> bool:
    """Whether *step* was done for the images of the target's database, and they stand so still."""
    images = catalog.of_target(context)
    if images is None:
        return False
    return all(
        files.recorded(host).get("stamps", {}).get(step) == catalog.digest(images)
        and not files.differing(context, host, images)
        for host in context.target.controllers
    )


def _discard(step: str, context: Context) -> None:
    """Remove the files that *step* brought; what was there before it stays."""
    for host in context.target.controllers:
        files.discard(host, step)
