"""First pass, delta and proof of the images; what each brought is noted under the step's id."""

from migrate.cloud import Context, hosts
from migrate.cloud.host import Host
from migrate.engine import markers, state_directory
from migrate.errors import StepError
from migrate.storage.images import catalog, noted, stores
from migrate.storage.images.image import Image

PROVEN = "images.json"  # in the state directory, for the report
FIRST, DELTA, PROOF = "glance.images", "glance.delta", "glance.proof"


def wrong(context: Context, fresh: bool = False) -> list[str]:
    """What is not as the target's copied database says, one sentence for each file of it.

    With *fresh* every byte is read again, whatever was hashed before.
    """
    images = catalog.of_target(context)
    if images is None:
        return [f"{context.target.database.name} has no copy of glance's database"]
    return _wrong(context, images, fresh)


def _wrong(context: Context, images: list[Image], fresh: bool = False) -> list[str]:
    return [
        sentence
        for host in context.target.controllers
        for sentence in _wrong_on(context, host, images, fresh)
    ]


def _wrong_on(context: Context, host: Host, images: list[Image], fresh: bool = False) -> list[str]:
    return [
        sentence
        for store, own in stores.sorted_out(images)
        for sentence in store.wrong(context, host, own, fresh)
    ]


def _bring(context: Context, host: Host, step: str, images: list[Image]) -> None:
    for store, own in stores.sorted_out(images):
        store.bring(context, host, step, own)
    noted.stamp(host, step, images)


def followed(context: Context) -> bool:
    """Whether the target has every image of the source's database, hashed."""
    images = catalog.of_source(context)
    return all(
        noted.recorded(host).get("stamps", {}).get(FIRST) and not _wrong_on(context, host, images)
        for host in context.target.controllers
    )


def follow(context: Context) -> None:
    """Bring what the source's database names."""
    markers.refuse_when_live(context)
    images = catalog.of_source(context)
    for host in context.target.controllers:
        _bring(context, host, FIRST, images)


def catch_up(context: Context) -> None:
    """Bring and remove what the target's copied database says was made and deleted since."""
    markers.refuse_when_live(context)
    images = _copied(context)
    kept = {image.path for image in images}
    for host in context.target.controllers:
        if gone := [p for p in noted.recorded(host).get("pulled", {}) if p not in kept]:
            noted.discard(host, "", gone)
        _bring(context, host, DELTA, images)


def prove(context: Context) -> None:
    """Refuse unless every file is what its row says (StepError)."""
    images = _copied(context)
    if found := _wrong(context, images):
        raise StepError(f"{len(found)} image(s) are not what they were: {'; '.join(found[:20])}")
    for host in context.target.controllers:
        noted.stamp(host, PROOF, images)
    told = {"files": len(images), "bytes": sum(image.size or 0 for image in images)}
    state_directory.record(context.home / PROVEN, told)


def _copied(context: Context) -> list[Image]:
    images = catalog.of_target(context)
    if images is None:
        raise StepError("glance's database was not copied yet; `database.copy` comes first")
    return images


def stamped(context: Context, step: str) -> bool:
    """Whether *step* was done for the images of the target's database, and they stand so still."""
    images = catalog.of_target(context)
    if images is None:
        return False
    return all(
        noted.recorded(host).get("stamps", {}).get(step) == catalog.digest(images)
        and not _wrong_on(context, host, images)
        for host in context.target.controllers
    )


def discard(context: Context, step: str) -> None:
    """Remove the files that *step* brought; what was there before it stays."""
    hosts.gather(context.target.controllers, lambda host: noted.discard(host, step))
