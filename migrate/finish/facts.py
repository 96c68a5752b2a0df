"""Records of units that run no more: which go, and which stay whatever they are called. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass

from migrate.cloud import Context
from migrate.computes.network.facts import short
from migrate.computes.versions import COMPUTE


@dataclass(frozen=True, slots=True, order=True)
class Record:
    """A service's record of itself."""

    host: str
    binary: str
    id: str

    def __str__(self) -> str:
        return f"{self.binary} on {self.host}"


@dataclass(frozen=True, slots=True)
class Names:
    """Short names: those of the source's controllers, and of all hosts that stay."""

    source: frozenset[str]
    staying: frozenset[str]

    @classmethod
    def of(cls, context: Context) -> Names:
        return cls(
            frozenset(short(one.name) for one in context.source.controllers),
            frozenset(short(one.name) for one in context.target.hosts),
        )

    def gone(self, host: str) -> bool:
        """Whether *host* is a controller of the source, and its name nobody else's."""
        return short(host) in self.source - self.staying


def purged(
    records: Iterable[Record], binaries: Container[str], names: Names
) -> tuple[list[Record], list[Record]]:
    """Of *records* about the source's controllers those of *binaries*, which go, and the others.

    Never one of a compute host, which takes the host's mapping and resource provider along, nor any
    other of a name that a compute host has.
    """
    every = list(records)
    computes = frozenset(short(one.host) for one in every if one.binary == COMPUTE)
    names = Names(names.source, names.staying | computes)
    old = sorted(one for one in every if names.gone(one.host))
    going = [one for one in old if one.binary in binaries]
    return going, [one for one in old if one not in going]
