"""Glance's images on RBD: both sides use the pool, each image is proven by the target's client.

A location is rbd://<cluster>/<pool>/<image>/<snapshot>; an old one is rbd://<image>.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from urllib.parse import unquote

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.errors import StepError
from migrate.services.backends import BackendConfig, Refusal
from migrate.storage.images.image import Image, keeper
from migrate.storage.rbd import client, clients, proof
from migrate.storage.rbd.wanted import Wanted

SCHEME = "rbd"
KEEPS = "images"


def supports(config: BackendConfig) -> bool:
    return clients.on_rbd(KEEPS, config)


def findings(config: BackendConfig) -> Iterator[Refusal]:
    """What forbids its client to be carried."""
    yield from client.refusals(config, clients.NAMES[KEEPS])


def path(id_: str, location: str) -> str:
    """The location as it is, once it is understood."""
    parts = location.removeprefix(f"{SCHEME}://").split("/")
    if len(parts) not in (1, 4) or not all(parts):
        raise StepError(f"image {id_} has the location {location}, which is none of RBD's; mend it")
    return location


def bring(context: Context, host: Host, step: str, images: list[Image]) -> None:
    """Nothing is copied: *images* are there, or this raises StepError."""
    if found := wrong(context, host, images):
        raise StepError(
            f"images on RBD are not what they have to be: {'; '.join(found[:20])}; mend "
            "the target's client, or delete or replace an image that the source has lost as well"
        )


def wrong(context: Context, host: Host, images: list[Image], fresh: bool = False) -> list[str]:
    """Those that *host*'s glance does not see as the source's does, and as it was recorded."""
    source = proof.source_of(context, host)
    recipe, _ = keeper(context)
    known = list(clients.of_service(source, recipe).values())
    if not known:
        return [f"{host.name}: {len(images)} image(s) are on RBD, and no store of {source.name} is"]
    pools = Counter(one.pool for one in set(known))
    twice = [one for one in set(known) if pools[one.pool] > 1]
    fsids = proof.clusters(context, recipe, host, twice)
    wanted = [described(one, known, fsids) for one in images]
    told = [sentence for _, sentence in proof.wrong(context, recipe, host, wanted, fresh)]
    return list(dict.fromkeys(told))  # of another cluster it is told of each


def described(
    image: Image, known: list[client.Client], fsids: Mapping[client.Client, str]
) -> Wanted:
    """*image* as RBD has to have it, by the client of *known* whose pool it is in. Pure.

    *fsids* are the clusters of clients whose pools have the same name.
    """
    parts = [unquote(one) for one in image.path.removeprefix(f"{SCHEME}://").split("/")]
    fsid, pool, name, snapshot = parts if len(parts) == 4 else ("", known[0].pool, parts[0], "")
    there = [one for one in known if one.pool == pool] or [replace(known[0], pool=pool)]
    own = next((one for one in there if fsid and fsids.get(one) == fsid), there[0])
    return Wanted(
        what=f"image {image.id}",
        name=name,
        client=own,
        settled=True,
        fsid=fsid,
        size=image.size,
        snapshot=snapshot,
        protected=bool(snapshot),
        algorithm=image.algorithm if image.digest else "",
        digest=image.digest,
    )
