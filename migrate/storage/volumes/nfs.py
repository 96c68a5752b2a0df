"""NFS shares that both sides mount: nothing is copied."""

from collections.abc import Iterator

from migrate.services.backends import BackendConfig, Refusal
from migrate.services.cinder import SHARES

UNSHOWN = ""


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
