"""An image on RBD as a database has it, and how two clients' answers may differ from it. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from migrate.storage.rbd.client import Client

TOLD = {
    "prefix": "is another image",
    "size": "has another size",
    "parent": "has another parent",
    "snapshots": "has other snapshots",
}
Seen = Mapping[str, Any] | None  # what `librbd.seen` tells of one


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """`what` names it to people. It is `settled` where nobody writes to what is read."""

    what: str
    name: str
    client: Client
    settled: bool
    read: bool = True
    fsid: str = ""  # "" where nothing says which cluster
    size: int | None = None  # in bytes
    grows: bool = False  # whether it may be larger
    snapshot: str = ""  # what is read; "": the image itself
    protected: bool = False  # whether that snapshot has to be
    algorithm: str = ""  # of `digest`, of all its bytes; "" where nothing is recorded
    digest: str = ""

    @property
    def key(self) -> str:
        """What it is known by."""
        return f"{self.client.pool}/{self.name}" + (f"@{self.snapshot}" if self.snapshot else "")


def identity(one: Wanted, fsid: str, image: Seen) -> list[Any]:
    """What is another once somebody has put something else there under the same name."""
    there = image or {}
    snapshot = there.get("snapshots", {}).get(one.snapshot, {})
    size = snapshot.get("size", there.get("size"))
    return [fsid, there.get("prefix"), snapshot.get("id"), size, one.digest]


def differences(one: Wanted, image: Seen, other: Seen) -> Iterator[str]:
    """How *image*, seen by the target's client, differs from *other*, the source's, and *one*."""
    if failed := list(_failed(image, other)):
        yield from failed
        return
    if image is None:
        yield "is not there" if other is None else "is not seen, which the source's client does"
        return
    if other is None:
        yield "is not seen by the source's client, which the target's does"
        return
    for field, told in TOLD.items():
        if image[field] != other[field]:
            yield f"{told} than for the source's client: {image[field]}, there {other[field]}"
    if one.snapshot and one.snapshot not in image["snapshots"]:
        yield f"has no snapshot {one.snapshot}"
        return
    snapshot = image["snapshots"].get(one.snapshot, {})
    size = snapshot.get("size", image["size"])
    if one.size is not None and (size < one.size if one.grows else size != one.size):
        yield f"has {size} of {one.size} bytes"
    if one.protected and not snapshot.get("protected"):
        yield f"has a snapshot {one.snapshot} that is not protected: it could be removed"


def misread(one: Wanted, image: Seen, other: Seen, whole: bool) -> Iterator[str]:
    """How what was read of it differs, of all its bytes where it was *whole*."""
    if failed := list(_failed(image, other)):
        yield from failed
        return
    digest, its = (image or {}).get("digest"), (other or {}).get("digest")
    if digest is None or digest != its:
        yield "reads otherwise than for the source's client"
    elif whole and one.digest and digest != one.digest:
        yield f"has another {one.algorithm} than was recorded when it was made"


def _failed(image: Seen, other: Seen) -> Iterator[str]:
    """Why it could not be looked at or read, by the target's client or the source's."""
    for whose, seen in (("", image), ("the source's client says: ", other)):
        if seen and "error" in seen:
            yield f"cannot be proven: {whose}{seen['error']}"
