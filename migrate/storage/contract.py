"""What a storage back end is: a module with these names, one file each.

Those of images stand in `images/`, those of volumes in `volumes/`; each folder says what more its
own have to do. What no file supports is refused before anything moves.
"""

from collections.abc import Iterator
from typing import Protocol

from migrate.services.backends import BackendConfig, Refusal


class Backend(Protocol):
    """See above."""

    def supports(self, config: BackendConfig) -> bool:
        """Whether it is of this kind."""
        ...

    def findings(self, config: BackendConfig) -> Iterator[Refusal]:
        """What forbids it to be moved as it is configured, or what users should know."""
        ...
