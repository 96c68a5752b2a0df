"""What every piece of a controller can do; Pulumi's resources are thin shells over it.

A part is described by *facts*: plain values that say how the piece shall be, for example
`{"running": True, "files": {"/etc/mysql/...": "3f0a..."}}`. `read` answers with the same keys and
what the machine shows, so the difference between the two is what is missing, by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from migrate.cloud.host import Host
from migrate.cloud.installation import Installation, environment

Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Which controller is being made: what the files of the parts have to know about it."""

    release: str
    address: str
    virtual_ips: tuple[str, ...] = ()
    webroot: str = "/horizon/"

    @property
    def installation(self) -> Installation:
        """Where the release is, and how its programs are reached."""
        return environment(self.release)


class Part(Protocol):
    """One piece of a controller: packages, the release, a daemon.

    `apply` is safe to repeat and mends what `read` found missing. `remove` takes away what `apply`
    added, as recorded on the machine itself, and nothing else; it is safe to repeat too.
    """

    def wanted(self, place: Place) -> Facts:
        """Say what `read` shows when all is well. Pure."""
        ...

    def read(self, host: Host, place: Place) -> Facts:
        """Ask the machine; the same keys as `wanted`."""
        ...

    def apply(self, host: Host, place: Place) -> None:
        """Make the machine as wanted."""
        ...

    def remove(self, host: Host, place: Place) -> None:
        """Take away what `apply` added."""
        ...


def differing(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Names of the facts that are not as wanted."""
    return [name for name, value in wanted.items() if found.get(name) != value]
