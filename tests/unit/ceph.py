"""A stand-in for a Ceph cluster: what of its bindings `rados` and `rbd` programs here call.

No machine of the unit tests has a cluster; what these do is written after the bindings' own
documentation, and is no proof that the real ones do the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any


class DeniedError(Exception):
    """`rados.Error`."""


class FailedError(Exception):
    """`rbd.Error`, or one of those below it that has a number."""

    def __init__(self, told: str = "", number: int | None = None) -> None:
        super().__init__(told)
        self.errno = number


class MissingError(FailedError):
    """`rbd.ImageNotFound`."""


@dataclass
class Device:
    """An image; `snapshots` by name are what it was, and whether that is protected."""

    prefix: str
    data: bytes
    snapshots: dict[str, tuple[bytes, bool]] = field(default_factory=dict)
    parent: tuple[str, str, str] | None = None
    orphan: Exception | None = None  # what asking for its parent ends in
    unread: Exception | None = None  # what reading it ends in


@dataclass
class Cluster:
    """`pools` hold images by name, `users` may log in; `reads` are the bytes that were read."""

    fsid: str = "f5"
    pools: dict[str, dict[str, Device]] = field(default_factory=dict)
    users: tuple[str, ...] = ("glance", "cinder")
    name: str = "ceph"  # which the files of their keys begin with
    reads: int = 0

    def modules(self) -> dict[str, Any]:
        """The bindings of a client of this cluster."""
        return {
            "rados": SimpleNamespace(
                Error=DeniedError, Rados=lambda **given: Connection(self, given)
            ),
            "rbd": SimpleNamespace(
                Error=FailedError,
                ImageNotFound=MissingError,
                Image=lambda pool, name, read_only: Opened(self, pool, name, read_only),
            ),
        }


class Connection:
    def __init__(self, cluster: Cluster, given: dict[str, str]) -> None:
        self.cluster, self.given = cluster, given

    def conf_set(self, name: str, value: str) -> None:
        assert isinstance(value, str), name

    def connect(self) -> None:
        known = self.cluster.users if self.given["clustername"] == self.cluster.name else ()
        if self.given["rados_id"] not in known:
            raise DeniedError("error connecting to the cluster")

    def open_ioctx(self, name: str) -> Any:
        if name not in self.cluster.pools:
            raise DeniedError("error opening pool")
        return SimpleNamespace(images=self.cluster.pools[name], close=lambda: None)

    def get_fsid(self) -> str:
        return self.cluster.fsid

    def shutdown(self) -> None: ...


class Opened:
    def __init__(self, cluster: Cluster, pool: Any, name: str, read_only: bool) -> None:
        assert read_only
        if name not in pool.images:
            raise MissingError
        self.cluster, self.device = cluster, pool.images[name]
        self.data = self.device.data

    def close(self) -> None: ...

    def stat(self) -> dict[str, Any]:
        return {"block_name_prefix": self.device.prefix}

    def size(self) -> int:
        return len(self.data)

    def set_snap(self, name: str) -> None:
        self.data = self.device.snapshots[name][0]

    def is_protected_snap(self, name: str) -> bool:
        return bool(self.device.snapshots[name][1])

    def list_snaps(self) -> list[dict[str, Any]]:
        own = [
            {"id": at, "name": name, "size": len(data), "namespace": 0}
            for at, (name, (data, _)) in enumerate(self.device.snapshots.items(), 1)
        ]
        return [*own, {"id": 99, "name": "in-the-trash", "size": 1, "namespace": 2}]

    def parent_info(self) -> tuple[str, str, str]:
        if self.device.orphan:
            raise self.device.orphan
        if self.device.parent is None:
            raise MissingError
        parent: tuple[str, str, str] = self.device.parent
        return parent

    def read(self, start: int, length: int) -> bytes:
        self.cluster.reads += length
        if self.device.unread:
            raise self.device.unread
        return bytes(self.data[start : start + length])
