"""Writes noise here and there into every volume and disk, and makes a backup of nothing but that.

What users have not written to is empty, and one empty image is as good as another.
"""

import os

import rados
import rbd

SIZE, BLOCK, PLACES = 4 << 20, 64 << 10, 16


def fill(pool, name):
    with rbd.Image(pool, name) as image:
        for place in range(PLACES):
            image.write(os.urandom(BLOCK), place * (image.size() // PLACES))


for user, kind in (("cinder", "volumes"), ("nova", "vms"), ("cinder-backup", "backups")):
    with (
        rados.Rados(conffile="/etc/ceph/ceph.conf", rados_id=user) as cluster,
        cluster.open_ioctx(kind) as pool,
    ):
        if kind == "backups":
            rbd.RBD().create(pool, "backup", SIZE)
        for name in rbd.RBD().list(pool):
            fill(pool, name)
