"""Images that glance only knows an address of: it keeps no byte of them, nothing is moved."""

from collections.abc import Iterator

from migrate.services.backends import BackendConfig, Refusal
from migrate.storage.images.left_alone import SCHEME, bring, path, wrong

__all__ = ["SCHEME", "bring", "findings", "path", "supports", "wrong"]


def supports(config: BackendConfig) -> bool:
    return config.driver == "http"


def findings(config: BackendConfig) -> Iterator[Refusal]:
    """Nothing."""
    yield from ()
