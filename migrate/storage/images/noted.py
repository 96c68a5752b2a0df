"""What a target's host remembers of its images: hashes, what was pulled, which step was done."""

from collections.abc import Iterable
from typing import Any

from migrate.cloud.host import Host
from migrate.onhost import call
from migrate.storage.images.catalog import digest
from migrate.storage.images.image import Image

DAY = 86400.0


def recorded(host: Host) -> dict[str, Any]:
    """What *host* remembers: hashes, what was pulled by which step, stamps."""
    known: dict[str, Any] = call(host, "hashes.recall")
    return known


def stamp(host: Host, step: str, images: list[Image]) -> None:
    """Record that *step* was done for exactly *images*."""
    call(host, "hashes.stamp", step, digest(images))


def discard(host: Host, step: str, gone: Iterable[str] = ()) -> None:
    """Remove what *step* brought and what *gone* names, of what this program brought."""
    call(host, "hashes.discard", step, list(gone), timeout=DAY)
