"""An image as glance recorded it, and the service that has them."""

from dataclasses import dataclass

from migrate.cloud import Context
from migrate.services.backends import Images
from migrate.services.base import Recipe


@dataclass(frozen=True, slots=True)
class Image:
    """Where one lies, and what glance recorded of it; `digest` is empty where nothing is."""

    id: str
    path: str
    size: int | None
    algorithm: str
    digest: str
    scheme: str = "file"  # of its location, by which its store is known


def keeper(context: Context) -> tuple[Recipe, Images]:
    """The service that has the images, and what it says of them."""
    return next((one, one.images) for one in context.recipes if one.images)
