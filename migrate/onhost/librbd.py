"""What a service's own client of Ceph sees of images on RBD: run by the Python that has librbd.

    seen("glance", {"conf": "/etc/ceph/ceph.conf", "user": "glance", "pool": "images",
                    "cluster": "ceph"}, [["<image>", "snap", "sha512"]], 0)
    {"fsid": "...", "images": [{"prefix": "rbd_data.5e...", "size": 1 << 30, "parent": [],
     "snapshots": {"snap": {"id": 4, "size": 1 << 30, "protected": True}}, "digest": "..."}]}

It becomes the service's user first, and never root again: what is told is what the service itself
may read, by its key. One that is not there is None, one that cannot be looked at or read is
{"error": "..."}. Nothing is written.
"""

import errno
import hashlib
import importlib
import os
import pwd
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

BLOCK = 4 << 20
AT_ONCE = 8
# a monitor that is gone costs 300 seconds else
WAITS = {"client_mount_timeout": "20", "rados_mon_op_timeout": "30", "rados_osd_op_timeout": "60"}


def seen(
    service: str, client: dict[str, str], asked: list[list[str]], blocks: int
) -> dict[str, Any]:
    """Each of *asked*, an image, the snapshot to read, "" for itself, and the hash, "" for none.

    Of what is hashed every byte is read, or that many *blocks* of it where that is not 0.
    """
    _become(service)
    rados, rbd = _binding("rados"), _binding("rbd")
    who = f"client.{client['user']} by {client['conf']}"
    try:
        # by the name of the cluster librados looks for the key
        named = {"clustername": client["cluster"], "conffile": client["conf"]}
        cluster = rados.Rados(rados_id=client["user"], **named)
        for name, value in WAITS.items():
            cluster.conf_set(name, value)
        cluster.connect()
    except (rados.Error, OSError) as error:
        raise RuntimeError(f"{who} is not let in, as the user {service}: {error}") from error
    try:
        try:
            pool = cluster.open_ioctx(client["pool"])
        except rados.Error as error:
            raise RuntimeError(f"{who} has no pool {client['pool']}: {error}") from error
        late: list[str] = []
        with ThreadPoolExecutor(AT_ONCE) as threads:
            found = list(threads.map(lambda one: _told(rbd, pool, one, blocks, late), asked))
        pool.close()
        return {"fsid": str(cluster.get_fsid()), "images": found}
    finally:
        cluster.shutdown()


def _binding(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise RuntimeError(f"{sys.executable} has no {name}: install python3-{name}") from error


def _become(service: str) -> None:
    """That user, with its groups."""
    person = pwd.getpwnam(service)
    if os.geteuid() != person.pw_uid:
        os.initgroups(service, person.pw_gid)
        os.setgid(person.pw_gid)
        os.setuid(person.pw_uid)


def _told(
    rbd: Any, pool: Any, asked: list[str], blocks: int, late: list[str]
) -> dict[str, Any] | None:
    """`_image`, or why it cannot be told; *late* are those that nobody answered for in time.

    With many of them the cluster is away, and to wait as long for each of thousands takes days.
    """
    if len(late) >= AT_ONCE:
        return {"error": f"not asked for: nobody answered in time for {', '.join(late)}"}
    try:
        return _image(rbd, pool, asked, blocks)
    except rbd.Error as error:
        if getattr(error, "errno", None) == errno.ETIMEDOUT:
            late.append(asked[0])
        return {"error": str(error) or type(error).__name__}


def _image(rbd: Any, pool: Any, asked: list[str], blocks: int) -> dict[str, Any] | None:
    name, snapshot, algorithm = asked
    try:
        image = rbd.Image(pool, name, read_only=True)
    except rbd.ImageNotFound:
        return None
    try:
        snapshots = {
            one["name"]: {
                "id": one["id"],
                "size": one["size"],
                "protected": bool(image.is_protected_snap(one["name"])),
            }
            for one in image.list_snaps()
            if not one.get("namespace")  # others are the cluster's own, as those in its trash
        }
        found = {
            "prefix": image.stat()["block_name_prefix"],
            "size": image.size(),
            "parent": _parent(rbd, image),
            "snapshots": snapshots,
        }
        if algorithm and (not snapshot or snapshot in snapshots):
            if snapshot:
                image.set_snap(snapshot)
            found["digest"] = _digest(image, algorithm, blocks)
        return found
    finally:
        image.close()


def _parent(rbd: Any, image: Any) -> list[str]:
    """Pool, image and snapshot that it is a clone of; nothing where it is none."""
    try:
        return [str(part) for part in image.parent_info()]
    except rbd.ImageNotFound:
        return []


def _digest(image: Any, algorithm: str, blocks: int) -> str:
    """The hash of all of it, or of so many blocks that lie evenly, the first and the last too."""
    found = hashlib.new(algorithm)
    size = image.size()
    starts = list(range(0, size, BLOCK))
    if 1 < blocks < len(starts):
        starts = [starts[at * (len(starts) - 1) // (blocks - 1)] for at in range(blocks)]
    for start in starts:
        found.update(image.read(start, min(BLOCK, size - start)))
    return found.hexdigest()
