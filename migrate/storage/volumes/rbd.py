"""Cinder's volumes on RBD: both sides use the pool, each is proven by the target's client."""

from collections.abc import Iterator, Mapping

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.services.backends import BackendConfig, Refusal
from migrate.services.base import Recipe
from migrate.storage.rbd import clients, proof
from migrate.storage.rbd.client import Client, refusals
from migrate.storage.rbd.wanted import Wanted
from migrate.storage.volumes.contract import Volume

KEEPS = "volumes"
PROVEN = True


def supports(config: BackendConfig) -> bool:
    return clients.on_rbd(KEEPS, config)


def findings(config: BackendConfig) -> Iterator[Refusal]:
    """What forbids its client to be carried, or lets data stand elsewhere too."""
    yield from refusals(config, clients.NAMES[KEEPS])
    if config.get("replication_device"):
        yield Refusal(
            message="it replicates to another cluster, which nobody here looks at",
            remedy="Take replication_device out of its section until the move is finished",
        )


def wrong(
    context: Context, recipe: Recipe, host: Host, volumes: list[Volume], read: bool
) -> list[tuple[Volume, str]]:
    """What *host*'s cinder does not see as the source's does. A server's own disk is not read."""
    known = clients.of_service(proof.source_of(context, host), recipe)
    wanted = {described(one, known, read): one for one in volumes}
    return [(wanted[one], told) for one, told in proof.wrong(context, recipe, host, wanted)]


def described(volume: Volume, known: Mapping[str, Client], read: bool) -> Wanted:
    """*volume* as RBD has to have it, by the client of its back end. Pure."""
    what = f"volume {volume.id}"
    return Wanted(
        what=f"snapshot {volume.snapshot} of {what}" if volume.snapshot else what,
        name=volume.name,
        client=known[volume.backend],
        settled=bool(volume.snapshot),
        read=read and not volume.written,
        size=volume.size,
        grows=True,  # encrypted ones have a header, and some are rounded up
        snapshot=volume.snapshot,
    )
