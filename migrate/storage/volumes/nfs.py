"""NFS shares that both sides mount: nothing is copied, and nothing is proven before a boot is.

A share is mounted by the one who uses it, so no mount here would be the one that cinder makes.
"""

from collections.abc import Iterator

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.services.backends import BackendConfig, Refusal
from migrate.services.base import Recipe
from migrate.services.cinder import SHARES
from migrate.storage.volumes.contract import Volume

PROVEN = False


def supports(config: BackendConfig) -> bool:
    return config.driver == "cinder.volume.drivers.nfs.NfsDriver"


def findings(config: BackendConfig) -> Iterator[Refusal]:
    """Shares of a file that is not carried."""
    shares = config.given.get(config.section, "nfs_shares_config", SHARES)
    if not config.given.get(config.section, "nas_host") and shares != SHARES:
        yield Refusal(
            message=f"it reads its shares from {shares}, which is not carried",
            remedy=f"Put them into {SHARES} and set nfs_shares_config to it",
        )


def wrong(
    context: Context, recipe: Recipe, host: Host, volumes: list[Volume], read: bool
) -> list[tuple[Volume, str]]:
    """Nothing; see above."""
    return []
