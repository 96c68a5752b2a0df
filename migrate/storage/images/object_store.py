"""Swift and S3: both sides use the store, whose images are neither copied, compared nor held."""

from collections.abc import Iterator

from migrate.services.backends import BackendConfig, Refusal
from migrate.storage.images.left_alone import SCHEME, bring, path, wrong

__all__ = ["SCHEME", "bring", "findings", "path", "supports", "wrong"]


def supports(config: BackendConfig) -> bool:
    return config.driver in ("swift", "s3")


def findings(config: BackendConfig) -> Iterator[Refusal]:
    """That nobody looks after them."""
    yield Refusal(
        message="both sides use it, its images are neither copied nor compared, and deleting one "
        "on the target deletes it",
        remedy="Keep a copy of what must not be lost",
        warning=True,
    )
