"""What a store of images has to do beside what every back end does (`migrate/storage/contract.py`).

What counts is the database: the source's while it serves, the target's copy of it in the window.
"""

from typing import Protocol

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.storage.contract import Backend
from migrate.storage.images.image import Image


class ImageStore(Backend, Protocol):
    """See above; one without `SCHEME` leaves its images alone."""

    SCHEME: str  # of the locations of its images: "file"

    def path(self, id_: str, location: str) -> str:
        """Where the image lies by *location*; StepError where that cannot be."""
        ...

    def bring(self, context: Context, host: Host, step: str, images: list[Image]) -> None:
        """Let *host* have them, proven; what is shared is only proven. What is brought is noted."""
        ...

    def wrong(
        self, context: Context, host: Host, images: list[Image], fresh: bool = False
    ) -> list[str]:
        """What *host* does not have as glance recorded it, one sentence for each."""
        ...
