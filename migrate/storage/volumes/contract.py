"""What a driver of volumes has to do beside what every back end does: say how one is proven.

Volumes stand on storage that both sides reach, and none is copied.
"""

from dataclasses import dataclass
from typing import Protocol

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.services.base import Recipe
from migrate.storage.contract import Backend


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A volume as cinder's database has it, or with `snapshot` one of its snapshots."""

    id: str
    name: str  # of its data on the storage
    size: int  # in bytes
    backend: str  # its name in the configuration
    written: bool  # whether a server may write to it
    snapshot: str = ""


class VolumeDriver(Backend, Protocol):
    """See above."""

    PROVEN: bool  # whether `wrong` proves anything

    def wrong(
        self, context: Context, recipe: Recipe, host: Host, volumes: list[Volume], read: bool
    ) -> list[tuple[Volume, str]]:
        """What *host* does not see of them as the source does, a sentence each.

        Nobody's data is read where not *read*.
        """
        ...
