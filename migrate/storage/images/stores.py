"""The stores of images that are moved or recognised, each a file of this folder."""

from collections.abc import Iterable, Iterator

from migrate.storage.images import file, http, object_store, rbd
from migrate.storage.images.contract import ImageStore
from migrate.storage.images.image import Image

STORES: tuple[ImageStore, ...] = (file, rbd, http, object_store)


def of(scheme: str) -> ImageStore | None:
    """The one whose images have locations of *scheme*; None where none looks after them."""
    return next((one for one in STORES if scheme and scheme == one.SCHEME), None)


def sorted_out(images: Iterable[Image]) -> Iterator[tuple[ImageStore, list[Image]]]:
    """Each store that has some of *images*, with those."""
    every = list(images)
    for store in STORES:
        if own := [one for one in every if one.scheme == store.SCHEME]:
            yield store, own
