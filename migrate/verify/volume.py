"""New volumes for a server of ours, like those that a user's has.

What that boots from is made of the same image.

Until `accept` cinder on the target deletes no volume, since the source knows them; these it never
knew, and an administrator may delete them by their name (`storage/volumes/policy.yaml`). The name
is also how who comes after one that was killed finds them (`boot.sweep`).
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from migrate.cloud import Context, wait
from migrate.cloud.api import Api, ApiError
from migrate.computes.draining import servers, turns
from migrate.storage.volumes import policy
from migrate.verify import boot
from migrate.verify.model import Model, NoServerError

SIZE = 1  # GiB
SECONDS = 180.0  # until it is there, and until it is attached
HELD = (
    "no volume is made for it: cinder on the target does not go by the file of this version, which "
    "lets ours be deleted before accept; what has a disk of its host's is tried without"
)

Row = dict[str, Any]


@contextmanager
def root(context: Context, api: Api, compute: str, model: Model) -> Iterator[Model]:
    """*model* with a new one to boot from, where it boots from one; else as it is.

    Deleted after it, whatever happens: the server must be gone by then. NoServerError where it
    cannot be made; StepError once a stop was asked for.
    """
    if not model.root:
        yield model
        return
    copied = {"imageRef": model.image, "size": model.size}
    with _made(context, api, compute, model.type, model.zone, **copied) as id_:
        yield replace(model, volume=id_)


@contextmanager
def made(context: Context, api: Api, compute: str, model: Model) -> Iterator[list[str]]:
    """Ids of new ones, one for each type that the server has which *model* is like, beside that of
    the one it boots from.

    They go as `root` does.
    """
    with ExitStack() as stack:
        types = _types(api, model).items()
        yield [stack.enter_context(_made(context, api, compute, *one)) for one in types]


def attach(context: Context, api: Api, server: str, volume: str) -> None:
    """Wait until *server* has *volume*."""
    body = {"volumeAttachment": {"volumeId": volume}}
    where = f"/servers/{server}/os-volume_attachments"
    # an older one is refused volumes that several servers may have
    api.send("POST", "compute", where, body, microversion=boot.MICROVERSION)
    _await(context, api, volume, "in-use")


def _types(api: Api, model: Model) -> dict[str, str]:
    """Types of that server's volumes, and a zone in which cinder has one of each."""
    like = servers.one(api, model.like)
    rows = [_row(api, one) for one in (like.volumes if like else ())]
    if not rows:
        raise NoServerError(
            f"server {model.like}, which a new one was to be like, has no volume any more"
        )
    found = {one["volume_type"]: one["availability_zone"] for one in rows}
    found.pop(model.type, None)
    return found


def _row(api: Api, volume: str) -> Row:
    found: Row = api.get("volume", f"/volumes/{volume}")["volume"]
    return found


@contextmanager
def _made(
    context: Context, api: Api, compute: str, type_: str, zone: str, **copied: Any
) -> Iterator[str]:
    if not policy.lets_go_of_ours(context):
        raise NoServerError(HELD)
    wanted = {
        "name": boot.VOLUME,
        "metadata": {boot.NAME: boot.MARK, boot.FOR: compute},
        "size": SIZE,
        "volume_type": type_,
        "availability_zone": zone,
        **copied,
    }
    try:
        answer = api.send("POST", "volume", "/volumes", {"volume": wanted})
    except ApiError as error:
        raise NoServerError(f"cinder refused a new volume: {error}") from error
    volume = str(answer["volume"]["id"])
    try:
        _await(context, api, volume, "available", boot.MADE_SECONDS if copied else SECONDS)
        yield volume
    finally:
        boot.delete_volume(context, api, volume)


def _await(context: Context, api: Api, volume: str, status: str, seconds: float = SECONDS) -> None:
    def there() -> bool:
        found = _row(api, volume)["status"]
        if str(found).startswith("error"):
            told = f"the new volume {volume} went into {found}: see cinder-volume's log"
            raise NoServerError(told)
        return bool(found == status)

    sleep = turns.unless_stopped(context, f"the new volume {volume} is not {status}")
    if wait.while_any(lambda: not there(), seconds, boot.PAUSE, sleep):
        raise NoServerError(f"the new volume {volume} is not {status} after {seconds:.0f} s")
