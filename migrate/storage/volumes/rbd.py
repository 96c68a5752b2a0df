"""Cinder's volumes on RBD: both sides use the pool, each is proven by the target's client."""

from collections.abc import Iterator

from migrate.services.backends import BackendConfig, Refusal
from migrate.storage.rbd import UNSHOWN, client, clients

__all__ = ["UNSHOWN", "findings", "supports"]

KEEPS = "volumes"


def supports(config: BackendConfig) -> bool:
    return clients.on_rbd(KEEPS, config)


def findings(config: BackendConfig) -> Iterator[Refusal]:
    """What forbids its client to be carried, or lets data stand elsewhere too."""
    yield from client.refusals(config, clients.NAMES[KEEPS])
    if config.get("replication_device"):
        yield Refusal(
            message="it replicates to another cluster, which nobody here looks at",
            remedy="Take replication_device out of its section until the move is finished",
        )
