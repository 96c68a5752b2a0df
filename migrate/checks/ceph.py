"""Services that use Ceph's RBD reach it from the target: by its files, keys and modules."""

from migrate.checks.check import Check
from migrate.storage.rbd import client_files

CHECK = Check("ceph", client_files.findings)
