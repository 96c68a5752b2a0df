"""New volumes for a server of ours, like those that a user's has.

The first is made of the same image where that boots from one.

Until `accept` cinder on the target deletes no volume, since the source knows them; these it never
knew, and an administrator may delete them by their name (`storage/volumes/policy.yaml`). The name
is also how who comes after one that was killed finds them (`boot.sweep`).
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from migrate.cloud import wait
from migrate.cloud.api import Api
from migrate.computes.draining import servers
from migrate.errors import StepError
from migrate.verify import boot
from migrate.verify.model import Model

SIZE = 1  # GiB
SECONDS = 180.0  # until it is there, and until it is attached

Row = dict[str, Any]


@contextmanager
def made(api: Api, model: Model) -> Iterator[list[str]]:
    """Ids of new ones, one for each type that the server has which *model* is like.

    Deleted after it, whatever happens: a server of ours that has them must be gone by then.
    """
    with ExitStack() as stack:
        yield [stack.enter_context(_made(api, one)) for one in _wanted(api, model)]


def attach(api: Api, server: str, volume: str) -> None:
    """Wait until *server* has *volume*."""
    body = {"volumeAttachment": {"volumeId": volume}}
    where = f"/servers/{server}/os-volume_attachments"
    # an older one is refused volumes that several servers may have
    api.send("POST", "compute", where, body, microversion=boot.MICROVERSION)
    _await(api, volume, "in-use")


def _wanted(api: Api, model: Model) -> list[Row]:
    found = servers.one(api, model.like)
    rows = [
        api.get("volume", f"/volumes/{one}")["volume"] for one in (found.volumes if found else ())
    ]
    if not rows:
        raise StepError(
            f"server {model.like}, which a new one was to be like, has no volume any more"
        )
    rows.sort(key=lambda one: one["id"] != model.root)
    by_type = {
        one["volume_type"]: {
            "name": boot.VOLUME,
            "metadata": {boot.NAME: boot.MARK},
            "size": SIZE,
            "volume_type": one["volume_type"],
            "availability_zone": one["availability_zone"],
        }
        for one in rows
    }
    wanted = list(by_type.values())
    if model.root:
        wanted[0] |= {"imageRef": model.image, "size": model.size}
    return wanted


@contextmanager
def _made(api: Api, wanted: Row) -> Iterator[str]:
    volume = str(api.send("POST", "volume", "/volumes", {"volume": wanted})["volume"]["id"])
    try:
        _await(api, volume, "available", boot.MADE_SECONDS if "imageRef" in wanted else SECONDS)
        yield volume
    finally:
        boot.delete_volume(api, volume)


def _await(api: Api, volume: str, status: str, seconds: float = SECONDS) -> None:
    def there() -> bool:
        found = api.get("volume", f"/volumes/{volume}")["volume"]["status"]
        if str(found).startswith("error"):
            raise StepError(f"the new volume {volume} went into {found}: see cinder-volume's log")
        return bool(found == status)

    late = f"the new volume {volume} is not {status} after {seconds:.0f} s"
    wait.until(there, seconds, late, boot.PAUSE)
