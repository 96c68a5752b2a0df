"""The drivers of volumes that are moved, each a file of this folder."""

from migrate.storage.contract import Backend
from migrate.storage.volumes import nfs, rbd

DRIVERS: tuple[Backend, ...] = (nfs, rbd)
