"""Writes stamped blocks into a volume by librbd until it is ended, then reads each of them again.

Every block says its number; a gap is a time without a block that the cluster has confirmed.
"""

import json
import signal
import struct
import sys
import time

import rados
import rbd

BLOCK, BLOCKS, PAUSE, TOLD = 4096, 8192, 0.05, 1.0
ended = []
signal.signal(signal.SIGTERM, lambda *_: ended.append(True))


def stamped(number):
    return struct.pack("<Q", number) * (BLOCK // 8)


def opened(create):
    cluster = rados.Rados(conffile="/etc/ceph/ceph.conf", rados_id="cinder")
    cluster.connect()
    pool = cluster.open_ioctx("volumes")
    if create:
        rbd.RBD().create(pool, "live", BLOCK * BLOCKS)
    return rbd.Image(pool, "live")


def write(image):
    number, gaps, last = 0, [], time.monotonic()
    print("writing", flush=True)
    while not ended:
        image.write(stamped(number), number % BLOCKS * BLOCK)
        image.flush()
        number, now = number + 1, time.monotonic()
        if now - last > TOLD:
            gaps.append([round(time.time(), 1), round(now - last, 2)])
        last = now
        time.sleep(PAUSE)
    return number, gaps


image = opened(create="live" not in sys.argv)
written, gaps = write(image)
image.close()
image = opened(create=False)  # by a connection of its own: what the cluster has, not we
kept = range(max(0, written - BLOCKS), written)
there = image.read(0, BLOCK * BLOCKS)  # at once: one by one takes longer than we are given
places = ((n, n % BLOCKS * BLOCK) for n in kept)
bad = sum(there[at : at + BLOCK] != stamped(n) for n, at in places)
print(json.dumps({"written": written, "compared": len(kept), "bad": bad, "gaps": gaps}), flush=True)
