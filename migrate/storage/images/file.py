"""Glance's file store: files that are hashed on the target, and pulled where they differ."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any

from migrate.cloud import Context, transfer
from migrate.cloud.host import Host
from migrate.errors import StepError
from migrate.onhost import call
from migrate.services.backends import BackendConfig, Refusal
from migrate.storage.images.image import Image, keeper

SCHEME = "file"
KINDS = ("file", "filesystem")
BATCH = 1 << 30  # bytes pulled before they are put in place: what a broken run loses at most
DAY = 86400.0


def supports(config: BackendConfig) -> bool:
    return config.driver in KINDS


def findings(config: BackendConfig) -> Iterator[Refusal]:
    """Nothing: each image is judged by its own location."""
    yield from ()


def path(id_: str, location: str) -> str:
    """The file; StepError where it would lie outside of the store."""
    found = PurePosixPath("/", location.removeprefix(f"{SCHEME}://"))
    if ".." in found.parts:
        raise StepError(f"image {id_} lies at {found}, outside of any store; correct that")
    return str(found)


def wrong(context: Context, host: Host, images: list[Image], fresh: bool = False) -> list[str]:
    """What is missing or different on *host*; with *fresh* every byte is read again."""
    return [sentence for _, sentence in _differing(context, host, images, fresh)]


def _differing(
    context: Context, host: Host, images: list[Image], fresh: bool = False
) -> list[tuple[Image, str]]:
    """Those of *images* whose file on *host* is not what glance recorded, and how it differs."""
    found = _examined(host, images, True, fresh)
    unknown = [image for image in images if not image.digest]
    told: dict[str, list[Any]] = {}
    for source in context.source.controllers if unknown else ():
        told |= _examined(source, unknown, False, True)
    differing = []
    for image in images:
        place = f"{host.name}:{image.path} of image {image.id}"
        size, digest = found.get(image.path, [None, ""])
        expected = image.digest or told.get(image.path, [0, ""])[1]
        if size is None:
            differing.append((image, f"{place} is missing"))
        elif image.size is not None and size != image.size:
            differing.append((image, f"{place} has {size} of {image.size} bytes"))
        elif digest != expected:
            differing.append((image, f"{place} has another {image.algorithm} than glance recorded"))
    return differing


def _examined(host: Host, images: list[Image], keep: bool, fresh: bool) -> dict[str, list[Any]]:
    wanted = [[image.path, image.algorithm] for image in images]
    found: dict[str, list[Any]] = call(host, "hashes.examine", wanted, keep, fresh, timeout=DAY)
    return found


def bring(context: Context, host: Host, step: str, images: list[Image]) -> None:
    """Pull to *host* what is missing or different, then hash it where it came to."""
    lacking = [image for image, _ in _differing(context, host, images)]
    if lacking:
        _pull(context, host, step, lacking)


def _pull(context: Context, host: Host, step: str, lacking: list[Image]) -> None:
    paths = [image.path for image in lacking]
    strange = call(host, "hashes.claim", step, keeper(context)[0].user, paths)
    if strange:
        raise StepError(
            f"{host.name}: {len(strange)} file(s) are not what glance recorded, and are not this "
            f"program's to replace: {', '.join(strange[:5])}; move them away, or where the folder "
            "is shared with the source, repair or delete those images"
        )
    for source, batch in _batches(context, lacking):
        folders = defaultdict(list)
        for image in batch:
            at = PurePosixPath(image.path)
            folders[str(at.parent)].append(at.name)
        for folder, names in folders.items():
            transfer.pull_files(context, folder, names, target=host, source=source)
    left = [sentence for _, sentence in _differing(context, host, lacking)]
    if left:
        raise StepError(
            f"{len(left)} image(s) are wrong after they were copied: {'; '.join(left[:20])}; "
            "if the source's own file is damaged, delete or replace that image there"
        )


def _batches(context: Context, images: list[Image]) -> Iterable[tuple[Host, list[Image]]]:
    """*images* in portions of about BATCH bytes, each with a source controller that has them."""
    left = list(images)
    for source in context.source.controllers:
        held = set(call(source, "files.existing", [image.path for image in left]))
        batch: list[Image] = []
        for image in [image for image in left if image.path in held]:
            batch.append(image)
            if sum(one.size or 0 for one in batch) >= BATCH:
                yield source, batch
                batch = []
        if batch:
            yield source, batch
        left = [image for image in left if image.path not in held]
