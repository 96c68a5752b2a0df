"""What a store does whose images are neither copied nor proven."""

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.storage.images.image import Image

SCHEME = ""


def path(id_: str, location: str) -> str:
    return location


def bring(context: Context, host: Host, step: str, images: list[Image]) -> None:
    """Nothing."""


def wrong(context: Context, host: Host, images: list[Image], fresh: bool = False) -> list[str]:
    return []
