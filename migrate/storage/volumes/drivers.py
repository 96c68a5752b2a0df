"""The drivers of volumes that are moved, each a file of this folder."""

from migrate.storage.volumes import nfs, rbd
from migrate.storage.volumes.contract import VolumeDriver

DRIVERS: tuple[VolumeDriver, ...] = (nfs, rbd)
